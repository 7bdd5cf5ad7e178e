use std::process::ExitCode;

use anyhow::Context;
use carerecord_audit::{AuditFilter, AuditLog, AuditOutcome, StoredEvent};
use carerecord_model::NhsNumber;
use clap::Args;
use jiff::Timestamp;

use super::sources::{Databases, record_reading};

/// What to print.
#[derive(Args)]
pub struct ListOptions {
    #[command(flatten)]
    databases: Databases,
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
    /// One FHIR AuditEvent a line, in the form of IHE's profiles (BALP)
    #[arg(long, conflicts_with = "json")]
    fhir: bool,
    /// Check the chain of hashes, and print nothing else; `audit verify` proves more
    #[arg(long)]
    verify: bool,
}

/// `carerecord audit`: the records of all roles that keep their data here, by time.
pub async fn run(options: ListOptions) -> anyhow::Result<ExitCode> {
    let sources = options.databases.all()?;
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
            record_reading(&database, "audit", "list", options.subject).await?;
            events.extend(log.read(&filter).await?);
        }
        database.close().await;
    }
    events.sort_by_key(|e| e.event.recorded_at);
    for event in &events {
        if options.fhir {
            println!("{}", carerecord_audit::audit_event(&event.event));
        } else if options.json {
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

fn outcome(text: &str) -> Result<AuditOutcome, String> {
    [AuditOutcome::Success, AuditOutcome::Refused, AuditOutcome::Rejected, AuditOutcome::Failed]
        .into_iter()
        .find(|o| o.as_str() == text)
        .ok_or_else(|| "one of success, refused, rejected, failed".to_owned())
}
