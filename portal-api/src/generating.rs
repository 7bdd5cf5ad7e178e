//! Metadata out of a document's own header. MHD 5, ITI-106.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use carerecord_clinical::{
    AuthorHeader, Coding, DocumentHeader, InstanceId, Kind, Organisation, PatientHeader, Person,
    Relation,
};
use carerecord_fhir::{
    FhirDocuments, Format, NHS_NUMBER_SYSTEM, Problem, date_time, document_identifier,
    system_of_scheme,
};
use carerecord_model::{
    Code, Dtm, EntryUuid, Gender, NhsNumber, NumberStatus, PatientId, UniqueId,
};
use serde_json::{Value, json};

use crate::Portal;
use crate::error::FhirError;
use crate::publishing::CodeDefaults;

/// A document that was sent for its metadata to be made.
pub(crate) struct Generated {
    header: DocumentHeader,
    unique_id: UniqueId,
    /// Whose it is.
    pub patient: NhsNumber,
    mime_type: String,
    bytes: Vec<u8>,
    /// Where it stands in what was sent.
    place: String,
}

/// Which of the documents that a header names are registered.
pub(crate) type KnownRelations = HashMap<UniqueId, EntryUuid>;

impl Generated {
    /// Reads the Parameters of the operation.
    pub(crate) fn read(sent: &Value, documents: &FhirDocuments) -> Result<Self, FhirError> {
        let parameters = sent["parameter"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut named =
            parameters.iter().enumerate().filter(|(_, parameter)| parameter["name"] == "document");
        let is_parameters = sent["resourceType"] == "Parameters";
        let (Some((n, parameter)), None, true) = (named.next(), named.next(), is_parameters) else {
            return Err(FhirError::Body("send Parameters with one parameter, document".into()));
        };
        let place = format!("Parameters.parameter[{n}].resource");
        let wrong = |kind: &'static str, text: &str| {
            let problem = Problem { kind, text: text.to_owned(), expression: place.clone() };
            FhirError::Problems(vec![problem])
        };
        let resource = &parameter["resource"];
        let (bytes, told) = match resource["resourceType"].as_str() {
            Some("Binary") => {
                let data = resource["data"].as_str().unwrap_or_default();
                let data: Vec<u8> = data.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
                let bytes = STANDARD.decode(data).ok().filter(|bytes| !bytes.is_empty());
                let bytes = bytes.ok_or_else(|| wrong("invalid", "Its data must be base64."))?;
                (bytes, resource["contentType"].as_str())
            }
            Some("Bundle") => {
                let bytes = documents.bytes.get(&n).cloned();
                let kind = match documents.format {
                    Format::Json => "application/fhir+json",
                    Format::Xml => "application/fhir+xml",
                };
                (bytes.ok_or_else(|| wrong("structure", "It cannot be kept."))?, Some(kind))
            }
            _ => return Err(wrong("structure", "It must be a Binary or a Bundle.")),
        };
        let kind = Kind::sniff(&bytes);
        let header = DocumentHeader::read_as(&bytes, &kind);
        let header = header.map_err(|error| wrong("structure", &error.to_string()))?;
        let mime_type = mime_type(&kind, told)
            .ok_or_else(|| wrong("invalid", "Its contentType is not what it is: XML or JSON."))?;
        let unique_id = header.unique_id().and_then(|id| id.parse().ok());
        let unique_id =
            unique_id.ok_or_else(|| wrong("required", "The document has no id of its own."))?;
        let patient = patient(&header).map_err(|why| wrong("business-rule", why))?;
        Ok(Self { header, unique_id, patient, mime_type, bytes, place })
    }

    /// The documents that its header relates it to.
    fn related(&self) -> impl Iterator<Item = (&'static str, UniqueId)> {
        self.header.related.iter().filter_map(|related| {
            let code = match related.relation {
                Relation::Replaces => "replaces",
                Relation::Appends => "appends",
                Relation::Transforms => "transforms",
            };
            Some((code, related.id.unique_id().parse().ok()?))
        })
    }

