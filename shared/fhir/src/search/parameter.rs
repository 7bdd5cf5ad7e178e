//! The search parameters of every resource, in tables: a search takes what its table has, and the
//! CapabilityStatement tells the same table.

use super::coded::split;
use super::values::one_value;
use super::{SearchError, is_count};
use crate::echo::safe_name;

/// A search parameter.
#[derive(Clone, Copy, Debug)]
pub struct SearchParameter {
    /// Its name.
    pub name: &'static str,
    /// Its type, as FHIR names it.
    pub kind: &'static str,
    /// Which modifiers it takes.
    pub modifiers: &'static [&'static str],
    /// Where MHD defines it, below its own address.
    pub definition: Option<&'static str>,
}

/// The parameters of a search, in parts that several searches share.
pub type SearchParameters<'t> = &'t [&'t [SearchParameter]];

impl SearchParameter {
    pub(super) const fn new(name: &'static str, kind: &'static str) -> Self {
        Self { name, kind, modifiers: &[], definition: None }
    }

    const fn token(name: &'static str) -> Self {
        Self::new(name, "token")
    }

    const fn date(name: &'static str) -> Self {
        Self::new(name, "date")
    }

    const fn string(name: &'static str) -> Self {
        Self::new(name, "string")
    }

    const fn reference(name: &'static str, modifiers: &'static [&'static str]) -> Self {
        Self { modifiers, ..Self::new(name, "reference") }
    }

    /// A token of a code.
    const fn code(name: &'static str) -> Self {
        Self::token(name).with(&["not", "missing"])
    }

    /// A part of a person's name.
    const fn name(name: &'static str) -> Self {
        Self::string(name).with(&["exact", "contains"])
    }

    const fn with(self, modifiers: &'static [&'static str]) -> Self {
        Self { modifiers, ..self }
    }

    const fn defined(self, definition: &'static str) -> Self {
        Self { definition: Some(definition), ..self }
    }
}

/// Checks the parameters of a search: how much it asks, that no modifier goes unheeded, and what
/// `handling=strict` asks for. `also` names what it takes of the parameters of every search, beside
/// the form of the answer and the number of matches. What is left out is named, once.
///
/// # Errors
/// `Malformed` for too much; `Unsupported` for a modifier, and under `strict` for a parameter.
pub fn check_search(
    pairs: &[(String, String)],
    table: SearchParameters<'_>,
    also: &[&str],
    strict: bool,
) -> Result<Vec<String>, SearchError> {
    check(pairs, table)?;
    let is_known = |name: &str, value: &str| {
        has(table, name) || also.contains(&name) || name == "_format" || is_count(name, value)
    };
    let mut left_out = Vec::new();
    for (name, _) in pairs.iter().filter(|(name, value)| !is_known(name, value)) {
        if strict {
            return Err(SearchError::unsupported(name));
        }
        leave(&mut left_out, name);
    }
    Ok(left_out)
}

/// Notes what a search leaves out, once.
pub(super) fn leave(left_out: &mut Vec<String>, name: &str) {
    let name = safe_name(name);
    if !left_out.contains(&name) {
        left_out.push(name);
    }
}

/// The same for privacy alerts and findings. They are AuditEvents, but are not searched by what other
/// AuditEvents are: an answer that heeds only half of a question would be about others, too.
///
/// # Errors
/// As `check_search`; `Unsupported` for a parameter of other AuditEvents, `Malformed` for one that
/// asks for two things at once.
pub fn check_reviewed(
    pairs: &[(String, String)],
    strict: bool,
) -> Result<Vec<String>, SearchError> {
    let table: SearchParameters<'_> = &[TYPE, REVIEWED];
    let left_out = check_search(pairs, table, &["_count"], strict)?;
    for (name, _) in pairs {
        if !has(table, name) && has(AUDIT_EVENT, name) {
            return Err(SearchError::unsupported(name));
        }
        if has(table, name) {
            one_value(pairs, &[name])?;
        }
    }
    Ok(left_out)
}

/// Checks what holds for every search: how much it asks, and that no modifier goes unheeded.
pub(super) fn check(
    pairs: &[(String, String)],
    table: SearchParameters<'_>,
) -> Result<(), SearchError> {
    if pairs.len() > MAX_PARAMETERS {
        return Err(SearchError::Malformed("(more than 100 of them)".into()));
    }
    for (name, value) in pairs {
        if value.len() > MAX_VALUE {
            return Err(SearchError::malformed(name));
        }
        let (bare, modifier) = split(name);
        let takes = |modifier: &str| {
            find(table, bare).is_some_and(|parameter| parameter.modifiers.contains(&modifier))
        };
        if modifier.is_some_and(|modifier| !takes(modifier)) {
            return Err(SearchError::unsupported(name));
        }
    }
    Ok(())
}

/// Whether there is such a parameter, whatever its modifier.
pub(super) fn has(table: SearchParameters<'_>, name: &str) -> bool {
    find(table, split(name).0).is_some()
}

fn find<'t>(table: SearchParameters<'t>, bare: &str) -> Option<&'t SearchParameter> {
    table.iter().copied().flatten().find(|parameter| parameter.name == bare)
}

