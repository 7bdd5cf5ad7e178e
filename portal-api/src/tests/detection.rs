//! Detection reports: what rules find, who may see and review it.

use super::looking::{as_role, by};
use super::*;

const FINDINGS: &str = "AuditEvent?type=urn:carerecord:detection|";

/// A doctor of the hospital and one of the surgery with the patient's surname.
fn relative(user: &str, organisation: &str, role: &str) -> Value {
    let mut who = as_role(user, organisation, role);
    who["name"] = "Okafor Ngozi Dr".into();
    who
}

async fn operate(client: &Client, path: &str, parameters: Value) -> Answer {
    let body = json!({"resourceType": "Parameters", "parameter": parameters}).to_string();
    client.ask("POST", path, &[("content-type", "application/fhir+json")], body).await
}

/// A portal where both have looked.
async fn two_looked_at(person: Patient) -> Client {
    let mut client = Client::of(registry(), Some(person)).await;
    for (organisation, role) in [("ZEX01", "R8000"), ("A20047", "R0260")] {
        by(&mut client, &relative(&format!("doctor-{organisation}"), organisation, role)).await;
        let patient = format!("patient.identifier={NUMBER}&status=current");
        assert_eq!(client.search("DocumentReference", &patient, &[]).await.status, 200);
    }
    client
}

/// The same when the rules have gone through the log.
async fn looked_at(person: Patient) -> Client {
    let mut client = two_looked_at(person).await;
    by(&mut client, &as_role("region", "ZEX09", "R0001")).await;
    let run = operate(&client, "AuditEvent/$detect", json!([])).await;
    assert_eq!(run.status, 200, "{}", run.text);
    assert_eq!((number(&run, "found"), number(&run, "new")), (2, 2), "{}", run.text);
    assert!(run.text.contains("The log was searched."), "{}", run.text);
    client
}

fn number(answer: &Answer, name: &str) -> u64 {
    let all = answer.json()["parameter"].as_array().unwrap().clone();
    let one = all.iter().find(|p| p["name"] == name).unwrap();
    one["valueUnsignedInt"].as_u64().unwrap()
}

/// Who is told of in findings, with the code of the rule.
fn told(answer: &Answer) -> Vec<(String, String)> {
    let one = |event: &Value| {
        let rule = event["type"]["code"].as_str().unwrap().to_owned();
        (event["agent"][0]["who"]["identifier"]["value"].as_str().unwrap().to_owned(), rule)
    };
    answer.matches().iter().map(one).collect()
}

#[tokio::test]
async fn findings_are_those_of_the_reviewers_organisation() {
    let mut client = looked_at(person()).await;
    let surname = |who: &str| (format!("doctor-{who}"), "same-surname".to_owned());

    let region = client.get(FINDINGS, &[]).await;
    let mut all = told(&region);
    all.sort();
    assert_eq!(all, [surname("A20047"), surname("ZEX01")], "{}", region.text);
    assert_eq!(region.json()["total"], 2);
    for count in ["_count=0", "_summary=count"] {
        let counted = client.get(&format!("{FINDINGS}&{count}"), &[]).await.json();
        assert_eq!((&counted["total"], counted.get("entry")), (&2.into(), None), "{counted}");
    }
    by(&mut client, &as_role("officer", "ZEX01", "R0001")).await;
    let own = client.get(&format!("{FINDINGS}same-surname&state=new"), &[]).await;
    assert_eq!(told(&own), [surname("ZEX01")], "{}", own.text);
    assert_eq!(own.json()["total"], 1);
    let finding = own.matches()[0].clone();
    assert_eq!(finding["entity"][0]["what"]["identifier"]["value"], NUMBER);
    let record = client.audited().await[0].clone();
    assert_eq!(record.interaction, "search detection findings");
    assert_eq!(record.subject.map(|n| n.digits()).as_deref(), Some(NUMBER));
    // What it rests on can be read.
    let parts = finding["extension"][1]["extension"].as_array().unwrap();
    let evidence = parts.iter().find(|p| p["url"] == "record").unwrap()["valueId"].clone();
    let evidence = client.get(&format!("AuditEvent/{}", evidence.as_str().unwrap()), &[]).await;
    assert_eq!(evidence.status, 200, "{}", evidence.text);
    assert!(evidence.text.contains("doctor-ZEX01"), "{}", evidence.text);
    for (rule, total) in [("own-record", 0), ("no-such-rule", 0)] {
        let answer = client.get(&format!("{FINDINGS}{rule}"), &[]).await;
        assert_eq!((answer.status, &answer.json()["total"]), (200, &total.into()), "{rule}");
    }

    let id = finding["id"].as_str().unwrap();
    by(&mut client, &as_role("stranger", "ZEX02", "R0001")).await;
    assert_eq!(client.get(FINDINGS, &[]).await.json()["total"], 0);
    assert_eq!(client.get(&format!("AuditEvent/{id}"), &[]).await.status, 404);
    let step = json!([{"name": "state", "valueCode": "in-review"}]);
    let review = operate(&client, &format!("AuditEvent/{id}/$review"), step).await;
    assert_eq!(review.status, 404, "{}", review.text);
    for role in ["R8000", "R8015"] {
        by(&mut client, &as_role("somebody", "ZEX01", role)).await;
        for path in [FINDINGS, &format!("AuditEvent/{id}")] {
            let answer = client.get(path, &[]).await;
            assert_eq!(answer.status, 403, "{role} {path}: {}", answer.text);
            assert!(!answer.text.contains(NUMBER));
        }
        let run = operate(&client, "AuditEvent/$detect", json!([])).await;
        assert_eq!(run.status, 403, "{}", run.text);
    }
}

