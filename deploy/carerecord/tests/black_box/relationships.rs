use carerecord_testkit::{Browser, Deployment, Fhir, GP, Letter, NODES, NURSE, PATIENT, Role};
use serde_json::{Value, json};

/// Where a group needs a relationship, nobody of it sees a record without one, on any door; a claim
/// and a referral open it, to those whom they are of, until they end; the claim is reviewed.
pub async fn only_those_who_care_for_a_patient_see_the_record(mut deployment: Deployment) {
    deployment.add_rules(RULES);
    deployment.start_all();
    let letter = Letter::text(PATIENT, 1);
    assert!(deployment.node(0).publish(&letter).await.unwrap().is_success());
    let consultant = deployment.fhir().as_person(CONSULTANT).await;
    let nurse = deployment.fhir().as_person(NURSE).await;
    let gp = deployment.fhir().as_person(GP).await;
    let officer = deployment.fhir().as_person(OFFICER).await;
    let found = gp.documents(PATIENT).await;
    let url = found[&letter.unique_id]["content"][0]["attachment"]["url"].as_str().unwrap();

    for clinician in [&consultant, &nurse] {
        assert_eq!(listed(clinician).await, (0, true, true));
        let (status, refused) = clinician.get(url).await.unwrap();
        let refused = String::from_utf8_lossy(&refused).into_owned();
        assert_eq!(status, 403, "{refused}");
        assert!(refused.contains("no-relationship"), "{refused}");
        let (_, told) = may_see(clinician, json!([])).await;
        assert_eq!(told, ("deny".to_owned(), "no-relationship".to_owned(), Some(true)));
    }
    assert_eq!(listed(&gp).await, (1, false, false), "this group needs none");

    for (reason, hours, status) in [("short", None, 400), (REASON, Some(9), 400)] {
        let (answered, outcome) = claim(&consultant, reason, hours).await;
        assert_eq!(answered, status, "{outcome}");
    }
    let social_worker = deployment.fhir().as_person(SOCIAL_WORKER).await;
    assert_eq!(claim(&social_worker, REASON, None).await.0, 403);
    let (status, claimed) = claim(&consultant, REASON, Some(2)).await;
    assert_eq!(status, 201, "{claimed}");
    let id = claimed["parameter"][0]["valueId"].as_str().unwrap().to_owned();

    assert_eq!(listed(&consultant).await, (1, false, false));
    assert_eq!(consultant.get(url).await.unwrap(), (200, letter.bytes.clone()));
    assert_eq!(listed(&nurse).await, (0, true, true), "a claim is of one person");
    let (basis, _) = may_see(&consultant, json!([])).await;
    assert!(basis.is_empty(), "{basis}");
    reviewed(&officer).await;
    recorded(&deployment, &id);

    end_of_a_claim(&officer, &id).await;
    assert_eq!(listed(&consultant).await, (0, true, true));
    assert_eq!(consultant.get(url).await.unwrap().0, 403);

    a_referral(&deployment, &nurse).await;
    assert_eq!(listed(&consultant).await, (0, true, true), "it was to another organisation");
    let system = deployment.node(0).retrieve(NODES[0].0, &[&letter.unique_id]).await.unwrap();
    assert!(system.exchange.is_success(), "{}", system.exchange.envelope);
    deployment.assert_no_panic();
}

