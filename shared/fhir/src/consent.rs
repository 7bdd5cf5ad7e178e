//! FHIR Consent (PCF) to consent records and back. What is not understood is refused: an objection
//! that is half-obeyed would be worse than an error.
//!
//! Grains beyond the PCF levels are our documented use of R4 elements: `provision.code` is a class
//! of documents, `provision.data` with meaning `instance` one document, with meaning `authoredby`
//! an organisation, `provision.actor` with role `IRCP` a recipient.

use carerecord_access::{ConsentRecord, ConsentStatus, Grain, Provision};
use carerecord_model::{EntryUuid, NhsNumber, OrganisationCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::patient::NHS_NUMBER_SYSTEM;
use crate::{oid_of_system, system_of_scheme};

/// Why a Consent is refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ConsentError {
    /// An element is missing.
    #[error("Consent.{0} is required")]
    Missing(&'static str),
    /// An element is of no form that we understand.
    #[error("Consent.{0} is not of a form that is understood here")]
    Malformed(&'static str),
    /// An element that we do not support, and so must not ignore.
    #[error("Consent.{0} is not supported here, so the consent cannot be obeyed as it stands")]
    Unsupported(String),
}

/// Reads a Consent as the first version of a record. Id, recorder and recording time are the
/// server's.
///
/// # Errors
/// Names the element.
pub fn parse_consent(
    consent: &Value,
    id: Uuid,
    now: Timestamp,
    recorded_by: &str,
    organisation: &OrganisationCode,
) -> Result<ConsentRecord, ConsentError> {
    let object = consent.as_object().ok_or(ConsentError::Malformed("resourceType"))?;
    only(object, "", &KNOWN)?;
    if consent["resourceType"] != "Consent" {
        return Err(ConsentError::Malformed("resourceType"));
    }
    let scope = consent["scope"]["coding"][0]["code"].as_str();
    if scope.is_some_and(|s| s != "patient-privacy") {
        return Err(ConsentError::Malformed("scope"));
    }
    let provision = consent.get("provision").and_then(Value::as_object);
    let provision = provision.ok_or(ConsentError::Missing("provision"))?;
    let since = instant(&consent["dateTime"], false).ok_or(ConsentError::Malformed("dateTime"))?;
    let since = since.unwrap_or(now);
    let period = &consent["provision"]["period"];
    let start =
        instant(&period["start"], false).ok_or(ConsentError::Malformed("provision.period"))?;
    let until = instant(&period["end"], true).ok_or(ConsentError::Malformed("provision.period"))?;
    Ok(ConsentRecord {
        id,
        version: 1,
        patient: patient(&consent["patient"])?,
        status: status(&consent["status"])?,
        provision: parse_provision(provision)?,
        set_by: set_by(consent),
        organisation: organisation.clone(),
        since: start.unwrap_or(since),
        until,
        policy_uri: consent["policy"][0]["uri"].as_str().map(str::to_owned),
        recorded_at: now,
        recorded_by: recorded_by.to_owned(),
    })
}

/// A record as Consent.
pub fn consent_resource(record: &ConsentRecord) -> Value {
    let mut provision = match &record.provision {
        Provision::Objection(grain) => objection(grain),
        Provision::Permission { recipient } => {
            let mut p = json!({"type": "permit"});
            if let Some(to) = recipient {
                p["actor"] = json!([actor(to)]);
            }
            p
        }
    };
    if let Some(until) = record.until {
        provision["period"] = json!({"start": record.since.to_string(), "end": until.to_string()});
    }
    json!({
        "resourceType": "Consent",
        "id": record.id.to_string(),
        "meta": {
            "versionId": record.version.to_string(),
            "lastUpdated": record.recorded_at.to_string(),
        },
        "status": match record.status {
            ConsentStatus::Active => "active",
            ConsentStatus::Inactive => "inactive",
            ConsentStatus::EnteredInError => "entered-in-error",
        },
        "scope": {"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/consentscope",
            "code": "patient-privacy",
        }]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"identifier": {
            "system": NHS_NUMBER_SYSTEM, "value": record.patient.digits(),
        }},
        "dateTime": record.since.to_string(),
        "performer": [{"display": record.set_by}],
        "organization": [{"identifier": {"system": ODS, "value": record.organisation.as_str()}}],
        "policy": [{"uri": record.policy_uri.as_deref().unwrap_or(DEFAULT_POLICY)}],
        "provision": provision,
    })
}

