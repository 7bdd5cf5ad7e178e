//! FHIR Consent (PCF) to consent records and back. What is not understood is refused: an objection
//! that is half-obeyed would be worse than an error.
//!
//! One Consent says one thing. `provision.type` `deny` is an objection to what the provision names,
//! `permit` is the permission that an explicit consent model asks for, to one organisation or to
//! all. An objection without limits is to the whole record. Its one limit can be
//!
//! - `provision.data` with meaning `authoredby`: what comes from an organisation (ODS identifier);
//! - `provision.data` with meaning `instance`: one document, `DocumentReference/{id}`;
//! - `provision.code`: documents of a class, by its XDS class code. The PCF profiles leave this
//!   element out; reading it as the class is our extension of them;
//! - `provision.securityLabel`: documents with this code of v3-Confidentiality or a higher one, or with
//!   this handling tag of v3-ActCode;
//! - `provision.actor` with role `IRCP`: everything, towards one organisation (ODS identifier).

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
const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
/// Who decided, as a record says it.
const BY_PATIENT: &str = "the patient";
const BY_REPRESENTATIVE: &str = "a representative of the patient";

#[cfg(test)]
mod tests;