/// A referral that a system records opens the record to the organisation; "what if" says so before.
async fn a_referral(deployment: &Deployment, nurse: &Fhir) {
    let system = deployment.fhir().as_system().await;
    let about = json!([
        {"name": "organisation", "valueIdentifier": {
            "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "ZEX02"}},
        {"name": "role", "valueCode": "R8001"},
    ]);
    let (_, as_it_is) = may_see(&system, about.clone()).await;
    assert_eq!(as_it_is, ("deny".to_owned(), "no-relationship".to_owned(), Some(true)));
    let mut supposed = about;
    let suppose = json!({"name": "suppose", "resource": referral("ZEX02", "active")});
    supposed.as_array_mut().unwrap().push(suppose);
    let (basis, would_be) = may_see(&system, supposed).await;
    assert_eq!(would_be, ("permit".to_owned(), "record-open".to_owned(), None));
    assert!(basis.contains("relationship referral"), "{basis}");
    assert_eq!(listed(nurse).await, (0, true, true), "nothing of it is kept");

    for (episode, status) in [
        (referral("ZEX77", "active"), 400),
        (referral("ZEX02", "onhold"), 400),
        (referral("ZEX02", "active"), 201),
    ] {
        let (answered, outcome) = system.put("EpisodeOfCare", None, &episode).await;
        assert_eq!(answered, status, "{outcome}");
    }
    assert_eq!(nurse.put("EpisodeOfCare", None, &referral("ZEX02", "active")).await.0, 403);
    assert_eq!(listed(nurse).await, (1, false, false));
    those_in_care(deployment, nurse).await;
    let (status, found) = system.search("EpisodeOfCare", PATIENT, "").await;
    assert_eq!((status, &found["total"]), (200, &json!(2)), "{found}");
    let entries = found["entry"].as_array().unwrap();
    let stored = entries.iter().map(|e| &e["resource"]).find(|r| r["status"] == "active").unwrap();
    assert_eq!(stored["extension"][0]["valueString"], "Example Valley ICB");
    assert_eq!(nurse.search("EpisodeOfCare", PATIENT, "").await.0, 403);

    let id = stored["id"].as_str().unwrap();
    let mut moved = referral("ZEX01", "active");
    moved["id"] = id.into();
    assert_eq!(system.put("EpisodeOfCare", Some(id), &moved).await.0, 400);
    let mut wrong = referral("ZEX02", "entered-in-error");
    wrong["id"] = id.into();
    let (status, stored) = system.put("EpisodeOfCare", Some(id), &wrong).await;
    assert_eq!((status, &stored["meta"]["versionId"]), (200, &json!("2")), "{stored}");
    assert_eq!(listed(nurse).await, (0, true, true));
    of_a_restricted_person(deployment, &system, id, &wrong).await;
}

/// The people of an organisation are told to whom it is, with a record of each, and to nobody else.
async fn those_in_care(deployment: &Deployment, nurse: &Fhir) {
    let of = |code: &str, more: &str| {
        let system = "https://fhir.nhs.uk/Id/ods-organization-code";
        format!("EpisodeOfCare?organization.identifier={system}|{code}{more}")
    };
    let people = "&status=active&_include=EpisodeOfCare:patient";
    let (status, found) = nurse.resource(&of("ZEX02", people)).await;
    assert_eq!((status, &found["total"]), (200, &json!(1)), "{found}");
    let episode = &found["entry"][0]["resource"];
    assert_eq!(episode["patient"]["identifier"]["value"], PATIENT, "{found}");
    assert_eq!(
        (episode["status"].as_str(), found["link"].as_array().unwrap().len()),
        (Some("active"), 1)
    );
    for (asks, code, more, status) in [
        (nurse, "ZEX02", "", 400),
        (nurse, "ZEX02", "&status=finished", 400),
        (nurse, "ZEX02", "&status=active&_include=EpisodeOfCare:team", 400),
        (nurse, "ZEX01", people, 403),
        (&deployment.fhir().as_person(OFFICER).await, "ZEX09", people, 403),
        (&deployment.fhir().as_system().await, "ZEX09", people, 403),
    ] {
        let (answered, outcome) = asks.resource(&of(code, more)).await;
        assert_eq!(answered, status, "{code} {more}: {outcome}");
    }
    let (_, others) =
        deployment.fhir().as_person(CONSULTANT).await.resource(&of("ZEX01", people)).await;
    assert_eq!(others["total"], 0, "the claim of that organisation has ended: {others}");
    let events = deployment.audit(Role::Portal);
    let asked =
        events.iter().filter(|e| e["interaction"] == "search EpisodeOfCare by organisation");
    let told: Vec<&Value> = asked.clone().filter(|e| e["subject"] == PATIENT).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(asked.filter(|e| e["outcome"] == "refused").count(), 3);

    let mut browser = Browser::sign_in(deployment, NURSE).await;
    let (status, home) = browser.get("/search").await;
    assert_eq!(status, 200);
    assert!(home.contains("1 open episode of care"), "{home}");
    let (status, page) = browser.get("/team").await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("999 000 1146") && page.contains("Referred since 01-Jan-2020"), "{page}");
}

/// Who cares for them would tell where they live: to another organisation it is as if it were not
/// there, for reading and for changing.
async fn of_a_restricted_person(deployment: &Deployment, system: &Fhir, id: &str, sent: &Value) {
    let active = "<statusCode code=\"active\"/>";
    let told = crate::identity::patient(PATIENT, "");
    let told = told.replace(active, &format!("{active}<confidentialityCode code=\"R\"/>"));
    let feed = crate::identity::Feed(deployment);
    assert_eq!(feed.tell("PRPA_IN201302UV02", &told).await, "CA");
    assert_eq!(system.resource(&format!("EpisodeOfCare/{id}")).await.0, 404);
    let (status, outcome) = system.put("EpisodeOfCare", Some(id), sent).await;
    assert_eq!(status, 404, "{outcome}");
}

/// The privacy officer of the person's organisation finds the claim and closes it.
async fn reviewed(officer: &Fhir) {
    let (_, none) = officer.resource(&format!("{ALERTS}|2")).await;
    assert_eq!(none["total"], 0, "it is no override: {none}");
    let (status, alerts) = officer.resource(&format!("{ALERTS}|1")).await;
    assert_eq!((status, &alerts["total"]), (200, &json!(1)), "{alerts}");
    let (_, both) = officer
        .resource(&format!("{ALERTS}|1,https://fhir.nhs.uk/CodeSystem/SCR-AlertType|2"))
        .await;
    assert_eq!(both["total"], 1, "{both}");
    let alert = &alerts["entry"][0]["resource"];
    assert_eq!(alert["type"]["display"], "Create LR (Self Claimed)");
    assert_eq!(alert["purposeOfEvent"][0]["coding"][0]["code"], "TREAT");
    assert!(alert.to_string().contains(REASON), "{alert}");
    let step = json!({"resourceType": "Parameters", "parameter": [
        {"name": "state", "valueCode": "appropriate"},
        {"name": "note", "valueString": "On the rota of that ward."},
    ]});
    let path = format!("AuditEvent/{}/$review", alert["id"].as_str().unwrap());
    assert_eq!(officer.put(&path, None, &step).await.0, 200);
    let (_, statistics) = officer.resource("AuditEvent/$statistics").await;
    let part = json!([{"name": "code", "valueCode": "claim"},
        {"name": "count", "valueUnsignedInt": 1}]);
    assert!(statistics.to_string().contains(&part.to_string()), "{statistics}");
}

/// What was released names the relationship that it rests on.
fn recorded(deployment: &Deployment, id: &str) {
    let events = deployment.audit(Role::Portal);
    let mut read = events.iter().filter(|e| e["interaction"] == "ITI-68 read Binary");
    let last = read.rfind(|e| e["outcome"] == "success").unwrap();
    let named = format!("relationship claim {id} since ");
    assert!(last["decision"].to_string().contains(&named), "{last}");
    let claims = events.iter().filter(|e| e["interaction"] == "claim relationship");
    let claims: Vec<&Value> = claims.map(|e| &e["status"]).collect();
    assert_eq!(claims, [400, 400, 403, 201], "refusals and mistakes too");
}

/// Whoever may record relationships ends it.
async fn end_of_a_claim(officer: &Fhir, id: &str) {
    let (status, mut episode) = officer.resource(&format!("EpisodeOfCare/{id}")).await;
    assert_eq!(status, 200, "{episode}");
    assert!(!episode.to_string().contains(REASON), "{episode}");
    episode["period"]["end"] = episode["period"]["start"].clone();
    episode["status"] = "finished".into();
    let (status, ended) = officer.put("EpisodeOfCare", Some(id), &episode).await;
    assert_eq!((status, &ended["status"]), (200, &json!("finished")), "{ended}");
}

/// The same on the web portal: the refusal offers it, the page asks how, the record is open, and the
/// inbox has it.
pub async fn the_pages_offer_a_claim(mut deployment: Deployment) {
    deployment.add_rules(RULES);
    deployment.start_all();
    assert!(deployment.node(0).publish(&Letter::text(PATIENT, 1)).await.unwrap().is_success());
    let mut consultant = Browser::sign_in(&deployment, CONSULTANT).await;
    let list = consultant.find(PATIENT).await;

    let (status, refused) = consultant.get(&list).await;
    assert_eq!(status, 403);
    let link = format!("{list}/relationship");
    assert!(refused.contains(&link) && refused.contains("no-relationship"), "{refused}");
    assert!(refused.contains("caring for the patient"), "{refused}");
    let (status, page) = consultant.get(&link).await;
    assert_eq!(status, 200);
    assert!(page.contains("How are you caring for the patient?"), "{page}");
    let (status, page) = consultant.submit(&link, &[("words", "short")]).await;
    assert_eq!(status, 422);
    assert!(page.contains("in at least 10 characters") && page.contains("short"), "{page}");
    assert_eq!(consultant.submit(&link, &[("words", REASON)]).await.0, 303);
    let (status, page) = consultant.get(&list).await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("Letter 1"), "{page}");

    let mut officer = Browser::sign_in(&deployment, OFFICER).await;
    let (status, inbox) = officer.get("/alerts").await;
    assert_eq!(status, 200, "{inbox}");
    assert!(inbox.contains("To review (1)"), "{inbox}");
    assert!(inbox.contains("Says to be caring for the patient"), "{inbox}");
    deployment.assert_no_panic();
}

