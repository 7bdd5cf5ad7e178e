//! ITI-81: who finds what in the record of accesses.

use super::fake::MERGED;
use super::*;

/// What a person of this role at this organisation is.
pub(super) fn as_role(user: &str, organisation: &str, role: &str) -> Value {
    json!({"sub": user, "name": format!("Person {user}"), "nhsid_nrbac_roles": [{
        "person_roleid": "1", "org_code": organisation, "role_code": format!("S8000:G8000:{role}"),
    }]})
}

pub(super) async fn by(client: &mut Client, who: &Value) {
    client.token = client.signer.token(who);
}

/// A portal where a doctor of the hospital and one of the surgery have each looked at the record.
async fn looked_at(person: Patient) -> Client {
    let mut client = Client::of(registry(), Some(person)).await;
    for organisation in ["ZEX01", "A20047"] {
        let role = if organisation == "ZEX01" { "R8000" } else { "R0260" };
        by(&mut client, &as_role(&format!("doctor-{organisation}"), organisation, role)).await;
        let patient = format!("patient.identifier={NUMBER}&status=current");
        let headers = [("x-request-id", REQUEST)];
        let found = client.search("DocumentReference", &patient, &headers).await;
        assert_eq!(found.matches().len(), 1, "{}", found.text);
        assert_eq!(client.get(&format!("Binary/{ID}"), &[]).await.status, 200);
    }
    client
}

async fn find(client: &Client, form: &str) -> Answer {
    client.search("AuditEvent", form, &[]).await
}

/// The ids of the actors, the newest first.
fn actors(answer: &Answer) -> Vec<String> {
    let user = |event: &Value| {
        let agents = event["agent"].as_array().unwrap().clone();
        let user = agents.into_iter().find(|agent| agent["requestor"] == true);
        user.map(|user| user["who"]["identifier"]["value"].as_str().unwrap().to_owned())
    };
    answer.matches().iter().filter_map(user).collect()
}

#[tokio::test]
async fn officers_find_accesses_by_whatever_they_know() {
    let mut client = looked_at(person()).await;
    by(&mut client, &as_role("officer", "ZEX01", "R0001")).await;

    let both = ["doctor-A20047", "doctor-A20047", "doctor-ZEX01", "doctor-ZEX01"];
    let patient = format!("patient.identifier={NUMBER}");
    for (form, expected) in [
        (patient.clone(), &both[..]),
        (format!("patient.identifier={MERGED}"), &both),
        (format!("entity.identifier={ID}"), &both),
        ("entity=2.999.1.1".to_owned(), &both),
        ("agent=doctor-ZEX01".to_owned(), &both[2..]),
        ("organisation=ZEX01&action=R&type=rest".to_owned(), &both[3..]),
        (format!("{patient}&agent=doctor-A20047"), &both[..2]),
        (format!("{patient}&subtype=ITI-68"), &["doctor-A20047", "doctor-ZEX01"]),
        (format!("{patient}&outcome=8"), &[]),
        (format!("{patient}&date=lt2026-01-01"), &[]),
        ("agent=nobody".to_owned(), &[]),
    ] {
        let answer = find(&client, &form).await;
        // What the officer asked before is an access as well.
        let found: Vec<String> =
            actors(&answer).into_iter().filter(|actor| actor != "officer").collect();
        assert_eq!(found, expected, "{form}: {}", answer.text);
        assert_eq!(answer.json()["total"], answer.matches().len(), "{form}");
    }

    let record = &client.audited().await[0];
    assert_eq!(record.interaction, "ITI-81 search AuditEvent");
    assert_eq!(record.listed, ["agent nobody"]);
    assert_eq!(record.decision.as_ref().unwrap().rule, "audit-duty");
    assert_eq!(record.purpose.as_deref(), Some("audit"));
    let answer = find(&client, &format!("{patient}&agent=doctor-ZEX01&subtype=ITI-68")).await;
    let event = &answer.matches()[0];
    let decision = event["extension"]
        .as_array()
        .unwrap()
        .iter()
        .find(|e| e["url"] == "urn:carerecord:decision");
    assert!(decision.unwrap().to_string().contains("own-record"), "{event}");
    assert!(answer.text.contains("The log was searched."), "{}", answer.text);
    let record = &client.audited().await[0];
    assert_eq!(record.subject.map(|n| n.digits()).as_deref(), Some(NUMBER));
    let xml = client.get(&format!("AuditEvent?{patient}&_format=xml"), &[]).await;
    assert!(xml.status == 200 && xml.text.contains("<AuditEvent"), "{}", xml.text);
}

