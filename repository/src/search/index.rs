//! The index of one node, in files: derived from the documents, and built again whenever it is lost.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use carerecord_model::{NhsNumber, UniqueId};
use tantivy::collector::TopDocs;
use tantivy::directory::MmapDirectory;
use tantivy::schema::{
    Field, INDEXED, IndexRecordOption, STORED, STRING, Schema, TextFieldIndexing, TextOptions,
    Value as _,
};
use tantivy::{
    Index, IndexReader, IndexSettings, IndexWriter, ReloadPolicy, TantivyDocument, TantivyError,
    Term,
};

use super::analysis;
use super::extract::Extracted;
use super::query::Wanted;
use super::ranking::OwnText;

/// Why the index did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Its files cannot be used.
    #[error("the search index failed")]
    Tantivy(#[from] TantivyError),
    /// Its folder cannot be made or cleared.
    #[error("the folder of the search index cannot be used")]
    Folder(#[from] std::io::Error),
    /// Another process writes to it.
    #[error("another process holds the search index")]
    Busy,
}

/// A change to the index.
pub(crate) enum Change {
    Put { unique_id: UniqueId, patient: Option<NhsNumber>, extracted: Extracted },
    Delete(UniqueId),
}

/// A document that has what is wanted, with its text.
pub(crate) struct Found {
    pub unique_id: String,
    pub score: f32,
    pub headings: String,
    pub text: String,
}

/// The index. Its methods wait for the disk: call them where that does no harm.
pub(crate) struct TextIndex {
    index: Index,
    reader: IndexReader,
    fields: Fields,
    /// Taken away when it has failed, and made again for the next change.
    writer: Mutex<Option<IndexWriter>>,
    /// Whether there was nothing that could be used.
    pub(crate) fresh: bool,
}

#[derive(Clone, Copy)]
pub(super) struct Fields {
    pub unique_id: Field,
    pub patient: Field,
    pub headings: Field,
    pub text: Field,
    /// Headings and text as they are written, for prefixes and slips.
    pub plain: Field,
}

impl TextIndex {
    /// Opens the index; one that cannot be used is begun again.
    pub(crate) fn open(folder: &Path) -> Result<Self, IndexError> {
        let folder = folder.join(FORMAT);
        std::fs::create_dir_all(&folder)?;
        let opened = match Self::open_existing(&folder) {
            Ok(Some(index)) => Self::with(index, false),
            Ok(None) => Self::create(&folder),
            Err(error) => Err(error),
        };
        match opened {
            Err(IndexError::Tantivy(error)) => {
                tracing::warn!(%error, "the search index cannot be used and is built again");
                Self::clear(&folder)?;
                Self::create(&folder)
            }
            other => other,
        }
    }

    /// Opens it without what it holds.
    pub(crate) fn open_empty(folder: &Path) -> Result<Self, IndexError> {
        // Whoever holds the lock of the old one still uses it.
        drop(Self::open(folder)?);
        Self::clear(&folder.join(FORMAT))?;
        Self::create(&folder.join(FORMAT))
    }

    fn clear(folder: &PathBuf) -> Result<(), IndexError> {
        std::fs::remove_dir_all(folder)?;
        Ok(std::fs::create_dir_all(folder)?)
    }

    fn open_existing(folder: &Path) -> Result<Option<Index>, IndexError> {
        let directory = MmapDirectory::open(folder).map_err(TantivyError::from)?;
        if !Index::exists(&directory).map_err(TantivyError::from)? {
            return Ok(None);
        }
        let index = Index::open(directory)?;
        if index.schema() == schema() { Ok(Some(index)) } else { Err(not_ours().into()) }
    }

    fn create(folder: &Path) -> Result<Self, IndexError> {
        let directory = MmapDirectory::open(folder).map_err(TantivyError::from)?;
        let index = Index::create(directory, schema(), IndexSettings::default())?;
        Self::with(index, true)
    }

    fn with(index: Index, fresh: bool) -> Result<Self, IndexError> {
        index.tokenizers().register(STEMMED, analysis::stemmed());
        index.tokenizers().register(PLAIN, analysis::plain());
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        let schema = index.schema();
        let field = |name: &str| schema.get_field(name);
        let fields = Fields {
            unique_id: field("unique_id")?,
            patient: field("patient")?,
            headings: field("headings")?,
            text: field("text")?,
            plain: field("plain")?,
        };
        let writer = writer(&index)?;
        Ok(Self { index, reader, fields, writer: Mutex::new(Some(writer)), fresh })
    }

    /// Makes changes, all of them durable and seen by the next question when it returns.
    pub(crate) fn apply(&self, changes: Vec<Change>) -> Result<(), IndexError> {
        let mut held = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut writer = match held.take() {
            Some(writer) => writer,
            None => writer(&self.index)?,
        };
        for change in changes {
            self.change(&writer, change)?;
        }
        writer.commit()?;
        *held = Some(writer);
        Ok(self.reader.reload()?)
    }

    fn change(&self, writer: &IndexWriter, change: Change) -> Result<(), IndexError> {
        let f = self.fields;
        let delete = |id: &UniqueId| {
            writer.delete_term(Term::from_field_text(f.unique_id, id.as_str()));
        };
        match change {
            Change::Delete(id) => delete(&id),
            Change::Put { unique_id, patient, extracted } => {
                delete(&unique_id);
                let mut document = TantivyDocument::new();
                document.add_text(f.unique_id, unique_id.as_str());
                document.add_u64(f.patient, key(patient));
                document.add_text(f.plain, &extracted.headings);
                document.add_text(f.plain, &extracted.text);
                document.add_text(f.headings, extracted.headings);
                document.add_text(f.text, extracted.text);
                writer.add_document(document)?;
            }
        }
        Ok(())
    }

    /// The documents among `ids`, kept under one of these numbers, that have what is wanted; best
    /// first.
    pub(crate) fn search(
        &self,
        wanted: &Wanted,
        numbers: &[NhsNumber],
        ids: &[UniqueId],
    ) -> Result<Vec<Found>, IndexError> {
        if wanted.is_empty() || ids.is_empty() {
            return Ok(Vec::new());
        }
        let searcher = self.reader.searcher();
        let query = self.fields.query(wanted, numbers, ids);
        let best = TopDocs::with_limit(ids.len()).order_by_score();
        let hits = searcher.search_with_statistics_provider(&query, &best, &OwnText)?;
        let mut found = Vec::with_capacity(hits.len());
        for (score, address) in hits {
            let document: TantivyDocument = searcher.doc(address)?;
            let text = |field: Field| {
                let value = document.get_first(field);
                value.and_then(|v| v.as_str()).unwrap_or_default().to_owned()
            };
            found.push(Found {
                unique_id: text(self.fields.unique_id),
                score,
                headings: text(self.fields.headings),
                text: text(self.fields.text),
            });
        }
        Ok(found)
    }
}

fn writer(index: &Index) -> Result<IndexWriter, IndexError> {
    index.writer_with_num_threads(1, WRITER_BYTES).map_err(|error| {
        if matches!(error, TantivyError::LockFailure(..)) { IndexError::Busy } else { error.into() }
    })
}

fn schema() -> Schema {
    let text = |tokenizer: &str, option| {
        let indexing = TextFieldIndexing::default().set_tokenizer(tokenizer);
        TextOptions::default().set_indexing_options(indexing.set_index_option(option))
    };
    let mut schema = Schema::builder();
    schema.add_text_field("unique_id", STRING | STORED);
    schema.add_u64_field("patient", INDEXED);
    let positions = IndexRecordOption::WithFreqsAndPositions;
    schema.add_text_field("headings", text(STEMMED, positions).set_stored());
    schema.add_text_field("text", text(STEMMED, positions).set_stored());
    schema.add_text_field("plain", text(PLAIN, IndexRecordOption::Basic));
    schema.build()
}

pub(super) fn key(patient: Option<NhsNumber>) -> u64 {
    patient.map_or(0, |number| number.as_i64().unsigned_abs())
}

fn not_ours() -> TantivyError {
    TantivyError::SchemaError("the index is of another version".to_owned())
}

/// The folder of this form of the index: another form is another folder.
const FORMAT: &str = "v1";
const STEMMED: &str = "stemmed";
const PLAIN: &str = "plain";
/// The least that tantivy takes.
const WRITER_BYTES: usize = 15_000_000;
