//! `carerecord policy`: the rules of access as whoever answers for them sees them. It reads files
//! only.

mod agreements;
mod check;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use carerecord_access::{Example, Policy, PolicyEngine};
use carerecord_model::{Clock, SystemClock};
use clap::{Args, Subcommand};
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The rules of access.
#[derive(Subcommand)]
pub enum PolicyCommand {
    /// Check a policy folder, and its examples against its rules
    Check(Folder),
    /// Ask who shares with whom, what ends, and under which clause
    Agreements(agreements::AgreementOptions),
}

/// A policy folder.
#[derive(Args)]
pub struct Folder {
    /// The folder with access.toml
    dir: PathBuf,
    /// The day to look at; today unless given
    #[arg(long)]
    on: Option<Date>,
}

pub fn run(command: &PolicyCommand) -> anyhow::Result<ExitCode> {
    match command {
        PolicyCommand::Check(folder) => check::run(folder),
        PolicyCommand::Agreements(options) => agreements::run(options),
    }
}

/// The rules to serve by. The policy engine and the code that the doors use must take the same
/// decision on each example of the folder.
pub fn agreed(folder: &Path) -> anyhow::Result<Arc<Policy>> {
    let policy = Arc::new(Policy::load(folder)?);
    let engine = PolicyEngine::load()?;
    for (file, examples) in Example::load(folder)? {
        for (n, example) in examples.iter().enumerate() {
            if let Err(what) = example.compare(&policy, &engine) {
                bail!("{file}, example {}: {}: {what}", n + 1, example.says);
            }
        }
    }
    Ok(policy)
}

impl Folder {
    fn policy(&self) -> anyhow::Result<Policy> {
        Policy::load(&self.dir).context("the rules cannot be used")
    }

    fn day(&self) -> Date {
        self.on.unwrap_or_else(|| SystemClock.now().to_zoned(TimeZone::UTC).date())
    }
}
