//! `Patient/$mine`: whose records a citizen may see: their own, and those of people in their care. Of
//! people whom they may not act for (any more) nothing is told. NHS: 5.6.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use carerecord_access::{Caller, Decision, Refused, Released, Right};
use carerecord_fhir::{NHS_NUMBER_SYSTEM, gender_code};
use carerecord_model::{NhsNumber, Patient};
use serde_json::{Value, json};

use super::{Session, answer};
use crate::Portal;
use crate::error::FhirError;
use crate::opened::Opened;

/// Somebody whose record a citizen may see.
struct Mine {
    number: NhsNumber,
    own: bool,
    person: Released<Option<Patient>>,
}

/// Answers with the people, the citizen first; or with why they do not see their own record.
pub(crate) async fn run(
    State(portal): State<Portal>,
    session: Session,
) -> Result<Response, FhirError> {
    session.does("whose records a citizen may see");
    let Caller::Citizen(citizen) = &session.caller else {
        return Err(FhirError::Scope("Citizens ask this, about themselves."));
    };
    session.draft.fill(|event| event.subject = citizen.number);
    let admitted = portal.access.admit(&session.caller, session.purpose, Right::Query);
    session.note(admitted.map_err(FhirError::from))?;
    // Whoever is admitted has shown a number.
    let number = citizen.number.ok_or(FhirError::NotFound)?;
    let own = portal.surviving(number).await?;
    session.draft.fill(|event| event.subject = Some(own));
    let (mut found, mut refused) = (Vec::new(), None);
    for number in candidates(&portal, own).await? {
        match open(&portal, &session, number, own).await? {
            Ok(mine) => found.push(mine),
            Err(no) if number == own => refused = Some(no),
            // A grant that does not hold now.
            Err(_) => {}
        }
    }
    match (found.iter().find(|mine| mine.own), &refused) {
        (Some(mine), _) => session.draft.decision(mine.person.decision()),
        (None, Some(refused)) => session.draft.decision(&refused.decision),
        (None, None) => {}
    }
    session.draft.subjects(found.iter().map(|mine| mine.number));
    let people = refused.iter().map(|refused| closed(&refused.decision));
    let people: Vec<Value> = people.chain(found.iter().map(shown)).collect();
    let answer = json!({"resourceType": "Parameters", "parameter": people});
    Ok(answer::resource(StatusCode::OK, answer))
}

/// The citizen, and everybody for whom a grant names them.
async fn candidates(portal: &Portal, own: NhsNumber) -> Result<Vec<NhsNumber>, FhirError> {
    let mut numbers = vec![own];
    for grant in portal.citizen_grants.citizen_grants_to(own).await? {
        let number = portal.surviving(grant.patient).await?;
        if !numbers.contains(&number) {
            numbers.push(number);
        }
        if numbers.len() == MOST {
            break;
        }
    }
    Ok(numbers)
}

async fn open(
    portal: &Portal,
    session: &Session,
    number: NhsNumber,
    own: NhsNumber,
) -> Result<Result<Mine, Refused>, FhirError> {
    let opened = portal.open(&session.caller, session.purpose, number).await?;
    let Opened { view, number, person } = opened;
    let released = view.release_subject(person);
    Ok(released.map(|person| Mine { number, own: number == own, person }))
}

fn shown(mine: &Mine) -> Value {
    let mut part = vec![
        json!({"name": "own", "valueBoolean": mine.own}),
        json!({"name": "patient", "valueIdentifier": {
            "system": NHS_NUMBER_SYSTEM, "value": mine.number.digits(),
        }}),
    ];
    if let Some(person) = mine.person.value() {
        let mut name = json!({"given": person.given_names});
        if let Some(family) = &person.family_name {
            name["family"] = json!(family);
        }
        part.push(json!({"name": "name", "valueHumanName": name}));
        let gender = gender_code(person.gender);
        part.push(json!({"name": "gender", "valueCode": gender}));
        let born = person.birth_date.map(|born| born.to_string());
        part.extend(born.map(|born| json!({"name": "birth-date", "valueDate": born})));
    }
    part.extend(decided(mine.person.decision()));
    json!({"name": "person", "part": part})
}

/// The citizen, whose own record is not shown to them.
fn closed(decision: &Decision) -> Value {
    let mut part = vec![json!({"name": "own", "valueBoolean": true})];
    part.extend(decided(decision));
    json!({"name": "person", "part": part})
}

fn decided(decision: &Decision) -> [Value; 3] {
    let outcome = if decision.is_permit() { "permit" } else { "deny" };
    [
        json!({"name": "decision", "valueCode": outcome}),
        json!({"name": "rule", "valueCode": decision.rule.id()}),
        json!({"name": "words", "valueString": decision.rule.explanation()}),
    ]
}

/// People of one citizen.
const MOST: usize = 50;
