use base64::Engine as _;
use serde_json::{Value, json};

use crate::Letter;

/// A Bundle of ITI-65 that publishes letters, each as template and metadata of `Letter` have it.
///
/// Entry 0 is the SubmissionSet; then come for each letter its DocumentReference and its Binary,
/// under `urn:uuid:document-N` and `urn:uuid:binary-N`.
pub fn provide_bundle(submission_id: &str, letters: &[&Letter]) -> Value {
    let mut entries = Vec::new();
    let mut members = Vec::new();
    for (n, letter) in letters.iter().enumerate() {
        let (document, binary) = (format!("urn:uuid:document-{n}"), format!("urn:uuid:binary-{n}"));
        members.push(json!({"item": {"reference": document}}));
        entries.push(json!({
            "fullUrl": document,
            "resource": document_reference(letter, &binary),
            "request": {"method": "POST", "url": "DocumentReference"},
        }));
        let data = base64::engine::general_purpose::STANDARD.encode(&letter.bytes);
        entries.push(json!({
            "fullUrl": binary,
            "resource": {"resourceType": "Binary", "contentType": letter.mime_type, "data": data},
            "request": {"method": "POST", "url": "Binary"},
        }));
    }
    let patient = letters.first().map(|letter| letter.patient.as_str()).unwrap_or_default();
    let set = json!({
        "fullUrl": "urn:uuid:set",
        "resource": list("submissionset", submission_id, patient, members),
        "request": {"method": "POST", "url": "List"},
    });
    entries.insert(0, set);
    json!({
        "resourceType": "Bundle",
        "meta": {"profile": [format!("{MHD}/StructureDefinition/IHE.MHD.Comprehensive.ProvideBundle")]},
        "type": "transaction",
        "entry": entries,
    })
}

/// A List of that kind, `submissionset` or `folder`.
pub fn list(kind: &str, unique_id: &str, patient: &str, entries: Vec<Value>) -> Value {
    json!({
        "resourceType": "List",
        "extension": [
            {"url": format!("{MHD}/StructureDefinition/ihe-designationType"),
                "valueCodeableConcept": snomed("820451000000100", "Medical note")},
            {"url": format!("{MHD}/StructureDefinition/ihe-sourceId"), "valueIdentifier":
                {"system": "urn:ietf:rfc:3986", "value": "urn:oid:2.999.826.9"}},
        ],
        "identifier": [{"use": "usual", "system": "urn:ietf:rfc:3986",
            "value": format!("urn:oid:{unique_id}")}],
        "status": "current",
        "mode": "working",
        "title": format!("A {kind}"),
        "code": {"coding": [{"system": format!("{MHD}/CodeSystem/MHDlistTypes"), "code": kind}]},
        "subject": subject(patient),
        "date": "2026-11-01T09:30:00Z",
        "entry": entries,
    })
}

/// A letter's metadata; its bytes are elsewhere.
pub fn document_reference(letter: &Letter, url: &str) -> Value {
    json!({
        "resourceType": "DocumentReference",
        "contained": [{"resourceType": "Patient", "id": "patient", "identifier": [
            {"system": NHS_NUMBER, "value": letter.patient}]}],
        "masterIdentifier": {"system": "urn:ietf:rfc:3986",
            "value": format!("urn:oid:{}", letter.unique_id)},
        "status": "current",
        "type": snomed("820451000000100", "Medical note"),
        "category": [snomed(&letter.class, "Clinical note")],
        "subject": subject(&letter.patient),
        "securityLabel": [{"coding": [{"code": "N", "display": "normal",
            "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"}]}],
        "content": [{
            "attachment": {"contentType": letter.mime_type, "language": "en-GB", "url": url,
                "title": letter.title, "creation": "2026-11-01"},
            "format": {"system": "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
                "code": "urn:ihe:iti:xds:2017:mimeTypeSufficient", "display": "MIME type sufficient"},
        }],
        "context": {
            "facilityType": snomed("22232009", "Hospital"),
            "practiceSetting": snomed("394802001", "General medicine"),
            "sourcePatientInfo": {"reference": "#patient"},
        },
    })
}

fn subject(patient: &str) -> Value {
    json!({"identifier": {"system": NHS_NUMBER, "value": patient}})
}

fn snomed(code: &str, display: &str) -> Value {
    json!({"coding": [{"system": "http://snomed.info/sct", "code": code, "display": display}]})
}

const MHD: &str = "https://profiles.ihe.net/ITI/MHD";
const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
