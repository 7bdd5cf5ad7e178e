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

/// A letter as one resource with the document inside, as ITI-105 takes it.
pub fn simplified_publish(letter: &Letter) -> Value {
    let mut resource = document_reference(letter, "");
    let attachment = &mut resource["content"][0]["attachment"];
    attachment.as_object_mut().expect("it is an object").remove("url");
    attachment["data"] = base64::engine::general_purpose::STANDARD.encode(&letter.bytes).into();
    resource
}

/// A FHIR document of a patient, with this uniqueId, with what JSON readers like to change.
pub fn fhir_document(patient: &str, unique_id: &str) -> String {
    format!(
        "{{\n  \"resourceType\": \"Bundle\", \"type\": \"document\",\n  \"identifier\": {{\"system\": \
         \"urn:ietf:rfc:3986\", \"value\": \"urn:oid:{unique_id}\"}},\n  \"timestamp\": \
         \"2026-11-01T09:30:00Z\",\n  \"entry\": [{{\"fullUrl\": \"urn:uuid:c\", \"resource\": {{\
         \"resourceType\": \"Composition\", \"status\": \"final\", \"type\": {{\"coding\": [{{\
         \"system\": \"http://snomed.info/sct\", \"code\": \"373942005\", \"display\": \
         \"Discharge summary\"}}]}}, \"subject\": {{\"reference\": \"urn:uuid:p\"}}, \"date\": \
         \"2026-11-01T09:30:00Z\", \"title\": \"Discharge summary\", \"author\": [{{\
         \"reference\": \"urn:uuid:a\"}}]}}}},\n  {{\"fullUrl\": \"urn:uuid:p\", \"resource\": {{\
         \"resourceType\": \"Patient\", \"identifier\": [{{\"system\": \"{NHS_NUMBER}\", \
         \"value\": \"{patient}\"}}], \"name\": [{{\"family\": \"Okafor\"}}]}}}},\n  {{\
         \"fullUrl\": \"urn:uuid:a\", \"resource\": {{\"resourceType\": \"Practitioner\", \
         \"name\": [{{\"family\": \"Hill\", \"given\": [\"Grace\"]}}]}}}},\n  {{\"fullUrl\": \
         \"urn:uuid:o\", \"resource\": {{\"resourceType\": \"Observation\", \"valueQuantity\": \
         {{\"value\": 1.10, \"unit\": \"g/dL\"}}}}}}]\n}}"
    )
}

/// A CDA document of a patient, with this uniqueId.
pub fn cda_document(patient: &str, unique_id: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<ClinicalDocument xmlns=\"urn:hl7-org:v3\">\
         <typeId root=\"2.16.840.1.113883.1.3\" extension=\"POCD_HD000040\"/>\
         <templateId root=\"2.999.826.9.77\"/><id root=\"{unique_id}\"/>\
         <code code=\"373942005\" codeSystem=\"2.16.840.1.113883.2.1.3.2.4.15\" \
         displayName=\"Discharge summary\"/><title>Discharge summary</title>\
         <effectiveTime value=\"20261101093000+0000\"/>\
         <confidentialityCode code=\"N\" codeSystem=\"2.16.840.1.113883.5.25\"/>\
         <languageCode code=\"en-GB\"/><recordTarget><patientRole>\
         <id root=\"2.16.840.1.113883.2.1.4.1\" extension=\"{patient}\"/>\
         <id root=\"2.999.826.9.78\" extension=\"H-417\"/><patient><name><given>Ngozi</given>\
         <family>Okafor</family></name><administrativeGenderCode code=\"F\" \
         codeSystem=\"2.16.840.1.113883.5.1\"/><birthTime value=\"19510302\"/></patient>\
         </patientRole></recordTarget><author><time value=\"20261101\"/><assignedAuthor>\
         <id root=\"2.999.826.9.79\" extension=\"77\"/><assignedPerson><name><given>Grace</given>\
         <family>Hill</family></name></assignedPerson><representedOrganization>\
         <id root=\"2.16.840.1.113883.2.1.3.2.4.19.1\" extension=\"ZEX01\"/>\
         <name>Royal Example Hospital</name></representedOrganization></assignedAuthor></author>\
         <custodian><assignedCustodian><representedCustodianOrganization>\
         <id root=\"2.16.840.1.113883.2.1.3.2.4.19.1\" extension=\"ZEX01\"/>\
         </representedCustodianOrganization></assignedCustodian></custodian><component>\
         <structuredBody><component><section><title>Plan</title><text>Rest.</text></section>\
         </component></structuredBody></component></ClinicalDocument>\n"
    )
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

/// A Consent of a patient by NHS Number, as FHIR has it.
pub fn consent_of(patient: &str, provision: &Value) -> Value {
    json!({
        "resourceType": "Consent", "status": "active",
        "scope": {"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/consentscope",
            "code": "patient-privacy"}]},
        "patient": {"identifier": {
            "system": "https://fhir.nhs.uk/Id/nhs-number", "value": patient}},
        "dateTime": "2026-11-01T09:00:00Z",
        "provision": provision,
    })
}

const MHD: &str = "https://profiles.ihe.net/ITI/MHD";
const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";
