use std::fs::OpenOptions;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use carerecord_model::{Clock, SystemClock};
use clap::Args;

use super::sources::{Databases, record_reading};

/// What to export, to where.
#[derive(Args)]
pub struct ExportOptions {
    #[command(flatten)]
    databases: Databases,
    /// Only the log of this name: registry, portal, node-…
    #[arg(long)]
    log: Option<String>,
    /// The folder for the files, NAME.jsonl each; it is made where it is missing
    #[arg(long)]
    to: PathBuf,
}

/// Writes each log with its heads and public keys. What is there already is not overwritten.
pub async fn run(options: ExportOptions) -> anyhow::Result<ExitCode> {
    let logs = options.databases.some(options.log.as_deref())?;
    let folder = options.to.display();
    std::fs::create_dir_all(&options.to).with_context(|| format!("cannot make {folder}"))?;
    for log in logs {
        let path = options.to.join(format!("{}.jsonl", log.name));
        // It holds what the log holds: for its owner only.
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.with_context(|| format!("cannot make {}", path.display()))?;
        let database = log.open().await?;
        record_reading(&database, "audit", "export", None).await?;
        let mut file = BufWriter::with_capacity(1 << 20, file);
        let count = carerecord_audit::export(&database, SystemClock.now(), &mut |line| {
            file.write_all(line)?;
            file.write_all(b"\n")
        })
        .await
        .with_context(|| format!("{log} was not exported"))?;
        file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        database.close().await;
        println!("{}: {count} records", path.display());
    }
    Ok(ExitCode::SUCCESS)
}