#[tokio::test]
async fn numbers_of_a_run_are_those_that_its_reader_may_see() {
    let mut client = two_looked_at(person()).await;

    by(&mut client, &as_role("officer", "ZEX01", "R0001")).await;
    let own = operate(&client, "AuditEvent/$detect", json!([])).await;
    let numbers = ["records", "found", "new"].map(|name| number(&own, name));
    assert_eq!(numbers, [1, 1, 1], "{}", own.text);
    assert!(own.text.contains("users of ZEX01"), "{}", own.text);
    assert_eq!(client.audited().await[0].listed, ["1 records, 1 found"]);
    by(&mut client, &as_role("stranger", "ZEX02", "R0001")).await;
    let none = operate(&client, "AuditEvent/$detect", json!([])).await;
    let numbers = ["records", "found", "new"].map(|name| number(&none, name));
    assert_eq!(numbers, [0, 0, 0], "{}", none.text);
    // What was found elsewhere has been kept for those who may see it.
    by(&mut client, &as_role("region", "ZEX09", "R0001")).await;
    assert_eq!(client.get(FINDINGS, &[]).await.json()["total"], 2);
    let all = operate(&client, "AuditEvent/$detect", json!([])).await;
    assert_eq!((number(&all, "found"), number(&all, "new")), (2, 0), "{}", all.text);
    assert!(number(&all, "records") >= 2 && !all.text.contains("users of"), "{}", all.text);
}

#[tokio::test]
async fn a_link_to_more_has_only_what_is_known() {
    let client = looked_at(person()).await;
    let asked = format!("{FINDINGS}&_count=1&state=new&access_token=s3cret&_format=json");

    let first = client.get(&asked, &[]).await;
    let next = first.json()["link"][1]["url"].as_str().unwrap().to_owned();
    assert_eq!(first.json()["link"][1]["relation"], "next");
    assert!(next.contains("_count=1") && next.contains("state=new"), "{next}");
    assert!(next.contains("_format=json"), "{next}");
    assert!(!next.contains("s3cret") && !next.contains("access_token"), "{next}");
    let second = client.get(&next, &[]).await;
    assert_eq!((told(&first).len(), told(&second).len()), (1, 1), "{}", second.text);
    assert_ne!(told(&first), told(&second));
}