type P = SearchParameter;

/// The names by which searches tell the patient.
pub(crate) const PATIENT: &[P] = &[
    P::reference("patient", &["identifier", "Patient"]),
    P::token("patient.identifier"),
    P::reference("subject", &["identifier", "Patient"]),
    P::token("subject.identifier"),
];

/// Of documents and lists: which the registry changed when.
const CHANGED: &[P] = &[P::date("_lastUpdated"), P::date("_since")];

/// ITI-67. MHD 6.1.
pub(crate) const DOCUMENT_REFERENCE: SearchParameters<'_> = &[
    PATIENT,
    &[
        P::token("status"),
        P::code("type"),
        P::code("category"),
        P::code("setting"),
        P::code("facility"),
        P::code("event"),
        P::code("security-label"),
        P::code("format"),
        P::token("identifier").with(&["missing"]),
        P::reference("related", &["identifier", "DocumentReference", "missing"]),
        P::token("related.identifier"),
        P::token("_id"),
        P::string("_content"),
        P::token("source-state"),
        P::date("date").with(&["missing"]),
        P::date("creation")
            .with(&["missing"])
            .defined("SearchParameter/DocumentReference-Creation"),
        P::date("period").with(&["missing"]),
        P::name("author.family"),
        P::name("author.given"),
    ],
    CHANGED,
];

/// ITI-66. MHD 6.2.
pub(crate) const LIST: SearchParameters<'_> = &[
    PATIENT,
    &[
        P::token("code"),
        P::token("status"),
        P::token("identifier").with(&["missing"]),
        P::token("_id"),
        P::date("date").with(&["missing"]),
        P::code("designationType").defined("SearchParameter/List-DesignationType"),
        P::code("sourceId").defined("SearchParameter/List-SourceId"),
        P::name("source.family"),
        P::name("source.given"),
    ],
    CHANGED,
];

/// PDQm, ITI-78.
pub(crate) const PEOPLE: SearchParameters<'_> = &[&[
    P::token("_id"),
    P::token("active"),
    P::token("identifier"),
    P::string("family").with(&["exact"]),
    P::string("given").with(&["exact"]),
    P::date("birthdate"),
    P::token("gender"),
    P::string("address-postalcode").with(&["exact"]),
]];

/// ITI-81.
pub(crate) const AUDIT_EVENT: SearchParameters<'_> = &[
    PATIENT,
    TYPE,
    &[
        P::date("date"),
        P::date("_lastUpdated"),
        P::reference("agent", &["identifier"]),
        P::token("agent.identifier"),
        P::token("organisation"),
        P::reference("entity", &["identifier"]),
        P::token("entity.identifier"),
        P::token("correlation"),
        P::token("subtype"),
        P::token("action"),
        P::token("outcome"),
        P::token("entity-type"),
        P::token("entity-role"),
        P::string("address").with(&["exact"]),
    ],
];
const TYPE: &[P] = &[P::token("type")];
/// What privacy alerts and findings have beside their type, by which they are told apart.
pub(crate) const REVIEWED: &[P] = &[P::token("state"), P::token("overdue"), P::token("before")];

/// Of a search for Consents.
pub const CONSENT_PARAMETERS: SearchParameters<'_> = &[PATIENT, STATUS];
/// Of a search for EpisodesOfCare by patient.
pub const EPISODE_PARAMETERS: SearchParameters<'_> = &[PATIENT, STATUS];
/// Of a search for EpisodesOfCare by organisation.
pub const CARED_FOR_PARAMETERS: SearchParameters<'_> = &[ORGANISATION, STATUS];
/// Of a search for Contracts.
pub const CONTRACT_PARAMETERS: SearchParameters<'_> = &[&[P::token("_id")]];
/// Of a search for Provenance.
pub const PROVENANCE_PARAMETERS: SearchParameters<'_> = &[&[P::reference("target", &[])]];

const STATUS: &[P] = &[P::token("status")];
pub(crate) const ORGANISATION: &[P] =
    &[P::reference("organization", &["identifier"]), P::token("organization.identifier")];

pub(super) const MAX_PARAMETERS: usize = 100;
pub(super) const MAX_VALUE: usize = 4096;
