//! Publishing through the FHIR API: who may, where it goes, and what has to be known for it. The
//! documents go to a node as any source's do, by ITI-41.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use carerecord_access::Caller;
use carerecord_fhir::{
    FhirDocuments, Known, KnownFolder, ProvideBundle, Provided, submission_failure,
};
use carerecord_model::{
    AvailabilityStatus, Code, ContentFilter, DocumentRecipient, EntryRef, EntryUuid, FoundObjects,
    Get, GetDocuments, MetadataLevel, NhsNumber, NodeId, OrganisationCode, PatientId, PortError,
    RegistryErrors, Scope, SentDocument, SourceId, StoredQuery, UniqueId,
};
use http::StatusCode;
use uuid::{Builder, Uuid};

use crate::Portal;
use crate::error::FhirError;

/// A system that may publish by the FHIR API, and where its documents go.
#[derive(Clone)]
pub struct Publisher {
    /// The client that its tokens are for.
    pub client_id: String,
    /// The organisation that it must act for.
    pub organisation: OrganisationCode,
    /// The node that keeps what it publishes.
    pub node: NodeId,
    /// The sourceId of submissions that are made for it.
    pub source_id: SourceId,
    /// The way to the node.
    pub recipient: Arc<dyn DocumentRecipient>,
}

/// Every system that may publish.
#[derive(Clone, Default)]
pub struct Publishers {
    all: Arc<[Publisher]>,
    codes: Option<Arc<CodeDefaults>>,
}

/// Codes of documents whose headers do not have them, for metadata that is made here. ITI-106.
#[derive(Clone, Debug)]
pub struct CodeDefaults {
    /// The class of each type code that has one.
    pub classes: HashMap<String, Code>,
    /// The class of all others.
    pub class: Code,
    /// The type.
    pub type_code: Code,
    /// The kind of place.
    pub facility: Code,
    /// The clinical setting.
    pub practice: Code,
    /// The label.
    pub confidentiality: Code,
    /// The language, as RFC 5646 has it.
    pub language: String,
}

impl Publishers {
    /// Of these.
    pub fn new(all: Vec<Publisher>) -> Self {
        Self { all: all.into(), codes: None }
    }

    /// With codes for what headers do not say; without them such metadata is limited.
    #[must_use]
    pub fn with_codes(self, codes: CodeDefaults) -> Self {
        Self { codes: Some(Arc::new(codes)), ..self }
    }

    /// Codes for what headers do not say.
    pub(crate) fn codes(&self) -> Option<&CodeDefaults> {
        self.codes.as_deref()
    }

    fn of(&self, caller: &Caller) -> Option<&Publisher> {
        let is =
            |p: &&Publisher| p.client_id == caller.id() && p.organisation == *caller.organisation();
        self.all.iter().find(is)
    }
}

/// What a submission's ids are made from, so that the same one sent again has the same.
pub(crate) struct Seed([u8; 32]);

impl Seed {
    /// Of a submission that has an id, or of its bytes.
    pub(crate) fn new(caller: &Caller, id: Option<&str>, digest: &[u8; 32]) -> Self {
        let mut hash = Context::new(&SHA256);
        for part in [caller.organisation().as_str(), caller.id()] {
            hash.update(part.as_bytes());
            hash.update(&[0]);
        }
        hash.update(id.map_or(&digest[..], str::as_bytes));
        Self(first_32(hash.finish().as_ref()))
    }

    pub(crate) fn uuid(&self, name: &str) -> Uuid {
        let mut hash = Context::new(&SHA256);
        hash.update(&self.0);
        hash.update(name.as_bytes());
        let mut half = [0; 16];
        half.copy_from_slice(&hash.finish().as_ref()[..16]);
        // RFC 9562, 5.8: version 8 is for ids that are made in a way of one's own.
        Builder::from_custom_bytes(half).into_uuid()
    }
}

fn first_32(bytes: &[u8]) -> [u8; 32] {
    let mut all = [0; 32];
    all.copy_from_slice(&bytes[..32]);
    all
}

impl Portal {
    /// Where a caller's documents go.
    ///
    /// # Errors
    /// When the caller may not publish, or no node is configured for it.
    pub(crate) fn publisher(&self, caller: &Caller) -> Result<&Publisher, FhirError> {
        self.access.may_publish(caller)?;
        self.publishers.of(caller).ok_or(FhirError::Operation(
            StatusCode::FORBIDDEN,
            "forbidden",
            "No node is configured for what this client publishes for this organisation.",
        ))
    }

