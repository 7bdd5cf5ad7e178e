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
use carerecord_model::NhsNumber;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::input::Sent;
use super::parameters::{Parameters, wrong};
use super::{Session, answer};
use crate::Portal;
use crate::error::FhirError;
use crate::overrides::{Grant, GrantKind, NewAlert};

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
    let (grant, alert) = told(&portal, user, rules, &claim);
    portal.overrides.grant(grant, alert, audit).await.map_err(|e| FhirError::store(&e))?;
    let answer = json!({"resourceType": "Parameters", "parameter": [
        {"name": "id", "valueId": claim.id.to_string()},
        {"name": "until", "valueInstant": claim.until.map(|until| until.to_string())},
    ]});
    portal.relationships.put_relationship(claim).await?;
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
    let grant = Grant::of(user, GrantKind::Claim, opened, claim.reason.clone(), None);
    let alert = NewAlert::of(
        portal.ids.ordered(),
        &grant.opened,
        &grant.organisation,
        claim.since,
        rules.review_days,
    );
    (grant, alert)
}

/// The parameters.
struct Asked {
    patient: NhsNumber,
    words: String,
    hours: Option<u16>,
}

impl Asked {
    fn read(sent: &Value) -> Result<Self, FhirError> {
        let parameters = Parameters::of(sent)?;
        let patient = parameters.patient()?;
        let words = parameters.words("reason").unwrap_or_default();
        if !(SHORTEST..=LONGEST).contains(&words.chars().count()) {
            return Err(wrong(
                "reason: say how you care for the patient, in 10 to 2,000 characters",
            ));
        }
        Ok(Self { patient, words: words.to_owned(), hours: parameters.hours()? })
    }
}

const SHORTEST: usize = 10;
const LONGEST: usize = 2_000;
