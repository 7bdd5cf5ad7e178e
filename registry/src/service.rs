use std::sync::Arc;

use carerecord_access::{
    AccessDecisions, Caller, ConsentRecord, ConsentStoreError, Purpose, Refused, Released, Right,
};
use carerecord_audit::AuditOutcome;
use carerecord_model::{
    Clock, DocumentEntry, ErrorCode, FoundObjects, IdSource, NhsNumber, Patient, PatientId,
    Registered, RegistryErrors, StoredQuery, Submission, TransactionError,
};
use carerecord_service::AuditDraft;
use carerecord_storage::StoreError;
use uuid::Uuid;

use crate::store::{Found, RegisterError, Registration, Store};
use crate::{RegistryConfig, UnknownPatients, validate};

/// The registry's service: every binding calls these methods, and only these.
#[derive(Clone)]
pub struct Registry {
    config: RegistryConfig,
    store: Store,
    access: AccessDecisions,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

/// Why the registry did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// With registry errors, for the peer.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// The caller may not.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The store failed.
    #[error("the registry's store failed")]
    Store(#[from] StoreError),
}

impl RegistryError {
    /// What a peer sees. ITI TF-3: 4.2.4.
    pub fn into_transaction_error(self) -> TransactionError {
        match self {
            Self::Transaction(error) => error,
            Self::Refused(refused) => {
                let rule = refused.decision.rule;
                let what = format!("{} ({})", rule.explanation(), rule.id());
                TransactionError::one(ErrorCode::XDSRegistryError, what)
            }
            Self::Store(error) if error.is_full() => TransactionError::one(
                ErrorCode::XDSRegistryOutOfResources,
                "the registry has no space left; nothing was stored",
            ),
            Self::Store(_) => {
                TransactionError::one(ErrorCode::XDSRegistryError, "the registry's store failed")
            }
        }
    }
}

impl Registry {
    /// A registry over a store.
    pub fn new(
        config: RegistryConfig,
        store: Store,
        access: AccessDecisions,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        Self { config, store, access, clock, ids }
    }

    /// The store, for readiness and shutdown.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Registers a document set, all or nothing, together with its audit record. ITI-42.
    ///
    /// # Errors
    /// Every rule that is broken, together.
    pub async fn register_document_set(
        &self,
        caller: &Caller,
        submission: Submission,
        draft: &AuditDraft,
    ) -> Result<Registered, RegistryError> {
        self.access.may_publish(caller)?;
        note_submission(draft, &submission);
        let errors = validate::submission(&submission, self.config.number_policy);
        if !errors.is_empty() {
            return Err(TransactionError(errors).into());
        }
        let registration = Registration {
            submission,
            now: self.clock.now(),
            ids: self.ids.clone(),
            accept_unknown: self.config.unknown_patients == UnknownPatients::Accept,
            audit: draft.to_commit(AuditOutcome::Success),
        };
        match self.store.register(registration).await {
            Ok(registered) => {
                draft.committed();
                Ok(registered)
            }
            Err(RegisterError::Refused(errors)) => Err(TransactionError(errors).into()),
            Err(RegisterError::Store(error)) => Err(error.into()),
        }
    }

    /// Answers a stored query with what the caller may see. ITI-18.
    ///
    /// # Errors
    /// `XDSResultNotSinglePatient` for a look-up by id that spans patients, and failures.
    pub async fn stored_query(
        &self,
        caller: &Caller,
        query: &StoredQuery,
        whole_objects: bool,
        draft: &AuditDraft,
    ) -> Result<Released<FoundObjects>, RegistryError> {
        let purpose = Purpose::DirectCare;
        self.access.admit(caller, purpose, Right::Query)?;
        let (patient, found) = match query {
            StoredQuery::FindDocuments(q) => (q.patient_id.clone(), self.store.find(q).await?),
            StoredQuery::GetAll(q) => (q.patient_id.clone(), self.store.all(q).await?),
            StoredQuery::GetDocuments(q) => {
                let entries = self.store.documents(&q.entries).await?;
                return self.release_by_id(caller, entries, whole_objects, draft).await;
            }
        };
        let Some(number) = patient.nhs_number() else {
            // No NHS Number, no record: the answer is the one for a patient without documents.
            return self.release_none(caller, purpose).await;
        };
        draft.fill(|event| event.subject = Some(number));
        let view = self.access.open(caller, purpose, Right::Query, number).await?;
        let (released, withheld) = view.release_found(found);
        note_listed(draft, released.value(), withheld.count);
        draft.decision(released.decision());
        Ok(released)
    }

