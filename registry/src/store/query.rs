use std::collections::HashSet;

use carerecord_model::{
    Association, AvailabilityStatus, DocumentEntry, EntryRef, EntryUuid, FindDocuments, Folder,
    GetAll, ObjectId, SubmissionSet,
};
use carerecord_storage::StoreError;

use super::patients::patient_no;
use super::{Found, Kind, Store, unpack};

type EntryRow = (i64, Vec<u8>);

impl Store {
    /// The entries of a patient that a FindDocuments asks for, newest first.
    pub(crate) async fn find(&self, query: &FindDocuments) -> Result<Found, StoreError> {
        let Some(no) = patient_no(self.database.readers(), &query.patient_id).await? else {
            return Ok(Found::default());
        };
        let mut entries = self.entries_of(no).await?;
        entries.retain(|e| query.matches(e));
        Ok(Found { document_entries: entries, ..Found::default() })
    }

    /// Everything of a patient that a GetAll asks for, with the associations that touch it.
    pub(crate) async fn all(&self, query: &GetAll) -> Result<Found, StoreError> {
        let Some(no) = patient_no(self.database.readers(), &query.patient_id).await? else {
            return Ok(Found::default());
        };
        let mut document_entries = self.entries_of(no).await?;
        document_entries.retain(|e| query.matches_entry(e));
        let mut submission_sets: Vec<SubmissionSet> =
            self.metadata("submission_set", SUBMISSION_SETS, no).await?;
        submission_sets.retain(|s| query.submission_set_status.contains(&s.availability_status));
        let mut folders: Vec<Folder> = self.metadata("folder", FOLDERS, no).await?;
        folders.retain(|f| query.folder_status.contains(&f.availability_status));
        let ends: HashSet<&ObjectId> = document_entries
            .iter()
            .map(|e| &e.entry_uuid)
            .chain(submission_sets.iter().map(|s| &s.entry_uuid))
            .chain(folders.iter().map(|f| &f.entry_uuid))
            .collect();
        let mut associations: Vec<Association> =
            self.metadata("association", ASSOCIATIONS, no).await?;
        associations.retain(|a| ends.contains(&a.source) || ends.contains(&a.target));
        Ok(Found { document_entries, submission_sets, folders, associations })
    }

    /// Entries by id, in the order asked; ids that name nothing add nothing.
    pub(crate) async fn documents(
        &self,
        entries: &EntryRef,
    ) -> Result<Vec<DocumentEntry>, StoreError> {
        let mut found = Vec::new();
        match entries {
            EntryRef::Uuids(ids) => {
                for id in ids {
                    found.extend(self.entry(*id).await?);
                }
            }
            EntryRef::UniqueIds(ids) => {
                for id in ids {
                    let uuids: Vec<Vec<u8>> = sqlx::query_scalar(BY_UNIQUE_ID)
                        .bind(id.as_str())
                        .bind(Kind::Entry as i64)
                        .fetch_all(self.database.readers())
                        .await?;
                    for uuid in uuids {
                        found.extend(self.entry(entry_uuid(&uuid)?).await?);
                    }
                }
            }
        }
        Ok(found)
    }

    async fn entry(&self, id: EntryUuid) -> Result<Option<DocumentEntry>, StoreError> {
        let row: Option<EntryRow> = sqlx::query_as(ENTRY_BY_UUID)
            .bind(id.uuid().as_bytes().to_vec())
            .fetch_optional(self.database.readers())
            .await?;
        row.map(|r| decode_entry(&r)).transpose()
    }

    async fn entries_of(&self, patient_no: i64) -> Result<Vec<DocumentEntry>, StoreError> {
        let rows: Vec<EntryRow> =
            sqlx::query_as(ENTRIES).bind(patient_no).fetch_all(self.database.readers()).await?;
        rows.iter().map(decode_entry).collect()
    }

    async fn metadata<T: serde::de::DeserializeOwned>(
        &self,
        table: &'static str,
        sql: &'static str,
        patient_no: i64,
    ) -> Result<Vec<T>, StoreError> {
        let rows: Vec<Vec<u8>> =
            sqlx::query_scalar(sql).bind(patient_no).fetch_all(self.database.readers()).await?;
        rows.iter().map(|bytes| unpack(table, bytes)).collect()
    }
}

/// The status column is the truth: it changes when a document is replaced, the metadata does not.
pub(super) fn decode_entry((status, metadata): &EntryRow) -> Result<DocumentEntry, StoreError> {
    let mut entry: DocumentEntry = unpack("document_entry", metadata)?;
    entry.availability_status = match status {
        0 => AvailabilityStatus::Approved,
        _ => AvailabilityStatus::Deprecated,
    };
    Ok(entry)
}

pub(super) fn entry_uuid(bytes: &[u8]) -> Result<EntryUuid, StoreError> {
    uuid::Uuid::from_slice(bytes)
        .map(EntryUuid::new)
        .map_err(|e| StoreError::Row("object_directory", "entry_uuid", e.to_string()))
}

const ENTRIES: &str = "
    SELECT availability_status, metadata FROM document_entry
    WHERE patient_no = $1 ORDER BY creation_time DESC, entry_uuid";

const ENTRY_BY_UUID: &str = "
    SELECT e.availability_status, e.metadata
    FROM object_directory AS d
    JOIN document_entry AS e
      ON e.patient_no = d.patient_no
     AND e.creation_time = d.sort_key
     AND e.entry_uuid = d.entry_uuid
    WHERE d.entry_uuid = $1";

const BY_UNIQUE_ID: &str =
    "SELECT entry_uuid FROM unique_id_directory WHERE unique_id = $1 AND kind = $2";

const SUBMISSION_SETS: &str = "
    SELECT metadata FROM submission_set
    WHERE patient_no = $1 ORDER BY submission_time DESC, entry_uuid";

const FOLDERS: &str = "SELECT metadata FROM folder WHERE patient_no = $1 ORDER BY entry_uuid";

const ASSOCIATIONS: &str =
    "SELECT metadata FROM association WHERE patient_no = $1 ORDER BY entry_uuid";
