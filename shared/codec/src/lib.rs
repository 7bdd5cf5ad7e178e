//! The wire forms of XDS.b: ebRIM and ebRS messages, SOAP 1.2 with WS-Addressing, MTOM/XOP.
//! Bytes in, types out; no sockets.

#![warn(missing_docs)]

mod codes_xml;
mod content_type;
pub mod ebrim;
mod found_msgpack;
pub mod hl7v2;
pub mod mtom;
pub mod name;
mod provide_and_register;
mod registry_response;
mod remove_objects;
mod retrieve;
pub mod saml;
pub mod soap;
mod stored_query;
mod submit_objects;

pub use codes_xml::CodesFile;
pub use content_type::{ContentType, safe_content_type};
pub use found_msgpack::{
    FOUND_MSGPACK, FoundError, read_found_msgpack, takes_found_msgpack, write_found_msgpack,
};
pub use provide_and_register::{
    ContentRef, DocumentContent, ProvideAndRegisterDocumentSetRequest, write_provide_and_register,
};
pub use registry_response::RegistryResponse;
pub use remove_objects::RemoveObjectsRequest;
pub use retrieve::{
    DocumentResponse, RemoveDocumentsRequest, RetrieveDocumentSetRequest,
    RetrieveDocumentSetResponse,
};
pub use stored_query::{AdhocQueryRequest, AdhocQueryResponse, LIST_END, found_objects};
pub use submit_objects::{SubmitObjectsRequest, SubmittedObjects};
