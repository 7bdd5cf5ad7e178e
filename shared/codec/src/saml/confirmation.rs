use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use x509_cert::Certificate;
use x509_cert::der::asn1::{Any, BitString};
use x509_cert::der::{Decode, Encode};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

use super::assertion::time;
use super::dom::Element;
use super::keys::{RSA, is_strong};
use super::{DSIG, DSIG_11, SAML, SamlError};

/// A way in which whoever presents the assertion is known to be its subject.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Confirmation {
    /// Its URI.
    pub method: String,
    /// It holds from then on.
    pub not_before: Option<Timestamp>,
    /// It holds until then.
    pub not_on_or_after: Option<Timestamp>,
    /// The address that it may be presented to.
    pub recipient: Option<String>,
    /// The keys of which the presenter must hold one.
    pub keys: Vec<HolderKey>,
}

/// A key whose holder may present an assertion.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HolderKey {
    /// A certificate in DER.
    Certificate(Vec<u8>),
    /// The contents of a certificate's subjectPublicKey.
    PublicKey(Vec<u8>),
}

impl HolderKey {
    /// Whether it is the key of a certificate in DER.
    pub fn is_of(&self, certificate: &[u8]) -> bool {
        let Ok(parsed) = Certificate::from_der(certificate) else { return false };
        let key = parsed.tbs_certificate.subject_public_key_info.subject_public_key;
        match self {
            Self::Certificate(der) => der == certificate,
            Self::PublicKey(bits) => !bits.is_empty() && key.as_bytes() == Some(bits),
        }
    }

    /// The key in the form that a certificate has it in, when it is one that may sign: of keys
    /// without a certificate only RSA.
    pub(super) fn spki(&self) -> Option<Vec<u8>> {
        let spki = match self {
            Self::Certificate(der) => {
                Certificate::from_der(der).ok()?.tbs_certificate.subject_public_key_info
            }
            Self::PublicKey(bits) => SubjectPublicKeyInfoOwned {
                algorithm: AlgorithmIdentifierOwned { oid: RSA, parameters: Some(Any::null()) },
                subject_public_key: BitString::from_bytes(bits).ok()?,
            },
        };
        is_strong(&spki).then(|| spki.to_der().ok()).flatten()
    }
}

pub(super) fn read_confirmation(element: Element<'_>) -> Result<Confirmation, SamlError> {
    let method = element.attr("Method").ok_or(SamlError::Structure)?.to_owned();
    let data = element.child(SAML, "SubjectConfirmationData");
    let attr = |name: &str| data.and_then(|d| d.attr(name));
    let mut keys = Vec::new();
    for info in data.into_iter().flat_map(Element::children).filter(|c| c.is(DSIG, "KeyInfo")) {
        for hint in info.children() {
            read_key(hint, &mut keys)?;
        }
    }
    Ok(Confirmation {
        method,
        not_before: attr("NotBefore").map(time).transpose()?,
        not_on_or_after: attr("NotOnOrAfter").map(time).transpose()?,
        recipient: attr("Recipient").map(|r| r.trim().to_owned()),
        keys,
    })
}

/// Keys that are named in another way are nobody's.
fn read_key(hint: Element<'_>, keys: &mut Vec<HolderKey>) -> Result<(), SamlError> {
    if hint.is(DSIG, "X509Data") {
        for certificate in hint.children().filter(|c| c.is(DSIG, "X509Certificate")) {
            keys.push(HolderKey::Certificate(bytes(certificate)?));
        }
    } else if hint.is(DSIG, "KeyValue") {
        for value in hint.children() {
            if let (Some(n), Some(e)) =
                (value.child(DSIG, "Modulus"), value.child(DSIG, "Exponent"))
            {
                keys.push(HolderKey::PublicKey(rsa_public_key(&bytes(n)?, &bytes(e)?)?));
            } else if let Some(point) = value.child(DSIG_11, "PublicKey") {
                keys.push(HolderKey::PublicKey(bytes(point)?));
            }
        }
    }
    Ok(())
}

fn bytes(element: Element<'_>) -> Result<Vec<u8>, SamlError> {
    let text: String = element.text()?.split_whitespace().collect();
    STANDARD.decode(text).map_err(|_| SamlError::Value)
}

/// PKCS #1 `RSAPublicKey`.
fn rsa_public_key(modulus: &[u8], exponent: &[u8]) -> Result<Vec<u8>, SamlError> {
    use x509_cert::der::asn1::{SequenceOf, UintRef};
    let mut numbers = SequenceOf::<UintRef<'_>, 2>::new();
    for number in [modulus, exponent] {
        let number = UintRef::new(number).map_err(|_| SamlError::Value)?;
        numbers.add(number).map_err(|_| SamlError::Value)?;
    }
    numbers.to_der().map_err(|_| SamlError::Value)
}
