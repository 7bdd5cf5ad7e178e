use carerecord_access::{ConsentRecord, ConsentStatus, Grain, Provision};
use carerecord_model::{EntryUuid, NhsNumber, OrganisationCode};
use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::ConsentError as Error;
use super::{
    ACT_CODE, BY_PATIENT, BY_REPRESENTATIVE, CONFIDENTIALITY, RECIPIENT_ROLE, ROLE_SYSTEM, SCOPE,
    SCOPE_SYSTEM,
};
use crate::code_system::ODS;
use crate::oid_of_system;
use crate::patient::NHS_NUMBER_SYSTEM;
use crate::time::dtm_bound;

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
) -> Result<ConsentRecord, Error> {
    let object = consent.as_object().ok_or(Error::Malformed("resourceType"))?;
    if consent["resourceType"] != "Consent" {
        return Err(Error::Malformed("resourceType"));
    }
    only(object, "", &KNOWN)?;
    scope(&consent["scope"])?;
    let provision = object.get("provision").ok_or(Error::Missing("provision"))?;
    let provision = provision.as_object().ok_or(Error::Malformed("provision"))?;
    let decided = instant(consent.get("dateTime"), false).ok_or(Error::Malformed("dateTime"))?;
    let (start, until) = period(provision.get("period"))?;
    Ok(ConsentRecord {
        id,
        version: 1,
        patient: patient(object.get("patient"))?,
        status: status(&consent["status"])?,
        provision: parse_provision(provision)?,
        set_by: set_by(consent).to_owned(),
        organisation: organisation.clone(),
        since: start.or(decided).unwrap_or(now),
        until,
        policy_uri: policy(object.get("policy"))?,
        recorded_at: now,
        recorded_by: recorded_by.to_owned(),
    })
}

fn parse_provision(p: &Map<String, Value>) -> Result<Provision, Error> {
    let known = ["type", "period", "actor", "data", "code", "securityLabel", "purpose"];
    only(p, "provision", &known)?;
    purpose(p.get("purpose"))?;
    let recipient = p.get("actor").map(one_actor).transpose()?;
    let limited = ["data", "code", "securityLabel"].into_iter().any(|limit| p.contains_key(limit));
    match p.get("type").and_then(Value::as_str) {
        Some("permit") if limited => {
            Err(Error::Unsupported("provision.type permit with data, code or securityLabel".into()))
        }
        Some("permit") => Ok(Provision::Permission { recipient }),
        Some("deny") => parse_objection(p, recipient).map(Provision::Objection),
        Some(_) => Err(Error::Malformed("provision.type")),
        None => Err(Error::Missing("provision.type")),
    }
}

fn parse_objection(
    p: &Map<String, Value>,
    recipient: Option<OrganisationCode>,
) -> Result<Grain, Error> {
    match (recipient, p.get("data"), p.get("code"), p.get("securityLabel")) {
        (None, None, None, None) => Ok(Grain::WholeRecord),
        (Some(to), None, None, None) => Ok(Grain::Recipient(to)),
        (None, Some(data), None, None) => one_datum(data),
        (None, None, Some(code), None) => one_class(code),
        (None, None, None, Some(label)) => one_label(label),
        _ => Err(Error::Unsupported("provision with more than one kind of limit".into())),
    }
}

/// Care is what the record is for; an objection to, or permission for, any other use of it is not
/// ours to obey.
fn purpose(purpose: Option<&Value>) -> Result<(), Error> {
    let Some(purpose) = purpose else { return Ok(()) };
    let codings = purpose.as_array().ok_or(Error::Malformed("provision.purpose"))?;
    for coding in codings {
        let system = &coding["system"];
        let known = system.is_null() || *system == ACT_REASON;
        if coding["code"] != "TREAT" || !known {
            return Err(Error::Unsupported("provision.purpose other than TREAT".into()));
        }
    }
    Ok(())
}

fn one_actor(actors: &Value) -> Result<OrganisationCode, Error> {
    const ELEMENT: &str = "provision.actor";
    let actor = the_one(actors, ELEMENT)?;
    only(actor, ELEMENT, &["role", "reference"])?;
    let role = actor.get("role").ok_or(Error::Missing("provision.actor.role"))?;
    let coding = one_coding(role, "provision.actor.role")?;
    let system = coding.get("system").and_then(Value::as_str).unwrap_or(ROLE_SYSTEM);
    if coding.get("code").and_then(Value::as_str) != Some(RECIPIENT_ROLE) || system != ROLE_SYSTEM {
        return Err(Error::Unsupported("provision.actor with a role other than IRCP".into()));
    }
    organisation(actor.get("reference"), "provision.actor.reference")
}