#[tokio::test]
async fn officers_of_others_find_neither_records_nor_how_many_there_are() {
    let mut client = looked_at(person()).await;
    by(&mut client, &as_role("stranger", "ZEX02", "R0001")).await;

    for form in [
        format!("patient.identifier={NUMBER}"),
        format!("entity={ID}"),
        "agent=doctor-ZEX01".to_owned(),
        "organisation=ZEX01".to_owned(),
        format!("correlation={REQUEST}"),
        format!("patient.identifier={NUMBER}&_summary=count"),
    ] {
        let answer = find(&client, &form).await;
        let found: Vec<String> =
            actors(&answer).into_iter().filter(|actor| actor != "stranger").collect();
        assert!(found.is_empty(), "{form}: {}", answer.text);
        assert!(!answer.text.contains("doctor"), "{}", answer.text);
    }
    let nothing = find(&client, "patient.identifier=9990001006&_summary=count").await;
    assert_eq!(nothing.json()["total"], 0, "as of somebody whom nobody knows");

    // What the hospital's own people do is not the surgery's either; what is done with its letter is.
    by(&mut client, &as_role("officer", "A20047", "R0001")).await;
    let answer = find(&client, &format!("patient.identifier={NUMBER}")).await;
    assert_eq!(actors(&answer), ["doctor-A20047", "doctor-A20047"], "{}", answer.text);
    by(&mut client, &as_role("region", "ZEX09", "R0001")).await;
    let answer = find(&client, "organisation=ZEX01,A20047&_count=3").await;
    assert_eq!(answer.matches().len(), 3);
}

#[tokio::test]
async fn who_may_not_search_learns_nothing_and_is_recorded() {
    let mut client = looked_at(person()).await;
    let mut told = Vec::new();
    for who in [
        as_role("doctor-ZEX01", "ZEX01", "R8000"),
        as_role("clerk", "ZEX01", "R8010"),
        json!({"acr": "AAL1_ANY", "nhsid_nrbac_roles": [{
            "person_roleid": "1", "org_code": "ZEX01", "role_code": "S8000:G8000:R0001"}]}),
    ] {
        by(&mut client, &who).await;
        let mut answers = Vec::new();
        for form in [
            format!("patient.identifier={NUMBER}"),
            "patient.identifier=9990001006".to_owned(),
            format!("entity={ID}"),
            "agent=doctor-ZEX01".to_owned(),
            format!("correlation={REQUEST}"),
            "colour=red".to_owned(),
            "patient.identifier=1".to_owned(),
        ] {
            let answer = find(&client, &form).await;
            assert_eq!(answer.status, 403, "{form}: {}", answer.text);
            answers.push(answer.text);
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "one answer whatever is there: {answers:?}");
        assert!(!answers[0].contains(NUMBER) && !answers[0].contains("total"));
        told.extend(answers);
        let records = client.audited().await;
        let refused: Vec<_> = records
            .iter()
            .filter(|r| r.interaction.starts_with("ITI-81") && r.outcome.as_str() == "refused")
            .collect();
        assert_eq!(refused.len(), 7 * told.len(), "each attempt is recorded");
        assert!(refused.iter().any(|r| r.subject.is_some_and(|n| n.digits() == NUMBER)));
        assert!(refused.iter().all(|r| r.decision.as_ref().is_some_and(|d| d.outcome == "deny")));
    }
    assert_eq!(find(&client, "_page=AAAA").await.status, 404);
    client.token = "x".to_owned();
    assert_eq!(client.get("AuditEvent", &[]).await.status, 401);
}

