//! SAML 2.0 assertions in the WS-Security header: IHE XUA, ITI TF-2: 3.40.
//!
//! [`SecurityHeader::find`] cuts the header out of an envelope, [`verify`] reads the one assertion in
//! it and checks that its issuer has signed exactly that, [`Assertion::check`] whether it holds here
//! and now. The header is parsed once; what is read of it is read from the tree whose signature was
//! checked, by structure and never by id.

mod assertion;
mod attributes;
mod conditions;
mod confirmation;
mod dom;
mod error;
mod header;
mod keys;
mod message;
mod signature;
mod structure;

pub use assertion::{Assertion, NameId, verify};
pub use attributes::{Attribute, AttributeValue, Coded, Instance, name};
pub use conditions::{Conditions, Demands, SubjectMethod};
pub use confirmation::{Confirmation, HolderKey};
pub use error::SamlError;
pub use header::SecurityHeader;
pub use keys::{KeyError, TrustedKeys};

/// SAML 2.0 assertions
pub const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
const DSIG_11: &str = "http://www.w3.org/2009/xmldsig11#";
const WSU: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
const HL7: &str = "urn:hl7-org:v3";
const EXCLUSIVE_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
