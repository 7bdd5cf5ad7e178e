//! Benchmarks of the registry, each next to a yardstick in the same run: a program that does the
//! least that a correct transaction must do. `docs/benchmarks.md` says how to read them.

mod codec;
mod load;
mod measure;
mod product;
mod yardstick;

use std::path::PathBuf;

use anyhow::Context;
use carerecord_storage::Database;
use clap::{Parser, Subcommand, ValueEnum};

use measure::{Report, fsync_probe};

#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// How fast messages are read and written, on one core
    Codec,
    /// ITI-18 and ITI-42 over HTTP, next to Y18 and Y42
    Registry(RegistryOptions),
}

#[derive(clap::Args)]
struct RegistryOptions {
    /// The database to measure on
    #[arg(long, value_enum, default_value = "sqlite")]
    database: Engine,
    /// A PostgreSQL URL; without one a server is started from installed programs, without fsync
    #[arg(long)]
    url: Option<String>,
    /// How many entries lie in the registry, a hundred for each patient
    #[arg(long, default_value_t = 10_000)]
    entries: u32,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// How often product and yardstick take turns
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Where the report is written, beside standard output
    #[arg(long)]
    report: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Engine {
    Sqlite,
    Postgres,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    match Cli::parse().command {
        Command::Codec => {
            codec::run();
            Ok(())
        }
        Command::Registry(options) => registry(options).await,
    }
}

async fn registry(options: RegistryOptions) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (database, url) = match options.database {
        Engine::Sqlite => (Database::open(&folder.path().join("registry.db")).await?, None),
        Engine::Postgres => {
            let url = match options.url {
                Some(url) => url,
                None => carerecord_testkit::postgres::fresh_url()
                    .await
                    .context("PostgreSQL is not installed")?,
            };
            (Database::connect(&url).await?, Some(url))
        }
    };
    let mut report = Report::new(&format!("{:?}, {} entries", options.database, options.entries));
    let product = product::start(&database).await?;
    let loaded = load::entries(&product, options.entries).await?;
    report.line(format!("load through ITI-42's own path: {loaded:.0} entries/s"));
    let yardstick = yardstick::start(folder.path(), url.as_deref(), options.entries).await?;
    let turns = measure::Turns { seconds: options.seconds, rounds: options.rounds };
    for (name, count) in [("ITI-18, 20 entries", 20), ("ITI-18, 100 entries", 100)] {
        let ours = product.query(count);
        let theirs = yardstick.query(count);
        for clients in [1, 16] {
            let probe = fsync_probe(folder.path())?;
            report.pair(name, clients, probe, turns.run(clients, &ours, &theirs).await?);
        }
    }
    for clients in [1, 16, 64] {
        let probe = fsync_probe(folder.path())?;
        let (ours, theirs) = (product.registration(), yardstick.registration());
        report.pair("ITI-42", clients, probe, turns.run(clients, &ours, &theirs).await?);
    }
    report.line(format!("resident memory at the end: {} MiB", measure::resident_mib()));
    print!("{report}");
    if let Some(path) = options.report {
        std::fs::write(path, report.to_string())?;
    }
    database.close().await;
    Ok(())
}
