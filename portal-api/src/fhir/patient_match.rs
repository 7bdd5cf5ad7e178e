//! `Patient/$match`: who may be the person that is told of. PDQm ITI-119.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carerecord_fhir::{
    Entry, Issue, MatchGrade, MatchRequest, found_patient_resource, graded, searchset,
};

use super::input::Sent;
use super::patient::INCOMPLETE;
use super::{Session, answer, outcome_entry};
use crate::Portal;
use crate::error::FhirError;
use crate::people::Matched;

/// Answers with people, best first, with score and grade.
pub(crate) async fn run(
    State(portal): State<Portal>,
    session: Session,
    Sent(sent): Sent,
) -> Result<Response, FhirError> {
    session.does("ITI-119");
    let told = MatchRequest::read(&sent)?;
    if let [id] = told.identifiers.as_slice() {
        session.draft.fill(|event| event.subject = id.nhs_number());
    }
    let matched = portal.match_patients(&session.caller, session.purpose, &told).await;
    let matched = session.kept(session.note(matched)?);
    let mut issues = issues(&matched);
    let mut people = matched.people;
    if told.only_certain {
        let before = people.len();
        people.retain(|(_, fit)| fit.grade == MatchGrade::Certain);
        if people.is_empty() && before > 0 {
            issues.push(Issue::information(NONE_CERTAIN));
        }
    }
    let total = people.len();
    if let Some(count) = told.count.filter(|count| *count < total) {
        people.truncate(count);
        issues.push(Issue::warning("incomplete", "More people fit than were asked for."));
    }
    session.draft.subjects(people.iter().map(|(person, _)| person.patient.nhs_number));
    let base = &portal.config.base_url;
    let entry = |(person, fit): &(_, crate::matching::Fit)| {
        let person: &carerecord_model::FoundPatient = person;
        let number = person.patient.nhs_number;
        let id = portal.patient_ids.seal(number, &session.caller, portal.ids.as_ref());
        let resource = found_patient_resource(person, &id, &[]).into();
        Entry::Ranked(format!("{base}/Patient/{id}"), resource, fit.score)
    };
    let mut entries: Vec<Entry<'_>> = people.iter().map(entry).collect();
    let grades: Vec<MatchGrade> = people.iter().map(|(_, fit)| fit.grade).collect();
    entries.extend(outcome_entry(issues).map(Entry::Outcome));
    let bundle = searchset(&format!("{base}/Patient/$match"), total, entries);
    Ok(answer::resource(StatusCode::OK, graded(bundle.into(), &grades)))
}

fn issues(matched: &Matched) -> Vec<Issue> {
    let mut issues = Vec::new();
    issues.extend(matched.incomplete.then(|| Issue::warning("incomplete", INCOMPLETE)));
    issues.extend(matched.too_many.then(|| Issue::warning("too-costly", TOO_MANY_ALIKE)));
    issues
}

const NONE_CERTAIN: &str = "People fit, but none of them for certain: certain is who has the \
    identifier, the family name and the whole date of birth that are told, and nobody else does.";
const TOO_MANY_ALIKE: &str = "More than 50 people are alike in some of what is told, and were not \
    compared: an identifier, the whole date of birth or a postcode tells them apart.";
