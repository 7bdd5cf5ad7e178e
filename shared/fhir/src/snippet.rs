use carerecord_model::{Coverage, ElementCoverage, Snippet, SnippetPart};
use serde_json::{Value, json};

use crate::outcome::Issue;

/// The system of how far a source can be searched inside, in `details.coding`.
pub const SEARCH_STATE: &str = "urn:carerecord:search-state";
/// The URL of an extension that holds a place of a document's text.
pub const SNIPPET: &str = "urn:carerecord:snippet";

/// Adds the places that were found to a DocumentReference. Each is an extension whose own
/// extensions are, in the order of the text, `text` and `match`: plain text, so that nothing in a
/// document can become markup on the way.
pub fn add_snippets(resource: &mut Value, snippets: &[Snippet]) {
    let places: Vec<Value> = snippets.iter().filter_map(place).collect();
    if places.is_empty() {
        return;
    }
    match resource.get_mut("extension").and_then(Value::as_array_mut) {
        Some(all) => all.extend(places),
        None => resource["extension"] = places.into(),
    }
}

fn place(snippet: &Snippet) -> Option<Value> {
    let part = |part: &SnippetPart| {
        let (url, text) = match part {
            SnippetPart::Text(text) => ("text", text),
            SnippetPart::Match(text) => ("match", text),
        };
        // A FHIR string is never empty.
        (!text.is_empty()).then(|| json!({"url": url, "valueString": text}))
    };
    let parts: Vec<Value> = snippet.parts.iter().filter_map(part).collect();
    (!parts.is_empty()).then(|| json!({"url": SNIPPET, "extension": parts}))
}

/// What a search inside documents must tell of one source; nothing when all of it was searched.
/// `None` for a source that has no index.
pub fn coverage_issues(coverage: Option<&Coverage>, name: &str, repository: &str) -> Vec<Issue> {
    let issue = |severity: &str, code: &str, words: &str| {
        Issue::with(json!({
            "severity": severity,
            "code": "incomplete",
            "details": {"coding": [{"system": SEARCH_STATE, "code": code}], "text": name},
            "diagnostics": words,
            "expression": [repository],
        }))
    };
    let Some(coverage) = coverage else {
        let words = "The source cannot be searched inside: none of its documents is found.";
        return vec![issue("warning", "not-searchable", words)];
    };
    let mut issues = Vec::new();
    if coverage.rebuilding {
        let words = "The source's index is being built again: documents may be missing.";
        issues.push(issue("warning", "rebuilding", words));
    }
    if coverage.waiting > 0 {
        let words = "The source has new documents that are not in its index yet.";
        issues.push(issue("warning", "indexing", words));
    }
    if coverage.unreadable > 0 {
        let words = "The source has documents without text that can be searched, such as scans.";
        issues.push(issue("information", "unreadable", words));
    }
    if coverage.missing > 0 {
        let words = "The source has no longer all documents that are listed.";
        issues.push(issue("warning", "missing", words));
    }
    issues
}

/// What a search in what documents say must tell of one source; nothing when all of it was looked at.
/// `None` for a source that takes nothing out of its documents.
pub fn element_coverage_issues(
    coverage: Option<&ElementCoverage>,
    name: &str,
    repository: &str,
) -> Vec<Issue> {
    let issue = |severity: &str, code: &str, count: usize, words: &str| {
        let counted = json!({"url": "urn:carerecord:documents", "valueInteger": count});
        Issue::with(json!({
            "extension": [counted],
            "severity": severity,
            "code": "incomplete",
            "details": {"coding": [{"system": SEARCH_STATE, "code": code}], "text": name},
            "diagnostics": words,
            "expression": [repository],
        }))
    };
    let Some(coverage) = coverage else {
        let words = "The source gives documents only: nothing that they say is in this list.";
        return vec![issue("warning", "no-elements", 0, words)];
    };
    let told = [
        ("information", "uncoded", coverage.uncoded, UNCODED),
        ("warning", "indexing", coverage.waiting, WAITING),
        ("warning", "unreadable", coverage.unreadable, UNREADABLE),
        ("warning", "mismatched", coverage.mismatched, MISMATCHED),
        ("information", "partly", coverage.partly, PARTLY),
        ("warning", "missing", coverage.missing, MISSING),
        ("warning", "left-out", coverage.left_out, LEFT_OUT),
    ];
    let told = told.into_iter().filter(|(_, _, count, _)| *count > 0);
    told.map(|(severity, code, count, words)| issue(severity, code, count, words)).collect()
}

const UNCODED: &str = "The source has documents without coded entries, such as letters and scans: \
    what they say must be read in them.";
const WAITING: &str = "The source has new documents that have not been read yet.";
const UNREADABLE: &str = "The source has documents that cannot be read: look at them themselves.";
const MISMATCHED: &str = "The source has documents that name another patient than the one they are \
    filed for: nothing was taken out of them.";
const PARTLY: &str = "The source has documents with entries that were not understood, and are not \
    in this list.";
const MISSING: &str = "The source has no longer all documents that are listed.";
const LEFT_OUT: &str = "The source has more than it gives at a time: entries of its older documents \
    are not in this list.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_plain_text_in_parts() {
        let snippet = Snippet {
            parts: vec![
                SnippetPart::Text("<b>has ".into()),
                SnippetPart::Match("asthma".into()),
                SnippetPart::Text(String::new()),
            ],
        };
        let mut resource = json!({"extension": [{"url": "urn:x"}]});

        add_snippets(&mut resource, &[snippet, Snippet::default()]);

        assert_eq!(
            resource["extension"],
            json!([{"url": "urn:x"}, {"url": SNIPPET, "extension": [
                {"url": "text", "valueString": "<b>has "},
                {"url": "match", "valueString": "asthma"},
            ]}])
        );
    }
}
