use carerecord_access::{
    ConsentRecord, ConsentStatus, Contact, ContactKind, Grain, Provision, Span, Term, TermPurpose,
    Terms,
};
use carerecord_model::{EntryUuid, NhsNumber, OrganisationCode};
use jiff::Timestamp;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::ConsentError as Error;
use super::{
    ACT_CODE, ACT_REASON, BY_PATIENT, BY_REPRESENTATIVE, CONFIDENTIALITY, RECIPIENT_ROLE,
    ROLE_SYSTEM, SCOPE, SCOPE_SYSTEM,
};
use crate::code_system::{ODS, URI};
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
    let (start, until) = period(provision.get("period"), "provision.period")?;
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

/// The provision and its exceptions, which have none of their own. PCF: one level.
fn parse_provision(p: &Map<String, Value>) -> Result<Provision, Error> {
    only(p, "provision", &PROVISION)?;
    let exceptions = match p.get("provision") {
        Some(exceptions) => each(exceptions, "provision.provision", |exception| {
            only(exception, "provision.provision", &PROVISION[..PROVISION.len() - 1])?;
            exception_of(exception).map_err(|error| Error::Exception(Box::new(error)))
        })?,
        None => Vec::new(),
    };
    Ok(Terms { root: term(p)?, exceptions }.into())
}

fn exception_of(exception: &Map<String, Value>) -> Result<Term, Error> {
    let (from, until) = period(exception.get("period"), "provision.period")?;
    let applies = (from.is_some() || until.is_some()).then_some(Span { from, until });
    Ok(Term { applies, ..term(exception)? })
}

/// Type and limits.
fn term(p: &Map<String, Value>) -> Result<Term, Error> {
    let permits = match p.get("type").and_then(Value::as_str) {
        Some("permit") => true,
        Some("deny") => false,
        Some(_) => return Err(Error::Malformed("provision.type")),
        None => return Err(Error::Missing("provision.type")),
    };
    Ok(Term {
        permits,
        applies: None,
        recipients: all(p, "actor", "provision.actor", actor)?,
        purposes: all(p, "purpose", "provision.purpose", purpose)?,
        authored: data_period(p.get("dataPeriod"))?,
        data: all(p, "data", "provision.data", datum)?,
        classes: all(p, "code", "provision.code", class)?,
        labels: all(p, "securityLabel", "provision.securityLabel", label)?,
    })
}

/// The values of an element, none where it is not there.
fn all<T>(
    p: &Map<String, Value>,
    key: &str,
    element: &'static str,
    one: impl Fn(&Map<String, Value>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    p.get(key).map_or(Ok(Vec::new()), |list| each(list, element, one))
}

/// Care is what the record is for, and an override is for care; an objection to, or permission for,
/// any other use of it is not ours to obey.
fn purpose(coding: &Map<String, Value>) -> Result<TermPurpose, Error> {
    let system = system(coding, "provision.purpose")?.unwrap_or(ACT_REASON);
    match coding.get("code").and_then(Value::as_str) {
        Some("TREAT") if system == ACT_REASON => Ok(TermPurpose::DirectCare),
        Some("BTG") if system == ACT_REASON => Ok(TermPurpose::BreakGlass),
        _ => Err(Error::Unsupported("provision.purpose other than TREAT and BTG".into())),
    }
}

fn actor(actor: &Map<String, Value>) -> Result<OrganisationCode, Error> {
    const ELEMENT: &str = "provision.actor";
    only(actor, ELEMENT, &["role", "reference"])?;
    let role = actor.get("role").ok_or(Error::Missing("provision.actor.role"))?;
    let coding = one_coding(role, "provision.actor.role")?;
    let system = system(coding, "provision.actor.role")?.unwrap_or(ROLE_SYSTEM);
    if coding.get("code").and_then(Value::as_str) != Some(RECIPIENT_ROLE) || system != ROLE_SYSTEM {
        return Err(Error::Unsupported("provision.actor with a role other than IRCP".into()));
    }
    organisation(actor.get("reference"), "provision.actor.reference")
}

fn data_period(value: Option<&Value>) -> Result<Option<Span>, Error> {
    const ELEMENT: &str = "provision.dataPeriod";
    match period(value, ELEMENT)? {
        (None, None) if value.is_some() => Err(Error::Malformed(ELEMENT)),
        (None, None) => Ok(None),
        (from, until) => Ok(Some(Span { from, until })),
    }
}

fn datum(datum: &Map<String, Value>) -> Result<Grain, Error> {
    const REFERENCE: &str = "provision.data.reference";
    only(datum, "provision.data", &["meaning", "reference"])?;
    let reference = datum.get("reference").and_then(Value::as_object);
    match datum.get("meaning").and_then(Value::as_str) {
        Some("instance") => {
            let reference = reference.ok_or(Error::Missing(REFERENCE))?;
            only(reference, REFERENCE, &["reference", "type", "display"])?;
            let literal = reference.get("reference").and_then(Value::as_str);
            document(literal.unwrap_or_default()).map(Grain::Document)
        }
        Some("authoredby") => organisation(datum.get("reference"), REFERENCE).map(Grain::Source),
        Some("related") => contact(reference.ok_or(Error::Missing(REFERENCE))?).map(Grain::Related),
        Some(_) => Err(Error::Unsupported("provision.data.meaning of this kind".into())),
        None => Err(Error::Missing("provision.data.meaning")),
    }
}

/// A contact by its business identifier: metadata of documents know no other.
fn contact(reference: &Map<String, Value>) -> Result<Contact, Error> {
    only(reference, "provision.data.reference", &["type", "identifier", "display"])?;
    let kind = match reference.get("type").and_then(Value::as_str) {
        Some("Encounter") => ContactKind::Encounter,
        Some("CarePlan") => ContactKind::CarePlan,
        Some("EpisodeOfCare") => ContactKind::EpisodeOfCare,
        Some(_) => {
            return Err(Error::Unsupported("provision.data.reference.type of this kind".into()));
        }
        None => return Err(Error::Missing("provision.data.reference.type")),
    };
    let identifier = reference.get("identifier");
    let identifier = identifier.ok_or(Error::Missing("provision.data.reference.identifier"))?;
    let text = |key: &str| identifier[key].as_str().filter(|text| !text.trim().is_empty());
    let id = text("value").ok_or(Error::Missing("provision.data.reference.identifier.value"))?;
    let system = text("system");
    let system = system.ok_or(Error::Missing("provision.data.reference.identifier.system"))?;
    if id.len() > MAX_URI || system.len() > MAX_URI {
        return Err(Error::Malformed("provision.data.reference.identifier"));
    }
    // As the metadata of a document published by FHIR name it.
    if system == URI {
        let id = id.strip_prefix("urn:oid:").unwrap_or(id).to_owned();
        return Ok(Contact { kind, id, scheme: None, schemes: Vec::new() });
    }
    let mut schemes = oid_of_system(system);
    let scheme = schemes.first().cloned();
    if schemes.len() == 1 {
        schemes.clear();
    }
    Ok(Contact { kind, id: id.to_owned(), scheme, schemes })
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

fn class(concept: &Map<String, Value>) -> Result<Grain, Error> {
    const ELEMENT: &str = "provision.code";
    let coding = one_coding_of(concept, ELEMENT)?;
    let code = coding.get("code").and_then(Value::as_str).filter(|c| !c.trim().is_empty());
    let code = code.ok_or(Error::Malformed(ELEMENT))?.to_owned();
    // A URI, and what has several OIDs, sources write in several ways.
    let mut schemes = system(coding, ELEMENT)?.map(oid_of_system).unwrap_or_default();
    let scheme = if schemes.len() == 1 && !is_uri(&schemes[0]) { schemes.pop() } else { None };
    Ok(Grain::Class { code, scheme, schemes })
}

/// The system of a coding. One that is no text is not the same as none.
fn system<'c>(
    coding: &'c Map<String, Value>,
    element: &'static str,
) -> Result<Option<&'c str>, Error> {
    let Some(system) = coding.get("system") else { return Ok(None) };
    let system = system.as_str().filter(|system| !system.trim().is_empty());
    system.map(Some).ok_or(Error::Malformed(element))
}

