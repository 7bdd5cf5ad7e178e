use carerecord_model::{Dtm, Gender, NumberStatus};
use serde_json::Value;

use super::{
    AuthorHeader, Coding, DocumentHeader, MAX_REPEATS, Organisation, PatientHeader, Person,
    RelatedDocument, Relation, clean,
};
use crate::fhir::{Bundle, first, items, resource_type, text};
use crate::time::from_fhir;
use crate::{HeaderError, InstanceId};

/// Reads the header of a FHIR document bundle, R4 or STU3.
pub(crate) fn header(bundle: &Value) -> Result<DocumentHeader, HeaderError> {
    let bundle = Bundle::new(bundle)?;
    let composition = bundle.composition;
    let own = first(composition, "identifier").and_then(identifier);
    let id = first(bundle.bundle, "identifier").and_then(identifier).or_else(|| own.clone());
    let category = if composition.get("category").is_some() { "category" } else { "class" };
    let resolved = |name: &str| bundle.resolve(composition, first(composition, name)?);
    let mut header = DocumentHeader {
        id: id.or_else(|| bundle_id(bundle.bundle)),
        set_id: own,
        version: first(composition, "meta").and_then(|m| line(m, "versionId")),
        related: related(&bundle),
        types: codings(composition, "type"),
        categories: codings(composition, category),
        title: line(composition, "title"),
        creation_time: time(composition, "date").or_else(|| time(bundle.bundle, "timestamp")),
        language: line(composition, "language").or_else(|| line(bundle.bundle, "language")),
        confidentiality: confidentiality(&bundle),
        patient: subject(&bundle),
        patient_count: items(composition, "subject").count(),
        custodian: resolved("custodian").map(organisation),
        formats: formats(&bundle),
        ..DocumentHeader::empty()
    };
    let authors = items(composition, "author").take(MAX_REPEATS);
    header.authors = authors.map(|a| author(&bundle, composition, a)).collect();
    let legal = items(composition, "attester")
        .find(|a| items(a, "mode").any(|mode| mode.as_str() == Some("legal")));
    header.legal_authenticator =
        legal.and_then(|a| first(a, "party")).map(|party| author(&bundle, composition, party));
    service(&bundle, &mut header);
    Ok(header)
}

/// The Patient, or what the reference itself says of one that is not in the bundle.
fn subject(bundle: &Bundle<'_>) -> Option<PatientHeader> {
    let reference = first(bundle.composition, "subject")?;
    match bundle.resolve(bundle.composition, reference) {
        Some(found) if resource_type(found) == "Patient" => Some(patient(found)),
        Some(_) => None,
        None => {
            let mut patient = PatientHeader::default();
            for value in items(reference, "identifier") {
                if let Some(id) = identifier(value) {
                    patient.add_id(id, number_status(value));
                }
            }
            (patient != PatientHeader::default()).then_some(patient)
        }
    }
}

/// A logical id identifies a document only when it is a UUID.
fn bundle_id(bundle: &Value) -> Option<InstanceId> {
    let id = InstanceId { root: line(bundle, "id")?, ..InstanceId::default() };
    id.unique_id().starts_with("urn:uuid:").then_some(id)
}

fn related(bundle: &Bundle<'_>) -> Vec<RelatedDocument> {
    let mut all = Vec::new();
    for related in items(bundle.composition, "relatesTo").take(MAX_REPEATS) {
        let relation = match text(related, "code") {
            Some("replaces") => Relation::Replaces,
            Some("appends") => Relation::Appends,
            Some("transforms") => Relation::Transforms,
            Some(_) | None => continue,
        };
        let by_identifier = first(related, "targetIdentifier");
        let reference = first(related, "targetReference");
        let by_reference = reference.and_then(|r| first(r, "identifier"));
        let urn = reference.and_then(|r| text(r, "reference")).filter(|r| r.starts_with("urn:"));
        let id = by_identifier.or(by_reference).and_then(identifier).or_else(|| {
            let root = urn?.trim_start_matches("urn:oid:").to_owned();
            Some(InstanceId { root, ..InstanceId::default() })
        });
        all.extend(id.map(|id| RelatedDocument { relation, id }));
    }
    all
}

