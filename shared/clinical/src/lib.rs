//! What is inside a document: its kind, its header as metadata, a safe view of its text, and what it
//! says in coded entries.
//!
//! [`Kind::sniff`] says what bytes are, by their structure. [`DocumentHeader::read`] takes what an
//! XDS `DocumentEntry` needs from a CDA document (bare or in an ITK envelope) or a FHIR document
//! bundle. Every byte is taken as hostile, and no error carries patient data.

#![warn(missing_docs)]

mod active;
mod compare;
mod elements;
mod entries;
mod error;
mod fhir;
mod fhir_xml;
mod header;
mod html;
mod instance_id;
mod kind;
mod open;
mod picture;
mod rtf;
mod text;
mod time;

pub use active::pdf_is_active;
pub use compare::{Change, Comparison, Piece, compare};
pub use elements::{Absence, ELEMENT_RULES, Elements, absence, data_elements};
pub use entries::CodedEntry;
pub use error::HeaderError;
pub use header::{
    AuthorHeader, Coding, DocumentHeader, NhsNumberFound, Organisation, PatientHeader, Person,
    RelatedDocument, Relation,
};
pub use html::{Attachment, Rendered, SafeHtml, Section, render};
pub use instance_id::InstanceId;
pub use kind::{BundleType, FhirFormat, Kind, file_ending};
pub use open::payload;
pub use picture::{can_be_shown, picture_size};
pub use rtf::rtf_text;
pub use text::{PlainText, plain_text};
