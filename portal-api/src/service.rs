use std::sync::Arc;
use std::time::Duration;

use carerecord_access::{
    AccessDecisions, Caller, ConsentStore, Decision, Purpose, Released, Right, Withheld,
};
use carerecord_model::{
    ByteRange, Clock, ContentFilter, CrossReference, DocumentEntry, DocumentRegistry,
    DocumentRequest, EntryRef, EntryUuid, FoundObjects, Get, GetAll, GetDocuments, IdSource,
    MetadataLevel, NhsNumber, PatientDirectory, PatientId, PortError, RetrievedDocument, Scope,
    StoredQuery,
};

use crate::error::FhirError;
use crate::federation::{Node, NodeState, ask_all};
use crate::opened::{Opened, note_closed};
use crate::{PatientIds, PortalConfig, TokenVerifier};

/// The portal's service: the FHIR handlers call these methods, and only these.
#[derive(Clone)]
pub struct Portal {
    pub(crate) config: Arc<PortalConfig>,
    registry: Arc<dyn DocumentRegistry>,
    pub(crate) patients: Arc<dyn PatientDirectory>,
    pub(crate) consents: Arc<dyn ConsentStore>,
    pub(crate) access: AccessDecisions,
    pub(crate) nodes: Arc<Vec<Node>>,
    pub(crate) tokens: TokenVerifier,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) patient_ids: PatientIds,
}

/// What a portal is made of.
pub struct PortalParts {
    /// Its section of the configuration.
    pub config: PortalConfig,
    /// The registry.
    pub registry: Arc<dyn DocumentRegistry>,
    /// The patient index.
    pub patients: Arc<dyn PatientDirectory>,
    /// What patients have said.
    pub consents: Arc<dyn ConsentStore>,
    /// The decisions.
    pub access: AccessDecisions,
    /// The sources.
    pub nodes: Vec<Node>,
    /// Who may ask.
    pub tokens: TokenVerifier,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Arc<dyn IdSource>,
    /// Ids of people in URLs.
    pub patient_ids: PatientIds,
}

/// A patient's record as one caller may see it.
pub(crate) struct Record {
    pub found: Released<FoundObjects>,
    pub withheld: Withheld,
    pub sources: Vec<NodeState>,
    /// Whether nothing may tell where the person is cared for.
    pub masked: bool,
    /// The number that everything of the person is kept under.
    pub number: NhsNumber,
}

/// One document that the caller may see.
pub(crate) struct Document {
    entry: Released<DocumentEntry>,
    /// Whether nothing may tell where the person is cared for.
    pub masked: bool,
}

impl Document {
    /// Its metadata.
    pub(crate) fn value(&self) -> &DocumentEntry {
        self.entry.value()
    }

    /// Why the caller may see it.
    pub(crate) fn decision(&self) -> &Decision {
        self.entry.decision()
    }
}

impl Portal {
    /// A portal out of its parts.
    pub fn new(parts: PortalParts) -> Self {
        Self {
            config: Arc::new(parts.config),
            registry: parts.registry,
            patients: parts.patients,
            consents: parts.consents,
            access: parts.access,
            nodes: Arc::new(parts.nodes),
            tokens: parts.tokens,
            clock: parts.clock,
            ids: parts.ids,
            patient_ids: parts.patient_ids,
        }
    }

    /// Everything of a patient that the caller may see, while all sources are asked whether they
    /// can serve.
    pub(crate) async fn record(
        &self,
        caller: &Caller,
        purpose: Purpose,
        patient: NhsNumber,
    ) -> Result<Record, FhirError> {
        let Opened { view, number } = self.open(caller, purpose, patient).await?;
        let (found, sources) =
            tokio::join!(self.everything(number), ask_all(&self.nodes, self.deadline()));
        let (found, mut withheld) = view.release_found(found?);
        note_closed(&view, &mut withheld);
        Ok(Record { found, withheld, sources, masked: view.masks_locations(), number })
    }

    /// Everything that the caller may see of the record that a SubmissionSet or folder is in.
    pub(crate) async fn record_of_list(
        &self,
        caller: &Caller,
        purpose: Purpose,
        id: EntryUuid,
    ) -> Result<Released<FoundObjects>, FhirError> {
        self.access.admit(caller, purpose, Right::Query)?;
        let patient = self.patient_of_list(id).await?.ok_or(FhirError::NotFound)?;
        let Opened { view, number } = self.open(caller, purpose, patient).await?;
        if let Some(refused) = view.closed() {
            return Err(refused.into());
        }
        Ok(view.release_found(self.everything(number).await?).0)
    }

