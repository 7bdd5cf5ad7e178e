//! `carerecord policy`: the rules of access as whoever answers for them sees them. It reads files
//! only.

mod agreements;
mod check;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use carerecord_access::Policy;
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

impl Folder {
    fn policy(&self) -> anyhow::Result<Policy> {
        Policy::load(&self.dir).context("the rules cannot be used")
    }

    fn day(&self) -> Date {
        self.on.unwrap_or_else(|| SystemClock.now().to_zoned(TimeZone::UTC).date())
    }
}
