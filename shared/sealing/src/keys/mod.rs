//! Keys of objects. Each encrypted object has a key of its own, which is kept beside it, encrypted by a
//! key that is kept elsewhere: in a file, or with a key service.

mod files;

use std::fmt;

use async_trait::async_trait;
use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use zeroize::Zeroizing;

pub use files::FileKeys;

/// Why a key of an object could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No key has this name.
    #[error("there is no key named {0}")]
    Unknown(String),
    /// New objects are not to be encrypted.
    #[error("no key is named for new documents")]
    NoCurrent,
    /// The key of this name did not encrypt it.
    #[error("the key named {0} is not the one that was used")]
    Wrong(String),
    /// The service that keeps the keys did not answer, or has failed.
    #[error("the keys cannot be used: {0}")]
    Unavailable(String),
}

/// Keeps the keys that encrypt the keys of objects. A key service (KMS, HSM) is another one.
#[async_trait]
pub trait KeyWrapper: Send + Sync {
    /// The name of the key that new objects get; none where they are stored as they come.
    fn current(&self) -> Option<&str>;

    /// Encrypts the key of an object by the current key.
    ///
    /// # Errors
    /// When there is none, or it cannot be used.
    async fn wrap(&self, key: &DataKey, object: &str) -> Result<WrappedKey, KeyError>;

    /// Decrypts the key of an object, by whichever key it is encrypted with.
    ///
    /// # Errors
    /// When that key is not known, is another one, or cannot be used.
    async fn open(&self, wrapped: &WrappedKey, object: &str) -> Result<DataKey, KeyError>;
}

/// The key of one object. No formatter prints it, and nothing of it is left in memory.
pub struct DataKey(Zeroizing<[u8; 32]>);

impl DataKey {
    /// A key that nobody has had.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn random() -> Result<Self, KeyError> {
        let mut key = Zeroizing::new([0; 32]);
        let filled = aws_lc_rs::rand::fill(&mut *key);
        filled.map_err(|_| KeyError::Unavailable("no random numbers".to_owned()))?;
        Ok(Self(key))
    }

    /// A key of these bytes; `None` unless there are 32.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    /// The bytes, for whoever encrypts them.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn cipher(&self) -> LessSafeKey {
        cipher(&self.0)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(…)")
    }
}

/// The key of one object, encrypted.
#[derive(Clone, Eq, PartialEq)]
pub struct WrappedKey {
    /// The name of the key that encrypts it.
    pub key_id: String,
    /// As the keeper of that key made it.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey({}, …)", self.key_id)
    }
}

fn cipher(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("a key of AES-256 has 32 bytes"))
}
