//! The agreements on sharing, as FHIR Contracts, and what flows under them: for who runs the programme
//! and for privacy officers. Nothing of it is about a patient. nhs.md 6.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use carerecord_access::{AgreementStatus, Flow, Party, Policy, Purpose, Sharing, SharingAgreement};
use carerecord_fhir::{
    CONTRACT_PARAMETERS, Entry, SearchError, check_search, count_only, only_known, pairs,
    searchset, values,
};
use carerecord_model::OrganisationCode;
use jiff::ToSpan as _;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::document_reference::left_out;
use super::input::{Asked, asks_for, is_strict};
use super::{Session, answer, outcome_entry};
use crate::Portal;
use crate::error::FhirError;

/// Answers with every agreement, in every version that there is.
pub(crate) async fn search(
    State(portal): State<Portal>,
    session: Session,
    headers: HeaderMap,
    Asked(parameters): Asked,
) -> Result<Response, FhirError> {
    session.does("search Contract");
    admit(&portal, &session)?;
    let parameters = pairs(&parameters);
    let ignored = check_search(&parameters, CONTRACT_PARAMETERS, &[], is_strict(&headers))?;
    let ids = values(&parameters, "_id")?;
    let (policy, today) = (portal.access.policy(), today(&portal));
    let url = format!("{}/Contract", portal.config.base_url);
    let agreements = policy.agreements().iter().filter(|a| asks_for(&ids, &id(a)));
    let mut entries: Vec<Entry> = agreements
        .map(|a| Entry::Match(format!("{url}/{}", id(a)), resource(policy, a, today).into()))
        .collect();
    let total = entries.len();
    if count_only(&parameters) {
        entries.clear();
    }
    entries.extend(outcome_entry(left_out(&ignored)).map(Entry::Outcome));
    Ok(answer::resource(StatusCode::OK, searchset(&url, total, entries)))
}

/// Answers a read of one version of an agreement.
pub(crate) async fn read(
    State(portal): State<Portal>,
    session: Session,
    Path(asked): Path<String>,
) -> Result<Response, FhirError> {
    session.does("read Contract");
    admit(&portal, &session)?;
    let policy = portal.access.policy();
    let agreement = policy.agreements().iter().find(|a| id(a) == asked);
    let agreement = agreement.ok_or(FhirError::NotFound)?;
    Ok(answer::resource(StatusCode::OK, resource(policy, agreement, today(&portal))))
}

/// Who shares with whom on a day, under what, and what of it will have stopped by another day: `date`,
/// `stops-before` and `purpose`.
pub(crate) async fn sharing(
    State(portal): State<Portal>,
    session: Session,
    Asked(parameters): Asked,
) -> Result<Response, FhirError> {
    session.does("sharing under agreements");
    admit(&portal, &session)?;
    let parameters = pairs(&parameters);
    only_known(&parameters, &["date", "stops-before", "purpose"])?;
    let one = |name: &str| parameters.iter().find(|(of, _)| of == name).map(|(_, v)| v.as_str());
    let day = |name: &'static str| -> Result<Option<Date>, SearchError> {
        let malformed = || SearchError::Malformed(name.to_owned());
        one(name).map(|text| text.parse().map_err(|_| malformed())).transpose()
    };
    let date = day("date")?.unwrap_or_else(|| today(&portal));
    // The end of the next month, unless asked otherwise.
    let month = || date.checked_add(2.months()).map_or(date, Date::first_of_month);
    let before = day("stops-before")?.unwrap_or_else(month);
    let purpose = one("purpose").unwrap_or(Purpose::DirectCare.code());
    let malformed = || SearchError::Malformed("purpose".to_owned());
    let purpose = Purpose::from_code(purpose).ok_or_else(malformed)?;
    let policy = portal.access.policy();
    let mut parameter = vec![
        json!({"name": "date", "valueDate": date.to_string()}),
        json!({"name": "stops-before", "valueDate": before.to_string()}),
        json!({"name": "purpose", "valueCode": purpose.code()}),
    ];
    let all = policy.sharing(date, purpose);
    parameter.extend(all.iter().map(|sharing| pair(policy, sharing, before)));
    let stops = policy.stops_before(date, before).into_iter();
    parameter.extend(stops.map(|agreement| {
        json!({"name": "stops", "part": [
            {"name": "agreement", "valueString": agreement.name()},
            {"name": "title", "valueString": title(agreement)},
            {"name": "ends", "valueDate": agreement.effective.to.to_string()},
        ]})
    }));
    let answer = json!({"resourceType": "Parameters", "parameter": parameter});
    Ok(answer::resource(StatusCode::OK, answer))
}

/// One direction between two organisations.
fn pair(policy: &Policy, sharing: &Sharing<'_>, before: Date) -> Value {
    let mut part = vec![
        json!({"name": "from", "valueReference": organisation(policy, sharing.from)}),
        json!({"name": "to", "valueReference": organisation(policy, sharing.to)}),
    ];
    part.extend(sharing.under.iter().map(|(agreement, clause)| {
        json!({"name": "under", "part": [
            {"name": "agreement", "valueString": agreement.name()},
            {"name": "clause", "valueUnsignedInt": clause},
            {"name": "ends", "valueDate": agreement.effective.to.to_string()},
        ]})
    }));
    let stops = !sharing.under.is_empty()
        && sharing.under.iter().all(|(agreement, _)| agreement.effective.to < before);
    part.push(json!({"name": "stops", "valueBoolean": stops}));
    json!({"name": "sharing", "part": part})
}

