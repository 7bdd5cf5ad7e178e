//! The answers to the other roles of this deployment. See `message.rs`.

use axum::Json;
use axum::http::StatusCode;
use carerecord_access::{
    CaredFor, CaredForQuestion, CitizenGrant, ConsentRecord, ConsentStoreError, Relationship, Right,
};
use carerecord_audit::{AuditPage, AuditQuestion, FeedQuestion, FeedReport};
use carerecord_model::{CrossReference, FoundPatients, LastChange, Patient, PatientSearch};
use carerecord_service::AuditDraft;

use crate::router::Door;
use crate::{
    CitizenGrantQuestion, CitizenGrantUpdate, ConsentQuestion, ConsentUpdate, IdentifierQuestion,
    LastChangesQuestion, PatientQuestion, RegistryError, RegistryLog, RelationshipQuestion,
    RelationshipUpdate,
};

/// Searches the registry's record of accesses. Which of it a person may read, the portal decides.
pub(crate) async fn audit(
    door: Door,
    draft: AuditDraft,
    Json(question): Json<AuditQuestion>,
) -> Result<Json<AuditPage>, StatusCode> {
    enter(&door, &draft, "audit search")?;
    draft.subjects(question.subjects.iter().copied());
    let page = door.log.search(&question).await;
    page.map(Json).map_err(|e| status(RegistryError::Store(e)))
}

/// Counts what sources have sent.
pub(crate) async fn feeds(
    door: Door,
    draft: AuditDraft,
    Json(question): Json<FeedQuestion>,
) -> Result<Json<FeedReport>, StatusCode> {
    enter(&door, &draft, "feeds")?;
    let log = RegistryLog::new(door.log.clone(), door.registry.store().clone());
    log.report(&question).await.map(Json).map_err(|e| status(RegistryError::Store(e)))
}

pub(crate) async fn consent(
    door: Door,
    draft: AuditDraft,
    Json(question): Json<ConsentQuestion>,
) -> Result<Json<Vec<ConsentRecord>>, StatusCode> {
    enter(&door, &draft, "consent facts")?;
    match question {
        ConsentQuestion::Patient(number) => {
            draft.fill(|event| event.subject = Some(number));
            let found =
                door.registry.consent_of(door.callers.listener(), number).await.map_err(status)?;
            Ok(Json(found.into_value()))
        }
        ConsentQuestion::Id(id) => {
            let found =
                door.registry.consent_by_id(door.callers.listener(), id).await.map_err(status)?;
            Ok(Json(found.into_value().into_iter().collect()))
        }
    }
}

pub(crate) async fn update_consent(
    door: Door,
    draft: AuditDraft,
    Json(update): Json<ConsentUpdate>,
) -> Result<StatusCode, StatusCode> {
    enter(&door, &draft, "consent update")?;
    draft.fill(|event| event.subject = Some(update.record.patient));
    stored(door.registry.put_consent(door.callers.listener(), update.record).await)
}

pub(crate) async fn relationship(
    door: Door,
    draft: AuditDraft,
    Json(question): Json<RelationshipQuestion>,
) -> Result<Json<Vec<Relationship>>, StatusCode> {
    enter(&door, &draft, "relationship facts")?;
    let (registry, caller) = (&door.registry, door.callers.listener());
    match question {
        RelationshipQuestion::Patient(number) => {
            draft.fill(|event| event.subject = Some(number));
            let found = registry.relationships_of(caller, number).await.map_err(status)?;
            Ok(Json(found.into_value()))
        }
        RelationshipQuestion::Id(id) => {
            let found = registry.relationship_by_id(caller, id).await.map_err(status)?;
            Ok(Json(found.into_value().into_iter().collect()))
        }
    }
}

/// Whom an organisation and a person of it care for. There is a record for each of them.
pub(crate) async fn cared_for(
    door: Door,
    draft: AuditDraft,
    Json(question): Json<CaredForQuestion>,
) -> Result<Json<CaredFor>, StatusCode> {
    enter(&door, &draft, "relationships of an organisation")?;
    let found = door.registry.cared_for(door.callers.listener(), &question).await;
    let found = found.map_err(status)?.into_value();
    draft.subjects(found.relationships.iter().map(|r| r.patient));
    Ok(Json(found))
}

pub(crate) async fn update_relationship(
    door: Door,
    draft: AuditDraft,
    Json(update): Json<RelationshipUpdate>,
) -> Result<StatusCode, StatusCode> {
    enter(&door, &draft, "relationship update")?;
    draft.fill(|event| event.subject = Some(update.relationship.patient));
    stored(door.registry.put_relationship(door.callers.listener(), update.relationship).await)
}

