//! The files of keys: the secret one of a portal, and the public ones that nodes know. Both are read
//! again when they change.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse, ThumbprintHash,
};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum DelegationKeyError {
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
    /// The file is not a key that delegations are signed with.
    #[error("{} is no P-256 key (PKCS#8 in PEM)", file.display())]
    NotAKey {
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
}

/// A key that delegations are signed with.
pub(super) struct SigningKey {
    pub id: String,
    pub signing: EncodingKey,
    public: Jwk,
}

impl SigningKey {
    pub fn read(file: &Path) -> Result<Self, DelegationKeyError> {
        let failed = |source| DelegationKeyError::File { file: file.to_owned(), source };
        let mode = fs::metadata(file).map_err(failed)?.permissions().mode();
        if mode & 0o007 != 0 {
            return Err(DelegationKeyError::ReadByOthers { file: file.to_owned() });
        }
        let pem = bytes_of(file).map_err(failed)?;
        Self::from_pem(&pem).ok_or_else(|| DelegationKeyError::NotAKey { file: file.to_owned() })
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

/// The public keys of portals, by their ids.
pub(super) struct PublicKeys(Vec<(String, DecodingKey)>);

impl PublicKeys {
    pub fn read(file: &Path) -> Result<Self, DelegationKeyError> {
        let wrong = |what: String| DelegationKeyError::NotAKeySet { file: file.to_owned(), what };
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
        Ok(Self(keys))
    }

    pub fn find(&self, id: &str) -> Option<&DecodingKey> {
        self.0.iter().find(|(known, _)| known == id).map(|(_, key)| key)
    }
}

/// Makes a key in a file that only its owner can read, and adds its public half to the set that
/// nodes read; the keys that are in it already stay. Gives the key's id.
///
/// # Errors
/// When the key's file is there already, or a file cannot be written.
pub fn make_key(key: &Path, set: &Path) -> Result<String, DelegationKeyError> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
        .map_err(|_| DelegationKeyError::Generate)?;
    let der = pair.to_pkcs8v1().map_err(|_| DelegationKeyError::Generate)?;
    let pem = pem(der.as_ref());
    let made = SigningKey::from_pem(pem.as_bytes()).ok_or(DelegationKeyError::Generate)?;
    let mut all = match set_of(set) {
        Ok(all) => all,
        Err(DelegationKeyError::File { source, .. }) if source.kind() == ErrorKind::NotFound => {
            JwkSet { keys: Vec::new() }
        }
        Err(error) => return Err(error),
    };
    all.keys.push(made.public);
    let failed = |file: &Path| {
        let file = file.to_owned();
        move |source| DelegationKeyError::File { file, source }
    };
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(key) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(DelegationKeyError::Exists { file: key.to_owned() });
        }
        opened => opened.map_err(failed(key))?,
    };
    file.write_all(pem.as_bytes()).and_then(|()| file.sync_all()).map_err(failed(key))?;
    let text = serde_json::to_vec_pretty(&all).map_err(|_| DelegationKeyError::Generate)?;
    // Beside and renamed: whoever reads meanwhile reads the old one whole.
    let beside = set.with_extension("new");
    let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, set));
    written.map_err(failed(set))?;
    Ok(made.id)
}

fn set_of(file: &Path) -> Result<JwkSet, DelegationKeyError> {
    let failed = |source| DelegationKeyError::File { file: file.to_owned(), source };
    let bytes = bytes_of(file).map_err(failed)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let what = format!("is no JWK set: {error}");
        DelegationKeyError::NotAKeySet { file: file.to_owned(), what }
    })
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
pub(super) struct Watched<T> {
    file: PathBuf,
    read: fn(&Path) -> Result<T, DelegationKeyError>,
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Arc<T>,
    seen: Seen,
    looked_at: Timestamp,
}

type Seen = Option<(SystemTime, u64)>;

impl<T> Watched<T> {
    pub fn open(
        file: &Path,
        read: fn(&Path) -> Result<T, DelegationKeyError>,
        now: Timestamp,
    ) -> Result<Self, DelegationKeyError> {
        let seen = look(file);
        let value = Arc::new(read(file)?);
        let state = Mutex::new(State { value, seen, looked_at: now });
        Ok(Self { file: file.to_owned(), read, state })
    }

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
