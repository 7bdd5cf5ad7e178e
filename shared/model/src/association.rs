use serde::{Deserialize, Serialize};

use crate::{AvailabilityStatus, Code, ExtraMetadata, ObjectId};

/// How two objects relate. ITI TF-3: 4.2.2.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum AssociationType {
    /// Source contains target.
    HasMember,
    /// Source replaces target, which becomes deprecated.
    Replace,
    /// Source adds to target.
    Append,
    /// Source is target in another form.
    Transform,
    /// Source is target in another form, and replaces it.
    TransformAndReplace,
    /// Source is a signature over target.
    Signs,
    /// Source is what the on-demand target gave at one time.
    IsSnapshotOf,
    /// Source, a SubmissionSet, changes the status of target. Metadata Update.
    UpdateAvailabilityStatus,
    /// Source, a SubmissionSet, brings target, an association. Metadata Update.
    SubmitAssociation,
}

impl AssociationType {
    /// Every type, in the order of the standard.
    pub const ALL: [Self; 9] = [
        Self::HasMember,
        Self::Replace,
        Self::Append,
        Self::Transform,
        Self::TransformAndReplace,
        Self::Signs,
        Self::IsSnapshotOf,
        Self::UpdateAvailabilityStatus,
        Self::SubmitAssociation,
    ];

    /// The URN on the wire.
    pub fn urn(self) -> &'static str {
        match self {
            Self::HasMember => "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember",
            Self::Replace => "urn:ihe:iti:2007:AssociationType:RPLC",
            Self::Append => "urn:ihe:iti:2007:AssociationType:APND",
            Self::Transform => "urn:ihe:iti:2007:AssociationType:XFRM",
            Self::TransformAndReplace => "urn:ihe:iti:2007:AssociationType:XFRM_RPLC",
            Self::Signs => "urn:ihe:iti:2007:AssociationType:signs",
            Self::IsSnapshotOf => "urn:ihe:iti:2010:AssociationType:IsSnapshotOf",
            Self::UpdateAvailabilityStatus => {
                "urn:ihe:iti:2010:AssociationType:UpdateAvailabilityStatus"
            }
            Self::SubmitAssociation => "urn:ihe:iti:2010:AssociationType:SubmitAssociation",
        }
    }

    /// Reads the URN, case-sensitively; `None` for any other.
    pub fn from_urn(urn: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.urn() == urn)
    }

    /// Whether it relates one document to another.
    pub fn is_relationship(self) -> bool {
        match self {
            Self::Replace
            | Self::Append
            | Self::Transform
            | Self::TransformAndReplace
            | Self::Signs
            | Self::IsSnapshotOf => true,
            Self::HasMember | Self::UpdateAvailabilityStatus | Self::SubmitAssociation => false,
        }
    }

    /// Whether it is an instruction of the Metadata Update transactions.
    pub fn is_update(self) -> bool {
        matches!(self, Self::UpdateAvailabilityStatus | Self::SubmitAssociation)
    }

    /// Whether the target becomes deprecated.
    pub fn replaces(self) -> bool {
        matches!(self, Self::Replace | Self::TransformAndReplace)
    }
}

/// Whether a SubmissionSet brings an entry or refers to one. ITI TF-3: 4.2.2.1.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum SubmissionSetStatus {
    /// The entry is in this submission.
    Original,
    /// The entry was registered before.
    Reference,
}

impl SubmissionSetStatus {
    /// The value of the slot.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Original => "Original",
            Self::Reference => "Reference",
        }
    }
}

/// A relation between two objects. ITI TF-3: 4.2.2.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Association {
    /// This object; may be a symbol before registration.
    pub entry_uuid: ObjectId,
    /// How source relates to target.
    pub association_type: AssociationType,
    /// The object that relates.
    pub source: ObjectId,
    /// The object related to.
    pub target: ObjectId,
    /// Set by the registry.
    #[serde(default)]
    pub availability_status: AvailabilityStatus,
    /// Only on HasMember from a SubmissionSet to a DocumentEntry.
    pub submission_set_status: Option<SubmissionSetStatus>,
    /// Why the documents relate, in a code.
    pub documentation: Option<Code>,
    /// What the standard does not define.
    #[serde(default)]
    pub extra: ExtraMetadata,
}
