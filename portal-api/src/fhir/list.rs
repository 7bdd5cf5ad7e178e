use std::collections::HashSet;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use carerecord_fhir::{Entry, ListSearch, folder_list, pairs, searchset, submission_set_list};
use carerecord_model::{EntryUuid, FoundObjects, ObjectId};
use serde_json::Value;

use super::input::{Form, is_strict};
use super::{Session, answer, outcome_entry, withheld_issues};
use crate::Portal;
use crate::error::FhirError;

/// Answers Find Document Lists [ITI-66], asked by GET.
pub(crate) async fn search(
    State(portal): State<Portal>,
    session: Session,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, FhirError> {
    run(&portal, &session, &headers, &query.unwrap_or_default()).await
}

/// Answers Find Document Lists [ITI-66], asked by form.
pub(crate) async fn search_form(
    State(portal): State<Portal>,
    session: Session,
    headers: HeaderMap,
    Form(body): Form,
) -> Result<Response, FhirError> {
    run(&portal, &session, &headers, &body).await
}

async fn run(
    portal: &Portal,
    session: &Session,
    headers: &HeaderMap,
    parameters: &str,
) -> Result<Response, FhirError> {
    session.does("search List");
    let search = ListSearch::parse(&pairs(parameters), is_strict(headers))?;
    session.draft.fill(|event| event.subject = Some(search.patient));
    let record = portal.record(&session.caller, session.purpose, search.patient).await;
    let record = session.note(record)?;
    let found = record.found.value();
    let mut lists: Vec<Value> = Vec::new();
    for set in found.submission_sets.iter().filter(|s| search.matches_set(s)) {
        lists.push(submission_set_list(set, &members(found, &set.entry_uuid)));
    }
    for folder in found.folders.iter().filter(|f| search.matches_folder(f)) {
        lists.push(folder_list(folder, &members(found, &folder.entry_uuid)));
    }
    session.draft.decision(record.found.decision());
    session.draft.fill(|event| {
        event.listed = lists.iter().filter_map(|l| l["id"].as_str()).map(str::to_owned).collect();
        event.withheld = record.withheld.count;
    });
    let total = lists.len();
    let base = &portal.config.base_url;
    let shown = if search.count_only { Vec::new() } else { lists };
    let mut entries: Vec<Entry> = shown
        .into_iter()
        .map(|list| {
            let id = list["id"].as_str().unwrap_or_default();
            Entry::Match(format!("{base}/List/{id}"), list)
        })
        .collect();
    entries.extend(outcome_entry(withheld_issues(&record.withheld)).map(Entry::Outcome));
    Ok(answer::resource(StatusCode::OK, searchset(&format!("{base}/List"), total, entries)))
}

/// The documents of a set or folder that are shown.
fn members(found: &FoundObjects, of: &ObjectId) -> Vec<EntryUuid> {
    let shown: HashSet<&ObjectId> = found.document_entries.iter().map(|e| &e.entry_uuid).collect();
    found
        .associations
        .iter()
        .filter(|a| a.source == *of && shown.contains(&a.target))
        .filter_map(|a| a.target.uuid())
        .collect()
}
