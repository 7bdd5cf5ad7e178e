//! What the feed says of who cares for a person. NHS: 3.7.

use carerecord_access::{Caller, Policy, RelationshipKind};
use carerecord_model::{IdSource, OrganisationCode};
use jiff::Timestamp;
use uuid::Uuid;

/// What a message says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Care {
    pub kind: RelationshipKind,
    /// The organisations that it may speak of, the likeliest first.
    pub organisations: Vec<OrganisationCode>,
    /// The number of the visit.
    pub visit: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub change: CareChange,
    /// The message: `ITI-8 A01`.
    pub source: String,
}

/// What has happened to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CareChange {
    /// It holds.
    Holds,
    /// It has ended.
    Ended,
    /// It was told of by mistake.
    Cancelled,
    /// That it had ended was told by mistake.
    Reopened,
}

/// What is to be kept of it.
#[derive(Clone, Debug)]
pub(crate) struct NotedCare {
    /// Of a relationship that is new.
    pub id: Uuid,
    pub kind: RelationshipKind,
    /// The first that the rules know; `None` where they know none.
    pub organisation: Option<OrganisationCode>,
    pub visit: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    pub change: CareChange,
    pub set_by: String,
    pub source: String,
    pub recorded_by: String,
}

impl Care {
    /// Of an organisation that the rules do not know nobody can say what it may see.
    pub(crate) fn noted(self, policy: &Policy, caller: &Caller, ids: &dyn IdSource) -> NotedCare {
        NotedCare {
            id: ids.ordered(),
            kind: self.kind,
            organisation: self.organisations.into_iter().find(|o| policy.knows(o)),
            visit: self.visit,
            since: self.since,
            until: self.until,
            change: self.change,
            set_by: policy.organisation_name(caller.organisation()).to_owned(),
            source: self.source,
            recorded_by: caller.id().to_owned(),
        }
    }
}
