//! Who needs a legitimate relationship, and who may claim one: `[relationships]` of `access.toml`.
//! NHS: 5.2, step 6.

use std::collections::BTreeSet;

use carerecord_model::OrganisationCode;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::consent_model::AppliesTo;
use crate::{
    AccessDecisions, Caller, Decision, Policy, PolicyError, Purpose, Refused, Relationship,
    RelationshipKind, Right, Rule, UserCaller,
};

/// Whether a group of users needs a relationship, for a time.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelationshipRule {
    /// What the rule is called; named in decisions.
    pub name: String,
    /// Whom it is for.
    pub applies_to: AppliesTo,
    /// `false` exempts the group from a rule that says less about it.
    #[serde(default = "yes")]
    pub required: bool,
    /// For which purposes.
    #[serde(default = "direct_care")]
    pub purposes: Vec<Purpose>,
    /// Which kinds count; empty is all.
    #[serde(default)]
    pub kinds: BTreeSet<RelationshipKind>,
    /// The first day it holds.
    pub from: Date,
    /// The last day it holds; `None` is without end.
    pub until: Option<Date>,
}

/// How a person may claim a relationship.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimRules {
    /// For how long, unless the person wants less.
    #[serde(default = "eight")]
    pub hours: u16,
    /// The activity code that a role must have besides; `None` asks for none.
    pub activity: Option<String>,
    /// Within how many days a claim is to be reviewed.
    #[serde(default = "ten")]
    pub review_days: u16,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RelationshipRules {
    /// How many days after its end an encounter or a referral still counts.
    #[serde(default = "ninety")]
    pub grace_days: u16,
    #[serde(default)]
    pub rule: Vec<RelationshipRule>,
    pub claim: Option<ClaimRules>,
}

impl RelationshipRules {
    pub(crate) fn check(self) -> Result<Self, PolicyError> {
        let wrong =
            |what: String| Err(PolicyError::Meaning(format!("access.toml: relationships: {what}")));
        if self.grace_days > MOST_GRACE {
            return wrong(format!("grace_days are at most {MOST_GRACE}"));
        }
        if let Some(claim) = &self.claim
            && !(1..=MOST_HOURS).contains(&claim.hours)
        {
            return wrong(format!("claim: hours are from 1 to {MOST_HOURS}"));
        }
        let mut names = BTreeSet::new();
        for rule in &self.rule {
            if !names.insert(rule.name.as_str()) {
                return wrong(format!("rule {} is there twice", rule.name));
            }
            if rule.until.is_some_and(|until| until < rule.from) {
                return wrong(format!("rule {} ends before it begins", rule.name));
            }
            if rule.purposes.is_empty() {
                return wrong(format!("rule {} is for no purpose", rule.name));
            }
        }
        Ok(self)
    }
}

impl Policy {
    /// The rule by which the caller needs a relationship; `None` where none is needed. Of rules that
    /// cover the caller the one that says most about them is meant, then the stricter one.
    pub(crate) fn relationship_rule(
        &self,
        caller: &Caller,
        purpose: Purpose,
        now: Timestamp,
    ) -> Option<&RelationshipRule> {
        let organisation = caller.organisation();
        let roles = self.organisations.get(organisation).map_or(&[][..], |o| &o.org_roles);
        let day = now.to_zoned(TimeZone::UTC).date();
        let covers = |rule: &&RelationshipRule| {
            rule.from <= day
                && rule.until.is_none_or(|until| day <= until)
                && rule.purposes.contains(&purpose)
                && rule.applies_to.covers(roles, organisation.as_str(), caller.role())
        };
        let covering = self.relationships.rule.iter().filter(covers);
        covering
            .max_by_key(|rule| (rule.applies_to.specificity(), rule.required))
            .filter(|rule| rule.required)
    }

    /// How many days after its end an encounter or a referral still counts.
    pub fn grace_days(&self) -> u16 {
        self.relationships.grace_days
    }

    /// How relationships are claimed; `None` where they cannot be.
    pub fn claims(&self) -> Option<&ClaimRules> {
        self.relationships.claim.as_ref()
    }

    /// Whether an organisation is one of the programme.
    pub fn knows(&self, organisation: &OrganisationCode) -> bool {
        self.organisations.contains_key(organisation)
    }
}

/// Step 6: the relationship that a decision rests on, in words; `None` where none is needed.
pub(crate) fn relied_upon(
    policy: &Policy,
    caller: &Caller,
    purpose: Purpose,
    relationships: &[Relationship],
    now: Timestamp,
) -> Result<Option<String>, Decision> {
    let Some(rule) = policy.relationship_rule(caller, purpose, now) else { return Ok(None) };
    let grace = policy.grace_days();
    let counts = |r: &&Relationship| {
        (rule.kinds.is_empty() || rule.kinds.contains(&r.kind))
            && r.with.is(caller)
            && r.in_force(now, grace)
    };
    // Of several the one that was not claimed, then the one that lasts longest.
    let found = relationships.iter().filter(counts).max_by_key(|r| {
        let last = r.last(grace).unwrap_or(Timestamp::MAX);
        (r.kind != RelationshipKind::Claim, last)
    });
    match found {
        Some(relationship) => Ok(Some(relationship.named(grace))),
        None => {
            let basis = format!("relationship rule {}", rule.name);
            Err(Decision::deny(Rule::NoRelationship).on(basis))
        }
    }
}

