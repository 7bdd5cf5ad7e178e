use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use carerecord_access::ConsentStatus;
use carerecord_fhir::{
    Entry, consent_resource, count_only, only_known, pairs, parse_consent, searchset,
};

use super::input::{Asked, Sent, is_strict, patient_of, uuid};
use super::{Session, answer};
use crate::Portal;
use crate::error::FhirError;

/// Records what a patient has said. In force when the answer leaves.
pub(crate) async fn create(
    State(portal): State<Portal>,
    session: Session,
    Sent(consent): Sent,
) -> Result<Response, FhirError> {
    session.does("create Consent");
    permitted(&portal, &session)?;
    let organisation = session.caller.organisation();
    let record = parse_consent(
        &consent,
        portal.ids.random(),
        portal.clock.now(),
        session.caller.id(),
        organisation,
    )?;
    session.draft.fill(|event| event.subject = Some(record.patient));
    portal.consents.put_consent(record.clone()).await?;
    let mut response = answer::versioned(StatusCode::CREATED, consent_resource(&record));
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
    Sent(consent): Sent,
) -> Result<Response, FhirError> {
    session.does("update Consent");
    permitted(&portal, &session)?;
    let stored = portal.consents.consent(uuid(&id)?).await?;
    let organisation = session.caller.organisation();
    let now = portal.clock.now();
    let mut record = parse_consent(&consent, stored.id, now, session.caller.id(), organisation)?;
    let shown = portal.surviving(stored.patient).await?;
    session.draft.fill(|event| event.subject = Some(shown));
    if record.patient != stored.patient && portal.surviving(record.patient).await? != shown {
        return Err(FhirError::Body("a Consent cannot be moved to another patient".into()));
    }
    // It stays under the number that it was given for: a merge can be undone.
    record.patient = stored.patient;
    record.version = stored.version + 1;
    portal.consents.put_consent(record.clone()).await?;
    record.patient = shown;
    Ok(answer::versioned(StatusCode::OK, consent_resource(&record)))
}

/// Answers a read of one Consent.
pub(crate) async fn read(
    State(portal): State<Portal>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Response, FhirError> {
    session.does("read Consent");
    permitted(&portal, &session)?;
    let mut record = portal.consents.consent(uuid(&id)?).await?;
    record.patient = portal.surviving(record.patient).await?;
    session.draft.fill(|event| event.subject = Some(record.patient));
    let record = session.note(Ok(portal.access.release_consent(&session.caller, record)?))?;
    Ok(answer::versioned(StatusCode::OK, consent_resource(record.value())))
}

/// Answers a search by patient.
pub(crate) async fn search(
    State(portal): State<Portal>,
    session: Session,
    headers: HeaderMap,
    Asked(parameters): Asked,
) -> Result<Response, FhirError> {
    session.does("search Consent");
    permitted(&portal, &session)?;
    let parameters = pairs(&parameters);
    if is_strict(&headers) {
        only_known(&parameters, &["patient.identifier", "patient:identifier", "status"])?;
    }
    let patient = patient_of(&parameters)?;
    session.draft.fill(|event| event.subject = Some(patient));
    let patient = portal.surviving(patient).await?;
    session.draft.fill(|event| event.subject = Some(patient));
    let status = parameters.iter().find(|(n, _)| n == "status").map(|(_, v)| v.as_str());
    let mut records = portal.consents.consent_records(patient).await?;
    records.retain(|r| status.is_none_or(|s| s.split(',').any(|s| s == status_code(r.status))));
    let records = session.note(Ok(portal.access.release_consent(&session.caller, records)?))?;
    let base = &portal.config.base_url;
    let total = records.value().len();
    let shown = if count_only(&parameters) { &[][..] } else { records.value().as_slice() };
    let entries: Vec<Entry> = shown
        .iter()
        .map(|r| Entry::Match(format!("{base}/Consent/{}", r.id), consent_resource(r)))
        .collect();
    let bundle = searchset(&format!("{base}/Consent"), total, entries);
    Ok(answer::resource(StatusCode::OK, bundle))
}

fn permitted(portal: &Portal, session: &Session) -> Result<(), FhirError> {
    session.note(portal.access.may_record_consent(&session.caller).map_err(FhirError::from))
}

fn status_code(status: ConsentStatus) -> &'static str {
    match status {
        ConsentStatus::Active => "active",
        ConsentStatus::Inactive => "inactive",
        ConsentStatus::EnteredInError => "entered-in-error",
    }
}
