mod person;
mod rows;
mod store;

pub(crate) use person::{
    Caller, Person, Role, SignInStarted, SignedIn, forget, keep, remember, started,
};
pub use rows::{SessionRow, SessionRows, SessionRowsError};
pub(crate) use store::RowStore;

/// Only this host, only over a secure connection, for every path.
pub(crate) const COOKIE: &str = "__Host-carerecord";
