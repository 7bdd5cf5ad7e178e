use carerecord_model::{NhsNumber, OrganisationCode};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Asserted, Caller, Right};

/// That somebody cares for a patient, or did. Kept for ever; what changes is a new version. NHS: 3.7.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Relationship {
    /// Its id, the FHIR EpisodeOfCare's logical id.
    pub id: Uuid,
    /// Counted from 1.
    pub version: u32,
    /// Who is cared for.
    pub patient: NhsNumber,
    /// Who cares.
    pub with: Carer,
    /// How it came about.
    pub kind: RelationshipKind,
    /// Whether it is to be believed.
    pub status: RelationshipStatus,
    /// Since when.
    pub since: Timestamp,
    /// The last instant, but for the days of grace of its kind; `None` is without end.
    pub until: Option<Timestamp>,
    /// Who says so, in words that hold nothing of the patient.
    pub set_by: String,
    /// Where it was learnt: `ITI-8 A01`, `FHIR`, `claim`.
    pub source: String,
    /// What it is known by at its source, e.g. a visit number. Never shown.
    pub evidence: Option<String>,
    /// Why a person claims it, in their words.
    pub reason: Option<String>,
    /// When this version was recorded.
    pub recorded_at: Timestamp,
    /// Who recorded this version, for the audit.
    pub recorded_by: String,
}

/// Who has a relationship.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Carer {
    /// Everybody who acts for this organisation, and its systems.
    Organisation(OrganisationCode),
    /// This person, when acting for this organisation.
    Person {
        /// The organisation.
        organisation: OrganisationCode,
        /// The identity provider's id of the person.
        user_id: String,
    },
}

/// How a relationship came about. NHS: 3.7.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelationshipKind {
    /// The patient is registered with this practice.
    Registration,
    /// An admission or attendance.
    Encounter,
    /// The patient has been referred.
    Referral,
    /// The patient is on a team's list.
    Caseload,
    /// A colleague has granted it, for a time.
    Grant,
    /// The person says so, with a reason.
    Claim,
}

/// Whether a relationship is to be believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelationshipStatus {
    /// It is, within its times.
    Active,
    /// It was never so.
    EnteredInError,
}

impl Carer {
    /// The organisation.
    pub fn organisation(&self) -> &OrganisationCode {
        match self {
            Self::Organisation(organisation) | Self::Person { organisation, .. } => organisation,
        }
    }

    /// Whether the caller is meant. A person of another issuer with the same id is not; one of whom a
    /// role of this deployment speaks is known by the same provider.
    pub fn is(&self, caller: &Caller) -> bool {
        let of_organisation = self.organisation() == caller.organisation();
        match (self, caller) {
            (Self::Organisation(_), _) => of_organisation,
            (Self::Person { user_id, .. }, Caller::User(user)) => {
                let ours = |asserted: &Asserted| asserted.system.rights.contains(&Right::Delegate);
                of_organisation
                    && user.asserted.as_deref().is_none_or(ours)
                    && *user_id == user.user_id
            }
            (Self::Person { .. }, Caller::System(_) | Caller::Citizen(_)) => false,
        }
    }
}

impl RelationshipKind {
    /// All.
    pub const ALL: [Self; 6] = [
        Self::Registration,
        Self::Encounter,
        Self::Referral,
        Self::Caseload,
        Self::Grant,
        Self::Claim,
    ];

    /// The code on the wire and in policy files.
    pub fn code(self) -> &'static str {
        match self {
            Self::Registration => "registration",
            Self::Encounter => "encounter",
            Self::Referral => "referral",
            Self::Caseload => "caseload",
            Self::Grant => "grant",
            Self::Claim => "claim",
        }
    }

    /// Reads a code; `None` for any other.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Whether letters are still to be written when it has ended.
    fn has_grace(self) -> bool {
        match self {
            Self::Encounter | Self::Referral => true,
            Self::Registration | Self::Caseload | Self::Grant | Self::Claim => false,
        }
    }
}

impl Relationship {
    /// Its last instant, with the days of grace of its kind; `None` is without end.
    pub fn last(&self, grace_days: u16) -> Option<Timestamp> {
        let days = if self.kind.has_grace() { i64::from(grace_days) } else { 0 };
        let grace = SignedDuration::from_hours(24 * days);
        self.until.map(|until| until.checked_add(grace).unwrap_or(Timestamp::MAX))
    }

    /// Whether it holds at `now`.
    pub fn in_force(&self, now: Timestamp, grace_days: u16) -> bool {
        self.status == RelationshipStatus::Active
            && self.since <= now
            && self.last(grace_days).is_none_or(|last| now <= last)
    }

    /// What a decision says that rests on it: kind, id, since when, until when, set by whom.
    pub(crate) fn named(&self, grace_days: u16) -> String {
        let day = |t: Timestamp| t.to_zoned(TimeZone::UTC).date().to_string();
        let until = self.last(grace_days).map(|last| format!(" until {}", day(last)));
        format!(
            "relationship {} {} since {}{}, set by {}",
            self.kind.code(),
            self.id,
            day(self.since),
            until.unwrap_or_default(),
            self.set_by
        )
    }
}
