use carerecord_testkit::{
    Browser, Deployment, Exchange, GP, Letter, PATIENT, Role, SOAP, envelope,
};

/// People are made known, described and merged over HTTP; every door shows it.
pub async fn a_merge_by_hl7_v3_holds_on_every_door(deployment: Deployment) {
    let feed = Feed(&deployment);
    let (survivor, merged) = (PATIENT, OTHER);
    for (number, family) in [(survivor, "Adeyemi"), (merged, "Ademi")] {
        let person = format!("<name><given>Ngozi</given><family>{family}</family></name>");
        assert_eq!(feed.tell("PRPA_IN201301UV02", &patient(number, &person)).await, "CA");
    }
    let letters = [Letter::text(survivor, 1), Letter::text(merged, 2)];
    for letter in &letters {
        let published = deployment.node(0).publish(letter).await.unwrap();
        assert!(published.is_success(), "{}", published.envelope);
    }
    let died = "<name><given>Ngozi</given><family>Adeyemi</family></name>\
                <deceasedInd value=\"true\"/>";
    assert_eq!(feed.tell("PRPA_IN201302UV02", &patient(survivor, died)).await, "CA");

    for _ in ["sent", "sent again"] {
        let merge = format!("{}{}", patient(survivor, ""), prior(merged));
        assert_eq!(feed.tell("PRPA_IN201304UV02", &merge).await, "CA");
    }

    let all = letters.each_ref().map(|letter| letter.unique_id.clone());
    let gp = deployment.fhir().as_person(GP).await;
    for number in [survivor, merged] {
        let (_, found) = deployment.registry().find_documents(number).await.unwrap();
        assert_eq!(found, all);
        let found = gp.documents(number).await;
        assert!(all.iter().all(|id| found.contains_key(id)), "{:?}", found.keys());
        let inside = crate::content::wait_for(&gp, number, "pulse", 2).await;
        assert!(all.iter().all(|id| inside.contains(id)), "{inside:?}");
        let people = gp.resource(&format!("Patient?identifier={number}")).await.1;
        let person = &people["entry"][0]["resource"];
        assert_eq!(person["identifier"][0]["value"], survivor);
        assert_eq!(person["name"][0]["family"], "Adeyemi");
        assert_eq!(person["deceasedBoolean"], true);
    }
    let mut browser = Browser::sign_in(&deployment, GP).await;
    let list = browser.find(merged).await;
    let (status, page) = browser.submit(&format!("{list}/died"), &[]).await;
    assert_eq!(status, 303, "{page}");
    let (status, page) = browser.get(&list).await;
    assert_eq!(status, 200, "{page}");
    for shown in ["Letter 1", "Letter 2", "ADEYEMI, Ngozi", "999 000 1138</span> is no longer"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    deployment.assert_no_panic();
}

/// What cannot be done is acknowledged with the reason, and nothing has changed.
pub async fn what_hl7_v3_cannot_do_is_acknowledged_so(deployment: Deployment) {
    let feed = Feed(&deployment);
    let known = patient(PATIENT, "");
    assert_eq!(feed.tell("PRPA_IN201301UV02", &known).await, "CA");
    let before = deployment.audit(Role::Registry).len();

    let unknown = format!("{known}{}", prior("9990001189"));
    assert_eq!(feed.tell("PRPA_IN201304UV02", &unknown).await, "CE");
    let wrong = patient("9990001147", "");
    assert_eq!(feed.tell("PRPA_IN201301UV02", &wrong).await, "CE");
    let other = feed.send("PRPA_IN201304UV02", "PRPA_IN201301UV02", &known).await;
    assert_eq!(verdict(&other), "CR", "the action asks for something else");
    let nonsense = feed.send("PRPA_IN201399UV02", "PRPA_IN201399UV02", &known).await;
    assert!(nonsense.fault().is_some(), "{}", nonsense.envelope);

    let records = deployment.audit(Role::Registry);
    assert_eq!(records.len() - before, 4, "one record of each");
    deployment.assert_no_panic();
}

pub(crate) struct Feed<'d>(pub(crate) &'d Deployment);

