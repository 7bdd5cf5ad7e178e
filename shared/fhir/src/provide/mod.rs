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
    /// Of a canonical, with or without a version.
    fn of(canonical: &str) -> Option<Self> {
        let url = canonical.split('|').next().unwrap_or(canonical);
        match url.strip_prefix("https://profiles.ihe.net/ITI/MHD/StructureDefinition/")? {
            "IHE.MHD.Minimal.ProvideBundle" | "IHE.MHD.Minimal.ProvideDocumentBundle" => {
                Some(Self::Minimal)
            }
            "IHE.MHD.Comprehensive.ProvideBundle"
            | "IHE.MHD.Comprehensive.ProvideDocumentBundle" => Some(Self::Comprehensive),
            "IHE.MHD.UnContained.Comprehensive.ProvideBundle"
            | "IHE.MHD.UnContained.Comprehensive.ProvideDocumentBundle" => Some(Self::UnContained),
            _ => None,
        }
    }
}
