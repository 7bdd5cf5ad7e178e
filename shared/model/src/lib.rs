//! The words of the domain: identifiers, XDS metadata objects, stored queries, registry errors,
//! and the port traits through which the roles meet.
//!
//! Everything here is plain data. Bytes are decoded into it by `carerecord-codec` and
//! `carerecord-fhir`; it is stored by the roles and judged by `carerecord-access`.

#![warn(missing_docs)]

mod affinity_domain;
mod association;
mod author;
mod clock;
mod code;
mod content_search;
mod data_element;
mod document_entry;
mod dtm;
mod error;
mod folder;
mod hl7;
mod id;
mod mime_type;
mod nhs_number;
mod patient;
mod patient_id;
mod patient_search;
mod ports;
mod retry_after;
mod slot;
mod stored_query;
mod submission;
mod submission_set;
mod text;

pub use affinity_domain::{AffinityDomain, CodeSet, ListedAttribute, UnknownAttribute, Validity};
pub use association::{Association, AssociationType, SubmissionSetStatus};
pub use author::{Author, Xcn, Xon, Xtn};
pub use clock::{Clock, IdSource, RandomIds, SystemClock};
pub use code::{Code, CodeAttribute};
pub use content_search::{
    ContentAnswer, ContentHit, ContentQuestion, Coverage, Snippet, SnippetPart,
};
pub use data_element::{
    Assertion, Concept, ConceptCoding, DataElement, DocumentElements, ElementAnswer,
    ElementComponent, ElementCoverage, ElementIdentifier, ElementKind, ElementQuestion,
    ElementSection, ElementValue, PlacedElement,
};
pub use document_entry::{AvailabilityStatus, DocumentEntry, DocumentEntryType};
pub use dtm::{Dtm, DtmError};
pub use error::{
    ErrorCode, RegistryError, RegistryErrors, ResponseStatus, Severity, TransactionError,
};
pub use folder::Folder;
pub use hl7::{Cx, CxError, Hl7Error, components, escape, unescape};
pub use id::{
    EntryUuid, HomeCommunityId, IdentifierError, LogicalId, NodeId, ObjectId, Oid,
    OrganisationCode, RepositoryUniqueId, SourceId, UniqueId,
};
pub use mime_type::MimeType;
pub use nhs_number::{NHS_NUMBER_OID, NhsNumber, NhsNumberError, NumberPolicy};
pub use patient::{Gender, NumberStatus, Patient, tidy_postcode};
pub use patient_id::PatientId;
pub use patient_search::{
    DateSpan, FoundPatient, FoundPatients, NamePattern, PatientSearch, birth_date_number, name_key,
};
pub use ports::{
    ByteRange, CrossReference, CrossReferenced, DocumentBody, DocumentRecipient, DocumentRegistry,
    DocumentRepository, DocumentRequest, KeptRefusal, LastChange, OnBehalf, PatientDirectory,
    PortError, RefusedSubmissions, Registered, RetrievedDocument, SentDocument, TriedAgain,
};
pub use retry_after::retry_after;
pub use slot::{ExtraClassification, ExtraMetadata, LocalizedString, Slot};
pub use stored_query::{
    CodeFilter, ContentFilter, DocumentFilter, DtmRange, EntryRef, FindDocuments,
    FindDocumentsForMultiplePatients, FindFolders, FindFoldersForMultiplePatients,
    FindSubmissionSets, FolderFilter, FoundObjects, Get, GetAll, GetDocuments, MetadataLevel,
    QueryId, ReturnType, Scope, StoredQuery,
};
pub use submission::{Submission, SubmissionIndex, SubmissionObjects};
pub use submission_set::SubmissionSet;
