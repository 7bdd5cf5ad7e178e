//! The record of every message: what was asked, by whom, what was decided and what was given.
//!
//! Records lie in the database of the role that makes them, so that a write's record commits with
//! the write. Each record is chained to the one before by a hash; the table refuses changes.

#![warn(missing_docs)]

mod event;
mod log;

pub use event::{AuditActor, AuditDecision, AuditEvent, AuditOutcome, DocumentRef};
pub use log::{AuditFilter, AuditLog, StoredEvent};
