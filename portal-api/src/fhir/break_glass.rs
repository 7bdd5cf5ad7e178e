//! `Patient/$break-glass`: opens a record for a while, with a reason, and tells those who review it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carerecord_access::{Override, OverrideReason};
use carerecord_audit::AuditOutcome;
use carerecord_model::NhsNumber;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::input::Sent;
use super::parameters::{Parameters, wrong};
use super::{Session, answer};
use crate::Portal;
use crate::error::FhirError;
use crate::overrides::{Grant, GrantKind, NewAlert};

/// Opens a record for the person who asks.
pub(crate) async fn run(
    State(portal): State<Portal>,
    session: Session,
    Sent(parameters): Sent,
) -> Result<Response, FhirError> {
    session.does("break glass");
    let asked = Asked::read(&parameters);
    if let Ok(asked) = &asked {
        session.draft.fill(|event| event.subject = Some(asked.patient));
    }
    let may = portal.access.may_break_glass(&session.caller).map_err(FhirError::from);
    let (user, rules) = session.note(may)?;
    let asked = asked?;
    let hours = asked.hours.unwrap_or(rules.hours);
    if !(1..=rules.hours).contains(&hours) {
        let most = rules.hours;
        return Err(FhirError::Body(format!("hours: from 1 to {most}")));
    }
    let now = portal.clock.now();
    let opened = Override {
        id: portal.ids.ordered(),
        patient: portal.surviving(asked.patient).await?,
        user_id: user.user_id.clone(),
        role_profile_id: user.role_profile_id.clone(),
        session_id: user.session_id.clone(),
        reason: asked.reason,
        since: now,
        until: now + SignedDuration::from_hours(i64::from(hours)),
    };
    let grant = Grant::of(user, GrantKind::Override, opened.clone(), asked.words, asked.reference);
    let alert = NewAlert::of(
        portal.ids.ordered(),
        &grant.opened,
        &grant.organisation,
        now,
        rules.review_days,
    );
    session.draft.fill(|event| {
        event.subject = Some(opened.patient);
        event.purpose = Some("BTG".to_owned());
        event.listed = vec![format!("override {}", opened.id)];
        event.status = StatusCode::CREATED.as_u16();
    });
    let audit = session.draft.to_commit(AuditOutcome::Success);
    portal.overrides.grant(grant, alert, audit).await.map_err(|e| FhirError::store(&e))?;
    session.draft.committed();
    let answer = json!({"resourceType": "Parameters", "parameter": [
        {"name": "id", "valueId": opened.id.to_string()},
        {"name": "until", "valueInstant": opened.until.to_string()},
    ]});
    Ok(answer::resource(StatusCode::CREATED, answer))
}

/// The parameters.
struct Asked {
    patient: NhsNumber,
    reason: OverrideReason,
    words: Option<String>,
    reference: Option<String>,
    hours: Option<u8>,
}

impl Asked {
    fn read(sent: &Value) -> Result<Self, FhirError> {
        let parameters = Parameters::of(sent)?;
        let patient = parameters.patient()?;
        let reason = parameters.code("reason").and_then(OverrideReason::from_code);
        let reason = reason.ok_or_else(|| {
            let codes = OverrideReason::ALL.map(OverrideReason::code).join(", ");
            FhirError::Body(format!("reason: one of {codes}"))
        })?;
        let text = |name: &str| parameters.words(name).map(str::to_owned);
        let (words, reference) = (text("text"), text("reference"));
        let length = words.as_deref().map_or(0, |words| words.chars().count());
        if reason.needs_words() && length < SHORTEST || length > LONGEST {
            return Err(wrong("text: say why, in 10 to 2,000 characters"));
        }
        if reason.needs_reference() && reference.is_none() {
            return Err(wrong("reference: name the order"));
        }
        if reference.as_deref().is_some_and(|r| r.chars().count() > LONGEST) {
            return Err(wrong("reference: at most 2,000 characters"));
        }
        Ok(Self { patient, reason, words, reference, hours: parameters.hours()? })
    }
}

const SHORTEST: usize = 10;
const LONGEST: usize = 2_000;
