//! The record of every message: what was asked, by whom, what was decided and what was given.
//!
//! Records lie in the database of the role that makes them, so that a write's record commits with
//! the write. Each record is chained to the one before by a hash; the table refuses changes. What
//! proves the log is the Merkle tree over it (RFC 9162): a sealer signs its head every few seconds
//! and gives it to witnesses outside the database, and the verifier needs nothing but an export, the
//! public key and what a witness has. `docs/audit.md` says what that proves.

#![warn(missing_docs)]

mod atna;
mod event;
mod export;
mod feeds;
mod log;
mod seal;
mod search;
mod store;
mod syslog;
#[cfg(test)]
mod testing;
mod tree;
mod usage;
mod verify;
mod witness;

pub(crate) use atna::event_codes;
pub use atna::{
    AtnaFeed, FhirFeed, FhirFeedError, FhirRepository, TokenSource, audit_event, audit_message,
};
pub use event::{AuditActor, AuditDecision, AuditEvent, AuditOutcome, DocumentRef, NOT_TOLD};
pub use export::{ExportError, ExportHeader, export};
pub use feeds::{FeedDay, FeedQuestion, FeedRefusal, FeedReport, MissingAttribute, UnmappedUse};
pub use log::{AuditFilter, AuditLog, StoredEvent};
pub use seal::{KeySource, SealError, SealTimes, Sealer, SigningKeys};
pub use search::{
    AuditPage, AuditQuestion, AuditSource, CodeField, CodeWanted, Within, document_key,
    keep_indexed,
};
pub use syslog::{SyslogTls, SyslogTransport};
pub use tree::{
    ConsistencyProof, Endorsement, HeadError, InclusionProof, KeyError, KeyId, KeyRing, ProofError,
    PublicKey, SignedHead, SigningKey, TreeHash, TreeHead, prove_consistency, prove_inclusion,
    seq_of_id,
};
pub use usage::{UsageError, UsageReport, UsedBy, Uses};
pub use verify::{Finding, Verdict, Verifier, Warning, WitnessFiles};
pub use witness::{FileWitness, SyslogWitness, Witness, WitnessError};