impl Feed<'_> {
    /// The verdict on a message.
    pub(crate) async fn tell(&self, interaction: &str, registration: &str) -> String {
        verdict(&self.send(interaction, interaction, registration).await)
    }

    async fn send(&self, action: &str, interaction: &str, registration: &str) -> Exchange {
        let message = asked(action, interaction, registration);
        self.0.identity().send(SOAP, message).await.unwrap()
    }
}

/// The message of an interaction.
pub(crate) fn message(interaction: &str, registration: &str) -> String {
    asked(interaction, interaction, registration)
}

fn asked(action: &str, interaction: &str, registration: &str) -> String {
    let message = format!(
        "<{interaction} xmlns=\"urn:hl7-org:v3\" ITSVersion=\"XML_1.0\">\
             <id root=\"2.999.5\" extension=\"m-1\"/><creationTime value=\"20260114\"/>\
             <interactionId root=\"2.16.840.1.113883.1.6\" extension=\"{interaction}\"/>\
             <processingCode code=\"P\"/><processingModeCode code=\"T\"/>\
             <acceptAckCode code=\"AL\"/>\
             <receiver typeCode=\"RCV\"><device classCode=\"DEV\" determinerCode=\"INSTANCE\">\
             <id root=\"2.999.6\"/></device></receiver>\
             <sender typeCode=\"SND\"><device classCode=\"DEV\" determinerCode=\"INSTANCE\">\
             <id root=\"2.999.7\"/></device></sender>\
             <controlActProcess classCode=\"CACT\" moodCode=\"EVN\"><subject typeCode=\"SUBJ\">\
             <registrationEvent classCode=\"REG\" moodCode=\"EVN\">{registration}\
             </registrationEvent></subject></controlActProcess></{interaction}>"
    );
    let action = format!("urn:hl7-org:v3:{action}");
    envelope(&action, &message)
}

/// The typeCode of an acknowledgement, which names the message that it is of.
fn verdict(answer: &Exchange) -> String {
    assert_eq!(answer.status, 200, "{}", answer.envelope);
    let tree = answer.tree();
    let find = |local: &str| tree.root().descendants().find(|e| e.local() == local);
    let acknowledged = find("acknowledgement").unwrap_or_else(|| panic!("{}", answer.envelope));
    let target = acknowledged.at(&["targetMessage", "id"]).unwrap();
    assert_eq!((target.attr("root"), target.attr("extension")), (Some("2.999.5"), Some("m-1")));
    let sender = find("sender").and_then(|s| s.at(&["device", "id"])).unwrap();
    assert_eq!(sender.attr("root"), Some("2.999.6"), "turned round");
    let code = acknowledged.child("typeCode").and_then(|e| e.attr("code")).unwrap().to_owned();
    let detail = acknowledged.at(&["acknowledgementDetail", "text"]);
    assert_eq!(detail.is_some(), code != "CA", "{}", answer.envelope);
    code
}

pub(crate) fn patient(number: &str, person: &str) -> String {
    format!(
        "<subject1 typeCode=\"SBJ\"><patient classCode=\"PAT\">\
         <id root=\"{NHS}\" extension=\"{number}\"/><statusCode code=\"active\"/>\
         <patientPerson classCode=\"PSN\" determinerCode=\"INSTANCE\">{person}</patientPerson>\
         </patient></subject1>"
    )
}

pub(crate) fn prior(number: &str) -> String {
    format!(
        "<replacementOf typeCode=\"RPLC\"><priorRegistration classCode=\"REG\" moodCode=\"EVN\">\
         <subject1 typeCode=\"SBJ\"><priorRegisteredRole classCode=\"PAT\">\
         <id root=\"{NHS}\" extension=\"{number}\"/></priorRegisteredRole></subject1>\
         </priorRegistration></replacementOf>"
    )
}

const OTHER: &str = "9990001138";
const NHS: &str = "2.16.840.1.113883.2.1.4.1";
