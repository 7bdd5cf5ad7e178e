mod kept;
mod notes;
mod person;
mod rows;
mod sealed;
mod store;
mod turns;

pub(crate) use kept::{
    CurrentPatient, Death, KnownPerson, Launched, MAX_PATIENTS, Role, SeenBefore, SignInStarted,
    SignedIn, SourcesAsked,
};
pub(crate) use notes::{app_asking, app_asks, launch_pending, launch_started, started};
pub(crate) use person::{Caller, Person, forget, keep, keep_now, remember};
pub use rows::{SessionRow, SessionRows, SessionRowsError};
pub(crate) use sealed::{open, seal};
pub(crate) use store::RowStore;
pub(crate) use turns::Turns;

/// Only this host, only over a secure connection, for every path.
pub(crate) const COOKIE: &str = "__Host-carerecord";