#[tokio::test]
async fn the_service_desk_traces_one_request_and_sees_no_patient() {
    let mut client = looked_at(person()).await;
    by(&mut client, &as_role("desk", "ZEX09", "R8015")).await;

    let traced = find(&client, &format!("correlation={REQUEST}")).await;

    assert_eq!(actors(&traced), ["doctor-A20047", "doctor-ZEX01"], "{}", traced.text);
    for secret in [NUMBER, ID, "2.999.1.1", "agreement", "own-record", "nhs-number"] {
        assert!(!traced.text.contains(secret), "{secret}: {}", traced.text);
    }
    for form in [
        format!("correlation={REQUEST}&patient.identifier={NUMBER}"),
        format!("correlation={REQUEST}&entity={ID}"),
        format!("patient.identifier={NUMBER}"),
        "agent=doctor-ZEX01".to_owned(),
        format!("correlation={REQUEST}&entity-role=1"),
        String::new(),
    ] {
        let answer = find(&client, &form).await;
        assert_eq!(answer.status, 403, "{form}: {}", answer.text);
        assert_eq!(client.audited().await[0].outcome.as_str(), "refused", "{form}");
    }
}

#[tokio::test]
async fn where_a_restricted_person_is_seen_is_not_told() {
    let mut restricted = person();
    restricted.restricted = true;
    let mut client = looked_at(restricted).await;
    by(&mut client, &as_role("officer", "ZEX01", "R0001")).await;

    let answer = find(&client, &format!("patient.identifier={NUMBER}")).await;

    let expected = ["withheld", "withheld", "doctor-ZEX01", "doctor-ZEX01"];
    assert_eq!(actors(&answer), expected, "{}", answer.text);
    assert!(!answer.text.contains("A20047"), "{}", answer.text);
    // The log of a node tells a place as well.
    let log = |event: &Value| {
        let all = event["extension"].as_array().unwrap();
        all.iter().find(|e| e["url"] == "urn:carerecord:log").unwrap()["valueString"].clone()
    };
    let logs: Vec<Value> = answer.matches().iter().map(log).collect();
    assert_eq!(logs, ["withheld", "withheld", "portal", "portal"], "{}", answer.text);
    let hidden = answer.matches()[0]["id"].clone();
    let read = client.get(&format!("AuditEvent/{}", hidden.as_str().unwrap()), &[]).await;
    assert_eq!((read.status, log(&read.json())), (200, "withheld".into()), "{}", read.text);
    // Nor by looking for who it may have been.
    for form in ["organisation=A20047", "agent=doctor-A20047", "address=127"] {
        let answer = find(&client, &format!("patient.identifier={NUMBER}&{form}")).await;
        assert!(!actors(&answer).contains(&"withheld".to_owned()), "{form}: {}", answer.text);
        assert!(answer.json().get("total").is_none(), "{form}: {}", answer.text);
    }
    let answer = find(&client, "agent=doctor-A20047").await;
    assert!(answer.matches().is_empty(), "{}", answer.text);
}

