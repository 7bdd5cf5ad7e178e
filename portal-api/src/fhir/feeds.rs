//! `GET $feeds`: how feeds and nodes do, for who runs the programme, and `POST $try-again` for what was
//! refused. Nothing in the answers is about a patient.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carerecord_audit::{FeedDay, FeedRefusal};
use carerecord_fhir::{SearchError, only_known, pairs};
use carerecord_model::TriedAgain;
use jiff::civil::date;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use serde_json::{Value, json};

use super::input::{Asked, Sent};
use super::parameters::{Parameters, wrong};
use super::{Session, answer, audit_event, outcome_entry};
use crate::Portal;
use crate::error::FhirError;
use crate::federation::NodeState;
use crate::feeds::{Again, Feed, Overview, Refusals};

/// Answers with all of it, counted over so many `days`.
pub(crate) async fn feeds(
    State(portal): State<Portal>,
    session: Session,
    Asked(parameters): Asked,
) -> Result<Response, FhirError> {
    session.does("feeds");
    let may = portal.access.may_see_feeds(&session.caller).map_err(FhirError::from);
    session.draft.decision(&session.note(may)?);
    let parameters = pairs(&parameters);
    only_known(&parameters, &["days"])?;
    let days = parameters.iter().find(|(name, _)| name == "days").map(|(_, days)| days.as_str());
    let days: Option<i64> = days.map_or(Some(USUAL_DAYS), |days| days.parse().ok());
    let days = days.filter(|days| (1..=MOST_DAYS).contains(days));
    let days = days.ok_or_else(|| SearchError::Malformed("days".to_owned()))?;
    // What was recorded in this moment is meant, too.
    let now = portal.clock.now();
    let soon = now.checked_add(SignedDuration::from_secs(1)).unwrap_or(now);
    let since = now.checked_sub(SignedDuration::from_hours(24 * days)).unwrap_or(now);
    let overview = portal.feeds(since, soon).await;
    Ok(answer::resource(StatusCode::OK, told(&portal, &overview, (since, now))))
}

fn told(portal: &Portal, overview: &Overview, (since, now): (Timestamp, Timestamp)) -> Value {
    let mut parameter = vec![
        json!({"name": "since", "valueInstant": since.to_string()}),
        json!({"name": "until", "valueInstant": now.to_string()}),
    ];
    parameter.extend(overview.feeds.iter().map(|feed| self::feed(portal, feed)));
    parameter.extend(overview.refusals.iter().map(refusals));
    parameter.extend(overview.nodes.iter().map(node));
    parameter.extend(overview.unmapped.iter().map(|code| {
        json!({"name": "unmapped", "part": [
            text("source", &code.source_id),
            text("attribute", &code.attribute),
            text("code", &code.code),
            text("scheme", &code.scheme),
            number("uses", code.uses),
            instant("last", code.last_used),
        ]})
    }));
    parameter.extend(overview.missing.iter().map(|missing| {
        json!({"name": "missing", "part": [
            text("repository", &missing.repository),
            text("attribute", &missing.attribute),
            number("missing", missing.missing),
            number("of", missing.of),
        ]})
    }));
    let issues = overview.logs.iter().flat_map(audit_event::log_issues).collect();
    if let Some(outcome) = outcome_entry(issues) {
        parameter.push(json!({"name": "outcome", "resource": outcome}));
    }
    json!({"resourceType": "Parameters", "parameter": parameter})
}

fn feed(portal: &Portal, feed: &Feed) -> Value {
    let mut part = vec![
        text("system", &feed.system),
        text("transaction", &feed.transaction),
        text("to", &feed.to),
        json!({"name": "late", "valueBoolean": feed.late}),
    ];
    part.extend(feed.name.as_ref().map(|name| text("name", name)));
    if let Ok(code) = feed.organisation.parse() {
        part.push(text("organisation", portal.access.policy().organisation_name(&code)));
    }
    part.extend(feed.every_hours.map(|hours| number("every-hours", u64::from(hours))));
    part.extend(feed.last.map(|at| instant("last", at)));
    part.extend(feed.last_taken.map(|at| instant("last-taken", at)));
    part.extend(feed.days.iter().map(day));
    json!({"name": "feed", "part": part})
}

