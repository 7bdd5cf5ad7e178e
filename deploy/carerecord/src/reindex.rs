//! `carerecord reindex`: builds the search index of nodes again, while they serve or without them.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use carerecord_model::{Clock as _, NodeId, SystemClock};
use carerecord_repository::{IndexError, Indexer, Search};
use carerecord_storage::Database;
use clap::Args;

use crate::config::{Config, RepositorySection};
use crate::roles::{SEARCH, synonyms};

/// Which nodes.
#[derive(Args)]
pub struct ReindexOptions {
    /// The configuration file of the nodes
    #[arg(long)]
    config: PathBuf,
    /// Only the node with this repositoryUniqueId
    #[arg(long)]
    node: Option<NodeId>,
}

/// Builds the indexes one after the other. A node that serves does so itself, and this waits.
pub async fn run(options: ReindexOptions) -> anyhow::Result<ExitCode> {
    let config = Config::read(&options.config)?;
    let sections: Vec<_> = config.nodes(options.node.as_ref()).collect();
    ensure!(!sections.is_empty(), "the configuration has no such [[repository]]");
    for section in sections {
        let id = &section.node.repository_unique_id;
        reindex(&config, section).await.with_context(|| format!("node {id} is not indexed"))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn reindex(config: &Config, section: &RepositorySection) -> anyhow::Result<()> {
    let id = &section.node.repository_unique_id;
    let folder = config.node_folder(section);
    let database = config.open_node_database(section).await?;
    let opened = Search::open_empty(&folder.join(SEARCH), synonyms(config, section)?);
    let indexer = match opened {
        Ok(search) => {
            let objects = crate::storage::objects(config, section)?;
            Some(Indexer::new(database.clone(), objects, search, Arc::new(SystemClock)))
        }
        Err(IndexError::Busy) => None,
        Err(error) => return Err(error.into()),
    };
    Indexer::request_rebuild(&database, SystemClock.now()).await?;
    let count = follow(&database, indexer.as_ref()).await?;
    let by = if indexer.is_some() { "" } else { ", by the node itself" };
    println!("Node {id}: {count} indexed{by}.");
    database.close().await;
    Ok(())
}

/// Shows how far it is until it is done; returns how many documents that were.
async fn follow(database: &Database, indexer: Option<&Indexer>) -> anyhow::Result<u64> {
    let bar = crate::progress::bar(BAR, None)?;
    let mut total = 0;
    while let Some(progress) = Indexer::rebuild_progress(database).await? {
        total = total.max(progress.total);
        bar.set_length(total);
        bar.set_position(total.saturating_sub(progress.left));
        let done = match indexer {
            Some(indexer) => indexer.index_some().await?,
            None => 0,
        };
        // What cannot be read just now waits, and so does this.
        if done == 0 {
            tokio::time::sleep(PAUSE).await;
        }
    }
    bar.finish_and_clear();
    Ok(total)
}

const BAR: &str = "Indexing {wide_bar} {human_pos} of {human_len} documents, {eta} left";
const PAUSE: Duration = Duration::from_millis(100);
