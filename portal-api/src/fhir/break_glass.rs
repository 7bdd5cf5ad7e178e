//! `Patient/$break-glass`: opens a record for a while, with a reason, and tells those who review it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carerecord_access::{Override, OverrideReason};
use carerecord_audit::AuditOutcome;
use carerecord_fhir::{NHS_NUMBER_SYSTEM, identifier_number};
use carerecord_model::NhsNumber;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::input::Sent;
use super::{Session, answer};
use crate::Portal;
use crate::error::FhirError;
use crate::overrides::{Grant, GrantKind, NewAlert, working_days_on};

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
    let alert = NewAlert {
        id: portal.ids.ordered(),
        override_id: opened.id,
        organisation: user.organisation.to_string(),
        raised_at: now,
        due_at: working_days_on(now, rules.review_days),
    };
    let grant = Grant {
        kind: GrantKind::Override,
        opened: opened.clone(),
        user_name: user.name.clone(),
        organisation: user.organisation.to_string(),
        role: user.role.clone(),
        words: asked.words,
        reference: asked.reference,
    };
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
    fn read(resource: &Value) -> Result<Self, FhirError> {
        let wrong = |what: &str| FhirError::Body(what.to_owned());
        if resource["resourceType"] != "Parameters" {
            return Err(wrong("send a Parameters resource"));
        }
        let all = resource["parameter"].as_array().map_or(&[][..], Vec::as_slice);
        let one = |name: &str| all.iter().find(|p| p["name"] == name);
        let text = |name: &str| {
            let value = one(name).and_then(|p| p["valueString"].as_str()).map(str::trim);
            value.filter(|v| !v.is_empty()).map(str::to_owned)
        };
        let patient = one("patient").map(|p| &p["valueIdentifier"]);
        let patient = patient.filter(|p| p["system"] == NHS_NUMBER_SYSTEM);
        let patient = patient.and_then(|p| p["value"].as_str());
        let patient = patient.ok_or_else(|| wrong("patient: an Identifier with an NHS Number"))?;
        let reason = one("reason").and_then(|p| p["valueCode"].as_str());
        let reason = reason.and_then(OverrideReason::from_code).ok_or_else(|| {
            let codes = OverrideReason::ALL.map(OverrideReason::code).join(", ");
            FhirError::Body(format!("reason: one of {codes}"))
        })?;
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
        let hours = match one("hours") {
            None => None,
            Some(p) => {
                let hours = p["valueInteger"].as_u64().and_then(|n| u8::try_from(n).ok());
                Some(hours.ok_or_else(|| wrong("hours: a small whole number"))?)
            }
        };
        let patient = identifier_number(&format!("{NHS_NUMBER_SYSTEM}|{patient}"))?;
        Ok(Self { patient, reason, words, reference, hours })
    }
}

const SHORTEST: usize = 10;
const LONGEST: usize = 2_000;
