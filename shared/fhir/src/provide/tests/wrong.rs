//! What is wrong is told with its place, whatever it is.

use proptest::prelude::*;

use super::simplified::{one_document, publish};
use super::*;

#[test]
fn hostile_bundles_are_told_what_is_wrong() {
    type Change = fn(&mut Value);
    let cases: [(&str, &str, Change); 24] = [
        ("Bundle", "structure", |b| b["type"] = "batch".into()),
        ("Bundle", "structure", |b| b["resourceType"] = "List".into()),
        ("Bundle.meta.profile", "required", |b| b["meta"] = json!({})),
        ("Bundle.entry[3]", "structure", |b| {
            add(b, "urn:uuid:9", json!({"resourceType": "Task"}), "POST", "Task");
        }),
        ("Bundle.entry[3]", "structure", |b| {
            add(b, "urn:uuid:9", json!({"resourceType": "Bundle"}), "POST", "Bundle");
        }),
        ("Bundle.entry[1].fullUrl", "duplicate", |b| {
            b["entry"][1]["fullUrl"] = "urn:uuid:1".into();
        }),
        ("Bundle.entry", "required", |b| {
            let set = b["entry"][0].clone();
            b["entry"].as_array_mut().unwrap().push(set);
        }),
        ("Bundle.entry[1].resource.subject", "business-rule", |b| {
            b["entry"][1]["resource"]["subject"]["identifier"]["value"] = "9990001049".into();
        }),
        ("Bundle.entry[1].resource.subject", "not-found", |b| {
            b["entry"][1]["resource"]["subject"] =
                json!({"reference": "https://x.example/Patient/1"});
        }),
        ("Bundle.entry[0].resource.subject", "not-found", |b| {
            b["entry"][0]["resource"]["subject"]["identifier"]["value"] = "1234567890".into();
        }),
        ("Bundle.entry[1].resource.content[0].attachment.url", "not-found", |b| {
            b["entry"][1]["resource"]["content"][0]["attachment"]["url"] = "urn:uuid:404".into();
        }),
        ("Bundle.entry[1].resource.content[0].attachment.data", "structure", |b| {
            b["entry"][1]["resource"]["content"][0]["attachment"]["data"] = "aGk=".into();
        }),
        ("Bundle.entry[1].resource.content[1]", "structure", |b| {
            let content = b["entry"][1]["resource"]["content"][0].clone();
            b["entry"][1]["resource"]["content"].as_array_mut().unwrap().push(content);
        }),
        ("Bundle.entry[2].resource.data", "invalid", |b| {
            b["entry"][2]["resource"]["data"] = "!".into();
        }),
        ("Bundle.entry[2].resource.contentType", "invalid", |b| {
            b["entry"][2]["resource"]["contentType"] = "text/html".into();
        }),
        ("Bundle.entry[3]", "business-rule", |b| {
            let binary = b["entry"][2]["resource"].clone();
            add(b, "urn:uuid:9", binary, "POST", "Binary");
        }),
        ("Bundle.entry[1]", "business-rule", |b| b["entry"][0]["resource"]["entry"] = json!([])),
        ("Bundle.entry[0].resource.entry[1].item", "not-found", |b| {
            let entries = b["entry"][0]["resource"]["entry"].as_array_mut().unwrap();
            entries.push(json!({"item": {"reference": "urn:uuid:404"}}));
        }),
        ("Bundle.entry[0].resource.entry[1].item", "duplicate", |b| {
            let entries = b["entry"][0]["resource"]["entry"].as_array_mut().unwrap();
            entries.push(json!({"item": {"reference": "urn:uuid:2"}}));
        }),
        ("Bundle.entry[1].resource.relatesTo[0].target", "not-found", |b| {
            b["entry"][1]["resource"]["relatesTo"][0]["target"] =
                json!({"reference": "urn:uuid:404"});
        }),
        ("Bundle.entry[1].resource.author[0]", "not-found", |b| {
            b["entry"][1]["resource"]["author"] = json!([{"reference": "#nobody"}]);
        }),
        ("Bundle.entry[1].resource.status", "invalid", |b| {
            b["entry"][1]["resource"]["status"] = "superseded".into();
        }),
        ("Bundle.entry[1].resource.content[0].attachment.hash", "invalid", |b| {
            b["entry"][1]["resource"]["content"][0]["attachment"]["hash"] = "2aae".into();
        }),
        ("Bundle.entry", "too-costly", |b| {
            let set = b["entry"][0].clone();
            b["entry"] = vec![set; 1001].into();
        }),
    ];
    for (at, kind, change) in cases {
        let mut bundle = bundle();
        change(&mut bundle);
        let found = problems(&bundle);
        assert!(found.contains(&(at.to_owned(), kind)), "{at} {kind}: {found:?}");
    }
}

/// A role that is its own practitioner, and a practitioner that is a role.
#[test]
fn contained_loops_end() {
    let mut bundle = bundle();
    let document = &mut bundle["entry"][1]["resource"];
    document["contained"][2]["practitioner"] = json!({"reference": "#role"});
    document["contained"][3]["partOf"] = json!({"reference": "#org"});

    let entry = provide(&bundle);

    let found = entry.err().unwrap();
    assert!(found.iter().all(|p| p.kind == "required"), "{found:?}");
}

#[test]
fn errors_of_the_registry_are_found_in_the_bundle() {
    let provided = provide(&bundle()).unwrap();
    let id = provided.submission.document_entries[0].entry_uuid.to_string();
    let error = |text: &str| RegistryError::error(ErrorCode::XDSRepositoryMetadataError, text);

    let located = provided.expression(&error("").at(id.clone()));
    let named = provided.expression(&error(&format!("{id}: hash does not match")));

    assert_eq!(located, Some("Bundle.entry[1].resource"));
    assert_eq!(named, located);
    assert_eq!(provided.expression(&error("something else")), None);
}

/// Puts something else into some place of a value.
fn put(value: &mut Value, path: &[usize], other: &Value) {
    let Some((first, rest)) = path.split_first() else {
        *value = other.clone();
        return;
    };
    match value {
        Value::Array(all) if !all.is_empty() => {
            let n = first % all.len();
            put(&mut all[n], rest, other);
        }
        Value::Object(all) if !all.is_empty() => {
            let n = first % all.len();
            put(all.values_mut().nth(n).unwrap(), rest, other);
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => *value = other.clone(),
    }
}

proptest! {
    #[test]
    fn whatever_is_changed_is_read_or_refused(
        path in proptest::collection::vec(0usize..20, 1..7),
        kind in 0usize..7,
        text in "\\PC{0,12}",
    ) {
        let others = [json!(null), json!(text), json!(7), json!([]), json!({}), json!([[text]]),
            json!({"reference": "#aut"})];
        let mut bundle = bundle();
        put(&mut bundle, &path, &others[kind]);

        let mut one = one_document();
        put(&mut one, &path, &others[kind]);
        let _ = publish(one);
        if let Ok(provided) = provide(&bundle) {
            let entries = provided.submission.document_entries.len();
            prop_assert_eq!(entries, provided.documents.len());
        }
    }
}
