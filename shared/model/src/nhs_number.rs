use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The OID under which a traced NHS Number travels in XDS, CDA and HL7 v3.
pub const NHS_NUMBER_OID: &str = "2.16.840.1.113883.2.1.4.1";

/// A ten-digit NHS Number whose check digit is right. Says nothing about tracing.
///
/// Serialised as its ten digits. `Debug` is redacted: a number never reaches a log by accident.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NhsNumber([u8; 10]);

/// Why a text is not an NHS Number.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NhsNumberError {
    /// Nothing was given.
    #[error("an NHS Number is missing")]
    Empty,
    /// A character other than digits, spaces and hyphens.
    #[error("an NHS Number has digits, spaces and hyphens only")]
    NotADigit,
    /// Not ten digits.
    #[error("an NHS Number has ten digits")]
    Length,
    /// The Modulus 11 check digit does not match.
    #[error("the check digit of the NHS Number is wrong")]
    CheckDigit,
    /// Ten times the same digit: passes the check, but is never issued.
    #[error("an NHS Number is not one digit repeated")]
    Repeated,
    /// The number is well formed, but the deployment does not take numbers of its range.
    #[error("the NHS Number is outside the range this service takes")]
    Policy,
}

/// Which ranges a deployment takes: a live one refuses the test range, a test one all others.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NumberPolicy {
    /// Numbers that begin with 9 are refused.
    Live,
    /// Only numbers that begin with 9 are taken.
    Test,
    /// Every valid number is taken.
    #[default]
    Any,
}

impl NhsNumber {
    /// The ten digits, without spaces. Patient data: never log it.
    pub fn digits(&self) -> String {
        self.0.iter().map(|d| char::from(b'0' + d)).collect()
    }

    /// The display form, `943 476 5919`.
    pub fn grouped(&self) -> String {
        let d = self.digits();
        format!("{} {} {}", &d[..3], &d[3..6], &d[6..])
    }

    /// The number as an integer, as the stores key it. Fits 34 bits.
    pub fn as_i64(&self) -> i64 {
        self.0.iter().fold(0, |n, d| n * 10 + i64::from(*d))
    }

    /// Reads back what `as_i64` gave.
    ///
    /// # Errors
    /// As for `FromStr`.
    pub fn from_i64(n: i64) -> Result<Self, NhsNumberError> {
        format!("{n:010}").parse()
    }

    /// Whether a deployment with this policy takes the number.
    ///
    /// # Errors
    /// `NhsNumberError::Policy`.
    pub fn permitted(&self, policy: NumberPolicy) -> Result<(), NhsNumberError> {
        let test = self.0[0] == 9;
        match policy {
            NumberPolicy::Any => Ok(()),
            NumberPolicy::Live if !test => Ok(()),
            NumberPolicy::Test if test => Ok(()),
            NumberPolicy::Live | NumberPolicy::Test => Err(NhsNumberError::Policy),
        }
    }
}

impl FromStr for NhsNumber {
    type Err = NhsNumberError;

    fn from_str(s: &str) -> Result<Self, NhsNumberError> {
        let mut digits = [0u8; 10];
        let mut n = 0;
        for c in s.chars().filter(|c| !matches!(c, ' ' | '-' | '\u{a0}' | '\u{2009}')) {
            let value = c.to_digit(10).ok_or(NhsNumberError::NotADigit)?;
            *digits.get_mut(n).ok_or(NhsNumberError::Length)? = value as u8;
            n += 1;
        }
        match n {
            0 => return Err(NhsNumberError::Empty),
            10 => {}
            _ => return Err(NhsNumberError::Length),
        }
        let sum: u32 = (0..9).map(|i| u32::from(digits[i]) * (10 - i as u32)).sum();
        let check = match 11 - sum % 11 {
            11 => 0,
            10 => return Err(NhsNumberError::CheckDigit),
            other => other,
        };
        if check != u32::from(digits[9]) {
            return Err(NhsNumberError::CheckDigit);
        }
        if digits.iter().all(|d| *d == digits[0]) {
            return Err(NhsNumberError::Repeated);
        }
        Ok(Self(digits))
    }
}

impl TryFrom<String> for NhsNumber {
    type Error = NhsNumberError;

    fn try_from(s: String) -> Result<Self, NhsNumberError> {
        s.parse()
    }
}

impl From<NhsNumber> for String {
    fn from(number: NhsNumber) -> String {
        number.digits()
    }
}

impl fmt::Debug for NhsNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NhsNumber(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_displayed_form() {
        let number: NhsNumber = "943 476 5919".parse().unwrap();

        assert_eq!(number.digits(), "9434765919");
        assert_eq!(number.grouped(), "943 476 5919");
        assert_eq!(NhsNumber::from_i64(number.as_i64()).unwrap(), number);
    }

    #[test]
    fn refuses_with_the_reason() {
        let reasons = [
            ("", NhsNumberError::Empty),
            ("943476591", NhsNumberError::Length),
            ("94347659190", NhsNumberError::Length),
            ("943476591X", NhsNumberError::NotADigit),
            ("9000000000", NhsNumberError::CheckDigit),
            ("9991234567", NhsNumberError::CheckDigit),
            ("9999999999", NhsNumberError::Repeated),
            ("0000000000", NhsNumberError::Repeated),
        ];
        for (text, reason) in reasons {
            assert_eq!(text.parse::<NhsNumber>(), Err(reason), "{text}");
        }
    }

    #[test]
    fn policy_parts_live_and_test_numbers() {
        let test: NhsNumber = "9990001006".parse().unwrap();

        assert_eq!(test.permitted(NumberPolicy::Live), Err(NhsNumberError::Policy));
        assert!(test.permitted(NumberPolicy::Test).is_ok());
    }

    #[test]
    fn debug_shows_no_digit() {
        let number: NhsNumber = "9990001006".parse().unwrap();

        assert!(!format!("{number:?}").contains("999"));
    }
}
