use async_trait::async_trait;
use carerecord_access::{
    Caller, CaredFor, CaredForQuestion, CitizenGrant, CitizenGrantStore, CitizenGrants,
    ConsentRecord, ConsentRecords, ConsentStore, ConsentStoreError, FactsUnavailable, Relationship,
    RelationshipStore, Relationships,
};
use carerecord_audit::AuditEvent;
use carerecord_model::{
    CrossReference, DocumentEntryType, DocumentRegistry, EntryUuid, FoundObjects, FoundPatients,
    GetAll, LastChange, NhsNumber, Patient, PatientDirectory, PatientId, PatientSearch, PortError,
    Registered, StoredQuery, Submission,
};
use carerecord_service::AuditDraft;
use uuid::Uuid;

use crate::{RecordAnswer, Registry, RegistryError};

/// The registry as another role of the same process sees it: the same service method, the same
/// decision, bound to the system that the other role is.
#[derive(Clone)]
pub struct LocalRegistry {
    registry: Registry,
    caller: Caller,
    draft: fn(&Caller) -> AuditEvent,
}

impl LocalRegistry {
    /// Binds the registry to a caller. `draft` makes the audit record of a write.
    pub fn new(registry: Registry, caller: Caller, draft: fn(&Caller) -> AuditEvent) -> Self {
        Self { registry, caller, draft }
    }

    fn audit(&self, transaction: &str) -> AuditDraft {
        let draft = AuditDraft::detached((self.draft)(&self.caller));
        draft.fill(|event| transaction.clone_into(&mut event.interaction));
        draft.caller(&self.caller);
        draft
    }
}

impl LocalRegistry {
    /// The record of a patient with what decisions about it rest on, as `Registry::patient_record`
    /// answers; `known` is the state of it that the asker has.
    ///
    /// # Errors
    /// What the registry could not do.
    pub async fn patient_record(
        &self,
        patient: NhsNumber,
        known: Option<&str>,
    ) -> Result<RecordAnswer, PortError> {
        let draft = self.audit("ITI-18");
        let query = GetAll::of(PatientId::from_nhs_number(patient));
        let asked = (&query, patient);
        let told = self.registry.patient_record(&self.caller, None, asked, known, &draft).await;
        told.map_err(port_error)
    }
}

#[async_trait]
impl DocumentRegistry for LocalRegistry {
    async fn register_document_set(&self, submission: Submission) -> Result<Registered, PortError> {
        let draft = self.audit("ITI-42");
        let done = self
            .registry
            .register_document_set(&self.caller, submission, DocumentEntryType::Stable, &draft)
            .await;
        done.map_err(port_error)
    }

    async fn stored_query(&self, query: &StoredQuery) -> Result<FoundObjects, PortError> {
        let draft = self.audit("ITI-18");
        let found = self.registry.stored_query(&self.caller, query, true, &draft).await;
        found.map(carerecord_access::Released::into_value).map_err(port_error)
    }

    async fn last_changes(&self, patient: NhsNumber) -> Result<Vec<LastChange>, PortError> {
        let found = self.registry.last_changes(&self.caller, patient).await;
        found.map(carerecord_access::Released::into_value).map_err(port_error)
    }

    async fn remove_metadata(&self, ids: Vec<EntryUuid>) -> Result<(), PortError> {
        let draft = self.audit("ITI-62");
        self.registry.remove_metadata(&self.caller, ids, &draft).await.map_err(port_error)
    }
}

#[async_trait]
impl PatientDirectory for LocalRegistry {
    async fn patient(&self, number: NhsNumber) -> Result<Option<Patient>, PortError> {
        let found = self.registry.patient(&self.caller, number).await;
        found.map(carerecord_access::Released::into_value).map_err(port_error)
    }

    async fn cross_reference(&self, id: &PatientId) -> Result<CrossReference, PortError> {
        let found = self.registry.cross_reference(&self.caller, id).await;
        found.map(carerecord_access::Released::into_value).map_err(port_error)
    }

    async fn find_patients(&self, search: &PatientSearch) -> Result<FoundPatients, PortError> {
        let found = self.registry.find_patients(&self.caller, search).await;
        found.map(carerecord_access::Released::into_value).map_err(port_error)
    }
}

