//! Privacy alerts: what was overridden, for those who review it. AuditEvents of the kind that the
//! Summary Care Record knows. NHS context 3.14, 5.4.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use carerecord_access::{OverrideReason, UserCaller};
use carerecord_audit::AuditOutcome;
use carerecord_fhir::{
    Entry, NHS_NUMBER_SYSTEM, SearchError, add_link, check_reviewed, count_only, pairs, searchset,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::document_reference::left_out;
use super::input::{Sent, uuid};
use super::{Session, answer, detection, outcome_entry};
use crate::Portal;
use crate::error::FhirError;
use crate::overrides::{Alert, AlertCount, Grant, GrantKind, Note, ReviewState, WhichAlerts};

/// Whether a search is for privacy alerts: they have types of their own.
pub(crate) fn are_meant(parameters: &str) -> bool {
    kinds(&pairs(parameters)).is_ok()
}

/// Answers a search for the alerts of the reviewer's organisation.
pub(crate) async fn run(
    portal: &Portal,
    session: &Session,
    parameters: &str,
    strict: bool,
) -> Result<Response, FhirError> {
    session.does("search privacy alerts");
    let reviewer = reviewer(portal, session)?;
    let parameters = pairs(parameters);
    let ignored = check_reviewed(&parameters, strict)?;
    let mut which = which(&parameters)?;
    which.kinds = kinds(&parameters)?;
    let (now, organisation) = (portal.clock.now(), reviewer.organisation.as_str());
    let counts = portal.overrides.counts(organisation, now).await;
    let total = which.total(&counts.map_err(|e| FhirError::store(&e))?);
    let alerts = match count_only(&parameters) {
        true => Vec::new(),
        false => {
            let found = portal.overrides.alerts(organisation, &which, now).await;
            found.map_err(|e| FhirError::store(&e))?
        }
    };
    session.draft.fill(|event| event.listed = alerts.iter().map(|a| a.id.to_string()).collect());
    session.draft.subjects(alerts.iter().map(|a| a.grant.opened.patient));
    let url = format!("{}/AuditEvent", portal.config.base_url);
    let mut entries: Vec<Entry> = alerts
        .iter()
        .map(|a| Entry::Match(format!("{url}/{}", a.id), resource(a, now).into()))
        .collect();
    entries.extend(outcome_entry(left_out(&ignored)).map(Entry::Outcome));
    let mut bundle = searchset(&url, usize::try_from(total).unwrap_or_default(), entries);
    if let Some(last) = alerts.last().filter(|_| alerts.len() == which.most as usize) {
        let next = format!("{url}?{}", next_page(&parameters, last.id));
        add_link(&mut bundle, "next", &next);
    }
    Ok(answer::resource(StatusCode::OK, bundle))
}

/// What `type` asks for: one of the two kinds of alert, or both with a comma between.
fn kinds(parameters: &[(String, String)]) -> Result<Vec<GrantKind>, SearchError> {
    let types = parameters.iter().find(|(name, _)| name == "type").map(|(_, value)| value);
    let kinds: Option<Vec<GrantKind>> = types.and_then(|types| {
        let kind = |token: &str| {
            let code = token.strip_prefix(ALERT_TYPE)?.strip_prefix('|')?;
            GrantKind::ALL.into_iter().find(|kind| alert_type(*kind).0 == code)
        };
        types.split(',').map(kind).collect()
    });
    kinds.ok_or_else(|| {
        SearchError::Unsupported(format!("type other than {ALERT_TYPE}|1 and {ALERT_TYPE}|2"))
    })
}

/// The parameters but `type`.
pub(crate) fn which(parameters: &[(String, String)]) -> Result<WhichAlerts, SearchError> {
    let mut which = WhichAlerts { most: USUAL, ..WhichAlerts::default() };
    for (name, value) in parameters {
        let malformed = || SearchError::Malformed(name.clone());
        match name.as_str() {
            "state" => {
                let states = value.split(',').map(ReviewState::from_code);
                which.states = states.collect::<Option<_>>().ok_or_else(malformed)?;
            }
            "overdue" => which.overdue = Some(value.parse().map_err(|_| malformed())?),
            "before" => which.before = Some(value.parse().map_err(|_| malformed())?),
            "_count" => {
                let count: u32 = value.parse().map_err(|_| malformed())?;
                which.most = count.clamp(1, MOST);
            }
            _ => {}
        }
    }
    Ok(which)
}

/// The same search, after an alert. None of it is about a patient; what is not known here, and may be
/// anything, is left out.
pub(crate) fn next_page(parameters: &[(String, String)], last: Uuid) -> String {
    let kept = parameters.iter().filter(|(name, _)| PAGED.contains(&name.as_str()));
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(kept)
        .append_pair("before", &last.to_string())
        .finish()
}

/// The answer to a read of one alert.
pub(crate) fn shown(portal: &Portal, session: &Session, alert: &Alert) -> Response {
    session.does("read privacy alert");
    session.draft.fill(|event| event.subject = Some(alert.grant.opened.patient));
    answer::resource(StatusCode::OK, resource(alert, portal.clock.now()))
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
    let id = uuid(&id)?;
    let Some(mut alert) = of_reviewer(&portal, reviewer, id).await? else {
        // Of what is told to other organisations nobody learns that it exists.
        let finding = detection::find(&portal, &session, id).await?.ok_or(FhirError::NotFound)?;
        return detection::review(&portal, &session, finding, Step::read(&parameters)?).await;
    };
    if alert.grant.opened.user_id == reviewer.user_id {
        return Err(OWN);
    }
    let Step { state, words } = Step::read(&parameters)?;
    let now = portal.clock.now();
    let note = Note { by: reviewer.name.clone(), at: now, state, words };
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

/// What a reviewer says.
pub(crate) struct Step {
    pub state: ReviewState,
    pub words: String,
}

impl Step {
    /// Out of `state` and `note`.
    fn read(parameters: &Value) -> Result<Self, FhirError> {
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
            let what = "note: say what you found, in up to 2,000 characters";
            return Err(FhirError::Body(what.to_owned()));
        }
        Ok(Self { state, words: words.to_owned() })
    }
}

/// Counts of the reviewer's organisation, by state and by reason; of findings as well.
pub(crate) async fn statistics(
    State(portal): State<Portal>,
    session: Session,
) -> Result<Response, FhirError> {
    session.does("privacy alert statistics");
    let reviewer = reviewer(&portal, &session)?;
    let now = portal.clock.now();
    let counts = portal.overrides.counts(reviewer.organisation.as_str(), now).await;
    let counts = counts.map_err(|e| FhirError::store(&e))?;
    let sum = |is: &dyn Fn(&AlertCount) -> bool| -> i64 {
        counts.iter().filter(|c| is(c)).map(|c| c.count).sum()
    };
    let states = ReviewState::ALL;
    let states = states.iter().map(|s| counted("state", s.code(), sum(&|c| c.state == *s)));
    let reasons = OverrideReason::ALL;
    let of = |r: OverrideReason| sum(&|c| c.kind == GrantKind::Override && c.reason == r);
    let reasons = reasons.iter().map(|r| counted("reason", r.code(), of(*r)));
    let claims = counted("reason", CLAIM, sum(&|c| c.kind == GrantKind::Claim));
    let overdue = counted("overdue", "overdue", counts.iter().map(|c| c.overdue).sum());
    let findings = detection::statistics(&portal, &session).await?;
    let alerts = states.chain(reasons).chain([claims, overdue]);
    let parameter: Vec<Value> = alerts.chain(findings).collect();
    let answer = json!({"resourceType": "Parameters", "parameter": parameter});
    Ok(answer::resource(StatusCode::OK, answer))
}

/// A number of the statistics.
pub(crate) fn counted(name: &str, code: &str, count: i64) -> Value {
    json!({"name": name, "part": [
        {"name": "code", "valueCode": code}, {"name": "count", "valueUnsignedInt": count},
    ]})
}

/// Whoever reviews for an organisation.
pub(crate) fn reviewer<'s>(
    portal: &Portal,
    session: &'s Session,
) -> Result<&'s UserCaller, FhirError> {
    session.note(portal.access.may_review(&session.caller).map_err(FhirError::from))
}

