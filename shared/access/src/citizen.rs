//! What citizens may see: their own record, and those of people who are in their care. Age and proxy
//! rules are data. NHS: 5.2, step 8; 5.6.

use std::collections::BTreeSet;

use carerecord_model::{DocumentEntry, NhsNumber, OrganisationCode};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::policy::Label;
use crate::sensitivity::Handling;
use crate::{Decision, Policy, PolicyError, RelationshipStatus, Rule};

/// A citizen who has signed in. NHS: 3.8.
#[derive(Clone, Debug, PartialEq)]
pub struct Citizen {
    /// Who.
    pub number: NhsNumber,
    /// How surely they are who they say.
    pub proofing: Proofing,
}

/// How surely a citizen is who they say, as the NHS login says it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum Proofing {
    /// Anonymous.
    P0,
    /// An e-mail address and a telephone number.
    P5,
    /// Identity documents.
    P9,
}

impl Proofing {
    /// Reads the level out of `vot` or `identity_proofing_level`; `None` for any other.
    pub fn from_code(code: &str) -> Option<Self> {
        match code.split('.').next()? {
            "P0" => Some(Self::P0),
            "P5" => Some(Self::P5),
            "P9" => Some(Self::P9),
            _ => None,
        }
    }
}

/// What somebody has granted or barred: kept for ever; what changes is a new version. NHS: 5.6.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CitizenGrant {
    /// Its id.
    pub id: Uuid,
    /// Counted from 1.
    pub version: u32,
    /// Whose record.
    pub patient: NhsNumber,
    /// To whom, or that nobody may.
    pub kind: CitizenGrantKind,
    /// Whether it is to be believed.
    pub status: RelationshipStatus,
    /// Since when.
    pub since: Timestamp,
    /// The last instant; a proxy may end before. `None` is without end.
    pub until: Option<Timestamp>,
    /// The organisation that recorded it.
    pub organisation: OrganisationCode,
    /// What it rests on, e.g. the number of a power of attorney. Never shown.
    pub evidence: Option<String>,
    /// When this version was recorded.
    pub recorded_at: Timestamp,
    /// Who recorded this version, for the audit.
    pub recorded_by: String,
}

/// What is granted.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CitizenGrantKind {
    /// The person sees their own record, although the rules ask for a grant at their age.
    Own,
    /// Somebody else sees it for them.
    Proxy {
        /// Who.
        delegate: NhsNumber,
        /// Why.
        basis: ProxyBasis,
    },
    /// Nobody sees it online.
    Barred,
}

/// Why somebody sees another's record.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyBasis {
    /// A parent, or who has parental responsibility.
    Parental,
    /// Lasting power of attorney for health.
    PowerOfAttorney,
    /// A deputy of the court.
    Deputy,
    /// Best interests, of a person without capacity.
    BestInterests,
    /// The person has asked for it.
    Consent,
}

impl ProxyBasis {
    /// All.
    pub const ALL: [Self; 5] =
        [Self::Parental, Self::PowerOfAttorney, Self::Deputy, Self::BestInterests, Self::Consent];

    /// The code on the wire and in policy files.
    pub fn code(self) -> &'static str {
        match self {
            Self::Parental => "parental",
            Self::PowerOfAttorney => "power-of-attorney",
            Self::Deputy => "deputy",
            Self::BestInterests => "best-interests",
            Self::Consent => "consent",
        }
    }

    /// Reads a code; `None` for any other.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|basis| basis.code() == code)
    }
}

/// `citizens.toml`: what citizens may see, by the age of the person whose record it is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CitizenRules {
    #[serde(default = "p9")]
    pub(crate) minimum_proofing: Proofing,
    /// The highest confidentiality code that is shown.
    pub(crate) max_label: String,
    /// Handling tags that are not shown.
    #[serde(default)]
    pub(crate) tags_hidden: BTreeSet<String>,
    /// Birthdays on which every proxy ends that was granted before.
    #[serde(default)]
    pub(crate) proxies_end_at: BTreeSet<u8>,
    /// Whether people are told the names of staff who looked.
    #[serde(default)]
    pub(crate) name_staff: bool,
    /// Whether they may have a copy of a whole record made.
    #[serde(default)]
    pub(crate) may_make_access_packs: bool,
    band: Vec<AgeBand>,
}

/// What holds from an age on.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgeBand {
    from_age: u8,
    pub(crate) own: OwnAccess,
    /// On which bases others may see it.
    #[serde(default)]
    pub(crate) proxies: BTreeSet<ProxyBasis>,
}

/// Whether people see their own record.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OwnAccess {
    /// Not at this age.
    No,
    /// Where it has been granted: competence has been assessed.
    Granted,
    /// In their own right.
    Yes,
}

/// One citizen's question about one record.
pub(crate) struct CitizenQuestion<'a> {
    pub policy: &'a Policy,
    pub citizen: &'a Citizen,
    pub patient: NhsNumber,
    /// When the patient was born; what is not known opens nothing.
    pub born: Option<Date>,
    pub grants: &'a [CitizenGrant],
    pub now: Timestamp,
}

impl CitizenRules {
    pub(crate) fn parse(text: &str) -> Result<Self, PolicyError> {
        let wrong = |what: &str| PolicyError::Meaning(format!("citizens.toml: {what}"));
        let rules: Self = toml::from_str(text)
            .map_err(|e| PolicyError::Form("citizens.toml".to_owned(), e.to_string()))?;
        if Label::from_code(&rules.max_label).is_none() {
            return Err(wrong("max_label is not one of U, L, M, N, R, V"));
        }
        if rules.band.first().is_none_or(|band| band.from_age != 0) {
            return Err(wrong("the first band is from_age = 0"));
        }
        if !rules.band.is_sorted_by(|a, b| a.from_age < b.from_age) {
            return Err(wrong("bands go up in from_age"));
        }
        if rules.proxies_end_at.contains(&0) {
            return Err(wrong("proxies_end_at: birthdays, from 1 on"));
        }
        Ok(rules)
    }

