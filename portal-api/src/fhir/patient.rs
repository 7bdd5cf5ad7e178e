use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use carerecord_fhir::{Entry, SearchError, identifier_number, pairs, patient_resource, searchset};

use super::Session;
use crate::Portal;
use crate::error::{FhirError, fhir_json};

/// Answers a search by NHS Number, asked by GET.
pub(crate) async fn search(
    State(portal): State<Portal>,
    session: Session,
    RawQuery(query): RawQuery,
) -> Result<Response, FhirError> {
    run(&portal, &session, &query.unwrap_or_default()).await
}

/// Answers a search by NHS Number, asked by form.
pub(crate) async fn search_form(
    State(portal): State<Portal>,
    session: Session,
    body: String,
) -> Result<Response, FhirError> {
    run(&portal, &session, &body).await
}

async fn run(portal: &Portal, session: &Session, parameters: &str) -> Result<Response, FhirError> {
    session.does("search Patient");
    let parameters = pairs(parameters);
    let (_, token) = parameters
        .iter()
        .find(|(name, _)| name == "identifier")
        .ok_or(FhirError::Search(SearchError::Missing("identifier")))?;
    let number = identifier_number(token)?;
    session.draft.fill(|event| event.subject = Some(number));
    let person = portal.patient(&session.caller, session.purpose, number).await;
    let person = session.note(person)?;
    session.draft.decision(person.decision());
    // The logical id is fresh each time: nothing that lasts may stand for the person in a URL.
    let id = portal.ids.random().to_string();
    let found = person.into_value();
    let entries: Vec<Entry> = found
        .iter()
        .map(|p| Entry::Match(format!("urn:uuid:{id}"), patient_resource(p, &id)))
        .collect();
    let url = format!("{}/Patient", portal.config.base_url);
    Ok(fhir_json(StatusCode::OK, &searchset(&url, entries.len(), entries)))
}
