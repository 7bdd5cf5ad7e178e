//! Runs a directory of testplans against a server. Exit status 1 when a step fails.

use std::path::PathBuf;
use std::process::ExitCode;

use carerecord_conformance::{Config, Runner, Tests};
use clap::Parser;

/// Runs NIST testplans against a registry and a repository.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// A directory that holds `tests/`, or that folder itself.
    #[arg(long)]
    testplans: PathBuf,
    /// Only these tests.
    #[arg(long, value_delimiter = ',')]
    tests: Vec<String>,
    /// Only tests of this group, as the table names it.
    #[arg(long)]
    group: Option<String>,
    /// ITI-18, 42, 51, 57, 61, 62 and 92.
    #[arg(long, default_value = "http://127.0.0.1:8081/xds/registry")]
    registry: String,
    /// ITI-41, 43 and 86.
    #[arg(long, default_value = "http://127.0.0.1:8082/xds/repository")]
    repository: String,
    /// Host and port of the patient feed.
    #[arg(long)]
    mllp: Option<String>,
    /// Where a registry of this product takes patients, when no MLLP is given.
    #[arg(long)]
    peer_patient: Option<String>,
    /// The authority of patient identifiers.
    #[arg(long, default_value = "2.16.840.1.113883.2.1.4.1")]
    authority: String,
    /// The server's homeCommunityId.
    #[arg(long, default_value = "urn:oid:2.999.40")]
    home: String,
    /// The repository's repositoryUniqueId.
    #[arg(long, default_value = "2.999.30.1")]
    repository_id: String,
    /// Where the exchanges of failures are written.
    #[arg(long)]
    out: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    rustls::crypto::aws_lc_rs::default_provider().install_default().ok();
    let tests = Tests::read(&args.testplans)?;
    let config = Config {
        registry: args.registry,
        repository: args.repository,
        mllp: args.mllp,
        peer_patient: args.peer_patient,
        authority: args.authority,
        home: args.home,
        repository_id: args.repository_id,
        out: args.out,
    };
    let (only, group) = (args.tests, args.group);
    let report = Runner::new(config, &tests)
        .run(|t| {
            (only.is_empty() || only.contains(&t.id))
                && group.as_ref().is_none_or(|g| *g == t.group)
        })
        .await;
    println!("\n{report}");
    Ok(if report.failures() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
