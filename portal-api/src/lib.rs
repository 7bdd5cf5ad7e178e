//! The portal API: FHIR R4 (MHD ITI-65, 66, 67, 68, Patient, Consent) over the registry and the nodes.
//! Every answer passes the access decision; every search says which sources answered.

pub mod access_pack;
mod beside;
mod config;
mod content;
mod detection;
mod elements;
mod error;
mod federation;
mod feeds;
mod fhir;
#[doc(hidden)]
pub mod fuzz;
mod generating;
mod logout_token;
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
mod times;
mod token;
mod told;

#[cfg(test)]
mod tests;

pub use access_pack::{AccessPackConfig, AccessPacks, PackKey};
pub use config::PortalConfig;
pub use detection::{Detection, DetectionError, DetectionRules};
pub use federation::{Endpoint, Federation, Node, NodeLimits};
pub use feeds::{FeedRules, FeedRulesError};
pub use looking::RoleLog;
pub use oauth::{ClientConfig, ClientKeysConfig, OAuth, OAuthConfig, OAuthError, People};
pub use overrides::OverrideStore;
pub use patient_ids::PatientIds;
pub use publishing::{CodeDefaults, Publisher, Publishers};
pub use router::router;
pub use service::{Portal, PortalParts};
pub use sign_outs::SignOutStore;
pub use token::TokenVerifier;
pub use told::{ToldRefusal, authorize_refusals, fhir_refusals, oauth_refusals};
