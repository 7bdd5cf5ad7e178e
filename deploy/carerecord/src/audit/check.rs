use std::fs::File;
use std::io::{BufRead as _, BufReader, IsTerminal as _, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use carerecord_audit::{KeyRing, Verdict, Verifier, WitnessFiles};
use carerecord_model::{Clock, SystemClock};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::keys::{public, public_keys};
use super::sources::Databases;

/// What to check, against what.
#[derive(Args)]
pub struct VerifyOptions {
    /// Exports to check; without any, the databases are read
    files: Vec<PathBuf>,
    #[command(flatten)]
    databases: Databases,
    /// Only the log of this name: registry, portal, node-…
    #[arg(long, conflicts_with = "files")]
    log: Option<String>,
    /// A file of public keys (audit.pub), kept apart from the database
    #[arg(long)]
    key: Vec<PathBuf>,
    /// A file of a witness, or what a collector of syslog wrote
    #[arg(long)]
    witness: Vec<PathBuf>,
    /// Tell of an actor with more records than this within a minute
    #[arg(long, default_value_t = 100_000)]
    flood: u64,
}

/// Prints what is wrong with each log.
pub async fn run(options: VerifyOptions) -> anyhow::Result<ExitCode> {
    let ring = ring(&options)?;
    let verifier = || -> anyhow::Result<Verifier> {
        let witnesses = WitnessFiles::read(options.witness.clone());
        let witnesses = witnesses.context("a witness cannot be read")?;
        Ok(Verifier::new(ring.clone(), witnesses, options.flood))
    };
    let mut whole = true;
    for file in &options.files {
        let verdict = verify_file(file, verifier()?)?;
        whole &= tell(&file.display().to_string(), &verdict);
    }
    if options.files.is_empty() {
        for log in options.databases.some(options.log.as_deref())? {
            let database = log.open().await?;
            let mut verifier = verifier()?;
            carerecord_audit::export(&database, SystemClock.now(), &mut |line| {
                verifier.line(line);
                Ok(())
            })
            .await
            .with_context(|| log.to_string())?;
            database.close().await;
            whole &= tell(&log.to_string(), &verifier.finish()?);
        }
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(super::NOT_WHOLE) })
}

/// The keys that are trusted. For databases those beside their own key will do, for a first look.
fn ring(options: &VerifyOptions) -> anyhow::Result<KeyRing> {
    let mut files = options.key.clone();
    if files.is_empty() {
        if !options.files.is_empty() {
            bail!("give the log's public key by --key: what an export says of itself is no proof");
        }
        files.push(public(&options.databases.key()?));
    }
    let mut keys = Vec::new();
    for file in files {
        keys.extend(public_keys(&file)?);
    }
    Ok(KeyRing::trusting(keys))
}

fn verify_file(file: &Path, mut verifier: Verifier) -> anyhow::Result<Verdict> {
    let name = || format!("cannot read {}", file.display());
    let opened = File::open(file).with_context(name)?;
    let bar = bar(opened.metadata().with_context(name)?.len())?;
    let mut reader = BufReader::with_capacity(1 << 20, opened);
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
        let length = length.with_context(name)?;
        if length == 0 {
            break;
        }
        bar.inc(length as u64);
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        verifier.line(&line);
    }
    bar.finish_and_clear();
    verifier.finish().context("a witness cannot be read")
}

fn bar(bytes: u64) -> anyhow::Result<ProgressBar> {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr_with_hz(5)
    } else {
        ProgressDrawTarget::hidden()
    };
    let style = "Verifying {wide_bar} {bytes} of {total_bytes}, {eta} left";
    let bar = ProgressBar::with_draw_target(Some(bytes), target);
    Ok(bar.with_style(ProgressStyle::with_template(style)?))
}

/// Prints a verdict; whether the log is whole.
fn tell(name: &str, verdict: &Verdict) -> bool {
    let whole = verdict.findings.is_empty();
    let at = verdict.exported_at.map_or_else(|| "?".to_owned(), |at| at.to_string());
    let state = if whole { "whole" } else { "NOT WHOLE" };
    println!(
        "{name}: {state}, {} records at {at}, proven up to record {}",
        verdict.records, verdict.proven
    );
    for finding in verdict.findings.iter().take(MOST_TOLD) {
        println!("  {finding}");
    }
    if let Some(more) = verdict.findings.len().checked_sub(MOST_TOLD).filter(|more| *more > 0) {
        println!("  and {more} more");
    }
    for warning in verdict.warnings.iter().take(MOST_TOLD) {
        println!("  note: {warning}");
    }
    whole
}

/// Longer than any record: its message is limited before.
const MAX_LINE: u64 = 256 << 20;
const MOST_TOLD: usize = 1000;
