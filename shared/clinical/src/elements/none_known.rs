//! Codes that say that there is nothing, or that nothing is known.

use carerecord_model::{Assertion, Concept};

/// What a code by itself says of what is not there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Absence {
    /// Nothing of its kind is known, e.g. `716186003`, "No known allergy".
    Everything,
    /// Nothing of a part of it, e.g. `429625007`, "No known food allergy".
    Part,
    /// It is not known whether there is something.
    NoInformation,
}

/// What a code says of what is not there; most say what there is.
pub fn absence(code: &str) -> Option<Absence> {
    let of = |codes: &[&str], absence| codes.contains(&code).then_some(absence);
    of(&NOTHING_KNOWN, Absence::Everything)
        .or_else(|| of(&PART_KNOWN, Absence::Part))
        .or_else(|| of(&NO_INFORMATION, Absence::NoInformation))
}

/// What a concept says by its code alone.
pub(super) fn assertion_of(concept: &Concept) -> Assertion {
    let mut said = concept.codings.iter().filter_map(|coding| absence(&coding.code));
    match said.next() {
        Some(Absence::Everything | Absence::Part) => Assertion::Absent,
        Some(Absence::NoInformation) => Assertion::NoInformation,
        None => Assertion::Present,
    }
}

/// SNOMED CT, then the absent-unknown codes of IPS.
const NOTHING_KNOWN: [&str; 11] = [
    "716186003", // No known allergy
    "160244002", // No known allergies, as it was called before
    "160245001", // No current problems or disability
    "787481004", // No known medications
    "182849000", // No drug therapy prescribed
    "no-known-allergies",
    "no-known-problems",
    "no-known-medications",
    "no-known-immunizations",
    "no-known-procedures",
    "no-known-devices",
];

const PART_KNOWN: [&str; 9] = [
    "409137002", // No known history of drug allergy
    "428607008", // No known environmental allergy
    "429625007", // No known food allergy
    "428197003", // No known insect allergy
    "716184000", // No known latex allergy
    "716220001", // No known animal allergy
    "no-known-medication-allergies",
    "no-known-environmental-allergies",
    "no-known-food-allergies",
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
