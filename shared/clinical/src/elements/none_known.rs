//! Codes that say that there is nothing, or that nothing is known.

use carerecord_model::{Assertion, Concept};

/// What a concept says by its code alone.
pub(super) fn assertion_of(concept: &Concept) -> Assertion {
    let any = |is: fn(&str) -> bool| concept.codings.iter().any(|coding| is(&coding.code));
    if any(says_none_known) {
        Assertion::Absent
    } else if any(|code| NO_INFORMATION.contains(&code)) {
        Assertion::NoInformation
    } else {
        Assertion::Present
    }
}

/// Whether a code by itself says that there is none, e.g. `716186003`, "No known allergy".
pub fn says_none_known(code: &str) -> bool {
    NONE_KNOWN.contains(&code)
}

/// SNOMED CT, then the absent-unknown codes of IPS.
const NONE_KNOWN: [&str; 20] = [
    "716186003", // No known allergy
    "409137002", // No known history of drug allergy
    "428607008", // No known environmental allergy
    "429625007", // No known food allergy
    "428197003", // No known insect allergy
    "716184000", // No known latex allergy
    "716220001", // No known animal allergy
    "160244002", // No known allergies, as it was called before
    "160245001", // No current problems or disability
    "787481004", // No known medications
    "182849000", // No drug therapy prescribed
    "no-known-allergies",
    "no-known-medication-allergies",
    "no-known-environmental-allergies",
    "no-known-food-allergies",
    "no-known-problems",
    "no-known-medications",
    "no-known-immunizations",
    "no-known-procedures",
    "no-known-devices",
];

const NO_INFORMATION: [&str; 8] = [
    "1631000175102", // Patient not asked
    "no-allergy-info",
    "no-problem-info",
    "no-medication-info",
    "no-immunization-info",
    "no-procedure-info",
    "no-device-info",
    "182904002", // Drug treatment unknown
];