fn confidentiality(bundle: &Bundle<'_>) -> Option<Coding> {
    if let Some(code) = line(bundle.composition, "confidentiality") {
        return Some(Coding { code, system: Some(CONFIDENTIALITY.to_owned()), display: None });
    }
    let metas = [bundle.composition, bundle.bundle].into_iter().flat_map(|r| items(r, "meta"));
    let labels = metas.flat_map(|m| items(m, "security")).filter_map(coding);
    labels.into_iter().find(|c| {
        c.system.as_deref().is_some_and(|s| s.to_ascii_lowercase().ends_with("v3-confidentiality"))
    })
}

fn patient(resource: &Value) -> PatientHeader {
    let mut patient = PatientHeader::default();
    for value in items(resource, "identifier") {
        if let Some(id) = identifier(value) {
            patient.add_id(id, number_status(value));
        }
    }
    patient.name = name(resource);
    patient.birth_date = time(resource, "birthDate");
    patient.gender = match text(resource, "gender") {
        Some("male") => Some(Gender::Male),
        Some("female") => Some(Gender::Female),
        Some("other") => Some(Gender::Other),
        Some("unknown") => Some(Gender::Unknown),
        Some(_) | None => None,
    };
    patient
}

/// The verification status extension of UK Core or CareConnect.
fn number_status(identifier: &Value) -> Option<NumberStatus> {
    let extension = items(identifier, "extension")
        .find(|e| text(e, "url").is_some_and(|url| url.contains("NHSNumberVerificationStatus")))?;
    let codings = items(extension, "valueCodeableConcept").flat_map(|c| items(c, "coding"));
    let verified = codings.filter_map(|c| text(c, "code")).any(|code| {
        let welsh = "number-present-and-traced-using-welsh-nhs-ar";
        matches!(code, "01" | "number-present-and-verified") || code == welsh
    });
    Some(if verified { NumberStatus::Verified } else { NumberStatus::Unverified })
}

/// A reference to who wrote: a person, a role of a person, an organisation, a device.
fn author<'v>(bundle: &Bundle<'v>, from: &'v Value, reference: &'v Value) -> AuthorHeader {
    let Some(resource) = bundle.resolve(from, reference) else {
        let display = line(reference, "display");
        let person = display.map(|d| Person { family: Some(d), ..Person::default() });
        let ids = items(reference, "identifier").filter_map(identifier).collect();
        return AuthorHeader { ids, person, ..AuthorHeader::default() };
    };
    let mut author = AuthorHeader { ids: ids(resource), ..AuthorHeader::default() };
    add_telecoms(resource, &mut author);
    match resource_type(resource) {
        "Organization" => {
            author.ids.clear();
            author.organisation = Some(organisation(resource));
        }
        "PractitionerRole" => {
            let target = |name: &str| bundle.resolve(resource, first(resource, name)?);
            author.role = codings(resource, "code").into_iter().next();
            author.organisation = target("organization").map(organisation);
            if let Some(person) = target("practitioner") {
                author.person = name(person);
                author.ids.splice(0..0, ids(person));
                add_telecoms(person, &mut author);
            } else {
                let display = first(resource, "practitioner").and_then(|p| line(p, "display"));
                author.person = display.map(|d| Person { family: Some(d), ..Person::default() });
            }
        }
        "Device" => author.person = device(resource),
        _ => author.person = name(resource),
    }
    author
}

fn add_telecoms(resource: &Value, author: &mut AuthorHeader) {
    let room = MAX_REPEATS.saturating_sub(author.telecoms.len());
    let telecoms = items(resource, "telecom").filter_map(|t| line(t, "value"));
    author.telecoms.extend(telecoms.take(room));
}

