//! Words for searches inside documents. A node searches for one patient, and only in documents
//! that the asking role has released: nothing of any other leaves it, not even by its absence.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{NhsNumber, UniqueId};

/// What to look for, and where. `Debug` is redacted: words and patient are patient data.
#[derive(Clone, Eq, PartialEq, Serialize, Deserialize)]
pub struct ContentQuestion {
    /// Whose documents.
    pub patient: NhsNumber,
    /// What the user typed: words, `"phrases"`, `prefixes*`, `-not`.
    pub words: String,
    /// The documents that have been released to the user; nothing else is looked at.
    pub documents: Vec<UniqueId>,
}

impl fmt::Debug for ContentQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentQuestion(redacted)")
    }
}

/// What a node answers. `Debug` is redacted.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContentAnswer {
    /// The documents with the words, in no order.
    pub hits: Vec<ContentHit>,
    /// How far the documents asked about can be searched.
    pub coverage: Coverage,
}

impl fmt::Debug for ContentAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentAnswer({} hits, {:?})", self.hits.len(), self.coverage)
    }
}

/// How far the documents of a question can be searched. Counts only those asked about.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Whether the whole index is being built again.
    pub rebuilding: bool,
    /// Documents that wait to be indexed.
    pub waiting: usize,
    /// Documents whose text cannot be read: images, encrypted files, broken ones.
    pub unreadable: usize,
    /// Documents that the node does not hold, or no longer.
    pub missing: usize,
}

/// A document that has the words.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct ContentHit {
    /// The document.
    pub unique_id: UniqueId,
    /// How well it fits, by its own text alone: comparable between nodes, never negative.
    pub score: f32,
    /// The best places, at most three, best first.
    pub snippets: Vec<Snippet>,
}

/// A piece of a document's text around what was found.
#[derive(Clone, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Snippet {
    /// Its parts in the order of the text.
    pub parts: Vec<SnippetPart>,
}

/// A part of a snippet: plain text, to be escaped like any other.
#[derive(Clone, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnippetPart {
    /// Text around what was found.
    Text(String),
    /// What was found.
    Match(String),
}
