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
    /// The postcode of the home address, e.g. `XX1 1XX`; never of who is restricted. No other part of
    /// an address is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postcode: Option<String>,
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
            postcode: None,
            restricted: false,
        }
    }
}

/// A postcode in its usual form, `XX1 1XX`; `None` when the text can be none.
pub fn tidy_postcode(text: &str) -> Option<String> {
    let mut code: String =
        text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
    let inward = code.len().checked_sub(3).filter(|_| (5..=7).contains(&code.len()));
    let is_inward = |part: &str| {
        let mut chars = part.chars();
        chars.next().is_some_and(|c| c.is_ascii_digit()) && chars.all(|c| c.is_ascii_alphabetic())
    };
    if let Some(at) = inward.filter(|at| is_inward(&code[*at..])) {
        code.insert(at, ' ');
    }
    (2..=12).contains(&code.len()).then_some(code)
}

impl fmt::Debug for Patient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Patient(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postcodes_are_written_in_one_way() {
        for (text, code) in [
            ("xx11xx", Some("XX1 1XX")),
            (" XX1-1XX ", Some("XX1 1XX")),
            ("m1 1ae", Some("M1 1AE")),
            ("EC1A1BB", Some("EC1A 1BB")),
            ("XX1", Some("XX1")),
            ("75008", Some("75008")),
            ("", None),
            ("-", None),
            ("é", None),
            ("not a postcode at all", None),
        ] {
            assert_eq!(tidy_postcode(text).as_deref(), code, "{text}");
        }
    }
}
