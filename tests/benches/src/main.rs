//! Benchmarks of the registry, each next to a yardstick in the same run: a program that does the
//! least that a correct transaction must do. `docs/benchmarks.md` says how to read them.

mod audit;
mod codec;
mod decide;
mod load;
mod measure;
mod node;
mod pages;
mod population;
mod product;
mod saml;
mod yardstick;

use std::path::PathBuf;

use anyhow::Context;
use carerecord_storage::Database;
use clap::{Parser, Subcommand, ValueEnum};

use measure::{Report, fsync_probe};
use population::Population;

// As in the product's binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    /// How long it takes to decide about a list, on one core
    Decide,
    /// How long an assertion takes to verify, on one core
    Saml,
    /// The record of accesses: appending, signing, exporting, verifying, proving
    Audit(AuditOptions),
    /// ITI-18 and ITI-42 over HTTP, next to Y18 and Y42
    Registry(RegistryOptions),
    /// ITI-41 and ITI-43 over HTTP, next to Y41, Y43 and Y43a, and search inside documents
    Node(node::NodeOptions),
}

#[derive(clap::Args)]
struct AuditOptions {
    /// The database to measure on
    #[arg(long, value_enum, default_value = "sqlite")]
    database: Engine,
    /// How many records
    #[arg(long, default_value_t = 500_000)]
    records: u64,
}

#[derive(clap::Args)]
struct RegistryOptions {
    /// The database to measure on
    #[arg(long, value_enum, default_value = "sqlite")]
    database: Engine,
    /// A PostgreSQL URL; without one a server is started from installed programs
    #[arg(long)]
    url: Option<String>,
    /// How many entries lie in the registry, about a hundred for each patient
    #[arg(long, default_value_t = 10_000)]
    entries: u32,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// How often product and yardstick take turns
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Only what has this in its name, e.g. "ITI-18, 100"
    #[arg(long, default_value = "")]
    only: String,
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
        Command::Decide => decide::run().await,
        Command::Saml => {
            saml::run();
            Ok(())
        }
        Command::Audit(options) => audit(&options).await,
        Command::Registry(options) => registry(options).await,
        Command::Node(options) => node::run(options).await,
    }
}

async fn audit(options: &AuditOptions) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let database = match options.database {
        Engine::Sqlite => Database::open(&folder.path().join("audit.db")).await?,
        Engine::Postgres => {
            let url = carerecord_testkit::postgres::durable_url().await;
            Database::connect(&url.context("PostgreSQL is not installed")?).await?
        }
    };
    audit::run(&database, folder.path(), options.records).await
}

async fn registry(options: RegistryOptions) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (database, url) = match options.database {
        Engine::Sqlite => (Database::open(&folder.path().join("registry.db")).await?, None),
        Engine::Postgres => {
            let url = match &options.url {
                Some(url) => url.clone(),
                None => carerecord_testkit::postgres::durable_url()
                    .await
                    .context("PostgreSQL is not installed")?,
            };
            (Database::connect(&url).await?, Some(url))
        }
    };
    let population = Population::of(options.entries);
    let mut report = Report::new(&format!("Registry benchmark: {:?}", options.database));
    let product = product::start(&database).await?;
    let loaded = load::fill(&product, population).await?;
    report.fact(format!(
        "{} entries of {} people, by bulk load: {:.0} entries/s",
        loaded.entries, population.patients, loaded.per_second
    ));
    pages::settle(&database, url.as_deref()).await?;
    report.fact(pages::size(folder.path(), url.as_deref(), loaded.entries).await?);
    report.fact(pages::touched(folder.path(), url.as_deref(), population).await?);
    let yardstick = yardstick::start(folder.path(), url.as_deref(), options.entries).await?;
    let turns = measure::Turns { seconds: options.seconds, rounds: options.rounds };
    let wanted = |name: &str| name.contains(&options.only);
    for (name, count) in [("ITI-18, 20 entries", 20), ("ITI-18, 100 entries", 100)] {
        let ours = product.query(population, count);
        for (clients, audited) in [(1, false), (16, false), (16, true)] {
            let theirs = yardstick.query(count, audited);
            let name = format!("{name} ÷ Y18{}", if audited { "a" } else { "" });
            if wanted(&name) {
                let probe = fsync_probe(folder.path())?;
                report.pair(&name, clients, probe, turns.run(clients, &ours, &theirs).await?);
            }
        }
    }
    let (name, ours) = ("GetDocuments by uniqueId", product.by_id(loaded.lines));
    for clients in [1, 16].into_iter().filter(|_| wanted(name)) {
        let probe = fsync_probe(folder.path())?;
        report.alone(name, clients, probe, turns.alone(clients, &ours).await?);
    }
    let (name, ours, theirs) =
        ("ITI-42 ÷ Y42", product.registration(population), yardstick.registration());
    for clients in [1, 16, 64].into_iter().filter(|_| wanted(name)) {
        let probe = fsync_probe(folder.path())?;
        report.pair(name, clients, probe, turns.run(clients, &ours, &theirs).await?);
    }
    if wanted("ITI-42") {
        let (before, probe) = (database.commits(), fsync_probe(folder.path())?);
        let done = turns.alone(128, &ours).await?;
        let each = done.total as f64 / (database.commits() - before) as f64;
        report.alone("ITI-42", 128, probe, done);
        report.fact(format!("{each:.1} acknowledged registrations for each commit, 128 clients"));
    }
    let name = "ITI-18, 5,000 entries";
    if let Some(heavy) = population.heavy().filter(|_| wanted(name)) {
        let ours = product.heavy_query(heavy);
        let mut memory = Vec::new();
        for _ in 0..4 {
            let probe = fsync_probe(folder.path())?;
            let done = measure::Turns { seconds: 4, rounds: 1 }.alone(16, &ours).await?;
            report.alone(name, 16, probe, done);
            memory.push(measure::resident_mib(std::process::id()));
        }
        report.fact(format!("{name}: all in one process, {memory:?} MiB after each turn"));
    }
    print!("{report}");
    if let Some(path) = options.report {
        std::fs::write(path, report.to_string())?;
    }
    database.close().await;
    Ok(())
}
