use serde::{Deserialize, Serialize};

use crate::{
    AvailabilityStatus, Code, Dtm, ExtraMetadata, HomeCommunityId, LocalizedString, LogicalId,
    ObjectId, PatientId, UniqueId,
};

/// A named collection of documents of one patient. ITI TF-3: 4.2.3.4.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Folder {
    /// This version of this object; may be a symbol before registration.
    pub entry_uuid: ObjectId,
    /// The object over all its versions; set at registration.
    pub logical_id: Option<LogicalId>,
    /// Counted from 1; 0 before registration.
    #[serde(default)]
    pub version: u32,
    /// Set by the registry.
    #[serde(default)]
    pub availability_status: AvailabilityStatus,
    /// The patient.
    pub patient_id: PatientId,
    /// The folder's own id, a bare OID on the wire.
    pub unique_id: UniqueId,
    /// What the folder is for; at least one.
    #[serde(default)]
    pub codes: Vec<Code>,
    /// Set by the registry to its own time, to the second.
    pub last_update_time: Option<Dtm>,
    /// The title, in one or more languages; at least one.
    #[serde(default)]
    pub title: Vec<LocalizedString>,
    /// Comments, in one or more languages.
    #[serde(default)]
    pub comments: Vec<LocalizedString>,
    /// The community, when told.
    pub home_community_id: Option<HomeCommunityId>,
    /// What the standard does not define.
    #[serde(default)]
    pub extra: ExtraMetadata,
}
