//! What other roles of this deployment ask over HTTP beside XDS. JSON in bodies, so that no patient
//! is named in a URL. Only systems with the right `delegate` are answered.

use carerecord_access::{CitizenGrant, ConsentRecord, Relationship};
use carerecord_model::{NhsNumber, Patient, PatientId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// `POST /peer/consent`: what has a patient said, or one record by id.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConsentQuestion {
    /// Every record of a patient.
    Patient(NhsNumber),
    /// One record.
    Id(Uuid),
}

/// `POST /peer/consent/update`: store a new version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConsentUpdate {
    /// The version to store.
    pub record: ConsentRecord,
}

/// `POST /peer/relationship`: who cares for a patient, or one relationship by id.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelationshipQuestion {
    /// Every relationship of a patient.
    Patient(NhsNumber),
    /// One relationship.
    Id(Uuid),
}

/// `POST /peer/relationship/update`: store a new version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RelationshipUpdate {
    /// The version to store.
    pub relationship: Relationship,
}

/// `POST /peer/citizen-grant`: which citizens may see a record, or one grant by id.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CitizenGrantQuestion {
    /// Every grant about a patient's record.
    Patient(NhsNumber),
    /// Every grant that names somebody as a proxy.
    Delegate(NhsNumber),
    /// One grant.
    Id(Uuid),
}

/// `POST /peer/citizen-grant/update`: store a new version.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CitizenGrantUpdate {
    /// The version to store.
    pub grant: CitizenGrant,
}

/// `POST /peer/identifier`: what is known of an identifier.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IdentifierQuestion {
    /// The identifier.
    pub id: PatientId,
}

/// `POST /peer/last-changes`: when were the objects of a patient last changed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LastChangesQuestion {
    /// The patient.
    pub patient: NhsNumber,
}

/// `POST /peer/patient`: look a person up; or put one into the index.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PatientQuestion {
    /// The person with this number.
    Number(NhsNumber),
    /// Put this person into the index, or renew what it has.
    Put(Box<Patient>),
}
