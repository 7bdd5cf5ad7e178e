//! ebRIM 3.0 objects as they stand in messages, and their meaning as XDS metadata.
//!
//! Two layers: [`RegistryObject`] is syntax; `to_model` and `from_model` are meaning. What is written
//! goes by an [`ObjectSink`], most of it straight into the message.

mod from_model;
mod object;
mod read;
mod scheme;
mod sink;
mod to_model;

pub use from_model::{association, document_entry, folder, submission_set, tell_submission};
pub use object::{Classification, ExternalIdentifier, ObjectKind, RegistryObject, read_slot};
pub(crate) use sink::write_slot;
pub use sink::{ClassificationParts, Head, KeptObjects, ObjectSink, WrittenObjects};
pub use to_model::{entry_of, found_objects, submission};
