//! Keys that short tokens are signed with, and those by which they are believed, in files that are read
//! again when they change.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
};
use base64::Engine as _;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse, ThumbprintHash,
};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Header};
use serde::Serialize;
use serde_json::Value;

#[cfg(test)]
mod tests;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    /// The file cannot be read or written.
    #[error("{} cannot be read or written", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Whoever reads the file can speak for everybody.
    #[error("the key {} can be read by others: chmod 600 it", file.display())]
    ReadByOthers {
        /// The file.
        file: PathBuf,
    },
    /// The file is not a key of ours.
    #[error("{} is no P-256 key (PKCS#8 in PEM)", file.display())]
    NotAKey {
        /// The file.
        file: PathBuf,
    },
    /// The same, of a key that others know.
    #[error("{} is no RSA key of 2048 bits or more, P-384 or P-256 key (PKCS#8 in PEM)", file.display())]
    NotAClientKey {
        /// The file.
        file: PathBuf,
    },
    /// The file does not hold public keys.
    #[error("{}: {what}", file.display())]
    NotAKeySet {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The file is there already.
    #[error("{} is there already: a new key gets a file of its own", file.display())]
    Exists {
        /// The file.
        file: PathBuf,
    },
    /// The cryptography library failed.
    #[error("no key could be made")]
    Generate,
    /// The same.
    #[error("a token could not be signed")]
    Sign,
}

/// A key that tokens are signed with: ECDSA on P-256 with SHA-256 (`ES256`).
pub struct SigningKey {
    id: String,
    signing: EncodingKey,
    public: Jwk,
}

impl SigningKey {
    /// The key of a file (PKCS#8 in PEM) that not everybody can read.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn read(file: &Path) -> Result<Self, SigningKeyError> {
        let pem = secret_of(file)?;
        Self::from_pem(&pem).ok_or_else(|| SigningKeyError::NotAKey { file: file.to_owned() })
    }

    /// Its id: the thumbprint of its public half. RFC 7638.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Signs claims as a compact token of this type.
    ///
    /// # Errors
    /// When the cryptography library fails.
    pub fn sign<T: Serialize>(&self, kind: &str, claims: &T) -> Result<String, SigningKeyError> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some(kind.to_owned());
        header.kid = Some(self.id.clone());
        let signed = jsonwebtoken::encode(&header, claims, &self.signing);
        signed.map_err(|_| SigningKeyError::Sign)
    }

    /// The key itself, for tests that forge.
    #[cfg(test)]
    pub(crate) fn secret(&self) -> &EncodingKey {
        &self.signing
    }

    fn from_pem(pem: &[u8]) -> Option<Self> {
        let signing = EncodingKey::from_ec_pem(pem).ok()?;
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, signing.as_bytes()).ok()?;
        let mut public = Jwk::from_encoding_key(&signing, Algorithm::ES256).ok()?;
        let id = public.thumbprint(ThumbprintHash::SHA256).ok()?;
        public.common.key_id = Some(id.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Some(Self { id, signing, public })
    }
}

/// A key by which we show a system elsewhere who we are (`private_key_jwt`): RSA (`RS384`), P-384
/// (`ES384`) or P-256 (`ES256`). SMART App Launch 2: client-confidential-asymmetric.
pub struct ClientKey {
    id: String,
    algorithm: Algorithm,
    signing: EncodingKey,
}

impl ClientKey {
    /// The key of a file (PKCS#8 in PEM) that not everybody can read.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn read(file: &Path) -> Result<Self, SigningKeyError> {
        let pem = secret_of(file)?;
        Self::from_pem(&pem).ok_or_else(|| SigningKeyError::NotAClientKey { file: file.to_owned() })
    }

    /// Signs claims as a compact JWT, which names the key by the thumbprint of its public half.
    ///
    /// # Errors
    /// When the cryptography library fails.
    pub fn sign<T: Serialize>(&self, claims: &T) -> Result<String, SigningKeyError> {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.id.clone());
        let signed = jsonwebtoken::encode(&header, claims, &self.signing);
        signed.map_err(|_| SigningKeyError::Sign)
    }

    fn from_pem(pem: &[u8]) -> Option<Self> {
        let is = |key: &EncodingKey, curve| EcdsaKeyPair::from_pkcs8(curve, key.as_bytes()).is_ok();
        let (signing, algorithm) = match EncodingKey::from_ec_pem(pem) {
            Ok(key) if is(&key, &ECDSA_P256_SHA256_FIXED_SIGNING) => (key, Algorithm::ES256),
            Ok(key) if is(&key, &ECDSA_P384_SHA384_FIXED_SIGNING) => (key, Algorithm::ES384),
            Ok(_) => return None,
            Err(_) => (EncodingKey::from_rsa_pem(pem).ok()?, Algorithm::RS384),
        };
        let public = Jwk::from_encoding_key(&signing, algorithm).ok()?;
        // No weaker one than we would take.
        Foreign::of(&serde_json::to_value(&public).ok()?).ok()?;
        let id = public.thumbprint(ThumbprintHash::SHA256).ok()?;
        Some(Self { id, algorithm, signing })
    }
}