    /// Whether who has shown themself so surely sees anything.
    pub(crate) fn are_proven_by(&self, proofing: Proofing) -> bool {
        proofing >= self.minimum_proofing
    }

    pub(crate) fn band(&self, age: u8) -> Option<&AgeBand> {
        self.band.iter().rev().find(|band| band.from_age <= age)
    }
}

impl CitizenQuestion<'_> {
    /// Whether the citizen may see the record at all.
    pub(crate) fn record(&self) -> Result<Decision, Decision> {
        let deny = |rule| Err(Decision::deny(rule));
        let Some(rules) = &self.policy.citizens else { return deny(Rule::PurposeNotAllowed) };
        if !rules.are_proven_by(self.citizen.proofing) {
            return deny(Rule::CitizenProofing);
        }
        if self.in_force().any(|grant| grant.kind == CitizenGrantKind::Barred) {
            return deny(Rule::CitizenBarred);
        }
        let Some(band) = self.age().and_then(|age| rules.band(age)) else {
            return deny(Rule::CitizenAge);
        };
        if self.citizen.number == self.patient { self.own(band) } else { self.proxy(rules, band) }
    }

    /// Whether a document of the record may be shown.
    pub(crate) fn document(
        &self,
        entry: &DocumentEntry,
        handling: &Handling,
    ) -> Result<Decision, Decision> {
        let permit = self.record()?;
        let deny = |rule| Err(Decision::deny(rule));
        if self.policy.withholds(handling) {
            return deny(Rule::Withheld);
        }
        let Some(rules) = &self.policy.citizens else { return deny(Rule::PurposeNotAllowed) };
        let hidden: Vec<String> = rules.tags_hidden.iter().cloned().collect();
        let max = Label::from_code(&rules.max_label);
        let within = matches!((handling.label, max), (Some(label), Some(max)) if label <= max);
        if !within || self.policy.tagged(entry, handling, &hidden) {
            return deny(Rule::Label);
        }
        Ok(permit)
    }

    fn own(&self, band: &AgeBand) -> Result<Decision, Decision> {
        let granted = || self.in_force().find(|grant| grant.kind == CitizenGrantKind::Own);
        match band.own {
            OwnAccess::Yes => Ok(Decision::permit(Rule::CitizenOwn)),
            OwnAccess::No => Err(Decision::deny(Rule::CitizenAge)),
            OwnAccess::Granted => match granted() {
                Some(grant) => Ok(Decision::permit(Rule::CitizenOwn).on(named(grant))),
                None => Err(Decision::deny(Rule::CitizenAge)),
            },
        }
    }

    fn proxy(&self, rules: &CitizenRules, band: &AgeBand) -> Result<Decision, Decision> {
        let counts = |grant: &&CitizenGrant| match &grant.kind {
            CitizenGrantKind::Proxy { delegate, basis } => {
                *delegate == self.citizen.number
                    && band.proxies.contains(basis)
                    && !self.outgrown(rules, grant)
            }
            CitizenGrantKind::Own | CitizenGrantKind::Barred => false,
        };
        let found = self.in_force().find(counts);
        found
            .map(|grant| Decision::permit(Rule::CitizenProxy).on(named(grant)))
            .ok_or_else(|| Decision::deny(Rule::NoProxy))
    }

    /// Whether a birthday that ends proxies has come since it was granted.
    fn outgrown(&self, rules: &CitizenRules, grant: &CitizenGrant) -> bool {
        let granted = day(grant.since);
        rules.proxies_end_at.iter().any(|age| {
            let birthday = self.born.and_then(|born| birthday(born, *age));
            birthday.is_none_or(|birthday| granted < birthday && birthday <= day(self.now))
        })
    }

    /// In whole years.
    pub(crate) fn age(&self) -> Option<u8> {
        let (born, today) = (self.born?, day(self.now));
        let years = u8::try_from(today.year() - born.year()).ok()?;
        let had = birthday(born, years).is_some_and(|birthday| birthday <= today);
        if had { Some(years) } else { years.checked_sub(1) }
    }

    fn in_force(&self) -> impl Iterator<Item = &CitizenGrant> {
        self.grants.iter().filter(|grant| {
            grant.patient == self.patient
                && grant.status == RelationshipStatus::Active
                && grant.since <= self.now
                && grant.until.is_none_or(|until| self.now <= until)
        })
    }
}

/// The day on which somebody becomes so old. Who was born on 29 February does on 1 March.
pub(crate) fn birthday(born: Date, age: u8) -> Option<Date> {
    let year = born.year().checked_add(i16::from(age))?;
    match Date::new(year, born.month(), born.day()) {
        Ok(day) => Some(day),
        Err(_) => Date::new(year, born.month(), 28).ok()?.checked_add(1.day()).ok(),
    }
}

pub(crate) fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::get("Europe/London").unwrap_or(TimeZone::UTC)).date()
}

fn named(grant: &CitizenGrant) -> String {
    let what = match &grant.kind {
        CitizenGrantKind::Own => "own access",
        CitizenGrantKind::Proxy { basis, .. } => basis.code(),
        CitizenGrantKind::Barred => "barred",
    };
    let (id, since, by) = (grant.id, day(grant.since), &grant.organisation);
    format!("grant {what} {id} since {since}, set by {by}")
}

fn p9() -> Proofing {
    Proofing::P9
}

#[cfg(test)]
#[path = "citizen_tests.rs"]
pub(crate) mod tests;