fn parse_provision(p: &Map<String, Value>) -> Result<Provision, ConsentError> {
    only(p, "provision.", &["type", "period", "actor", "data", "code", "purpose"])?;
    let purposes = p.get("purpose").and_then(Value::as_array);
    if purposes.into_iter().flatten().any(|c| c["code"] != "TREAT") {
        return Err(ConsentError::Unsupported("provision.purpose other than TREAT".into()));
    }
    let recipient = p.get("actor").map(one_actor).transpose()?;
    let kind = p.get("type").and_then(Value::as_str);
    let others = p.contains_key("data") || p.contains_key("code");
    match kind {
        Some("permit") if others => {
            Err(ConsentError::Unsupported("provision.type permit with data or code".into()))
        }
        Some("permit") => Ok(Provision::Permission { recipient }),
        Some("deny") => parse_objection(p, recipient).map(Provision::Objection),
        Some(_) => Err(ConsentError::Malformed("provision.type")),
        None => Err(ConsentError::Missing("provision.type")),
    }
}

fn parse_objection(
    p: &Map<String, Value>,
    recipient: Option<OrganisationCode>,
) -> Result<Grain, ConsentError> {
    match (recipient, p.get("data"), p.get("code")) {
        (None, None, None) => Ok(Grain::WholeRecord),
        (Some(to), None, None) => Ok(Grain::Recipient(to)),
        (None, Some(data), None) => one_datum(data),
        (None, None, Some(code)) => one_class(code),
        _ => Err(ConsentError::Unsupported("provision with more than one kind of limit".into())),
    }
}

fn one_actor(actors: &Value) -> Result<OrganisationCode, ConsentError> {
    let bad = ConsentError::Malformed("provision.actor");
    let [actor] = actors.as_array().map_or(&[][..], Vec::as_slice) else { return Err(bad) };
    let role = actor["role"]["coding"][0]["code"].as_str();
    if role.is_some_and(|r| r != "IRCP") {
        return Err(ConsentError::Unsupported(
            "provision.actor with a role other than IRCP".into(),
        ));
    }
    organisation(&actor["reference"]).ok_or(bad)
}

fn one_datum(data: &Value) -> Result<Grain, ConsentError> {
    let bad = ConsentError::Malformed("provision.data");
    let [datum] = data.as_array().map_or(&[][..], Vec::as_slice) else { return Err(bad) };
    match datum["meaning"].as_str() {
        Some("instance") => {
            let reference = datum["reference"]["reference"].as_str().unwrap_or("");
            let id = reference.rsplit('/').next().unwrap_or("").trim_start_matches("urn:uuid:");
            let named =
                reference.contains("DocumentReference/") || reference.starts_with("urn:uuid:");
            let id = Uuid::parse_str(id).ok().filter(|_| named).ok_or(bad)?;
            Ok(Grain::Document(EntryUuid::new(id)))
        }
        Some("authoredby") => organisation(&datum["reference"]).map(Grain::Source).ok_or(bad),
        _ => Err(ConsentError::Unsupported("provision.data.meaning".into())),
    }
}

fn one_class(code: &Value) -> Result<Grain, ConsentError> {
    let bad = ConsentError::Malformed("provision.code");
    let [concept] = code.as_array().map_or(&[][..], Vec::as_slice) else { return Err(bad) };
    let [coding] = concept["coding"].as_array().map_or(&[][..], Vec::as_slice) else {
        return Err(bad);
    };
    let code = coding["code"].as_str().ok_or(bad)?.to_owned();
    // SNOMED goes by two OIDs: an objection to a class holds for both.
    let schemes = coding["system"].as_str().map(oid_of_system).unwrap_or_default();
    let scheme = if schemes.len() == 2 { schemes.into_iter().next() } else { None };
    Ok(Grain::Class { code, scheme })
}

fn organisation(reference: &Value) -> Option<OrganisationCode> {
    let identifier = reference["identifier"]["value"].as_str();
    let literal = reference["reference"].as_str().and_then(|r| r.strip_prefix("Organization/"));
    identifier.or(literal)?.parse().ok()
}

fn patient(reference: &Value) -> Result<NhsNumber, ConsentError> {
    let identifier = &reference["identifier"];
    if identifier["system"] != NHS_NUMBER_SYSTEM {
        return Err(ConsentError::Missing("patient.identifier"));
    }
    let value = identifier["value"].as_str().ok_or(ConsentError::Missing("patient.identifier"))?;
    value.parse().map_err(|_| ConsentError::Malformed("patient.identifier"))
}

fn status(status: &Value) -> Result<ConsentStatus, ConsentError> {
    match status.as_str() {
        Some("active") => Ok(ConsentStatus::Active),
        Some("inactive" | "rejected") => Ok(ConsentStatus::Inactive),
        Some("entered-in-error") => Ok(ConsentStatus::EnteredInError),
        Some(_) => Err(ConsentError::Malformed("status")),
        None => Err(ConsentError::Missing("status")),
    }
}