/// Public keys of ours, by their ids.
pub struct PublicKeys {
    keys: Vec<(String, DecodingKey)>,
    set: JwkSet,
}

impl PublicKeys {
    /// The keys of a file (a JWK set): P-256, each with an id.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn read(file: &Path) -> Result<Self, SigningKeyError> {
        let wrong = |what: String| SigningKeyError::NotAKeySet { file: file.to_owned(), what };
        let set = set_of(file)?;
        let mut keys: Vec<(String, DecodingKey)> = Vec::new();
        for jwk in &set.keys {
            let id = jwk.common.key_id.clone();
            let id = id.ok_or_else(|| wrong("a key has no kid".to_owned()))?;
            let fits = matches!(&jwk.algorithm, AlgorithmParameters::EllipticCurve(curve)
                if curve.curve == EllipticCurve::P256);
            let key = DecodingKey::from_jwk(jwk).ok().filter(|_| fits);
            let key = key.ok_or_else(|| wrong(format!("the key {id} is no P-256 key")))?;
            if keys.iter().any(|(other, _)| *other == id) {
                return Err(wrong(format!("the key {id} is there twice")));
            }
            keys.push((id, key));
        }
        if keys.is_empty() {
            return Err(wrong("there is no key in it".to_owned()));
        }
        Ok(Self { keys, set })
    }

    /// The set, for others to believe.
    pub fn set(&self) -> &JwkSet {
        &self.set
    }

    /// The key of this id.
    pub fn find(&self, id: &str) -> Option<&DecodingKey> {
        self.keys.iter().find(|(known, _)| known == id).map(|(_, key)| key)
    }
}

/// Public keys of somebody else, who signs with RSA or ECDSA.
pub struct ForeignKeys(Vec<Foreign>);

struct Foreign {
    id: Option<String>,
    algorithm: Option<Algorithm>,
    curve: Option<EllipticCurve>,
    key: DecodingKey,
}

impl ForeignKeys {
    /// The keys of a file (a JWK set).
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn read(file: &Path) -> Result<Self, SigningKeyError> {
        let bytes = bytes_of(file)
            .map_err(|source| SigningKeyError::File { file: file.to_owned(), source })?;
        let wrong = |what: String| SigningKeyError::NotAKeySet { file: file.to_owned(), what };
        let value = serde_json::from_slice(&bytes);
        let value: Value = value.map_err(|error| wrong(format!("is no JWK set: {error}")))?;
        Self::from_value(&value).map_err(wrong)
    }

    /// The keys of a JWK set.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_value(value: &Value) -> Result<Self, String> {
        let keys = value["keys"].as_array().ok_or("is no JWK set: it has no keys")?;
        if keys.is_empty() {
            return Err("there is no key in it".to_owned());
        }
        let mut all: Vec<Foreign> = Vec::new();
        for key in keys {
            let key = Foreign::of(key)?;
            if key.id.is_some() && all.iter().any(|other| other.id == key.id) {
                return Err("a kid is there twice".to_owned());
            }
            all.push(key);
        }
        Ok(Self(all))
    }

    /// The key that a token of this algorithm is to be verified with: the one of the id, or the only
    /// one where no id is given.
    pub fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&DecodingKey> {
        let found = match (id, self.0.as_slice()) {
            (Some(id), all) => all.iter().find(|key| key.id.as_deref() == Some(id))?,
            (None, [only]) => only,
            (None, _) => return None,
        };
        found.fits(algorithm).then_some(&found.key)
    }
}

impl Foreign {
    fn of(value: &Value) -> Result<Self, String> {
        // Whoever sends us a secret has to make a new one.
        if ["d", "k", "p", "q"].iter().any(|secret| value.get(secret).is_some()) {
            return Err("a secret key is in it: give the public one only".to_owned());
        }
        let jwk: Jwk = serde_json::from_value(value.clone()).map_err(|e| format!("a key: {e}"))?;
        if jwk.common.public_key_use.as_ref().is_some_and(|u| *u != PublicKeyUse::Signature) {
            return Err("a key is not for signatures".to_owned());
        }
        let curve = if let AlgorithmParameters::EllipticCurve(key) = &jwk.algorithm {
            if ![EllipticCurve::P256, EllipticCurve::P384].contains(&key.curve) {
                return Err("a key is of a curve other than P-256 and P-384".to_owned());
            }
            Some(key.curve.clone())
        } else if let AlgorithmParameters::RSA(key) = &jwk.algorithm {
            let modulus = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(&key.n);
            let modulus = modulus.map_err(|_| "the modulus of a key cannot be read")?;
            let bytes = modulus.iter().skip_while(|byte| **byte == 0).count();
            if !(256..=1024).contains(&bytes) {
                return Err("an RSA key has fewer than 2048 bits, or more than 8192".to_owned());
            }
            None
        } else {
            return Err("a key is neither RSA nor ECDSA".to_owned());
        };
        let algorithm = jwk.common.key_algorithm.map(|algorithm| algorithm.to_string().parse());
        let algorithm = algorithm.transpose().map_err(|_| "alg of a key is not for signatures")?;
        let key = DecodingKey::from_jwk(&jwk).map_err(|_| "a key cannot be used")?;
        Ok(Self { id: jwk.common.key_id, algorithm, curve, key })
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        let rsa = AlgorithmFamily::Rsa.algorithms().contains(&algorithm);
        let kind = match &self.curve {
            Some(curve) if *curve == EllipticCurve::P256 => algorithm == Algorithm::ES256,
            Some(_) => algorithm == Algorithm::ES384,
            None => rsa,
        };
        kind && self.algorithm.is_none_or(|named| named == algorithm)
    }
}

