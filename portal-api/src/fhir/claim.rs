//! `Patient/$claim-relationship`: a person says that they care for a patient, with a reason, for a
//! while; those who review it are told. NHS: 3.7, 3.14.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carerecord_access::{
    Carer, ClaimRules, Override, OverrideReason, Relationship, RelationshipKind,
    RelationshipStatus, UserCaller,
};
use carerecord_audit::AuditOutcome;
use carerecord_fhir::{NHS_NUMBER_SYSTEM, identifier_number};
use carerecord_model::NhsNumber;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::episode_of_care::store_error;
use super::input::Sent;
use super::{Session, answer};
use crate::Portal;
use crate::error::FhirError;
use crate::overrides::{Grant, GrantKind, NewAlert, working_days_on};

/// Records the claim of the person who asks.
pub(crate) async fn run(
    State(portal): State<Portal>,
    session: Session,
    Sent(parameters): Sent,
) -> Result<Response, FhirError> {
    session.does("claim relationship");
    let asked = Asked::read(&parameters);
    if let Ok(asked) = &asked {
        session.draft.fill(|event| event.subject = Some(asked.patient));
    }
    let may = portal.access.may_claim(&session.caller).map_err(FhirError::from);
    let (user, rules) = session.note(may)?;
    let asked = asked?;
    let now = portal.clock.now();
    let claim = claim(&portal, user, rules, &asked, now).await?;
    session.draft.fill(|event| {
        event.subject = Some(claim.patient);
        event.listed = vec![format!("relationship {}", claim.id)];
        event.status = StatusCode::CREATED.as_u16();
    });
    // First those who review it: a claim that nobody is told of must not count.
    let audit = session.draft.to_commit(AuditOutcome::Success);
    let (grant, alert) = told(&portal, user, rules, &claim, now);
    portal.overrides.grant(grant, alert, audit).await.map_err(|e| FhirError::store(&e))?;
    let answer = json!({"resourceType": "Parameters", "parameter": [
        {"name": "id", "valueId": claim.id.to_string()},
        {"name": "until", "valueInstant": claim.until.map(|until| until.to_string())},
    ]});
    portal.relationships.put_relationship(claim).await.map_err(store_error)?;
    session.draft.committed();
    Ok(answer::resource(StatusCode::CREATED, answer))
}

async fn claim(
    portal: &Portal,
    user: &UserCaller,
    rules: &ClaimRules,
    asked: &Asked,
    now: Timestamp,
) -> Result<Relationship, FhirError> {
    let until = rules.until(now, asked.hours);
    let until =
        until.ok_or_else(|| FhirError::Body(format!("hours: from 1 to {}", rules.hours)))?;
    Ok(Relationship {
        id: portal.ids.ordered(),
        version: 1,
        patient: portal.surviving(asked.patient).await?,
        with: Carer::Person {
            organisation: user.organisation.clone(),
            user_id: user.user_id.clone(),
        },
        kind: RelationshipKind::Claim,
        status: RelationshipStatus::Active,
        since: now,
        until: Some(until),
        set_by: "the person who claims it".to_owned(),
        source: "claim".to_owned(),
        evidence: None,
        reason: Some(asked.words.clone()),
        recorded_at: now,
        recorded_by: user.user_id.clone(),
    })
}

/// What the privacy officers of the person's organisation find. It opens nothing.
fn told(
    portal: &Portal,
    user: &UserCaller,
    rules: &ClaimRules,
    claim: &Relationship,
    now: Timestamp,
) -> (Grant, NewAlert) {
    let opened = Override {
        id: claim.id,
        patient: claim.patient,
        user_id: user.user_id.clone(),
        role_profile_id: user.role_profile_id.clone(),
        session_id: user.session_id.clone(),
        reason: OverrideReason::Other,
        since: claim.since,
        until: claim.until.unwrap_or(claim.since),
    };
    let grant = Grant {
        kind: GrantKind::Claim,
        opened,
        user_name: user.name.clone(),
        organisation: user.organisation.to_string(),
        role: user.role.clone(),
        words: claim.reason.clone(),
        reference: None,
    };
    let alert = NewAlert {
        id: portal.ids.ordered(),
        override_id: claim.id,
        organisation: user.organisation.to_string(),
        raised_at: now,
        due_at: working_days_on(now, rules.review_days),
    };
    (grant, alert)
}

/// The parameters.
struct Asked {
    patient: NhsNumber,
    words: String,
    hours: Option<u16>,
}

impl Asked {
    fn read(resource: &Value) -> Result<Self, FhirError> {
        let wrong = |what: &str| FhirError::Body(what.to_owned());
        if resource["resourceType"] != "Parameters" {
            return Err(wrong("send a Parameters resource"));
        }
        let all = resource["parameter"].as_array().map_or(&[][..], Vec::as_slice);
        let one = |name: &str| all.iter().find(|p| p["name"] == name);
        let patient = one("patient").map(|p| &p["valueIdentifier"]);
        let patient = patient.filter(|p| p["system"] == NHS_NUMBER_SYSTEM);
        let patient = patient.and_then(|p| p["value"].as_str());
        let patient = patient.ok_or_else(|| wrong("patient: an Identifier with an NHS Number"))?;
        let words = one("reason").and_then(|p| p["valueString"].as_str()).unwrap_or_default();
        let words = words.trim();
        if !(SHORTEST..=LONGEST).contains(&words.chars().count()) {
            return Err(wrong(
                "reason: say how you care for the patient, in 10 to 2,000 characters",
            ));
        }
        let hours = match one("hours") {
            None => None,
            Some(p) => {
                let hours = p["valueInteger"].as_u64().and_then(|n| u16::try_from(n).ok());
                Some(hours.ok_or_else(|| wrong("hours: a small whole number"))?)
            }
        };
        let patient = identifier_number(&format!("{NHS_NUMBER_SYSTEM}|{patient}"))?;
        Ok(Self { patient, words: words.to_owned(), hours })
    }
}

const SHORTEST: usize = 10;
const LONGEST: usize = 2_000;
