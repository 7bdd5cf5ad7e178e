//! `GET $usage`: how the portal is used, for who runs the programme. Nothing in it is about a patient,
//! and what so few have done that they could be told is not counted exactly. REQ-050.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carerecord_audit::{UsageError, UsedBy, Uses};
use carerecord_fhir::{Issue, SearchError, only_known, pairs};
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan as _};
use serde_json::{Value, json};

use super::input::Asked;
use super::{Session, answer, outcome_entry};
use crate::Portal;
use crate::error::FhirError;

/// Answers with the uses of each day from `from` to `to`.
pub(crate) async fn usage(
    State(portal): State<Portal>,
    session: Session,
    Asked(parameters): Asked,
) -> Result<Response, FhirError> {
    session.does("usage");
    let may = portal.access.may_see_usage(&session.caller).map_err(FhirError::from);
    session.draft.decision(&session.note(may)?);
    let (from, to) = days(&pairs(&parameters), today(&portal))?;
    let until = to.checked_add(1.day()).map_err(|_| malformed("to"))?;
    let within = (start(from, "from")?, start(until, "to")?);
    let report = portal.log.usage(within).await.map_err(|error| match error {
        UsageError::TooMuch => TOO_MUCH,
        UsageError::Store(error) => FhirError::store(&error),
    })?;
    let mut parameter = vec![
        json!({"name": "from", "valueDate": from.to_string()}),
        json!({"name": "to", "valueDate": to.to_string()}),
    ];
    parameter.extend(report.uses.iter().map(|(by, uses)| used(&portal, by, uses)));
    if report.behind > 0 {
        let words = format!("{} records are not counted yet.", report.behind);
        let outcome = outcome_entry(vec![Issue::information(&words)]);
        parameter.extend(outcome.map(|all| json!({"name": "outcome", "resource": all})));
    }
    let told = json!({"resourceType": "Parameters", "parameter": parameter});
    Ok(answer::resource(StatusCode::OK, told))
}

/// The first and the last day that are meant: today and 30 days before unless given.
fn days(parameters: &[(String, String)], today: Date) -> Result<(Date, Date), FhirError> {
    only_known(parameters, &["from", "to"])?;
    let day = |name: &str| -> Result<Option<Date>, FhirError> {
        let given = parameters.iter().find(|(known, _)| known == name).map(|(_, day)| day);
        given.map(|day| day.parse().map_err(|_| malformed(name))).transpose()
    };
    let to = day("to")?.unwrap_or(today);
    let usual = to.checked_sub(Span::new().days(USUAL_DAYS - 1)).unwrap_or(to);
    let from = day("from")?.unwrap_or(usual);
    let more = to.since(from).map_err(|_| malformed("from"))?.get_days();
    if !(0..MOST_DAYS).contains(&more) {
        return Err(malformed("from"));
    }
    Ok((from, to))
}

fn today(portal: &Portal) -> Date {
    portal.clock.now().to_zoned(TimeZone::UTC).date()
}

fn start(day: Date, name: &str) -> Result<Timestamp, FhirError> {
    let start = day.to_zoned(TimeZone::UTC).map_err(|_| malformed(name))?;
    Ok(start.timestamp())
}

fn malformed(name: &str) -> FhirError {
    SearchError::Malformed(name.to_owned()).into()
}

/// What was done on a day in a role at an organisation; what was not done is left out.
fn used(portal: &Portal, by: &UsedBy, uses: &Uses) -> Value {
    let on = date(1970, 1, 1).checked_add(by.day.days()).unwrap_or(date(1970, 1, 1));
    let policy = portal.access.policy();
    let mut part = vec![
        json!({"name": "date", "valueDate": on.to_string()}),
        json!({"name": "role", "valueCode": by.role}),
    ];
    if let Some(role) = policy.role(&by.role) {
        part.push(json!({"name": "role-name", "valueString": role.name}));
    }
    if let Ok(code) = by.organisation.parse() {
        let name = policy.organisation_name(&code);
        part.push(json!({"name": "organisation", "valueCode": by.organisation}));
        part.push(json!({"name": "organisation-name", "valueString": name}));
    }
    let counts = [
        ("records-opened", uses.records_opened),
        ("documents-opened", uses.documents_opened),
        ("launches", uses.launches),
        ("break-glass", uses.overrides),
        ("refusals", uses.refusals),
    ];
    part.extend(counts.into_iter().filter_map(|(name, count)| counted(name, count)));
    json!({"name": "used", "part": part})
}

/// A count that singles nobody out.
fn counted(name: &str, count: u64) -> Option<Value> {
    match count {
        0 => None,
        1..FEWEST => Some(json!({"name": name, "valueString": format!("fewer than {FEWEST}")})),
        _ => Some(json!({"name": name, "valueUnsignedInt": count})),
    }
}

pub(crate) const TOO_MUCH: FhirError = FhirError::Operation(
    StatusCode::UNPROCESSABLE_ENTITY,
    "too-costly",
    "More was recorded in this time than is counted at once. Ask for fewer days.",
);
const FEWEST: u64 = 5;
const USUAL_DAYS: i64 = 31;
const MOST_DAYS: i32 = 92;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_bounded_and_in_order() {
        let today = date(2026, 11, 28);
        let ask = |from: &str, to: &str| {
            let given = [("from", from), ("to", to)].into_iter().filter(|(_, day)| !day.is_empty());
            let given: Vec<_> = given.map(|(n, d)| (n.to_owned(), d.to_owned())).collect();
            days(&given, today).ok()
        };

        assert_eq!(ask("", ""), Some((date(2026, 10, 29), today)));
        assert_eq!(ask("2026-08-29", ""), Some((date(2026, 8, 29), today)));
        assert_eq!(ask("", "2026-03-31"), Some((date(2026, 3, 1), date(2026, 3, 31))));
        assert_eq!(ask("2026-11-28", "2026-11-28"), Some((today, today)));
        for (from, to) in [
            ("2026-08-28", ""),
            ("2026-11-29", ""),
            ("2026-11-02", "2026-11-01"),
            ("1", ""),
            ("", "x"),
            ("-009999-01-01", "9999-12-31"),
        ] {
            assert_eq!(ask(from, to), None, "{from} {to}");
        }
        assert!(days(&[("colour".to_owned(), "red".to_owned())], today).is_err());
    }

    #[test]
    fn a_few_are_not_told_apart() {
        assert_eq!(counted("n", 0), None);
        for few in 1..5 {
            let told = counted("n", few).unwrap();
            assert_eq!(told, json!({"name": "n", "valueString": "fewer than 5"}));
        }
        assert_eq!(counted("n", 5).unwrap()["valueUnsignedInt"], 5);
    }
}
