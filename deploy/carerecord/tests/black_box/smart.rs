//! An electronic patient record opens a patient's record in the web portal by SMART App Launch, with the
//! portal as its app.

use carerecord_testkit::{Browser, Deployment, Ehr, EhrFault, GP, Letter, PATIENT, Role};
use serde_json::{Value, json};

/// From the launch into the record of that patient, as the person whom the system names; and every
/// message of it is recorded.
pub async fn a_record_system_opens_the_patient_and_nobody_else(deployment: Deployment) {
    let ehr = begun(&deployment).await;
    ehr.shows_the_patient();
    let mut browser = Browser::new(&deployment);

    let back = browser.launched(&ehr.launch("p-1", GP)).await;
    let list = browser.opened(&deployment, &back, GP).await;

    let (status, page) = browser.get(&list).await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("OKAFOR") && page.contains("Opened from Example EPR"), "{page}");
    assert!(!page.contains("Contact details"), "the system has the banner: {page}");
    let mut by_himself = Browser::sign_in(&deployment, GP).await;
    let own = by_himself.find(PATIENT).await;
    assert!(by_himself.get(&own).await.1.contains("Contact details"));
    assert_eq!(browser.get("/search").await.0, 403);
    let other = browser.submit_to(&list, "/patient/find", &[("nhs_number", OTHER)]).await;
    assert_eq!(other.0, 403, "{}", other.1);
    assert_eq!(browser.get(&back).await.0, 410, "once");
    assert_eq!(ehr.tokens(), 1);

    let events = deployment.audit(Role::Portal);
    let left = of(&events, "SMART launch");
    assert_eq!((&left["outcome"], &left["request"]), (&json!("success"), &json!("GET /launch")));
    let came = of(&events, "SMART launch, way back");
    assert_eq!((&came["outcome"], &came["subject"]), (&json!("success"), &json!(PATIENT)));
    let actor = &came["actor"];
    assert_eq!((&actor["id"], &actor["known_by"]), (&json!(ehr.iss()), &json!("launch")));
    assert_eq!(actor["organisation"], "A20047");
    for sent in ["SMART configuration", "JWK set", "access token", "read Patient"] {
        let sent = of(&events, sent);
        assert_eq!(
            (&sent["direction"], &sent["outcome"]),
            (&json!("out"), &json!("success")),
            "{sent}"
        );
    }
    let refused = events.iter().rfind(|e| e["interaction"] == "SMART launch, way back").unwrap();
    assert_eq!((&refused["outcome"], &refused["status"]), (&json!("refused"), &json!(410)));
    let whole = Value::from(events).to_string();
    assert!(!whole.contains("code-0") && !whole.contains("launch-1"), "no code is kept");
    deployment.assert_no_panic();
}

/// Systems that are not known, states, ID tokens and patients that do not hold.
pub async fn what_is_wrong_with_a_launch_opens_nothing_and_is_recorded(deployment: Deployment) {
    let ehr = begun(&deployment).await;
    ehr.has_patient("p-2", PATIENT, "Okonkwo", "1945-07-14");
    ehr.has(json!({"resourceType": "Patient", "id": "p-3", "birthDate": "1945-07-14",
        "name": [{"family": "Okafor"}]}));
    let error = || {
        let events = deployment.audit(Role::Portal);
        let last = events.iter().rfind(|e| e["direction"] == "in" && e["error"].is_string());
        let last = last.expect("a record that tells what is wrong");
        assert_eq!(last["outcome"], "refused", "{last}");
        last["error"].as_str().unwrap().to_owned()
    };
    let mut browser = Browser::new(&deployment);

    let unknown = "/launch?iss=http%3A%2F%2F127.0.0.1%3A1%2Ffhir&launch=x";
    assert_eq!(browser.get(unknown).await.0, 403);
    assert_eq!(error(), "the record system is not known");
    let back = browser.launched(&ehr.launch("p-1", GP)).await;
    assert_eq!(browser.get(&back.replace("state=", "state=x")).await.0, 403);
    assert_eq!(error(), "the state is not that of the launch in this browser");
    assert_eq!(Browser::new(&deployment).get(&back).await.0, 410);
    assert_eq!(error(), "no launch is under way in this browser");
    for fault in [EhrFault::Nonce, EhrFault::Audience, EhrFault::Issuer, EhrFault::Signature] {
        ehr.fault(fault);
        let back = browser.launched(&ehr.launch("p-1", GP)).await;
        assert_eq!(browser.get(&back).await.0, 403, "{fault:?}");
        assert_eq!(error(), "the ID token did not pass the checks", "{fault:?}");
    }
    ehr.fault(EhrFault::None);
    let back = browser.launched(&ehr.launch("p-3", GP)).await;
    let (status, page) = browser.get(&back).await;
    assert!(status == 403 && page.contains("One NHS number"), "{page}");
    assert!(error().contains("has no NHS Number"), "{}", error());

    let back = browser.launched(&ehr.launch("p-2", GP)).await;
    let after = browser.signed_in(&deployment, &back, GP).await;
    let (status, page) = browser.get(&after).await;
    assert!(status == 409 && page.contains("This may be the wrong patient"), "{page}");
    assert!(error().contains("is not the one of the index"), "{}", error());
    deployment.assert_no_panic();
}

/// A patient with a letter, whom a record system knows too.
async fn begun(deployment: &Deployment) -> Ehr {
    known_patient(deployment).await;
    let ehr = deployment.ehr().await;
    ehr.has_patient("p-1", PATIENT, "Okafor", "1945-07-14");
    ehr
}

/// A patient with a letter, whom the index knows.
pub(crate) async fn known_patient(deployment: &Deployment) {
    let letter = Letter::text(PATIENT, 1);
    assert!(deployment.node(0).publish(&letter).await.unwrap().is_success());
    let person = "<name><given>Ngozi</given><family>Okafor</family></name>\
        <birthTime value=\"19450714\"/><addr use=\"HP\"><postalCode>XX1 1XX</postalCode></addr>";
    let told = crate::identity::patient(PATIENT, person);
    let feed = crate::identity::Feed(deployment);
    assert_eq!(feed.tell("PRPA_IN201301UV02", &told).await, "CA");
}

pub(crate) fn of<'e>(events: &'e [Value], interaction: &str) -> &'e Value {
    let found = events.iter().find(|e| e["interaction"] == interaction);
    found.unwrap_or_else(|| panic!("no record of {interaction}"))
}

const OTHER: &str = "9990001138";
