//! Registry stored queries with typed parameters. ITI TF-2: 3.18.4.1.2.3.7.

mod filter;
mod find;
mod get;

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    Association, AssociationType, DocumentEntry, Folder, ObjectId, PatientId, SubmissionSet,
};

pub use filter::{CodeFilter, DtmRange, MetadataLevel, Scope};
pub use find::{
    DocumentFilter, FindDocuments, FindDocumentsForMultiplePatients, FindFolders,
    FindFoldersForMultiplePatients, FindSubmissionSets, FolderFilter,
};
pub use get::{ContentFilter, EntryRef, Get, GetAll, GetDocuments};

/// The id of a stored query, `urn:uuid:…` in lower case. ITI TF-2: 3.18.4.1.2.4.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct QueryId(pub String);

impl QueryId {
    /// FindDocuments
    pub const FIND_DOCUMENTS: &'static str = "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d";
    /// GetAll
    pub const GET_ALL: &'static str = "urn:uuid:10b545ea-725c-446d-9b95-8aeb444eddf3";
    /// GetDocuments
    pub const GET_DOCUMENTS: &'static str = "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4";
    /// FindDocumentsByReferenceId
    pub const FIND_DOCUMENTS_BY_REFERENCE_ID: &'static str =
        "urn:uuid:12941a89-e02e-4be5-967c-ce4bfc8fe492";
    /// FindSubmissionSets
    pub const FIND_SUBMISSION_SETS: &'static str = "urn:uuid:f26abbcb-ac74-4422-8a30-edb644bbc1a9";
    /// FindFolders
    pub const FIND_FOLDERS: &'static str = "urn:uuid:958f3006-baad-4929-a4de-ff1114824431";
    /// GetFolders
    pub const GET_FOLDERS: &'static str = "urn:uuid:5737b14c-8a1a-4539-b659-e03a34a5e1e4";
    /// GetAssociations
    pub const GET_ASSOCIATIONS: &'static str = "urn:uuid:a7ae438b-4bc2-4642-93e9-be891f7bb155";
    /// GetDocumentsAndAssociations
    pub const GET_DOCUMENTS_AND_ASSOCIATIONS: &'static str =
        "urn:uuid:bab9529a-4a10-40b3-a01f-f68a615d247a";
    /// GetSubmissionSets
    pub const GET_SUBMISSION_SETS: &'static str = "urn:uuid:51224314-5390-4169-9b91-b1980040715a";
    /// GetSubmissionSetAndContents
    pub const GET_SUBMISSION_SET_AND_CONTENTS: &'static str =
        "urn:uuid:e8e3cb2c-e39c-46b9-99e4-c12f57260b83";
    /// GetFolderAndContents
    pub const GET_FOLDER_AND_CONTENTS: &'static str =
        "urn:uuid:b909a503-523d-4517-8acf-8e5834dfc4c7";
    /// GetFoldersForDocument
    pub const GET_FOLDERS_FOR_DOCUMENT: &'static str =
        "urn:uuid:10cae35a-c7f9-4cf5-b61e-fc3278ffb578";
    /// GetRelatedDocuments
    pub const GET_RELATED_DOCUMENTS: &'static str = "urn:uuid:d90e5407-b356-4d91-a89f-873917b4b0e6";
    /// FindDocumentsForMultiplePatients
    pub const FIND_DOCUMENTS_FOR_MULTIPLE_PATIENTS: &'static str =
        "urn:uuid:3d1bdb10-39a2-11de-89c2-2f44d94eaa9f";
    /// FindFoldersForMultiplePatients
    pub const FIND_FOLDERS_FOR_MULTIPLE_PATIENTS: &'static str =
        "urn:uuid:50d3f5ac-39a2-11de-a1ca-b366239e58df";
    /// FindDocumentsByReferenceIdForMultiplePatients
    pub const FIND_DOCUMENTS_BY_REFERENCE_ID_FOR_MULTIPLE_PATIENTS: &'static str =
        "urn:uuid:1191642d-86c4-42d8-b784-f95445f9f0d5";
}

