use bergshamra_dsig::DsigContext;
use bergshamra_keys::{Key, KeysManager};
use jiff::Timestamp;
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::spki::SubjectPublicKeyInfoOwned;

/// The certificates of one issuer: what it signs with is believed, whatever stands in the message.
pub struct TrustedKeys {
    keys: Vec<TrustedKey>,
}

struct TrustedKey {
    not_before: Timestamp,
    not_after: Timestamp,
    context: DsigContext,
}

/// Why a certificate cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyError {
    /// Not an X.509 certificate.
    #[error("it is not an X.509 certificate")]
    Certificate,
    /// A key of a kind that signs no assertions here.
    #[error("its key is not RSA of 2,048 bits or more, nor EC P-256, P-384 or P-521")]
    Key,
}

impl TrustedKeys {
    /// Takes certificates in DER.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn new<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, KeyError> {
        let keys = certificates.into_iter().map(trusted).collect::<Result<_, _>>()?;
        Ok(Self { keys })
    }

    /// The verifier of each certificate that is valid at a time.
    pub(super) fn valid_at(&self, now: Timestamp) -> impl Iterator<Item = &DsigContext> {
        self.keys
            .iter()
            .filter(move |k| k.not_before <= now && now <= k.not_after)
            .map(|k| &k.context)
    }
}

fn trusted(der: &[u8]) -> Result<TrustedKey, KeyError> {
    let certificate = Certificate::from_der(der).map_err(|_| KeyError::Certificate)?;
    let validity = &certificate.tbs_certificate.validity;
    let time = |time: &x509_cert::time::Time| {
        let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok();
        seconds.and_then(|s| Timestamp::from_second(s).ok()).ok_or(KeyError::Certificate)
    };
    let (not_before, not_after) = (time(&validity.not_before)?, time(&validity.not_after)?);
    if !is_strong(&certificate.tbs_certificate.subject_public_key_info) {
        return Err(KeyError::Key);
    }
    let key = bergshamra_keys::loader::load_x509_cert_der(der).map_err(|_| KeyError::Key)?;
    Ok(TrustedKey { not_before, not_after, context: context_of(key) })
}

/// A verifier for which only this key counts, and only references to what a signature stands in.
pub(super) fn context_of(key: Key) -> DsigContext {
    let mut keys = KeysManager::new();
    keys.add_key(key);
    DsigContext::new(keys)
}

/// RSA of 2,048 bits or more, or an elliptic curve.
pub(super) fn is_strong(spki: &SubjectPublicKeyInfoOwned) -> bool {
    let long_enough = spki.subject_public_key.raw_bytes().len() >= SHORTEST_RSA;
    spki.algorithm.oid == RSA && long_enough || spki.algorithm.oid == EC
}

pub(super) const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// Modulus of 2,048 bits, exponent and lengths.
const SHORTEST_RSA: usize = 2048 / 8 + 8;
