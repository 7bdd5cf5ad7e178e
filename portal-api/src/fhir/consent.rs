use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use carerecord_access::{
    Caller, ConsentStatus, Provision, Refused, Released, Right, Term, TermPurpose,
};
use carerecord_fhir::{
    CONSENT_PARAMETERS, CONSENT_STATUS, Entry, check_search, codes, consent_resource, count_only,
    parse_consent, patient_number, searchset,
};
use carerecord_model::{NhsNumber, OrganisationCode};

use super::document_reference::left_out;
use super::input::{Asked, Sent, asks_for, is_strict, named, uuid};
use super::{Session, answer, outcome_entry};
use crate::Portal;
use crate::error::FhirError;

/// Records what a patient has said. In force when the answer leaves.
pub(crate) async fn create(
    State(portal): State<Portal>,
    session: Session,
    Sent(consent): Sent,
) -> Result<Response, FhirError> {
    session.does("create Consent");
    let asks = portal.access.may_ask_at_view(&session.caller).is_ok();
    if !asks {
        permitted(&portal, &session)?;
    }
    let organisation = session.caller.organisation();
    let record = parse_consent(
        &consent,
        portal.ids.random(),
        portal.clock.now(),
        session.caller.id(),
        organisation,
    )?;
    session.draft.fill(|event| event.subject = Some(record.patient));
    session.note(of_own(&portal, &session, record.patient).await)?;
    // Who may only ask records a yes to their own organisation.
    if !asks || !is_yes_to(&record.provision, organisation) {
        permitted(&portal, &session)?;
    }
    portal.consents.put_consent(record.clone()).await?;
    let url = format!("{}/Consent/{}", portal.config.base_url, record.id);
    Ok(answer::created(consent_resource(&record), &url))
}

/// Whether it is a yes to one organisation, for everything or for care, and nothing else.
fn is_yes_to(provision: &Provision, organisation: &OrganisationCode) -> bool {
    let terms = provision.terms();
    let recipients = vec![organisation.clone()];
    let yes = Term { permits: true, recipients, ..Term::default() };
    let for_care = Term { purposes: vec![TermPurpose::DirectCare], ..yes.clone() };
    terms.exceptions.is_empty() && [yes, for_care].contains(&terms.root)
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
    session.note(of_own(&portal, &session, stored.patient).await.map_err(unseen))?;
    let organisation = session.caller.organisation();
    let now = portal.clock.now();
    let mut record = parse_consent(&consent, stored.id, now, session.caller.id(), organisation)?;
    let shown = portal.surviving(stored.patient).await?;
    session.draft.fill(|event| event.subject = Some(shown));
    if record.patient != stored.patient && portal.surviving(record.patient).await? != shown {
        return Err(FhirError::Body("a Consent cannot be moved to another patient".into()));
    }
    if is_citizen(&session) && consent["provision"] != consent_resource(&stored)["provision"] {
        return Err(FhirError::Body("what it says stays as it is: record another Consent".into()));
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
    let record = match is_citizen(&session) {
        true => own(&portal, &session, record.patient, record).await.map_err(unseen),
        false => portal.access.release_consent(&session.caller, record).map_err(Into::into),
    };
    let record = session.note(record)?;
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
    let parameters = named(&portal, &session, &parameters);
    let ignored = check_search(&parameters, CONSENT_PARAMETERS, &[], is_strict(&headers))?;
    let status = codes(&parameters, "status", CONSENT_STATUS)?;
    let patient = patient_number(&parameters)?;
    session.draft.fill(|event| event.subject = Some(patient));
    let patient = portal.surviving(patient).await?;
    session.draft.fill(|event| event.subject = Some(patient));
    let mut records = portal.consents.consent_records(patient).await?;
    records.retain(|record| asks_for(&status, status_code(record.status)));
    let records = match is_citizen(&session) {
        true => own(&portal, &session, patient, records).await,
        false => portal.access.release_consent(&session.caller, records).map_err(Into::into),
    };
    let records = session.note(records)?;
    let base = &portal.config.base_url;
    let total = records.value().len();
    let shown = if count_only(&parameters) { &[][..] } else { records.value().as_slice() };
    let mut entries: Vec<Entry> = shown
        .iter()
        .map(|r| Entry::Match(format!("{base}/Consent/{}", r.id), consent_resource(r).into()))
        .collect();
    entries.extend(outcome_entry(left_out(&ignored)).map(Entry::Outcome));
    let bundle = searchset(&format!("{base}/Consent"), total, entries);
    Ok(answer::resource(StatusCode::OK, bundle))
}

/// Whether the caller may record what patients say, or is one of them.
fn permitted(portal: &Portal, session: &Session) -> Result<(), FhirError> {
    let may = match is_citizen(session) {
        true => portal.access.admit(&session.caller, session.purpose, Right::Query),
        false => portal.access.may_record_consent(&session.caller),
    };
    session.note(may.map_err(FhirError::from))
}

/// Holds a citizen to what they say of their own record.
async fn of_own(portal: &Portal, session: &Session, patient: NhsNumber) -> Result<(), FhirError> {
    match is_citizen(session) {
        true => own(portal, session, patient, ()).await.map(|_| ()),
        false => Ok(()),
    }
}

/// Releases what somebody has said to themself.
async fn own<T>(
    portal: &Portal,
    session: &Session,
    patient: NhsNumber,
    choices: T,
) -> Result<Released<T>, FhirError> {
    let opened = portal.open(&session.caller, session.purpose, patient).await?;
    Ok(opened.view.release_own_choices(choices)?)
}

fn is_citizen(session: &Session) -> bool {
    matches!(session.caller, Caller::Citizen(_))
}

/// Of what somebody else has said it is not told that it is there.
fn unseen(error: FhirError) -> FhirError {
    if let FhirError::Refused(refused) = error {
        return FhirError::Refused(Refused { may_be_told: false, ..refused });
    }
    error
}

fn status_code(status: ConsentStatus) -> &'static str {
    match status {
        ConsentStatus::Active => "active",
        ConsentStatus::Inactive => "inactive",
        ConsentStatus::EnteredInError => "entered-in-error",
    }
}
