//! The keys that the keys of a node's documents are encrypted with, out of files.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use carerecord_sealing::{DataKey, FileKeys, KeyWrapper};
use serde::Deserialize;
use zeroize::Zeroizing;

/// `encryption` of a `[[repository]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EncryptionConfig {
    /// The name of the key for new documents; without it they are stored as they come, and those
    /// of before are read.
    key: Option<String>,
    /// Files of keys by name: of the one for new documents and of those from before.
    keys: BTreeMap<String, PathBuf>,
}

impl EncryptionConfig {
    /// Reads the keys. A relative path is taken from `base`.
    pub fn load(&self, base: &Path) -> anyhow::Result<Arc<dyn KeyWrapper>> {
        let mut keys = Vec::new();
        for (name, file) in &self.keys {
            keys.push((name.clone(), read(&base.join(file))?));
        }
        let keys = FileKeys::new(self.key.clone(), keys);
        Ok(Arc::new(keys.context("encryption.key is not one of encryption.keys")?))
    }

    /// Whether there is a key of this name.
    pub fn has(&self, name: &str) -> bool {
        self.keys.contains_key(name)
    }
}

/// 32 bytes: as they are, in Base64 (`openssl rand -base64 32`) or in hex.
fn read(file: &Path) -> anyhow::Result<DataKey> {
    let name = file.display();
    let failed = || format!("cannot read the key {name}");
    let bytes = Zeroizing::new(std::fs::read(file).with_context(failed)?);
    let mode = std::fs::metadata(file).with_context(failed)?.permissions().mode();
    ensure!(mode & 0o077 == 0, "the key {name} can be read by others: chmod 600 it");
    let text = std::str::from_utf8(&bytes).map(str::trim).unwrap_or_default();
    let decoded = match text.len() {
        64 => hex(text),
        _ => STANDARD.decode(text).ok(),
    };
    let decoded = decoded.map(Zeroizing::new);
    let key = DataKey::from_slice(&bytes).or_else(|| DataKey::from_slice(&decoded?));
    key.with_context(|| format!("{name} does not hold 32 bytes, in Base64, hex or as they are"))
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let pair = |n: usize| u8::from_str_radix(text.get(n..n + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(folder: &Path, name: &str, bytes: &[u8]) {
        std::fs::write(folder.join(name), bytes).unwrap();
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(folder.join(name), mode).unwrap();
    }

    fn parse(text: &str) -> EncryptionConfig {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_key_is_32_bytes_in_three_ways() {
        let folder = tempfile::tempdir().unwrap();
        let base64 = STANDARD.encode([0x41; 32]);
        for bytes in [&[0x41u8; 32] as &[u8], base64.as_bytes(), &b"41".repeat(32)] {
            written(folder.path(), "a.key", bytes);
            let key = read(&folder.path().join("a.key")).unwrap();
            assert_eq!(key.expose(), &[0x41; 32]);
        }
        for bytes in [b"" as &[u8], b"short", &[0x41u8; 31], &b"4g".repeat(32)] {
            written(folder.path(), "a.key", bytes);
            assert!(read(&folder.path().join("a.key")).is_err());
        }
    }

    #[test]
    fn what_is_wrong_with_keys_is_said() {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path(), "a.key", &[1; 32]);
        let load = |text: &str| parse(text).load(folder.path()).map(|_| ());

        load("key = 'a'\nkeys = { a = 'a.key' }").unwrap();
        load("keys = { a = 'a.key' }").unwrap();
        let told = |text: &str| format!("{:#}", load(text).unwrap_err());
        assert!(told("key = 'b'\nkeys = { a = 'a.key' }").contains("not one of encryption.keys"));
        assert!(told("key = 'b'\nkeys = { b = 'b.key' }").contains("b.key"));
        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(folder.path().join("a.key"), open).unwrap();
        assert!(told("key = 'a'\nkeys = { a = 'a.key' }").contains("chmod 600"));
    }
}
