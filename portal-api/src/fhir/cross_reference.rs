//! `Patient/$ihe-pix`: the other identifiers of a person. PIXm ITI-83.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use carerecord_fhir::{
    NHS_NUMBER_SYSTEM, SearchError, authority_of_system, identifier_number, only_known, pairs,
    patient_identifier,
};
use carerecord_model::{CrossReferenced, NHS_NUMBER_OID, NhsNumber, PatientId};
use serde_json::{Value, json};

use super::input::{Sent, is_strict};
use super::{Session, answer};
use crate::Portal;
use crate::error::FhirError;

/// Answers with identifiers and the reference of the person who has `sourceIdentifier`.
pub(crate) async fn run(
    State(portal): State<Portal>,
    session: Session,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, FhirError> {
    session.does("ITI-83");
    let parameters = pairs(&query.unwrap_or_default());
    answered(&portal, &session, &headers, &parameters).await
}

/// The same, asked by Parameters: the identifier stays out of the URL.
pub(crate) async fn run_sent(
    State(portal): State<Portal>,
    session: Session,
    headers: HeaderMap,
    Sent(sent): Sent,
) -> Result<Response, FhirError> {
    session.does("ITI-83");
    answered(&portal, &session, &headers, &sent_parameters(&sent)?).await
}

async fn answered(
    portal: &Portal,
    session: &Session,
    headers: &HeaderMap,
    parameters: &[(String, String)],
) -> Result<Response, FhirError> {
    if is_strict(headers) {
        only_known(parameters, &["sourceIdentifier", "targetSystem"])?;
    }
    let base = portal.config.base_url.trim_end_matches('/');
    let mut sources = parameters.iter().filter(|(name, _)| name == "sourceIdentifier");
    let (_, token) = sources.next().ok_or(SearchError::Missing("sourceIdentifier"))?;
    if sources.next().is_some() {
        return Err(SearchError::Malformed("sourceIdentifier".into()).into());
    }
    let source = source(portal, session, token)?;
    session.draft.fill(|event| event.subject = source.nhs_number());
    let found = portal.cross_reference(&session.caller, session.purpose, &source).await;
    let found = session.kept(session.note(found)?);
    let known = |oid: &str| oid == NHS_NUMBER_OID || found.authorities.iter().any(|a| a == oid);
    if !known(source.authority().as_str()) {
        return Err(SOURCE_DOMAIN);
    }
    let mut targets = Vec::new();
    for (_, system) in parameters.iter().filter(|(name, _)| name == "targetSystem") {
        let target = target(system, base).ok_or(TARGET_DOMAIN)?;
        if matches!(target, Target::Authority(oid) if !known(oid)) {
            return Err(TARGET_DOMAIN);
        }
        targets.push(target);
    }
    let person = found.person.ok_or(NOBODY)?;
    let number = person.own.nhs_number();
    session.draft.fill(|event| event.subject = number.or(event.subject));
    let is_wanted = |target: &Target<'_>| targets.is_empty() || targets.contains(target);
    let mut parameter: Vec<Value> = others(&person, &source)
        .filter(|id| is_wanted(&Target::Authority(id.authority().as_str())))
        .map(|id| json!({"name": "targetIdentifier", "valueIdentifier": patient_identifier(id)}))
        .collect();
    let from_here = token.strip_prefix(base).is_some_and(|rest| rest.starts_with('|'));
    if let Some(number) = number.filter(|_| is_wanted(&Target::Here) && !from_here) {
        parameter.push(reference(portal, session, base, number));
    }
    let mut answer = json!({"resourceType": "Parameters"});
    if !parameter.is_empty() {
        answer["parameter"] = parameter.into();
    }
    Ok(answer::resource(StatusCode::OK, answer))
}

/// A domain of identifiers.
#[derive(PartialEq)]
enum Target<'a> {
    /// By the OID of its authority.
    Authority(&'a str),
    /// The logical ids of this server.
    Here,
}

fn target<'a>(system: &'a str, base: &str) -> Option<Target<'a>> {
    if system.trim_end_matches('/') == base {
        return Some(Target::Here);
    }
    authority_of_system(system).map(Target::Authority)
}

