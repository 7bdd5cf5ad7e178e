//! The Merkle tree over the records (RFC 9162, 2.1, with SHA-256): hashes, and the frontier from
//! which a root is made without the records before.

mod entry;
mod frontier;
mod head;
mod keys;
mod proof;
mod reader;

pub(crate) use entry::{Columns, ENTRIES};
pub(crate) use entry::{Entry, EntryRow};
pub(crate) use frontier::{Frontier, LEVELS_APART, Node};
pub use head::{HeadError, SignedHead, TreeHead};
pub use keys::{Endorsement, KeyError, KeyId, KeyRing, PublicKey, SigningKey};
pub use proof::{
    ConsistencyProof, InclusionProof, ProofError, prove_consistency, prove_inclusion, seq_of_id,
};
pub(crate) use reader::{NodeReader, as_i64, leaves};

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

/// A hash of the tree: SHA-256. In JSON it is base64.
#[derive(Clone, Copy, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TreeHash(pub [u8; 32]);

impl TreeHash {
    /// The hash of a leaf. RFC 9162, 2.1.1.
    pub fn leaf(entry: &[u8]) -> Self {
        digest(&[&[0], entry])
    }

    /// The hash of a node over two others. RFC 9162, 2.1.1.
    pub fn node(left: &Self, right: &Self) -> Self {
        digest(&[&[1], &left.0, &right.0])
    }

    /// The root of the tree of no leaves. RFC 9162, 2.1.1.
    pub fn empty() -> Self {
        digest(&[])
    }

    /// By which a witness tells where a record was: the first bytes of its leaf's hash.
    pub(crate) fn print(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

fn digest(parts: &[&[u8]]) -> TreeHash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    TreeHash(hash)
}

impl TryFrom<&[u8]> for TreeHash {
    type Error = WrongLength;

    fn try_from(bytes: &[u8]) -> Result<Self, WrongLength> {
        bytes.try_into().map(Self).map_err(|_| WrongLength)
    }
}

impl TryFrom<String> for TreeHash {
    type Error = WrongLength;

    fn try_from(text: String) -> Result<Self, WrongLength> {
        BASE64.decode(text).map_err(|_| WrongLength)?.as_slice().try_into()
    }
}

impl From<TreeHash> for String {
    fn from(hash: TreeHash) -> Self {
        BASE64.encode(hash.0)
    }
}

impl fmt::Display for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(self.0))
    }
}

impl fmt::Debug for TreeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What should be a hash is not 32 bytes.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a hash is 32 bytes in base64")]
pub struct WrongLength;
