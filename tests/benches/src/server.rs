//! What a registry and a node need as processes of their own: time to start, and memory.

use std::time::{Duration, Instant};

use anyhow::ensure;
use carerecord_storage::Database;
use carerecord_testkit::{Deployment, Letter, Role};

use crate::measure::{most_memory, resident_mib};
use crate::node::product::{letter, retrieval};
use crate::node::{LARGE, LARGE_ONES};
use crate::population::{ORDINARY, Population};
use crate::product::{self, Processes, list};
use crate::report::{Bench, Run};
use crate::{load, pages};

#[derive(clap::Args)]
pub struct ServerOptions {
    #[command(flatten)]
    processes: Processes,
    /// How many entries lie in the registry, about a hundred for each patient
    #[arg(long, default_value_t = 10_000)]
    entries: u32,
    #[command(flatten)]
    run: Run,
}

pub async fn run(options: ServerOptions) -> anyhow::Result<()> {
    let mut deployment = options.processes.stopped().await?;
    deployment.configure();
    let population = Population::of(options.entries);
    let engine = options.processes.engine();
    let name = format!("Server benchmark: registry and node, {engine}");
    let mut bench = Bench::new(&name, options.run, &deployment.file(""));
    bench.report.fact(fill(&deployment, population).await?);
    registry(&mut bench, &mut deployment, population).await?;
    if bench.wants(NODE) {
        node(&mut bench, &mut deployment).await?;
    }
    bench.tell()
}

/// Loads the registry's database from this process, before its own is started.
async fn fill(deployment: &Deployment, population: Population) -> anyhow::Result<String> {
    let url = deployment.database_url(Role::Registry);
    let database = match url {
        Some(url) => Database::connect(url).await?,
        None => {
            let folder = deployment.data(Role::Registry);
            std::fs::create_dir_all(&folder)?;
            Database::open(&folder.join("registry.db")).await?
        }
    };
    let loaded = load::fill(&product::start(&database).await?, population).await?;
    pages::settle(&database, url).await?;
    database.close().await;
    Ok(loaded.to_string())
}

async fn registry(
    bench: &mut Bench,
    deployment: &mut Deployment,
    population: Population,
) -> anyhow::Result<()> {
    let mut seconds = vec![started(deployment, Role::Registry).await?];
    for _ in 1..STARTS {
        deployment.kill(Role::Registry);
        seconds.push(started(deployment, Role::Registry).await?);
    }
    bench.report.fact(format!(
        "registry: {seconds:.2?} s from the start of the process to readiness, the first one after \
         the load, then after kill -9 (goal 2); what the files have in the system's cache stays there"
    ));
    let process = deployment.process(Role::Registry).id();
    bench.report.fact(format!("registry: {:.0} MiB idle (goal 60)", idle(process).await));
    let url = deployment.url(Role::Registry, "/xds/registry");
    let target = list(url, move |n| population.ordinary(n), ORDINARY);
    let (done, most) = most_memory(process, bench.alone(REGISTRY, 16, &target)).await;
    if done?.is_some() {
        let fact = format!("registry: at most {most:.0} MiB with 16 clients (goal 300)");
        bench.report.fact(fact);
    }
    Ok(())
}

/// A node that is started anew for each number of clients, with documents that it has.
async fn node(bench: &mut Bench, deployment: &mut Deployment) -> anyhow::Result<()> {
    let role = Role::Node(0);
    started(deployment, role).await?;
    for n in 0..LARGE_ONES {
        // Nothing that a search could be about: no index is made meanwhile.
        let document = Letter { mime_type: "image/png".to_owned(), ..letter(2, n, LARGE) };
        let answer = deployment.node(0).publish(&document).await?;
        ensure!(answer.is_success(), "not published: {}", answer.envelope);
    }
    let mut one = 0.0;
    for clients in [1, 4, 16] {
        deployment.kill(role);
        started(deployment, role).await?;
        let process = deployment.process(role).id();
        let idle = idle(process).await;
        let target = retrieval(&deployment.url(role, "/xds/repository"), 2, LARGE_ONES, LARGE);
        let (done, most) = most_memory(process, bench.alone(NODE, clients, &target)).await;
        done?;
        let mut fact = format!("node: {idle:.0} MiB idle (goal 60), at most {most:.0} MiB");
        if clients == 1 {
            one = most;
            fact += " with one stream";
        } else {
            fact += &format!(
                " with {clients} streams: {:.2} MiB for each but the first (goal 2), {:.2} MiB \
                 for each above idle",
                (most - one) / (clients - 1) as f64,
                (most - idle) / clients as f64
            );
        }
        bench.report.fact(fact);
    }
    Ok(())
}

/// Starts the process of a role: seconds until it says that it is ready.
async fn started(deployment: &mut Deployment, role: Role) -> anyhow::Result<f64> {
    let begun = Instant::now();
    deployment.start(role);
    while !deployment.readiness(role).await.contains("\"status\":\"ready\"") {
        ensure!(begun.elapsed() < PATIENCE, "{role:?} does not become ready");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(begun.elapsed().as_secs_f64())
}

/// MiB of a process that nobody asks anything, after a while.
async fn idle(process: u32) -> f64 {
    tokio::time::sleep(Duration::from_secs(5)).await;
    resident_mib(process)
}

const REGISTRY: &str = "ITI-18, 100 entries, of the registry's process";
const NODE: &str = "ITI-43 of 5 MiB, of the node's process";
const STARTS: usize = 3;
const PATIENCE: Duration = Duration::from_secs(120);
