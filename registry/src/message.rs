//! What other roles of this deployment ask over HTTP beside XDS. JSON in bodies, so that no patient
//! is named in a URL. Only systems with the right `delegate` are answered.

use carerecord_access::{CitizenGrant, ConsentRecord, PatientFacts, Relationship};
use carerecord_model::{FoundObjects, NhsNumber, Patient, PatientId};
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

/// The media type of [`RecordAnswer`], in which the registry answers ITI-18 GetAll to a role that takes
/// it (`Accept`). Its parameter `known` names the state of the record that the role has.
pub const RECORD_MSGPACK: &str = "application/vnd.carerecord.record.v1+msgpack";

/// A patient's record, with what decisions about it rest on.
#[derive(Clone, Debug)]
pub struct RecordAnswer {
    /// What the patient index has of the person; after a merge of the surviving one.
    pub person: Option<Patient>,
    /// What patients say, and who cares for them.
    pub facts: PatientFacts,
    /// What tells this state of the record from every other; `None` of nobody.
    pub state: Option<String>,
    /// What is in it; `None` when that is what the caller has already.
    pub found: Option<FoundObjects>,
}

/// How many bytes objects of a record have in MessagePack.
pub fn packed_length(found: &FoundObjects) -> usize {
    rmp_serde::to_vec(found).map_or(usize::MAX, |bytes| bytes.len())
}

/// As it is written: facts in JSON, as everywhere between roles, objects in MessagePack.
#[derive(Deserialize, Serialize)]
struct Written {
    facts: String,
    state: Option<String>,
    found: Option<FoundObjects>,
}

impl RecordAnswer {
    /// Writes it.
    ///
    /// # Errors
    /// What the form cannot hold.
    pub fn into_bytes(self) -> Result<Vec<u8>, String> {
        let facts =
            serde_json::to_string(&(&self.person, &self.facts)).map_err(|e| e.to_string())?;
        let written = Written { facts, state: self.state, found: self.found };
        rmp_serde::to_vec_named(&written).map_err(|e| e.to_string())
    }

    /// Reads one.
    ///
    /// # Errors
    /// For anything else.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let written: Written = rmp_serde::from_slice(bytes).map_err(|e| e.to_string())?;
        let (person, facts) = serde_json::from_str(&written.facts).map_err(|e| e.to_string())?;
        Ok(Self { person, facts, state: written.state, found: written.found })
    }
}
