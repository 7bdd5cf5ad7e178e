//! What goes into a pack.

use std::collections::{HashMap, HashSet};

use anyhow::Context;
use carerecord_access::{Policy, Rule};
use carerecord_audit::{AuditEvent, AuditOutcome, audit_event};
use carerecord_fhir::consent_resource;
use carerecord_model::{
    Clock, DocumentEntry, GetAll, NhsNumber, OrganisationCode, PatientId, PatientSearch,
    StoredQuery, SystemClock,
};
use indicatif::ProgressBar;
use serde::Serialize;
use serde_json::{Value, json};

use super::logs::{self, LogState};
use crate::audit::sources::Databases;
use crate::config::Config;
use crate::roles::AskedRegistry;

/// All that is known of a person here.
pub struct Gathered {
    /// Every number that they were kept under.
    pub numbers: Vec<String>,
    /// The documents that the registry knows of.
    pub documents: Vec<Document>,
    /// What they have said about sharing, as FHIR Consents.
    pub choices: Vec<Value>,
    /// Who looked, and tried to, the newest first: AuditEvents.
    pub accesses: Vec<Value>,
    /// Those that were refused, in words.
    pub refused: Vec<Line>,
    /// How often whom, for which organisation.
    pub people: Vec<(String, String, usize)>,
    /// What became of each log.
    pub logs: Vec<LogState>,
}

/// A document: what it is, where it is, and who controls it.
#[derive(Serialize)]
pub struct Document {
    /// Its uniqueId.
    pub unique_id: String,
    /// Its entryUUID.
    pub entry_uuid: String,
    /// The title.
    pub title: String,
    /// What kind it is.
    pub kind: String,
    /// When it was made, as far as that is known.
    pub created: String,
    /// Whether it is the current version.
    pub status: String,
    /// The organisation that keeps and controls it.
    pub keeper: String,
    /// The node that holds it.
    pub repository: String,
    /// Bytes.
    pub size: Option<u64>,
    /// SHA-1 in hex.
    pub hash: Option<String>,
}

/// A refused access.
pub struct Line {
    /// When.
    pub at: String,
    /// By whom.
    pub who: String,
    /// What was tried.
    pub what: String,
    /// The rule, in words.
    pub why: String,
}

pub async fn gather(
    config: &Config,
    databases: &Databases,
    registry: &AskedRegistry,
    policy: &Policy,
    number: NhsNumber,
    progress: &ProgressBar,
) -> anyhow::Result<Gathered> {
    progress.set_message("Asking the registry");
    let people = numbers(registry, number).await?;
    let (mut documents, mut choices) = (Vec::new(), Vec::new());
    let mut seen = HashSet::new();
    for number in &people {
        let query = GetAll::of(PatientId::from_nhs_number(*number));
        let query = StoredQuery::GetAll(Box::new(query));
        let found = registry.ports.registry.stored_query(&query);
        let found = found.await.context("the registry could not be asked")?;
        for entry in &found.document_entries {
            if seen.insert(entry.entry_uuid.to_string()) {
                documents.push(document(entry, policy));
            }
        }
        let said = registry.ports.facts.consent_records(*number).await;
        let said = said.context("the person's sharing choices could not be had")?;
        choices.extend(said.iter().map(consent_resource));
    }

    let mut events: Vec<(String, AuditEvent)> = Vec::new();
    let mut states = Vec::new();
    let mut known = HashSet::new();
    for log in logs::all(config, databases).await? {
        progress.set_message("Reading who looked");
        let state = log
            .read(&people, SystemClock.now(), &mut |name, event| {
                // Roles that share a database share a log.
                if known.insert(event.id) {
                    progress.inc(1);
                    events.push((name.to_owned(), event));
                }
            })
            .await;
        states.push(state);
    }
    events.sort_by_key(|(_, event)| std::cmp::Reverse(event.recorded_at));
    Ok(Gathered {
        numbers: people.iter().map(NhsNumber::grouped).collect(),
        documents,
        choices,
        refused: events.iter().filter_map(|(_, event)| refused(event, policy)).collect(),
        people: counted(&events, policy),
        accesses: events.iter().map(|(log, event)| access(log, event)).collect(),
        logs: states,
    })
}