fn day(day: &FeedDay) -> Value {
    let on = date(1970, 1, 1).checked_add(day.day.days()).unwrap_or(date(1970, 1, 1));
    json!({"name": "day", "part": [
        {"name": "date", "valueDate": on.to_string()},
        number("taken", day.taken),
        number("refused", day.refused),
        number("failed", day.failed),
    ]})
}

fn refusals(refusals: &Refusals) -> Value {
    let example = |refusal: &FeedRefusal| {
        let mut part = vec![instant("at", refusal.at)];
        part.extend(refusal.request.as_ref().map(|id| text("request", id)));
        json!({"name": "example", "part": part})
    };
    let mut part = vec![
        text("system", &refusals.system),
        text("transaction", &refusals.transaction),
        text("to", &refusals.to),
        text("reason", &refusals.reason),
        number("count", refusals.examples.len() as u64),
    ];
    part.extend(refusals.examples.iter().take(EXAMPLES).map(example));
    part.extend(refusals.again.iter().take(MOST_AGAIN).map(|request| text("again", request)));
    part.extend(refusals.until.map(|until| instant("again-until", until)));
    json!({"name": "refusal", "part": part})
}

/// Tries submissions again that were refused: `POST $try-again`.
pub(crate) async fn try_again(
    State(portal): State<Portal>,
    session: Session,
    Sent(sent): Sent,
) -> Result<Response, FhirError> {
    session.does("try refused submissions again");
    let may = portal.access.may_see_feeds(&session.caller).map_err(FhirError::from);
    session.draft.decision(&session.note(may)?);
    let parameters = Parameters::of(&sent)?;
    parameters.only(&["request"])?;
    let requests: Vec<String> = parameters.all_words("request").map(str::to_owned).collect();
    if requests.is_empty() || requests.len() > MOST_AGAIN {
        return Err(wrong("request: 1 to 50 ids of requests, each a valueString"));
    }
    let tried = portal.try_again(requests).await;
    let parameter: Vec<Value> = tried.iter().map(self::tried).collect();
    let told = json!({"resourceType": "Parameters", "parameter": parameter});
    Ok(answer::resource(StatusCode::OK, told))
}

fn tried(again: &Again) -> Value {
    let (outcome, reason) = match &again.done {
        Ok(TriedAgain::Registered) => ("registered", None),
        Ok(TriedAgain::Refused { reason }) => ("refused", Some(reason.as_str())),
        Ok(TriedAgain::Gone) => ("gone", None),
        Err(error) => {
            tracing::warn!(%error, "a refused submission could not be tried again");
            ("not-asked", None)
        }
    };
    let mut part =
        vec![text("request", &again.request), json!({"name": "outcome", "valueCode": outcome})];
    part.extend(reason.map(|reason| text("reason", reason)));
    json!({"name": "tried", "part": part})
}

fn node(node: &NodeState) -> Value {
    let mut part = vec![
        text("id", node.id.as_str()),
        text("name", &node.name),
        json!({"name": "state", "valueCode": node.state.code()}),
        number("latency-ms", node.latency_ms),
    ];
    part.extend(node.last_good.map(|at| instant("last-good", at)));
    json!({"name": "node", "part": part})
}

/// FHIR knows no empty text.
fn text(name: &str, value: &str) -> Value {
    let value = if value.trim().is_empty() { "(none)" } else { value };
    json!({"name": name, "valueString": value})
}

fn number(name: &str, value: u64) -> Value {
    json!({"name": name, "valueUnsignedInt": value})
}

fn instant(name: &str, at: Timestamp) -> Value {
    json!({"name": name, "valueInstant": at.to_string()})
}

const USUAL_DAYS: i64 = 31;
const MOST_DAYS: i64 = 92;
/// Messages that are named for each reason.
const EXAMPLES: usize = 3;
/// Submissions of one reason, and of one request, that are tried again.
const MOST_AGAIN: usize = 50;
