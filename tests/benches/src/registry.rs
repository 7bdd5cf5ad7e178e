//! ITI-18 and ITI-42 of the registry in this process, next to their yardsticks.

use std::path::Path;

use carerecord_storage::Database;

use crate::measure::resident_mib;
use crate::population::Population;
use crate::product::{self, Product};
use crate::report::{Bench, Run};
use crate::yardstick::{self, Yardstick};
use crate::{Engine, load, pages};

#[derive(clap::Args)]
pub struct RegistryOptions {
    /// The database to measure on
    #[arg(long, value_enum, default_value = "sqlite")]
    database: Engine,
    /// A PostgreSQL URL; without one a server is started from installed programs
    #[arg(long)]
    url: Option<String>,
    /// How many entries lie in the registry, about a hundred for each patient
    #[arg(long, default_value_t = 10_000)]
    entries: u32,
    #[command(flatten)]
    run: Run,
}

pub async fn run(options: RegistryOptions) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let (database, url) = options.database.open(&folder.join("registry.db"), options.url).await?;
    let url = url.as_deref();
    let population = Population::of(options.entries);
    let name = format!("Registry benchmark: {:?}", options.database);
    let mut bench = Bench::new(&name, options.run, folder);
    let product = product::start(&database).await?;
    let lines = fill(&mut bench, &database, &product, population, folder, url).await?;
    let yardstick = yardstick::start(folder, url, options.entries).await?;
    queries(&mut bench, &product, &yardstick, population).await?;
    for clients in [1, 16] {
        bench.alone("GetDocuments by uniqueId", clients, &product.by_id(lines)).await?;
    }
    registrations(&mut bench, &product, &yardstick, population, &database).await?;
    heavy(&mut bench, &product, population).await?;
    bench.tell()?;
    database.close().await;
    Ok(())
}

/// Loads the registry; how many submissions it has.
async fn fill(
    bench: &mut Bench,
    database: &Database,
    product: &Product,
    population: Population,
    folder: &Path,
    url: Option<&str>,
) -> anyhow::Result<u64> {
    let loaded = load::fill(product, population).await?;
    bench.report.fact(loaded.to_string());
    pages::settle(database, url).await?;
    bench.report.fact(pages::size(folder, url, loaded.entries).await?);
    bench.report.fact(pages::touched(folder, url, population).await?);
    Ok(loaded.lines)
}

async fn queries(
    bench: &mut Bench,
    product: &Product,
    yardstick: &Yardstick,
    population: Population,
) -> anyhow::Result<()> {
    for count in [20, 100] {
        for (clients, audited) in [(1, false), (16, false), (16, true)] {
            let name = format!("ITI-18, {count} entries ÷ Y18{}", if audited { "a" } else { "" });
            let (ours, theirs) =
                (product.query(population, count), yardstick.query(count, audited));
            bench.pair(&name, clients, &ours, &theirs).await?;
        }
    }
    Ok(())
}

async fn registrations(
    bench: &mut Bench,
    product: &Product,
    yardstick: &Yardstick,
    population: Population,
    database: &Database,
) -> anyhow::Result<()> {
    let (ours, theirs) = (product.registration(population), yardstick.registration());
    for clients in [1, 16, 64] {
        bench.pair("ITI-42 ÷ Y42", clients, &ours, &theirs).await?;
    }
    let before = database.commits();
    if let Some(done) = bench.alone("ITI-42", 128, &ours).await? {
        let each = done.total as f64 / (database.commits() - before) as f64;
        let fact = format!("{each:.1} acknowledged registrations for each commit, 128 clients");
        bench.report.fact(fact);
    }
    Ok(())
}

/// The patient with thousands of entries, and how much memory that takes.
async fn heavy(bench: &mut Bench, product: &Product, population: Population) -> anyhow::Result<()> {
    let name = "ITI-18, 5,000 entries";
    let Some(heavy) = population.heavy().filter(|_| bench.wants(name)) else { return Ok(()) };
    let ours = product.heavy_query(heavy);
    let mut memory = Vec::new();
    for _ in 0..4 {
        bench.alone(name, 16, &ours).await?;
        memory.push(resident_mib(std::process::id()));
    }
    bench.report.fact(format!("{name}: all in one process, {memory:.0?} MiB after each turn"));
    Ok(())
}
