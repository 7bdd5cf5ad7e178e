//! `carerecord demo`: every role in one process, on the fixed ports, with invented people.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use bytes::Bytes;
use carerecord_access::{CitizenGrantStore, ConsentStore, RelationshipStore};
use carerecord_model::{
    Clock, DocumentRegistry, EntryRef, GetDocuments, Patient, StoredQuery, SystemClock,
};
use carerecord_service::{Lifecycle, LogFormat, telemetry};
use clap::Args;
use jiff::{SignedDuration, Timestamp};

use crate::config::Config;
use crate::progress;
use crate::publish::{CodeMaps, Given, Source, prepare, reasons, send};
use crate::roles::{self, Roles};
use crate::samples::Sample;
use crate::serve::exit_code;
use crate::{peer, samples};

#[derive(Args)]
pub struct DemoOptions {
    /// Where databases and documents are kept
    #[arg(long, default_value = "carerecord-data")]
    data: PathBuf,
    /// Without sample people and documents
    #[arg(long)]
    empty: bool,
    /// The web portal's port; the other listeners take the nine ports after it
    #[arg(long, default_value_t = FIRST_PORT, value_parser = clap::value_parser!(u16).range(1..=65526))]
    port: u16,
    /// What to log, e.g. info or debug
    #[arg(long, default_value = "warn")]
    log: String,
}

pub async fn run(options: DemoOptions) -> anyhow::Result<ExitCode> {
    telemetry::init(LogFormat::Text, &options.log)?;
    std::fs::create_dir_all(&options.data)
        .with_context(|| format!("cannot make {}", options.data.display()))?;
    let config = configuration(&options.data, options.port)?;
    let lifecycle = Lifecycle::new();
    let roles = roles::start(&config, &lifecycle).await?;
    let marker = options.data.join(SAMPLES);
    if !options.empty && !marker.exists() {
        // After the eleventh birthday of the child.
        let cared_for_since = SystemClock.now() - SignedDuration::from_hours(24 * 30);
        publish_samples(&roles, options.port, cared_for_since).await?;
        std::fs::write(&marker, "The sample people and documents have been published.\n")?;
    }
    print_welcome(options.empty, options.port);
    let stopped = lifecycle.run().await?;
    roles.close().await;
    println!("Stopped.");
    Ok(exit_code(&stopped))
}

/// The configuration of the demo, as a file would say it.
pub fn configuration(data: &Path, port: u16) -> anyhow::Result<Config> {
    let policy = data.join("policy");
    write_policy(&policy)?;
    write_codes(&data.join("codes"))?;
    for name in ["delegation", "oauth", "oauth-client", "launcher", "ehr-client"] {
        let (key, keys) = (format!("{name}.key"), format!("{name}.jwks.json"));
        crate::delegations::make_missing(&data.join(key), &data.join(keys))?;
    }
    let text = with_ports(include_str!("../config/demo.toml"), port);
    let mut config: Config = toml::from_str(&text)?;
    config.base = data.to_owned();
    config.data = data.to_owned();
    config.policy = policy;
    Ok(config)
}

/// The configuration with its ten ports moved to those from `first` on.
fn with_ports(text: &str, first: u16) -> String {
    let mut pieces = text.split(LOOPBACK);
    let mut moved = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find(|c: char| !c.is_ascii_digit()).unwrap_or(piece.len());
        let (port, rest) = piece.split_at(end);
        let offset = port.parse::<u16>().ok().and_then(|port| port.checked_sub(FIRST_PORT));
        let port = match offset.filter(|offset| *offset < PORTS) {
            Some(offset) => (first + offset).to_string(),
            None => port.to_owned(),
        };
        moved.extend([LOOPBACK, &port, rest]);
    }
    moved
}

/// The rules are files that can be read and changed; what is there already is left.
fn write_policy(folder: &Path) -> anyhow::Result<()> {
    let agreements = folder.join("agreements");
    std::fs::create_dir_all(&agreements)?;
    let examples = folder.join("examples");
    std::fs::create_dir_all(&examples)?;
    let files = [
        (folder.join("access.toml"), include_str!("../config/policy/access.toml")),
        (folder.join("consent-models.toml"), include_str!("../config/policy/consent-models.toml")),
        (folder.join("sensitivity.toml"), include_str!("../config/policy/sensitivity.toml")),
        (folder.join("citizens.toml"), include_str!("../config/policy/citizens.toml")),
        (folder.join("detection.toml"), include_str!("../config/policy/detection.toml")),
        (folder.join("feeds.toml"), include_str!("../config/policy/feeds.toml")),
        (folder.join("staff.csv"), include_str!("../config/policy/staff.csv")),
        (folder.join("flagged.txt"), include_str!("../config/policy/flagged.txt")),
        (
            examples.join("direct-care.toml"),
            include_str!("../config/policy/examples/direct-care.toml"),
        ),
        (
            agreements.join("dsa-ev-0001.json"),
            include_str!("../config/policy/agreements/dsa-ev-0001.json"),
        ),
    ];
    write_missing(&files)
}

/// The codes of the affinity domain, likewise.
fn write_codes(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)?;
    let text = include_str!("../config/codes/uk-default.xml");
    write_missing(&[(folder.join("uk-default.xml"), text)])
}

