//! `carerecord scrub`: reads everything that nodes hold, and compares it with what was stored and
//! with the registry.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, ensure};
use carerecord_model::{NodeId, RandomIds, SystemClock};
use carerecord_repository::{Scrub, ScrubOptions, ScrubParts, ScrubReport};
use clap::Args;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, RepositorySection};
use crate::progress::bar;
use crate::roles::AskedRegistry;

/// What to check, and how.
#[derive(Args)]
pub struct ScrubArguments {
    /// The configuration file of the nodes
    #[arg(long)]
    config: PathBuf,
    /// Only the node with this repositoryUniqueId
    #[arg(long)]
    node: Option<NodeId>,
    /// Read at most so many MiB in a second
    #[arg(long, value_parser = rate)]
    max_mib_per_second: Option<f64>,
    /// Do not ask the registry
    #[arg(long)]
    bytes_only: bool,
    /// Begin anew where an earlier scrub was stopped
    #[arg(long)]
    restart: bool,
    /// Print the report as JSON, a line for each node
    #[arg(long)]
    json: bool,
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "is no number".to_owned())?;
    if rate.is_finite() && rate > 0.0 { Ok(rate) } else { Err("has to be above 0".to_owned()) }
}

/// One node after the other. Exit status 0: nothing is wrong; 1: something is; 2: not all could be
/// checked.
pub async fn run(options: ScrubArguments) -> anyhow::Result<ExitCode> {
    let config = Config::read(&options.config)?;
    let sections: Vec<_> = config.nodes(options.node.as_ref()).collect();
    ensure!(!sections.is_empty(), "the configuration has no such [[repository]]");
    let (mut wrong, mut unfinished) = (false, false);
    let stop = CancellationToken::new();
    for section in sections {
        if stop.is_cancelled() {
            break;
        }
        let id = &section.node.repository_unique_id;
        match scrub_node(&config, section, &options, &stop).await {
            Ok(report) => {
                wrong |= !report.findings.is_empty();
                unfinished |= report.stopped;
                tell(id, &report, options.json)?;
            }
            Err(error) => {
                unfinished = true;
                eprintln!("error: node {id} was not checked to the end: {error:#}");
            }
        }
    }
    Ok(match (wrong, unfinished) {
        (_, true) => ExitCode::from(NOT_ALL),
        (true, false) => ExitCode::FAILURE,
        (false, false) => ExitCode::SUCCESS,
    })
}

async fn scrub_node(
    config: &Config,
    section: &RepositorySection,
    options: &ScrubArguments,
    stop: &CancellationToken,
) -> anyhow::Result<ScrubReport> {
    let database = config.open_node_database(section).await?;
    let registry = match options.bytes_only {
        true => None,
        false => Some(AskedRegistry::of(config).await.context("--bytes-only does without it")?),
    };
    let scrub = Scrub::new(ScrubParts {
        node: section.node.repository_unique_id.clone(),
        database: database.clone(),
        objects: crate::storage::objects(config, section)?,
        registry: registry.as_ref().map(|asked| asked.ports.registry.clone()),
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
    });
    let how = ScrubOptions {
        bytes_per_second: options.max_mib_per_second.map(|mib| (mib * MIB).ceil() as u64),
        restart: options.restart,
        stop: stop.clone(),
    };
    let bar = bar(BAR, None)?;
    let mut on_progress = |progress: carerecord_repository::ScrubProgress| {
        bar.set_length(progress.of.max(progress.documents));
        bar.set_position(progress.documents);
    };
    let mut work = Box::pin(scrub.run(&how, &mut on_progress));
    let report = tokio::select! {
        report = &mut work => report,
        _ = tokio::signal::ctrl_c() => {
            stop.cancel();
            work.await
        }
    };
    bar.finish_and_clear();
    database.close().await;
    if let Some(registry) = registry {
        registry.close().await;
    }
    Ok(report?)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    node: String,
    finished: bool,
    documents: u64,
    bytes: u64,
    given_again: u64,
    findings: Vec<Finding<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding<'a> {
    unique_id: &'a str,
    fault: &'static str,
    text: &'static str,
}

fn tell(node: &NodeId, report: &ScrubReport, json: bool) -> anyhow::Result<()> {
    if json {
        let findings = report.findings.iter().map(|(id, fault)| Finding {
            unique_id: id.as_str(),
            fault: fault.as_str(),
            text: fault.words(),
        });
        let told = Told {
            node: node.to_string(),
            finished: !report.stopped,
            documents: report.documents,
            bytes: report.bytes,
            given_again: report.released,
            findings: findings.collect(),
        };
        println!("{}", serde_json::to_string(&told)?);
        return Ok(());
    }
    let (documents, mib) = (report.documents, report.bytes as f64 / MIB);
    println!("Node {node}: {documents} documents, {mib:.1} MiB checked.");
    if report.released > 0 {
        println!("{} are whole again, and are given again.", report.released);
    }
    for (id, fault) in &report.findings {
        println!("{:16}  {id}  {}", fault.as_str(), fault.words());
    }
    match report.findings.len() {
        0 if report.stopped => {}
        0 => println!("Nothing is wrong."),
        n => println!("{n} findings."),
    }
    if report.stopped {
        println!("Stopped; the same command goes on.");
    }
    Ok(())
}

const MIB: f64 = 1_048_576.0;
const NOT_ALL: u8 = 2;

const BAR: &str = "Checking {wide_bar} {human_pos} of {human_len} documents, {eta} left";
