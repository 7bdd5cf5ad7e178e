//! The Document Registry: takes document sets (ITI-42, ITI-61), updates and removes their metadata
//! (ITI-57, ITI-92, ITI-62), answers stored queries (ITI-18, ITI-51), tells of changes, and keeps the
//! patient index, what patients have said about sharing, and who cares for them.

mod codes;
mod config;
mod feed;
#[doc(hidden)]
pub mod fuzz;
mod identity;
mod load;
mod local;
mod message;
mod peer;
mod query;
mod reports;
mod router;
mod service;
mod soap;
mod store;
mod submit;

pub use codes::{CodeRules, NothingToEnforce};
pub use config::{RegistryConfig, UnknownPatients};
pub use identity::{MllpConfig, serve_mllp};
pub use load::{CheckedLines, LoadLine, LoadPlace};
pub use local::LocalRegistry;
pub use message::{
    CitizenGrantQuestion, CitizenGrantUpdate, ConsentQuestion, ConsentUpdate, IdentifierQuestion,
    LastChangesQuestion, PatientQuestion, RECORD_MSGPACK, RecordAnswer, RelationshipQuestion,
    RelationshipUpdate, packed_length,
};
pub use reports::RegistryLog;
pub use router::router;
pub use service::{Registry, RegistryError};
pub use store::{Change, ChangePage, Store, UnmappedCode, Verb};