fn one_datum(data: &Value) -> Result<Grain, Error> {
    const ELEMENT: &str = "provision.data";
    const REFERENCE: &str = "provision.data.reference";
    let datum = the_one(data, ELEMENT)?;
    only(datum, ELEMENT, &["meaning", "reference"])?;
    let reference = datum.get("reference").and_then(Value::as_object);
    match datum.get("meaning").and_then(Value::as_str) {
        Some("instance") => {
            let reference = reference.ok_or(Error::Missing(REFERENCE))?;
            only(reference, REFERENCE, &["reference", "type", "display"])?;
            let literal = reference.get("reference").and_then(Value::as_str);
            document(literal.unwrap_or_default()).map(Grain::Document)
        }
        Some("authoredby") => organisation(datum.get("reference"), REFERENCE).map(Grain::Source),
        Some(_) => Err(Error::Unsupported("provision.data.meaning of this kind".into())),
        None => Err(Error::Missing("provision.data.meaning")),
    }
}

/// `DocumentReference/{id}`, here or at the end of a URL, or the entry's `urn:uuid:`.
fn document(reference: &str) -> Result<EntryUuid, Error> {
    let id = match reference.rsplit_once("DocumentReference/") {
        Some((before, id)) if before.is_empty() || before.ends_with('/') => Some(id),
        Some(_) => None,
        None => reference.strip_prefix("urn:uuid:"),
    };
    let id = id.and_then(|id| Uuid::parse_str(id).ok());
    id.map(EntryUuid::new).ok_or(Error::Malformed("provision.data.reference"))
}

fn one_class(code: &Value) -> Result<Grain, Error> {
    const ELEMENT: &str = "provision.code";
    let [concept] = code.as_array().map_or(&[][..], Vec::as_slice) else {
        return Err(Error::Malformed(ELEMENT));
    };
    let coding = one_coding(concept, ELEMENT)?;
    let code = coding.get("code").and_then(Value::as_str).filter(|c| !c.trim().is_empty());
    let code = code.ok_or(Error::Malformed(ELEMENT))?.to_owned();
    // Sources write one code system in several ways, as either OID or as URI: an objection to a
    // class then holds whichever way it is written.
    let system = coding.get("system").and_then(Value::as_str);
    let mut schemes = system.map(oid_of_system).unwrap_or_default();
    let scheme = if schemes.len() == 1 && !is_uri(&schemes[0]) { schemes.pop() } else { None };
    Ok(Grain::Class { code, scheme })
}

fn one_label(labels: &Value) -> Result<Grain, Error> {
    const ELEMENT: &str = "provision.securityLabel";
    let coding = the_one(labels, ELEMENT)?;
    only(coding, ELEMENT, &["system", "code", "display", "userSelected"])?;
    let code = coding.get("code").and_then(Value::as_str).unwrap_or_default();
    match coding.get("system").and_then(Value::as_str) {
        Some(CONFIDENTIALITY) if LADDER.contains(&code) => Ok(Grain::Label(code.to_owned())),
        Some(ACT_CODE) if is_tag(code) => Ok(Grain::Tag(code.to_owned())),
        Some(CONFIDENTIALITY | ACT_CODE) | None => Err(Error::Malformed(ELEMENT)),
        Some(_) => Err(Error::Unsupported(format!("{ELEMENT} of this system"))),
    }
}

fn is_tag(code: &str) -> bool {
    (1..=MAX_TAG).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_graphic())
}

/// An organisation by its ODS code, as identifier or as `Organization/{code}`.
fn organisation(
    reference: Option<&Value>,
    element: &'static str,
) -> Result<OrganisationCode, Error> {
    let object = reference.and_then(Value::as_object).ok_or(Error::Missing(element))?;
    only(object, element, &["reference", "type", "identifier", "display"])?;
    let bad = Error::Malformed(element);
    if object.get("type").is_some_and(|t| t != "Organization") {
        return Err(bad);
    }
    let literal = object.get("reference").map(|r| {
        r.as_str().and_then(|r| r.strip_prefix("Organization/")).ok_or(Error::Malformed(element))
    });
    let identifier = object.get("identifier").map(|identifier| {
        let value = identifier["value"].as_str().filter(|_| identifier["system"] == ODS);
        value.ok_or(Error::Malformed(element))
    });
    let code = match (identifier.transpose()?, literal.transpose()?) {
        (Some(a), Some(b)) if a != b => return Err(bad),
        (Some(code), _) | (None, Some(code)) => code,
        (None, None) => return Err(Error::Missing(element)),
    };
    code.parse().map_err(|_| bad)
}

fn patient(reference: Option<&Value>) -> Result<NhsNumber, Error> {
    let object = reference.and_then(Value::as_object).ok_or(Error::Missing("patient"))?;
    only(object, "patient", &["reference", "type", "identifier", "display"])?;
    let identifier = object.get("identifier").ok_or(Error::Missing("patient.identifier"))?;
    if identifier["system"] != NHS_NUMBER_SYSTEM {
        return Err(Error::Malformed("patient.identifier.system"));
    }
    let value = identifier["value"].as_str().ok_or(Error::Missing("patient.identifier.value"))?;
    value.parse().map_err(|_| Error::Malformed("patient.identifier.value"))
}

fn status(status: &Value) -> Result<ConsentStatus, Error> {
    match status.as_str() {
        Some("active") => Ok(ConsentStatus::Active),
        Some("inactive" | "rejected") => Ok(ConsentStatus::Inactive),
        Some("entered-in-error") => Ok(ConsentStatus::EnteredInError),
        Some(_) => Err(Error::Malformed("status")),
        None => Err(Error::Missing("status")),
    }
}

