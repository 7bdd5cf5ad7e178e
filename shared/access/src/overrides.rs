//! Break glass: a person opens for a while what a rule closes, with a reason, and is asked about it
//! later. NHS context 5.4.

use std::collections::HashSet;

use async_trait::async_trait;
use carerecord_model::NhsNumber;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::policy::Label;
use crate::{AccessDecisions, Caller, Decision, FactsUnavailable, Policy, Purpose, Refused, Right};
use crate::{Rule, UserCaller};

/// Why a rule is overridden. That the patient agreed is no reason here: it is a consent record.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OverrideReason {
    /// The patient cannot be asked, and it cannot wait.
    Emergency,
    /// A risk to others.
    PublicInterest,
    /// A duty in law.
    Statute,
    /// An order of a court.
    CourtOrder,
    /// None of these.
    Other,
}

impl OverrideReason {
    /// All, in the order in which they are offered.
    pub const ALL: [Self; 5] =
        [Self::Emergency, Self::PublicInterest, Self::Statute, Self::CourtOrder, Self::Other];

    /// The code on the wire.
    pub fn code(self) -> &'static str {
        match self {
            Self::Emergency => "emergency",
            Self::PublicInterest => "public-interest",
            Self::Statute => "statute",
            Self::CourtOrder => "court-order",
            Self::Other => "other",
        }
    }

    /// Reads a code; `None` for any other.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Emergency => "Emergency: the patient cannot be asked",
            Self::PublicInterest => "Public interest",
            Self::Statute => "A duty in law",
            Self::CourtOrder => "Court order",
            Self::Other => "Another reason",
        }
    }

    /// Whether it must be explained in words.
    pub fn needs_words(self) -> bool {
        self != Self::Emergency
    }

    /// Whether it must name what it rests on.
    pub fn needs_reference(self) -> bool {
        self == Self::CourtOrder
    }
}

/// What a person has opened, and until when.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// Its id: the reference of alerts.
    pub id: Uuid,
    /// Whose record.
    pub patient: NhsNumber,
    /// Who opened it.
    pub user_id: String,
    /// In which role profile.
    pub role_profile_id: String,
    /// In which session of the sign-in provider, where it tells.
    pub session_id: Option<String>,
    /// Why.
    pub reason: OverrideReason,
    /// Since when.
    pub since: Timestamp,
    /// The last instant.
    pub until: Timestamp,
}

impl Override {
    /// Whether it opens this record for this person now: in the same role and session, signed in. Of
    /// another issuer's person with the same id it says nothing.
    pub fn holds(&self, user: &UserCaller, patient: NhsNumber, now: Timestamp) -> bool {
        self.is_in_force(patient, now)
            && user.asserted.is_none()
            && self.user_id == user.user_id
            && self.role_profile_id == user.role_profile_id
            && self.session_id == user.session_id
    }

    /// Whether it opens this record now.
    pub(crate) fn is_in_force(&self, patient: NhsNumber, now: Timestamp) -> bool {
        self.patient == patient && (self.since..=self.until).contains(&now)
    }
}

/// As if the person had opened the record, to see what that would change.
pub(crate) fn supposed_override(user: &UserCaller, patient: NhsNumber, now: Timestamp) -> Override {
    Override {
        id: Uuid::nil(),
        patient,
        user_id: user.user_id.clone(),
        role_profile_id: user.role_profile_id.clone(),
        session_id: user.session_id.clone(),
        reason: OverrideReason::Other,
        since: now,
        until: now,
    }
}

/// Where the decision learns what has been opened.
#[async_trait]
pub trait Overrides: Send + Sync {
    /// What this person has opened of this patient, newest first, in force or not.
    ///
    /// # Errors
    /// When the store could not be asked.
    async fn overrides(
        &self,
        user: &UserCaller,
        patient: NhsNumber,
    ) -> Result<Vec<Override>, FactsUnavailable>;
}

/// What was read just now.
#[async_trait]
impl Overrides for Option<Override> {
    async fn overrides(
        &self,
        _: &UserCaller,
        _: NhsNumber,
    ) -> Result<Vec<Override>, FactsUnavailable> {
        Ok(self.iter().cloned().collect())
    }
}

/// What may be overridden, and how: `[break_glass]` of `access.toml`.
#[derive(Clone, Debug, PartialEq)]
pub struct BreakGlassRules {
    pub(crate) rules: HashSet<Rule>,
    pub(crate) max_label: Label,
    /// The activity code that a role must have besides; `None` asks for none.
    pub activity: Option<String>,
    /// For how long, unless the person wants less.
    pub hours: u8,
    /// Within how many days an override is to be reviewed.
    pub review_days: u16,
    /// Whether organisations whose documents were opened are told as well.
    pub tell_sources: bool,
}

impl BreakGlassRules {
    /// Whether a denial may be overridden. `label` is the document's; one of no known kind may be
    /// above any.
    pub(crate) fn covers(&self, rule: Rule, label: Option<Label>) -> bool {
        let within = || label.is_some_and(|label| label <= self.max_label);
        self.rules.contains(&rule) && (rule != Rule::Label || within())
    }
}

impl Policy {
    /// How overrides work; `None` where there are none.
    pub fn break_glass(&self) -> Option<&BreakGlassRules> {
        self.break_glass.as_ref()
    }
}

impl AccessDecisions {
    /// Whether a person may override what closes a record.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn may_break_glass<'c>(
        &self,
        caller: &'c Caller,
    ) -> Result<(&'c UserCaller, &BreakGlassRules), Refused> {
        self.admit(caller, Purpose::DirectCare, Right::Delegate)?;
        let refused =
            || Refused { decision: Decision::deny(Rule::PurposeNotAllowed), may_be_told: true };
        let Caller::User(user) = caller else { return Err(refused()) };
        let rules = self.policy().break_glass().ok_or_else(refused)?;
        let role = self.policy().role(&user.role).is_some_and(|role| role.may_break_glass);
        let active = rules.activity.as_ref().is_none_or(|code| user.activities.contains(code));
        if role && active { Ok((user, rules)) } else { Err(refused()) }
    }

    /// Whether a person may review overrides for their organisation.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn may_review<'c>(&self, caller: &'c Caller) -> Result<&'c UserCaller, Refused> {
        self.admit(caller, Purpose::Audit, Right::Delegate)?;
        match caller {
            Caller::User(user) => Ok(user),
            Caller::System(_) | Caller::Citizen(_) => Err(Refused {
                decision: Decision::deny(Rule::PurposeNotAllowed),
                may_be_told: true,
            }),
        }
    }
}
