//! Subject access packs over fakes: what is told of them, when they are given out, and their room.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use carerecord_audit::{AuditEvent, AuditOutcome};
use carerecord_testkit::unzip;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::fake::Trouble;
use super::looking::{as_role, by};
use super::*;

/// A portal with an officer of the hospital.
async fn desk(registry: FakeRegistry, trouble: Trouble) -> Client {
    let node = FakeNode { trouble, ..FakeNode::default() };
    let mut client = Client::with(registry, Some(person()), [node, FakeNode::default()]).await;
    by(&mut client, &as_role("officer", "ZEX01", "R0001")).await;
    client
}

/// Makes packs until what it returns is dropped.
fn make(client: &Client) -> DropGuard {
    let draining = CancellationToken::new();
    #[expect(clippy::disallowed_methods, reason = "what is returned ends it")]
    tokio::spawn(client.portal.clone().keep_making_packs(draining.clone()));
    draining.drop_guard()
}

async fn ask(client: &Client) -> Answer {
    let sent = json!({"resourceType": "Parameters", "parameter": [
        {"name": "patient", "valueIdentifier": {
            "system": "https://fhir.nhs.uk/Id/nhs-number", "value": NUMBER}},
        {"name": "reason", "valueString": "The person has asked for it."},
        {"name": "reference", "valueString": "SAR-1"},
    ]});
    let headers = [("content-type", "application/fhir+json")];
    client.ask("POST", PACKS, &headers, sent.to_string()).await
}

async fn asked(client: &Client) -> String {
    let answer = ask(client).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    value(&answer, "id").as_str().unwrap().to_owned()
}

async fn state(client: &Client, id: &str) -> Answer {
    client.get(&format!("{PACKS}/{id}"), &[]).await
}

