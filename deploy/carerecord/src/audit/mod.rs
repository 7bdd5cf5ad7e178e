//! `carerecord audit`: reading the record of accesses, and proving it.

mod access_pack;
mod check;
mod export;
mod fhir_feed;
pub mod keys;
mod list;
mod prove;
mod sealing;
mod section;
mod sources;

use std::process::ExitCode;

use clap::{Args, Subcommand};

pub use fhir_feed::repository as fhir_repository;
pub use sealing::{feed, findings, sealer};
pub use section::AuditSection;
pub use sources::record_reading;

/// What to do with the record of accesses; without a command it is printed.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AuditOptions {
    #[command(subcommand)]
    command: Option<AuditCommand>,
    #[command(flatten)]
    list: list::ListOptions,
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Write each log to a file of JSON lines that proves itself
    Export(export::ExportOptions),
    /// Check logs against the public key and witnesses: exit status 0 whole, 2 not whole
    Verify(check::VerifyOptions),
    /// Print a proof that a record is in its log
    Prove(prove::ProveOptions),
    /// Print a proof that a log has only grown from one signed head to another
    Consistency(prove::ConsistencyOptions),
    /// Check a proof, without any database: exit status 0 proven, 2 not proven
    CheckProof(prove::CheckOptions),
    /// Put together what is held of one person, who looked and who tried to, signed: exit status 0 all, 2
    /// a log did not answer
    AccessPack(access_pack::PackOptions),
    /// Check such a pack against the public key: exit status 0 as it was made, 2 not
    CheckPack(access_pack::CheckPackOptions),
    /// Sign with a new key from now on, which the old one vouches for
    RotateKey(keys::RotateOptions),
}

/// Runs it.
pub async fn run(options: AuditOptions) -> anyhow::Result<ExitCode> {
    match options.command {
        None => list::run(options.list).await,
        Some(AuditCommand::Export(options)) => export::run(options).await,
        Some(AuditCommand::Verify(options)) => check::run(options).await,
        Some(AuditCommand::Prove(options)) => prove::run(options).await,
        Some(AuditCommand::Consistency(options)) => prove::consistency(options).await,
        Some(AuditCommand::CheckProof(options)) => prove::check(&options),
        Some(AuditCommand::AccessPack(options)) => access_pack::run(options).await,
        Some(AuditCommand::CheckPack(options)) => access_pack::check(&options),
        Some(AuditCommand::RotateKey(options)) => keys::rotate(&options),
    }
}

/// The exit status of what was checked and does not hold.
const NOT_WHOLE: u8 = 2;