    /// The DocumentReference of it, with the document inside, as ITI-105 takes it. Relations to
    /// documents that are not registered are left out: a header may name what was never shared.
    pub(crate) fn document_reference(
        &self,
        codes: Option<&CodeDefaults>,
        known: &KnownRelations,
    ) -> Value {
        let h = &self.header;
        let mut contained = Vec::new();
        let authors = references(&h.authors, "author", &mut contained);
        let legal = h.legal_authenticator.iter().filter(|a| a.person.is_some());
        let legal: Vec<AuthorHeader> = legal.cloned().collect();
        let authenticator = references(&legal, "authenticator", &mut contained).into_iter().next();
        contained.push(source_patient(h.patient.as_ref(), self.patient));
        let related = self.related().filter_map(|(code, id)| {
            let target = format!("DocumentReference/{}", known.get(&id)?.uuid());
            Some(json!({"code": code, "target": {"reference": target}}))
        });
        let concept = |own: Option<&Coding>, default: Option<&Code>| {
            let own = own.and_then(coding);
            let coding = own.or_else(|| default.map(coding_of))?;
            Some(json!({"coding": [coding]}))
        };
        let own_type = h.types.iter().find(|c| coding(c).is_some());
        let class = codes.map(|codes| {
            let of_type = own_type.map_or(codes.type_code.code.as_str(), |t| t.code.as_str());
            codes.classes.get(of_type).unwrap_or(&codes.class)
        });
        let category = h.categories.iter().find(|c| coding(c).is_some());
        let label = h.confidentiality.as_ref().filter(|c| LADDER.contains(&c.code.as_str()));
        let label = label.map(|c| {
            json!({"coding": [{"system": CONFIDENTIALITY, "code": c.code,
            "display": c.display.as_deref().unwrap_or(&c.code)}]})
        });
        let label = label.or_else(|| concept(None, codes.map(|codes| &codes.confidentiality)));
        let default_language = || codes.map(|codes| codes.language.clone());
        let events: Vec<Value> =
            h.event_codes.iter().filter_map(|c| concept(Some(c), None)).collect();
        let resource = json!({
            "resourceType": "DocumentReference",
            "contained": contained,
            "masterIdentifier": document_identifier(&self.unique_id),
            "status": "current",
            "type": concept(own_type, codes.map(|codes| &codes.type_code)),
            "category": concept(category, class).map(|c| vec![c]),
            "subject": {"identifier": {"system": NHS_NUMBER_SYSTEM, "value": self.patient.digits()}},
            "author": authors,
            "authenticator": authenticator,
            "relatesTo": related.collect::<Vec<_>>(),
            "securityLabel": label.map(|label| vec![label]),
            "content": [{
                "attachment": {
                    "contentType": self.mime_type,
                    "language": h.language.clone().or_else(default_language),
                    "title": h.title.as_deref().map(short),
                    "creation": h.creation_time.as_ref().map(date_time),
                    "data": STANDARD.encode(&self.bytes),
                },
                "format": format(h.formats.first().map(String::as_str)),
            }],
            "context": {
                "event": events,
                "period": period(h),
                "facilityType": concept(h.facility_type.as_ref(), codes.map(|c| &c.facility)),
                "practiceSetting": concept(h.practice_setting.as_ref(), codes.map(|c| &c.practice)),
                "sourcePatientInfo": {"reference": format!("#{SOURCE_PATIENT}")},
            },
        });
        without_nulls(resource)
    }

    /// Problems of the metadata as those of what was sent, where it stands.
    pub(crate) fn problems(&self, problems: Vec<Problem>) -> Vec<Problem> {
        let moved = |problem: Problem| Problem {
            text: format!("{}: {}", problem.expression, problem.text),
            expression: self.place.clone(),
            ..problem
        };
        problems.into_iter().map(moved).collect()
    }
}

impl Portal {
    /// Which of the documents that a header names are registered for its patient.
    pub(crate) async fn known_relations(
        &self,
        generated: &Generated,
    ) -> Result<KnownRelations, FhirError> {
        let ids: Vec<UniqueId> = generated.related().map(|(_, id)| id).collect();
        let patient = PatientId::from_nhs_number(self.surviving(generated.patient).await?);
        self.registered(ids, &patient).await
    }
}

/// Whose document it is: beyond doubt, or nobody's.
fn patient(header: &DocumentHeader) -> Result<NhsNumber, &'static str> {
    if header.patient_count > 1 {
        return Err("The document names more than one patient.");
    }
    let patient = header.patient.as_ref().ok_or("The document names no patient.")?;
    if patient.nhs_number_conflict {
        return Err("The document has two different NHS Numbers.");
    }
    match &patient.nhs_number {
        Some(found) if found.status == NumberStatus::Verified => Ok(found.number),
        Some(_) => Err("The NHS Number of the document is not verified."),
        None => Err("The document has no valid NHS Number."),
    }
}

/// The type that was told, if it can be; the one that the bytes have otherwise.
fn mime_type(kind: &Kind, told: Option<&str>) -> Option<String> {
    let Some(told) = told else { return Some(kind.mime_type().to_owned()) };
    let form = if kind.mime_type().ends_with("json") { "json" } else { "xml" };
    let essence = told.split(';').next().unwrap_or(told).trim().to_ascii_lowercase();
    essence.ends_with(form).then(|| told.to_owned())
}

fn coding(c: &Coding) -> Option<Value> {
    let (system, code) = (c.system.as_deref()?.trim(), c.code.trim());
    let there = !system.is_empty() && !code.is_empty();
    let display = c.display.as_deref().unwrap_or(code);
    there.then(|| json!({"system": system_of_scheme(system), "code": code, "display": display}))
}

fn coding_of(code: &Code) -> Value {
    json!({"system": system_of_scheme(&code.scheme), "code": code.code, "display": code.display})
}

