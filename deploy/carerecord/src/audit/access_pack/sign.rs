//! The files of a pack, their hashes, and the signature over them.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use carerecord_audit::{PublicKey, SigningKey};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::named;

/// A folder that is being filled, for its owner only.
pub struct Folder {
    path: PathBuf,
    files: BTreeMap<String, String>,
}

/// What is signed.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    carerecord_access_pack: u32,
    made_at: Timestamp,
    /// SHA-256 in hex, by name.
    files: BTreeMap<String, String>,
}

impl Folder {
    /// An empty folder; what a run left that was broken off goes away.
    pub fn begin(path: &Path) -> anyhow::Result<Self> {
        if path.join(MARK).is_file() {
            fs::remove_dir_all(path).with_context(|| format!("cannot remove {}", named(path)))?;
        }
        DirBuilder::new()
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot make {}", named(path)))?;
        let folder = Self { path: path.to_owned(), files: BTreeMap::new() };
        folder.write_file(MARK, b"")?;
        Ok(folder)
    }

    /// Writes a file.
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        self.write_file(name, bytes)?;
        self.files.insert(name.to_owned(), sha256(bytes));
        Ok(())
    }

    /// Writes what is in it, and signs that.
    pub fn finish(mut self, key: &SigningKey, now: Timestamp) -> anyhow::Result<()> {
        let files = std::mem::take(&mut self.files);
        let manifest = Manifest { carerecord_access_pack: 1, made_at: now, files };
        let bytes = serde_json::to_vec_pretty(&manifest)?;
        self.write_file(MANIFEST, &bytes)?;
        let signature = format!("{}\n", BASE64.encode(key.sign(&signed_bytes(&bytes))));
        self.write_file(SIGNATURE, signature.as_bytes())?;
        let mark = self.path.join(MARK);
        fs::remove_file(&mark).with_context(|| format!("cannot remove {}", named(&mark)))
    }

    fn write_file(&self, name: &str, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.path.join(name);
        let write = || {
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            let mut file = file?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().with_context(|| format!("cannot write {}", named(&path)))
    }
}

/// What is wrong with a pack; `None` for one that is as it was made.
pub fn check(folder: &Path, keys: &[PublicKey]) -> anyhow::Result<Option<String>> {
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read(&path).with_context(|| format!("cannot read {}", named(&path)))
    };
    let bytes = read(MANIFEST)?;
    let signature = String::from_utf8_lossy(&read(SIGNATURE)?).trim().to_owned();
    let signature = BASE64.decode(signature).unwrap_or_default();
    let signed = signed_bytes(&bytes);
    if !keys.iter().any(|key| key.verify(&signed, &signature).is_ok()) {
        return Ok(Some(format!("{MANIFEST} is not signed by any of the keys")));
    }
    let manifest: Manifest = serde_json::from_slice(&bytes).context("the manifest is none")?;
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", named(folder)))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !manifest.files.contains_key(&name) && name != MANIFEST && name != SIGNATURE {
            return Ok(Some(format!("{name} was added")));
        }
    }
    for (name, hash) in &manifest.files {
        match fs::read(folder.join(name)) {
            Ok(bytes) if sha256(&bytes) == *hash => {}
            Ok(_) => return Ok(Some(format!("{name} was changed"))),
            Err(_) => return Ok(Some(format!("{name} is missing"))),
        }
    }
    Ok(None)
}

/// The key signs heads of logs as well: neither can be taken for the other.
fn signed_bytes(manifest: &[u8]) -> Vec<u8> {
    [b"carerecord access pack\n", manifest].concat()
}

fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

const MANIFEST: &str = "manifest.json";
const SIGNATURE: &str = "manifest.sig";
/// Stands in a folder that is not finished.
const MARK: &str = ".unfinished";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_done_to_a_pack_is_found() {
        let parent = tempfile::tempdir().unwrap();
        let place = parent.path().join("pack");
        let key = SigningKey::from_seed(&[1; 32]).unwrap();
        let make = || {
            let mut folder = Folder::begin(&place).unwrap();
            folder.write("index.html", b"<p>one</p>").unwrap();
            folder.write("documents.json", b"[]").unwrap();
            folder
        };
        drop(make());
        // One that was broken off is begun anew.
        make().finish(&key, Timestamp::UNIX_EPOCH).unwrap();
        let keys = [key.public().clone()];
        let found = || check(&place, &keys).unwrap();

        assert_eq!(found(), None);
        let other = SigningKey::from_seed(&[2; 32]).unwrap();
        assert!(check(&place, &[other.public().clone()]).unwrap().unwrap().contains("not signed"));
        fs::write(place.join("more.txt"), b"").unwrap();
        assert_eq!(found().as_deref(), Some("more.txt was added"));
        fs::remove_file(place.join("more.txt")).unwrap();
        fs::write(place.join("documents.json"), b"[1]").unwrap();
        assert_eq!(found().as_deref(), Some("documents.json was changed"));
        fs::remove_file(place.join("documents.json")).unwrap();
        assert_eq!(found().as_deref(), Some("documents.json is missing"));
        let manifest = fs::read_to_string(place.join(MANIFEST)).unwrap();
        fs::write(place.join(MANIFEST), manifest.replace("documents.json", "other.json")).unwrap();
        assert!(found().unwrap().contains("not signed"));
        // A folder that is somebody else's is left alone.
        assert!(Folder::begin(&place).is_err());
    }
}
