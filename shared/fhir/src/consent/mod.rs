//! FHIR Consent (PCF) to consent records and back. What is not understood is refused: an objection
//! that is half-obeyed would be worse than an error.
//!
//! `provision.type` `deny` is an objection to what the provision names, `permit` is the permission that
//! an explicit consent model asks for; one that is limited shares what it names and nothing else.
//! Without limits it is about the whole record. All limits must be met, each by one of its values:
//!
//! - `provision.dataPeriod`: documents of a time;
//! - `provision.data` with meaning `authoredby`: what comes from an organisation (ODS identifier);
//! - `provision.data` with meaning `instance`: one document, `DocumentReference/{id}`;
//! - `provision.data` with meaning `related`: documents of an Encounter, CarePlan or EpisodeOfCare, by
//!   its identifier;
//! - `provision.code`: documents of a class, by its XDS class code. The PCF profiles leave this
//!   element out; reading it as the class is our extension of them. A yes is to the schemes that the
//!   system means, an objection to those that it may mean, too;
//! - `provision.securityLabel`: documents with this code of v3-Confidentiality or a higher one, or with
//!   this handling tag of v3-ActCode;
//! - `provision.actor` with role `IRCP`: towards an organisation (ODS identifier);
//! - `provision.purpose`: `TREAT`, for care alone, or `BTG` for those who have overridden what stands
//!   against it.
//!
//! `provision.provision` are exceptions, of one level. What comes of them all: `Terms` of the access
//! crate.

mod read;
mod write;

pub(crate) use read::instants;
pub use read::parse_consent;
pub use write::consent_resource;

use crate::echo::safe_name;

/// Why a Consent is refused. Names the element, never its value.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ConsentError {
    /// An element is missing.
    #[error("Consent.{0} is required")]
    Missing(&'static str),
    /// An element is of no form that we understand.
    #[error("Consent.{0} is not of a form that is understood here")]
    Malformed(&'static str),
    /// An element that we do not support, and so must not ignore.
    #[error("Consent.{0} is not supported here, so the consent cannot be obeyed as it stands")]
    Unsupported(String),
    /// Of an exception from the provision.
    #[error("in an exception (Consent.provision.provision): {0}")]
    Exception(Box<Self>),
}

impl ConsentError {
    fn unsupported(parent: &str, element: &str) -> Self {
        let dot = if parent.is_empty() { "" } else { "." };
        Self::Unsupported(format!("{parent}{dot}{}", safe_name(element)))
    }
}

const SCOPE_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/consentscope";
const SCOPE: &str = "patient-privacy";
const ROLE_SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
const RECIPIENT_ROLE: &str = "IRCP";
const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
/// Who decided, as a record says it.
const BY_PATIENT: &str = "the patient";
const BY_REPRESENTATIVE: &str = "a representative of the patient";

#[cfg(test)]
mod tests;