    /// A look-up by id: each patient's record is opened on its own.
    async fn release_by_id(
        &self,
        caller: &Caller,
        entries: Vec<DocumentEntry>,
        whole_objects: bool,
        draft: &AuditDraft,
    ) -> Result<Released<FoundObjects>, RegistryError> {
        let purpose = Purpose::DirectCare;
        let mut all: Option<Released<FoundObjects>> = None;
        let mut withheld = 0;
        let mut patients: Vec<PatientId> = Vec::new();
        for entry in &entries {
            if !patients.contains(&entry.patient_id) {
                patients.push(entry.patient_id.clone());
            }
        }
        let mut seen = 0;
        for patient in &patients {
            let Some(number) = patient.nhs_number() else { continue };
            draft.fill(|event| event.subject = Some(number));
            let of_patient = entries.iter().filter(|e| e.patient_id == *patient).cloned().collect();
            let found = FoundObjects { document_entries: of_patient, ..Found::default() };
            let view = self.access.open(caller, purpose, Right::Query, number).await?;
            let (released, held) = view.release_found(found);
            withheld += held.count;
            seen += usize::from(!released.value().document_entries.is_empty());
            all = Some(match all {
                Some(before) => {
                    let more = released.into_value().document_entries;
                    before.map(|mut f| {
                        f.document_entries.extend(more);
                        f
                    })
                }
                None => released,
            });
        }
        // Only patients of whom something is released count, or the error would tell of others.
        if seen > 1 && whole_objects {
            let what = "the documents belong to more than one patient; ask for ObjectRef";
            return Err(TransactionError::one(ErrorCode::XDSResultNotSinglePatient, what).into());
        }
        match all {
            Some(released) => {
                note_listed(draft, released.value(), withheld);
                draft.decision(released.decision());
                Ok(released)
            }
            None => self.release_none(caller, purpose).await,
        }
    }

    async fn release_none(
        &self,
        caller: &Caller,
        purpose: Purpose,
    ) -> Result<Released<FoundObjects>, RegistryError> {
        Ok(self.access.release_person(caller, purpose, FoundObjects::default())?)
    }

    /// The person with this number, for a role of this deployment.
    ///
    /// # Errors
    /// `Refused` for everybody else.
    pub async fn patient(
        &self,
        caller: &Caller,
        number: NhsNumber,
    ) -> Result<Released<Option<Patient>>, RegistryError> {
        let patient = self.store.patient(number).await?;
        Ok(self.access.release_person(caller, Purpose::DirectCare, patient)?)
    }

    /// Puts a person into the index.
    ///
    /// # Errors
    /// When the store fails, or the caller may not publish.
    pub async fn put_patient(&self, caller: &Caller, person: Patient) -> Result<(), RegistryError> {
        self.access.may_publish(caller)?;
        Ok(self.store.put_patient(person).await?)
    }

    /// What a patient has said, for a role of this deployment.
    ///
    /// # Errors
    /// `Refused` for everybody else.
    pub async fn consent_of(
        &self,
        caller: &Caller,
        number: NhsNumber,
    ) -> Result<Released<Vec<ConsentRecord>>, RegistryError> {
        let records = self.store.consents_of(number).await?;
        Ok(self.access.release_consent(caller, records)?)
    }

    /// One consent record, for a role of this deployment.
    ///
    /// # Errors
    /// `Refused` for everybody else.
    pub async fn consent_by_id(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<Released<Option<ConsentRecord>>, RegistryError> {
        let record = self.store.consent_by_id(id).await?;
        Ok(self.access.release_consent(caller, record)?)
    }

    /// Stores a version of a consent record, in force when this returns.
    ///
    /// # Errors
    /// `Conflict` when somebody else was first.
    pub async fn put_consent(
        &self,
        caller: &Caller,
        record: ConsentRecord,
    ) -> Result<(), ConsentStoreError> {
        let unavailable = |e: &dyn std::fmt::Display| {
            ConsentStoreError::Unavailable(carerecord_access::FactsUnavailable(e.to_string()))
        };
        self.access.may_record_consent(caller).map_err(|e| unavailable(&e))?;
        self.store.put_consent_record(record).await
    }
}

fn note_submission(draft: &AuditDraft, submission: &Submission) {
    draft.fill(|event| {
        event.subject = submission.submission_set.patient_id.nhs_number();
        event.documents = submission
            .document_entries
            .iter()
            .map(|e| carerecord_audit::DocumentRef {
                id: e.unique_id.to_string(),
                hash: e.hash.clone(),
            })
            .collect();
    });
}

fn note_listed(draft: &AuditDraft, found: &FoundObjects, withheld: usize) {
    draft.fill(|event| {
        event.listed = found.document_entries.iter().map(|e| e.entry_uuid.to_string()).collect();
        event.withheld = withheld;
    });
}

/// For callers that want warnings only.
pub(crate) fn warnings(registered: Registered) -> RegistryErrors {
    registered.warnings
}
