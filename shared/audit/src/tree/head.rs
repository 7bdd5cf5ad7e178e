use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{KeyId, PublicKey, SigningKey, TreeHash};

/// What a log says of itself: how many records there are, and the root over them.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct TreeHead {
    /// Which log.
    pub log: Uuid,
    /// Over records 1 to this one.
    pub tree_size: u64,
    /// When it was made: milliseconds since 1970, UTC.
    pub timestamp: i64,
    /// The root.
    pub root: TreeHash,
}

impl TreeHead {
    /// What is signed: `TreeHeadDataV2` of RFC 9162, 4.10. Several logs may share a key, so the log's
    /// name is in it, as an extension of the range for private use.
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + 8 + 1 + 32 + 2 + 4 + 16);
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(self.tree_size.to_be_bytes());
        bytes.push(32);
        bytes.extend(self.root.0);
        bytes.extend(20u16.to_be_bytes());
        bytes.extend(LOG_NAME.to_be_bytes());
        bytes.extend(16u16.to_be_bytes());
        bytes.extend(self.log.as_bytes());
        bytes
    }

    /// The head with its signature.
    pub fn sign(self, key: &SigningKey) -> SignedHead {
        let signature = key.sign(&self.signed_bytes());
        SignedHead { head: self, key: key.public().id(), signature: BASE64.encode(signature) }
    }
}

/// A head with its signature, as it is stored, exported and given to witnesses.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct SignedHead {
    /// What is signed.
    #[serde(flatten)]
    pub head: TreeHead,
    /// By which key.
    pub key: KeyId,
    /// Ed25519 (RFC 8032) over `signed_bytes`, in base64.
    pub signature: String,
}

impl SignedHead {
    /// The signature's bytes; empty when they are not base64.
    pub fn signature_bytes(&self) -> Vec<u8> {
        BASE64.decode(&self.signature).unwrap_or_default()
    }

    /// Checks the signature.
    ///
    /// # Errors
    /// When it is not this key's.
    pub fn verify(&self, key: &PublicKey) -> Result<(), HeadError> {
        key.verify(&self.head.signed_bytes(), &self.signature_bytes())
            .map_err(|_| HeadError::Forged(self.head.tree_size))
    }
}

/// Why a head is not believed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HeadError {
    /// The signature does not fit.
    #[error("the signature of the head over {0} records is not its key's")]
    Forged(u64),
}

/// The extension that names the log. RFC 9162, 10.2.4: from 0xF000 on it is for private use.
const LOG_NAME: u16 = 0xF000;

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> TreeHead {
        TreeHead {
            log: Uuid::from_u128(0x0102_0304),
            tree_size: 3,
            timestamp: 0x0a0b,
            root: TreeHash([7; 32]),
        }
    }

    #[test]
    fn what_is_signed_has_the_form_of_rfc_9162() {
        let mut expected = vec![0, 0, 0, 0, 0, 0, 0x0a, 0x0b, 0, 0, 0, 0, 0, 0, 0, 3, 32];
        expected.extend([7; 32]);
        expected.extend([0, 20, 0xf0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);

        assert_eq!(head().signed_bytes(), expected);
    }

    #[test]
    fn a_head_is_believed_only_as_it_was_signed() {
        let key = SigningKey::from_seed(&[1; 32]).unwrap();
        let other = SigningKey::from_seed(&[2; 32]).unwrap();
        let signed = head().sign(&key);
        let read: SignedHead =
            serde_json::from_str(&serde_json::to_string(&signed).unwrap()).unwrap();

        assert_eq!(read, signed);
        assert!(read.verify(key.public()).is_ok());
        assert!(read.verify(other.public()).is_err());
        let changes: [fn(&mut SignedHead); 5] = [
            |s| s.head.tree_size += 1,
            |s| s.head.timestamp += 1,
            |s| s.head.root.0[31] ^= 1,
            |s| s.head.log = Uuid::nil(),
            |s| s.signature.truncate(10),
        ];
        for change in changes {
            let mut changed = signed.clone();
            change(&mut changed);
            assert!(changed.verify(key.public()).is_err(), "{changed:?}");
        }
    }
}
