//! The portal API: FHIR R4 (MHD ITI-65, 66, 67, 68, Patient, Consent) over the registry and the nodes.
//! Every answer passes the access decision; every search says which sources answered.

mod config;
mod content;
mod error;
mod federation;
mod fhir;
#[doc(hidden)]
pub mod fuzz;
mod looking;
mod matching;
mod oauth;
mod opened;
mod overrides;
mod patient_ids;
mod people;
mod publishing;
mod retrieved;
mod router;
mod service;
mod sign_outs;
mod token;

#[cfg(test)]
mod tests;

pub use config::PortalConfig;
pub use federation::{Endpoint, Federation, Node, NodeLimits};
pub use looking::RoleLog;
pub use oauth::{ClientConfig, ClientKeysConfig, OAuth, OAuthConfig, OAuthError};
pub use overrides::OverrideStore;
pub use patient_ids::PatientIds;
pub use publishing::{Publisher, Publishers};
pub use router::router;
pub use service::{Portal, PortalParts};
pub use sign_outs::SignOutStore;
pub use token::TokenVerifier;
