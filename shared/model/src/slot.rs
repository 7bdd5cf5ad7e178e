use serde::{Deserialize, Serialize};

use crate::Code;

/// A named list of values. ebRIM 3.0: Slot.
#[derive(Clone, Eq, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// The name, unique within its object.
    pub name: String,
    /// The values in the order given; may be empty.
    pub values: Vec<String>,
}

impl std::fmt::Debug for Slot {
    /// Values can be patient data, so only the name is shown.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Slot({}, {} values)", self.name, self.values.len())
    }
}

/// A text in one language. ebRIM 3.0: LocalizedString.
#[derive(Clone, Eq, PartialEq, Serialize, Deserialize)]
pub struct LocalizedString {
    /// The text, not empty. May hold patient data.
    pub value: String,
    /// The language, when given.
    pub lang: Option<String>,
}

impl LocalizedString {
    /// A text with no language given.
    pub fn new(value: impl Into<String>) -> Self {
        Self { value: value.into(), lang: None }
    }
}

impl std::fmt::Debug for LocalizedString {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LocalizedString(redacted)")
    }
}

/// A Classification whose scheme XDS does not define; kept and given back. ITI TF-3: 4.2.3.1.6.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct ExtraClassification {
    /// The classification scheme's URN.
    pub scheme: String,
    /// The code, with its own coding scheme.
    pub code: Code,
}

/// What a sender added beyond the standard: kept and given back. ITI TF-3: 4.2.3.1.6.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExtraMetadata {
    /// Slots with names of the sender's own.
    pub slots: Vec<Slot>,
    /// Classifications under schemes of the sender's own.
    pub classifications: Vec<ExtraClassification>,
    /// Whether the object is labelled as one of limited metadata, of which required codes can be
    /// absent. ITI TF-3: 4.2.3.2.29.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub limited: bool,
}
