//! The registry's store, on SQLite and PostgreSQL alike. Every list is one range read of one
//! patient's rows; filtering is done on the decoded objects.

mod changes;
mod consent;
mod identity;
mod objects;
mod patients;
mod unmapped;
mod write;

use carerecord_storage::{Connection, Database, StoreError};

pub use changes::{Change, ChangePage, Verb};
pub(crate) use identity::FeedError;
pub(crate) use objects::{Kind, ObjectState, PatientRecord, Stored, StoredObject, patient_objects};
pub(crate) use objects::{
    after, associations_of, fetch, fetch_by_unique_id, latest_version, versions_of,
};
pub(crate) use patients::{Person, ensure_patient, note_as_described, person, person_of_no};
pub use unmapped::UnmappedCode;
pub(crate) use unmapped::count_unmapped;
pub(crate) use write::{Write, digest_of, submission_digest, too_long, used_unique_ids};

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

    /// A connection whose reads all see one state of the registry.
    pub(crate) async fn snapshot(&self) -> Result<Connection, StoreError> {
        self.database.snapshot().await
    }
}
