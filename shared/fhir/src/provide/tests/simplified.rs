//! One document in one resource.

use super::*;

pub(super) fn one_document() -> Value {
    let mut one = document();
    one.as_object_mut().unwrap().remove("identifier");
    let attachment = one["content"][0]["attachment"].as_object_mut().unwrap();
    attachment.remove("url");
    attachment.insert("data".into(), "aGVsbG8gd29ybGQ=".into());
    one
}

pub(super) fn publish(one: Value) -> Result<Provided, Vec<Problem>> {
    let now = "20260201120000".parse().unwrap();
    let sent = SimplifiedPublish::read(one, &"2.999.4".parse().unwrap(), &now)?;
    provide(sent.bundle()).map_err(SimplifiedPublish::problems)
}

#[test]
fn one_document_is_a_submission_of_its_own() {
    let by_bundle = provide(&bundle()).unwrap().submission;

    let provided = publish(one_document()).unwrap();

    assert_eq!(provided.contents, [b"hello world".to_vec()]);
    let mut entry = provided.submission.document_entries[0].clone();
    entry.entry_uuid = by_bundle.document_entries[0].entry_uuid.clone();
    assert_eq!(entry, by_bundle.document_entries[0], "the same as by a Bundle");
    let set = &provided.submission.submission_set;
    assert_eq!(set.source_id.as_str(), "2.999.4");
    assert_eq!(set.submission_time.as_str(), "20260201120000");
    assert_eq!(set.content_type_code.code, "373942005");
    assert_eq!(set.title[0].value, "Discharge summary");
    assert_eq!(set.authors[0].person, entry.authors[0].person);
    assert!(set.unique_id.as_str().starts_with("2.25.") && !set.extra.limited);
    assert!(provided.submission.folders.is_empty());
}

#[test]
fn problems_of_one_document_are_told_once_and_in_its_terms() {
    let mut one = one_document();
    one["subject"] = json!({"reference": "https://x.example/Patient/1"});
    one["type"] = json!({"text": "words alone"});
    one["author"] = json!([{"reference": "#nobody"}]);
    one["content"][0]["attachment"]["data"] = "!".into();
    let nobody = publish(one.clone()).err().unwrap();
    one["subject"] = subject();

    let found = publish(one).err().unwrap();

    let places = |all: &[Problem]| -> Vec<String> {
        all.iter().map(|p| format!("{} {}", p.expression, p.kind)).collect()
    };
    assert_eq!(places(&nobody), ["DocumentReference.subject not-found"]);
    for at in [
        "DocumentReference.type required",
        "DocumentReference.author[0] not-found",
        "DocumentReference.content[0].attachment.data invalid",
    ] {
        let times = places(&found).iter().filter(|place| *place == at).count();
        assert_eq!(times, 1, "{at}: {found:?}");
    }
    assert!(found.iter().all(|p| p.expression.starts_with("DocumentReference")), "{found:?}");
    for not_one in [json!({}), json!([]), json!({"resourceType": "List"}), json!(null)] {
        assert!(publish(not_one).is_err());
    }
}
