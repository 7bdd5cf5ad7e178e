use async_trait::async_trait;
use carerecord_model::{FoundObjects, NhsNumber, OnBehalf, OrganisationCode, Patient, PortError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{CitizenGrant, ConsentRecord, Relationship};

/// A fact that the decision needs could not be had; the decision is then no.
#[derive(Debug, thiserror::Error)]
#[error("what is known of the patient could not be read: {0}")]
pub struct FactsUnavailable(pub String);

/// Where the decision learns what patients have said. Never from a copy that can be stale.
#[async_trait]
pub trait ConsentRecords: Send + Sync {
    /// The newest version of every consent record of a patient, in force or not, newest first.
    ///
    /// # Errors
    /// When the store could not be asked. Never an empty list in its place.
    async fn consent_records(
        &self,
        patient: NhsNumber,
    ) -> Result<Vec<ConsentRecord>, FactsUnavailable>;
}

/// Why a consent record or a relationship was not stored.
#[derive(Debug, thiserror::Error)]
pub enum ConsentStoreError {
    /// There is no record with this id.
    #[error("there is no such record")]
    NotFound,
    /// Somebody else changed it first.
    #[error("the record has been changed by another request")]
    Conflict,
    /// The store could not be asked.
    #[error(transparent)]
    Unavailable(#[from] FactsUnavailable),
}

/// Where what patients say is kept.
#[async_trait]
pub trait ConsentStore: ConsentRecords {
    /// Stores a first version, or the version after the one stored. In force when it returns.
    ///
    /// # Errors
    /// `Conflict` unless `record.version` is one more than what is stored (1 for a new one).
    async fn put_consent(&self, record: ConsentRecord) -> Result<(), ConsentStoreError>;

    /// The newest version of one record.
    ///
    /// # Errors
    /// `NotFound`, or when the store could not be asked.
    async fn consent(&self, id: Uuid) -> Result<ConsentRecord, ConsentStoreError>;
}

/// Where the decision learns who cares for a patient. Never from a copy that can be stale.
#[async_trait]
pub trait Relationships: Send + Sync {
    /// The newest version of every relationship of a patient, in force or not, newest first.
    ///
    /// # Errors
    /// When the store could not be asked. Never an empty list in its place.
    async fn relationships(
        &self,
        patient: NhsNumber,
    ) -> Result<Vec<Relationship>, FactsUnavailable>;
}

/// Where relationships are kept.
#[async_trait]
pub trait RelationshipStore: Relationships {
    /// Stores a first version, or the version after the one stored. It counts when this returns.
    ///
    /// # Errors
    /// `Conflict` unless `relationship.version` is one more than what is stored (1 for a new one).
    async fn put_relationship(&self, relationship: Relationship) -> Result<(), ConsentStoreError>;

    /// The newest version of one relationship.
    ///
    /// # Errors
    /// `NotFound`, or when the store could not be asked.
    async fn relationship(&self, id: Uuid) -> Result<Relationship, ConsentStoreError>;

    /// Whom an organisation and a person of it care for now.
    ///
    /// # Errors
    /// When the store could not be asked. Never an empty list in its place.
    async fn cared_for(&self, question: &CaredForQuestion) -> Result<CaredFor, FactsUnavailable>;
}

/// For whom somebody cares: by relationships of all of the organisation, and of the person alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaredForQuestion {
    /// The organisation.
    pub organisation: OrganisationCode,
    /// The identity provider's id of the person.
    pub user_id: String,
    /// When it is: relationships that have begun and not ended, without days of grace.
    pub now: Timestamp,
    /// As the page before gave it as its `next`.
    pub after: Option<(i64, Uuid)>,
    /// How many at most.
    pub most: u16,
}

/// Relationships that hold now, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CaredFor {
    /// How many there are on all pages.
    pub total: u64,
    /// Those of the page.
    pub relationships: Vec<Relationship>,
    /// After what the next page begins; `None` on the last one.
    pub next: Option<(i64, Uuid)>,
}

/// Where the decision learns which citizens may see a record. Never from a copy that can be stale.
#[async_trait]
pub trait CitizenGrants: Send + Sync {
    /// The newest version of every grant about a patient's record, in force or not, newest first.
    ///
    /// # Errors
    /// When the store could not be asked. Never an empty list in its place.
    async fn citizen_grants(
        &self,
        patient: NhsNumber,
    ) -> Result<Vec<CitizenGrant>, FactsUnavailable>;
}

/// Where these grants are kept.
#[async_trait]
pub trait CitizenGrantStore: CitizenGrants {
    /// Stores a first version, or the version after the one stored. It counts when this returns.
    ///
    /// # Errors
    /// `Conflict` unless `grant.version` is one more than what is stored (1 for a new one).
    async fn put_citizen_grant(&self, grant: CitizenGrant) -> Result<(), ConsentStoreError>;

    /// The newest version of every grant that names somebody as a proxy, in force or not, newest
    /// first. Each is under the number that it was given for.
    ///
    /// # Errors
    /// When the store could not be asked. Never an empty list in its place.
    async fn citizen_grants_to(
        &self,
        delegate: NhsNumber,
    ) -> Result<Vec<CitizenGrant>, FactsUnavailable>;

    /// The newest version of one grant.
    ///
    /// # Errors
    /// `NotFound`, or when the store could not be asked.
    async fn citizen_grant(&self, id: Uuid) -> Result<CitizenGrant, ConsentStoreError>;
}

/// What the keeper of facts and documents has of a patient, all read in one state.
#[derive(Clone, Debug)]
pub struct PatientRecord {
    /// What the patient index has of the person; after a merge of the surviving one.
    pub person: Option<Patient>,
    /// What decisions rest on.
    pub facts: PatientFacts,
    /// Everything in the record, before any decision.
    pub found: FoundObjects,
}

/// Where a role that takes the decisions gets all that it needs for them in one question.
#[async_trait]
pub trait PatientRecords: Send + Sync {
    /// The record of a patient, for whoever `whom` says.
    ///
    /// # Errors
    /// When it could not be asked, or `whom` may not ask. Never a part of it in its place.
    async fn patient_record(
        &self,
        patient: NhsNumber,
        whom: &dyn OnBehalf,
    ) -> Result<PatientRecord, PortError>;
}

/// What is known of a patient, for the decisions of one request: what patients say is never taken from a
/// copy that is older.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct PatientFacts {
    /// The number that everything of the person is kept under.
    pub patient: NhsNumber,
    /// The newest version of every consent record, newest first.
    pub consents: Vec<ConsentRecord>,
    /// The newest version of every relationship, newest first.
    pub relationships: Vec<Relationship>,
}

impl PatientFacts {
    fn must_be_of(&self, patient: NhsNumber) -> Result<(), FactsUnavailable> {
        if self.patient == patient {
            return Ok(());
        }
        Err(FactsUnavailable("they are of somebody else".to_owned()))
    }
}

#[async_trait]
impl ConsentRecords for PatientFacts {
    async fn consent_records(
        &self,
        patient: NhsNumber,
    ) -> Result<Vec<ConsentRecord>, FactsUnavailable> {
        self.must_be_of(patient).map(|()| self.consents.clone())
    }
}

#[async_trait]
impl Relationships for PatientFacts {
    async fn relationships(
        &self,
        patient: NhsNumber,
    ) -> Result<Vec<Relationship>, FactsUnavailable> {
        self.must_be_of(patient).map(|()| self.relationships.clone())
    }
}
