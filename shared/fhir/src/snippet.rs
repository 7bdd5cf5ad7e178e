use carerecord_model::{Coverage, Snippet, SnippetPart};
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
