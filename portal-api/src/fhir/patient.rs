use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use carerecord_fhir::{
    Entry, SearchError, count_only, identifier_number, only_known, pairs, patient_resource,
    searchset,
};
use carerecord_model::Patient;

use super::input::{Form, is_strict};
use super::{Session, answer};
use crate::Portal;
use crate::error::FhirError;

/// Answers a search by NHS Number, asked by GET.
pub(crate) async fn search(
    State(portal): State<Portal>,
    session: Session,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, FhirError> {
    run(&portal, &session, &headers, &query.unwrap_or_default()).await
}

/// Answers a search by NHS Number, asked by form.
pub(crate) async fn search_form(
    State(portal): State<Portal>,
    session: Session,
    headers: HeaderMap,
    Form(body): Form,
) -> Result<Response, FhirError> {
    run(&portal, &session, &headers, &body).await
}

/// Answers a read. The id is one that a search gave the same caller.
pub(crate) async fn read(
    State(portal): State<Portal>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Response, FhirError> {
    session.does("read Patient");
    let number = portal.patient_ids.open(&id, &session.caller).ok_or(FhirError::NotFound)?;
    session.draft.fill(|event| event.subject = Some(number));
    let person = portal.patient(&session.caller, session.purpose, number).await;
    let person = session.note(person)?;
    session.draft.decision(person.decision());
    let person = person.into_value().ok_or(FhirError::NotFound)?;
    session.draft.fill(|event| event.subject = Some(person.nhs_number));
    Ok(answer::resource(StatusCode::OK, patient_resource(&person, &id)))
}

async fn run(
    portal: &Portal,
    session: &Session,
    headers: &HeaderMap,
    parameters: &str,
) -> Result<Response, FhirError> {
    session.does("search Patient");
    let parameters = pairs(parameters);
    if is_strict(headers) {
        only_known(&parameters, &["identifier"])?;
    }
    let (_, token) = parameters
        .iter()
        .find(|(name, _)| name == "identifier")
        .ok_or(FhirError::Search(SearchError::Missing("identifier")))?;
    let number = identifier_number(token)?;
    session.draft.fill(|event| event.subject = Some(number));
    let person = portal.patient(&session.caller, session.purpose, number).await;
    let person = session.note(person)?;
    session.draft.decision(person.decision());
    let found = person.into_value();
    session.draft.fill(|event| {
        event.subject = Some(found.as_ref().map_or(number, |person| person.nhs_number));
    });
    let total = usize::from(found.is_some());
    let base = &portal.config.base_url;
    let entry = |person: Patient| {
        let number = person.nhs_number;
        let id = portal.patient_ids.seal(number, &session.caller, portal.ids.as_ref());
        Entry::Match(format!("{base}/Patient/{id}"), patient_resource(&person, &id))
    };
    let shown = found.filter(|_| !count_only(&parameters));
    let bundle =
        searchset(&format!("{base}/Patient"), total, shown.map(entry).into_iter().collect());
    Ok(answer::resource(StatusCode::OK, bundle))
}
