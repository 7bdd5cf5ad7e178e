use std::sync::Arc;

use carerecord_access::{
    AccessDecisions, Caller, CaredFor, CaredForQuestion, CitizenGrant, ConsentRecord,
    ConsentStoreError, Purpose, Refused, Relationship, Released,
};
use carerecord_audit::{AuditEvent, AuditOutcome};
use carerecord_model::{
    Clock, CrossReference, DocumentEntryType, EntryUuid, ErrorCode, FoundPatients, IdSource,
    LastChange, NhsNumber, Patient, PatientId, PatientSearch, Registered, RegistryErrors,
    Submission, TransactionError,
};
use carerecord_service::AuditDraft;
use carerecord_storage::{StoreError, Trouble};
use jiff::Timestamp;
use uuid::Uuid;

use crate::codes::CodeRules;
use crate::store::{
    ChangePage, Store, citizen_grants_of, citizen_grants_to, consents_of, relationships_of,
};
use crate::submit::{Request, SubmitError, UpdateKind, validate};
use crate::{RegistryConfig, UnknownPatients};

/// The registry's service: every binding calls these methods, and only these.
#[derive(Clone)]
pub struct Registry {
    config: RegistryConfig,
    pub(crate) store: Store,
    pub(crate) access: AccessDecisions,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    codes: Arc<CodeRules>,
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
            Self::Store(error) => match error.trouble() {
                Trouble::Full => TransactionError::one(
                    ErrorCode::XDSRegistryOutOfResources,
                    "the registry has no space left; nothing was stored",
                ),
                Trouble::Busy => TransactionError::one(
                    ErrorCode::XDSRegistryBusy,
                    "the registry has too much to do; try again later",
                ),
                Trouble::Other => {
                    let what = "the registry's store failed";
                    TransactionError::one(ErrorCode::XDSRegistryError, what)
                }
            },
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
        Self { config, store, access, clock, ids, codes: Arc::default() }
    }

    /// The same with the codes of an affinity domain; without them every code is taken.
    #[must_use]
    pub fn with_codes(mut self, codes: CodeRules) -> Self {
        self.codes = Arc::new(codes);
        self
    }

    /// The same under other rules.
    #[must_use]
    pub fn with_config(mut self, config: RegistryConfig) -> Self {
        self.config = config;
        self
    }

    /// The store, for readiness and shutdown.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Registers a document set, all or nothing, together with its audit record. ITI-42; ITI-61 for
    /// on-demand entries.
    ///
    /// # Errors
    /// Every rule that is broken, together.
    pub async fn register_document_set(
        &self,
        caller: &Caller,
        submission: Submission,
        entry_type: DocumentEntryType,
        draft: &AuditDraft,
    ) -> Result<Registered, RegistryError> {
        self.access.may_publish(caller)?;
        self.access.may_concern(caller, submission.submission_set.patient_id.nhs_number())?;
        note_submission(draft, &submission);
        let errors = validate::submission(&submission, entry_type, self.config.number_policy);
        let audit = draft.to_commit(AuditOutcome::Success);
        let request = self.request(submission, errors, Some(audit))?;
        done(self.store.register(request).await, draft)
    }

    /// Updates what is registered. ITI-57.
    ///
    /// # Errors
    /// Every rule that is broken, together.
    pub async fn update_metadata(
        &self,
        caller: &Caller,
        submission: Submission,
        draft: &AuditDraft,
    ) -> Result<Registered, RegistryError> {
        self.update(caller, submission, UpdateKind::Metadata, draft).await
    }

    /// Registers new versions of entries that differ in few attributes. ITI-92.
    ///
    /// # Errors
    /// Every rule that is broken, together.
    pub async fn restricted_update(
        &self,
        caller: &Caller,
        submission: Submission,
        draft: &AuditDraft,
    ) -> Result<Registered, RegistryError> {
        self.update(caller, submission, UpdateKind::Restricted, draft).await
    }

    async fn update(
        &self,
        caller: &Caller,
        submission: Submission,
        kind: UpdateKind,
        draft: &AuditDraft,
    ) -> Result<Registered, RegistryError> {
        self.access.may_administer(caller)?;
        self.access.may_concern(caller, submission.submission_set.patient_id.nhs_number())?;
        note_submission(draft, &submission);
        draft.fill(|event| event.listed = validate::registered(&submission));
        let errors = validate::update(&submission, self.config.number_policy);
        let audit = draft.to_commit(AuditOutcome::Success);
        let request = self.request(submission, errors, Some(audit))?;
        done(self.store.update(request, kind).await, draft)
    }

    /// Removes metadata for good, all or nothing, together with its audit record. ITI-62.
    ///
    /// # Errors
    /// Every rule that is broken, together.
    pub async fn remove_metadata(
        &self,
        caller: &Caller,
        ids: Vec<EntryUuid>,
        draft: &AuditDraft,
    ) -> Result<(), RegistryError> {
        self.access.may_administer(caller)?;
        // Whose the objects are is not known from their ids.
        self.access.may_concern(caller, None)?;
        draft.fill(|event| event.listed = ids.iter().map(ToString::to_string).collect());
        let audit = draft.to_commit(AuditOutcome::Success);
        done(self.store.remove(ids, self.clock.now(), audit).await, draft)
    }

    /// Whether a delegation is used for the first time by any copy of the registry.
    pub(crate) async fn first_use(
        &self,
        issuer: &str,
        id: &str,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let (until, now) = (until.as_millisecond(), self.clock.now().as_millisecond());
        self.store.database().first_use(issuer, id, until, now).await
    }

    /// Committed changes after a place, for other roles of this deployment.
    ///
    /// # Errors
    /// `Refused` for everybody else.
    pub async fn changes(
        &self,
        caller: &Caller,
        since: i64,
        limit: u32,
    ) -> Result<Released<ChangePage>, RegistryError> {
        self.access.release_to_role(caller, ())?;
        let page = self.store.changes(since, limit).await?;
        Ok(self.access.release_to_role(caller, page)?)
    }

    /// When the objects of a person were last changed, for a role of this deployment.
    ///
    /// # Errors
    /// `Refused` for everybody else.
    pub async fn last_changes(
        &self,
        caller: &Caller,
        number: NhsNumber,
    ) -> Result<Released<Vec<LastChange>>, RegistryError> {
        self.access.release_to_role(caller, ())?;
        let changes = self.store.last_changes(number).await?;
        Ok(self.access.release_to_role(caller, changes)?)
    }

    pub(crate) fn number_policy(&self) -> carerecord_model::NumberPolicy {
        self.config.number_policy
    }

    pub(crate) fn ids(&self) -> &dyn IdSource {
        self.ids.as_ref()
    }

    pub(crate) fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    /// The request, when there are no errors in it so far; else with those of its codes.
    pub(crate) fn request(
        &self,
        submission: Submission,
        mut errors: RegistryErrors,
        audit: Option<AuditEvent>,
    ) -> Result<Request, TransactionError> {
        let now = self.clock.now();
        let codes = self.codes.check(&submission, now);
        if !self.config.limited_metadata {
            errors.extend(validate::limited(&submission));
        }
        if !errors.is_empty() {
            errors.extend(codes.errors);
            return Err(TransactionError(errors));
        }
        Ok(Request {
            submission,
            now,
            ids: self.ids.clone(),
            accept_unknown: self.config.unknown_patients == UnknownPatients::Accept,
            codes,
            audit,
        })
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

    /// What the index knows of an identifier, for a role of this deployment. ITI-83.
    ///
    /// # Errors
    /// `Refused` for everybody else.
    pub async fn cross_reference(
        &self,
        caller: &Caller,
        id: &PatientId,
    ) -> Result<Released<CrossReference>, RegistryError> {
        let found = self.store.cross_reference(id).await?;
        Ok(self.access.release_person(caller, Purpose::DirectCare, found)?)
    }

    /// The people that a search is about, for a role of this deployment. ITI-78.
    ///
    /// # Errors
    /// `Refused` for everybody else.
    pub async fn find_patients(
        &self,
        caller: &Caller,
        search: &PatientSearch,
    ) -> Result<Released<FoundPatients>, RegistryError> {
        let found = self.store.find_patients(search).await?;
        Ok(self.access.release_person(caller, Purpose::DirectCare, found)?)
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
        let records = consents_of(self.store.database(), number).await?;
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

    /// Which citizens may see a patient's record, for a role of this deployment.
    ///
    /// # Errors
    /// `Refused` for everybody else.
    pub async fn citizen_grants_of(
        &self,
        caller: &Caller,
        number: NhsNumber,
    ) -> Result<Released<Vec<CitizenGrant>>, RegistryError> {
        let found = citizen_grants_of(self.store.database(), number).await?;
        Ok(self.access.release_consent(caller, found)?)
    }

    /// Of whom somebody is named as a proxy, for a role of this deployment.
    ///
    /// # Errors
    /// `Refused` for everybody else.
    pub async fn citizen_grants_to(
        &self,
        caller: &Caller,
        delegate: NhsNumber,
    ) -> Result<Released<Vec<CitizenGrant>>, RegistryError> {
        let found = citizen_grants_to(self.store.database(), delegate).await?;
        Ok(self.access.release_consent(caller, found)?)
    }

    /// One of these grants, for a role of this deployment.
    ///
    /// # Errors
    /// `Refused` for everybody else.
    pub async fn citizen_grant_by_id(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<Released<Option<CitizenGrant>>, RegistryError> {
        let found = self.store.citizen_grant_by_id(id).await?;
        Ok(self.access.release_consent(caller, found)?)
    }

    /// Stores a version of such a grant, which counts when this returns.
    ///
    /// # Errors
    /// `Conflict` when somebody else was first.
    pub async fn put_citizen_grant(
        &self,
        caller: &Caller,
        grant: CitizenGrant,
    ) -> Result<(), ConsentStoreError> {
        self.access.may_record_consent(caller).map_err(|e| {
            ConsentStoreError::Unavailable(carerecord_access::FactsUnavailable(e.to_string()))
        })?;
        self.store.put_citizen_grant_record(grant).await
    }

    /// Who cares for a patient, for a role of this deployment.
    ///
    /// # Errors
    /// `Refused` for everybody else.
    pub async fn relationships_of(
        &self,
        caller: &Caller,
        number: NhsNumber,
    ) -> Result<Released<Vec<Relationship>>, RegistryError> {
        let found = relationships_of(self.store.database(), number).await?;
        Ok(self.access.release_relationships(caller, found)?)
    }

    /// One relationship, for a role of this deployment.
    ///
    /// # Errors
    /// `Refused` for everybody else.
    pub async fn relationship_by_id(
        &self,
        caller: &Caller,
        id: Uuid,
    ) -> Result<Released<Option<Relationship>>, RegistryError> {
        let found = self.store.relationship_by_id(id).await?;
        Ok(self.access.release_relationships(caller, found)?)
    }

    /// Whom an organisation and a person of it care for, for a role of this deployment.
    ///
    /// # Errors
    /// `Refused` for everybody else.
    pub async fn cared_for(
        &self,
        caller: &Caller,
        question: &CaredForQuestion,
    ) -> Result<Released<CaredFor>, RegistryError> {
        let found = self.store.cared_for(question).await?;
        Ok(self.access.release_relationships(caller, found)?)
    }

    /// Stores a version of a relationship, which counts when this returns.
    ///
    /// # Errors
    /// `Conflict` when somebody else was first.
    pub async fn put_relationship(
        &self,
        caller: &Caller,
        relationship: Relationship,
    ) -> Result<(), ConsentStoreError> {
        self.access.may_record_relationships(caller).map_err(|e| {
            ConsentStoreError::Unavailable(carerecord_access::FactsUnavailable(e.to_string()))
        })?;
        self.store.put_relationship_record(relationship).await
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

/// What became of a transaction; its audit record was committed with it.
fn done<T>(outcome: Result<T, SubmitError>, draft: &AuditDraft) -> Result<T, RegistryError> {
    match outcome {
        Ok(value) => {
            draft.committed();
            Ok(value)
        }
        Err(SubmitError::Refused(errors)) => Err(TransactionError(errors).into()),
        Err(SubmitError::Store(error)) => Err(error.into()),
    }
}
