use std::collections::HashSet;

use carerecord_access::AccessRecord;
use carerecord_audit::NOT_TOLD;
use carerecord_model::NhsNumber;
use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;

use crate::overrides::{Note, ReviewState};

/// What a rule has found: something that somebody should look at, which may well be in order.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub id: Uuid,
    pub what: Found,
    pub state: ReviewState,
    pub raised_at: Timestamp,
    /// By when it is to be reviewed.
    pub due_at: Timestamp,
    /// What was noted, the oldest first.
    pub notes: Vec<Note>,
}

/// What was found, of a user on a day.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The rule's id.
    pub rule: String,
    pub actor: Actor,
    /// Whose record it was, where it is about one person's.
    pub patient: Option<NhsNumber>,
    pub day: Date,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    /// How many accesses, patients, searches or overrides, as the rule counts.
    pub count: u64,
    /// Ids of records of accesses, some of them.
    pub evidence: Vec<Uuid>,
}

/// Who acted.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Actor {
    pub id: String,
    pub name: String,
    pub organisation: String,
    pub role: String,
}

/// Which findings are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct WhichFindings {
    /// Of users of this organisation alone.
    pub organisation: Option<String>,
    /// Any of these rules; empty for all.
    pub rules: Vec<String>,
    /// Any of these; empty for all.
    pub states: Vec<ReviewState>,
    pub overdue: Option<bool>,
    /// Only those that were raised before this one.
    pub before: Option<Uuid>,
    /// So many at most.
    pub most: u32,
}

/// How many findings of a rule stand so.
#[derive(Clone, Debug)]
pub(crate) struct FindingCount {
    pub rule: String,
    pub state: ReviewState,
    pub count: i64,
    pub overdue: i64,
}

impl WhichFindings {
    /// How many of these there are, wherever they begin.
    pub(crate) fn total(&self, counts: &[FindingCount]) -> i64 {
        let wanted = counts.iter().filter(|c| {
            (self.states.is_empty() || self.states.contains(&c.state))
                && (self.rules.is_empty() || self.rules.contains(&c.rule))
        });
        let of = |c: &FindingCount| match self.overdue {
            None => c.count,
            Some(true) => c.overdue,
            Some(false) => c.count - c.overdue,
        };
        wanted.map(of).sum()
    }
}

impl Finding {
    /// Whether it should have been closed by now.
    pub(crate) fn is_overdue(&self, now: Timestamp) -> bool {
        !self.state.is_closed() && self.due_at < now
    }
}

impl AccessRecord for Finding {
    fn organisation(&self) -> Option<&str> {
        Some(&self.what.actor.organisation)
    }

    // It names records of accesses, and no document.
    fn names_any(&self, _: &HashSet<String>) -> bool {
        false
    }

    fn keep_documents(&mut self, _: &HashSet<String>) {}

    fn forget_patient(&mut self) {
        self.what.patient = None;
        self.notes.clear();
    }

    fn forget_place(&mut self) {
        let role = std::mem::take(&mut self.what.actor.role);
        self.what.actor = Actor {
            id: NOT_TOLD.to_owned(),
            name: NOT_TOLD.to_owned(),
            organisation: String::new(),
            role,
        };
        self.notes.clear();
    }

    fn citizen(&self) -> Option<&str> {
        None
    }

    // No citizen is given any.
    fn keep_for_subject(&mut self, _: bool) {
        self.forget_place();
    }
}
