//! A repository node next to its yardsticks, and its search inside documents.

mod nginx;
mod product;
mod search;
mod yardstick;

use std::path::PathBuf;

use carerecord_storage::Database;

use crate::measure::{Report, Turns, fsync_probe};

#[derive(clap::Args)]
pub struct NodeOptions {
    /// Seconds of each measurement
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// How often product and yardstick take turns
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Documents in the search index, 500 of them of the patient who is asked about
    #[arg(long, default_value_t = 20_000)]
    documents: u32,
    /// Only what has this in its name, e.g. "ITI-43"
    #[arg(long, default_value = "")]
    only: String,
    /// Where the report is written, beside standard output
    #[arg(long)]
    report: Option<PathBuf>,
}

pub async fn run(options: NodeOptions) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let database = Database::open(&folder.path().join("registry.db")).await?;
    let registry = crate::product::start(&database).await?;
    let node = product::start(folder.path(), &registry).await?;
    let yardstick = yardstick::start(folder.path()).await?;
    let mut report = Report::new("Node benchmark: files, SQLite");
    let turns = Turns { seconds: options.seconds, rounds: options.rounds };
    let wanted = |name: &str| name.contains(&options.only);
    let probe = || fsync_probe(folder.path());

    for (name, audited) in [("ITI-43 of 50 KiB ÷ Y43", false), ("ITI-43 of 50 KiB ÷ Y43a", true)]
    {
        for clients in [1, 16, 64].into_iter().filter(|_| wanted(name)) {
            let (ours, theirs) = (node.small(), yardstick.small(audited));
            report.pair(name, clients, probe()?, turns.run(clients, &ours, &theirs).await?);
        }
    }
    let name = "ITI-43 of 50 KiB, decided by the registry's entry ÷ Y43a";
    if wanted(name) {
        let (ours, theirs) = (node.small_of_others(), yardstick.small(true));
        report.pair(name, 16, probe()?, turns.run(16, &ours, &theirs).await?);
    }
    let name = "ITI-43 of 50 KiB ÷ nginx";
    if wanted(name) {
        match nginx::start(folder.path())? {
            Some(nginx) => {
                let pair = turns.run(16, &node.small(), &nginx.file("small")).await?;
                report.pair(name, 16, probe()?, pair);
            }
            None => report.fact("nginx is not installed: nothing to compare with".to_owned()),
        }
    }
    let name = "ITI-43 of 5 MiB ÷ Y43-5M";
    for clients in [1, 4].into_iter().filter(|_| wanted(name)) {
        let (ours, theirs) = (node.large(), yardstick.large());
        report.pair(name, clients, probe()?, turns.run(clients, &ours, &theirs).await?);
    }
    if wanted(name) {
        let first = product::first_byte(&node.large()).await?;
        report.fact(format!("ITI-43 of 5 MiB, first bytes of the document: p50 {first:.2} ms"));
    }
    let name = "ITI-41 of 50 KiB ÷ Y41";
    for clients in [1, 16, 64].into_iter().filter(|_| wanted(name)) {
        let (ours, theirs) = (node.publication(), yardstick.publication());
        report.pair(name, clients, probe()?, turns.run(clients, &ours, &theirs).await?);
    }
    if wanted("search inside documents") {
        search::run(folder.path(), &registry, &options, &turns, &mut report).await?;
    }
    print!("{report}");
    if let Some(path) = options.report {
        std::fs::write(path, report.to_string())?;
    }
    Ok(())
}

/// A text that looks like one: it does not compress to nothing.
pub fn text(bytes: usize, seed: u64) -> Vec<u8> {
    let mut n = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut out = Vec::with_capacity(bytes);
    while out.len() < bytes {
        n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let letter = b"abcdefghijklmnopqrstuvwxyz      "[(n >> 59) as usize];
        out.push(letter);
    }
    out
}

const SMALL: usize = 50 << 10;
const LARGE: usize = 5 << 20;
/// Different documents, so that nothing is measured that only holds for one.
const SMALL_ONES: u64 = 200;
const LARGE_ONES: u64 = 8;
