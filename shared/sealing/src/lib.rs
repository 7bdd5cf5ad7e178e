//! What is kept encrypted: each object by a key of its own, which is kept encrypted by a key that is
//! elsewhere, and its bytes in pieces that are read one by one.

#![warn(missing_docs)]

mod keys;
mod pieces;

pub use keys::{DataKey, FileKeys, KeyError, KeyWrapper, WrappedKey};
pub use pieces::{ByteStream, Sealer, SealingError, opened, plain_size, sealed_range, sealed_size};