fn scope(scope: &Value) -> Result<(), Error> {
    if scope.is_null() {
        return Err(Error::Missing("scope"));
    }
    let codings = scope["coding"].as_array().map_or(&[][..], Vec::as_slice);
    let ours =
        |c: &Value| c["code"] == SCOPE && (c["system"] == SCOPE_SYSTEM || c["system"].is_null());
    if codings.iter().any(ours) { Ok(()) } else { Err(Error::Malformed("scope")) }
}

fn policy(policy: Option<&Value>) -> Result<Option<String>, Error> {
    let Some(policy) = policy else { return Ok(None) };
    let policy = the_one(policy, "policy")?;
    only(policy, "policy", &["uri", "authority"])?;
    let uri = policy.get("uri").map(|u| u.as_str().ok_or(Error::Malformed("policy.uri")));
    match uri.transpose()? {
        Some(uri) if uri.len() > MAX_URI || uri.chars().any(char::is_whitespace) => {
            Err(Error::Malformed("policy.uri"))
        }
        uri => Ok(uri.map(str::to_owned)),
    }
}

/// Who decided; the patient, when nobody else is named. Never a name out of the message: the text
/// is shown to others.
fn set_by(consent: &Value) -> &'static str {
    let performer = &consent["performer"][0];
    let reference = performer["reference"].as_str().unwrap_or_default();
    let represented = performer["type"] == "RelatedPerson"
        || performer["display"] == BY_REPRESENTATIVE
        || reference.contains("RelatedPerson/");
    if represented { BY_REPRESENTATIVE } else { BY_PATIENT }
}

type Instants = (Option<Timestamp>, Option<Timestamp>);

fn period(period: Option<&Value>) -> Result<Instants, Error> {
    const ELEMENT: &str = "provision.period";
    let Some(period) = period else { return Ok((None, None)) };
    let object = period.as_object().ok_or(Error::Malformed(ELEMENT))?;
    only(object, ELEMENT, &["start", "end"])?;
    let start = instant(object.get("start"), false).ok_or(Error::Malformed(ELEMENT))?;
    let end = instant(object.get("end"), true).ok_or(Error::Malformed(ELEMENT))?;
    match (start, end) {
        (Some(start), Some(end)) if end < start => Err(Error::Malformed(ELEMENT)),
        both => Ok(both),
    }
}

/// A period; `None` when it cannot be read, or ends before it begins.
pub(crate) fn instants(value: Option<&Value>) -> Option<Instants> {
    period(value).ok()
}

/// `Some(None)` when absent; `None` when it is there and cannot be read. The end of a period that
/// is a day, month or year is its last second.
fn instant(value: Option<&Value>, end: bool) -> Option<Option<Timestamp>> {
    let Some(value) = value else { return Some(None) };
    let text = value.as_str()?;
    if text.contains('T') {
        return text.parse().ok().map(Some);
    }
    let dtm = dtm_bound(text)?;
    if !end {
        return Some(Some(dtm.instant()));
    }
    let date = dtm.instant().to_zoned(jiff::tz::TimeZone::UTC).date();
    let last = match dtm.as_str().len() {
        4 => date.last_of_year(),
        6 => date.last_of_month(),
        _ => date,
    };
    format!("{last}T23:59:59Z").parse().ok().map(Some)
}

/// The only object of a list.
fn the_one<'a>(list: &'a Value, element: &'static str) -> Result<&'a Map<String, Value>, Error> {
    match list.as_array().map(Vec::as_slice) {
        Some([Value::Object(object)]) => Ok(object),
        Some([_, _, ..]) => Err(Error::Unsupported(format!("{element} with more than one value"))),
        _ => Err(Error::Malformed(element)),
    }
}

/// The only coding of a concept: of several it would not be clear which is meant.
fn one_coding<'a>(
    concept: &'a Value,
    element: &'static str,
) -> Result<&'a Map<String, Value>, Error> {
    let object = concept.as_object().ok_or(Error::Malformed(element))?;
    only(object, element, &["coding", "text"])?;
    let coding = the_one(object.get("coding").unwrap_or(&Value::Null), element)?;
    only(coding, element, &["system", "code", "display", "userSelected"])?;
    Ok(coding)
}

fn only(object: &Map<String, Value>, parent: &str, known: &[&str]) -> Result<(), Error> {
    match object.keys().find(|k| !known.contains(&k.as_str())) {
        Some(key) => Err(Error::unsupported(parent, key)),
        None => Ok(()),
    }
}

fn is_uri(scheme: &str) -> bool {
    scheme.contains(':')
}

const KNOWN: [&str; 17] = [
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
    "sourceReference",
    "policy",
    "provision",
];
const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const MAX_URI: usize = 512;
/// The codes of v3-Confidentiality, from the lowest.
const LADDER: [&str; 6] = ["U", "L", "M", "N", "R", "V"];
const MAX_TAG: usize = 64;
