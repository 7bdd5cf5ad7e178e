//! Searches inside documents: what may be seen is found, and the rest changes nothing.

use std::sync::{Arc, Mutex};

use super::fake::Trouble;
use super::*;

#[tokio::test]
async fn what_is_found_comes_best_first_with_its_places() {
    let registry = of(vec![entry(1, "N"), entry(2, "N"), entry(3, "N")]);
    let node = node(vec![hit(1, 0.5), hit(3, 2.0)]);
    let client = Client::with(registry, Some(person()), [node, FakeNode::default()]).await;

    let answer = client.search("DocumentReference", &query("asthma"), &[]).await;
    let xml = client.search("DocumentReference", &query("asthma&_format=xml"), &[]).await;
    let count = client.search("DocumentReference", &query("asthma&_summary=count"), &[]).await;

    let bundle = answer.json();
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(bundle["total"], 2);
    assert_eq!(ids(&answer), [id(3), id(1)]);
    let scores = [0, 1].map(|n| bundle["entry"][n]["search"]["score"].as_f64().unwrap());
    assert_eq!(scores, [1.0, 0.25]);
    assert_eq!(
        bundle["entry"][0]["resource"]["extension"],
        json!([{"url": "urn:carerecord:snippet", "extension": [
            {"url": "text", "valueString": "<script> document 3 has "},
            {"url": "match", "valueString": "asthma"}]}])
    );
    assert!(xml.text.contains("valueString value=\"&lt;script&gt; document 3"), "{}", xml.text);
    assert!(xml.text.contains("<score value=\"0.25\"/>"), "{}", xml.text);
    assert_eq!((count.json()["total"].as_u64(), count.matches().len()), (Some(2), 0));
    assert_eq!(client.audited().await[0].interaction, "search in documents");
}

#[tokio::test]
async fn a_document_that_is_withheld_changes_nothing() {
    let asked: Arc<Mutex<Vec<ContentQuestion>>> = Arc::default();
    let telling = || {
        let finds = Some(ContentAnswer {
            hits: vec![hit(2, 9.0), hit(1, 0.5), hit(4, 4.0), hit(3, 1.0)],
            ..ContentAnswer::default()
        });
        FakeNode { finds, asked: asked.clone(), ..FakeNode::default() }
    };
    let shown = || vec![entry(1, "N"), entry(3, "N")];
    let with_more = vec![entry(1, "N"), entry(2, "V"), entry(3, "N"), entry(4, "V")];

    let without = Client::with(of(shown()), Some(person()), [telling(), telling()]).await;
    let without = without.search("DocumentReference", &query("asthma"), &[]).await;
    let client = Client::with(of(with_more), Some(person()), [telling(), telling()]).await;
    let with = client.search("DocumentReference", &query("asthma"), &[]).await;

    assert_eq!(ids(&with), [id(3), id(1)]);
    assert_eq!(with.json()["total"], 2);
    assert_eq!(told(&with), told(&without));
    for question in asked.lock().unwrap().iter() {
        let hidden = |id: &UniqueId| matches!(id.as_str(), "2.999.1.2" | "2.999.1.4");
        assert!(!question.documents.iter().any(hidden), "a node is asked about it");
    }
}

#[tokio::test]
async fn an_objection_acts_on_the_next_search() {
    let registry = of(vec![entry(1, "N"), entry(3, "N")]);
    let node = node(vec![hit(1, 0.5), hit(3, 1.0)]);
    let client = Client::with(registry, Some(person()), [node, FakeNode::default()]).await;
    let before = client.search("DocumentReference", &query("asthma"), &[]).await;
    let reference = format!("DocumentReference/{}", id(3));
    let provision = json!({"type": "deny", "data": [
        {"meaning": "instance", "reference": {"reference": reference}}]});
    let consent = consent_of(NUMBER, &provision);

    let json = [("content-type", "application/fhir+json")];
    let stored = client.ask("POST", "Consent", &json, consent.to_string()).await;
    let after = client.search("DocumentReference", &query("asthma"), &[]).await;

    assert_eq!(stored.status, 201, "{}", stored.text);
    assert_eq!(ids(&before), [id(3), id(1)]);
    assert_eq!(ids(&after), [id(1)]);
    assert!(!after.text.contains("document 3"), "{}", after.text);
    assert_eq!(after.json()["entry"][0]["search"]["score"], 1.0, "of what is left");
}

