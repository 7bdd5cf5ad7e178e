//! What goes into a pack.

use std::collections::HashSet;

use anyhow::Context;
use carerecord_access::Policy;
use carerecord_audit::AuditEvent;
use carerecord_fhir::consent_resource;
use carerecord_model::{
    Clock, GetAll, NhsNumber, PatientId, PatientSearch, StoredQuery, SystemClock,
};
use carerecord_portal_api::access_pack::contents::{Contents, Document, Note};
use indicatif::ProgressBar;
use serde_json::Value;

use super::logs::{self, LogState};
use crate::audit::sources::Databases;
use crate::config::Config;
use crate::roles::AskedRegistry;

/// All that is known of a person here.
pub struct Gathered {
    /// What stands in the pack.
    pub contents: Contents,
    /// What they have said about sharing, as FHIR Consents.
    pub choices: Vec<Value>,
    /// Who looked, and tried to, the newest first: AuditEvents.
    pub accesses: Vec<Value>,
    /// What became of each log.
    pub logs: Vec<LogState>,
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
                documents.push(Document::of(entry, policy));
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
    let mut contents = Contents {
        numbers: people.iter().map(NhsNumber::grouped).collect(),
        notes: vec![Note::plain("The documents themselves are not in it.")],
        documents,
        choices: Some(choices.len()),
        ..Contents::default()
    };
    contents.notes.extend(states.iter().map(LogState::note));
    let take = |(log, event): &(String, AuditEvent)| contents.accesses.take(log, event, policy);
    let accesses = events.iter().map(take).collect();
    Ok(Gathered { contents, choices, accesses, logs: states })
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
