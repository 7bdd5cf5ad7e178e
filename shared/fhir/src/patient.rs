use carerecord_model::{Gender, NumberStatus, Patient};
use serde_json::{Value, json};

/// The system of NHS Numbers.
pub const NHS_NUMBER_SYSTEM: &str = "https://fhir.nhs.uk/Id/nhs-number";

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
        "gender": match person.gender {
            Gender::Female => "female",
            Gender::Male => "male",
            Gender::Other => "other",
            Gender::Unknown => "unknown",
        },
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
    }
    if let Some(date) = person.birth_date {
        resource["birthDate"] = date.to_string().into();
    }
    match person.death_date {
        Some(date) => resource["deceasedDateTime"] = date.to_string().into(),
        None if person.deceased => resource["deceasedBoolean"] = true.into(),
        None => {}
    }
    resource
}

const VERIFICATION_EXTENSION: &str =
    "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus";
const VERIFICATION_SYSTEM: &str =
    "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland";
