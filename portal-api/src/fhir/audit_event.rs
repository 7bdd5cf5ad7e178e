//! ITI-81, Retrieve ATNA Audit Event: the record of accesses, for those who look after it.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use carerecord_access::{AuditReach, Caller, Policy, Right, Rule};
use carerecord_audit::{
    AuditEvent, AuditOutcome, AuditQuestion, CodeField, CodeWanted, audit_event,
};
use carerecord_fhir::{
    AuditCode, AuditEventSearch, Entry, Issue, SourceState, Tree, add_link, log_issue, searchset,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::input::{Asked, is_strict, named, uuid};
use super::paging::{MAX_PARAMETERS, page_asked, page_link};
use super::{Session, alerts, answer, detection, outcome_entry};
use crate::Portal;
use crate::error::FhirError;
use crate::looking::{Accessed, LogState, Looked, Turned};

/// Answers a search of the record of accesses, or of privacy alerts or detection findings, which are
/// told apart by their type.
pub(crate) async fn search(
    State(portal): State<Portal>,
    session: Session,
    headers: HeaderMap,
    Asked(parameters): Asked,
) -> Result<Response, FhirError> {
    if alerts::are_meant(&parameters) {
        return alerts::run(&portal, &session, &parameters, is_strict(&headers)).await;
    }
    if detection::are_meant(&parameters) {
        return detection::run(&portal, &session, &parameters, is_strict(&headers)).await;
    }
    session.does("ITI-81 search AuditEvent");
    let turned = turned(&portal, &session, &parameters)?;
    let (parameters, strict) = match &turned {
        Some(turned) => (turned.parameters.as_str(), turned.strict),
        None => (parameters.as_str(), is_strict(&headers)),
    };
    let asked = AuditEventSearch::parse(&named(&portal, &session, parameters), strict);
    // Whoever is refused: about whom they asked is known.
    if let Ok(asked) = &asked {
        note(&session, asked);
    }
    let reach = match (&session.caller, &asked) {
        (Caller::Citizen(_), Ok(asked)) => own_reach(&portal, &session, asked).await,
        (Caller::Citizen(_) | Caller::User(_) | Caller::System(_), _) => {
            portal.access.may_search_audit(&session.caller).map_err(Into::into)
        }
    };
    let reach = session.note(reach)?;
    session.draft.fill(|event| event.purpose = Some(reach.purpose().code().to_owned()));
    session.draft.decision(&reach.decision());
    let asked = asked?;
    if reach.is_one_request() && !is_about_one_request(&asked) {
        session.draft.outcome(AuditOutcome::Refused);
        return Err(ONE_REQUEST);
    }
    let now = portal.clock.now();
    let (since, until) = match &turned {
        Some(turned) => (turned.since, turned.until),
        None => bounds(&asked, now),
    };
    let question = question(&asked, (since, until));
    let looked = portal.look(&reach, question, turned.as_ref()).await?;
    if !reach.is_one_request() {
        let shown = looked.found.iter().filter_map(|found| found.record.value().subject);
        let mut people: Vec<_> = asked.patient.into_iter().chain(shown).collect();
        people.sort();
        people.dedup();
        session.draft.subjects(people);
    }
    let mut issues = issues(&asked, &reach, since);
    issues.extend(looked.logs.iter().flat_map(log_issues));
    let next = looked.next.as_ref().map(|places| {
        let turned = Turned {
            parameters: parameters.to_owned(),
            strict,
            since,
            until,
            places: places.clone(),
            total: looked.total,
            missing: missing(&looked),
        };
        page_link(&portal, &session, "AuditEvent", &json!(turned).to_string(), parameters)
    });
    Ok(answer::resource(StatusCode::OK, bundle(&portal, &asked, looked, issues, next)))
}

/// How much a citizen may read: what was done with one record that they may see. They ask about the
/// record, and not about those who looked.
async fn own_reach(
    portal: &Portal,
    session: &Session,
    asked: &AuditEventSearch,
) -> Result<AuditReach, FhirError> {
    portal.access.admit(&session.caller, session.purpose, Right::Query)?;
    let others = asked.agents.is_empty()
        && asked.organisations.is_empty()
        && asked.documents.is_empty()
        && asked.requests.is_empty()
        && asked.outcomes.is_empty()
        && asked.codes.is_empty();
    let patient = asked.patient.filter(|_| others).ok_or(ONE_RECORD)?;
    let opened = portal.open(&session.caller, session.purpose, patient).await?;
    session.draft.fill(|event| event.subject = Some(opened.number));
    Ok(opened.view.accesses()?)
}

/// Answers a read: of a privacy alert of the reader's organisation, or of one record of an access.
pub(crate) async fn read(
    State(portal): State<Portal>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Response, FhirError> {
    session.does("audit record read");
    let reviewer = alerts::reviewer(&portal, &session)?;
    let id = uuid(&id)?;
    if let Some(alert) = alerts::of_reviewer(&portal, reviewer, id).await? {
        return Ok(alerts::shown(&portal, &session, &alert));
    }
    if let Some(finding) = detection::find(&portal, &session, id).await? {
        return detection::shown(&portal, &session, &finding);
    }
    let reach =
        session.note(portal.access.may_search_audit(&session.caller).map_err(Into::into))?;
    session.draft.fill(|event| {
        event.purpose = Some(reach.purpose().code().to_owned());
        event.listed = vec![format!("record {id}")];
    });
    session.draft.decision(&reach.decision());
    let found = portal.look_for(&reach, id).await?.ok_or(FhirError::NotFound)?;
    session.draft.fill(|event| event.subject = found.record.value().subject);
    Ok(answer::resource(StatusCode::OK, shown(portal.access.policy(), &found)))
}

/// The page that a link leads to.
fn turned(
    portal: &Portal,
    session: &Session,
    parameters: &str,
) -> Result<Option<Turned>, FhirError> {
    if parameters.len() > MAX_PARAMETERS {
        return Err(FhirError::TooLong);
    }
    let Some(text) = page_asked(portal, session, parameters)? else { return Ok(None) };
    Ok(Some(serde_json::from_str(&text).map_err(|_| FhirError::NotFound)?))
}

/// What was asked for, for the record of this search itself.
fn note(session: &Session, asked: &AuditEventSearch) {
    let said = |what: &str, values: &[String]| {
        values.iter().map(|value| format!("{what} {value}")).collect::<Vec<_>>()
    };
    let all = [
        said("agent", &asked.agents),
        said("organisation", &asked.organisations),
        said("document", &asked.documents),
        said("correlation", &asked.requests),
    ];
    session.draft.fill(|event| {
        event.subject = asked.patient;
        event.listed = all.concat();
        event.listed.truncate(MOST_NOTED);
    });
}

fn is_about_one_request(asked: &AuditEventSearch) -> bool {
    asked.requests.len() == 1
        && asked.patient.is_none()
        && asked.agents.is_empty()
        && asked.organisations.is_empty()
        && asked.documents.is_empty()
        && asked.codes.is_empty()
        && asked.outcomes.is_empty()
}

/// The time to search: so far back that most questions are answered, and not for ever. One request
/// is looked for as far back as the log goes.
fn bounds(asked: &AuditEventSearch, now: Timestamp) -> (Timestamp, Timestamp) {
    // Clocks of other processes may be ahead.
    let ahead = now.checked_add(SignedDuration::from_hours(1)).unwrap_or(now);
    let until = asked.until.unwrap_or(ahead);
    let usual = until.checked_sub(SignedDuration::from_hours(24 * USUAL_DAYS));
    let usual =
        if asked.requests.is_empty() { usual.unwrap_or(until) } else { Timestamp::UNIX_EPOCH };
    (asked.since.unwrap_or(usual), until)
}

fn question(asked: &AuditEventSearch, (since, until): (Timestamp, Timestamp)) -> AuditQuestion {
    let most = if asked.count_only { 1 } else { asked.count.unwrap_or(USUAL).clamp(1, MOST) };
    let field = |code: AuditCode| match code {
        AuditCode::Type => CodeField::Type,
        AuditCode::Subtype => CodeField::Subtype,
        AuditCode::Action => CodeField::Action,
        AuditCode::EntityType => CodeField::EntityType,
        AuditCode::EntityRole => CodeField::EntityRole,
        AuditCode::Address => CodeField::Address,
        AuditCode::AddressExact => CodeField::AddressExact,
    };
    let wanted = |(system, code): &(Option<String>, Option<String>)| CodeWanted {
        system: system.clone(),
        code: code.clone(),
    };
    let codes = asked.codes.iter().map(|(of, any)| (field(*of), any.iter().map(wanted).collect()));
    let outcome = |code: &String| match code.as_str() {
        "0" => AuditOutcome::Success,
        "4" => AuditOutcome::Rejected,
        "8" => AuditOutcome::Refused,
        _ => AuditOutcome::Failed,
    };
    AuditQuestion {
        subjects: asked.patient.into_iter().collect(),
        actors: asked.agents.clone(),
        organisations: asked.organisations.clone(),
        documents: asked.documents.clone(),
        requests: asked.requests.clone(),
        outcomes: asked.outcomes.iter().map(outcome).collect(),
        codes: codes.collect(),
        ..AuditQuestion::between(since, until, most)
    }
}

/// What the reader has to know to read the answer rightly.
fn issues(asked: &AuditEventSearch, reach: &AuditReach, since: Timestamp) -> Vec<Issue> {
    let left_out = |name: &String| {
        let words = format!("The search parameter {name} is not supported, and was left out.");
        Issue::warning("not-supported", &words)
    };
    let mut issues: Vec<Issue> = asked.ignored.iter().map(left_out).collect();
    if asked.since.is_none() && asked.requests.is_empty() {
        let words = format!("Searched back to {since}. Send date to search another time.");
        issues.push(Issue::information(&words));
    }
    if let Some(organisation) = reach.only_organisation() {
        issues.push(Issue::information(&format!(
            "You see what was done for {organisation}, and what anybody did with documents that it \
             keeps."
        )));
    }
    if reach.is_one_subject() {
        issues.push(Issue::information(
            "You see what was done with this record, when, and for which organisation.",
        ));
    }
    if reach.is_one_request() {
        issues.push(Issue::information("You see nothing of the patient."));
    }
    issues
}

pub(crate) fn log_issues(log: &LogState) -> Vec<Issue> {
    let mut issues = vec![log_issue(log.state, &log.name)];
    if log.behind > 0 {
        let words = format!(
            "{} records of the log of {} are not in its index yet, and were not looked at. Try again \
             in a moment.",
            log.behind, log.name
        );
        issues.push(Issue::warning("incomplete", &words));
    }
    if log.unreadable > 0 {
        let words = format!(
            "{} records of the log of {} cannot be read: they have been changed. Have the log \
             verified.",
            log.unreadable, log.name
        );
        issues.push(Issue::warning("incomplete", &words));
    }
    issues
}

fn missing(looked: &Looked) -> Vec<String> {
    let missing = |log: &&LogState| log.state == SourceState::Down;
    looked.logs.iter().filter(missing).map(|log| log.name.clone()).collect()
}

fn bundle(
    portal: &Portal,
    asked: &AuditEventSearch,
    looked: Looked,
    issues: Vec<Issue>,
    next: Option<String>,
) -> Tree<'static> {
    let mut entries = Vec::new();
    if !asked.count_only {
        let policy = portal.access.policy();
        let base = &portal.config.base_url;
        entries.extend(looked.found.iter().map(|found| {
            let url = format!("{base}/AuditEvent/{}", found.record.value().id);
            Entry::Match(url, shown(policy, found).into())
        }));
    }
    entries.extend(outcome_entry(issues).map(Entry::Outcome));
    let url = format!("{}/AuditEvent", portal.config.base_url);
    let total = looked.total.and_then(|total| usize::try_from(total).ok());
    // Where not all were counted, no number is better than a wrong one.
    let mut bundle = searchset(&url, total, entries);
    if let Some(next) = next.filter(|_| !asked.count_only) {
        add_link(&mut bundle, "next", &next);
    }
    bundle
}

fn shown(policy: &Policy, found: &Accessed) -> Value {
    let mut resource = resource(found.record.value(), &found.log);
    if let Some(agents) = resource["agent"].as_array_mut() {
        agents.iter_mut().for_each(|agent| name_for_people(policy, agent));
    }
    resource
}

/// Adds what organisations and roles are called.
fn name_for_people(policy: &Policy, agent: &mut Value) {
    let organisation = agent["who"]["identifier"]["value"].as_str();
    let organisation = organisation.filter(|_| agent["type"]["coding"][0]["code"] == "PROV");
    if let Some(code) = organisation.and_then(|code| code.parse().ok()) {
        let name = policy.organisation_name(&code).to_owned();
        agent["who"]["display"] = name.into();
    }
    let role = agent["role"][0]["coding"][0]["code"].as_str().and_then(|code| policy.role(code));
    if let Some(name) = role.map(|role| role.name.clone()) {
        agent["role"][0]["coding"][0]["display"] = name.into();
    }
}

/// The AuditEvent, with what BALP has no place for: whose log it is in, what was decided and why,
/// and how the message came.
pub(crate) fn resource(event: &AuditEvent, log: &str) -> Value {
    let mut resource = audit_event(event);
    let mut all = vec![
        json!({"url": LOG, "valueString": log}),
        json!({"url": INTERACTION, "valueString": event.interaction}),
        json!({"url": MESSAGE, "extension": [
            {"url": "direction", "valueCode": event.direction},
            {"url": "transport", "valueCode": event.transport},
            {"url": "request", "valueString": event.request},
            {"url": "status", "valueUnsignedInt": event.status},
            {"url": "duration-ms", "valueUnsignedInt": event.duration_ms},
        ]}),
    ];
    if let Some(decision) = &event.decision {
        let mut parts = vec![
            json!({"url": "outcome", "valueCode": decision.outcome}),
            json!({"url": "rule", "valueCode": decision.rule}),
        ];
        let words = Rule::any_from_id(&decision.rule).map(Rule::explanation);
        parts.extend(words.map(|words| json!({"url": "words", "valueString": words})));
        let by = decision.set_by.iter().map(|by| json!({"url": "set-by", "valueString": by}));
        parts.extend(by);
        let basis = decision.basis.iter().map(|b| json!({"url": "basis", "valueString": b}));
        parts.extend(basis);
        all.push(json!({"url": DECISION, "extension": parts}));
    }
    if let Value::Object(fields) = &mut resource {
        fields.insert("extension".to_owned(), all.into());
    }
    resource
}

/// An answer to those who may ask about one request only, and asked about something else.
const ONE_REQUEST: FhirError = FhirError::Operation(
    StatusCode::FORBIDDEN,
    "forbidden",
    "Your role traces one request: send its id as correlation, and no other search parameter but \
     date.",
);
/// An answer to citizens who ask about something else than a record.
const ONE_RECORD: FhirError = FhirError::Operation(
    StatusCode::FORBIDDEN,
    "forbidden",
    "Send patient.identifier, whose record it is about, and no other search parameter but date and \
     _count.",
);
/// Records of one answer, unless asked otherwise, and at most.
const USUAL: u32 = 50;
const MOST: u32 = 200;
/// How far back a search goes that does not say.
const USUAL_DAYS: i64 = 92;
/// What was asked for, in the record of the search.
const MOST_NOTED: usize = 50;
const LOG: &str = "urn:carerecord:log";
const INTERACTION: &str = "urn:carerecord:interaction";
const MESSAGE: &str = "urn:carerecord:message";
const DECISION: &str = "urn:carerecord:decision";
