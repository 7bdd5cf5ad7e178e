//! A repository node: takes documents (ITI-41), keeps the bytes, registers the metadata, and gives
//! the bytes back (ITI-43) to those whom the decision lets have them.

mod config;
mod content;
mod index;
mod iti41;
mod iti43;
mod iti86;
mod kept;
mod local;
mod objects;
mod router;
mod service;
mod soap;
mod status;
mod submissions;
mod sweep;
mod turns;

pub use config::{RepositoryConfig, WhenAway};
pub use local::LocalRepository;
pub use objects::Objects;
pub use router::router;
pub use service::{Repository, RepositoryParts};
