use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Grant, GrantKind};

/// An override as the privacy officers of one organisation are told of it.
#[derive(Clone, Debug)]
pub(crate) struct Alert {
    pub id: Uuid,
    pub grant: Grant,
    pub state: ReviewState,
    pub raised_at: Timestamp,
    /// By when it is to be closed.
    pub due_at: Timestamp,
    /// What was noted, the oldest first.
    pub notes: Vec<Note>,
}

/// Which alerts are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct WhichAlerts {
    /// Any of these; empty for all.
    pub kinds: Vec<GrantKind>,
    /// Any of these; empty for all.
    pub states: Vec<ReviewState>,
    /// Only those that are overdue, or only those that are not.
    pub overdue: Option<bool>,
    /// Only those that were raised before this one.
    pub before: Option<Uuid>,
    /// So many at most.
    pub most: u32,
}

impl WhichAlerts {
    /// How many of these there are, wherever they begin.
    pub(crate) fn total(&self, counts: &[AlertCount]) -> i64 {
        let of = |count: &AlertCount| match self.overdue {
            None => count.count,
            Some(true) => count.overdue,
            Some(false) => count.count - count.overdue,
        };
        let wanted =
            counts.iter().filter(|c| self.states.is_empty() || self.states.contains(&c.state));
        let wanted = wanted.filter(|c| self.kinds.is_empty() || self.kinds.contains(&c.kind));
        wanted.map(of).sum()
    }
}

/// How many alerts stand so and have this reason.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AlertCount {
    pub state: ReviewState,
    pub kind: GrantKind,
    pub reason: carerecord_access::OverrideReason,
    pub count: i64,
    pub overdue: i64,
}

/// Where a review stands.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ReviewState {
    New,
    InReview,
    Appropriate,
    NotAppropriate,
    NeedsHr,
}

/// A step of a review.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Note {
    /// Who took it, by name.
    pub by: String,
    pub at: Timestamp,
    pub state: ReviewState,
    pub words: String,
}

impl ReviewState {
    pub(crate) const ALL: [Self; 5] =
        [Self::New, Self::InReview, Self::Appropriate, Self::NotAppropriate, Self::NeedsHr];

    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::InReview => "in-review",
            Self::Appropriate => "appropriate",
            Self::NotAppropriate => "not-appropriate",
            Self::NeedsHr => "needs-hr",
        }
    }

    pub(crate) fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.code() == code)
    }

    pub(crate) fn is_closed(self) -> bool {
        match self {
            Self::New | Self::InReview => false,
            Self::Appropriate | Self::NotAppropriate | Self::NeedsHr => true,
        }
    }
}

impl Alert {
    /// Whether it should have been closed by now.
    pub(crate) fn is_overdue(&self, now: Timestamp) -> bool {
        !self.state.is_closed() && self.due_at < now
    }
}