impl AccessDecisions {
    /// Whether a person may claim a relationship with a patient.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn may_claim<'c>(
        &self,
        caller: &'c Caller,
    ) -> Result<(&'c UserCaller, &ClaimRules), Refused> {
        self.admit(caller, Purpose::DirectCare, Right::Delegate)?;
        let refused =
            || Refused { decision: Decision::deny(Rule::PurposeNotAllowed), may_be_told: true };
        let Caller::User(user) = caller else { return Err(refused()) };
        let rules = self.policy().claims().ok_or_else(refused)?;
        let role = self.policy().role(&user.role).is_some_and(|r| r.may_claim_relationship);
        let active = rules.activity.as_ref().is_none_or(|code| user.activities.contains(code));
        // An assertion's person is not one whom a claim could be told of.
        let own = user.asserted.is_none();
        if role && active && own { Ok((user, rules)) } else { Err(refused()) }
    }

    /// Whether the caller may record relationships of others, and read them: systems that the rules
    /// name, roles that the rules name.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn may_record_relationships(&self, caller: &Caller) -> Result<(), Refused> {
        let may = match caller {
            Caller::User(user) => {
                self.admit(caller, Purpose::DirectCare, Right::Delegate)
                    .or_else(|_| self.admit(caller, Purpose::Audit, Right::Delegate))?;
                self.policy().role(&user.role).is_some_and(|r| r.may_record_relationships)
            }
            Caller::System(system) => {
                caller.has_right(Right::Delegate)
                    || self
                        .policy()
                        .systems
                        .get(&system.name)
                        .is_some_and(|s| s.may_record_relationships)
            }
            Caller::Citizen(_) => false,
        };
        let decision = Decision::deny(Rule::PurposeNotAllowed);
        if may { Ok(()) } else { Err(Refused { decision, may_be_told: true }) }
    }

    /// Whether a person may be told for whom their organisation, and they themself, care now: the list
    /// from which they go on to a record, that is decided of for itself.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn may_list_cared_for<'c>(
        &self,
        caller: &'c Caller,
        purpose: Purpose,
        organisation: &OrganisationCode,
    ) -> Result<&'c UserCaller, Refused> {
        self.admit(caller, purpose, Right::Query)?;
        let refused =
            Refused { decision: Decision::deny(Rule::PurposeNotAllowed), may_be_told: true };
        let Caller::User(user) = caller else { return Err(refused) };
        let own = user.organisation == *organisation;
        if own && purpose == Purpose::DirectCare { Ok(user) } else { Err(refused) }
    }

    /// Releases relationships to whom they are of, as far as they hold now.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn release_cared_for(
        &self,
        caller: &Caller,
        purpose: Purpose,
        mut found: Vec<Relationship>,
    ) -> Result<crate::Released<Vec<Relationship>>, Refused> {
        self.may_list_cared_for(caller, purpose, caller.organisation())?;
        let now = self.clock.now();
        found.retain(|r| r.with.is(caller) && r.in_force(now, 0));
        let decision = Decision::permit(Rule::OwnRecord)
            .on(format!("relationships of {}", caller.organisation()));
        Ok(crate::Released { value: found, decision })
    }

    /// Releases relationships to those who may record them.
    ///
    /// # Errors
    /// `Refused`, which may always be told.
    pub fn release_relationships<T>(
        &self,
        caller: &Caller,
        relationships: T,
    ) -> Result<crate::Released<T>, Refused> {
        self.may_record_relationships(caller)?;
        let decision = Decision::permit(Rule::OwnRecord);
        Ok(crate::Released { value: relationships, decision })
    }
}

impl ClaimRules {
    /// The last instant of a claim for so many hours; `None` for more than the rules allow.
    pub fn until(&self, now: Timestamp, hours: Option<u16>) -> Option<Timestamp> {
        let hours = hours.unwrap_or(self.hours);
        let fits = (1..=self.hours).contains(&hours);
        fits.then(|| now + SignedDuration::from_hours(i64::from(hours)))
    }
}

fn yes() -> bool {
    true
}

fn direct_care() -> Vec<Purpose> {
    vec![Purpose::DirectCare]
}

fn eight() -> u16 {
    8
}

fn ten() -> u16 {
    10
}

fn ninety() -> u16 {
    90
}

const MOST_GRACE: u16 = 366;
/// A week.
const MOST_HOURS: u16 = 168;