/// The profile or template that it follows; without one its media type says enough.
fn format(own: Option<&str>) -> Value {
    match own {
        Some(format) => json!({"system": FORMAT, "code": format, "display": format}),
        None => json!({
            "system": "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
            "code": "urn:ihe:iti:xds:2017:mimeTypeSufficient",
            "display": "MIME type sufficient",
        }),
    }
}

/// A stop before the start is left out rather than refused: the header is not ours to mend.
fn period(h: &DocumentHeader) -> Value {
    let in_order = |stop: &&Dtm| h.service_start.as_ref().is_none_or(|start| start <= *stop);
    let stop = h.service_stop.as_ref().filter(in_order);
    json!({"start": h.service_start.as_ref().map(date_time), "end": stop.map(date_time)})
}

/// References to contained people and organisations.
fn references(authors: &[AuthorHeader], name: &str, contained: &mut Vec<Value>) -> Vec<Value> {
    let mut all = Vec::new();
    for (n, author) in authors.iter().enumerate() {
        let organisation = author.organisation.as_ref().filter(|o| o.name.is_some()).map(|o| {
            let id = format!("{name}-organization-{n}");
            contained.push(organization(o, &id));
            json!({"reference": format!("#{id}")})
        });
        let practitioner = author.person.as_ref().map(|person| {
            let id = format!("{name}-person-{n}");
            contained.push(practitioner(person, &author.ids, &id));
            json!({"reference": format!("#{id}")})
        });
        if practitioner.is_none() {
            all.extend(organisation);
            continue;
        }
        let id = format!("{name}-{n}");
        let role = author.role.as_ref().and_then(|role| role.display.clone());
        contained.push(json!({
            "resourceType": "PractitionerRole",
            "id": id,
            "practitioner": practitioner,
            "organization": organisation,
            "code": role.map(|text| vec![json!({"text": text})]),
        }));
        all.push(json!({"reference": format!("#{id}")}));
    }
    all
}

fn practitioner(person: &Person, ids: &[InstanceId], id: &str) -> Value {
    let mut name = json!({"family": person.family, "given": person.given});
    name["prefix"] = json!(person.prefix.as_ref().map(|prefix| vec![prefix]));
    name["suffix"] = json!(person.suffix.as_ref().map(|suffix| vec![suffix]));
    let identifier = ids.iter().find_map(identifier).map(|identifier| vec![identifier]);
    json!({"resourceType": "Practitioner", "id": id, "identifier": identifier, "name": [name]})
}

fn organization(organisation: &Organisation, id: &str) -> Value {
    let ods = organisation.ods_code().map(|code| vec![json!({"system": ODS, "value": code})]);
    json!({"resourceType": "Organization", "id": id, "identifier": ods, "name": organisation.name})
}

fn identifier(id: &InstanceId) -> Option<Value> {
    let extension = id.extension.as_deref()?;
    Some(json!({"system": system_of_scheme(&id.root), "value": extension}))
}

/// The patient as the document has them; the number that the source has comes first.
fn source_patient(patient: Option<&PatientHeader>, number: NhsNumber) -> Value {
    let own = patient.and_then(|p| p.local_ids.iter().find_map(identifier));
    let nhs = json!({"system": NHS_NUMBER_SYSTEM, "value": number.digits()});
    let gender = patient.and_then(|p| p.gender).map(|gender| match gender {
        Gender::Female => "female",
        Gender::Male => "male",
        Gender::Other => "other",
        Gender::Unknown => "unknown",
    });
    let name = patient.and_then(|p| p.name.as_ref()).map(|name| {
        let prefix = name.prefix.as_ref().map(|prefix| vec![prefix]);
        vec![json!({"family": name.family, "given": name.given, "prefix": prefix})]
    });
    json!({
        "resourceType": "Patient",
        "id": SOURCE_PATIENT,
        "identifier": [own.unwrap_or(nhs)],
        "name": name,
        "gender": gender,
        "birthDate": patient.and_then(|p| p.birth_date.as_ref()).map(date_time),
    })
}

/// As much of a title as a registry keeps.
fn short(title: &str) -> String {
    title.chars().take(MAX_TITLE).collect()
}

/// FHIR has no empty values.
fn without_nulls(value: Value) -> Value {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(all) => all.is_empty(),
        Value::Object(all) => all.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    };
    match value {
        Value::Object(all) => {
            let kept = all.into_iter().map(|(name, value)| (name, without_nulls(value)));
            Value::Object(kept.filter(|(_, value)| !is_empty(value)).collect())
        }
        Value::Array(all) => {
            all.into_iter().map(without_nulls).filter(|value| !is_empty(value)).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

const SOURCE_PATIENT: &str = "source-patient";
const MAX_TITLE: usize = 128;
const LADDER: [&str; 6] = ["U", "L", "M", "N", "R", "V"];
const CONFIDENTIALITY: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
/// Profiles and templates, as the publishing tool registers them.
const FORMAT: &str = "urn:carerecord:format";