#[async_trait]
impl ConsentRecords for LocalRegistry {
    async fn consent_records(
        &self,
        patient: NhsNumber,
    ) -> Result<Vec<ConsentRecord>, FactsUnavailable> {
        let found = self.registry.consent_of(&self.caller, patient).await;
        found
            .map(carerecord_access::Released::into_value)
            .map_err(|e| FactsUnavailable(e.to_string()))
    }
}

#[async_trait]
impl ConsentStore for LocalRegistry {
    async fn put_consent(&self, record: ConsentRecord) -> Result<(), ConsentStoreError> {
        self.registry.put_consent(&self.caller, record).await
    }

    async fn consent(&self, id: Uuid) -> Result<ConsentRecord, ConsentStoreError> {
        let found = self.registry.consent_by_id(&self.caller, id).await;
        let found = found.map_err(|e| FactsUnavailable(e.to_string()))?;
        found.into_value().ok_or(ConsentStoreError::NotFound)
    }
}

#[async_trait]
impl Relationships for LocalRegistry {
    async fn relationships(
        &self,
        patient: NhsNumber,
    ) -> Result<Vec<Relationship>, FactsUnavailable> {
        let found = self.registry.relationships_of(&self.caller, patient).await;
        found
            .map(carerecord_access::Released::into_value)
            .map_err(|e| FactsUnavailable(e.to_string()))
    }
}

#[async_trait]
impl RelationshipStore for LocalRegistry {
    async fn put_relationship(&self, relationship: Relationship) -> Result<(), ConsentStoreError> {
        self.registry.put_relationship(&self.caller, relationship).await
    }

    async fn relationship(&self, id: Uuid) -> Result<Relationship, ConsentStoreError> {
        let found = self.registry.relationship_by_id(&self.caller, id).await;
        let found = found.map_err(|e| FactsUnavailable(e.to_string()))?;
        found.into_value().ok_or(ConsentStoreError::NotFound)
    }

    async fn cared_for(&self, question: &CaredForQuestion) -> Result<CaredFor, FactsUnavailable> {
        let found = self.registry.cared_for(&self.caller, question).await;
        found
            .map(carerecord_access::Released::into_value)
            .map_err(|e| FactsUnavailable(e.to_string()))
    }
}

#[async_trait]
impl CitizenGrants for LocalRegistry {
    async fn citizen_grants(
        &self,
        patient: NhsNumber,
    ) -> Result<Vec<CitizenGrant>, FactsUnavailable> {
        let found = self.registry.citizen_grants_of(&self.caller, patient).await;
        found
            .map(carerecord_access::Released::into_value)
            .map_err(|e| FactsUnavailable(e.to_string()))
    }
}

#[async_trait]
impl CitizenGrantStore for LocalRegistry {
    async fn put_citizen_grant(&self, grant: CitizenGrant) -> Result<(), ConsentStoreError> {
        self.registry.put_citizen_grant(&self.caller, grant).await
    }

    async fn citizen_grants_to(
        &self,
        delegate: NhsNumber,
    ) -> Result<Vec<CitizenGrant>, FactsUnavailable> {
        let found = self.registry.citizen_grants_to(&self.caller, delegate).await;
        found
            .map(carerecord_access::Released::into_value)
            .map_err(|e| FactsUnavailable(e.to_string()))
    }

    async fn citizen_grant(&self, id: Uuid) -> Result<CitizenGrant, ConsentStoreError> {
        let found = self.registry.citizen_grant_by_id(&self.caller, id).await;
        let found = found.map_err(|e| FactsUnavailable(e.to_string()))?;
        found.into_value().ok_or(ConsentStoreError::NotFound)
    }
}

fn port_error(error: RegistryError) -> PortError {
    match error {
        RegistryError::Store(e) => PortError::Unavailable(e.to_string()),
        RegistryError::Transaction(_) | RegistryError::Refused(_) => {
            PortError::Transaction(error.into_transaction_error())
        }
    }
}

impl LocalRegistry {
    /// Puts a person into the patient index.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_patient(&self, person: Patient) -> Result<(), RegistryError> {
        self.registry.put_patient(&self.caller, person).await
    }
}