/// Makes a key in a file that only its owner can read, and adds its public half to the set that
/// others read; the keys that are in it already stay. Gives the key's id.
///
/// # Errors
/// When the key's file is there already, or a file cannot be written.
pub fn make_key(key: &Path, set: &Path) -> Result<String, SigningKeyError> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
        .map_err(|_| SigningKeyError::Generate)?;
    let der = pair.to_pkcs8v1().map_err(|_| SigningKeyError::Generate)?;
    let pem = pem(der.as_ref());
    let made = SigningKey::from_pem(pem.as_bytes()).ok_or(SigningKeyError::Generate)?;
    let mut all = match set_of(set) {
        Ok(all) => all,
        Err(SigningKeyError::File { source, .. }) if source.kind() == ErrorKind::NotFound => {
            JwkSet { keys: Vec::new() }
        }
        Err(error) => return Err(error),
    };
    all.keys.push(made.public);
    let failed = |file: &Path| {
        let file = file.to_owned();
        move |source| SigningKeyError::File { file, source }
    };
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(key) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(SigningKeyError::Exists { file: key.to_owned() });
        }
        opened => opened.map_err(failed(key))?,
    };
    file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()).map_err(failed(key))?;
    let text = serde_json::to_vec_pretty(&all).map_err(|_| SigningKeyError::Generate)?;
    // Beside and renamed: whoever reads meanwhile reads the old one whole.
    let beside = set.with_extension("new");
    let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, set));
    written.map_err(failed(set))?;
    Ok(made.id)
}

fn set_of(file: &Path) -> Result<JwkSet, SigningKeyError> {
    let failed = |source| SigningKeyError::File { file: file.to_owned(), source };
    let bytes = bytes_of(file).map_err(failed)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let what = format!("is no JWK set: {error}");
        SigningKeyError::NotAKeySet { file: file.to_owned(), what }
    })
}

/// What is in a file that not everybody can read.
fn secret_of(file: &Path) -> Result<Vec<u8>, SigningKeyError> {
    let failed = |source| SigningKeyError::File { file: file.to_owned(), source };
    let mode = fs::metadata(file).map_err(failed)?.permissions().mode();
    if mode & 0o007 != 0 {
        return Err(SigningKeyError::ReadByOthers { file: file.to_owned() });
    }
    bytes_of(file).map_err(failed)
}

fn bytes_of(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(file)?.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn pem(der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        pem.extend([line, "\n"]);
        rest = more;
    }
    pem + "-----END PRIVATE KEY-----\n"
}

/// What a file says, read again when it changes. What cannot be read leaves what was known.
pub struct Watched<T> {
    file: PathBuf,
    read: fn(&Path) -> Result<T, SigningKeyError>,
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Arc<T>,
    seen: Seen,
    looked_at: Timestamp,
}

type Seen = Option<(SystemTime, u64)>;

impl<T> Watched<T> {
    /// Reads a file for the first time.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn open(
        file: &Path,
        read: fn(&Path) -> Result<T, SigningKeyError>,
        now: Timestamp,
    ) -> Result<Self, SigningKeyError> {
        let seen = look(file);
        let value = Arc::new(read(file)?);
        let state = Mutex::new(State { value, seen, looked_at: now });
        Ok(Self { file: file.to_owned(), read, state })
    }

    /// What it says now.
    pub fn now(&self, now: Timestamp) -> Arc<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Also where the clock was put back.
        if now.duration_since(state.looked_at).abs() >= LOOK_EVERY {
            state.looked_at = now;
            let seen = look(&self.file);
            if seen != state.seen {
                match (self.read)(&self.file) {
                    Ok(value) => {
                        state.value = Arc::new(value);
                        state.seen = seen;
                    }
                    Err(error) => tracing::error!(%error, "the keys before stay in use"),
                }
            }
        }
        state.value.clone()
    }
}

fn look(file: &Path) -> Seen {
    let found = fs::metadata(file).ok()?;
    Some((found.modified().ok()?, found.len()))
}

const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(2);
const MAX_FILE_BYTES: u64 = 256 << 10;
