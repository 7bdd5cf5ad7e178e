use carerecord_clinical::{Elements, Kind, data_elements};
use carerecord_model::NhsNumber;

use super::rows::{MISMATCHED, TAKEN, Taken, UNCODED, UNREADABLE};

/// Takes the elements out of a document of a patient. One that names somebody else, or several
/// people, gives none. data-elements.md 1.4.
pub(crate) fn take(bytes: &[u8], patient: Option<NhsNumber>) -> Taken {
    let kind = Kind::sniff(bytes);
    if !kind.has_header() {
        return Taken { patient, state: UNCODED, left_out: 0, elements: None };
    }
    let Ok(found) = data_elements(bytes, &kind) else { return unreadable(patient) };
    if is_of_another(&found, patient) {
        return Taken { patient, state: MISMATCHED, left_out: 0, elements: None };
    }
    if found.elements.is_empty() && found.left_out == 0 {
        return Taken { patient, state: UNCODED, left_out: 0, elements: None };
    }
    let Ok(elements) = serde_json::to_string(&found.elements) else { return unreadable(patient) };
    let left_out = i64::try_from(found.left_out).unwrap_or(i64::MAX);
    Taken { patient, state: TAKEN, left_out, elements: Some(elements) }
}

/// What is kept of a document that cannot be read.
pub(crate) fn unreadable(patient: Option<NhsNumber>) -> Taken {
    Taken { patient, state: UNREADABLE, left_out: 0, elements: None }
}

/// A document without an NHS Number is taken to be of whom it is registered for.
fn is_of_another(found: &Elements, registered: Option<NhsNumber>) -> bool {
    let Some(own) = &found.patient else { return found.patient_count > 1 };
    let other = own.nhs_number.is_some_and(|n| registered.is_some_and(|r| r != n.number));
    found.patient_count > 1 || own.nhs_number_conflict || other
}
