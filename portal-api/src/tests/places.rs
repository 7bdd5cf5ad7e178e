//! Where a restricted (S-flagged) person is cared for leaves by no route.

use super::*;

#[tokio::test]
async fn no_route_tells_where_a_restricted_person_is_cared_for() {
    let mut restricted = person();
    restricted.restricted = true;
    let client = Client::of(registry(), Some(restricted)).await;
    let patient = format!("patient.identifier={NUMBER}&status=current");

    let found = client.search("DocumentReference", &patient, &[]).await;
    let xml = client.search("DocumentReference", &format!("{patient}&_format=xml"), &[]).await;
    let one = client.get(&format!("DocumentReference/{ID}"), &[]).await;
    let lists = client.search("List", &format!("{patient}&code=submissionset"), &[]).await;
    let list = client.get(&format!("List/{SET}"), &[]).await;
    let people = client.search("Patient", &format!("identifier={NUMBER}"), &[]).await;
    let bytes = client.get(&format!("Binary/{ID}"), &[]).await;

    assert_eq!(found.matches().len(), 1);
    assert_eq!(lists.matches().len(), 1);
    for answer in [&found, &xml, &one, &lists, &list, &people] {
        assert_eq!(answer.status, 200, "{}", answer.text);
        for told in TELLING {
            assert!(!answer.text.contains(told), "{told} in {}", answer.text);
        }
    }
    assert_eq!(one.json()["custodian"], json!({"display": "Organisation withheld"}));
    assert!(found.text.contains("Source 2"), "both sources are still told of");
    let person = &people.matches()[0];
    assert_eq!(person["meta"]["security"][0]["code"], "R");
    for place in ["address", "telecom", "contact", "generalPractitioner"] {
        assert!(person.get(place).is_none(), "{place}");
    }
    assert_eq!((bytes.status, bytes.text.as_bytes()), (200, fake::BYTES), "it still opens");
}

#[tokio::test]
async fn a_masked_attribute_cannot_be_found_out_by_searching_for_it() {
    let mut restricted = person();
    restricted.restricted = true;
    let client = Client::of(registry(), Some(restricted)).await;
    let patient = format!("patient.identifier={NUMBER}&status=current");

    let facility = format!("{patient}&facility=22232009");
    let facility = client.search("DocumentReference", &facility, &[]).await;
    let source = format!("{patient}&code=submissionset&sourceId=2.999.77.2");
    let source = client.search("List", &source, &[]).await;

    assert_eq!(facility.json()["total"], 0);
    assert_eq!(source.json()["total"], 0);
}

#[tokio::test]
async fn of_others_places_are_told() {
    let client = Client::of(registry(), Some(person())).await;
    let patient = format!("patient.identifier={NUMBER}&status=current");

    let found = client.search("DocumentReference", &patient, &[]).await;

    let one = &found.matches()[0];
    assert_eq!(one["custodian"]["identifier"]["value"], "ZEX01");
    assert_eq!(one["meta"]["source"], "urn:oid:2.999.826.1.1");
    for told in ["Hamlet Surgery", "Royal Example Hospital", "urn:carerecord:latest"] {
        assert!(found.text.contains(told), "{told}");
    }
}

/// Organisation, node, facility and what they gave.
const TELLING: [&str; 9] = [
    "Hamlet",
    "HAM01",
    "2.999.77",
    "22232009",
    "2.999.826.1.1",
    "Royal Example Hospital",
    "ZEX01",
    "urn:carerecord:latest",
    "XX1 1XX",
];
