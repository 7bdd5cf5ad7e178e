//! `carerecord mock`: the demo for developers of other systems. It is the same program, with people for
//! every case and a header by which a request asks for something to go wrong.

mod catalogue;
mod door;
mod people;
mod ports;
mod scenario;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use carerecord_registry::UnknownPatients;
use carerecord_service::{IdSource as _, Lifecycle, LogFormat, RandomIds, telemetry};
use clap::Args;

pub use catalogue::{Scenario, catalogue};
pub use ports::{ScenarioNode, ScenarioPatients, ScenarioRegistry};

use crate::demo::{self, FIRST_PORT, SAMPLES};
use crate::roles;
use crate::serve::exit_code;

#[derive(Args)]
pub struct MockOptions {
    /// The portal's port; the other listeners take the nine ports after it, as those of the demo
    #[arg(long, default_value_t = FIRST_PORT, value_parser = clap::value_parser!(u16).range(1..=65526))]
    port: u16,
    /// An empty folder for its databases and documents; one that is thrown away at the end unless given
    #[arg(long)]
    data: Option<PathBuf>,
    /// How many documents 999 000 1111 has, e.g. 5000
    #[arg(long, default_value_t = 0)]
    documents: usize,
    /// What to log, e.g. info or debug
    #[arg(long, default_value = "warn")]
    log: String,
}

pub async fn run(options: MockOptions) -> anyhow::Result<ExitCode> {
    telemetry::init(LogFormat::Text, &options.log)?;
    let thrown_away = std::env::temp_dir().join(format!("carerecord-mock-{}", RandomIds.random()));
    let data = options.data.as_deref().unwrap_or(&thrown_away);
    std::fs::create_dir_all(data).with_context(|| format!("cannot make {}", data.display()))?;
    // Everybody begins with the same people, whatever others have tried before.
    let is_empty = std::fs::read_dir(data)?.next().is_none();
    ensure!(is_empty, "{} is not empty: the mock begins anew each time", data.display());
    let served = serve(&options, data).await;
    if options.data.is_none() {
        std::fs::remove_dir_all(data)
            .with_context(|| format!("{} is left behind", data.display()))?;
    }
    served
}

async fn serve(options: &MockOptions, data: &Path) -> anyhow::Result<ExitCode> {
    let mut config = demo::configuration(data, options.port)?;
    config.scenarios = true;
    if let Some(registry) = &mut config.registry {
        // As a deployment does: who is not known, or not traced, has no record.
        registry.rules.unknown_patients = UnknownPatients::Reject;
    }
    for source in config.portal.iter_mut().flat_map(|portal| &mut portal.source) {
        // What one request asks for is not to befall the next one.
        source.limits.breaker_failures = u32::MAX;
    }
    let lifecycle = Lifecycle::new();
    let roles = roles::start(&config, &lifecycle).await?;
    demo::publish_samples(&roles, options.port, people::CARED_FOR_SINCE.parse()?).await?;
    let more = people::documents(options.documents);
    demo::publish(&roles, options.port, people::people(), more).await?;
    merge(options.port).await?;
    people::damage(data)?;
    std::fs::write(data.join(SAMPLES), "The people and documents of the mock are there.\n")?;
    print_welcome(options.port);
    let stopped = lifecycle.run().await?;
    roles.close().await;
    println!("Stopped.");
    Ok(exit_code(&stopped))
}

/// One person becomes another, as a feed tells it.
async fn merge(port: u16) -> anyhow::Result<()> {
    let registry = format!("http://127.0.0.1:{}/xds/identity", port + 1);
    let http = crate::peer::http_client(None)?;
    let kind = "application/soap+xml; charset=UTF-8";
    let answer =
        http.post(registry).header("content-type", kind).body(people::MERGE).send().await?;
    let text = answer.text().await?;
    ensure!(text.contains("\"CA\""), "the merge of two people was refused: {text}");
    Ok(())
}

fn print_welcome(port: u16) {
    let at = |offset: u16| format!("http://127.0.0.1:{}", port + offset);
    println!(
        "The mock of Care Record is running. Everything in it is invented, and gone when it stops.\n"
    );
    println!("  FHIR API       {}/fhir", at(0));
    println!("  Documentation  {}/docs", at(0));
    println!("  Tokens         {}/token", at(5));
    println!("  Registry       {}/xds/registry", at(1));
    println!("  Nodes          {}-{}/xds/repository", at(2), port + 4);
    println!("  Identity feed  {}/xds/identity, MLLP on {}", at(1), port + 6);
    println!("  Health         {}/health/ready\n", at(9));
    println!("People and scenarios: {}/docs/scenarios.html", at(0));
    println!("A request asks for something to go wrong by the header X-Scenario.\n");
    println!("Ctrl-C stops.");
}

/// The layers of a listener of the mock.
pub fn layers(router: axum::Router) -> axum::Router {
    let router = router.layer(axum::middleware::from_fn(door::answer));
    router.layer(axum::middleware::from_fn(scenario::obey))
}
