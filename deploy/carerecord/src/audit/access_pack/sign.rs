//! The files of a pack, their hashes, and the signature over them.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context;
use carerecord_audit::{PublicKey, SigningKey};
use carerecord_portal_api::access_pack::manifest::{FileHash, MANIFEST, Manifest, SIGNATURE};
use jiff::Timestamp;

use super::named;

/// A folder that is being filled, for its owner only.
pub struct Folder {
    path: PathBuf,
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
        let mut hash = FileHash::default();
        hash.update(bytes);
        self.files.insert(name.to_owned(), hash.finish());
        Ok(())
    }

    /// Writes what is in it, and signs that.
    pub fn finish(mut self, key: &SigningKey, now: Timestamp) -> anyhow::Result<()> {
        let files = std::mem::take(&mut self.files);
        let (bytes, signature) = Manifest::new(now, files).sign(key)?;
        self.write_file(MANIFEST, &bytes)?;
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
    if !Manifest::is_signed(&bytes, &read(SIGNATURE)?, keys) {
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
        match hashed(&folder.join(name)) {
            Ok(found) if found == *hash => {}
            Ok(_) => return Ok(Some(format!("{name} was changed"))),
            Err(_) => return Ok(Some(format!("{name} is missing"))),
        }
    }
    Ok(None)
}

/// The hash of a file, which may be long.
fn hashed(path: &Path) -> io::Result<String> {
    let (mut file, mut hash) = (File::open(path)?, FileHash::default());
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finish()),
            n => hash.update(&buffer[..n]),
        }
    }
}

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
