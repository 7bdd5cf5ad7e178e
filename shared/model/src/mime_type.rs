use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::IdentifierError;

/// A MIME type, kept exactly as it came: what was registered is what is retrieved.
/// ITI TF-3: 4.2.3.2.15.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(into = "String")]
pub struct MimeType(String);

impl MimeType {
    /// The text as registered.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Type and subtype without parameters, in lower case: fit for comparison.
    pub fn essence(&self) -> String {
        self.0.split(';').next().unwrap_or("").trim().to_ascii_lowercase()
    }
}

impl FromStr for MimeType {
    type Err = IdentifierError;

    fn from_str(s: &str) -> Result<Self, IdentifierError> {
        if s.is_empty() {
            return Err(IdentifierError::Empty);
        }
        if s.len() > MAX_LENGTH {
            return Err(IdentifierError::TooLong(MAX_LENGTH));
        }
        if s.chars().any(char::is_control) {
            return Err(IdentifierError::Control);
        }
        Ok(Self(s.to_owned()))
    }
}

impl<'de> Deserialize<'de> for MimeType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::from_text(deserializer)
    }
}

impl From<MimeType> for String {
    fn from(mime: MimeType) -> String {
        mime.0
    }
}

impl fmt::Display for MimeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const MAX_LENGTH: usize = 256;