/// How many documents are listed, whether that a relationship is missing is told, and whether a claim
/// is offered.
async fn listed(fhir: &Fhir) -> (usize, bool, bool) {
    let (status, bundle) = fhir.search("DocumentReference", PATIENT, "status=current").await;
    assert_eq!(status, 200, "{bundle}");
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let matches = entries.iter().filter(|e| e["search"]["mode"] == "match").count();
    assert_eq!(bundle["total"], matches, "{bundle}");
    let said = |system: &str, code: &str| {
        let coding = json!([{"system": system, "code": code}]).to_string();
        bundle.to_string().contains(&coding)
    };
    let missing = said("urn:carerecord:decision-rule", "no-relationship");
    (matches, missing, said("urn:carerecord:relationship", "may-claim"))
}

async fn claim(fhir: &Fhir, reason: &str, hours: Option<u16>) -> (u16, Value) {
    let mut parameters = vec![patient(), json!({"name": "reason", "valueString": reason})];
    parameters.extend(hours.map(|hours| json!({"name": "hours", "valueInteger": hours})));
    let sent = json!({"resourceType": "Parameters", "parameter": parameters});
    fhir.put("Patient/$claim-relationship", None, &sent).await
}

/// The basis in words; decision, rule, and whether the relationship could be claimed.
async fn may_see(fhir: &Fhir, more: Value) -> (String, (String, String, Option<bool>)) {
    let mut parameters = vec![patient()];
    parameters.extend(more.as_array().unwrap().iter().cloned());
    let sent = json!({"resourceType": "Parameters", "parameter": parameters});
    let (status, told) = fhir.put("Patient/$may-see", None, &sent).await;
    assert_eq!(status, 200, "{told}");
    let all = told["parameter"].as_array().unwrap();
    let code = |name: &str| {
        let one = all.iter().find(|p| p["name"] == name).unwrap();
        one["valueCode"].as_str().unwrap().to_owned()
    };
    let basis = all.iter().filter(|p| p["name"] == "basis");
    let basis: Vec<&str> = basis.map(|p| p["valueString"].as_str().unwrap()).collect();
    let claimable = all.iter().find(|p| p["name"] == "claimable");
    let claimable = claimable.map(|p| p["valueBoolean"] == true);
    (basis.join("; "), (code("decision"), code("rule"), claimable))
}

fn patient() -> Value {
    json!({"name": "patient", "valueIdentifier": {
        "system": "https://fhir.nhs.uk/Id/nhs-number", "value": PATIENT,
    }})
}

fn referral(organisation: &str, status: &str) -> Value {
    json!({
        "resourceType": "EpisodeOfCare",
        "status": status,
        "type": [{"coding": [{"system": "urn:carerecord:relationship-kind", "code": "referral"}]}],
        "patient": {"identifier": {
            "system": "https://fhir.nhs.uk/Id/nhs-number", "value": PATIENT}},
        "managingOrganization": {"identifier": {
            "system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": organisation}},
        "period": {"start": "2020-01-01"},
    })
}

const RULES: &str = "
[[relationships.rule]]
name = \"trusts\"
applies_to = { org_role = [\"RO197\"] }
from = \"2020-01-01\"
";
const REASON: &str = "The patient has come to my clinic this morning.";
const CONSULTANT: &str = "555021900200";
const SOCIAL_WORKER: &str = "555021900400";
const OFFICER: &str = "555021900500";
const ALERTS: &str = "AuditEvent?type=https://fhir.nhs.uk/CodeSystem/SCR-AlertType";
