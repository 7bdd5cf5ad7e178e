use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use carerecord_model::{
    AssociationType, Author, AvailabilityStatus, Code, Cx, DocumentEntry, EntryUuid, UniqueId, Xcn,
    Xon, components, unescape,
};
use serde_json::{Map, Value, json};

use crate::patient::NHS_NUMBER_SYSTEM;
use crate::{date_time, system_of_scheme};

/// A document that this one relates to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Related {
    /// How.
    pub association_type: AssociationType,
    /// The other document, which came before.
    pub target: EntryUuid,
}

/// An entry as DocumentReference. MHD 7.1.
///
/// `attachment_url` is absolute and names no patient; `custodian` is name and code of the
/// organisation that runs the node.
pub fn document_reference(
    entry: &DocumentEntry,
    attachment_url: &str,
    custodian: Option<(&str, &str)>,
    related: &[Related],
) -> Value {
    let id = entry.uuid().map(|u| u.uuid().to_string()).unwrap_or_default();
    let mut resource = Map::new();
    let mut set = |key: &str, value: Value| {
        let empty = matches!(&value, Value::Array(a) if a.is_empty()) || value.is_null();
        if !empty {
            resource.insert(key.to_owned(), value);
        }
    };
    let (contained, author, authenticator, patient) = contained(entry);
    set("resourceType", "DocumentReference".into());
    set("id", id.as_str().into());
    set("meta", json!({"profile": [PROFILE], "versionId": entry.version.to_string()}));
    set("contained", contained.into());
    set("masterIdentifier", identifier("usual", "uniqueId", unique_id(&entry.unique_id)));
    set(
        "identifier",
        json!([identifier("official", "entryUUID", (URI.into(), entry.entry_uuid.to_string()))]),
    );
    set("status", status(entry.availability_status).into());
    set("type", concept(&entry.type_code));
    set("category", json!([concept(&entry.class_code)]));
    set("subject", subject(entry));
    set("author", author.into());
    set("authenticator", authenticator);
    if let Some((name, code)) = custodian {
        set("custodian", json!({"identifier": {"system": ODS, "value": code}, "display": name}));
    }
    set("relatesTo", related.iter().map(relates_to).collect::<Vec<_>>().into());
    set("description", entry.comments.first().map(|c| c.value.clone()).into());
    let labels: Vec<Value> = entry.confidentiality_codes.iter().map(concept).collect();
    set("securityLabel", labels.into());
    set("content", json!([content(entry, attachment_url)]));
    set("context", context(entry, patient));
    Value::Object(resource)
}

fn content(entry: &DocumentEntry, url: &str) -> Value {
    let mut attachment = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            attachment.insert(key.to_owned(), value);
        }
    };
    set("contentType", Some(entry.mime_type.as_str().into()));
    set("language", Some(entry.language_code.as_str().into()));
    set("url", Some(url.into()));
    set("size", entry.size.map(Value::from));
    set("hash", entry.hash.as_deref().and_then(hash).map(Value::from));
    set("title", entry.display_title().map(Value::from));
    set("creation", entry.creation_time.as_ref().map(|t| date_time(t).into()));
    json!({"attachment": attachment, "format": coding(&entry.format_code)})
}

fn context(entry: &DocumentEntry, source_patient: Option<Value>) -> Value {
    let mut context = Map::new();
    if !entry.event_codes.is_empty() {
        context.insert("event".into(), entry.event_codes.iter().map(concept).collect());
    }
    let mut period = Map::new();
    if let Some(start) = &entry.service_start_time {
        period.insert("start".into(), date_time(start).into());
    }
    if let Some(end) = &entry.service_stop_time {
        period.insert("end".into(), date_time(end).into());
    }
    if !period.is_empty() {
        context.insert("period".into(), period.into());
    }
    context.insert("facilityType".into(), concept(&entry.healthcare_facility_type_code));
    context.insert("practiceSetting".into(), concept(&entry.practice_setting_code));
    context.extend(source_patient.map(|p| ("sourcePatientInfo".to_owned(), p)));
    let related: Vec<Value> = entry.reference_ids.iter().filter_map(|r| reference_id(r)).collect();
    if !related.is_empty() {
        context.insert("related".into(), related.into());
    }
    context.into()
}

