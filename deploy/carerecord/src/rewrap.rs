//! `carerecord rewrap`: after a new key has come into the configuration, the keys of the documents
//! of before go over to it. No document is read or written.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use carerecord_model::NodeId;
use carerecord_repository::rewrap;
use clap::Args;

use crate::config::{Config, RepositorySection};
use crate::progress::bar;

/// Which nodes.
#[derive(Args)]
pub struct RewrapOptions {
    /// The configuration file of the nodes
    #[arg(long)]
    config: PathBuf,
    /// Only the node with this repositoryUniqueId
    #[arg(long)]
    node: Option<NodeId>,
}

/// One node after the other, while they serve or without them; exit status 1 when documents are
/// left whose key could not be had.
pub async fn run(options: RewrapOptions) -> anyhow::Result<ExitCode> {
    let config = Config::read(&options.config)?;
    let sections: Vec<_> =
        config.nodes(options.node.as_ref()).filter(|s| s.encryption.is_some()).collect();
    ensure!(!sections.is_empty(), "the configuration has no such [[repository]] with encryption");
    let mut left = false;
    for section in sections {
        let id = &section.node.repository_unique_id;
        let done = rewrap_node(&config, section).await;
        left |= done.with_context(|| format!("the keys of node {id} were not rewrapped"))?;
    }
    Ok(if left { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Whether documents are left.
async fn rewrap_node(config: &Config, section: &RepositorySection) -> anyhow::Result<bool> {
    let id = &section.node.repository_unique_id;
    let encryption = section.encryption.as_ref().context("it has no encryption")?;
    let keys = encryption.load(&config.base)?;
    let database = config.open_node_database(section).await?;
    let bar = bar(BAR, None)?;
    let report = rewrap(&database, &keys, &mut |progress| {
        bar.set_length(progress.of);
        bar.set_position(progress.done);
    })
    .await;
    bar.finish_and_clear();
    let report = report?;
    println!("Node {id}: {} rewrapped.", report.rewrapped);
    for (why, count) in &report.failed {
        println!("Node {id}: {count} left: {why}.");
    }
    database.close().await;
    Ok(!report.failed.is_empty())
}

const BAR: &str = "Rewrapping {wide_bar} {human_pos} of {human_len} documents, {eta} left";