/// An alert to the reviewer's own organisation.
pub(crate) async fn of_reviewer(
    portal: &Portal,
    reviewer: &UserCaller,
    id: Uuid,
) -> Result<Option<Alert>, FhirError> {
    let found = portal.overrides.alert(reviewer.organisation.as_str(), id).await;
    found.map_err(|e| FhirError::store(&e))
}

fn resource(alert: &Alert, now: Timestamp) -> Value {
    let grant = &alert.grant;
    let (scr, words) = scr_reason(grant);
    let (code, display) = alert_type(grant.kind);
    let purpose = match grant.kind {
        GrantKind::Override => ("BTG", "break the glass"),
        GrantKind::Claim => ("TREAT", "treatment"),
    };
    json!({
        "resourceType": "AuditEvent",
        "id": alert.id.to_string(),
        "extension": [{"url": REVIEW, "extension": review_of(alert, now)}],
        "type": {"system": ALERT_TYPE, "code": code, "display": display},
        "subtype": [{"system": ALERT_REASON, "code": scr, "display": words}],
        "action": "R",
        "recorded": alert.raised_at.to_string(),
        "outcome": "0",
        "purposeOfEvent": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
            "code": purpose.0,
            "display": purpose.1,
        }]}],
        "agent": agents(grant),
        "source": {"observer": {"display": "Care Record"}},
        "entity": [{"what": {"identifier": {
            "system": NHS_NUMBER_SYSTEM,
            "value": grant.opened.patient.digits(),
        }}}],
    })
}

