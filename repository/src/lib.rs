//! A repository node: takes documents (ITI-41), keeps the bytes, registers the metadata, and gives
//! the bytes back (ITI-43) to those whom the decision lets have them; searches inside them; and gives what they say
//! in coded entries.

mod config;
mod content;
mod elements;
#[doc(hidden)]
pub mod fuzz;
mod index;
mod integrity;
mod iti41;
mod iti43;
mod iti86;
mod kept;
mod local;
mod objects;
mod on_demand;
mod peer;
mod retention;
mod retry;
mod rewrap;
mod router;
mod scrub;
mod search;
mod service;
mod soap;
mod status;
mod submissions;
mod sweep;
mod turns;

pub use config::{RepositoryConfig, WhenAway};
pub use integrity::Fault;
pub use local::LocalRepository;
pub use objects::{Objects, RemoteStore, RemoteStoreError};
pub use on_demand::{DocumentProducer, OnDemand};
pub use retention::{
    Approval, Assessment, Certificate, Due, HoldScope, LegalHold, Purged, Retention,
    RetentionError, RetentionParts, RetentionRules, RetentionRulesError,
};
pub use rewrap::{RewrapError, RewrapProgress, RewrapReport, keys_in_use, rewrap};
pub use router::router;
pub use scrub::{Scrub, ScrubError, ScrubOptions, ScrubParts, ScrubProgress, ScrubReport};
pub use search::{
    IndexError, Indexer, IndexingError, RebuildProgress, Search, Synonyms, SynonymsError,
};
pub use service::{Repository, RepositoryParts};
