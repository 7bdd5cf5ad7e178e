use serde::{Deserialize, Serialize};

use crate::{
    Author, AvailabilityStatus, Code, Dtm, ExtraMetadata, HomeCommunityId, LocalizedString,
    ObjectId, PatientId, SourceId, UniqueId,
};

/// What was submitted together, by whom and when. ITI TF-3: 4.2.3.3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SubmissionSet {
    /// This object; may be a symbol before registration.
    pub entry_uuid: ObjectId,
    /// Always `Approved` once registered.
    #[serde(default)]
    pub availability_status: AvailabilityStatus,
    /// The patient of everything in it.
    pub patient_id: PatientId,
    /// The submission's own id, a bare OID on the wire.
    pub unique_id: UniqueId,
    /// The system that sent it.
    pub source_id: SourceId,
    /// When it was sent.
    pub submission_time: Dtm,
    /// The kind of clinical activity that led to it.
    pub content_type_code: Code,
    /// Who submitted.
    #[serde(default)]
    pub authors: Vec<Author>,
    /// `XON|XCN|XTN`, verbatim.
    #[serde(default)]
    pub intended_recipients: Vec<String>,
    /// The title, in one or more languages.
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