#[tokio::test]
async fn what_is_reviewed_stays_so_until_there_is_more() {
    let mut client = looked_at(person()).await;
    let again = operate(&client, "AuditEvent/$detect", json!([])).await;
    assert_eq!((number(&again, "found"), number(&again, "new")), (2, 0), "{}", again.text);
    by(&mut client, &as_role("officer", "ZEX01", "R0001")).await;
    let finding = client.get(FINDINGS, &[]).await.matches()[0].clone();
    let path = format!("AuditEvent/{}/$review", finding["id"].as_str().unwrap());
    let step = |state: &str, note: &str| json!([{"name": "state", "valueCode": state}, {"name": "note", "valueString": note}]);

    for (state, note) in [("new", "x"), ("appropriate", " "), ("gone", "x")] {
        assert_eq!(operate(&client, &path, step(state, note)).await.status, 400, "{state}");
    }
    let closed = operate(&client, &path, step("appropriate", "They are not related.")).await;
    assert_eq!(closed.status, 200, "{}", closed.text);
    assert!(closed.text.contains("They are not related."), "{}", closed.text);
    assert_eq!(client.get(&format!("{FINDINGS}&state=new"), &[]).await.json()["total"], 0);
    let statistics = client.get("AuditEvent/$statistics", &[]).await;
    let parts = statistics.json()["parameter"].as_array().unwrap().clone();
    let count = |name: &str, code: &str| {
        let is = |p: &&Value| p["name"] == name && p["part"][0]["valueCode"] == code;
        parts.iter().find(is).unwrap()["part"][1]["valueUnsignedInt"].as_u64().unwrap()
    };
    assert_eq!((count("finding", "appropriate"), count("finding-rule", "same-surname")), (1, 0));

    // The same doctor looks once more.
    by(&mut client, &relative("doctor-ZEX01", "ZEX01", "R8000")).await;
    assert_eq!(client.get(&format!("DocumentReference/{ID}"), &[]).await.status, 200);
    by(&mut client, &as_role("officer", "ZEX01", "R0001")).await;
    let run = operate(&client, "AuditEvent/$detect", json!([])).await;
    assert_eq!(number(&run, "new"), 0);
    let open = client.get(&format!("{FINDINGS}&state=new"), &[]).await;
    assert_eq!(open.json()["total"], 1, "{}", open.text);
    assert!(open.text.contains("They are not related."), "what was noted stays");

    // Nobody reviews themselves.
    let own = as_role("doctor-ZEX01", "ZEX01", "R0001");
    by(&mut client, &own).await;
    let review = operate(&client, &path, step("appropriate", "It was me.")).await;
    assert_eq!(review.status, 403, "{}", review.text);
}

#[tokio::test]
async fn of_restricted_people_it_is_not_told_who_looked_elsewhere() {
    let mut restricted = person();
    restricted.restricted = true;
    let mut client = looked_at(restricted).await;

    let found = client.get(FINDINGS, &[]).await;

    assert_eq!(told(&found).len(), 2);
    assert!(!found.text.contains("doctor-") && !found.text.contains("A20047"), "{}", found.text);
    by(&mut client, &as_role("officer", "ZEX01", "R0001")).await;
    assert!(client.get(FINDINGS, &[]).await.text.contains("doctor-ZEX01"));
}

#[tokio::test]
async fn times_that_make_no_sense_are_refused() {
    let mut client = Client::of(registry(), Some(person())).await;
    by(&mut client, &as_role("officer", "ZEX01", "R0001")).await;
    let time = |name: &str, at: &str| json!({"name": name, "valueInstant": at});

    for parameters in [
        json!([time("since", "2126-01-01T00:00:00Z")]),
        json!([time("since", "2026-01-01T00:00:00Z"), time("until", "2026-03-01T00:00:00Z")]),
        json!([time("since", "yesterday")]),
        json!([{"name": "rule", "valueCode": "own-record"}]),
    ] {
        let answer = operate(&client, "AuditEvent/$detect", parameters.clone()).await;
        assert_eq!(answer.status, 400, "{parameters}: {}", answer.text);
    }
    for bad in ["&state=gone", "&before=1", "&overdue=perhaps", "&_count=many"] {
        let answer = client.get(&format!("{FINDINGS}{bad}"), &[]).await;
        assert_eq!(answer.status, 400, "{bad}: {}", answer.text);
    }
}