/// What a query returns. ITI TF-2: 3.18.4.1.2.6.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ReturnType {
    /// Whole objects.
    #[default]
    LeafClass,
    /// Only their ids.
    ObjectRef,
}

/// A stored query with typed parameters. ITI TF-2: 3.18.4.1.2.3.7, 3.51.
#[derive(Clone, Debug, PartialEq)]
pub enum StoredQuery {
    /// Entries of a patient.
    FindDocuments(Box<FindDocuments>),
    /// SubmissionSets of a patient.
    FindSubmissionSets(Box<FindSubmissionSets>),
    /// Folders of a patient.
    FindFolders(Box<FindFolders>),
    /// Everything of a patient, with the associations that touch it.
    GetAll(Box<GetAll>),
    /// Entries by id.
    GetDocuments(GetDocuments),
    /// Folders by id.
    GetFolders(Box<Get>),
    /// Associations that one of the objects is an end of.
    GetAssociations(Box<Get>),
    /// Entries by id, with the associations that touch them.
    GetDocumentsAndAssociations(Box<Get>),
    /// SubmissionSets that entries or folders came in.
    GetSubmissionSets(Box<Get>),
    /// One SubmissionSet with what it brought.
    GetSubmissionSetAndContents(Box<Get>),
    /// One folder with what is in it.
    GetFolderAndContents(Box<Get>),
    /// The folders that an entry is in.
    GetFoldersForDocument(Box<Get>),
    /// Entries related to one entry, with the relations.
    GetRelatedDocuments(Box<Get>),
    /// Entries of several patients.
    FindDocumentsForMultiplePatients(Box<FindDocumentsForMultiplePatients>),
    /// Folders of several patients.
    FindFoldersForMultiplePatients(Box<FindFoldersForMultiplePatients>),
}

impl StoredQuery {
    /// The patient of a query about one patient.
    pub fn patient_id(&self) -> Option<&PatientId> {
        match self {
            Self::FindDocuments(q) => Some(&q.patient_id),
            Self::FindSubmissionSets(q) => Some(&q.patient_id),
            Self::FindFolders(q) => Some(&q.patient_id),
            Self::GetAll(q) => Some(&q.patient_id),
            Self::GetDocuments(_)
            | Self::GetFolders(_)
            | Self::GetAssociations(_)
            | Self::GetDocumentsAndAssociations(_)
            | Self::GetSubmissionSets(_)
            | Self::GetSubmissionSetAndContents(_)
            | Self::GetFolderAndContents(_)
            | Self::GetFoldersForDocument(_)
            | Self::GetRelatedDocuments(_)
            | Self::FindDocumentsForMultiplePatients(_)
            | Self::FindFoldersForMultiplePatients(_) => None,
        }
    }
}

/// What a query found. The order is the registry's: newest creation first, then by id.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FoundObjects {
    /// Entries. They are shared, since records that are kept hold thousands.
    pub document_entries: Vec<Arc<DocumentEntry>>,
    /// SubmissionSets.
    pub submission_sets: Vec<SubmissionSet>,
    /// Folders.
    pub folders: Vec<Folder>,
    /// Associations.
    pub associations: Vec<Association>,
}

impl FoundObjects {
    /// The SubmissionSets that brought a folder, or something into it. ITI TF-3: 4.1.9.1.
    pub fn sets_of_folder(&self, folder: &ObjectId) -> impl Iterator<Item = &SubmissionSet> {
        let members = || {
            let all = self.associations.iter();
            all.filter(|a| a.association_type == AssociationType::HasMember)
        };
        let mut parts: HashSet<&ObjectId> =
            members().filter(|a| a.source == *folder).map(|a| &a.entry_uuid).collect();
        parts.insert(folder);
        let sets: HashSet<&ObjectId> =
            members().filter(|a| parts.contains(&a.target)).map(|a| &a.source).collect();
        self.submission_sets.iter().filter(move |set| sets.contains(&set.entry_uuid))
    }
}
