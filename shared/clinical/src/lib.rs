//! What is inside a document: its kind, its header as metadata, and a safe view of its text.
//!
//! [`Kind::sniff`] says what bytes are, by their structure. [`DocumentHeader::read`] takes what an
//! XDS `DocumentEntry` needs from a CDA document (bare or in an ITK envelope) or a FHIR document
//! bundle. Every byte is taken as hostile, and no error carries patient data.

#![warn(missing_docs)]

mod error;
mod fhir;
mod fhir_xml;
mod header;
mod html;
mod instance_id;
mod kind;
mod open;
mod text;
mod time;

pub use error::HeaderError;
pub use header::{
    AuthorHeader, Coding, DocumentHeader, NhsNumberFound, Organisation, PatientHeader, Person,
    RelatedDocument, Relation,
};
pub use html::{Attachment, Rendered, SafeHtml, Section, render};
pub use instance_id::InstanceId;
pub use kind::{BundleType, FhirFormat, Kind};
pub use open::payload;
pub use text::{PlainText, plain_text};
