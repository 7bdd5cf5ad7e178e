//! The search parameters of the portal's FHIR API, read from names and values. MHD 6.1, 6.2.
//!
//! What is not known is left out, as FHIR asks for, unless the client wants `handling=strict`. A
//! modifier that is not known is always refused: leaving it out would turn the meaning round.

mod audit_event;
mod author;
mod coded;
mod data_element;
mod date;
mod document_reference;
mod form;
mod instant;
mod list;
mod narrow;
mod parameter;
mod patient;
mod people;
mod shown;
mod token;
mod values;

use carerecord_model::{AvailabilityStatus, Dtm, NhsNumberError};
use jiff::Timestamp;

pub use audit_event::{AuditCode, AuditEventSearch};
pub use data_element::ElementSearch;
pub(crate) use data_element::element_parameters;
pub(crate) use date::DateFilter;
pub use document_reference::{DocumentReferenceMatches, DocumentReferenceSearch};
pub use form::pairs;
pub use list::{ListCode, ListSearch};
pub(crate) use narrow::is_narrow;
pub(crate) use parameter::{
    AUDIT_EVENT, DOCUMENT_REFERENCE, LIST, ORGANISATION, PATIENT, PEOPLE, REVIEWED,
};
pub use parameter::{
    CARED_FOR_PARAMETERS, CONSENT_PARAMETERS, CONTRACT_PARAMETERS, EPISODE_PARAMETERS,
    PROVENANCE_PARAMETERS, SearchParameter, SearchParameters, check_reviewed, check_search,
};
pub use patient::{identifier_number, patient as patient_number};
pub use people::PeopleSearch;
pub use shown::{Include, Shown, Sort, SortBy};
pub use token::Token;
pub use values::{
    CONSENT_STATUS, EPISODE_STATUS, Values, codes, names_patient, one_value, reference_id, values,
};

use crate::echo::safe_name;

/// When a resource came and when it was last changed, as far as that is known.
#[derive(Clone, Debug, Default)]
pub struct Times {
    /// When it was submitted, as its sender says.
    pub submitted: Option<Dtm>,
    /// When the registry last changed it.
    pub last_updated: Option<Timestamp>,
}

/// Why a search cannot be run. Never carries a value.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SearchError {
    /// A parameter that must be there is not.
    #[error("the search parameter {0} is required")]
    Missing(&'static str),
    /// A parameter's value is not of the form it must have.
    #[error("the search parameter {0} has a value that cannot be read")]
    Malformed(String),
    /// The patient's identifier is not an NHS Number.
    #[error("the patient is not identified by a valid NHS Number: {0}")]
    NhsNumber(#[from] NhsNumberError),
    /// A modifier that is not supported, or a parameter under strict handling.
    #[error("the search parameter {0} is not supported")]
    Unsupported(String),
    /// A search for people that could mean too many.
    #[error(
        "this says too little of whom to look for: send an identifier, or family (two letters or \
         more) with birthdate (within one year) or with address-postalcode, or given with birthdate \
         (one day) and address-postalcode"
    )]
    TooWide,
}

impl SearchError {
    fn malformed(name: &str) -> Self {
        Self::Malformed(safe_name(name))
    }

    fn unsupported(name: &str) -> Self {
        Self::Unsupported(safe_name(name))
    }
}

/// Whether only the number of matches is wanted: `_summary=count`, `_count=0`.
pub fn count_only(pairs: &[(String, String)]) -> bool {
    pairs.iter().any(|(name, value)| is_count(name, value))
}

fn is_count(name: &str, value: &str) -> bool {
    matches!((name, value), ("_summary", "count") | ("_count", "0"))
}

/// What `handling=strict` asks for where an operation has parameters.
///
/// # Errors
/// `Unsupported` for a parameter that is neither among `known` nor one of every search.
pub fn only_known(pairs: &[(String, String)], known: &[&str]) -> Result<(), SearchError> {
    check_search(pairs, &[], known, true).map(drop)
}

/// The statuses asked for; empty when only those are named that nothing here has. R4 names the
/// second status differently for lists; either name will do for both.
fn statuses(pairs: &[(String, String)]) -> Result<Vec<AvailabilityStatus>, SearchError> {
    let mut asked = vec![AvailabilityStatus::Approved, AvailabilityStatus::Deprecated];
    let mut given = false;
    for (_, value) in pairs.iter().filter(|(n, _)| n == "status") {
        given = true;
        let mut any = Vec::new();
        for code in value.split(',') {
            match code.rsplit('|').next().unwrap_or(code) {
                "current" => any.push(AvailabilityStatus::Approved),
                "superseded" | "retired" => any.push(AvailabilityStatus::Deprecated),
                "entered-in-error" => {}
                _ => return Err(SearchError::malformed("status")),
            }
        }
        asked.retain(|s| any.contains(s));
    }
    // A search inside documents is ours to define; MHD's own ask for a status.
    let optional = pairs.iter().any(|(n, _)| n == "_content");
    if given || optional { Ok(asked) } else { Err(SearchError::Missing("status")) }
}

/// The values of one parameter, which are alternatives; a comma after a backslash is none.
fn alternatives(name: &str, value: &str) -> Result<Vec<String>, SearchError> {
    let mut all = vec![String::new()];
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            ',' => all.push(String::new()),
            '\\' => {
                let last = all.last_mut().expect("the list starts with one and only grows");
                last.push('\\');
                last.extend(chars.next());
            }
            c => all.last_mut().expect("the list starts with one and only grows").push(c),
        }
    }
    all.retain(|v| !v.trim().is_empty());
    if all.is_empty() || all.len() > MAX_ALTERNATIVES {
        return Err(SearchError::malformed(name));
    }
    Ok(all)
}

/// Undoes the backslashes that keep `,`, `|` and `$` from their meaning.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        out.extend(if c == '\\' { chars.next() } else { Some(c) });
    }
    out
}

const MAX_ALTERNATIVES: usize = 200;

#[cfg(test)]
mod tests;
