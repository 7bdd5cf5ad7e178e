use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::TreeHash;

/// The secret with which heads are signed: Ed25519 (RFC 8032).
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// The key of a secret of 32 random bytes.
    ///
    /// # Errors
    /// When the secret cannot be a key's.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::NotAKey)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| KeyError::NotAKey)?;
        Ok(Self { pair, public: PublicKey(public) })
    }

    /// By which others check.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }

    /// Says that another key, or this one itself, signs from now on.
    pub fn endorse(&self, key: &PublicKey, made_at: i64) -> Endorsement {
        let signature = BASE64.encode(self.sign(&endorsed_bytes(key, made_at)));
        Endorsement { key: key.clone(), made_at, by: self.public.clone(), signature }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.id())
    }
}

/// The public half of a key. As text it is `carerecord-audit:ID:BASE64`.
#[derive(Clone, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// The key of these bytes.
    ///
    /// # Errors
    /// When they are not 32.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        bytes.try_into().map(Self).map_err(|_| KeyError::NotAKey)
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its short name: the first 16 hexadecimal digits of its SHA-256.
    pub fn id(&self) -> KeyId {
        let hash = super::digest(&[&self.0]);
        KeyId(hash.0.iter().take(8).map(|b| format!("{b:02x}")).collect())
    }

    /// Checks a signature.
    ///
    /// # Errors
    /// When it is not this key's.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), KeyError> {
        UnparsedPublicKey::new(&ED25519, self.0)
            .verify(message, signature)
            .map_err(|_| KeyError::Signature)
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let rest = text.trim().strip_prefix(PREFIX).ok_or(KeyError::NotAKey)?;
        let (id, key) = rest.split_once(':').ok_or(KeyError::NotAKey)?;
        let key = Self::from_bytes(&BASE64.decode(key).map_err(|_| KeyError::NotAKey)?)?;
        if key.id().0 == id { Ok(key) } else { Err(KeyError::NotAKey) }
    }
}

impl TryFrom<String> for PublicKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}:{}", self.id(), BASE64.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The short name of a key.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(String);

impl KeyId {
    /// A name as it stands in the database.
    pub(crate) fn stored(name: String) -> Self {
        Self(name)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One key's word for the next one; of the first key, for itself.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Endorsement {
    /// Which key signs from now on.
    pub key: PublicKey,
    /// Milliseconds since 1970, UTC.
    pub made_at: i64,
    /// Who says so.
    pub by: PublicKey,
    /// Ed25519 by `by`, in base64.
    pub signature: String,
}

impl Endorsement {
    /// The signature's bytes; empty when they are not base64.
    pub fn signature_bytes(&self) -> Vec<u8> {
        BASE64.decode(&self.signature).unwrap_or_default()
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// When it is not of the key that it names.
    pub fn verify(&self) -> Result<(), KeyError> {
        self.by.verify(&endorsed_bytes(&self.key, self.made_at), &self.signature_bytes())
    }
}

/// The keys that are trusted: those that were given, and those that a trusted one vouches for.
#[derive(Clone, Debug, Default)]
pub struct KeyRing(HashMap<KeyId, PublicKey>);

impl KeyRing {
    /// A ring of these keys.
    pub fn trusting(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        Self(keys.into_iter().map(|key| (key.id(), key)).collect())
    }

    /// Takes in what trusted keys vouch for, in whatever order.
    pub fn learn(&mut self, endorsements: &[Endorsement]) {
        let mut before = usize::MAX;
        while before != self.0.len() {
            before = self.0.len();
            for e in endorsements {
                if self.get(&e.by.id()) == Some(&e.by) && e.verify().is_ok() {
                    self.0.insert(e.key.id(), e.key.clone());
                }
            }
        }
    }

    /// The trusted key of this name.
    pub fn get(&self, id: &KeyId) -> Option<&PublicKey> {
        self.0.get(id)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Why a key or a signature is not accepted.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum KeyError {
    /// Not the form of a key.
    #[error("not a key of an audit log: carerecord-audit:ID:BASE64 is expected")]
    NotAKey,
    /// Not this key's signature.
    #[error("the signature is not this key's")]
    Signature,
}

/// A hash under a label of its own, so that no head can be taken for it.
fn endorsed_bytes(key: &PublicKey, made_at: i64) -> Vec<u8> {
    let TreeHash(hash) =
        super::digest(&[b"carerecord audit key\0", &key.0, &made_at.to_be_bytes()]);
    [b"carerecord audit key\0".as_slice(), &hash].concat()
}

const PREFIX: &str = "carerecord-audit:";

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> SigningKey {
        SigningKey::from_seed(&[n; 32]).unwrap()
    }

    /// RFC 8032, 7.1, test 1.
    #[test]
    fn a_signature_is_ed25519() {
        let seed: [u8; 32] = [
            0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec,
            0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03,
            0x1c, 0xae, 0x7f, 0x60,
        ];
        let key = SigningKey::from_seed(&seed).unwrap();

        assert_eq!(key.public().0[..4], [0xd7, 0x5a, 0x98, 0x01]);
        assert_eq!(key.sign(b"")[..4], [0xe5, 0x56, 0x43, 0x00]);
    }

    #[test]
    fn a_key_reads_as_it_is_written() {
        let text = key(1).public().to_string();

        assert_eq!(&text.parse::<PublicKey>().unwrap(), key(1).public());
        assert!(
            text.replace("carerecord-audit:", "carerecord-audit:00").parse::<PublicKey>().is_err()
        );
        assert!("carerecord-audit:".parse::<PublicKey>().is_err());
    }

    #[test]
    fn trust_goes_from_key_to_key_and_no_further() {
        let chain = [
            key(2).endorse(key(3).public(), 2),
            key(1).endorse(key(2).public(), 1),
            key(1).endorse(key(1).public(), 0),
            key(9).endorse(key(9).public(), 0),
        ];
        let mut forged = key(9).endorse(key(8).public(), 3);
        forged.by = key(3).public().clone();
        let mut ring = KeyRing::trusting([key(1).public().clone()]);

        ring.learn(&chain);
        ring.learn(&[forged]);

        for n in [1, 2, 3] {
            assert!(ring.get(&key(n).public().id()).is_some(), "{n}");
        }
        for n in [8, 9] {
            assert!(ring.get(&key(n).public().id()).is_none(), "{n}");
        }
    }
}
