//! The web portal that clinicians use: a client of the portal's FHIR API like any other.
//!
//! People sign in with OpenID Connect; their tokens stay in server-side sessions. Every page is
//! made on the server and works without scripts. What a person may see is decided by the API
//! alone: this crate shows its answers, refusals among them, and never decides.
//!
//! No address, page title or log line carries patient data: the patient a person looks at is kept
//! in the session under a handle that says nothing.

mod api;
mod apps;
mod assets;
mod config;
mod cross_site;
mod display;
mod launch;
mod looks;
mod pages;
mod portal;
mod problem;
mod router;
mod session;
mod sign_in;
#[cfg(test)]
mod tests;

pub use assets::assets;
pub use config::{WebConfig, WebError};
pub use launch::{EhrConfig, LauncherConfig};
pub use looks::{LookRow, LookRows, LookRowsError, Looks};
pub use pages::patient::ViewConfig;
pub use router::router;
pub use session::{SessionRow, SessionRows, SessionRowsError};
