//! Provide Document Bundle: a transaction of FHIR as a submission of XDS. MHD 3.
//!
//! What can be said of the Bundle alone is said in `ProvideBundle::read`; what it needs to know of
//! what is registered already it asks for, and then makes the submission of it. Every problem found
//! is told, with its place.

mod at;
mod bundle;
mod entry;
mod list;
mod people;
mod simplified;
mod submission;
mod values;

#[cfg(test)]
mod tests;

pub use at::Problem;
pub use bundle::ProvideBundle;
pub use simplified::SimplifiedPublish;
pub use submission::{FhirDocuments, Known, KnownFolder, Place, Provided, ProvidedDocument};

/// Which of MHD's profiles a Bundle says that it follows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Profile {
    /// Little must be there: what is missing makes limited metadata.
    Minimal,
    /// As XDS has it; people are contained.
    Comprehensive,
    /// As XDS has it; people may live elsewhere, and are known by identifier and display.
    UnContained,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Minimal, Self::Comprehensive, Self::UnContained];

    /// Where MHD defines it, below its own address.
    pub(crate) fn canonical(self) -> &'static str {
        match self {
            Self::Minimal => "StructureDefinition/IHE.MHD.Minimal.ProvideBundle",
            Self::Comprehensive => "StructureDefinition/IHE.MHD.Comprehensive.ProvideBundle",
            Self::UnContained => {
                "StructureDefinition/IHE.MHD.UnContained.Comprehensive.ProvideBundle"
            }
        }
    }

    /// Of a canonical, with or without a version, and by the name that it had before.
    fn of(canonical: &str) -> Option<Self> {
        let url = canonical.split('|').next().unwrap_or(canonical);
        let path = url.strip_prefix("https://profiles.ihe.net/ITI/MHD/")?;
        let path = path.replace("ProvideDocumentBundle", "ProvideBundle");
        Self::ALL.into_iter().find(|profile| profile.canonical() == path)
    }
}

/// What documents may follow: in a Bundle as its profile says, and by themselves. MHD 2.
pub(crate) const DOCUMENT_PROFILES: [&str; 4] = [
    "StructureDefinition/IHE.MHD.Comprehensive.DocumentReference",
    "StructureDefinition/IHE.MHD.UnContained.Comprehensive.DocumentReference",
    "StructureDefinition/IHE.MHD.Minimal.DocumentReference",
    "StructureDefinition/IHE.MHD.SimplifiedPublish.DocumentReference",
];
/// The same of submission sets and folders. A folder has nobody who could live elsewhere.
pub(crate) const LIST_PROFILES: [&str; 5] = [
    "StructureDefinition/IHE.MHD.Comprehensive.SubmissionSet",
    "StructureDefinition/IHE.MHD.UnContained.Comprehensive.SubmissionSet",
    "StructureDefinition/IHE.MHD.Minimal.SubmissionSet",
    "StructureDefinition/IHE.MHD.Comprehensive.Folder",
    "StructureDefinition/IHE.MHD.Minimal.Folder",
];
