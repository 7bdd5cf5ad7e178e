//! Detection reports: what rules find in the logs of all roles, and who reviews it.

use carerecord_testkit::{Browser, Deployment, GP, Letter, PATIENT};
use serde_json::{Value, json};

/// Who looks at their own record is found, by the officers of their organisation and of the region
/// alone; a review is noted once, and nobody else learns of it.
pub async fn rules_find_what_should_be_looked_at_twice(deployment: Deployment) {
    for (n, patient) in [OWN, PATIENT].into_iter().enumerate() {
        let letter = Letter::text(patient, n as u32);
        assert!(deployment.node(0).publish(&letter).await.unwrap().is_success());
    }
    let gp = deployment.fhir().as_person(GP).await;
    for patient in [OWN, PATIENT] {
        let found = gp.documents(patient).await;
        let url = found.values().next().unwrap()["content"][0]["attachment"]["url"].clone();
        assert_eq!(gp.get(url.as_str().unwrap()).await.unwrap().0, 200);
    }
    let region = deployment.fhir().as_person(REGION).await;

    let (status, run) = region.put("AuditEvent/$detect", None, &parameters(json!([]))).await;
    assert_eq!(status, 200, "{run}");
    assert_eq!(number(&run, "new"), 1, "{run}");
    assert!(number(&run, "records") >= 4, "{run}");
    let logs = run.to_string().matches("\"answered\"").count();
    assert_eq!(logs, 5, "portal, registry and three nodes: {run}");

    let (_, bundle) = region.resource(FINDINGS).await;
    assert_eq!(bundle["total"], 1, "{bundle}");
    let finding = bundle["entry"][0]["resource"].clone();
    assert_eq!(finding["type"]["code"], "own-record");
    assert_eq!(finding["entity"][0]["what"]["identifier"]["value"], OWN);
    let said = finding.to_string();
    assert!(said.contains(GP) && said.contains("A20047") && !said.contains(PATIENT), "{said}");
    // The list and the document, each counted once, whoever recorded them.
    assert!(said.contains("\"url\":\"count\",\"valueUnsignedInt\":2"), "{said}");

    let id = finding["id"].as_str().unwrap();
    let read = format!("AuditEvent/{id}");
    let review = format!("AuditEvent/{id}/$review");
    let step = parameters(json!([
        {"name": "state", "valueCode": "needs-hr"},
        {"name": "note", "valueString": "Looked at her own letter."},
    ]));
    // Officers elsewhere, and whoever was found.
    for (who, expected) in [(HOSPITAL, 404), (GP, 403), (DESK, 403)] {
        let person = deployment.fhir().as_person(who).await;
        let (status, answer) = person.resource(&read).await;
        assert_eq!(status, expected, "{who}: {answer}");
        assert!(!answer.to_string().contains(OWN));
        assert_eq!(person.put(&review, None, &step).await.0, expected, "{who}");
        let (status, answer) = person.resource(FINDINGS).await;
        assert!(status == 403 || answer["total"] == 0, "{who}: {answer}");
    }
    assert_eq!(region.put(&review, None, &step).await.0, 200);
    let (_, answer) = region.resource(&read).await;
    assert!(answer.to_string().contains("Looked at her own letter."), "{answer}");
    let (_, run) = region.put("AuditEvent/$detect", None, &parameters(json!([]))).await;
    assert_eq!(number(&run, "new"), 0, "what is known is not found twice");
    let (_, open) = region.resource(&format!("{FINDINGS}&state=new,in-review")).await;
    assert_eq!(open["total"], 0, "and stays closed: {open}");
    deployment.assert_no_panic();
}

/// The same on the pages.
pub async fn the_pages_have_reports(deployment: Deployment) {
    assert!(deployment.node(0).publish(&Letter::text(OWN, 1)).await.unwrap().is_success());
    let gp = deployment.fhir().as_person(GP).await;
    assert_eq!(gp.documents(OWN).await.len(), 1);
    let mut region = Browser::sign_in(&deployment, REGION).await;

    let (_, page) = region.get("/reports").await;
    assert!(page.contains("There is nothing."), "{page}");
    let (status, page) = region.submit("/reports/run", &[]).await;
    assert_eq!(status, 200, "{page}");
    for words in ["1 new report found", "Looked at their own record", "Farrow", "(1 to review)"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let (_, rest) = page.split_once("href=\"/reports/").unwrap();
    let link = format!("/reports/{}", rest.split('"').next().unwrap());
    let (_, page) = region.get(&link).await;
    assert!(page.contains("999 000 1057") && page.contains("What it rests on"), "{page}");
    let (_, rest) = page.split_once("href=\"/looked/record/").unwrap();
    let record = format!("/looked/record/{}", rest.split('"').next().unwrap());
    let (status, access) = region.get(&record).await;
    assert!(status == 200 && access.contains("Looked at the list of documents"), "{access}");

    let (status, page) = region.submit(&link, &[("state", "appropriate"), ("note", "")]).await;
    assert!(status == 422 && page.contains("Say what you found"), "{page}");
    let review = [("state", "not-appropriate"), ("note", "Spoke to her.")];
    assert_eq!(region.submit(&link, &review).await.0, 303);
    let (_, page) = region.get(&link).await;
    assert!(page.contains("Spoke to her.") && page.contains("Closed: not appropriate"), "{page}");

    let mut hospital = Browser::sign_in(&deployment, HOSPITAL).await;
    assert_eq!(hospital.get(&link).await.0, 404);
    // Its own letter was listed: who looked is the hospital's to know, and not what a rule says of it.
    assert_eq!(hospital.get(&record).await.0, 200);
    let mut doctor = Browser::sign_in(&deployment, GP).await;
    let (_, page) = doctor.get("/search").await;
    assert!(!page.contains("/reports"), "{page}");
    for path in ["/reports", &link, &record] {
        assert_eq!(doctor.get(path).await.0, 403, "{path}");
    }
    assert_eq!(doctor.submit("/reports/run", &[]).await.0, 403);
    deployment.assert_no_panic();
}

fn parameters(parameters: Value) -> Value {
    json!({"resourceType": "Parameters", "parameter": parameters})
}

fn number(parameters: &Value, name: &str) -> u64 {
    let all = parameters["parameter"].as_array().unwrap();
    let one = all.iter().find(|p| p["name"] == name).unwrap();
    one["valueUnsignedInt"].as_u64().unwrap()
}

/// The GP's own number, by the staff file.
const OWN: &str = "9990001057";
const FINDINGS: &str = "AuditEvent?type=urn:carerecord:detection|";
const HOSPITAL: &str = "555021900500";
const REGION: &str = "555021900800";
const DESK: &str = "555021900900";
