//! Keys that a role makes for itself and keeps in its data folder.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, bail};

/// The 32 bytes of a file; made, readable by its owner only, where there is none.
pub fn key_file(path: &Path) -> anyhow::Result<[u8; 32]> {
    let name = path.display();
    match fs::read(path) {
        Ok(bytes) => {
            let mode = fs::metadata(path)?.permissions().mode();
            if mode & 0o077 != 0 {
                bail!("the key {name} can be read by others: chmod 600 it");
            }
            let key = bytes.try_into().ok();
            key.with_context(|| format!("{name} is not a key: remove it and a new one is made"))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make(path).with_context(|| format!("cannot make the key {name}"))
        }
        Err(error) => Err(error).with_context(|| format!("cannot read the key {name}")),
    }
}

fn make(path: &Path) -> anyhow::Result<[u8; 32]> {
    let mut key = [0; 32];
    aws_lc_rs::rand::fill(&mut key)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&key)?;
    file.sync_all()?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_from_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");

        let key = key_file(&path).unwrap();

        assert_eq!(key_file(&path).unwrap(), key);
        assert_ne!(key, [0; 32]);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(key_file(&path).unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn what_is_not_a_key_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        make(&path).unwrap();
        fs::write(&path, "short").unwrap();

        assert!(key_file(&path).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"short");
    }
}
