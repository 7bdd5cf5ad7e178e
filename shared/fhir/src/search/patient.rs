use carerecord_model::NhsNumber;

use super::SearchError;
use super::parameter::{PATIENT, has};
use crate::patient::NHS_NUMBER_SYSTEM;

/// The NHS Number of an identifier token, `https://fhir.nhs.uk/Id/nhs-number|9990001006`.
///
/// # Errors
/// When the system is another one, or the number is not valid.
pub fn identifier_number(token: &str) -> Result<NhsNumber, SearchError> {
    let (system, value) = token.split_once('|').unwrap_or((NHS_NUMBER_SYSTEM, token));
    let known = [
        NHS_NUMBER_SYSTEM,
        "http://fhir.nhs.net/Id/nhs-number",
        "urn:oid:2.16.840.1.113883.2.1.4.1",
    ];
    if !known.contains(&system) {
        return Err(SearchError::Malformed("patient.identifier".into()));
    }
    Ok(value.parse()?)
}

/// The patient of a search. Parameters that name two patients ask for what is of both: nothing,
/// and surely a mistake.
///
/// # Errors
/// `Missing` where none is named; `Malformed`; `NhsNumber`.
pub fn patient(pairs: &[(String, String)]) -> Result<NhsNumber, SearchError> {
    let mut found: Option<NhsNumber> = None;
    for (name, value) in pairs.iter().filter(|(n, _)| is_patient(n)) {
        if value.contains('/') && !value.contains('|') {
            // A Patient resource: there are none here that last.
            return Err(SearchError::malformed(name));
        }
        let number = identifier_number(value)?;
        if found.is_some_and(|other| other != number) {
            return Err(SearchError::malformed(name));
        }
        found = Some(number);
    }
    found.ok_or(SearchError::Missing("patient.identifier"))
}

/// Whether a parameter tells the patient.
pub(super) fn is_patient(name: &str) -> bool {
    has(&[PATIENT], name)
}