#[tokio::test]
async fn other_parameters_narrow_what_is_searched() {
    let registry = of(vec![entry(1, "N"), entry(3, "N")]);
    let node = node(vec![hit(1, 0.5), hit(3, 1.0)]);
    let client = Client::with(registry, Some(person()), [node, FakeNode::default()]).await;

    let one = format!("asthma&_id={}", id(1));
    let one = client.search("DocumentReference", &query(&one), &[]).await;
    let none = client.search("DocumentReference", &query("asthma&type=x"), &[]).await;
    let old = client.search("DocumentReference", &query("asthma&status=superseded"), &[]).await;
    let strict = [("prefer", "handling=strict")];
    let strict = client.search("DocumentReference", &query("asthma"), &strict).await;

    assert_eq!(ids(&one), [id(1)]);
    assert!(ids(&none).is_empty() && ids(&old).is_empty());
    assert_eq!(ids(&strict).len(), 2);
    for bad in ["", "%20", "**", &"x".repeat(501)] {
        let answer = client.search("DocumentReference", &query(bad), &[]).await;
        assert_eq!(answer.status, 400, "{bad}: {}", answer.text);
    }
}

#[tokio::test]
async fn what_was_not_searched_is_told() {
    let coverage = Coverage { rebuilding: true, waiting: 1, unreadable: 1, missing: 1 };
    let partly = || {
        let finds = ContentAnswer { hits: vec![hit(1, 1.0)], coverage };
        FakeNode { finds: Some(finds), ..FakeNode::default() }
    };
    let ill = |trouble| FakeNode { trouble, ..FakeNode::default() };
    for (nodes, codes) in [
        ([partly(), FakeNode::default()], "rebuilding indexing unreadable missing not-searchable"),
        ([ill(Trouble::Down), node(Vec::new())], "down"),
        ([node(Vec::new()), ill(Trouble::Late)], "late"),
    ] {
        let client = Client::with(of(vec![entry(1, "N")]), Some(person()), nodes).await;
        let answer = client.search("DocumentReference", &query("asthma"), &[]).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        for code in codes.split(' ') {
            assert!(answer.text.contains(&format!("\"code\":\"{code}\"")), "{}", answer.text);
        }
    }
}

#[tokio::test]
async fn of_a_restricted_person_neither_places_of_care_nor_of_text_are_told() {
    let mut restricted = person();
    restricted.restricted = true;
    let coverage = Coverage { waiting: 1, ..Coverage::default() };
    let finds = Some(ContentAnswer { hits: vec![hit(1, 1.0)], coverage });
    let nodes = [FakeNode { finds, ..FakeNode::default() }, node(Vec::new())];
    let client = Client::with(of(vec![entry(1, "N")]), Some(restricted), nodes).await;

    let answer = client.search("DocumentReference", &query("asthma"), &[]).await;

    assert_eq!(ids(&answer), [id(1)]);
    for telling in ["snippet", "Royal", "Community", "2.999.826.1"] {
        assert!(!answer.text.contains(telling), "{telling}: {}", answer.text);
    }
    assert!(answer.text.contains("\"code\":\"indexing\""), "{}", answer.text);
}

fn query(words: &str) -> String {
    format!("patient.identifier={NUMBER}&_content={words}")
}

fn id(n: u32) -> String {
    format!("6c1d0b52-0000-4000-8000-{n:012}")
}

fn entry(n: u32, label: &str) -> DocumentEntry {
    DocumentEntry {
        entry_uuid: format!("urn:uuid:{}", id(n)).parse().unwrap(),
        unique_id: format!("2.999.1.{n}").parse().unwrap(),
        confidentiality_codes: vec![Code::new(label, "2.16.840.1.113883.5.25", "")],
        ..letter()
    }
}

fn of(entries: Vec<DocumentEntry>) -> FakeRegistry {
    let document_entries = entries.into_iter().map(Arc::new).collect();
    FakeRegistry {
        found: FoundObjects { document_entries, ..FoundObjects::default() },
        ..FakeRegistry::default()
    }
}

fn hit(n: u32, score: f32) -> ContentHit {
    let parts = vec![
        SnippetPart::Text(format!("<script> document {n} has ")),
        SnippetPart::Match("asthma".into()),
    ];
    let unique_id = format!("2.999.1.{n}").parse().unwrap();
    ContentHit { unique_id, score, snippets: vec![Snippet { parts }] }
}

fn node(hits: Vec<ContentHit>) -> FakeNode {
    let finds = Some(ContentAnswer { hits, ..ContentAnswer::default() });
    FakeNode { finds, ..FakeNode::default() }
}

fn ids(answer: &Answer) -> Vec<String> {
    answer.matches().iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect()
}

/// Everything of the answer but how long the sources took.
fn told(answer: &Answer) -> Value {
    let mut bundle = answer.json();
    for entry in bundle["entry"].as_array_mut().unwrap() {
        for issue in entry["resource"]["issue"].as_array_mut().into_iter().flatten() {
            issue["extension"] = Value::Null;
        }
    }
    bundle
}
