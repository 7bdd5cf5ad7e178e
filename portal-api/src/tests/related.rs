//! What a read of one document tells beside it.

use super::*;

#[tokio::test]
async fn a_read_tells_relations_submission_and_decision() {
    let client = Client::of(registry_of("N", "N"), Some(person())).await;

    let answer = client.get(&format!("DocumentReference/{ID}"), &[]).await;
    let xml = [("accept", "application/fhir+xml")];
    let xml = client.get(&format!("DocumentReference/{ID}"), &xml).await;

    let read = answer.json();
    let target = |id: &str| json!({"reference": format!("DocumentReference/{id}")});
    assert_eq!(read["relatesTo"], json!([{"code": "replaces", "target": target(OLDER)}]));
    let by = part(&read, "urn:carerecord:related-by");
    assert_eq!(
        by["extension"],
        json!([{"url": "code", "valueCode": "appends"},
            {"url": "document", "valueReference": target(LATER)}])
    );
    let submission = part(&read, "urn:carerecord:submission").to_string();
    for told in [&format!("List/{SET}"), "2026-01-14T10:22:31Z", "Hamlet Surgery", "2.999.77.2"] {
        assert!(submission.contains(told), "{told} in {submission}");
    }
    let decision = part(&read, "urn:carerecord:decision").to_string();
    assert!(decision.contains("\"rule\"") && decision.contains("valueCode"), "{decision}");
    assert!(xml.text.contains("<extension url=\"urn:carerecord:related-by\">"), "{}", xml.text);
}

#[tokio::test]
async fn a_related_document_that_is_withheld_is_as_if_it_were_not_there() {
    let none = FakeRegistry {
        found: FoundObjects { associations: vec![member()], ..registry().found },
        ..FakeRegistry::default()
    };
    let with = Client::of(registry_of("V", "V"), Some(person())).await;
    let without = Client::of(none, Some(person())).await;

    let with = with.get(&format!("DocumentReference/{ID}"), &[]).await;
    let without = without.get(&format!("DocumentReference/{ID}"), &[]).await;

    assert_eq!(with.json(), without.json());
    assert!(with.json()["relatesTo"].is_null());
}

#[tokio::test]
async fn of_a_restricted_person_nothing_tells_a_place() {
    let restricted = Patient { restricted: true, ..person() };
    let client = Client::of(registry_of("N", "N"), Some(restricted)).await;

    let answer = client.get(&format!("DocumentReference/{ID}"), &[]).await;

    assert_eq!(answer.status, 200, "{}", answer.text);
    for place in ["Hamlet", "2.999.77", "HAM01", "2.25.0", "basis"] {
        assert!(!answer.text.contains(place), "{place} in {}", answer.text);
    }
}

fn part<'r>(read: &'r Value, url: &str) -> &'r Value {
    let all = read["extension"].as_array().unwrap();
    all.iter().find(|e| e["url"] == url).unwrap_or_else(|| panic!("no {url} in {read}"))
}

/// A letter that replaces one with a label, and that another with a label adds to.
fn registry_of(older: &str, later: &str) -> FakeRegistry {
    let entry = |id: &str, label: &str, unique: &str| DocumentEntry {
        entry_uuid: format!("urn:uuid:{id}").parse().unwrap(),
        unique_id: unique.parse().unwrap(),
        confidentiality_codes: vec![Code::new(label, "2.16.840.1.113883.5.25", label)],
        ..letter()
    };
    let relation = |n: u8, kind, source: &str, target: &str| Association {
        entry_uuid: format!("urn:uuid:6c1d0b52-0000-4000-8000-0000000000d{n}").parse().unwrap(),
        association_type: kind,
        source: format!("urn:uuid:{source}").parse().unwrap(),
        target: format!("urn:uuid:{target}").parse().unwrap(),
        submission_set_status: None,
        ..member()
    };
    let found = FoundObjects {
        document_entries: vec![
            letter().into(),
            entry(OLDER, older, "2.999.1.2").into(),
            entry(LATER, later, "2.999.1.3").into(),
        ],
        submission_sets: vec![set()],
        associations: vec![
            member(),
            relation(1, AssociationType::Replace, ID, OLDER),
            relation(2, AssociationType::Append, LATER, ID),
        ],
        ..FoundObjects::default()
    };
    FakeRegistry { found, ..FakeRegistry::default() }
}

fn member() -> Association {
    registry().found.associations.remove(0)
}

const OLDER: &str = "6c1d0b52-0000-4000-8000-000000000002";
const LATER: &str = "6c1d0b52-0000-4000-8000-000000000003";