/// Authors, authenticator and the patient as the source knew them live inside the resource.
fn contained(entry: &DocumentEntry) -> (Vec<Value>, Vec<Value>, Value, Option<Value>) {
    let (mut inside, mut authors) = (Vec::new(), Vec::new());
    for (n, author) in entry.authors.iter().enumerate() {
        authors.extend(contained_author(author, n, &mut inside));
    }
    let authenticator = match &entry.legal_authenticator {
        Some(person) => {
            inside.push(practitioner(person, "authenticator"));
            json!({"reference": "#authenticator", "display": person.display_name()})
        }
        None => Value::Null,
    };
    let patient = source_patient(entry).map(|resource| {
        inside.push(resource);
        json!({"reference": "#source-patient"})
    });
    (inside, authors, authenticator, patient)
}

fn contained_author(author: &Author, n: usize, inside: &mut Vec<Value>) -> Vec<Value> {
    let mut references = Vec::new();
    if let Some(person) = &author.person {
        let id = format!("author-{n}");
        inside.push(practitioner(person, &id));
        references.push(json!({"reference": format!("#{id}"), "display": person.display_name()}));
    }
    for (m, institution) in author.institutions.iter().enumerate() {
        let id = format!("organization-{n}-{m}");
        inside.push(organization(institution, &id));
        references.push(json!({"reference": format!("#{id}"), "display": institution.name()}));
    }
    references
}

fn practitioner(person: &Xcn, id: &str) -> Value {
    let mut name = Map::new();
    let mut text = |key: &str, n: usize, list: bool| {
        let part = person.component(n);
        if !part.is_empty() {
            name.insert(key.to_owned(), if list { json!([part]) } else { part.into() });
        }
    };
    text("family", 2, false);
    text("given", 3, true);
    text("prefix", 6, true);
    text("suffix", 5, true);
    let mut resource = json!({"resourceType": "Practitioner", "id": id, "name": [name]});
    let number = person.component(1);
    if !number.is_empty() {
        let raw = components(person.as_str(), '^');
        let authority = raw.get(8).map(|a| components(a, '&')).unwrap_or_default();
        let mut identifier = json!({"value": number});
        if let Some(oid) = authority.get(1).filter(|o| !o.is_empty()) {
            identifier["system"] = system_of_scheme(oid).into();
        }
        resource["identifier"] = json!([identifier]);
    }
    resource
}

fn organization(institution: &Xon, id: &str) -> Value {
    let mut resource =
        json!({"resourceType": "Organization", "id": id, "name": institution.name()});
    if let Some(code) = institution.id() {
        resource["identifier"] = match institution.authority() {
            Some(oid) => json!([{"system": system_of_scheme(&oid), "value": code}]),
            None => json!([{"system": URI, "value": format!("urn:oid:{code}")}]),
        };
    }
    resource
}

fn source_patient(entry: &DocumentEntry) -> Option<Value> {
    let id = entry.source_patient_id.as_deref().and_then(|s| Cx::parse(s).ok());
    let field = |n: &str| {
        let lines = entry.source_patient_info.iter();
        lines.filter_map(|l| l.strip_prefix(n)?.strip_prefix('|')).next()
    };
    if id.is_none() && entry.source_patient_info.is_empty() {
        return None;
    }
    let mut resource = json!({"resourceType": "Patient", "id": "source-patient"});
    if let Some(id) = id {
        let system = system_of_scheme(id.authority.as_str());
        resource["identifier"] = json!([{"system": system, "value": id.id}]);
    }
    if let Some(name) = field("PID-5") {
        let parts = components(name, '^');
        let part = |n: usize| parts.get(n).map(|p| unescape(p)).unwrap_or_default();
        resource["name"] = json!([{"family": part(0), "given": [part(1)]}]);
    }
    if let Some(date) = field("PID-7").and_then(|d| d.get(..8)?.parse().ok()) {
        resource["birthDate"] = date_time(&date).into();
    }
    resource["gender"] = match field("PID-8") {
        Some("F") => "female",
        Some("M") => "male",
        Some("O" | "A") => "other",
        _ => "unknown",
    }
    .into();
    Some(resource)
}

pub(crate) fn subject(entry: &DocumentEntry) -> Value {
    subject_of(&entry.patient_id)
}

