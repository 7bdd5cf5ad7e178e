//! What is signed of a pack: the hash of each of its files.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use carerecord_audit::{PublicKey, SigningKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What is signed.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    carerecord_access_pack: u32,
    made_at: Timestamp,
    /// SHA-256 in hex, by name.
    pub files: BTreeMap<String, String>,
}

impl Manifest {
    /// Of these files.
    pub fn new(made_at: Timestamp, files: BTreeMap<String, String>) -> Self {
        Self { carerecord_access_pack: 1, made_at, files }
    }

    /// The manifest and its signature, as they are written.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn sign(&self, key: &SigningKey) -> Result<(Vec<u8>, String), serde_json::Error> {
        let bytes = serde_json::to_vec_pretty(self)?;
        let signature = format!("{}\n", BASE64.encode(key.sign(&signed_bytes(&bytes))));
        Ok((bytes, signature))
    }

    /// Whether one of the keys has signed these bytes.
    pub fn is_signed(bytes: &[u8], signature: &[u8], keys: &[PublicKey]) -> bool {
        let signature = String::from_utf8_lossy(signature).trim().to_owned();
        let signature = BASE64.decode(signature).unwrap_or_default();
        let signed = signed_bytes(bytes);
        keys.iter().any(|key| key.verify(&signed, &signature).is_ok())
    }
}

/// A hash of the manifest, of bytes as they come.
pub struct FileHash(Context);

impl Default for FileHash {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl FileHash {
    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash in hex.
    pub fn finish(self) -> String {
        self.0.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The key signs heads of logs as well: neither can be taken for the other.
fn signed_bytes(manifest: &[u8]) -> Vec<u8> {
    [b"carerecord access pack\n", manifest].concat()
}

/// The file with the hashes, and the one with the signature over it.
pub const MANIFEST: &str = "manifest.json";
/// As it says.
pub const SIGNATURE: &str = "manifest.sig";
