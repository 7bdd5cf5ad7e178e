//! The registry's store, on SQLite and PostgreSQL alike. Every list is one range read of one
//! patient's rows; filtering is done on the decoded objects.

mod changes;
mod citizen_grants;
mod code_index;
mod consent;
mod cross_reference;
mod find_patients;
mod identity;
mod links;
mod missing;
mod objects;
mod outline;
mod patient_index;
mod patients;
mod relationships;
mod unmapped;
mod write;

use std::sync::Arc;

use carerecord_model::Registered;
use carerecord_storage::{Connection, Database, StoreError, Together};

use crate::submit::{Prepared, SubmitError, register_all};

pub(crate) use changes::revision;
pub use changes::{Change, ChangePage, Verb};
pub(crate) use citizen_grants::{citizen_grants_of, citizen_grants_to};
pub(crate) use code_index::{Keys, candidates, keys_of_filter, keys_of_folder_filter};
pub(crate) use consent::{consents_of, consents_of_one};
pub(crate) use identity::{FeedError, NUMBER_INTO_LOCAL};
pub(crate) use objects::{Kind, ObjectState, PatientRecord, Stored, StoredObject};
pub(crate) use objects::{
    after, associations_of, fetch, fetch_by_unique_id, latest_version, owners, patient_entries,
    patient_objects, registered, versions_of,
};
pub(crate) use outline::{Outline, outline};
pub(crate) use patients::{
    Person, ensure_patient, in_index, note_as_described, people, person, person_of_no,
};
pub(crate) use relationships::relationships_of;
pub use unmapped::UnmappedCode;
pub(crate) use unmapped::count_unmapped;
pub(crate) use write::{
    Packed, UsedId, Write, digest_of, submission_digests, too_long, used_unique_ids,
};

/// `person`: everybody who is one with the number `$1`. Goes up to the survivor of all merges, and
/// down to everybody merged into it.
macro_rules! everybody_merged {
    () => {
        "
    WITH RECURSIVE
    up (patient_no, merged_into) AS (
        SELECT patient_no, merged_into FROM patient WHERE nhs_number = $1
        UNION
        SELECT p.patient_no, p.merged_into
        FROM patient AS p JOIN up ON p.patient_no = up.merged_into),
    person (patient_no) AS (
        SELECT patient_no FROM up WHERE merged_into IS NULL
        UNION
        SELECT p.patient_no FROM patient AS p JOIN person ON p.merged_into = person.patient_no)
    "
    };
}
use everybody_merged;

/// The registry's tables in a database.
#[derive(Clone, Debug)]
pub struct Store {
    database: Database,
    pub(crate) registering: Together<Arc<Prepared>, Registered, SubmitError>,
}

impl Store {
    /// The store in this database.
    pub fn new(database: Database) -> Self {
        let registering = Together::new(database.clone(), |c, requests| {
            Box::pin(async move { register_all(c, &requests).await })
        });
        Self { database, registering }
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
