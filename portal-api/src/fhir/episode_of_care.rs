//! EpisodeOfCare: who cares for a patient, recorded and read by those who may. NHS: 3.7.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use carerecord_access::{Caller, Relationship, RelationshipKind};
use carerecord_fhir::{
    EPISODE_PARAMETERS, EPISODE_STATUS, Entry, check_search, codes, count_only, episode_of_care,
    parse_episode_of_care, patient_number, searchset,
};
use carerecord_model::NhsNumber;
use serde_json::Value;
use uuid::Uuid;

use super::document_reference::left_out;
use super::input::{Asked, Sent, asks_for, is_strict, named, uuid};
use super::{Session, answer, cared_for, outcome_entry};
use crate::Portal;
use crate::error::FhirError;

/// Records a relationship. It counts when the answer leaves.
pub(crate) async fn create(
    State(portal): State<Portal>,
    session: Session,
    Sent(episode): Sent,
) -> Result<Response, FhirError> {
    session.does("create EpisodeOfCare");
    permitted(&portal, &session)?;
    let relationship = read_sent(&portal, &session, &episode, portal.ids.random())?;
    session.draft.fill(|event| event.subject = Some(relationship.patient));
    if relationship.kind == RelationshipKind::Claim {
        return Err(FhirError::Body("a claim is made by Patient/$claim-relationship".into()));
    }
    let resource = episode_of_care(&relationship, portal.clock.now());
    let url = format!("{}/EpisodeOfCare/{}", portal.config.base_url, relationship.id);
    portal.relationships.put_relationship(relationship).await?;
    Ok(answer::created(resource, &url))
}

/// Stores the next version: how a relationship is ended.
pub(crate) async fn update(
    State(portal): State<Portal>,
    session: Session,
    Path(id): Path<String>,
    Sent(episode): Sent,
) -> Result<Response, FhirError> {
    session.does("update EpisodeOfCare");
    permitted(&portal, &session)?;
    let (stored, shown) = stored(&portal, &session, &id).await?;
    let mut next = read_sent(&portal, &session, &episode, stored.id)?;
    let moved = next.patient != stored.patient && portal.surviving(next.patient).await? != shown;
    if moved || next.kind != stored.kind || next.with != stored.with {
        let what = "patient, type, managingOrganization and careManager stay as they are";
        return Err(FhirError::Body(what.into()));
    }
    // It stays under the number that it was recorded for: a merge can be undone.
    next = Relationship {
        patient: stored.patient,
        version: stored.version + 1,
        evidence: stored.evidence,
        reason: stored.reason,
        set_by: stored.set_by,
        ..next
    };
    portal.relationships.put_relationship(next.clone()).await?;
    next.patient = shown;
    Ok(answer::versioned(StatusCode::OK, episode_of_care(&next, portal.clock.now())))
}