/// Every number of the person.
async fn numbers(registry: &AskedRegistry, number: NhsNumber) -> anyhow::Result<Vec<NhsNumber>> {
    let id = PatientId::from_nhs_number(number);
    let search = PatientSearch { identifiers: vec![vec![id]], ..PatientSearch::default() };
    let found = registry.ports.patients.find_patients(&search).await;
    let found = found.context("the patient index could not be asked")?;
    let mut all = vec![number];
    for person in &found.people {
        all.push(person.patient.nhs_number);
        all.extend(person.identifiers.iter().filter_map(PatientId::nhs_number));
    }
    all.sort();
    all.dedup();
    Ok(all)
}

fn document(entry: &DocumentEntry, policy: &Policy) -> Document {
    let node = entry.repository_unique_id.as_ref();
    let keeper = node.and_then(|node| policy.node_organisation(node));
    Document {
        unique_id: entry.unique_id.to_string(),
        entry_uuid: entry.entry_uuid.to_string(),
        title: entry.title.first().map_or_else(String::new, |title| title.value.clone()),
        kind: entry.type_code.display.clone(),
        created: entry.creation_time.as_ref().map_or_else(String::new, carerecord_fhir::date_time),
        status: format!("{:?}", entry.availability_status).to_lowercase(),
        keeper: keeper.map_or_else(
            || "Not known here".to_owned(),
            |code| format!("{} ({code})", policy.organisation_name(code)),
        ),
        repository: node.map_or_else(String::new, ToString::to_string),
        size: entry.size,
        hash: entry.hash.clone(),
    }
}

/// The AuditEvent, with the log that it is in and what was decided.
fn access(log: &str, event: &AuditEvent) -> Value {
    json!({
        "log": log,
        "interaction": event.interaction,
        "decision": event.decision,
        "event": audit_event(event),
    })
}

fn who(event: &AuditEvent, policy: &Policy) -> (String, String) {
    let Some(actor) = &event.actor else {
        return ("Nobody who was signed in".to_owned(), String::new());
    };
    let name = actor.name.clone().unwrap_or_else(|| format!("The system {}", actor.id));
    let organisation = actor.organisation.parse::<OrganisationCode>();
    let organisation = organisation.map_or_else(
        |_| actor.organisation.clone(),
        |code| policy.organisation_name(&code).to_owned(),
    );
    (name, organisation)
}

fn refused(event: &AuditEvent, policy: &Policy) -> Option<Line> {
    let denied = event.decision.as_ref().filter(|decision| decision.outcome == "deny");
    if event.outcome != AuditOutcome::Refused && denied.is_none() {
        return None;
    }
    let (name, organisation) = who(event, policy);
    let rule = denied.and_then(|decision| Rule::from_id(&decision.rule));
    Some(Line {
        at: event.recorded_at.strftime("%-d %B %Y %H:%M UTC").to_string(),
        who: if organisation.is_empty() { name } else { format!("{name}, {organisation}") },
        what: event.interaction.clone(),
        why: rule.map_or_else(|| "It was refused.".to_owned(), |r| r.explanation().to_owned()),
    })
}

/// Who, for whom, how often: the most often first.
fn counted(events: &[(String, AuditEvent)], policy: &Policy) -> Vec<(String, String, usize)> {
    let mut counts: HashMap<(String, String), usize> = HashMap::new();
    for (_, event) in events {
        *counts.entry(who(event, policy)).or_default() += 1;
    }
    let mut all: Vec<_> = counts.into_iter().map(|((name, org), n)| (name, org, n)).collect();
    all.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.cmp(b)));
    all
}