    /// What is registered of that which a transaction refers to.
    pub(crate) async fn referred(
        &self,
        bundle: &ProvideBundle<'_>,
        patient: NhsNumber,
    ) -> Result<(HashMap<UniqueId, EntryUuid>, HashMap<EntryUuid, KnownFolder>), FhirError> {
        let (named, updated) = (bundle.named_documents(), bundle.updated_folders());
        if named.is_empty() && updated.is_empty() {
            return Ok((HashMap::new(), HashMap::new()));
        }
        let patient = PatientId::from_nhs_number(self.surviving(patient).await?);
        let documents = self.registered(named, &patient).await?;
        let mut folders = HashMap::new();
        for id in updated {
            let found = self.find(&folder_and_contents(id)).await?;
            folders.extend(folder(found, id, &patient).map(|folder| (id, folder)));
        }
        Ok((documents, folders))
    }

    /// Whether an entry is registered for a patient.
    pub(crate) async fn is_registered(
        &self,
        id: EntryUuid,
        patient: NhsNumber,
    ) -> Result<bool, FhirError> {
        let query = StoredQuery::GetDocuments(GetDocuments {
            level: MetadataLevel::Two,
            ..GetDocuments::of(EntryRef::Uuids(vec![id]))
        });
        let found = self.find(&query).await?.document_entries;
        let patient = self.surviving(patient).await?;
        Ok(found.iter().any(|entry| entry.patient_id.nhs_number() == Some(patient)))
    }

    /// Of each document the one in force, of several the newest version.
    pub(crate) async fn registered(
        &self,
        ids: Vec<UniqueId>,
        patient: &PatientId,
    ) -> Result<HashMap<UniqueId, EntryUuid>, FhirError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let query = StoredQuery::GetDocuments(GetDocuments {
            level: MetadataLevel::Two,
            ..GetDocuments::of(EntryRef::UniqueIds(ids))
        });
        let mut found = self.find(&query).await?.document_entries;
        found.retain(|entry| entry.patient_id == *patient);
        let in_force = |s| s == AvailabilityStatus::Approved;
        found.sort_by_key(|entry| (in_force(entry.availability_status), entry.version));
        let id = |entry: Arc<carerecord_model::DocumentEntry>| {
            Some((entry.unique_id.clone(), entry.uuid()?))
        };
        Ok(found.into_iter().filter_map(id).collect())
    }

    /// Sends a submission to the node.
    ///
    /// # Errors
    /// What node and registry find wrong with it, with its places.
    pub(crate) async fn send(
        &self,
        publisher: &Publisher,
        provided: &mut Provided,
    ) -> Result<RegistryErrors, FhirError> {
        let contents: Vec<Bytes> =
            std::mem::take(&mut provided.contents).into_iter().map(Bytes::from).collect();
        let document = |d: &carerecord_fhir::ProvidedDocument| {
            Some(SentDocument { entry: d.entry.clone(), bytes: contents.get(d.content)?.clone() })
        };
        let documents = provided.documents.iter().filter_map(document).collect();
        let sent = publisher.recipient.provide_and_register(provided.submission.clone(), documents);
        let sent = tokio::time::timeout(LONGEST, sent).await.unwrap_or(Err(PortError::Late));
        match sent {
            Ok(registered) => Ok(registered.warnings),
            Err(PortError::Transaction(errors)) => {
                let (status, issues) = submission_failure(&errors, |e| provided.expression(e));
                let status = StatusCode::from_u16(status);
                Err(FhirError::Submission(
                    status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                    issues,
                ))
            }
            Err(error) => Err(FhirError::Recipient(error)),
        }
    }
}

/// What a submission is made with.
pub(crate) fn known<'k>(
    derived: &'k dyn Fn(&str) -> Uuid,
    (documents, folders): (HashMap<UniqueId, EntryUuid>, HashMap<EntryUuid, KnownFolder>),
    fhir_documents: FhirDocuments,
) -> Known<'k> {
    Known { derived, documents, folders, fhir_documents }
}

fn folder_and_contents(id: EntryUuid) -> StoredQuery {
    StoredQuery::GetFolderAndContents(Box::new(Get {
        objects: EntryRef::Uuids(vec![id]),
        content: ContentFilter::default(),
        association_types: Vec::new(),
        scope: Scope { level: MetadataLevel::Two, ..Scope::default() },
        home_community_id: None,
    }))
}

fn folder(found: FoundObjects, id: EntryUuid, patient: &PatientId) -> Option<KnownFolder> {
    let is_it =
        |f: &carerecord_model::Folder| f.entry_uuid.uuid() == Some(id) && f.patient_id == *patient;
    let folder = found.folders.into_iter().find(is_it)?;
    let of = found.associations.iter().filter(|a| a.source == folder.entry_uuid);
    let members: HashSet<EntryUuid> = of.filter_map(|a| a.target.uuid()).collect();
    Some(KnownFolder { folder, members })
}

/// A node that has not answered by then may still do it: the same again gets the same answer.
const LONGEST: Duration = Duration::from_secs(60);