/// Where the review stands, and what it is about.
fn review_of(alert: &Alert, now: Timestamp) -> Vec<Value> {
    let (grant, opened) = (&alert.grant, &alert.grant.opened);
    let mut review = vec![
        json!({"url": "state", "valueCode": alert.state.code()}),
        json!({"url": "due", "valueInstant": alert.due_at.to_string()}),
        json!({"url": "overdue", "valueBoolean": alert.is_overdue(now)}),
        json!({"url": "reason", "valueCode": reason(grant)}),
        json!({"url": "until", "valueInstant": opened.until.to_string()}),
    ];
    for (url, value) in [("text", &grant.words), ("reference", &grant.reference)] {
        review.extend(value.as_ref().map(|value| json!({"url": url, "valueString": value})));
    }
    review.extend(alert.notes.iter().map(note));
    review
}

/// A step that was taken.
pub(crate) fn note(note: &Note) -> Value {
    json!({"url": "note", "extension": [
        {"url": "by", "valueString": note.by},
        {"url": "at", "valueInstant": note.at.to_string()},
        {"url": "state", "valueCode": note.state.code()},
        {"url": "text", "valueString": note.words},
    ]})
}

/// Who opened the record, and for which organisation.
fn agents(grant: &Grant) -> Value {
    agents_of(&grant.opened.user_id, &grant.user_name, &grant.role, &grant.organisation)
}

/// A person in a role, and the organisation that they act for.
pub(crate) fn agents_of(user_id: &str, name: &str, role: &str, organisation: &str) -> Value {
    let who = |system: &str, value: &str| json!({"identifier": {"system": system, "value": value}});
    json!([
        {
            "who": who("https://fhir.nhs.uk/Id/sds-user-id", user_id),
            "name": name,
            "requestor": true,
            "role": [{"coding": [{
                "system": "https://fhir.hl7.org.uk/CodeSystem/UKCore-SDSJobRoleName",
                "code": role,
            }]}],
        },
        {
            "who": who("https://fhir.nhs.uk/Id/ods-organization-code", organisation),
            "requestor": false,
        },
    ])
}

/// The kind of alert that the Summary Care Record has for it.
fn alert_type(kind: GrantKind) -> (&'static str, &'static str) {
    match kind {
        GrantKind::Claim => ("1", "Create LR (Self Claimed)"),
        GrantKind::Override => ("2", "Access Alert"),
    }
}

fn reason(grant: &Grant) -> &'static str {
    match grant.kind {
        GrantKind::Claim => CLAIM,
        GrantKind::Override => grant.opened.reason.code(),
    }
}

/// The nearest reason that the Summary Care Record has.
fn scr_reason(grant: &Grant) -> (&'static str, &'static str) {
    if grant.kind == GrantKind::Claim {
        return ("6", "Other");
    }
    match grant.opened.reason {
        OverrideReason::Emergency => ("5", "Access made in an emergency"),
        OverrideReason::PublicInterest => ("1", "Access made in the public interest"),
        OverrideReason::Statute => ("2", "Access made under statute"),
        OverrideReason::CourtOrder => ("3", "Access made under a court order"),
        OverrideReason::Other => ("6", "Other"),
    }
}

/// What stays the same on all pages of a search.
const PAGED: [&str; 5] = ["type", "state", "overdue", "_count", "_format"];
const ALERT_TYPE: &str = "https://fhir.nhs.uk/CodeSystem/SCR-AlertType";
const ALERT_REASON: &str = "https://fhir.nhs.uk/CodeSystem/SCR-AlertReason";
/// The reason of a claim, beside those of overrides.
const CLAIM: &str = "claim";
pub(crate) const REVIEW: &str = "urn:carerecord:review";
/// An answer to who reviews themselves.
pub(crate) const OWN: FhirError = FhirError::Operation(
    StatusCode::FORBIDDEN,
    "forbidden",
    "Nobody reviews what they did themselves.",
);
const LONGEST: usize = 2_000;
/// Alerts of one answer, unless asked otherwise, and at most.
const USUAL: u32 = 100;
const MOST: u32 = 1_000;
