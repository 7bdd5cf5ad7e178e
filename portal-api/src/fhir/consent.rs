use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use carerecord_access::{ConsentStatus, ConsentStoreError};
use carerecord_fhir::{
    Entry, SearchError, consent_resource, identifier_number, pairs, parse_consent, searchset,
};
use carerecord_model::{NhsNumber, PortError};
use serde_json::Value;
use uuid::Uuid;

use super::Session;
use crate::Portal;
use crate::error::{FhirError, fhir_json};

/// Records what a patient has said. In force when the answer leaves.
pub(crate) async fn create(
    State(portal): State<Portal>,
    session: Session,
    body: String,
) -> Result<Response, FhirError> {
    session.does("create Consent");
    permitted(&portal, &session)?;
    let consent = parse_json(&body)?;
    let organisation = session.caller.organisation();
    let record = parse_consent(
        &consent,
        portal.ids.random(),
        portal.clock.now(),
        session.caller.id(),
        organisation,
    )?;
    session.draft.fill(|event| event.subject = Some(record.patient));
    portal.consents.put_consent(record.clone()).await.map_err(store_error)?;
    let mut response = fhir_json(StatusCode::CREATED, &consent_resource(&record));
    let url = format!("{}/Consent/{}", portal.config.base_url, record.id);
    if let Ok(value) = HeaderValue::from_str(&url) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    Ok(response)
}

/// Stores the next version: how an objection is lifted.
pub(crate) async fn update(
    State(portal): State<Portal>,
    session: Session,
    Path(id): Path<String>,
    body: String,
) -> Result<Response, FhirError> {
    session.does("update Consent");
    permitted(&portal, &session)?;
    let stored = portal.consents.consent(uuid(&id)?).await.map_err(store_error)?;
    let consent = parse_json(&body)?;
    let organisation = session.caller.organisation();
    let now = portal.clock.now();
    let mut record = parse_consent(&consent, stored.id, now, session.caller.id(), organisation)?;
    session.draft.fill(|event| event.subject = Some(stored.patient));
    if record.patient != stored.patient {
        return Err(FhirError::Body("a Consent cannot be moved to another patient".into()));
    }
    record.version = stored.version + 1;
    portal.consents.put_consent(record.clone()).await.map_err(store_error)?;
    Ok(fhir_json(StatusCode::OK, &consent_resource(&record)))
}

/// Answers a read of one Consent.
pub(crate) async fn read(
    State(portal): State<Portal>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Response, FhirError> {
    session.does("read Consent");
    permitted(&portal, &session)?;
    let record = portal.consents.consent(uuid(&id)?).await.map_err(store_error)?;
    session.draft.fill(|event| event.subject = Some(record.patient));
    let record = session.note(Ok(portal.access.release_consent(&session.caller, record)?))?;
    Ok(fhir_json(StatusCode::OK, &consent_resource(record.value())))
}

/// Answers a search by patient, asked by GET.
pub(crate) async fn search(
    State(portal): State<Portal>,
    session: Session,
    RawQuery(query): RawQuery,
) -> Result<Response, FhirError> {
    run(&portal, &session, &query.unwrap_or_default()).await
}

/// Answers a search by patient, asked by form.
pub(crate) async fn search_form(
    State(portal): State<Portal>,
    session: Session,
    body: String,
) -> Result<Response, FhirError> {
    run(&portal, &session, &body).await
}

async fn run(portal: &Portal, session: &Session, parameters: &str) -> Result<Response, FhirError> {
    session.does("search Consent");
    permitted(portal, session)?;
    let parameters = pairs(parameters);
    let patient = patient(&parameters)?;
    session.draft.fill(|event| event.subject = Some(patient));
    let status = parameters.iter().find(|(n, _)| n == "status").map(|(_, v)| v.as_str());
    let mut records =
        portal.consents.consent_records(patient).await.map_err(|e| unavailable(&e))?;
    records.retain(|r| status.is_none_or(|s| s.split(',').any(|s| s == status_code(r.status))));
    let records = session.note(Ok(portal.access.release_consent(&session.caller, records)?))?;
    let base = &portal.config.base_url;
    let entries: Vec<Entry> = records
        .value()
        .iter()
        .map(|r| Entry::Match(format!("{base}/Consent/{}", r.id), consent_resource(r)))
        .collect();
    let bundle = searchset(&format!("{base}/Consent"), entries.len(), entries);
    Ok(fhir_json(StatusCode::OK, &bundle))
}

fn permitted(portal: &Portal, session: &Session) -> Result<(), FhirError> {
    session.note(portal.access.may_record_consent(&session.caller).map_err(FhirError::from))
}

fn patient(parameters: &[(String, String)]) -> Result<NhsNumber, FhirError> {
    let (_, token) = parameters
        .iter()
        .find(|(n, _)| n == "patient.identifier" || n == "patient:identifier")
        .ok_or(FhirError::Search(SearchError::Missing("patient.identifier")))?;
    Ok(identifier_number(token)?)
}

fn parse_json(body: &str) -> Result<Value, FhirError> {
    serde_json::from_str(body).map_err(|e| {
        FhirError::Body(format!("not JSON at line {} column {}", e.line(), e.column()))
    })
}

fn uuid(id: &str) -> Result<Uuid, FhirError> {
    Uuid::try_parse(id).map_err(|_| FhirError::NotFound)
}

fn status_code(status: ConsentStatus) -> &'static str {
    match status {
        ConsentStatus::Active => "active",
        ConsentStatus::Inactive => "inactive",
        ConsentStatus::EnteredInError => "entered-in-error",
    }
}

fn store_error(error: ConsentStoreError) -> FhirError {
    match error {
        ConsentStoreError::NotFound => FhirError::NotFound,
        ConsentStoreError::Conflict => FhirError::Conflict,
        ConsentStoreError::Unavailable(e) => unavailable(&e),
    }
}

fn unavailable(error: &carerecord_access::FactsUnavailable) -> FhirError {
    FhirError::Registry(PortError::Unavailable(error.to_string()))
}
