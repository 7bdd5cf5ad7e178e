//! The table of decisions: each row by every entry point that a door uses.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use carerecord_access::{Example, Policy};

#[test]
fn every_row_is_decided_as_it_says() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/decisions"));
    let policy = Arc::new(Policy::load(folder).unwrap());
    let examples: Vec<Example> =
        Example::load(folder).unwrap().into_iter().flat_map(|(_, examples)| examples).collect();

    let mut wrong = Vec::new();
    let mut rules = BTreeSet::new();
    for example in &examples {
        let found = example.judge(&policy).map(|judged| judged.decision);
        let rule = found.as_ref().map(|decision| decision.rule.id());
        if rule != Ok(example.expect.as_str()) {
            wrong.push(format!("{example:?}: {found:?}"));
        }
        rules.insert(example.expect.as_str());
    }

    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
    assert!(examples.len() >= 200, "{} rows", examples.len());
    let decided = [
        "agreement",
        "assurance-too-low",
        "break-glass",
        "consent-limits",
        "consent-missing",
        "label",
        "no-agreement",
        "no-consent-model",
        "no-relationship",
        "objection-class",
        "objection-document",
        "objection-label",
        "objection-period",
        "objection-recipient",
        "objection-related",
        "objection-source",
        "objection-terms",
        "objection-whole-record",
        "own-record",
        "purpose-not-allowed",
        "role-unknown",
        "withheld",
    ];
    assert_eq!(rules, BTreeSet::from(decided), "every rule that a document can meet");
}
