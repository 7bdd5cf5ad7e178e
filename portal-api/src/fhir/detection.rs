//! Detection reports: what rules have found in the record of accesses, for those who review it. nhs.md
//! 5.7. Findings are AuditEvents with a review, as privacy alerts are.

use std::collections::HashSet;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carerecord_access::{AccessFacts, AuditReach, Released};
use carerecord_fhir::{
    Entry, Issue, NHS_NUMBER_SYSTEM, SearchError, add_link, check_reviewed, count_only, pairs,
    searchset,
};
use carerecord_model::OrganisationCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::alerts::{self, Step};
use super::document_reference::left_out;
use super::input::Sent;
use super::parameters::{Parameters, wrong};
use super::{Session, answer, audit_event, outcome_entry};
use crate::Portal;
use crate::detection::{Detection, Finding, FindingCount, Run, WhichFindings};
use crate::error::FhirError;
use crate::overrides::{Note, ReviewState};

/// Whether a search is for findings: they have types of their own.
pub(crate) fn are_meant(parameters: &str) -> bool {
    rules(&pairs(parameters)).is_some()
}

/// The rules that `type` asks for; none of them in particular is all of them.
fn rules(parameters: &[(String, String)]) -> Option<Vec<String>> {
    let (_, types) = parameters.iter().find(|(name, _)| name == "type")?;
    let rule = |token: &str| Some(token.strip_prefix(TYPE)?.strip_prefix('|')?.to_owned());
    let rules: Vec<String> = types.split(',').map(rule).collect::<Option<_>>()?;
    if rules.iter().any(String::is_empty) { Some(Vec::new()) } else { Some(rules) }
}

/// Answers a search for findings about users of the reader's organisation, or of all.
pub(crate) async fn run(
    portal: &Portal,
    session: &Session,
    parameters: &str,
    strict: bool,
) -> Result<Response, FhirError> {
    session.does("search detection findings");
    let reach = reach(portal, session)?;
    let detection = of(portal)?;
    let parameters = pairs(parameters);
    let ignored = check_reviewed(&parameters, strict)?;
    let which = which(&parameters, &reach)?;
    let now = portal.clock.now();
    let counts = detection.findings.counts(which.organisation.as_deref(), now).await;
    let total = which.total(&counts.map_err(|e| FhirError::store(&e))?);
    let found = match count_only(&parameters) {
        true => Vec::new(),
        false => {
            let found = detection.findings.findings(&which, now).await;
            found.map_err(|e| FhirError::store(&e))?
        }
    };
    let last = found.last().filter(|_| found.len() == which.most as usize).map(|f| f.id);
    let found = released(portal, &reach, found).await?;
    session.draft.fill(|event| {
        event.listed = found.iter().map(|f| format!("finding {}", f.value().id)).collect();
    });
    session.draft.subjects(found.iter().filter_map(|f| f.value().what.patient));
    let url = format!("{}/AuditEvent", portal.config.base_url);
    let entry = |f: &Released<Finding>| {
        let resource = resource(detection, f.value(), now);
        Entry::Match(format!("{url}/{}", f.value().id), resource.into())
    };
    let mut entries: Vec<Entry<'_>> = found.iter().map(entry).collect();
    entries.extend(outcome_entry(left_out(&ignored)).map(Entry::Outcome));
    let mut bundle = searchset(&url, usize::try_from(total).unwrap_or_default(), entries);
    if let Some(last) = last {
        let next = format!("{url}?{}", alerts::next_page(&parameters, last));
        add_link(&mut bundle, "next", &next);
    }
    Ok(answer::resource(StatusCode::OK, bundle))
}

/// The parameters of a search, within what the reader may see.
fn which(
    parameters: &[(String, String)],
    reach: &AuditReach,
) -> Result<WhichFindings, SearchError> {
    let alerts = alerts::which(parameters)?;
    let rules = rules(parameters).unwrap_or_default();
    if rules.iter().any(|rule| rule.len() > LONGEST_RULE || rule.contains(['%', '_', ','])) {
        return Err(SearchError::Malformed("type".to_owned()));
    }
    Ok(WhichFindings {
        organisation: reach.only_organisation().map(ToString::to_string),
        rules,
        states: alerts.states,
        overdue: alerts.overdue,
        before: alerts.before,
        most: alerts.most,
    })
}

/// One finding, as far as its reader may see it; `None` where there is none for them.
pub(crate) async fn find(
    portal: &Portal,
    session: &Session,
    id: Uuid,
) -> Result<Option<Released<Finding>>, FhirError> {
    let Some(detection) = &portal.detection else { return Ok(None) };
    let found = detection.findings.finding(id).await.map_err(|e| FhirError::store(&e))?;
    let Some(found) = found else { return Ok(None) };
    let reach = reach(portal, session)?;
    Ok(released(portal, &reach, vec![found]).await?.pop())
}

