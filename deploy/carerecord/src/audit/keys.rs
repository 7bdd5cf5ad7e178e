//! The files of the key: the secret, the public keys for verifiers, and how each key vouches for the
//! next.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use carerecord_audit::{Endorsement, PublicKey, SigningKey, SigningKeys};
use carerecord_model::{Clock, SystemClock};
use clap::Args;

use super::sources::Databases;
use crate::key_file::key_file;

/// Whose key.
#[derive(Args)]
pub struct RotateOptions {
    #[command(flatten)]
    databases: Databases,
}

/// The key and those before it; made where there is none.
pub fn read(path: &Path, clock: &dyn Clock) -> anyhow::Result<SigningKeys> {
    let key = SigningKey::from_seed(&key_file(path)?)?;
    let mut endorsements = endorsements(path)?;
    if endorsements.iter().all(|e| &e.key != key.public()) {
        let first = key.endorse(key.public(), clock.now().as_millisecond());
        add(&history(path), &serde_json::to_string(&first)?)?;
        endorsements.push(first);
    }
    let public = public(path);
    if !public_keys(&public).is_ok_and(|keys| keys.contains(key.public())) {
        add(&public, &key.public().to_string())?;
    }
    Ok(SigningKeys { key, endorsements })
}

/// Makes a new key, which the old one vouches for, and puts it in its place. A process that runs
/// signs its next head with it.
pub fn rotate(options: &RotateOptions) -> anyhow::Result<ExitCode> {
    let path = options.databases.key()?;
    if !path.is_file() {
        bail!("there is no key {} yet: the first start makes one", path.display());
    }
    let old = read(&path, &SystemClock)?;
    let next = path.with_extension("key.next");
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", next.display()));
        }
        Ok(()) | Err(_) => {}
    }
    let new = SigningKey::from_seed(&key_file(&next)?)?;
    let endorsement = old.key.endorse(new.public(), SystemClock.now().as_millisecond());
    add(&history(&path), &serde_json::to_string(&endorsement)?)?;
    add(&public(&path), &new.public().to_string())?;
    fs::rename(&next, &path).with_context(|| format!("cannot replace {}", path.display()))?;
    println!("The new key is {}; the old one, {}, vouches for it.", new.public(), old.key.public());
    Ok(ExitCode::SUCCESS)
}

/// The file of public keys that stands beside a key.
pub fn public(path: &Path) -> PathBuf {
    path.with_extension("pub")
}

/// Reads a file of public keys, one a line; lines that begin with # are left out.
pub fn public_keys(file: &Path) -> anyhow::Result<Vec<PublicKey>> {
    let name = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
    let keys: Vec<PublicKey> =
        lines.map(str::parse).collect::<Result<_, _>>().with_context(|| name.to_string())?;
    if keys.is_empty() {
        bail!("{name} holds no key");
    }
    Ok(keys)
}

fn history(path: &Path) -> PathBuf {
    path.with_extension("keys")
}

fn endorsements(path: &Path) -> anyhow::Result<Vec<Endorsement>> {
    let file = history(path);
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    };
    let lines = text.lines().filter(|l| !l.trim().is_empty()).map(serde_json::from_str);
    lines.collect::<Result<_, _>>().with_context(|| format!("{} cannot be read", file.display()))
}

fn add(file: &Path, line: &str) -> anyhow::Result<()> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).create(true).open(file)?;
        file.write_all(format!("{line}\n").as_bytes())?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_vouched_for_when_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.key");
        let first = read(&path, &SystemClock).unwrap();
        assert_eq!(read(&path, &SystemClock).unwrap().key.public(), first.key.public());

        let options = RotateOptions { databases: Databases::of_data(folder.path()) };
        rotate(&options).unwrap();

        let second = read(&path, &SystemClock).unwrap();
        assert_ne!(second.key.public(), first.key.public());
        assert_eq!(second.endorsements.len(), 2);
        assert_eq!(&second.endorsements[1].by, first.key.public());
        assert!(second.endorsements.iter().all(|e| e.verify().is_ok()));
        let public = public_keys(&public(&path)).unwrap();
        assert_eq!(public, [first.key.public().clone(), second.key.public().clone()]);
    }

    #[test]
    fn what_is_no_public_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.pub");
        for text in ["", "# none\n", "carerecord-audit:1:AAAA\n"] {
            fs::write(&file, text).unwrap();
            assert!(public_keys(&file).is_err(), "{text}");
        }
    }
}