fn label(coding: &Map<String, Value>) -> Result<Grain, Error> {
    const ELEMENT: &str = "provision.securityLabel";
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

fn period(period: Option<&Value>, element: &'static str) -> Result<Instants, Error> {
    let Some(period) = period else { return Ok((None, None)) };
    let object = period.as_object().ok_or(Error::Malformed(element))?;
    only(object, element, &["start", "end"])?;
    let start = instant(object.get("start"), false).ok_or(Error::Malformed(element))?;
    let end = instant(object.get("end"), true).ok_or(Error::Malformed(element))?;
    match (start, end) {
        (Some(start), Some(end)) if end < start => Err(Error::Malformed(element)),
        both => Ok(both),
    }
}

/// A period; `None` when it cannot be read, or ends before it begins.
pub(crate) fn instants(value: Option<&Value>) -> Option<Instants> {
    period(value, "period").ok()
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
    Some(Some(if end { dtm.last_instant() } else { dtm.instant() }))
}

/// Reads each object of a list that is not empty, nor longer than decisions have time for.
fn each<T>(
    list: &Value,
    element: &'static str,
    one: impl Fn(&Map<String, Value>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let values = list.as_array().filter(|values| !values.is_empty());
    let values = values.ok_or(Error::Malformed(element))?;
    if values.len() > MOST_VALUES {
        let what = format!("{element} with more than {MOST_VALUES} values");
        return Err(Error::Unsupported(what));
    }
    let read = |value: &Value| one(value.as_object().ok_or(Error::Malformed(element))?);
    values.iter().map(read).collect()
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
    one_coding_of(concept.as_object().ok_or(Error::Malformed(element))?, element)
}

fn one_coding_of<'a>(
    concept: &'a Map<String, Value>,
    element: &'static str,
) -> Result<&'a Map<String, Value>, Error> {
    only(concept, element, &["coding", "text"])?;
    let coding = the_one(concept.get("coding").unwrap_or(&Value::Null), element)?;
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
/// Of an exception all but the last.
const PROVISION: [&str; 9] = [
    "type",
    "period",
    "actor",
    "data",
    "code",
    "securityLabel",
    "purpose",
    "dataPeriod",
    "provision",
];
/// Of one element.
const MOST_VALUES: usize = 32;
const MAX_URI: usize = 512;
/// The codes of v3-Confidentiality, from the lowest.
const LADDER: [&str; 6] = ["U", "L", "M", "N", "R", "V"];
const MAX_TAG: usize = 64;
