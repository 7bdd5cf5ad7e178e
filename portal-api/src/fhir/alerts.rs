//! Privacy alerts: what was overridden, for those who review it. AuditEvents of the kind that the
//! Summary Care Record knows. NHS context 3.14, 5.4.

use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use carerecord_access::{OverrideReason, UserCaller};
use carerecord_audit::AuditOutcome;
use carerecord_fhir::{Entry, NHS_NUMBER_SYSTEM, SearchError, pairs, searchset};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::input::Sent;
use super::{Session, answer};
use crate::Portal;
use crate::error::FhirError;
use crate::overrides::{Alert, Note, ReviewState};

/// Answers a search for the alerts of the reviewer's organisation.
pub(crate) async fn search(
    State(portal): State<Portal>,
    session: Session,
    RawQuery(query): RawQuery,
) -> Result<Response, FhirError> {
    session.does("search privacy alerts");
    let reviewer = reviewer(&portal, &session)?;
    let parameters = pairs(&query.unwrap_or_default());
    let one = |name: &str| parameters.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    let alert = format!("{ALERT_TYPE}|{ACCESS_ALERT}");
    if one("type") != Some(alert.as_str()) {
        return Err(SearchError::Unsupported(format!("type other than {alert}")).into());
    }
    let state = match one("state") {
        None => None,
        Some(code) => Some(
            ReviewState::from_code(code).ok_or_else(|| SearchError::Malformed("state".into()))?,
        ),
    };
    let now = portal.clock.now();
    let overdue = one("overdue").map(|value| value == "true");
    let mut alerts = alerts(&portal, reviewer).await?;
    alerts.retain(|a| state.is_none_or(|s| a.state == s));
    alerts.retain(|a| overdue.is_none_or(|o| a.is_overdue(now) == o));
    session.draft.fill(|event| event.listed = alerts.iter().map(|a| a.id.to_string()).collect());
    let base = &portal.config.base_url;
    let entries: Vec<Entry> = alerts
        .iter()
        .map(|a| Entry::Match(format!("{base}/AuditEvent/{}", a.id), resource(a, now)))
        .collect();
    let bundle = searchset(&format!("{base}/AuditEvent"), alerts.len(), entries);
    Ok(answer::resource(StatusCode::OK, bundle))
}

/// Answers a read of one alert.
pub(crate) async fn read(
    State(portal): State<Portal>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Response, FhirError> {
    session.does("read privacy alert");
    let alert = find(&portal, reviewer(&portal, &session)?, &id).await?;
    session.draft.fill(|event| event.subject = Some(alert.grant.opened.patient));
    Ok(answer::resource(StatusCode::OK, resource(&alert, portal.clock.now())))
}

/// Takes a step of a review: `state` and `note`.
pub(crate) async fn review(
    State(portal): State<Portal>,
    session: Session,
    Path(id): Path<String>,
    Sent(parameters): Sent,
) -> Result<Response, FhirError> {
    session.does("review privacy alert");
    let reviewer = reviewer(&portal, &session)?;
    let mut alert = find(&portal, reviewer, &id).await?;
    if alert.grant.opened.user_id == reviewer.user_id {
        return Err(FhirError::Operation(
            StatusCode::FORBIDDEN,
            "forbidden",
            "Nobody reviews what they opened themselves.",
        ));
    }
    let all = parameters["parameter"].as_array().map_or(&[][..], Vec::as_slice);
    let one = |name: &str| all.iter().find(|p| p["name"] == name);
    let state = one("state").and_then(|p| p["valueCode"].as_str());
    let state = state.and_then(ReviewState::from_code).filter(|s| *s != ReviewState::New);
    let state = state.ok_or_else(|| {
        let codes = ReviewState::ALL[1..].iter().map(|s| s.code()).collect::<Vec<_>>();
        FhirError::Body(format!("state: one of {}", codes.join(", ")))
    })?;
    let words = one("note").and_then(|p| p["valueString"].as_str()).unwrap_or_default().trim();
    if words.chars().count() > LONGEST || state.is_closed() && words.is_empty() {
        return Err(FhirError::Body("note: say what you found, in up to 2,000 characters".into()));
    }
    let now = portal.clock.now();
    let by = reviewer.name.clone();
    let note = Note { by, at: now, state, words: words.to_owned() };
    session.draft.fill(|event| {
        event.subject = Some(alert.grant.opened.patient);
        event.listed = vec![format!("alert {} {}", alert.id, state.code())];
    });
    let audit = session.draft.to_commit(AuditOutcome::Success);
    let done = portal.overrides.review(&alert, note.clone(), audit).await;
    if !done.map_err(|e| FhirError::store(&e))? {
        return Err(FhirError::Conflict);
    }
    session.draft.committed();
    alert.state = state;
    alert.notes.push(note);
    Ok(answer::resource(StatusCode::OK, resource(&alert, now)))
}

/// Counts of the reviewer's organisation, by state and by reason.
pub(crate) async fn statistics(
    State(portal): State<Portal>,
    session: Session,
) -> Result<Response, FhirError> {
    session.does("privacy alert statistics");
    let alerts = alerts(&portal, reviewer(&portal, &session)?).await?;
    let now = portal.clock.now();
    let count = |name: &str, code: &str, is: &dyn Fn(&Alert) -> bool| {
        let count = alerts.iter().filter(|a| is(a)).count();
        json!({"name": name, "part": [
            {"name": "code", "valueCode": code}, {"name": "count", "valueUnsignedInt": count},
        ]})
    };
    let states = ReviewState::ALL.iter().map(|s| count("state", s.code(), &|a| a.state == *s));
    let of = |reason: &OverrideReason| {
        count("reason", reason.code(), &|a| a.grant.opened.reason == *reason)
    };
    let reasons = OverrideReason::ALL.iter().map(of);
    let overdue = count("overdue", "overdue", &|a| a.is_overdue(now));
    let parameter: Vec<Value> = states.chain(reasons).chain([overdue]).collect();
    let answer = json!({"resourceType": "Parameters", "parameter": parameter});
    Ok(answer::resource(StatusCode::OK, answer))
}

fn reviewer<'s>(portal: &Portal, session: &'s Session) -> Result<&'s UserCaller, FhirError> {
    session.note(portal.access.may_review(&session.caller).map_err(FhirError::from))
}

