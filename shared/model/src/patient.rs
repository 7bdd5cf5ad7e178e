use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::NhsNumber;

/// Administrative gender, as FHIR names it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Gender {
    /// Female.
    Female,
    /// Male.
    Male,
    /// Not specified as either.
    Other,
    /// Not known.
    #[default]
    Unknown,
}

/// How far an NHS Number has been traced.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NumberStatus {
    /// Present and verified.
    Verified,
    /// Present, but the person has not been traced.
    #[default]
    Unverified,
}

/// A person of the patient index. Patient data: `Debug` is redacted.
#[derive(Clone, Eq, PartialEq, Serialize, Deserialize)]
pub struct Patient {
    /// The number the record is kept under.
    pub nhs_number: NhsNumber,
    /// Whether the number has been traced.
    pub number_status: NumberStatus,
    /// Family name.
    pub family_name: Option<String>,
    /// Given names, in order.
    pub given_names: Vec<String>,
    /// Title, e.g. `Dr`.
    pub prefix: Option<String>,
    /// Date of birth.
    pub birth_date: Option<Date>,
    /// Whether the person is known to have died; true also where no date is told.
    #[serde(default)]
    pub deceased: bool,
    /// Date of death, where it is told.
    pub death_date: Option<Date>,
    /// Administrative gender.
    pub gender: Gender,
    /// S-flagged: locations and everything that tells them are withheld.
    pub restricted: bool,
}

impl Patient {
    /// A person of whom only the number is known.
    pub fn from_number(nhs_number: NhsNumber) -> Self {
        Self {
            nhs_number,
            number_status: NumberStatus::Unverified,
            family_name: None,
            given_names: Vec::new(),
            prefix: None,
            birth_date: None,
            deceased: false,
            death_date: None,
            gender: Gender::Unknown,
            restricted: false,
        }
    }
}

impl fmt::Debug for Patient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Patient(redacted)")
    }
}