/// Who decided; the patient, when nobody is named. Not a name out of the message: the text is
/// shown to others.
fn set_by(consent: &Value) -> String {
    let performer = consent["performer"][0]["display"].as_str();
    let kind = consent["performer"][0]["type"].as_str();
    match (performer, kind) {
        (Some(text), _) if text.len() <= 80 && text.starts_with("the ") => text.to_owned(),
        (_, Some("RelatedPerson")) => "a representative of the patient".to_owned(),
        _ => "the patient".to_owned(),
    }
}

/// `Some(None)` when absent; `None` when it is there and cannot be read. The end of a period that
/// is a day is that day's last second.
fn instant(value: &Value, end: bool) -> Option<Option<Timestamp>> {
    let Some(text) = value.as_str() else {
        return value.is_null().then_some(None);
    };
    if let Ok(instant) = text.parse() {
        return Some(Some(instant));
    }
    let time = if end { "T23:59:59Z" } else { "T00:00:00Z" };
    format!("{text}{time}").parse().ok().map(Some)
}

fn only(object: &Map<String, Value>, prefix: &str, known: &[&str]) -> Result<(), ConsentError> {
    match object.keys().find(|k| !known.contains(&k.as_str())) {
        Some(key) => Err(ConsentError::Unsupported(format!("{prefix}{key}"))),
        None => Ok(()),
    }
}

fn objection(grain: &Grain) -> Value {
    match grain {
        Grain::WholeRecord => json!({"type": "deny"}),
        Grain::Recipient(to) => json!({"type": "deny", "actor": [actor(to)]}),
        Grain::Source(from) => json!({"type": "deny", "data": [{
            "meaning": "authoredby",
            "reference": {"identifier": {"system": ODS, "value": from.as_str()}},
        }]}),
        Grain::Document(id) => json!({"type": "deny", "data": [{
            "meaning": "instance",
            "reference": {"reference": format!("DocumentReference/{}", id.uuid())},
        }]}),
        Grain::Class { code, scheme } => {
            let mut coding = json!({"code": code});
            if let Some(scheme) = scheme {
                coding["system"] = system_of_scheme(scheme).into();
            }
            json!({"type": "deny", "code": [{"coding": [coding]}]})
        }
    }
}

fn actor(to: &OrganisationCode) -> Value {
    json!({
        "role": {"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP",
        }]},
        "reference": {"identifier": {"system": ODS, "value": to.as_str()}},
    })
}

const KNOWN: [&str; 16] = [
    "resourceType",
    "id",
    "meta",
    "text",
    "language",
    "identifier",
    "status",
    "scope",
    "category",
    "patient",
    "dateTime",
    "performer",
    "organization",
    "sourceAttachment",
    "policy",
    "provision",
];
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const DEFAULT_POLICY: &str = "urn:carerecord:policy:objection:1";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(provision: &Value) -> Result<ConsentRecord, ConsentError> {
        let consent = json!({
            "resourceType": "Consent", "status": "active",
            "scope": {"coding": [{"code": "patient-privacy"}]},
            "patient": {"identifier": {"system": NHS_NUMBER_SYSTEM, "value": "9990001006"}},
            "dateTime": "2026-11-01T09:00:00Z",
            "provision": provision,
        });
        let now = "2026-11-25T12:00:00Z".parse().unwrap();
        parse_consent(&consent, Uuid::from_u128(1), now, "u", &"ZEX09".parse().unwrap())
    }

    #[test]
    fn every_grain_survives_the_way_there_and_back() {
        let org = |o: &str| json!({"identifier": {"system": ODS, "value": o}});
        let provisions = [
            json!({"type": "deny"}),
            json!({"type": "deny", "data": [{"meaning": "authoredby", "reference": org("ZEX01")}]}),
            json!({"type": "deny", "data": [{"meaning": "instance", "reference":
                {"reference": "DocumentReference/6c1d0b52-0000-4000-8000-000000000001"}}]}),
            json!({"type": "deny", "code": [{"coding": [{"code": "373942005"}]}]}),
            json!({"type": "deny", "actor": [{"reference": org("ZEX02")}]}),
            json!({"type": "permit", "actor": [{"reference": org("ZEX05")}]}),
        ];
        for provision in provisions {
            let record = parse(&provision).unwrap();

            let resource = consent_resource(&record);
            let back = parse(&resource["provision"]).unwrap();
            assert_eq!(back.provision, record.provision, "{provision}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let cases = [
            json!({"type": "deny", "class": [{"code": "x"}]}),
            json!({"type": "deny", "provision": [{"type": "permit"}]}),
            json!({"type": "deny", "purpose": [{"code": "HRESCH"}]}),
            json!({"type": "deny", "actor": [], "data": []}),
            json!({"period": {}}),
        ];
        for provision in cases {
            assert!(parse(&provision).is_err(), "{provision}");
        }
    }
}
