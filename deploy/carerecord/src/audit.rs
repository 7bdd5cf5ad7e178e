use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use carerecord_audit::{AuditFilter, AuditLog, AuditOutcome, StoredEvent};
use carerecord_model::NhsNumber;
use clap::Args;
use jiff::Timestamp;

use crate::config::Config;
use crate::database::Source;

/// What to print.
#[derive(Args)]
pub struct AuditOptions {
    /// The data folder of the deployment, when its databases are files
    #[arg(long, default_value = "carerecord-data", conflicts_with = "config")]
    data: PathBuf,
    /// The configuration file of a process of the deployment
    #[arg(long)]
    config: Option<PathBuf>,
    /// Only accesses to the record of this person (NHS Number)
    #[arg(long)]
    subject: Option<NhsNumber>,
    /// Only by this user or system
    #[arg(long)]
    actor: Option<String>,
    /// Only by this organisation (ODS code)
    #[arg(long)]
    organisation: Option<String>,
    /// Only with this outcome: success, refused, rejected or failed
    #[arg(long, value_parser = outcome)]
    outcome: Option<AuditOutcome>,
    /// Only since this time, e.g. 2026-11-25T00:00:00Z
    #[arg(long)]
    since: Option<Timestamp>,
    /// Only before this time
    #[arg(long)]
    until: Option<Timestamp>,
    /// The newest so many of each role
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    /// Check that no record is missing or changed, and print nothing else
    #[arg(long)]
    verify: bool,
}

/// `carerecord audit`: the records of all roles that keep their data here, by time.
pub async fn run(options: AuditOptions) -> anyhow::Result<ExitCode> {
    let sources = sources(&options)?;
    let filter = AuditFilter {
        subject: options.subject,
        actor: options.actor.clone(),
        organisation: options.organisation.clone(),
        outcome: options.outcome,
        since: options.since,
        until: options.until,
        limit: Some(options.limit),
    };
    let mut events = Vec::new();
    for source in sources {
        let database = source.open().await?;
        let log = AuditLog::new(database.clone());
        if options.verify {
            let count = log.verify().await.with_context(|| source.to_string())?;
            println!("{source}: {count} records, the chain is whole");
        } else {
            events.extend(log.read(&filter).await?);
        }
        database.close().await;
    }
    events.sort_by_key(|e| e.event.recorded_at);
    for event in &events {
        if options.json {
            println!("{}", serde_json::to_string(&event.event)?);
        } else {
            println!("{}", line(event));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn line(stored: &StoredEvent) -> String {
    let e = &stored.event;
    let actor = e.actor.as_ref();
    let who = actor.map_or("-", |a| a.name.as_deref().unwrap_or(&a.id));
    let organisation = actor.map_or("-", |a| a.organisation.as_str());
    let subject = e.subject.map_or_else(|| "-".to_owned(), |s| s.grouped());
    let rule = e.decision.as_ref().map_or("-", |d| d.rule.as_str());
    let documents = e.listed.len() + e.documents.len();
    format!(
        "{}  {:8}  {:24}  {}  {organisation}  subject {subject}  rule {rule}  documents {documents}{}",
        e.recorded_at.strftime("%Y-%m-%d %H:%M:%S%.3f"),
        e.outcome.as_str(),
        e.interaction,
        who,
        e.error.as_ref().map(|e| format!("  {e}")).unwrap_or_default(),
    )
}

/// The databases of the roles, each once.
fn sources(options: &AuditOptions) -> anyhow::Result<Vec<Source>> {
    let Some(file) = &options.config else {
        let files = databases(&options.data)?;
        if files.is_empty() {
            bail!("there is no database below {}", options.data.display());
        }
        return Ok(files.into_iter().map(Source::File).collect());
    };
    let config = Config::read(file)?;
    let mut all = Vec::new();
    for database in config.databases() {
        all.push(Source::Postgres(database.address(&config.base)?));
    }
    if config.data.is_dir() {
        all.extend(databases(&config.data)?.into_iter().map(Source::File));
    }
    // One database can serve several roles.
    let mut seen = HashSet::new();
    all.retain(|source| match source {
        Source::Postgres(address) => seen.insert(address.expose().to_owned()),
        Source::File(_) => true,
    });
    Ok(all)
}

fn databases(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let inner = path.join("node.db");
        if path.extension().is_some_and(|e| e == "db") {
            found.push(path);
        } else if inner.is_file() {
            found.push(inner);
        }
    }
    found.sort();
    Ok(found)
}

fn outcome(text: &str) -> Result<AuditOutcome, String> {
    [AuditOutcome::Success, AuditOutcome::Refused, AuditOutcome::Rejected, AuditOutcome::Failed]
        .into_iter()
        .find(|o| o.as_str() == text)
        .ok_or_else(|| "one of success, refused, rejected, failed".to_owned())
}