    async fn patient_of_list(&self, id: EntryUuid) -> Result<Option<NhsNumber>, FhirError> {
        let get = || {
            Box::new(Get {
                objects: EntryRef::Uuids(vec![id]),
                content: ContentFilter::default(),
                association_types: Vec::new(),
                scope: Scope { level: MetadataLevel::Two, ..Scope::default() },
                home_community_id: None,
            })
        };
        let sets = StoredQuery::GetSubmissionSetAndContents(get());
        for query in [sets, StoredQuery::GetFolders(get())] {
            let found = self.within(self.registry.stored_query(&query)).await;
            let found = found.map_err(FhirError::Registry)?;
            let sets = found.submission_sets.iter().map(|s| (&s.entry_uuid, &s.patient_id));
            let folders = found.folders.iter().map(|f| (&f.entry_uuid, &f.patient_id));
            let mut lists = sets.chain(folders);
            if let Some((_, patient)) = lists.find(|(uuid, _)| uuid.uuid() == Some(id)) {
                return Ok(patient.nhs_number());
            }
        }
        Ok(None)
    }

    /// Everything of a patient, before any decision.
    pub(crate) async fn everything(&self, patient: NhsNumber) -> Result<FoundObjects, FhirError> {
        let query = GetAll::of(PatientId::from_nhs_number(patient));
        let query = StoredQuery::GetAll(Box::new(query));
        self.within(self.registry.stored_query(&query)).await.map_err(FhirError::Registry)
    }

    /// One document that the caller may see.
    pub(crate) async fn document(
        &self,
        caller: &Caller,
        purpose: Purpose,
        id: EntryUuid,
    ) -> Result<Document, FhirError> {
        self.access.admit(caller, purpose, Right::Query)?;
        let query = StoredQuery::GetDocuments(GetDocuments {
            level: MetadataLevel::Two,
            ..GetDocuments::of(EntryRef::Uuids(vec![id]))
        });
        let found = self.within(self.registry.stored_query(&query)).await;
        let found = found.map_err(FhirError::Registry)?;
        let entry = found.document_entries.into_iter().next().ok_or(FhirError::NotFound)?;
        let number = entry.patient_id.nhs_number().ok_or(FhirError::NotFound)?;
        let Opened { view, .. } = self.open(caller, purpose, number).await?;
        Ok(Document { masked: view.masks_locations(), entry: view.release(entry)? })
    }

    /// The bytes of a document that has been released.
    pub(crate) async fn content(
        &self,
        document: &Document,
        range: Option<ByteRange>,
    ) -> Result<RetrievedDocument, FhirError> {
        let entry = document.value();
        let repository = entry.repository_unique_id.clone().ok_or(FhirError::NotFound)?;
        let node = self.nodes.iter().find(|n| n.id == repository);
        let unknown = || PortError::Unavailable("the node is not in the directory".into());
        let node = node.ok_or_else(|| FhirError::Node(unknown()))?;
        let request = DocumentRequest {
            home_community_id: None,
            repository_unique_id: repository,
            document_unique_id: entry.unique_id.clone(),
        };
        // The deadline is for the answer to begin; long documents take their time.
        let begun = self.within(node.repository.retrieve(&request, range)).await;
        begun.map_err(FhirError::Node)
    }

    /// What the patient index knows of an identifier. ITI-83.
    pub(crate) async fn cross_reference(
        &self,
        caller: &Caller,
        purpose: Purpose,
        id: &PatientId,
    ) -> Result<Released<CrossReference>, FhirError> {
        self.access.admit(caller, purpose, Right::Query)?;
        let found = self.within(self.patients.cross_reference(id)).await;
        let found = found.map_err(FhirError::Registry)?;
        Ok(self.access.release_person(caller, purpose, found)?)
    }

    /// Whether the registry can be asked, for readiness.
    pub async fn ready(&self) -> Result<(), String> {
        let nobody: NhsNumber = "9990001146".parse().map_err(|_| "number".to_owned())?;
        self.within(self.patients.patient(nobody)).await.map(|_| ()).map_err(|e| e.to_string())
    }

    pub(crate) fn deadline(&self) -> Duration {
        Duration::from_millis(self.config.source_deadline_ms)
    }

    pub(crate) async fn within<T>(
        &self,
        asked: impl Future<Output = Result<T, PortError>>,
    ) -> Result<T, PortError> {
        tokio::time::timeout(self.deadline(), asked).await.unwrap_or(Err(PortError::Late))
    }
}
