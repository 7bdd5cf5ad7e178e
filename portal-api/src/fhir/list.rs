use std::collections::HashSet;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use carerecord_fhir::{Entry, ListSearch, folder_list, pairs, searchset, submission_set_list};
use carerecord_model::{EntryUuid, FoundObjects, ObjectId};
use carerecord_service::Even;
use serde_json::Value;

use super::document_reference::entry_uuid;
use super::input::{Asked, is_strict};
use super::{Session, answer, outcome_entry, withheld_issues};
use crate::Portal;
use crate::error::FhirError;

/// Answers a read of one SubmissionSet or folder.
pub(crate) async fn read(
    State(portal): State<Portal>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Response, FhirError> {
    session.does("read List");
    let even = Even::new();
    let read = read_list(&portal, &session, entry_uuid(&id)?).await;
    if read.as_ref().is_err_and(FhirError::is_nothing) {
        even.wait().await;
    }
    read
}

async fn read_list(
    portal: &Portal,
    session: &Session,
    id: EntryUuid,
) -> Result<Response, FhirError> {
    let draft = &session.draft;
    let record = portal.record_of_list(&session.caller, session.purpose, id, draft).await;
    let record = session.note(record)?;
    let found = record.value();
    let is_it = |uuid: &ObjectId| uuid.uuid() == Some(id);
    let set = found.submission_sets.iter().find(|s| is_it(&s.entry_uuid));
    let folder = found.folders.iter().find(|f| is_it(&f.entry_uuid));
    let (list, patient) = match (set, folder) {
        (Some(set), _) => {
            (submission_set_list(set, &members(found, &set.entry_uuid)), &set.patient_id)
        }
        (None, Some(folder)) => {
            (folder_list(folder, &members(found, &folder.entry_uuid)), &folder.patient_id)
        }
        // Nothing of it may be seen: as if it were not there.
        (None, None) => return Err(FhirError::NotFound),
    };
    session.draft.decision(record.decision());
    session.draft.fill(|event| {
        event.subject = patient.nhs_number();
        event.listed = vec![id.uuid().to_string()];
    });
    Ok(answer::resource(StatusCode::OK, list))
}

/// Answers Find Document Lists [ITI-66].
pub(crate) async fn search(
    State(portal): State<Portal>,
    session: Session,
    headers: HeaderMap,
    Asked(parameters): Asked,
) -> Result<Response, FhirError> {
    session.does("search List");
    let search = ListSearch::parse(&pairs(&parameters), is_strict(&headers))?;
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
        event.subject = Some(record.number);
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
