//! ebRIM 3.0 objects as they stand in messages, and their meaning as XDS metadata.
//!
//! Two layers: [`RegistryObject`] is syntax; `to_model` and `from_model` are meaning.

mod from_model;
mod object;
mod scheme;
mod to_model;

pub use from_model::{association, document_entry, folder, submission_set};
pub(crate) use object::write_slot;
pub use object::{Classification, ExternalIdentifier, ObjectKind, RegistryObject, read_slot};
pub use to_model::{entry_of, found_objects, submission};