/// Answers a read of one.
pub(crate) async fn read(
    State(portal): State<Portal>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Response, FhirError> {
    session.does("read EpisodeOfCare");
    permitted(&portal, &session)?;
    let (mut found, shown) = stored(&portal, &session, &id).await?;
    found.patient = shown;
    let released = portal.access.release_relationships(&session.caller, found);
    let released = session.note(released.map_err(FhirError::from))?;
    let resource = episode_of_care(released.value(), portal.clock.now());
    Ok(answer::versioned(StatusCode::OK, resource))
}

/// What is stored under an id, with the number that its patient has now: where this caller may know
/// of it.
async fn stored(
    portal: &Portal,
    session: &Session,
    id: &str,
) -> Result<(Relationship, NhsNumber), FhirError> {
    let stored = portal.relationships.relationship(uuid(id)?).await?;
    let shown = portal.surviving(stored.patient).await?;
    session.draft.fill(|event| event.subject = Some(shown));
    let person = portal.person(shown).await?;
    if person.is_some_and(|person| person.restricted) && !tells(portal, session, &stored) {
        return Err(FhirError::NotFound);
    }
    Ok((stored, shown))
}

/// Answers a search by patient, or by the organisation of whoever asks.
pub(crate) async fn search(
    State(portal): State<Portal>,
    session: Session,
    headers: HeaderMap,
    Asked(parameters): Asked,
) -> Result<Response, FhirError> {
    session.does("search EpisodeOfCare");
    if cared_for::is_meant(&parameters) {
        return cared_for::run(&portal, &session, is_strict(&headers), &parameters).await;
    }
    permitted(&portal, &session)?;
    let parameters = named(&portal, &session, &parameters);
    let ignored = check_search(&parameters, EPISODE_PARAMETERS, &[], is_strict(&headers))?;
    let status = codes(&parameters, "status", EPISODE_STATUS)?;
    let number = patient_number(&parameters)?;
    session.draft.fill(|event| event.subject = Some(number));
    let person = portal.person(number).await?;
    let number = person.as_ref().map_or(number, |person| person.nhs_number);
    session.draft.fill(|event| event.subject = Some(number));
    let found = portal.relationships.relationships(number).await?;
    let restricted = person.is_some_and(|person| person.restricted);
    let shown: Vec<Relationship> =
        found.into_iter().filter(|r| !restricted || tells(&portal, &session, r)).collect();
    let released = portal.access.release_relationships(&session.caller, shown);
    let released = session.note(released.map_err(FhirError::from))?;
    let (base, now) = (&portal.config.base_url, portal.clock.now());
    let all = released.value().iter().map(|r| (r.id, episode_of_care(r, now)));
    let is_asked =
        |episode: &Value| asks_for(&status, episode["status"].as_str().unwrap_or_default());
    let mut entries: Vec<Entry> = all
        .filter(|(_, episode)| is_asked(episode))
        .map(|(id, episode)| Entry::Match(format!("{base}/EpisodeOfCare/{id}"), episode.into()))
        .collect();
    let total = entries.len();
    if count_only(&parameters) {
        entries.clear();
    }
    entries.extend(outcome_entry(left_out(&ignored)).map(Entry::Outcome));
    let bundle = searchset(&format!("{base}/EpisodeOfCare"), total, entries);
    Ok(answer::resource(StatusCode::OK, bundle))
}

/// Who cares for a restricted person would tell where they live: only their own organisation is told
/// of.
fn tells(portal: &Portal, session: &Session, relationship: &Relationship) -> bool {
    let own = relationship.with.organisation() == session.caller.organisation();
    let role = session.caller.role().and_then(|role| portal.access.policy().role(role));
    own || role.is_some_and(|role| role.may_see_locations)
}

/// People record for their own organisation, systems for those of the programme.
fn read_sent(
    portal: &Portal,
    session: &Session,
    episode: &Value,
    id: Uuid,
) -> Result<Relationship, FhirError> {
    let (caller, policy) = (&session.caller, portal.access.policy());
    let set_by = policy.organisation_name(caller.organisation());
    let relationship = parse_episode_of_care(episode, id, portal.clock.now(), caller.id(), set_by);
    let relationship = relationship.map_err(|e| FhirError::Body(e.to_string()))?;
    let organisation = relationship.with.organisation();
    match caller {
        Caller::User(user) if user.organisation != *organisation => {
            let what = "managingOrganization: record for your own organisation";
            Err(FhirError::Body(what.into()))
        }
        Caller::System(_) if !policy.knows(organisation) => {
            let what = "managingOrganization: not an organisation of this programme";
            Err(FhirError::Body(what.into()))
        }
        Caller::Citizen(_) => Err(FhirError::Scope(super::NOT_FOR_CITIZENS)),
        Caller::User(_) | Caller::System(_) => Ok(relationship),
    }
}

fn permitted(portal: &Portal, session: &Session) -> Result<(), FhirError> {
    session.note(portal.access.may_record_relationships(&session.caller).map_err(FhirError::from))
}