/// The answer to a read of one finding.
pub(crate) fn shown(
    portal: &Portal,
    session: &Session,
    finding: &Released<Finding>,
) -> Result<Response, FhirError> {
    session.does("read detection finding");
    let finding = finding.value();
    session.draft.fill(|event| {
        event.subject = finding.what.patient;
        event.listed = vec![format!("finding {}", finding.id)];
    });
    let resource = resource(of(portal)?, finding, portal.clock.now());
    Ok(answer::resource(StatusCode::OK, resource))
}

/// Takes a step of the review of a finding.
pub(crate) async fn review(
    portal: &Portal,
    session: &Session,
    finding: Released<Finding>,
    step: Step,
) -> Result<Response, FhirError> {
    session.does("review detection finding");
    let detection = of(portal)?;
    let reviewer = alerts::reviewer(portal, session)?;
    let mut finding = finding.into_value();
    // Who is masked may be the reviewer: the store knows.
    let kept = detection.findings.finding(finding.id).await.map_err(|e| FhirError::store(&e))?;
    let kept = kept.ok_or(FhirError::NotFound)?;
    if kept.what.actor.id == reviewer.user_id {
        return Err(alerts::OWN);
    }
    let now = portal.clock.now();
    let note = Note { by: reviewer.name.clone(), at: now, state: step.state, words: step.words };
    session.draft.fill(|event| {
        event.subject = kept.what.patient;
        event.listed = vec![format!("finding {} {}", kept.id, note.state.code())];
    });
    let audit = session.draft.to_commit(carerecord_audit::AuditOutcome::Success);
    let done = detection.findings.review(&kept, note.clone(), audit).await;
    if !done.map_err(|e| FhirError::store(&e))? {
        return Err(FhirError::Conflict);
    }
    session.draft.committed();
    finding.state = note.state;
    finding.notes.push(note);
    Ok(answer::resource(StatusCode::OK, resource(detection, &finding, now)))
}

/// Goes through the logs now: `POST AuditEvent/$detect`.
pub(crate) async fn detect(
    State(portal): State<Portal>,
    session: Session,
    Sent(sent): Sent,
) -> Result<Response, FhirError> {
    session.does("audit detection");
    let reach = reach(&portal, &session)?;
    let detection = of(&portal)?;
    let parameters = Parameters::of(&sent)?;
    parameters.only(&["since", "until"])?;
    let now = portal.clock.now();
    // What was recorded in this moment is meant, too.
    let soon = now.checked_add(SignedDuration::from_secs(1)).unwrap_or(now);
    let until = parameters.time("until")?.map_or(soon, |until| until.min(soon));
    let usual = until.checked_sub(SignedDuration::from_hours(24)).unwrap_or(until);
    let since = parameters.time("since")?.unwrap_or(usual);
    let most = SignedDuration::from_hours(24 * MOST_DAYS);
    if since >= until || until.duration_since(since) > most {
        return Err(wrong("since is before until, by 31 days at most"));
    }
    session.draft.fill(|event| event.purpose = Some(reach.purpose().code().to_owned()));
    session.draft.decision(&reach.decision());
    let organisation = reach.only_organisation().map(OrganisationCode::as_str);
    let run = portal.detect(detection, (since, until), organisation, &session.draft).await?;
    Ok(answer::resource(StatusCode::OK, told(&run, organisation)))
}

/// What a run did, for users of the reader's organisation or of all: numbers, and no finding.
fn told(run: &Run, organisation: Option<&str>) -> Value {
    let number = |name: &str, n: u64| json!({"name": name, "valueUnsignedInt": n});
    let mut parameter = vec![
        json!({"name": "since", "valueInstant": run.since.to_string()}),
        json!({"name": "until", "valueInstant": run.until.to_string()}),
        number("records", run.records),
        number("found", run.found),
        number("new", run.new),
    ];
    let mut issues: Vec<Issue> = run.logs.iter().flat_map(audit_event::log_issues).collect();
    if let Some(organisation) = organisation {
        let words = format!("The numbers are those of users of {organisation}.");
        issues.push(Issue::information(&words));
    }
    if run.too_many {
        issues.push(Issue::warning(
            "incomplete",
            "There were more records than one run goes through: choose a shorter time.",
        ));
    }
    if let Some(outcome) = outcome_entry(issues) {
        parameter.push(json!({"name": "outcome", "resource": outcome}));
    }
    json!({"resourceType": "Parameters", "parameter": parameter})
}

