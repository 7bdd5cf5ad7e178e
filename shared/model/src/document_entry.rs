use serde::{Deserialize, Serialize};

use crate::{
    Author, Code, Dtm, EntryUuid, ExtraMetadata, HomeCommunityId, LocalizedString, LogicalId,
    MimeType, ObjectId, PatientId, RepositoryUniqueId, UniqueId, Xcn,
};

/// Whether an object is current. ITI TF-3: 4.2.3.2.2.
#[derive(
    Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize,
)]
pub enum AvailabilityStatus {
    /// In force.
    #[default]
    Approved,
    /// Replaced or withdrawn; still there for those who ask for it.
    Deprecated,
}

impl AvailabilityStatus {
    /// The URN on the wire.
    pub fn urn(self) -> &'static str {
        match self {
            Self::Approved => "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved",
            Self::Deprecated => "urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated",
        }
    }

    /// Reads the URN; `None` for any other.
    pub fn from_urn(urn: &str) -> Option<Self> {
        [Self::Approved, Self::Deprecated].into_iter().find(|s| s.urn() == urn)
    }
}

/// Whether the bytes are fixed or made when asked for. ITI TF-3: 4.2.5.2.
#[derive(
    Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize,
)]
pub enum DocumentEntryType {
    /// The bytes are fixed; hash and size say which.
    #[default]
    Stable,
    /// The bytes are made at each retrieval.
    OnDemand,
}

impl DocumentEntryType {
    /// The `objectType` URN.
    pub fn urn(self) -> &'static str {
        match self {
            Self::Stable => "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1",
            Self::OnDemand => "urn:uuid:34268e47-fdf5-41a6-ba33-82133c465248",
        }
    }

    /// Reads the `objectType` URN; `None` for any other.
    pub fn from_urn(urn: &str) -> Option<Self> {
        [Self::Stable, Self::OnDemand].into_iter().find(|t| t.urn().eq_ignore_ascii_case(urn))
    }
}

/// The metadata of one document. ITI TF-3: 4.2.3.2.
///
/// Attributes that the standard requires of a registered entry are plain; `Option` and `Vec` are
/// what it leaves open. Before registration `entry_uuid` may be a symbol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DocumentEntry {
    /// This version of this object.
    pub entry_uuid: ObjectId,
    /// The object over all its versions; set at registration.
    pub logical_id: Option<LogicalId>,
    /// Counted from 1; 0 before registration.
    #[serde(default)]
    pub version: u32,
    /// Stable or on-demand.
    #[serde(default)]
    pub entry_type: DocumentEntryType,
    /// Set by the registry.
    #[serde(default)]
    pub availability_status: AvailabilityStatus,
    /// The patient.
    pub patient_id: PatientId,
    /// The document's own id.
    pub unique_id: UniqueId,
    /// The repository that holds the bytes; set by that repository.
    pub repository_unique_id: Option<RepositoryUniqueId>,
    /// The community, when told.
    pub home_community_id: Option<HomeCommunityId>,
    /// The type of the bytes, verbatim.
    pub mime_type: MimeType,
    /// SHA-1 of the bytes, 40 hex digits as given; absent for on-demand entries.
    pub hash: Option<String>,
    /// Number of bytes; absent for on-demand entries.
    pub size: Option<u64>,
    /// When the document was written; absent for on-demand entries.
    pub creation_time: Option<Dtm>,
    /// When the service that is documented began.
    pub service_start_time: Option<Dtm>,
    /// When the service that is documented ended.
    pub service_stop_time: Option<Dtm>,
    /// RFC 5646 language tag, verbatim.
    pub language_code: String,
    /// The broad kind of document.
    pub class_code: Code,
    /// The exact kind of document.
    pub type_code: Code,
    /// The format of the bytes.
    pub format_code: Code,
    /// The kind of place.
    pub healthcare_facility_type_code: Code,
    /// The specialty.
    pub practice_setting_code: Code,
    /// At least one.
    pub confidentiality_codes: Vec<Code>,
    /// What happened, in codes.
    #[serde(default)]
    pub event_codes: Vec<Code>,
    /// Who wrote it.
    #[serde(default)]
    pub authors: Vec<Author>,
    /// Who answers for it in law.
    pub legal_authenticator: Option<Xcn>,
    /// The patient's identifier at the source, verbatim CX.
    pub source_patient_id: Option<String>,
    /// `PID-n|…` lines as the source sent them. Patient data.
    #[serde(default)]
    pub source_patient_info: Vec<String>,
    /// Identifiers of episodes, orders, studies; verbatim CXi.
    #[serde(default)]
    pub reference_ids: Vec<String>,
    /// The title in one or more languages. Can hold patient data.
    #[serde(default)]
    pub title: Vec<LocalizedString>,
    /// Comments in one or more languages. Can hold patient data.
    #[serde(default)]
    pub comments: Vec<LocalizedString>,
    /// The URI, joined when it came split.
    pub uri: Option<String>,
    /// `false` when `documentAvailability` says Offline.
    #[serde(default = "yes")]
    pub online: bool,
    /// What the standard does not define.
    #[serde(default)]
    pub extra: ExtraMetadata,
}

fn yes() -> bool {
    true
}

impl DocumentEntry {
    /// The registered UUID; `None` before registration.
    pub fn uuid(&self) -> Option<EntryUuid> {
        self.entry_uuid.uuid()
    }

    /// The first title, when there is one.
    pub fn display_title(&self) -> Option<&str> {
        self.title.first().map(|t| t.value.as_str())
    }
}