fn write_missing(files: &[(PathBuf, &str)]) -> anyhow::Result<()> {
    for (path, text) in files {
        if !path.exists() {
            std::fs::write(path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}

/// The people of the demo, what they have said, since when a parent may see a child's record, and their
/// documents.
pub async fn publish_samples(
    roles: &Roles,
    port: u16,
    cared_for_since: Timestamp,
) -> anyhow::Result<()> {
    let registry = roles.registry.as_ref().context("the demo has no registry")?;
    for record in samples::consents(SystemClock.now()) {
        // Already there after a first start that was cut off: what is stored stays.
        if let Err(error) = registry.put_consent(record).await {
            tracing::debug!(%error, "a sample consent was not stored");
        }
    }
    for relationship in samples::relationships(SystemClock.now()) {
        if let Err(error) = registry.put_relationship(relationship).await {
            tracing::debug!(%error, "a sample relationship was not stored");
        }
    }
    for grant in samples::citizen_grants(cared_for_since) {
        if let Err(error) = registry.put_citizen_grant(grant).await {
            tracing::debug!(%error, "a sample grant was not stored");
        }
    }
    publish(roles, port, samples::people(), samples::documents()).await
}

/// Makes people known, and publishes documents through the nodes' own ITI-41 doors.
pub async fn publish(
    roles: &Roles,
    port: u16,
    people: Vec<Patient>,
    all: Vec<Sample>,
) -> anyhow::Result<()> {
    let registry = roles.registry.as_ref().context("the demo has no registry")?;
    for person in people {
        registry.put_patient(person).await?;
    }
    let codes = CodeMaps::load(None)?;
    let http = peer::http_client(None)?;
    let bar = progress::bar("{bar:40} {pos}/{len} documents", Some(all.len() as u64))?;
    for sample in all {
        let (name, ods) = NODES[sample.node];
        let mut given = Given::new(Some(sample.patient), ods.parse()?, name.to_owned());
        if let Some((code, title, created)) = sample.given {
            given.type_code = Some(codes.type_of(code)?);
            given.title = Some(title.to_owned());
            given.created = Some(created.parse()?);
        }
        let source = Source::of(Bytes::from(sample.bytes));
        let mut prepared = prepare(&source, &given, &codes).map_err(anyhow::Error::msg)?;
        if let Some(replaced) = prepared.replaces.clone() {
            let query = GetDocuments::of(EntryRef::UniqueIds(vec![replaced]));
            let found = registry.stored_query(&StoredQuery::GetDocuments(query)).await?;
            if let Some(uuid) = found.document_entries.first().and_then(|e| e.uuid()) {
                prepared.replace(uuid);
            }
        }
        let node = port + 2 + sample.node as u16;
        let node = format!("http://127.0.0.1:{node}/xds/repository");
        let done = send(&http, &node, &prepared.submission, &source).await;
        let done = done.map_err(anyhow::Error::msg)?;
        done.map_err(|e| anyhow::anyhow!("a sample was refused: {}", reasons(&e)))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

fn print_welcome(empty: bool, port: u16) {
    let at = |offset: u16| format!("http://127.0.0.1:{}", port + offset);
    println!("Care Record is running. Everything in it is invented.\n");
    println!("  Web portal   {}", at(0));
    println!("  FHIR API     {}/fhir/metadata", at(0));
    println!("  Docs         {}/docs", at(0));
    println!("  Registry     {}/xds/registry", at(1));
    println!("  Nodes        {}-{}/xds/repository", at(2), port + 4);
    println!("  Health       {}/health/ready\n", at(9));
    println!(
        "XDS callers on this machine are trusted: publish, query, retrieve and administer for ZEX09."
    );
    println!("Sign in with any account of the sign-in page; there are no passwords.");
    if !empty {
        println!("\nFour things to try:");
        println!("  1. Sign in as the GP, find 999 000 1006, open a document.");
        println!("  2. Find 999 000 1049: the patient has objected, and the page says so.");
        println!("  3. carerecord publish FILE --patient 9990001146, then find 999 000 1146.");
        println!(
            "  4. Sign in as a patient: Ada Okafor sees her record, and who has looked at it."
        );
    }
    println!("\nCtrl-C stops.");
}

const NODES: [(&str, &str); 3] = [
    ("Royal Example Hospital", "ZEX01"),
    ("Example Community Trust", "ZEX02"),
    ("Example Council", "ZEX05"),
];

const LOOPBACK: &str = "127.0.0.1:";
/// The portal's port unless told.
pub const FIRST_PORT: u16 = 8080;
/// The file that says that people and documents are there.
pub const SAMPLES: &str = "samples-published";
/// Portal, registry, three nodes, sign-in, identity feed, sign-in of citizens, a spare one, health.
const PORTS: u16 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ports_move_and_nothing_else() {
        let moved = with_ports("a 127.0.0.1:8080 b 127.0.0.1:8089/x 127.0.0.1:2575", 8081);

        assert_eq!(moved, "a 127.0.0.1:8081 b 127.0.0.1:8090/x 127.0.0.1:2575");
        let demo = include_str!("../config/demo.toml");
        assert_eq!(with_ports(demo, FIRST_PORT), demo);
        assert!(!with_ports(demo, 20000).contains(":80"), "a port of the demo did not move");
    }
}