/// The counts of findings that a reader may see, as parts of the statistics; none without rules, or
/// for who may not read the record of accesses.
pub(crate) async fn statistics(
    portal: &Portal,
    session: &Session,
) -> Result<Vec<Value>, FhirError> {
    let Some(detection) = &portal.detection else { return Ok(Vec::new()) };
    let reach = reach(portal, session)?;
    let organisation = reach.only_organisation().map(ToString::to_string);
    let counts = detection.findings.counts(organisation.as_deref(), portal.clock.now()).await;
    let counts = counts.map_err(|e| FhirError::store(&e))?;
    let sum = |is: &dyn Fn(&FindingCount) -> bool| -> i64 {
        counts.iter().filter(|c| is(c)).map(|c| c.count).sum()
    };
    let states = ReviewState::ALL.iter();
    let states = states.map(|s| alerts::counted("finding", s.code(), sum(&|c| c.state == *s)));
    let open = |c: &FindingCount, id: &str| c.rule == id && !c.state.is_closed();
    let rules = detection.rules().map(|(id, name)| {
        let mut part = alerts::counted("finding-rule", id, sum(&|c| open(c, id)));
        if let Some(parts) = part["part"].as_array_mut() {
            parts.push(json!({"name": "name", "valueString": name}));
        }
        part
    });
    let overdue = counts.iter().map(|c| c.overdue).sum();
    let overdue = alerts::counted("finding", "overdue", overdue);
    Ok(states.chain(rules).chain([overdue]).collect())
}

fn of(portal: &Portal) -> Result<&Detection, FhirError> {
    portal.detection.as_ref().ok_or(NO_RULES)
}

/// Whoever reads findings looks after the record of accesses, and reviews.
fn reach(portal: &Portal, session: &Session) -> Result<AuditReach, FhirError> {
    alerts::reviewer(portal, session)?;
    let reach =
        session.note(portal.access.may_search_audit(&session.caller).map_err(Into::into))?;
    session.draft.decision(&reach.decision());
    Ok(reach)
}

/// What of findings the reader may see.
async fn released(
    portal: &Portal,
    reach: &AuditReach,
    found: Vec<Finding>,
) -> Result<Vec<Released<Finding>>, FhirError> {
    let numbers = found.iter().filter_map(|finding| finding.what.patient);
    let restricted = portal.restricted(numbers).await?;
    let nothing = HashSet::new();
    let release = |finding: Finding| {
        let patient = finding.what.patient;
        let restricted = patient.is_some_and(|n| restricted.get(&n).copied() != Some(false));
        reach.release(finding, AccessFacts { kept: &nothing, restricted })
    };
    Ok(found.into_iter().filter_map(release).collect())
}

fn resource(detection: &Detection, finding: &Finding, now: Timestamp) -> Value {
    let what = &finding.what;
    let name = detection.rule_name(&what.rule);
    let mut found = vec![
        json!({"url": "day", "valueDate": what.day.to_string()}),
        json!({"url": "first", "valueInstant": what.first_at.to_string()}),
        json!({"url": "last", "valueInstant": what.last_at.to_string()}),
        json!({"url": "count", "valueUnsignedInt": what.count}),
    ];
    let evidence = what.evidence.iter();
    found.extend(evidence.map(|id| json!({"url": "record", "valueId": id.to_string()})));
    let mut review = vec![
        json!({"url": "state", "valueCode": finding.state.code()}),
        json!({"url": "due", "valueInstant": finding.due_at.to_string()}),
        json!({"url": "overdue", "valueBoolean": finding.is_overdue(now)}),
    ];
    review.extend(finding.notes.iter().map(alerts::note));
    let actor = &what.actor;
    let mut resource = json!({
        "resourceType": "AuditEvent",
        "id": finding.id.to_string(),
        "extension": [
            {"url": alerts::REVIEW, "extension": review},
            {"url": FINDING, "extension": found},
        ],
        "type": {"system": TYPE, "code": what.rule, "display": name},
        "action": "R",
        "recorded": finding.raised_at.to_string(),
        "outcome": "0",
        "agent": alerts::agents_of(&actor.id, &actor.name, &actor.role, &actor.organisation),
        "source": {"observer": {"display": "Care Record"}},
    });
    if let Some(patient) = what.patient {
        let identifier = json!({"system": NHS_NUMBER_SYSTEM, "value": patient.digits()});
        resource["entity"] = json!([{"what": {"identifier": identifier}}]);
    }
    resource
}

const NO_RULES: FhirError = FhirError::Operation(
    StatusCode::NOT_FOUND,
    "not-supported",
    "There are no detection rules: the policy folder has no detection.toml.",
);
const TYPE: &str = "urn:carerecord:detection";
const FINDING: &str = "urn:carerecord:finding";
const LONGEST_RULE: usize = 64;
/// What one run goes through at most.
const MOST_DAYS: i64 = 31;