fn admit(portal: &Portal, session: &Session) -> Result<(), FhirError> {
    let may = portal.access.may_see_agreements(&session.caller).map_err(FhirError::from);
    session.draft.decision(&session.note(may)?);
    Ok(())
}

fn today(portal: &Portal) -> Date {
    SharingAgreement::day(portal.clock.now())
}

/// The logical id: a slash can be in none.
fn id(agreement: &SharingAgreement) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '.' };
    agreement.name().chars().map(safe).take(64).collect()
}

fn title(agreement: &SharingAgreement) -> &str {
    if agreement.title.is_empty() { &agreement.id } else { &agreement.title }
}

fn resource(policy: &Policy, agreement: &SharingAgreement, today: Date) -> Value {
    let (status, state) = status(agreement.status);
    let effective = &agreement.effective;
    let mut extension = vec![json!({"url": IN_FORCE, "valueBoolean": agreement.in_force(today)})];
    let review = effective.review_by.map(|day| day.to_string());
    extension.extend(review.map(|day| json!({"url": REVIEW_BY, "valueDate": day})));
    let warnings = agreement.warnings(today).into_iter();
    extension.extend(warnings.map(|words| json!({"url": WARNING, "valueString": words})));
    let parties = agreement.parties.iter();
    let authority: Vec<Value> = parties.map(|p| party(policy, p)).collect();
    let mut resource = json!({
        "resourceType": "Contract",
        "id": id(agreement),
        "extension": extension,
        "identifier": [{"system": AGREEMENT, "value": agreement.id}],
        "version": agreement.version.to_string(),
        "status": status,
        "legalState": {"coding": [{"system": STATE, "code": state}]},
        "applies": {"start": effective.from.to_string(), "end": effective.to.to_string()},
        "authority": authority,
        "title": title(agreement),
    });
    let terms: Vec<Value> =
        agreement.provides.iter().enumerate().map(|(n, flow)| term(policy, n + 1, flow)).collect();
    let signers: Vec<Value> =
        agreement.parties.iter().filter_map(|party| signer(policy, party)).collect();
    for (name, values) in [("term", terms), ("signer", signers)] {
        if !values.is_empty() {
            resource[name] = values.into();
        }
    }
    resource
}

/// The nearest of FHIR's states, and ours.
fn status(status: AgreementStatus) -> (&'static str, &'static str) {
    match status {
        AgreementStatus::Draft => ("negotiable", "draft"),
        AgreementStatus::InReview => ("offered", "in-review"),
        AgreementStatus::Signed => ("executable", "signed"),
        AgreementStatus::InForce => ("executed", "in-force"),
        AgreementStatus::Suspended => ("revoked", "suspended"),
        AgreementStatus::Expired => ("terminated", "expired"),
        AgreementStatus::Terminated => ("terminated", "terminated"),
    }
}

fn organisation(policy: &Policy, code: &OrganisationCode) -> Value {
    json!({
        "identifier": {"system": ODS, "value": code.as_str()},
        "display": policy.organisation_name(code),
    })
}

fn party(policy: &Policy, party: &Party) -> Value {
    let mut reference = organisation(policy, &party.ods);
    reference["extension"] = json!([{"url": PARTY_ROLE, "valueCode": party.role}]);
    reference
}

/// Who has signed; FHIR has no place for who has not.
fn signer(policy: &Policy, party: &Party) -> Option<Value> {
    let when = party.signed_on.filter(|_| !party.signed_by.is_empty())?;
    let signed = json!({
        "type": [{"system": "urn:iso-astm:E1762-95:2013", "code": "1.2.840.10065.1.12.1.1",
            "display": "Author's Signature"}],
        "when": format!("{when}T00:00:00Z"),
        "who": {"display": party.signed_by},
    });
    Some(json!({
        "type": {"system": PARTY_ROLE, "code": party.role},
        "party": organisation(policy, &party.ods),
        "signature": [signed],
    }))
}

/// A clause: from whom, to whom, and what of it.
fn term(policy: &Policy, clause: usize, flow: &Flow) -> Value {
    let side = |role: &str, codes: &[OrganisationCode]| {
        let references: Vec<Value> = codes.iter().map(|code| organisation(policy, code)).collect();
        json!({"reference": references, "role": {"coding": [{"system": SIDE, "code": role}]}})
    };
    let mut extension = vec![json!({"url": "sensitivity-max", "valueCode": flow.sensitivity_max})];
    for (url, codes) in [
        ("class", &flow.classes),
        ("type-excluded", &flow.types_excluded),
        ("tag-excluded", &flow.tags_excluded),
        ("recipient-role", &flow.recipient_roles),
    ] {
        extension.extend(codes.iter().map(|code| json!({"url": url, "valueCode": code})));
    }
    json!({
        "extension": [{"url": LIMITS, "extension": extension}],
        "identifier": {"system": CLAUSE, "value": clause.to_string()},
        "offer": {"party": [side("from", &flow.from), side("to", &flow.to)]},
    })
}

const AGREEMENT: &str = "urn:carerecord:agreement";
const STATE: &str = "urn:carerecord:agreement-state";
const IN_FORCE: &str = "urn:carerecord:in-force";
const REVIEW_BY: &str = "urn:carerecord:review-by";
const WARNING: &str = "urn:carerecord:warning";
const PARTY_ROLE: &str = "urn:carerecord:party-role";
const SIDE: &str = "urn:carerecord:flow-side";
const CLAUSE: &str = "urn:carerecord:clause";
const LIMITS: &str = "urn:carerecord:flow-limits";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
