use carerecord_model::{
    FoundPatient, Gender, NHS_NUMBER_OID, NumberStatus, Oid, Patient, PatientId,
};
use serde_json::{Value, json};

use crate::identifier::patient_identifier;

/// The system of NHS Numbers.
pub const NHS_NUMBER_SYSTEM: &str = "https://fhir.nhs.uk/Id/nhs-number";

/// The code of FHIR's administrative gender.
pub fn gender_code(gender: Gender) -> &'static str {
    match gender {
        Gender::Female => "female",
        Gender::Male => "male",
        Gender::Other => "other",
        Gender::Unknown => "unknown",
    }
}

/// A person of the index as Patient. The logical id is not the NHS Number, which must not stand in
/// URLs; the caller gives one.
pub fn patient_resource(person: &Patient, id: &str) -> Value {
    let status = match person.number_status {
        NumberStatus::Verified => ("01", "Number present and verified"),
        NumberStatus::Unverified => ("02", "Number present but not traced"),
    };
    let mut resource = json!({
        "resourceType": "Patient",
        "id": id,
        "active": true,
        "identifier": [{
            "extension": [{
                "url": VERIFICATION_EXTENSION,
                "valueCodeableConcept": {"coding": [{
                    "system": VERIFICATION_SYSTEM, "code": status.0, "display": status.1,
                }]},
            }],
            "system": NHS_NUMBER_SYSTEM,
            "value": person.nhs_number.digits(),
        }],
        "gender": gender_code(person.gender),
        "meta": {"security": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
            "code": if person.restricted { "R" } else { "U" },
        }]},
    });
    if person.family_name.is_some() || !person.given_names.is_empty() {
        let mut name = json!({"use": "official"});
        if let Some(family) = &person.family_name {
            name["family"] = family.as_str().into();
        }
        if !person.given_names.is_empty() {
            name["given"] = person.given_names.clone().into();
        }
        if let Some(prefix) = &person.prefix {
            name["prefix"] = json!([prefix]);
        }
        resource["name"] = json!([name]);
    } else {
        let unknown = json!({"url": DATA_ABSENT_REASON, "valueCode": "unknown"});
        resource["name"] = json!([{"extension": [unknown]}]);
    }
    if let Some(date) = person.birth_date {
        resource["birthDate"] = date.to_string().into();
    }
    if let Some(postcode) = person.postcode.as_ref().filter(|_| !person.restricted) {
        resource["address"] = json!([{"use": "home", "postalCode": postcode}]);
    }
    match person.death_date {
        Some(date) => resource["deceasedDateTime"] = date.to_string().into(),
        None if person.deceased => resource["deceasedBoolean"] = true.into(),
        None => {}
    }
    resource
}

/// A person with the identifiers of `domains`, with all without any. A number that was merged into
/// the person's is an old one, and whom it was of is replaced. PDQm 2.1.
pub fn found_patient_resource(found: &FoundPatient, id: &str, domains: &[Oid]) -> Value {
    let is_nhs = |id: &PatientId| id.authority().as_str() == NHS_NUMBER_OID;
    let own = PatientId::from_nhs_number(found.patient.nhs_number);
    let wanted = |id: &&PatientId| domains.is_empty() || domains.contains(id.authority());
    let mut resource = patient_resource(&found.patient, id);
    let mut identifiers: Vec<Value> = Vec::new();
    if wanted(&&own) {
        identifiers.push(resource["identifier"][0].take());
    }
    let mut links: Vec<Value> = Vec::new();
    for other in found.identifiers.iter().filter(|id| **id != own).filter(wanted) {
        let mut identifier = patient_identifier(other);
        if is_nhs(other) {
            let replaced = json!({"type": "Patient", "identifier": identifier});
            links.push(json!({"other": replaced, "type": "replaces"}));
            identifier["use"] = "old".into();
        }
        identifiers.push(identifier);
    }
    resource["identifier"] = identifiers.into();
    if !links.is_empty() {
        resource["link"] = links.into();
    }
    resource
}

const DATA_ABSENT_REASON: &str = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
const VERIFICATION_EXTENSION: &str =
    "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus";
const VERIFICATION_SYSTEM: &str =
    "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland";