async fn alerts(portal: &Portal, reviewer: &UserCaller) -> Result<Vec<Alert>, FhirError> {
    let found = portal.overrides.alerts(reviewer.organisation.as_str()).await;
    found.map_err(|e| FhirError::store(&e))
}

/// Of alerts to other organisations nobody learns that they exist.
async fn find(portal: &Portal, reviewer: &UserCaller, id: &str) -> Result<Alert, FhirError> {
    let id = Uuid::try_parse(id).map_err(|_| FhirError::NotFound)?;
    let alerts = alerts(portal, reviewer).await?;
    alerts.into_iter().find(|a| a.id == id).ok_or(FhirError::NotFound)
}

fn resource(alert: &Alert, now: Timestamp) -> Value {
    let grant = &alert.grant;
    let opened = &grant.opened;
    let (scr, words) = scr_reason(opened.reason);
    let notes = alert.notes.iter().map(|note| {
        json!({"url": "note", "extension": [
            {"url": "by", "valueString": note.by},
            {"url": "at", "valueInstant": note.at.to_string()},
            {"url": "state", "valueCode": note.state.code()},
            {"url": "text", "valueString": note.words},
        ]})
    });
    let mut review = vec![
        json!({"url": "state", "valueCode": alert.state.code()}),
        json!({"url": "due", "valueInstant": alert.due_at.to_string()}),
        json!({"url": "overdue", "valueBoolean": alert.is_overdue(now)}),
        json!({"url": "reason", "valueCode": opened.reason.code()}),
        json!({"url": "until", "valueInstant": opened.until.to_string()}),
    ];
    let text = |url: &str, value: &Option<String>| {
        value.as_ref().map(|value| json!({"url": url, "valueString": value}))
    };
    review.extend(text("text", &grant.words));
    review.extend(text("reference", &grant.reference));
    review.extend(notes);
    json!({
        "resourceType": "AuditEvent",
        "id": alert.id.to_string(),
        "extension": [{"url": REVIEW, "extension": review}],
        "type": {"system": ALERT_TYPE, "code": ACCESS_ALERT, "display": "Access Alert"},
        "subtype": [{"system": ALERT_REASON, "code": scr, "display": words}],
        "action": "R",
        "recorded": alert.raised_at.to_string(),
        "outcome": "0",
        "purposeOfEvent": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
            "code": "BTG",
            "display": "break the glass",
        }]}],
        "agent": [
            {
                "who": {"identifier": {
                    "system": "https://fhir.nhs.uk/Id/sds-user-id",
                    "value": opened.user_id,
                }},
                "name": grant.user_name,
                "requestor": true,
                "role": [{"coding": [{
                    "system": "https://fhir.hl7.org.uk/CodeSystem/UKCore-SDSJobRoleName",
                    "code": grant.role,
                }]}],
            },
            {
                "who": {"identifier": {
                    "system": "https://fhir.nhs.uk/Id/ods-organization-code",
                    "value": grant.organisation,
                }},
                "requestor": false,
            },
        ],
        "source": {"observer": {"display": "Care Record"}},
        "entity": [{"what": {"identifier": {
            "system": NHS_NUMBER_SYSTEM,
            "value": opened.patient.digits(),
        }}}],
    })
}

/// The nearest reason that the Summary Care Record has.
fn scr_reason(reason: OverrideReason) -> (&'static str, &'static str) {
    match reason {
        OverrideReason::Emergency => ("5", "Access made in an emergency"),
        OverrideReason::PublicInterest => ("1", "Access made in the public interest"),
        OverrideReason::Statute => ("2", "Access made under statute"),
        OverrideReason::CourtOrder => ("3", "Access made under a court order"),
        OverrideReason::Other => ("6", "Other"),
    }
}

const ALERT_TYPE: &str = "https://fhir.nhs.uk/CodeSystem/SCR-AlertType";
const ALERT_REASON: &str = "https://fhir.nhs.uk/CodeSystem/SCR-AlertReason";
const ACCESS_ALERT: &str = "2";
const REVIEW: &str = "urn:carerecord:review";
const LONGEST: usize = 2_000;
