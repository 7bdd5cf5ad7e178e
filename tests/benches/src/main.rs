//! Benchmarks of the registry, each next to a yardstick in the same run: a program that does the
//! least that a correct transaction must do. `docs/benchmarks.md` says how to read them.

mod audit;
mod codec;
mod decide;
mod fan_out;
mod fhir;
mod load;
mod measure;
mod node;
mod pages;
mod population;
mod product;
mod registry;
mod report;
mod saml;
mod server;
mod withdrawal;
mod yardstick;

use std::path::Path;

use anyhow::Context;
use carerecord_storage::Database;
use clap::{Parser, Subcommand, ValueEnum};

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
    Registry(registry::RegistryOptions),
    /// Searches by the FHIR API end to end, next to the registry's ITI-18
    Fhir(fhir::FhirOptions),
    /// A search inside documents of eight nodes of which one is dead, next to the slowest of the others
    FanOut(fan_out::FanOutOptions),
    /// ITI-41 and ITI-43 over HTTP, next to Y41, Y43 and Y43a, and search inside documents
    Node(node::NodeOptions),
    /// Start and memory of the processes of a registry and a node
    Server(server::ServerOptions),
    /// From the withdrawal of consent to the last disclosure, at every door
    Withdrawal(withdrawal::WithdrawalOptions),
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

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// An empty database, on SQLite in this file; its address where it has one: the one that is
    /// given, or else that of a server which is started.
    async fn open(
        self,
        file: &Path,
        url: Option<String>,
    ) -> anyhow::Result<(Database, Option<String>)> {
        let url = match (self, url) {
            (Self::Sqlite, _) => return Ok((Database::open(file).await?, None)),
            (Self::Postgres, Some(url)) => url,
            (Self::Postgres, None) => {
                let url = carerecord_testkit::postgres::durable_url().await;
                url.context("PostgreSQL is not installed")?
            }
        };
        Ok((Database::connect(&url).await?, Some(url)))
    }
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
        Command::Fhir(options) => fhir::run(options).await,
        Command::Registry(options) => registry::run(options).await,
        Command::FanOut(options) => fan_out::run(options).await,
        Command::Server(options) => server::run(options).await,
        Command::Node(options) => node::run(options).await,
        Command::Withdrawal(options) => withdrawal::run(options).await,
    }
}

async fn audit(options: &AuditOptions) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (database, _) = options.database.open(&folder.path().join("audit.db"), None).await?;
    audit::run(&database, folder.path(), options.records).await
}
