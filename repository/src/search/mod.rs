//! Search inside the documents that a node holds. The index lies in files beside the database, is
//! fed from a queue in it, and can be built again at any time. It answers other roles of the
//! deployment only, and only about documents that they have released: see `ContentQuestion`.

mod analysis;
mod answer;
mod extract;
mod index;
mod indexer;
mod lookup;
mod query;
pub(crate) mod queue;
mod ranking;
mod snippet;
mod synonyms;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use tokio::sync::Notify;

pub(crate) use answer::SearchFailure;
pub use index::IndexError;
pub use indexer::{Indexer, IndexingError};
pub use queue::RebuildProgress;
pub use synonyms::{Synonyms, SynonymsError};

use index::TextIndex;

/// The bytes of text that are indexed of a document; `None` when it cannot be read.
pub(crate) fn extracted(bytes: &[u8]) -> Option<usize> {
    let deadline = extract::Deadline::after(std::time::Duration::from_secs(2));
    let found = extract::extract(bytes, deadline).ok()?;
    Some(found.headings.len() + found.text.len())
}

/// A node's index. Clones are handles to the same one.
#[derive(Clone)]
pub struct Search {
    index: Arc<TextIndex>,
    synonyms: Arc<Synonyms>,
    work: Arc<Notify>,
}

impl Search {
    /// Opens the index below a folder, for this process alone. One that cannot be used is begun
    /// again.
    ///
    /// # Errors
    /// `Busy` while another process has it.
    pub fn open(folder: &Path, synonyms: Synonyms) -> Result<Self, IndexError> {
        Ok(Self::with(TextIndex::open(folder)?, synonyms))
    }

    /// As `open`, without what the index holds.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_empty(folder: &Path, synonyms: Synonyms) -> Result<Self, IndexError> {
        Ok(Self::with(TextIndex::open_empty(folder)?, synonyms))
    }

    fn with(index: TextIndex, synonyms: Synonyms) -> Self {
        Self {
            index: Arc::new(index),
            synonyms: Arc::new(synonyms.normalised(analysis::stems)),
            work: Arc::default(),
        }
    }

    /// Says that there is something to do.
    pub(crate) fn wake(&self) {
        self.work.notify_one();
    }
}
