//! The ports through which the roles meet. The binary plugs in either the local service or a
//! client that speaks the standard's own protocol to another process.
//!
//! A port is bound to the identity of the system that calls through it (a portal, a node), as a
//! SOAP connection is: what it may see is decided on the far side, by `carerecord-access`.

use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    ContentAnswer, ContentQuestion, ElementAnswer, ElementQuestion, EntryUuid, FoundObjects,
    FoundPatients, HomeCommunityId, MimeType, NhsNumber, NodeId, ObjectId, Patient, PatientId,
    PatientSearch, RegistryErrors, RepositoryUniqueId, StoredQuery, Submission, TransactionError,
    UniqueId,
};

/// Why a role could not be asked, or what it answered instead.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// It answered, with registry errors.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// It could not be reached, or broke off.
    #[error("the other role could not be reached: {0}")]
    Unavailable(String),
    /// It can be reached, and does not do what is asked: an HTTP status, a SOAP fault.
    #[error("the other role refused: {with}")]
    Refused {
        /// In our words.
        with: String,
        /// In its own words, when it has any: not for logs, since it may name a patient.
        reason: Option<String>,
    },
    /// It did not answer in time.
    #[error("the other role did not answer in time")]
    Late,
    /// It answered something that the protocol does not allow.
    #[error("the other role answered out of protocol: {0}")]
    Protocol(String),
}

/// What registration answers: warnings, when there are any.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Registered {
    /// Warnings to pass on to the source.
    pub warnings: RegistryErrors,
    /// Whether the very same submission had been registered before; then nothing was changed.
    pub repeated: bool,
}

/// When an object was last changed, by the registry's clock.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct LastChange {
    /// The object.
    pub id: EntryUuid,
    /// Milliseconds since 1970, UTC.
    pub changed_at: i64,
}

/// The Document Registry as other roles see it. ITI-42, ITI-18.
#[async_trait]
pub trait DocumentRegistry: Send + Sync {
    /// Registers a document set, all or nothing. ITI-42.
    ///
    /// # Errors
    /// `PortError::Transaction` when the registry refuses it.
    async fn register_document_set(&self, submission: Submission) -> Result<Registered, PortError>;

    /// Answers a stored query with whole objects. ITI-18.
    ///
    /// # Errors
    /// `PortError::Transaction` when the registry refuses it. Never an empty result in place of
    /// an error.
    async fn stored_query(&self, query: &StoredQuery) -> Result<FoundObjects, PortError>;

    /// The same about one patient for somebody else, of whom the registry is told: it decides again
    /// whether they may ask about that patient at all. What of it they may see, the caller decides,
    /// who has to say what is withheld.
    ///
    /// # Errors
    /// As `stored_query`.
    async fn stored_query_for(
        &self,
        query: &StoredQuery,
        whom: &dyn OnBehalf,
    ) -> Result<FoundObjects, PortError> {
        let _ = whom;
        self.stored_query(query).await
    }

    /// When the entries, SubmissionSets and folders of a person were last changed: registered,
    /// approved, deprecated or updated. In no order.
    ///
    /// # Errors
    /// When the registry could not be asked.
    async fn last_changes(&self, patient: NhsNumber) -> Result<Vec<LastChange>, PortError>;

    /// Takes objects out for good, all or none. ITI-62.
    ///
    /// # Errors
    /// `PortError::Transaction` when the registry refuses it.
    async fn remove_metadata(&self, ids: Vec<EntryUuid>) -> Result<(), PortError>;
}

/// The patient index of the registry, as other roles see it.
#[async_trait]
pub trait PatientDirectory: Send + Sync {
    /// The person with this number, when the index has one.
    ///
    /// # Errors
    /// When the index could not be asked.
    async fn patient(&self, number: NhsNumber) -> Result<Option<Patient>, PortError>;

    /// What the index knows of an identifier. ITI-83.
    ///
    /// # Errors
    /// When the index could not be asked.
    async fn cross_reference(&self, id: &PatientId) -> Result<CrossReference, PortError>;

    /// The people that a search is about. ITI-78.
    ///
    /// # Errors
    /// When the index could not be asked.
    async fn find_patients(&self, search: &PatientSearch) -> Result<FoundPatients, PortError>;
}

/// What the patient index knows of an identifier. ITI-83.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct CrossReference {
    /// OIDs of all authorities whose identifiers the index has.
    pub authorities: Vec<String>,
    /// Whoever has the identifier.
    pub person: Option<CrossReferenced>,
}

/// A person with all identifiers, after all merges.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct CrossReferenced {
    /// The identifier that everything of the person is shown under.
    pub own: PatientId,
    /// Every identifier of the person, `own` among them.
    pub identifiers: Vec<PatientId>,
    /// Whether nothing may tell where the person is cared for.
    pub restricted: bool,
}

/// A document that is sent with the entry that it belongs to.
#[derive(Clone, Debug)]
pub struct SentDocument {
    /// The entry of the submission.
    pub entry: ObjectId,
    /// Its bytes.
    pub bytes: Bytes,
}

