use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What became of a document.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Verdict {
    /// The node has taken it.
    #[serde(rename = "accepted")]
    Accepted,
    /// The node had taken it before this run.
    #[serde(rename = "already there")]
    AlreadyThere,
    /// Nothing was sent: it would have been.
    #[serde(rename = "valid")]
    Valid,
    /// The node has refused it.
    #[serde(rename = "refused")]
    Refused,
    /// It was not sent: row or file cannot be used.
    #[serde(rename = "invalid")]
    Invalid,
    /// The node has not said what became of it.
    #[serde(rename = "failed")]
    Failed,
}

impl Verdict {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Accepted,
        Self::AlreadyThere,
        Self::Valid,
        Self::Refused,
        Self::Invalid,
        Self::Failed,
    ];

    /// As it stands in the file.
    pub fn words(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::AlreadyThere => "already there",
            Self::Valid => "valid",
            Self::Refused => "refused",
            Self::Invalid => "invalid",
            Self::Failed => "failed",
        }
    }

    /// Whether the node has it.
    pub fn is_acknowledged(self) -> bool {
        matches!(self, Self::Accepted | Self::AlreadyThere)
    }

    /// Whether there is nothing to mend.
    pub fn is_good(self) -> bool {
        self.is_acknowledged() || self == Self::Valid
    }
}

/// A line of the file. Nothing of a document's content is in it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// What tells the row apart over restarts, in hex.
    pub key: String,
    /// The line of the manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    pub path: String,
    /// The document's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique_id: Option<String>,
    /// The id of the SubmissionSet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub submission_id: Option<String>,
    pub outcome: Verdict,
    /// Why, or what there is to say; empty when nothing is.
    pub reason: String,
    /// How often it was sent.
    pub attempts: u32,
    /// When the outcome was known.
    pub at: Timestamp,
}