#[tokio::test]
async fn one_record_is_read_by_its_id_as_far_as_it_may_be_seen() {
    let mut client = looked_at(person()).await;
    by(&mut client, &as_role("officer", "ZEX01", "R0001")).await;
    let form = format!("patient.identifier={NUMBER}&agent=doctor-A20047&entity-role=3");
    let found = find(&client, &form).await;
    let (url, entry) = (found.json()["entry"][0]["fullUrl"].clone(), found.matches()[0].clone());
    let url = url.as_str().unwrap();

    let read = client.get(url, &[]).await;

    assert_eq!((read.status, read.json()), (200, entry.clone()), "{}", read.text);
    let record = &client.audited().await[0];
    assert_eq!(record.interaction, "audit record read");
    assert_eq!(record.subject.map(|n| n.digits()).as_deref(), Some(NUMBER));
    // Of a stranger's search nothing of the hospital's is told; of what nobody has made neither.
    by(&mut client, &as_role("stranger", "ZEX02", "R0001")).await;
    let strange = client.get(url, &[]).await;
    let nothing = "AuditEvent/0199a1c2-9f3e-7cc1-8f8e-0e6f1d2b3c4e";
    let nothing = client.get(nothing, &[]).await;
    assert_eq!((strange.status, nothing.status), (404, 404), "{}", strange.text);
    assert_eq!(strange.text, nothing.text);
    for (user, role) in [("desk", "R8015"), ("doctor", "R8000")] {
        by(&mut client, &as_role(user, "ZEX01", role)).await;
        assert_eq!(client.get(url, &[]).await.status, 403);
    }
}

#[tokio::test]
async fn pages_have_each_record_once_and_are_the_callers_own() {
    let mut client = Client::of(registry(), Some(person())).await;
    for _ in 0..25 {
        assert_eq!(client.get(&format!("DocumentReference/{ID}"), &[]).await.status, 200);
    }
    let officer = as_role("officer", "ZEX01", "R0001");
    by(&mut client, &officer).await;

    let form = format!("patient.identifier={NUMBER}&_count=10");
    let mut page = find(&client, &form).await;
    let (mut seen, mut links) = (Vec::new(), Vec::new());
    loop {
        let bundle = page.json();
        assert_eq!(bundle["total"], 25, "what comes meanwhile does not count");
        seen.extend(page.matches().iter().map(|event| event["id"].clone()));
        let all = bundle["link"].as_array().unwrap();
        let Some(next) = all.iter().find(|link| link["relation"] == "next") else { break };
        let next = next["url"].as_str().unwrap().to_owned();
        assert!(!next.contains(NUMBER), "{next}");
        page = client.get(&next, &[]).await;
        links.push(next);
    }

    assert_eq!((seen.len(), links.len()), (25, 2));
    seen.sort_by_key(Value::to_string);
    seen.dedup();
    assert_eq!(seen.len(), 25);
    by(&mut client, &as_role("other", "ZEX01", "R0001")).await;
    assert_eq!(client.get(&links[0], &[]).await.status, 404);
    let counted = find(&client, &format!("{form}&_count=0")).await.json();
    assert!(
        counted["total"].as_u64().unwrap() >= 25 && counted["link"].as_array().unwrap().len() == 1
    );
}

#[tokio::test]
async fn what_is_not_understood_is_told_or_refused() {
    let mut client = looked_at(person()).await;
    by(&mut client, &as_role("officer", "ZEX01", "R0001")).await;
    let strict = [("prefer", "handling=strict")];
    let form = format!("patient.identifier={NUMBER}&site=10.0.0.1");

    let lenient = client.search("AuditEvent", &form, &[]).await;
    assert!(lenient.status == 200 && lenient.text.contains("parameter site"), "{}", lenient.text);
    for bad in [
        form.as_str(),
        "agent=a",
        "date=2026&agent=a&_revinclude=x",
        "date=tomorrow",
        "agent:missing=true",
        "patient.identifier=9990001007",
    ] {
        let answer = client.search("AuditEvent", bad, &strict).await;
        assert_eq!(answer.status, 400, "{bad}: {}", answer.text);
        assert_eq!(answer.json()["resourceType"], "OperationOutcome");
    }
    let both = format!("patient.identifier={NUMBER}&date=ge2026&date=le2126");
    assert_eq!(client.search("AuditEvent", &both, &strict).await.status, 200);
}

const REQUEST: &str = "0199a1c2-9f3e-7cc1-8f8e-0e6f1d2b3c4d";