/// A repository node as sources see it. ITI-41.
#[async_trait]
pub trait DocumentRecipient: Send + Sync {
    /// Stores documents and registers them, all or nothing. A repeat of the same submission gets the
    /// same answer.
    ///
    /// # Errors
    /// `PortError::Transaction` when node or registry refuses it. After any other error nobody knows
    /// whether it was registered.
    async fn provide_and_register(
        &self,
        submission: Submission,
        documents: Vec<SentDocument>,
    ) -> Result<Registered, PortError>;
}

/// One document asked for. ITI TF-2: 3.43.4.1.2.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DocumentRequest {
    /// The community, when told; echoed only then.
    pub home_community_id: Option<HomeCommunityId>,
    /// The repository that holds it.
    pub repository_unique_id: RepositoryUniqueId,
    /// The document.
    pub document_unique_id: UniqueId,
}

/// A part of a document: bytes `start..=end`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ByteRange {
    /// The first byte.
    pub start: u64,
    /// The last byte, inclusive.
    pub end: u64,
}

/// The bytes of a document as they arrive. An error in the middle means: what came so far is not
/// the document.
pub type DocumentBody = Pin<Box<dyn Stream<Item = Result<Bytes, PortError>> + Send>>;

/// A document on its way. ITI TF-2: 3.43.4.2.2.
pub struct RetrievedDocument {
    /// The type as registered, verbatim.
    pub mime_type: MimeType,
    /// Bytes of the whole document, when known before they are read.
    pub size: Option<u64>,
    /// SHA-1 of the whole document in hex, when known before it is read.
    pub hash: Option<String>,
    /// The bytes; of the range, when one was asked for and given.
    pub body: DocumentBody,
    /// The range that `body` holds; `None` when it is the whole document.
    pub range: Option<ByteRange>,
}

/// For whom a role asks another one, said anew for each request in words that the other can check.
pub trait OnBehalf: Send + Sync {
    /// The statement for one request to a node about these documents; `None` where none is made.
    ///
    /// # Errors
    /// When it cannot be made: then nothing may be asked.
    fn statement(&self, to: &NodeId, documents: &[UniqueId]) -> Result<Option<String>, PortError>;

    /// The statement for one question to the registry; `None` where none is made.
    ///
    /// # Errors
    /// As `statement`.
    fn to_registry(&self) -> Result<Option<String>, PortError>;
}

/// A submission that the registry has refused, kept by its node for another try.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct KeptRefusal {
    /// The id of the request that brought it, as in the record of accesses.
    pub request: String,
    /// When it is let go of.
    pub until: Timestamp,
}

/// What came of another try.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum TriedAgain {
    /// It is registered.
    Registered,
    /// It was refused again, with these codes of errors.
    Refused {
        /// With spaces between them.
        reason: String,
    },
    /// It is not kept any more: it was let go of, or has come again by itself.
    Gone,
}

/// What a node keeps of submissions that were refused, for who runs the programme. Names no patient.
#[async_trait]
pub trait RefusedSubmissions: Send + Sync {
    /// All that are kept, the newest first, so many at most.
    ///
    /// # Errors
    /// When the node could not be asked.
    async fn kept_refusals(&self) -> Result<Vec<KeptRefusal>, PortError>;

    /// Asks the registry once more to register the submission that this request brought.
    ///
    /// # Errors
    /// When the node, or the registry, could not be asked: it stays as it is.
    async fn try_again(&self, request: &str) -> Result<TriedAgain, PortError>;
}

/// A repository node as other roles see it. ITI-43.
#[async_trait]
pub trait DocumentRepository: Send + Sync {
    /// Fetches one document for somebody. ITI-43. A node that cannot serve a range gives the whole document.
    ///
    /// # Errors
    /// `PortError::Transaction` with `XDSDocumentUniqueIdError` when it has no such document.
    async fn retrieve(
        &self,
        request: &DocumentRequest,
        range: Option<ByteRange>,
        whom: &dyn OnBehalf,
    ) -> Result<RetrievedDocument, PortError>;

    /// Whether the node can serve now. Cheap; no patient is named.
    ///
    /// # Errors
    /// Why it cannot.
    async fn probe(&self) -> Result<(), PortError>;

    /// Searches inside documents of one patient. `None` from a node that cannot: the standard has
    /// no such transaction, so a foreign repository has no index to ask.
    ///
    /// # Errors
    /// When it could not be asked.
    async fn search(
        &self,
        question: &ContentQuestion,
        whom: &dyn OnBehalf,
    ) -> Result<Option<ContentAnswer>, PortError> {
        let _ = (question, whom);
        self.probe().await.map(|()| None)
    }

    /// What documents of one patient say in coded entries. `None` from a node that takes none out:
    /// the standard has no such transaction between portal and repository.
    ///
    /// # Errors
    /// When it could not be asked.
    async fn elements(
        &self,
        question: &ElementQuestion,
        whom: &dyn OnBehalf,
    ) -> Result<Option<ElementAnswer>, PortError> {
        let _ = (question, whom);
        self.probe().await.map(|()| None)
    }
}
