use std::collections::HashMap;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use carerecord_access::{Rule, WITHHELD_ORGANISATION};
use carerecord_fhir::{
    DocumentReferenceSearch, Entry, Issue, Related, add_snippets, claim_offered, coverage_issues,
    date_time, document_reference, override_in_force, override_offered, pairs, searchset,
    source_issue,
};
use carerecord_model::{AssociationType, Coverage, DocumentEntry, EntryUuid, FoundObjects};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::input::{Asked, is_strict};
use super::{Session, answer, outcome_entry, withheld_issues};
use crate::Portal;
use crate::content::{Hit, Searched};
use crate::error::FhirError;
use crate::federation::NodeState;
use crate::service::Record;

/// Answers a read of one DocumentReference.
pub(crate) async fn read(
    State(portal): State<Portal>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Response, FhirError> {
    session.does("read DocumentReference");
    let id = entry_uuid(&id)?;
    let document = portal.document(&session.caller, session.purpose, id, &session.draft).await;
    let document = session.note(document)?;
    session.draft.decision(document.decision());
    session.draft.fill(|event| {
        event.subject = document.value().patient_id.nhs_number();
        event.listed = vec![document.value().entry_uuid.to_string()];
    });
    let (entry, masked) = (document.value(), document.masked);
    Ok(answer::versioned(StatusCode::OK, resource(&portal, entry, masked, None)))
}

/// Answers Find Document References [ITI-67].
pub(crate) async fn search(
    State(portal): State<Portal>,
    session: Session,
    headers: HeaderMap,
    Asked(parameters): Asked,
) -> Result<Response, FhirError> {
    session.does("search DocumentReference");
    let search = DocumentReferenceSearch::parse(&pairs(&parameters), is_strict(&headers))?;
    session.draft.fill(|event| event.subject = Some(search.patient));
    if let Some(words) = search.content.clone() {
        return run_content(&portal, &session, &search, &words).await;
    }
    let record = portal.record(&session.caller, session.purpose, search.patient).await;
    let record = session.note(record)?;
    let found = record.found.value();
    let entries: Vec<&DocumentEntry> =
        found.document_entries.iter().filter(|e| search.matches(e)).collect();
    session.draft.decision(record.found.decision());
    session.draft.fill(|event| {
        event.subject = Some(record.number);
        event.listed = entries.iter().map(|e| e.entry_uuid.to_string()).collect();
        event.withheld = record.withheld.count;
    });
    let total = entries.len();
    let mut listed = Vec::new();
    if !search.count_only {
        for entry in &entries {
            let url = url_of(&portal, entry);
            listed.push(Entry::Match(url, resource(&portal, entry, record.masked, Some(found))));
        }
    }
    listed.extend(outcome_entry(issues(&portal, &session, &record)).map(Entry::Outcome));
    // The patient is not repeated in the link: a URL must not name one.
    let url = format!("{}/DocumentReference", portal.config.base_url);
    Ok(answer::resource(StatusCode::OK, searchset(&url, total, listed)))
}

/// The documents that have the words, best first, with the places where they stand.
async fn run_content(
    portal: &Portal,
    session: &Session,
    search: &DocumentReferenceSearch,
    words: &str,
) -> Result<Response, FhirError> {
    session.does("search in documents");
    let found = portal.search_content(&session.caller, session.purpose, search, words).await;
    let Searched { record, hits, coverage } = session.note(found)?;
    let objects = record.found.value();
    let hits: Vec<(&Hit, &DocumentEntry)> = hits
        .iter()
        .filter_map(|hit| Some((hit, objects.document_entries.get(hit.entry)?)))
        .collect();
    session.draft.decision(record.found.decision());
    session.draft.fill(|event| {
        event.subject = Some(record.number);
        event.listed = hits.iter().map(|(_, entry)| entry.entry_uuid.to_string()).collect();
        event.withheld = record.withheld.count;
    });
    let total = hits.len();
    let mut listed = Vec::new();
    if !search.count_only {
        for (hit, entry) in &hits {
            let mut resource = resource(portal, entry, record.masked, Some(objects));
            // The text of a letter tells where it was written.
            if !record.masked {
                add_snippets(&mut resource, &hit.snippets);
            }
            listed.push(Entry::Ranked(url_of(portal, entry), resource, hit.score));
        }
    }
    let mut issues = issues(portal, session, &record);
    issues.extend(search_issues(&record, &coverage));
    listed.extend(outcome_entry(issues).map(Entry::Outcome));
    let url = format!("{}/DocumentReference", portal.config.base_url);
    Ok(answer::resource(StatusCode::OK, searchset(&url, total, listed)))
}

/// What could not be searched inside, by source; in one where sources must not be told apart.
fn search_issues(record: &Record, coverage: &[Option<Option<Coverage>>]) -> Vec<Issue> {
    let answered = record.sources.iter().zip(coverage);
    let answered = answered.filter_map(|(node, answer)| Some((node, (*answer)?)));
    if !record.masked {
        let issues = |(node, coverage): (&NodeState, Option<Coverage>)| {
            coverage_issues(coverage.as_ref(), &node.name, node.id.as_str())
        };
        return answered.flat_map(issues).collect();
    }
    let add = |sum: Option<Coverage>, (_, one): (&NodeState, Option<Coverage>)| {
        let (sum, one) = (sum?, one?);
        Some(Coverage {
            rebuilding: sum.rebuilding || one.rebuilding,
            waiting: sum.waiting + one.waiting,
            unreadable: sum.unreadable + one.unreadable,
            missing: sum.missing + one.missing,
        })
    };
    let sum = answered.fold(Some(Coverage::default()), add);
    coverage_issues(sum.as_ref(), "Sources", "sources")
}

/// What is withheld and may be told, then what became of each source.
fn issues(portal: &Portal, session: &Session, record: &Record) -> Vec<Issue> {
    let mut latest: HashMap<&str, String> = HashMap::new();
    for entry in &record.found.value().document_entries {
        let (Some(node), Some(time)) = (&entry.repository_unique_id, &entry.creation_time) else {
            continue;
        };
        // Newest first, so the first one seen of a node is its latest.
        latest.entry(node.as_str()).or_insert_with(|| date_time(time));
    }
    let mut issues = withheld_issues(&record.withheld);
    let source = |(n, node): (usize, &NodeState)| {
        let last_good = node.last_good.map(to_seconds);
        if record.masked {
            // Which of them has documents would tell where the person is cared for.
            let (name, id) = (format!("Source {}", n + 1), format!("source-{}", n + 1));
            return source_issue(node.state, &name, &id, node.latency_ms, last_good, None);
        }
        let newest = latest.get(node.id.as_str()).cloned();
        source_issue(node.state, &node.name, node.id.as_str(), node.latency_ms, last_good, newest)
    };
    issues.extend(record.sources.iter().enumerate().map(source));
    match &record.opened {
        Some(opened) => {
            let until = opened.until.to_string();
            issues.push(override_in_force(opened.reason.words(), &until));
        }
        None if portal.access.may_break_glass(&session.caller).is_ok() => {
            issues.push(override_offered());
        }
        None => {}
    }
    let unrelated = record.withheld.told.iter().any(|d| d.rule == Rule::NoRelationship);
    if unrelated && portal.access.may_claim(&session.caller).is_ok() {
        issues.push(claim_offered());
    }
    issues
}

fn to_seconds(time: Timestamp) -> String {
    format!("{time:.0}")
}

/// The resource for an entry that has been released; `masked` is whether places must not be told.
fn resource(
    portal: &Portal,
    entry: &DocumentEntry,
    masked: bool,
    found: Option<&FoundObjects>,
) -> Value {
    let id = entry.uuid().map(|u| u.uuid()).unwrap_or_default();
    let attachment = format!("{}/Binary/{id}", portal.config.base_url);
    let relations = found.map(|f| related(f, entry)).unwrap_or_default();
    if masked {
        let nowhere = DocumentEntry { repository_unique_id: None, ..entry.clone() };
        let custodian = Some((WITHHELD_ORGANISATION, ""));
        return document_reference(&nowhere, &attachment, custodian, &relations);
    }
    let policy = portal.access.policy();
    let node = entry.repository_unique_id.as_ref();
    let custodian = node
        .and_then(|n| policy.node_organisation(n))
        .map(|code| (policy.organisation_name(code), code.as_str()));
    document_reference(entry, &attachment, custodian, &relations)
}

/// The documents that an entry relates to.
fn related(found: &FoundObjects, entry: &DocumentEntry) -> Vec<Related> {
    found
        .associations
        .iter()
        .filter(|a| {
            a.source == entry.entry_uuid && a.association_type != AssociationType::HasMember
        })
        .filter_map(|a| {
            let target = a.target.uuid()?;
            Some(Related { association_type: a.association_type, target })
        })
        .collect()
}

fn url_of(portal: &Portal, entry: &DocumentEntry) -> String {
    let id = entry.uuid().map(|u| u.uuid()).unwrap_or_default();
    format!("{}/DocumentReference/{id}", portal.config.base_url)
}

/// An id that is none names nothing.
pub(crate) fn entry_uuid(id: &str) -> Result<EntryUuid, FhirError> {
    Uuid::try_parse(id).map(EntryUuid::new).map_err(|_| FhirError::NotFound)
}