/// The state when it is no longer being made.
async fn done(client: &Client, id: &str) -> Answer {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = state(client, id).await;
        if answer.status != 202 {
            return answer;
        }
        assert!(Instant::now() < deadline, "{}", answer.text);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn value(answer: &Answer, name: &str) -> Value {
    let all = answer.json()["parameter"].as_array().unwrap().clone();
    let Some(one) = all.into_iter().find(|p| p["name"] == name) else { return Value::Null };
    let fields = one.as_object().unwrap().clone().into_iter();
    fields.filter(|(key, _)| key.starts_with("value")).map(|(_, v)| v).next().unwrap_or_default()
}

fn file(client: &Client, id: &str) -> PathBuf {
    client.folder.path().join("packs").join(format!("{id}.pack"))
}

/// A pack as it is given, which is no text.
async fn fetched(client: &Client, id: &str) -> Vec<u8> {
    let request = Request::builder()
        .uri(format!("/fhir/{PACKS}/{id}/file"))
        .header("authorization", format!("Bearer {}", client.token));
    let request = request.body(Body::empty()).unwrap();
    let response = client.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()
}

/// The letter, marked above what the officer may see.
fn restricted() -> DocumentEntry {
    let confidentiality_codes = vec![Code::new("R", "2.16.840.1.113883.5.25", "restricted")];
    DocumentEntry { confidentiality_codes, ..letter() }
}

#[tokio::test]
async fn nothing_tells_how_many_documents_are_withheld() {
    let mut registry = registry();
    for n in 2..5 {
        registry.found.document_entries.push(Arc::new(DocumentEntry {
            entry_uuid: format!("urn:uuid:6c1d0b52-0000-4000-8000-00000000010{n}").parse().unwrap(),
            unique_id: format!("2.999.1.{n}").parse().unwrap(),
            ..restricted()
        }));
    }
    let client = desk(registry, Trouble::Stuck).await;
    let _making = make(&client);
    let id = asked(&client).await;
    let deadline = Instant::now() + Duration::from_secs(10);
    let progress = loop {
        let answer = state(&client, &id).await;
        let words = answer.header("x-progress").to_owned();
        if words.starts_with("Documents:") {
            break words;
        }
        assert!(answer.status == 202 && Instant::now() < deadline, "{}", answer.text);
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(progress, "Documents: 0 of 1");
    let list = client.get(PACKS, &[]).await;
    assert!(list.text.contains("making") && !list.text.contains("Documents"), "{}", list.text);
    let told = done(&client, &id).await;
    assert_eq!((value(&told, "documents"), value(&told, "contents")), (json!(1), json!(0)));
}

#[tokio::test]
async fn a_pack_is_not_given_out_when_its_facts_have_changed() {
    let registry = registry();
    let later = registry.later.clone();
    let before = registry.found.clone();
    let client = desk(registry, Trouble::None).await;
    let _making = make(&client);
    for by_file in [true, false] {
        *later.lock().unwrap() = None;
        let id = asked(&client).await;
        let told = done(&client, &id).await;
        assert_eq!((told.status, value(&told, "contents")), (200, json!(1)), "{}", told.text);
        assert!(file(&client, &id).exists());
        let list = client.get(PACKS, &[]).await;
        assert!(list.text.contains("SAR-1"), "{}", list.text);
        for part in ["documents", "reason", "output"] {
            assert!(!list.text.contains(part), "{part}: {}", list.text);
        }

        let found = FoundObjects { document_entries: vec![restricted().into()], ..before.clone() };
        *later.lock().unwrap() = Some(found);
        let path = if by_file { format!("{PACKS}/{id}/file") } else { format!("{PACKS}/{id}") };
        let answer = client.get(&path, &[]).await;
        assert_eq!(answer.status, 410, "{}", answer.text);
        assert!(answer.text.contains("Ask for it again"), "{}", answer.text);
        let record = &client.audited().await[0];
        assert_eq!((record.outcome, record.subject), (AuditOutcome::Refused, NUMBER.parse().ok()));
        assert_eq!(record.decision.as_ref().unwrap().rule, "label");
        assert!(!file(&client, &id).exists(), "the bytes are gone");

        // Also when the facts are as they were.
        *later.lock().unwrap() = None;
        assert_eq!(state(&client, &id).await.status, 410);
        assert_eq!(client.get(&format!("{PACKS}/{id}/file"), &[]).await.status, 410);
        assert!(client.get(PACKS, &[]).await.text.contains("withdrawn"));
        assert_eq!(client.ask("DELETE", &format!("{PACKS}/{id}"), &[], "").await.status, 202);
        assert_eq!(state(&client, &id).await.status, 404);
    }
    // A document that is not registered any more is given to nobody.
    let id = asked(&client).await;
    assert_eq!(done(&client, &id).await.status, 200);
    *later.lock().unwrap() = Some(FoundObjects::default());
    assert_eq!(state(&client, &id).await.status, 410);
}

#[tokio::test]
async fn a_pack_takes_no_more_than_its_room_and_says_what_had_none() {
    let client = desk(registry(), Trouble::None).await;
    let first = asked(&client).await;
    assert_eq!(client.ask("DELETE", &format!("{PACKS}/{first}"), &[], "").await.status, 202);
    let of_person = |event: &AuditEvent| event.subject.is_some() && event.actor.is_some();
    let known = client.audited().await.into_iter().find(of_person).unwrap();
    let log = AuditLog::new(client.database.clone());
    for _ in 0..300 {
        let (id, interaction) = (RandomIds.ordered(), "x".repeat(4_000));
        log.append(AuditEvent { id, interaction, ..known.clone() }).await.unwrap();
    }
    let _making = make(&client);
    let id = asked(&client).await;

    let told = done(&client, &id).await;

    assert_eq!((told.status, value(&told, "complete")), (200, json!(false)), "{}", told.text);
    assert!(told.text.contains("The pack has room for"), "{}", told.text);
    let on_disk = std::fs::metadata(file(&client, &id)).unwrap().len();
    assert!(on_disk <= 1 << 20, "{on_disk}");
    let files = unzip(&fetched(&client, &id).await);
    for name in ["documents.json", "index.html", "manifest.json", "manifest.sig"] {
        assert!(files.contains_key(name), "{name}");
    }
    let lines = files["accesses.jsonl"].iter().filter(|b| **b == b'\n').count();
    assert_eq!(value(&told, "accesses"), lines);
    assert!(lines > 50 && lines < 300, "{lines}");
}

#[tokio::test]
async fn a_pack_that_was_altered_is_given_to_nobody() {
    let client = desk(registry(), Trouble::None).await;
    let _making = make(&client);
    let id = asked(&client).await;
    assert_eq!(done(&client, &id).await.status, 200);
    let mut bytes = std::fs::read(file(&client, &id)).unwrap();
    let last = bytes.len() - 1;
    for cut in [false, true] {
        bytes[last - 1] ^= 1;
        std::fs::write(file(&client, &id), &bytes[..last + usize::from(!cut)]).unwrap();

        let answer = client.get(&format!("{PACKS}/{id}/file"), &[]).await;

        assert_eq!(answer.status, 410, "{}", answer.text);
        assert!(answer.text.contains("it was altered"), "{}", answer.text);
    }
    assert_eq!(client.ask("DELETE", &format!("{PACKS}/{id}"), &[], "").await.status, 202);
    assert!(!file(&client, &id).exists());
}

#[tokio::test]
async fn all_packs_together_take_no_more_than_their_room() {
    let client = desk(registry(), Trouble::None).await;
    let other = file(&client, &Uuid::from_u128(1).to_string());
    std::fs::write(&other, vec![0; 2 << 20]).unwrap();
    let answer = ask(&client).await;
    assert_eq!(answer.status, 429, "{}", answer.text);
    assert!(answer.text.contains("as much room as they may"), "{}", answer.text);
    std::fs::remove_file(other).unwrap();
    asked(&client).await;
}

#[tokio::test]
async fn a_pack_that_is_removed_keeps_no_place_among_those_that_wait() {
    let client = desk(registry(), Trouble::None).await;
    for _ in 0..40 {
        let id = asked(&client).await;
        assert_eq!(client.ask("DELETE", &format!("{PACKS}/{id}"), &[], "").await.status, 202);
    }
    let id = asked(&client).await;
    let _making = make(&client);
    assert_eq!(done(&client, &id).await.status, 200);
}

const PACKS: &str = "Patient/$access-pack";