pub(crate) fn subject_of(patient: &carerecord_model::PatientId) -> Value {
    let (system, value) = match patient.nhs_number() {
        Some(number) => (NHS_NUMBER_SYSTEM.to_owned(), number.digits()),
        None => (system_of_scheme(patient.authority().as_str()), patient.id().to_owned()),
    };
    json!({"type": "Patient", "identifier": {"system": system, "value": value}})
}

pub(crate) fn identifier(usage: &str, kind: &str, (system, value): (String, String)) -> Value {
    json!({
        "use": usage,
        "type": {"coding": [{"system": IDENTIFIER_TYPE, "code": kind}]},
        "system": system,
        "value": value,
    })
}

/// `2.999.1` is `urn:oid:2.999.1`; `root^extension` is the root's system and the extension.
pub(crate) fn unique_id(id: &UniqueId) -> (String, String) {
    let text = id.as_str();
    let is_oid = |s: &str| s.parse::<carerecord_model::Oid>().is_ok();
    if is_oid(text) {
        return (URI.into(), format!("urn:oid:{text}"));
    }
    match text.split_once('^') {
        Some((root, extension)) if is_oid(root) => (format!("urn:oid:{root}"), extension.into()),
        _ if uuid::Uuid::parse_str(text).is_ok() => (URI.into(), format!("urn:uuid:{text}")),
        _ => (URI.into(), text.to_owned()),
    }
}

pub(crate) fn concept(code: &Code) -> Value {
    json!({"coding": [coding(code)]})
}

fn coding(code: &Code) -> Value {
    json!({"system": system_of_scheme(&code.scheme), "code": code.code, "display": code.display})
}

pub(crate) fn status(status: AvailabilityStatus) -> &'static str {
    match status {
        AvailabilityStatus::Approved => "current",
        AvailabilityStatus::Deprecated => "superseded",
    }
}

fn relates_to(related: &Related) -> Value {
    let code = match related.association_type {
        AssociationType::Replace | AssociationType::TransformAndReplace => "replaces",
        AssociationType::Append | AssociationType::HasMember => "appends",
        AssociationType::Transform | AssociationType::IsSnapshotOf => "transforms",
        AssociationType::Signs => "signs",
    };
    let reference = format!("DocumentReference/{}", related.target.uuid());
    json!({"code": code, "target": {"reference": reference}})
}

fn reference_id(cxi: &str) -> Option<Value> {
    let parts = components(cxi, '^');
    let value = unescape(parts.first()?);
    let authority = parts.get(3).map(|a| components(a, '&')).unwrap_or_default();
    let mut identifier = json!({"value": value});
    if let Some(oid) = authority.get(1).filter(|o| !o.is_empty()) {
        identifier["system"] = system_of_scheme(oid).into();
    }
    if let Some(kind) = parts.get(4).filter(|k| !k.is_empty()) {
        identifier["type"] = json!({"coding": [{"system": URI, "code": kind}]});
    }
    Some(json!({"identifier": identifier}))
}

/// XDS has the digest in hex; FHIR wants the digest itself in base64.
fn hash(hex: &str) -> Option<String> {
    let bytes: Option<Vec<u8>> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok())
        .collect();
    bytes.map(|b| STANDARD.encode(b))
}

const URI: &str = "urn:ietf:rfc:3986";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const IDENTIFIER_TYPE: &str =
    "https://profiles.ihe.net/ITI/MHD/CodeSystem/IHE.MHD.MHDIdentifierType";
const PROFILE: &str =
    "https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD.Comprehensive.DocumentReference";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_change_their_dress() {
        assert_eq!(
            hash("2aae6c35c94fcfb415dbe95f408b9ce91ee846ed").as_deref(),
            Some("Kq5sNclPz7QV2+lfQIuc6R7oRu0=")
        );
        assert_eq!(hash("zz"), None);
    }

    #[test]
    fn unique_ids_take_the_form_of_fhir() {
        let pair = |s: &str| unique_id(&s.parse().unwrap());

        assert_eq!(pair("2.999.1"), (URI.into(), "urn:oid:2.999.1".into()));
        assert_eq!(pair("2.999.1^A17"), ("urn:oid:2.999.1".into(), "A17".into()));
        let uuid = "6c1d0b52-0000-4000-8000-000000000001";
        assert_eq!(pair(uuid), (URI.into(), format!("urn:uuid:{uuid}")));
    }
}
