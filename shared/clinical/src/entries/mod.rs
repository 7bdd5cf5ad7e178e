//! What sections say in codes, so that people can read it.

pub(crate) mod cda;
pub(crate) mod fhir;
mod system;
mod when;

use std::fmt;

use serde::Serialize;

use crate::header::clean;
use crate::html::HtmlWriter;
pub(crate) use system::coded;
pub(crate) use when::{fhir_time, hl7_time, span};

/// A statement that a section makes in codes, beside its text. All of it is plain text, to be
/// escaped like any other; each is at most 1,000 characters long. `Debug` shows no content.
#[derive(Clone, Default, Eq, PartialEq, Serialize)]
pub struct CodedEntry {
    /// How deep it stands inside others: 0 for the outermost, 5 at most.
    pub depth: u8,
    /// What sort of statement it is, e.g. `Medicine`, `Observation, planned`.
    pub kind: String,
    /// Whether it says that something is not so.
    pub negated: bool,
    /// What it is about, in words; a code where there are none.
    pub what: String,
    /// Its codes, each with the name of its system, e.g. `38341003 (SNOMED CT)`.
    pub codes: Vec<String>,
    /// What it says of that: a result, a dose, a substance.
    pub value: Option<String>,
    /// When it was so, as exact as the document is, e.g. `02-Nov-2026 14:05 UTC`.
    pub when: Option<String>,
    /// Where it stands, e.g. `Active`.
    pub status: Option<String>,
}

impl fmt::Debug for CodedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CodedEntry({}, depth {})", self.kind, self.depth)
    }
}

impl CodedEntry {
    /// All but codes and status, in one line.
    fn words(&self) -> String {
        let not = if self.negated { "Not: " } else { "" };
        let mut words = format!("{}: {not}{}", self.kind, self.what);
        for more in [&self.value, &self.when].into_iter().flatten() {
            words.push_str(", ");
            words.push_str(more);
        }
        words
    }
}

/// The entries of one section, up to what is left of a document's number.
pub(crate) struct Collected {
    entries: Vec<CodedEntry>,
    left: usize,
    cut: bool,
}

impl Collected {
    pub(crate) fn new(left: usize) -> Self {
        Self { entries: Vec::new(), left, cut: false }
    }

    /// Adds an entry, unless there are too many.
    fn add(&mut self, mut entry: CodedEntry, depth: usize) {
        if self.left == 0 {
            self.cut = true;
            return;
        }
        self.left -= 1;
        entry.depth = depth.min(MAX_DEPTH) as u8;
        self.entries.push(entry);
    }

    /// Writes what the entries say, for a section that says nothing else.
    pub(crate) fn list(&self, html: &mut HtmlWriter) {
        if self.entries.is_empty() {
            return;
        }
        html.open("ul", &[("class", "cr-entries")]);
        for entry in &self.entries {
            html.open("li", &[]);
            html.text(&entry.words());
            html.close();
        }
        html.close();
    }

    /// Whether something was left out.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut
    }

    pub(crate) fn into_entries(self) -> Vec<CodedEntry> {
        self.entries
    }
}

/// Several texts as one; `None` without any.
fn joined(parts: impl IntoIterator<Item = String>, by: &str) -> Option<String> {
    let parts: Vec<String> = parts.into_iter().take(MAX_PARTS).collect();
    clean(&parts.join(by))
}

/// `in-progress` as `In progress`.
fn words_of_code(code: &str) -> Option<String> {
    let words = clean(&code.replace(['-', '_'], " "))?.to_lowercase();
    let mut chars = words.chars();
    let first = chars.next()?;
    Some(first.to_uppercase().chain(chars).collect())
}

/// Coded entries of one document that are listed.
pub(crate) const MAX_ENTRIES: usize = 5000;

/// The deepest that is told apart.
const MAX_DEPTH: usize = 5;

/// Parts of one text.
const MAX_PARTS: usize = 20;
