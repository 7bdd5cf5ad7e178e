//! What tests share: a deployment of the binary to start, stop and kill, clients that know it only
//! from outside, builders, and databases of their own. A dev-dependency, never one of the product.

#![warn(missing_docs)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod audit_repository;
mod authority;
mod contexts;
mod corpus;
mod deployment;
mod ehr;
mod fhir;
pub mod foreign;
mod letter;
mod mhd;
mod ports;
pub mod postgres;
mod process;
mod random;
#[cfg(feature = "s3")]
mod s3;
pub mod saml;
mod small_disk;
pub mod submission;
mod unzip;
mod web;
mod xds;

/// The one crypto provider, without which nothing speaks TLS; as often as wanted.
pub fn install_crypto() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

pub use audit_repository::{AuditRepository, RepositoryFault};
pub use authority::{Authority, Issued, trusting};
pub use contexts::{ContextFault, Contexts};
pub use corpus::{corpus, examples, files, flip_byte, must_not_skip};
pub use deployment::{Deployment, NODES, PEER_SILENCE, Role, SOURCE_DEADLINE};
pub use ehr::{Ehr, EhrClient, EhrFault};
pub use fhir::{ADA, Fhir, GP, JO, LEE, NURSE, sources};
pub use letter::{CONTENT_TYPE, Letter, sha1_base64};
pub use mhd::{
    cda_document, consent_of, document_reference, fhir_document, list, provide_bundle,
    simplified_publish,
};
pub use ports::{free_ports, ten_ports};
pub use process::Process;
pub use random::Random;
#[cfg(feature = "s3")]
pub use s3::{S3Fault, S3Server};
pub use small_disk::SmallDisk;
pub use unzip::unzip;
pub use web::Browser;
pub use xds::{
    APPROVED, Exchange, PATIENT, Retrieved, SOAP, Xds, envelope, patient_id, query_message,
    register_message,
};