pub(crate) async fn citizen_grant(
    door: Door,
    draft: AuditDraft,
    Json(question): Json<CitizenGrantQuestion>,
) -> Result<Json<Vec<CitizenGrant>>, StatusCode> {
    enter(&door, &draft, "citizen access facts")?;
    let (registry, caller) = (&door.registry, door.callers.listener());
    match question {
        CitizenGrantQuestion::Patient(number) => {
            draft.fill(|event| event.subject = Some(number));
            let found = registry.citizen_grants_of(caller, number).await.map_err(status)?;
            Ok(Json(found.into_value()))
        }
        CitizenGrantQuestion::Delegate(number) => {
            let found = registry.citizen_grants_to(caller, number).await.map_err(status)?;
            Ok(Json(found.into_value()))
        }
        CitizenGrantQuestion::Id(id) => {
            let found = registry.citizen_grant_by_id(caller, id).await.map_err(status)?;
            Ok(Json(found.into_value().into_iter().collect()))
        }
    }
}

pub(crate) async fn update_citizen_grant(
    door: Door,
    draft: AuditDraft,
    Json(update): Json<CitizenGrantUpdate>,
) -> Result<StatusCode, StatusCode> {
    enter(&door, &draft, "citizen access update")?;
    draft.fill(|event| event.subject = Some(update.grant.patient));
    stored(door.registry.put_citizen_grant(door.callers.listener(), update.grant).await)
}

fn stored(done: Result<(), ConsentStoreError>) -> Result<StatusCode, StatusCode> {
    match done {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(ConsentStoreError::Conflict) => Err(StatusCode::CONFLICT),
        Err(ConsentStoreError::NotFound) => Err(StatusCode::NOT_FOUND),
        Err(ConsentStoreError::Unavailable(_)) => Err(StatusCode::SERVICE_UNAVAILABLE),
    }
}

pub(crate) async fn patient(
    door: Door,
    draft: AuditDraft,
    Json(question): Json<PatientQuestion>,
) -> Result<Json<Option<Patient>>, StatusCode> {
    enter(&door, &draft, "patient index")?;
    match question {
        PatientQuestion::Number(number) => {
            draft.fill(|event| event.subject = Some(number));
            let found =
                door.registry.patient(door.callers.listener(), number).await.map_err(status)?;
            Ok(Json(found.into_value()))
        }
        PatientQuestion::Put(person) => {
            draft.fill(|event| event.subject = Some(person.nhs_number));
            door.registry.put_patient(door.callers.listener(), *person).await.map_err(status)?;
            Ok(Json(None))
        }
    }
}

/// When the objects of a patient were last changed: ids and times, and nothing of what they say.
pub(crate) async fn last_changes(
    door: Door,
    draft: AuditDraft,
    Json(question): Json<LastChangesQuestion>,
) -> Result<Json<Vec<LastChange>>, StatusCode> {
    enter(&door, &draft, "times of changes")?;
    draft.fill(|event| event.subject = Some(question.patient));
    let found = door.registry.last_changes(door.callers.listener(), question.patient).await;
    Ok(Json(found.map_err(status)?.into_value()))
}

pub(crate) async fn cross_reference(
    door: Door,
    draft: AuditDraft,
    Json(question): Json<IdentifierQuestion>,
) -> Result<Json<CrossReference>, StatusCode> {
    enter(&door, &draft, "patient index")?;
    draft.fill(|event| event.subject = question.id.nhs_number());
    let found = door
        .registry
        .cross_reference(door.callers.listener(), &question.id)
        .await
        .map_err(status)?;
    let number = found.value().person.as_ref().and_then(|person| person.own.nhs_number());
    draft.fill(|event| event.subject = number.or(event.subject));
    Ok(Json(found.into_value()))
}

/// People by a search. There is a record for each of them.
pub(crate) async fn find_patients(
    door: Door,
    draft: AuditDraft,
    Json(search): Json<PatientSearch>,
) -> Result<Json<FoundPatients>, StatusCode> {
    enter(&door, &draft, "patient search")?;
    let found =
        door.registry.find_patients(door.callers.listener(), &search).await.map_err(status)?;
    draft.subjects(found.value().people.iter().map(|person| person.patient.nhs_number));
    Ok(Json(found.into_value()))
}

/// Only roles of this deployment come in here.
fn enter(door: &Door, draft: &AuditDraft, interaction: &str) -> Result<(), StatusCode> {
    draft.caller(door.callers.listener());
    draft.fill(|event| interaction.clone_into(&mut event.interaction));
    if door.callers.listener().has_right(Right::Delegate) {
        Ok(())
    } else {
        Err(StatusCode::FORBIDDEN)
    }
}

fn status(error: RegistryError) -> StatusCode {
    match error {
        RegistryError::Refused(_) => StatusCode::FORBIDDEN,
        RegistryError::Transaction(_) => StatusCode::UNPROCESSABLE_ENTITY,
        RegistryError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}