/// Names and values as in a query. The identifier may be an Identifier, or a text as there.
fn sent_parameters(sent: &Value) -> Result<Vec<(String, String)>, FhirError> {
    if sent["resourceType"] != "Parameters" {
        return Err(FhirError::Body("Parameters are expected".into()));
    }
    let all = sent["parameter"].as_array().map(Vec::as_slice).unwrap_or_default();
    let read = |parameter: &Value| {
        let name = parameter["name"].as_str()?;
        let identifier = &parameter["valueIdentifier"];
        let token = identifier["system"].as_str().zip(identifier["value"].as_str());
        let texts = ["valueString", "valueUri", "valueUrl", "valueCanonical"];
        let text = texts.iter().find_map(|kind| parameter[kind].as_str());
        let token = token.map(|(system, value)| format!("{system}|{value}"));
        Some((name.to_owned(), token.or(text.map(str::to_owned)).unwrap_or_default()))
    };
    let no_name = || FhirError::Body("a parameter has no name".into());
    all.iter().map(|parameter| read(parameter).ok_or_else(no_name)).collect()
}

fn source(portal: &Portal, session: &Session, token: &str) -> Result<PatientId, FhirError> {
    let malformed = || FhirError::from(SearchError::Malformed("sourceIdentifier".into()));
    let parts = token.split_once('|').filter(|(s, v)| !s.is_empty() && !v.is_empty());
    let (system, value) = parts.ok_or_else(malformed)?;
    if system.trim_end_matches('/') == portal.config.base_url.trim_end_matches('/') {
        let id = value.strip_prefix("Patient/").ok_or_else(malformed)?;
        let number = portal.patient_ids.open(id, &session.caller).ok_or(NOBODY)?;
        return Ok(PatientId::from_nhs_number(number));
    }
    let oid = authority_of_system(system).ok_or(SOURCE_DOMAIN)?;
    if oid == NHS_NUMBER_OID {
        // A number that cannot be is nobody's.
        let number = identifier_number(&format!("{NHS_NUMBER_SYSTEM}|{value}"));
        return number.map(PatientId::from_nhs_number).map_err(|_| NOBODY);
    }
    if value.contains(['^', '&', '~', '|', '\\']) {
        return Err(malformed());
    }
    format!("{value}^^^&{oid}&ISO").parse().map_err(|_| SOURCE_DOMAIN)
}

/// What else the person goes by. Of several NHS Numbers only the one in force; of who is restricted
/// nothing that an organisation has assigned.
fn others<'a>(
    person: &'a CrossReferenced,
    source: &'a PatientId,
) -> impl Iterator<Item = &'a PatientId> {
    let is_nhs = |id: &PatientId| id.authority().as_str() == NHS_NUMBER_OID;
    let identifiers = person.identifiers.iter().filter(move |id| *id != source);
    identifiers.filter(move |id| if is_nhs(id) { **id == person.own } else { !person.restricted })
}

fn reference(portal: &Portal, session: &Session, base: &str, number: NhsNumber) -> Value {
    let id = portal.patient_ids.seal(number, &session.caller, portal.ids.as_ref());
    json!({"name": "targetId", "valueReference": {"reference": format!("{base}/Patient/{id}")}})
}

const NOBODY: FhirError = FhirError::Operation(
    StatusCode::NOT_FOUND,
    "not-found",
    "sourceIdentifier Patient Identifier not found",
);
const SOURCE_DOMAIN: FhirError = FhirError::Operation(
    StatusCode::BAD_REQUEST,
    "code-invalid",
    "sourceIdentifier Assigning Authority not found",
);
const TARGET_DOMAIN: FhirError =
    FhirError::Operation(StatusCode::FORBIDDEN, "code-invalid", "targetSystem not found");
