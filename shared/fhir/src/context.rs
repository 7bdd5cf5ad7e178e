use carerecord_model::{SubmissionSet, Xcn, Xon};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::date_time;
use crate::document_reference::{Related, relation_code};

/// The URL of an extension that names a document which relates to this one: FHIR's `relatesTo`
/// tells the other direction only.
pub const RELATED_BY: &str = "urn:carerecord:related-by";
/// The URL of an extension that tells how a document came in.
pub const SUBMISSION: &str = "urn:carerecord:submission";
/// The URL of an extension that tells why a resource may be seen.
pub const DECISION: &str = "urn:carerecord:decision";

/// Why somebody may see something.
#[derive(Clone, Copy, Debug)]
pub struct Reason<'a> {
    /// The rule that decided.
    pub rule: &'a str,
    /// What it says, for the reader.
    pub words: &'a str,
    /// Who set it.
    pub set_by: Option<&'a str>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// What else was used.
    pub basis: &'a [String],
}

/// Adds to a resource why it may be seen: `rule`, `words`, and as far as there are any `set-by`,
/// `since` and each `basis`.
pub fn add_decision(resource: &mut Value, reason: &Reason<'_>) {
    let mut parts = vec![
        json!({"url": "rule", "valueCode": reason.rule}),
        json!({"url": "words", "valueString": reason.words}),
    ];
    parts.extend(reason.set_by.map(|by| json!({"url": "set-by", "valueString": by})));
    let since = reason.since.map(|since| since.to_string());
    parts.extend(since.map(|since| json!({"url": "since", "valueInstant": since})));
    parts.extend(reason.basis.iter().map(|b| json!({"url": "basis", "valueString": b})));
    add(resource, vec![json!({"url": DECISION, "extension": parts})]);
}

/// Adds to a DocumentReference what came after it, as extensions with `code` and `document`.
/// Associations of other kinds than between documents are left out. `target` is the later document.
pub fn add_related_by(resource: &mut Value, later: &[Related]) {
    let one = |later: &Related| {
        let code = relation_code(later.association_type)?;
        let reference = format!("DocumentReference/{}", later.target.uuid());
        Some(json!({"url": RELATED_BY, "extension": [
            {"url": "code", "valueCode": code},
            {"url": "document", "valueReference": {"reference": reference}},
        ]}))
    };
    add(resource, later.iter().filter_map(one).collect());
}

/// Adds who sent a document and when: `list`, `date`, and as far as they are told `author`,
/// `organisation` and `source`, the system. `with_source` is whether it may be told where that is.
pub fn add_submission(resource: &mut Value, set: &SubmissionSet, with_source: bool) {
    let author = set.authors.first();
    let person = author.and_then(|a| a.person.as_ref()).map(Xcn::display_name);
    let organisation = author.and_then(|a| a.institutions.first()).map(Xon::name);
    let mut parts = Vec::new();
    if let Some(id) = set.entry_uuid.uuid() {
        let reference = format!("List/{}", id.uuid());
        parts.push(json!({"url": "list", "valueReference": {"reference": reference}}));
    }
    parts.push(json!({"url": "date", "valueDateTime": date_time(&set.submission_time)}));
    for (url, words) in [("author", person), ("organisation", organisation)] {
        // A FHIR string is never empty.
        if let Some(words) = words.filter(|words| !words.trim().is_empty()) {
            parts.push(json!({"url": url, "valueString": words}));
        }
    }
    if with_source {
        parts.push(json!({"url": "source", "valueUri": format!("urn:oid:{}", set.source_id)}));
    }
    add(resource, vec![json!({"url": SUBMISSION, "extension": parts})]);
}

fn add(resource: &mut Value, extensions: Vec<Value>) {
    if extensions.is_empty() {
        return;
    }
    match resource.get_mut("extension").and_then(Value::as_array_mut) {
        Some(all) => all.extend(extensions),
        None => resource["extension"] = extensions.into(),
    }
}

#[cfg(test)]
mod tests {
    use carerecord_model::{AssociationType, EntryUuid};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_came_after_is_named_beside_other_extensions() {
        let target = EntryUuid::new(Uuid::from_u128(7));
        let of = |association_type| Related { association_type, target };
        let mut resource = json!({"extension": [{"url": "urn:x"}]});

        let later = [of(AssociationType::Replace), of(AssociationType::HasMember)];
        add_related_by(&mut resource, &later);

        assert_eq!(
            resource["extension"],
            json!([{"url": "urn:x"}, {"url": RELATED_BY, "extension": [
                {"url": "code", "valueCode": "replaces"},
                {"url": "document", "valueReference": {"reference":
                    "DocumentReference/00000000-0000-0000-0000-000000000007"}},
            ]}])
        );
    }
}
