//! The registry's store on SQLite. Every list is one range read of one patient's rows; filtering is
//! done on the decoded objects.

mod consent;
mod patients;
mod query;
mod register;

use carerecord_storage::{Database, StoreError};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use carerecord_model::FoundObjects as Found;
pub(crate) use register::{RegisterError, Registration};

/// The registry's tables in a database.
#[derive(Clone, Debug)]
pub struct Store {
    database: Database,
}

impl Store {
    /// The store in this database.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// The database, for readiness, audit and shutdown.
    pub fn database(&self) -> &Database {
        &self.database
    }
}

/// What an id names, as the directory keeps it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Entry = 1,
    SubmissionSet = 2,
    Folder = 3,
    Association = 4,
}

impl Kind {
    fn from_column(n: i64) -> Option<Self> {
        [Self::Entry, Self::SubmissionSet, Self::Folder, Self::Association]
            .into_iter()
            .find(|k| *k as i64 == n)
    }
}

/// Metadata as it lies in the table: MessagePack with names, so that older rows are still read
/// when an attribute is added.
fn pack<T: Serialize>(table: &'static str, value: &T) -> Result<Vec<u8>, StoreError> {
    rmp_serde::to_vec_named(value).map_err(|e| StoreError::Row(table, "metadata", e.to_string()))
}

fn unpack<T: DeserializeOwned>(table: &'static str, bytes: &[u8]) -> Result<T, StoreError> {
    rmp_serde::from_slice(bytes).map_err(|e| StoreError::Row(table, "metadata", e.to_string()))
}
