mod person;
mod rows;
mod store;
mod turns;

pub(crate) use person::{
    Caller, Person, Role, SignInStarted, SignedIn, forget, keep, keep_now, remember, started,
};
pub use rows::{SessionRow, SessionRows, SessionRowsError};
pub(crate) use store::RowStore;
pub(crate) use turns::Turns;

/// Only this host, only over a secure connection, for every path.
pub(crate) const COOKIE: &str = "__Host-carerecord";
