//! Reads of what the client has already, and the relations that a read tells.

use super::*;

const OTHER: &str = "6c1d0b52-0000-4000-8000-000000000002";

/// A letter that replaces another one.
fn replacement(hidden: bool) -> FakeRegistry {
    let mut registry = registry();
    let mut other = letter();
    other.entry_uuid = format!("urn:uuid:{OTHER}").parse().unwrap();
    if hidden {
        other.confidentiality_codes = vec![Code::new("V", "2.16.840.1.113883.5.25", "")];
    }
    let replaces = Association {
        entry_uuid: "urn:uuid:6c1d0b52-0000-4000-8000-00000000000d".parse().unwrap(),
        association_type: AssociationType::Replace,
        source: letter().entry_uuid,
        target: other.entry_uuid.clone(),
        ..registry.found.associations[0].clone()
    };
    registry.found.document_entries.push(other.into());
    registry.found.associations.push(replaces);
    let id = |id: &str| format!("urn:uuid:{id}").parse().unwrap();
    registry.changes = vec![
        LastChange { id: id(ID), changed_at: 784_111_777_500 },
        LastChange { id: id(SET), changed_at: 784_111_777_500 },
    ];
    registry
}

#[tokio::test]
async fn a_read_tells_what_a_document_relates_to_as_a_search_does() {
    let client = Client::of(replacement(false), Some(person())).await;
    let search = format!("patient.identifier={NUMBER}&status=current&_id={ID}");

    let mut read = client.get(&format!("DocumentReference/{ID}"), &[]).await.json();
    let found = client.search("DocumentReference", &search, &[]).await.matches();

    let target = &read["relatesTo"][0]["target"]["reference"];
    assert_eq!(*target, format!("DocumentReference/{OTHER}"));
    assert_eq!(read["meta"]["lastUpdated"], "1994-11-06T08:49:37.500Z");
    read["meta"].as_object_mut().unwrap().remove("lastUpdated");
    // What only a read tells.
    assert!(read.as_object_mut().unwrap().remove("extension").is_some());
    assert_eq!(read, found[0]);
    let hidden = Client::of(replacement(true), Some(person())).await;
    let alone = hidden.get(&format!("DocumentReference/{ID}"), &[]).await;
    assert_eq!(alone.status, 200);
    assert!(!alone.text.contains(OTHER), "what is hidden is not told of: {}", alone.text);
}

#[tokio::test]
async fn who_has_it_already_gets_it_no_second_time() {
    let client = Client::of(replacement(false), Some(person())).await;
    let hidden = Client::of(replacement(true), Some(person())).await;
    for path in [format!("DocumentReference/{ID}"), format!("List/{SET}"), format!("Binary/{ID}")] {
        let first = client.get(&path, &[]).await;
        let (tag, modified) = (first.header("etag"), first.header("last-modified"));
        assert!(!tag.is_empty() && modified.ends_with(" GMT"), "{path}: {:?}", first.headers);
        let long_ago = "Sun, 06 Nov 1904 08:49:37 GMT";
        for (headers, status) in [
            (vec![("if-none-match", tag)], 304),
            (vec![("if-none-match", "*")], 304),
            (vec![("if-none-match", "\"other\"")], 200),
            (vec![("if-modified-since", modified)], 304),
            (vec![("if-modified-since", long_ago)], 200),
            // The tag goes first.
            (vec![("if-none-match", "\"other\""), ("if-modified-since", modified)], 200),
            (vec![("if-none-match", tag), ("if-modified-since", long_ago)], 304),
        ] {
            let answer = client.get(&path, &headers).await;

            assert_eq!(answer.status, status, "{path} {headers:?}");
            assert_eq!(answer.header("etag"), tag, "{path} {headers:?}");
            assert_eq!(answer.text.is_empty(), status == 304, "{path} {headers:?}");
            assert_eq!(answer.header("cache-control"), "no-store");
            let record = client.audited().await.remove(0);
            assert_eq!(record.subject, Some(NUMBER.parse().unwrap()), "it is a look, too");
        }
        if path.starts_with("DocumentReference") {
            let other = hidden.get(&path, &[]).await;
            assert_ne!(other.header("etag"), tag, "{path}: another answer has another tag");
        }
    }
    let withheld = format!("DocumentReference/{OTHER}");
    let mut first = replacement(true);
    first.found.document_entries.reverse();
    let hidden = Client::of(first, Some(person())).await;
    let nothing = hidden.get(&withheld, &[("if-none-match", "*")]).await;
    assert_eq!(nothing.status, 404, "the decision comes first");
}

#[tokio::test]
async fn a_range_is_of_the_document_that_the_client_has() {
    let client = Client::of(registry(), Some(person())).await;
    let path = format!("Binary/{ID}");
    let tag = format!("\"{}\"", fake::hash());
    for (condition, status) in [(tag.as_str(), 206), ("\"other\"", 200), ("W/\"x\"", 200)] {
        let answer = client.get(&path, &[("range", "bytes=0-4"), ("if-range", condition)]).await;

        assert_eq!(answer.status, status, "{condition}");
        let expected = if status == 206 { 5 } else { fake::BYTES.len() };
        assert_eq!(answer.text.len(), expected, "{condition}");
    }
}
