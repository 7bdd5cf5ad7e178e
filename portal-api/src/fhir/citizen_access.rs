//! `Patient/$citizen-access`: which citizens may see a record, recorded, ended and listed by those who
//! may record what patients say. NHS: 5.6.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carerecord_access::{CitizenGrant, CitizenGrantKind, ProxyBasis, RelationshipStatus};
use carerecord_fhir::NHS_NUMBER_SYSTEM;
use carerecord_model::NhsNumber;
use serde_json::{Value, json};
use uuid::Uuid;

use super::input::Sent;
use super::parameters::{Parameters, wrong};
use super::{Session, answer};
use crate::Portal;
use crate::error::FhirError;

/// Records a grant, ends one, or lists those of a patient.
pub(crate) async fn run(
    State(portal): State<Portal>,
    session: Session,
    Sent(sent): Sent,
) -> Result<Response, FhirError> {
    session.does("citizen access");
    session.note(portal.access.may_record_consent(&session.caller).map_err(FhirError::from))?;
    let parameters = Parameters::of(&sent)?;
    parameters.only(&KNOWN)?;
    let asked = parameters.number("patient")?.ok_or_else(|| wrong("patient: one is needed"))?;
    session.draft.fill(|event| event.subject = Some(asked));
    let patient = portal.surviving(asked).await?;
    session.draft.fill(|event| event.subject = Some(patient));
    let (status, grants) = match (parameters.id()?, parameters.code("kind")) {
        (Some(id), None) => {
            (StatusCode::OK, vec![change(&portal, &session, &parameters, id, patient).await?])
        }
        (None, Some(kind)) => {
            let grant = read(&portal, &session, &parameters, kind, asked)?;
            portal.citizen_grants.put_citizen_grant(grant.clone()).await?;
            (StatusCode::CREATED, vec![grant])
        }
        (None, None) => (StatusCode::OK, portal.citizen_grants.citizen_grants(patient).await?),
        (Some(_), Some(_)) => return Err(wrong("kind: it stays as it is; without id for another")),
    };
    let released = portal.access.release_consent(&session.caller, grants);
    let released = session.note(released.map_err(FhirError::from))?;
    let all: Vec<Value> = released.value().iter().map(parts).collect();
    let answer = json!({"resourceType": "Parameters", "parameter": all});
    Ok(answer::resource(status, answer))
}

/// The next version: another end, or that it was never so.
async fn change(
    portal: &Portal,
    session: &Session,
    parameters: &Parameters<'_>,
    id: Uuid,
    patient: NhsNumber,
) -> Result<CitizenGrant, FhirError> {
    let stored = portal.citizen_grants.citizen_grant(id).await?;
    if portal.surviving(stored.patient).await? != patient {
        return Err(FhirError::NotFound);
    }
    let end = parameters.time("end")?;
    let status = match parameters.code("status") {
        None => stored.status,
        Some("active") => RelationshipStatus::Active,
        Some("entered-in-error") => RelationshipStatus::EnteredInError,
        Some(_) => return Err(wrong("status: active or entered-in-error")),
    };
    let next = CitizenGrant {
        version: stored.version + 1,
        status,
        until: end.or(stored.until),
        recorded_at: portal.clock.now(),
        recorded_by: session.caller.id().to_owned(),
        ..stored
    };
    if next.until.is_some_and(|until| until < next.since) {
        return Err(wrong("end: not before its start"));
    }
    portal.citizen_grants.put_citizen_grant(next.clone()).await?;
    Ok(CitizenGrant { patient, ..next })
}

fn read(
    portal: &Portal,
    session: &Session,
    parameters: &Parameters<'_>,
    kind: &str,
    patient: NhsNumber,
) -> Result<CitizenGrant, FhirError> {
    let evidence = parameters.text("evidence", LONGEST)?;
    let kind = match kind {
        "own" => CitizenGrantKind::Own,
        "barred" => CitizenGrantKind::Barred,
        "proxy" => {
            let delegate = parameters.number("delegate")?;
            let delegate = delegate.filter(|delegate| *delegate != patient);
            let delegate = delegate.ok_or_else(|| wrong("delegate: another person's number"))?;
            let basis = parameters.code("basis").and_then(ProxyBasis::from_code);
            let basis = basis.ok_or_else(|| {
                let codes = ProxyBasis::ALL.map(ProxyBasis::code).join(", ");
                FhirError::Body(format!("basis: one of {codes}"))
            })?;
            let needed = match basis {
                ProxyBasis::PowerOfAttorney | ProxyBasis::Deputy | ProxyBasis::BestInterests => {
                    true
                }
                ProxyBasis::Parental | ProxyBasis::Consent => false,
            };
            if needed && evidence.is_none() {
                return Err(wrong("evidence: what it rests on, in up to 200 characters"));
            }
            CitizenGrantKind::Proxy { delegate, basis }
        }
        _ => return Err(wrong("kind: own, proxy or barred")),
    };
    let now = portal.clock.now();
    let (since, until) = (parameters.time("start")?.unwrap_or(now), parameters.time("end")?);
    if until.is_some_and(|until| until < since) {
        return Err(wrong("end: not before its start"));
    }
    Ok(CitizenGrant {
        id: portal.ids.random(),
        version: 1,
        patient,
        kind,
        status: RelationshipStatus::Active,
        since,
        until,
        organisation: session.caller.organisation().clone(),
        evidence,
        recorded_at: now,
        recorded_by: session.caller.id().to_owned(),
    })
}

/// Without the evidence.
fn parts(grant: &CitizenGrant) -> Value {
    let kind = match &grant.kind {
        CitizenGrantKind::Own => "own",
        CitizenGrantKind::Proxy { .. } => "proxy",
        CitizenGrantKind::Barred => "barred",
    };
    let status = match grant.status {
        RelationshipStatus::Active => "active",
        RelationshipStatus::EnteredInError => "entered-in-error",
    };
    let mut part = vec![
        json!({"name": "id", "valueId": grant.id.to_string()}),
        json!({"name": "version", "valueUnsignedInt": grant.version}),
        json!({"name": "kind", "valueCode": kind}),
        json!({"name": "status", "valueCode": status}),
        json!({"name": "start", "valueInstant": grant.since.to_string()}),
        json!({"name": "organisation", "valueIdentifier": {
            "system": "https://fhir.nhs.uk/Id/ods-organization-code",
            "value": grant.organisation.as_str(),
        }}),
    ];
    if let CitizenGrantKind::Proxy { delegate, basis } = &grant.kind {
        part.push(json!({"name": "delegate", "valueIdentifier": {
            "system": NHS_NUMBER_SYSTEM, "value": delegate.digits(),
        }}));
        part.push(json!({"name": "basis", "valueCode": basis.code()}));
    }
    part.extend(grant.until.map(|end| json!({"name": "end", "valueInstant": end.to_string()})));
    json!({"name": "grant", "part": part})
}

const KNOWN: [&str; 9] =
    ["patient", "id", "kind", "delegate", "basis", "evidence", "start", "end", "status"];
const LONGEST: usize = 200;
