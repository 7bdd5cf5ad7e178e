//! `carerecord audit access-pack`: what the record holds of one person, who looked, who tried to, and
//! why, for the person who asks. nhs.md 5.8.
//!
//! Documents themselves are not in it: their controllers are the organisations that keep them, and
//! the pack says of each document which one that is.

mod gather;
mod logs;
mod sign;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use askama::Template;
use carerecord_access::Policy;
use carerecord_model::{Clock, NhsNumber, SystemClock};
use carerecord_portal_api::access_pack::contents::Index;
use clap::Args;

use super::NOT_WHOLE;
use super::keys::{public_keys, read};
use super::sources::{Databases, record_reading};
use crate::config::Config;
use crate::progress::bar;
use crate::roles::AskedRegistry;
use sign::Folder;

/// Whose pack, and where.
#[derive(Args)]
pub struct PackOptions {
    /// The configuration file of a portal, or of a process with every role
    #[arg(long)]
    config: PathBuf,
    /// The person (NHS Number)
    #[arg(long)]
    number: NhsNumber,
    /// The folder that is made for it
    #[arg(long)]
    to: PathBuf,
}

/// Which pack to check.
#[derive(Args)]
pub struct CheckPackOptions {
    /// The folder
    pack: PathBuf,
    /// The public keys (audit.pub)
    #[arg(long)]
    key: PathBuf,
}

/// Makes the pack beside its place, and puts it there when it is whole: a run that is broken off
/// leaves nothing that could be taken for one, and the next begins anew.
pub async fn run(options: PackOptions) -> anyhow::Result<ExitCode> {
    let place = &options.to;
    if place.exists() {
        bail!("{} is there already", place.display());
    }
    let config = Config::read(&options.config)?;
    let policy = Policy::load(&config.policy).context("the access rules cannot be used")?;
    let keys = read(&config.audit.key(&config.base, &config.data), &SystemClock)?;
    let databases = Databases::of_config(&options.config);
    // Before anything is read, in the record of every role whose database is here.
    for named in databases.all()? {
        let database = named.open().await?;
        record_reading(&database, "audit", "access-pack", Some(options.number)).await?;
        database.close().await;
    }

    let progress = bar("{spinner} {msg} {pos}", None)?;
    let registry = AskedRegistry::of(&config).await?;
    let gathered =
        gather::gather(&config, &databases, &registry, &policy, options.number, &progress).await;
    registry.close().await;
    let gathered = gathered?;
    progress.finish_and_clear();

    let partial = PathBuf::from(format!("{}.partial", place.display()));
    let mut folder = Folder::begin(&partial)?;
    let contents = &gathered.contents;
    folder.write("documents.json", &json(&contents.documents)?)?;
    folder.write("sharing-choices.json", &json(&gathered.choices)?)?;
    let mut lines = Vec::new();
    for access in &gathered.accesses {
        serde_json::to_writer(&mut lines, access)?;
        lines.push(b'\n');
    }
    folder.write("accesses.jsonl", &lines)?;
    let made = SystemClock.now().strftime("%-d %B %Y %H:%M UTC").to_string();
    let number = options.number.grouped();
    let index = Index { number, made, contents, brief: false };
    folder.write("index.html", index.render()?.as_bytes())?;
    folder.finish(&keys.key, SystemClock.now())?;
    fs::rename(&partial, place).with_context(|| format!("cannot make {}", place.display()))?;

    println!(
        "{}: {} documents, {} accesses, {} of them refused",
        place.display(),
        contents.documents.len(),
        gathered.accesses.len(),
        contents.accesses.refused.len()
    );
    let mut whole = true;
    for log in &gathered.logs {
        if let Some(words) = log.words() {
            println!("{}: {words}. Accesses may be missing.", log.name);
            whole = false;
        }
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(NOT_WHOLE) })
}

/// Checks a pack against the public keys: that nothing in it was changed, added or taken away.
pub fn check(options: &CheckPackOptions) -> anyhow::Result<ExitCode> {
    let keys = public_keys(&options.key)?;
    match sign::check(&options.pack, &keys)? {
        None => {
            println!("{}: as it was made", options.pack.display());
            Ok(ExitCode::SUCCESS)
        }
        Some(what) => {
            println!("{}: {what}", options.pack.display());
            Ok(ExitCode::from(NOT_WHOLE))
        }
    }
}

fn json(value: &impl serde::Serialize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// A path, for messages.
fn named(path: &Path) -> String {
    path.display().to_string()
}
