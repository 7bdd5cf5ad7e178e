//! A repository node next to its yardsticks, and its search inside documents.

mod nginx;
pub mod product;
mod search;
mod yardstick;

use std::path::Path;

use carerecord_storage::Database;
use carerecord_testkit::S3Server;

use crate::report::{Bench, Run};
use product::Node;
use yardstick::Yardstick;

#[derive(clap::Args)]
pub struct NodeOptions {
    #[command(flatten)]
    run: Run,
    /// Documents in the search index, 500 of them of the patient who is asked about
    #[arg(long, default_value_t = 20_000)]
    documents: u32,
}

pub async fn run(options: NodeOptions) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let database = Database::open(&folder.join("registry.db")).await?;
    let registry = crate::product::start(&database).await?;
    let node = product::start(folder, &registry).await?;
    let yardstick = yardstick::start(folder).await?;
    let mut bench = Bench::new("Node benchmark: files, SQLite", options.run, folder);
    retrievals(&mut bench, &node, &yardstick, folder).await?;
    for clients in [1, 16, 64] {
        let (ours, theirs) = (node.publication(), yardstick.publication());
        bench.pair("ITI-41 of 50 KiB ÷ Y41", clients, &ours, &theirs).await?;
    }
    let name = "ITI-41 of 50 KiB on S3 ÷ Y41";
    if bench.wants(name) {
        let server = S3Server::start().await;
        let on_s3 = product::on_s3(folder, &server, &registry).await?;
        bench.pair(name, 16, &on_s3.publication(), &yardstick.publication()).await?;
        let objects = server.objects().len();
        bench.report.fact(format!("{objects} objects on the server of the S3 protocol"));
    }
    if bench.wants("search inside documents") {
        search::run(&mut bench, folder, &registry, options.documents).await?;
    }
    bench.tell()
}

async fn retrievals(
    bench: &mut Bench,
    node: &Node,
    yardstick: &Yardstick,
    folder: &Path,
) -> anyhow::Result<()> {
    for (name, audited) in [("ITI-43 of 50 KiB ÷ Y43", false), ("ITI-43 of 50 KiB ÷ Y43a", true)]
    {
        for clients in [1, 16, 64] {
            bench.pair(name, clients, &node.small(), &yardstick.small(audited)).await?;
        }
    }
    let name = "ITI-43 of 50 KiB, decided by the registry's entry ÷ Y43a";
    bench.pair(name, 16, &node.small_of_others(), &yardstick.small(true)).await?;
    let name = "ITI-43 of 50 KiB ÷ nginx";
    if bench.wants(name) {
        match nginx::start(folder)? {
            Some(nginx) => bench.pair(name, 16, &node.small(), &nginx.file("small")).await?,
            None => {
                let fact = "nginx is not installed: nothing to compare with";
                bench.report.fact(fact.to_owned());
            }
        }
    }
    let name = "ITI-43 of 5 MiB ÷ Y43-5M";
    for clients in [1, 4] {
        bench.pair(name, clients, &node.large(), &yardstick.large()).await?;
    }
    if bench.wants(name) {
        let first = product::first_byte(&node.large()).await?;
        let fact = format!("ITI-43 of 5 MiB, first bytes of the document: p50 {first:.2} ms");
        bench.report.fact(fact);
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
pub const LARGE: usize = 5 << 20;
/// Different documents, so that nothing is measured that only holds for one.
const SMALL_ONES: u64 = 200;
pub const LARGE_ONES: u64 = 8;
