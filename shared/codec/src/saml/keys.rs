use bergshamra_dsig::DsigContext;
use bergshamra_keys::KeysManager;
use jiff::Timestamp;
use x509_cert::Certificate;
use x509_cert::der::Decode;

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
    let spki = &certificate.tbs_certificate.subject_public_key_info;
    let algorithm = spki.algorithm.oid.to_string();
    let long_enough = spki.subject_public_key.raw_bytes().len() >= SHORTEST_RSA;
    if !(algorithm == RSA && long_enough || algorithm == EC) {
        return Err(KeyError::Key);
    }
    let key = bergshamra_keys::loader::load_x509_cert_der(der).map_err(|_| KeyError::Key)?;
    let mut keys = KeysManager::new();
    keys.add_key(key);
    // Only the key given here counts, and only a reference to what the signature stands in.
    let context = DsigContext::new(keys);
    Ok(TrustedKey { not_before, not_after, context })
}

const RSA: &str = "1.2.840.113549.1.1.1";
const EC: &str = "1.2.840.10045.2.1";
/// Modulus of 2,048 bits, exponent and lengths.
const SHORTEST_RSA: usize = 2048 / 8 + 8;
