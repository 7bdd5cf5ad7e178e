use serde::{Deserialize, Serialize};

/// A coded value: code, coding scheme (an OID or a name), display name. ITI TF-3: 4.2.3.1.2.
///
/// Codes are equal when code and scheme are; the display name takes no part in matching.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Code {
    /// The code, e.g. `34133-9`.
    pub code: String,
    /// The coding scheme, e.g. `2.16.840.1.113883.6.1`.
    pub scheme: String,
    /// The name for people.
    pub display: String,
}

impl Code {
    /// A code from its three parts.
    pub fn new(
        code: impl Into<String>,
        scheme: impl Into<String>,
        display: impl Into<String>,
    ) -> Self {
        Self { code: code.into(), scheme: scheme.into(), display: display.into() }
    }

    /// The code of an object with limited metadata that has none. No filter names it.
    pub fn absent() -> Self {
        Self::new("", "", "")
    }

    /// Whether the object has no such code: then its metadata are limited.
    pub fn is_absent(&self) -> bool {
        self.code.is_empty()
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code && self.scheme == other.scheme
    }
}

impl Eq for Code {}

/// The attributes whose values are codes of the affinity domain.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CodeAttribute {
    /// DocumentEntry.classCode
    ClassCode,
    /// DocumentEntry.typeCode
    TypeCode,
    /// DocumentEntry.confidentialityCode
    ConfidentialityCode,
    /// DocumentEntry.eventCodeList
    EventCodeList,
    /// DocumentEntry.formatCode
    FormatCode,
    /// DocumentEntry.healthcareFacilityTypeCode
    HealthcareFacilityTypeCode,
    /// DocumentEntry.practiceSettingCode
    PracticeSettingCode,
    /// SubmissionSet.contentTypeCode
    ContentTypeCode,
    /// Folder.codeList
    FolderCodeList,
    /// Association documentation
    AssociationDocumentation,
}

impl CodeAttribute {
    /// The attribute's name in the standard.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClassCode => "classCode",
            Self::TypeCode => "typeCode",
            Self::ConfidentialityCode => "confidentialityCode",
            Self::EventCodeList => "eventCodeList",
            Self::FormatCode => "formatCode",
            Self::HealthcareFacilityTypeCode => "healthcareFacilityTypeCode",
            Self::PracticeSettingCode => "practiceSettingCode",
            Self::ContentTypeCode => "contentTypeCode",
            Self::FolderCodeList => "codeList",
            Self::AssociationDocumentation => "associationDocumentation",
        }
    }
}