fn device(resource: &Value) -> Option<Person> {
    let named = first(resource, "deviceName").and_then(|d| line(d, "name"));
    let kind = || first(resource, "type").and_then(|t| line(t, "text"));
    let name = named.or_else(|| line(resource, "model")).or_else(kind)?;
    Some(Person { family: Some(name), ..Person::default() })
}

fn organisation(resource: &Value) -> Organisation {
    Organisation { name: line(resource, "name"), ids: ids(resource) }
}

/// The official name when one is marked, else the first.
fn name(resource: &Value) -> Option<Person> {
    let official = items(resource, "name").find(|n| text(n, "use") == Some("official"));
    let name = official.or_else(|| first(resource, "name"))?;
    let parts = |part: &str| -> Vec<String> {
        let all = items(name, part).filter_map(Value::as_str).filter_map(clean);
        all.take(MAX_REPEATS).collect()
    };
    let joined = |part: &str| Some(parts(part).join(" ")).filter(|t| !t.is_empty());
    let mut person = Person {
        family: joined("family"),
        given: parts("given"),
        prefix: joined("prefix"),
        suffix: joined("suffix"),
    };
    if person == Person::default() {
        person.family = line(name, "text");
    }
    person.or_none()
}

fn service(bundle: &Bundle<'_>, header: &mut DocumentHeader) {
    let composition = bundle.composition;
    let encounter = first(composition, "encounter").and_then(|e| bundle.resolve(composition, e));
    let events = || items(composition, "event");
    header.event_codes = events().flat_map(|e| codings(e, "code")).take(MAX_REPEATS).collect();
    let periods = events().chain(encounter).filter_map(|e| first(e, "period"));
    for period in periods {
        if header.service_start.is_none() && header.service_stop.is_none() {
            header.service_start = time(period, "start");
            header.service_stop = time(period, "end");
        }
    }
    let Some(encounter) = encounter else { return };
    header.practice_setting = codings(encounter, "serviceType").into_iter().next();
    let location = items(encounter, "location")
        .filter_map(|l| first(l, "location"))
        .find_map(|l| bundle.resolve(encounter, l));
    header.facility_type = location.and_then(|l| codings(l, "type").into_iter().next());
}

fn formats(bundle: &Bundle<'_>) -> Vec<String> {
    let metas = [bundle.bundle, bundle.composition].into_iter().flat_map(|r| items(r, "meta"));
    let profiles = metas.flat_map(|m| items(m, "profile"));
    profiles.filter_map(Value::as_str).filter_map(clean).take(MAX_REPEATS).collect()
}

fn ids(resource: &Value) -> Vec<InstanceId> {
    items(resource, "identifier").filter_map(identifier).take(MAX_REPEATS).collect()
}

fn identifier(value: &Value) -> Option<InstanceId> {
    let system = line(value, "system").unwrap_or_default();
    let root = system.strip_prefix("urn:oid:").unwrap_or(&system).to_owned();
    let assigner = first(value, "assigner").and_then(|a| line(a, "display"));
    let extension = Some(line(value, "value")?);
    Some(InstanceId { root, extension, assigning_authority_name: assigner })
}

/// All codings of the CodeableConcepts under a name.
pub(crate) fn codings(value: &Value, name: &str) -> Vec<Coding> {
    let concepts = items(value, name);
    let all = concepts.flat_map(|c| {
        let words = line(c, "text");
        items(c, "coding").filter_map(coding).map(move |mut coding| {
            coding.display = coding.display.or_else(|| words.clone());
            coding
        })
    });
    all.take(MAX_REPEATS).collect()
}

fn coding(value: &Value) -> Option<Coding> {
    let system = line(value, "system");
    let system = system.map(|s| s.strip_prefix("urn:oid:").map(str::to_owned).unwrap_or(s));
    Some(Coding { code: line(value, "code")?, system, display: line(value, "display") })
}

fn time(value: &Value, name: &str) -> Option<Dtm> {
    text(value, name).and_then(from_fhir)
}

fn line(value: &Value, name: &str) -> Option<String> {
    text(value, name).and_then(clean)
}

const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
