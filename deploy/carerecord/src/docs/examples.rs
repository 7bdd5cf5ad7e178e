//! Requests that the demo's people and documents answer as they stand. A test sends each.

use serde_json::{Value, json};

use super::openapi::{FORM, parameters};

/// An example of an operation.
pub(super) struct Example {
    /// Whose token it needs: a client or an account of the demo's sign-in provider.
    caller: &'static str,
    sent: Sent,
}

enum Sent {
    /// Query parameters, or the fields of a form.
    Fields(Vec<(&'static str, String)>),
    /// A resource.
    Resource(Value),
}

/// The example of an operation, where there is one.
pub(super) fn example(method: &str, path: &str) -> Option<Example> {
    let patient = ("patient.identifier", format!("{NHS}|{ADA}"));
    let current = ("status", "current".to_owned());
    let fields = |caller, fields: Vec<(&'static str, String)>| {
        Some(Example { caller, sent: Sent::Fields(fields) })
    };
    let sent = |caller, resource| Some(Example { caller, sent: Sent::Resource(resource) });
    let sets = ("code", "submissionset".to_owned());
    let alerts = ("type", "https://fhir.nhs.uk/CodeSystem/SCR-AlertType|2".to_owned());
    match (method, path) {
        ("get", "/fhir/DocumentReference") | ("post", "/fhir/DocumentReference/_search") => {
            fields(SYSTEM, vec![patient, current])
        }
        ("get", "/fhir/List") | ("post", "/fhir/List/_search") => {
            fields(SYSTEM, vec![patient, sets, current])
        }
        ("get", "/fhir/Patient") | ("post", "/fhir/Patient/_search") => {
            fields(SYSTEM, vec![("identifier", format!("{NHS}|{ADA}"))])
        }
        ("get", "/fhir/Patient/$ihe-pix") => {
            fields(SYSTEM, vec![("sourceIdentifier", format!("{NHS}|{ADA}"))])
        }
        ("post", "/fhir/Patient/$ihe-pix") => sent(
            SYSTEM,
            named(json!([{"name": "sourceIdentifier", "valueIdentifier": number(ADA)}])),
        ),
        ("post", "/fhir/Patient/$match") => {
            sent(SYSTEM, of_file(include_str!("../../../../docs/examples/match.json")))
        }
        ("post", "/fhir/Patient/$may-see") => {
            sent(GP, named(json!([{"name": "patient", "valueIdentifier": number(ADA)}])))
        }
        ("post", "/fhir/Patient/$break-glass") => sent(
            GP,
            named(json!([
                {"name": "patient", "valueIdentifier": number(PETER)},
                {"name": "reason", "valueCode": "emergency"},
            ])),
        ),
        ("get", "/fhir/AuditEvent") | ("post", "/fhir/AuditEvent/_search") => {
            fields(OFFICER, vec![alerts])
        }
        ("get", "/fhir/Consent") | ("post", "/fhir/Consent/_search") => fields(GP, vec![patient]),
        ("post", "/fhir/Consent") => sent(GP, objection()),
        ("post", "/fhir") => sent(SOURCE, provide()),
        ("get", "/fhir/AuditEvent/$statistics") => fields(OFFICER, Vec::new()),
        ("get", "/fhir/metadata" | "/openapi.json" | "/health/live" | "/health/ready") => {
            fields("", Vec::new())
        }
        _ => None,
    }
}

impl Example {
    /// Puts it into the description of the operation.
    pub(super) fn put(self, operation: &mut Value) {
        operation["x-example-caller"] = self.caller.into();
        match self.sent {
            Sent::Resource(resource) => {
                operation["requestBody"]["content"]["application/fhir+json"]["example"] = resource;
            }
            Sent::Fields(fields) if operation["requestBody"].is_object() => {
                let example: Value = fields.into_iter().map(|(n, v)| (n, Value::from(v))).collect();
                operation["requestBody"]["content"][FORM]["example"] = example;
            }
            Sent::Fields(fields) => {
                for (name, value) in fields {
                    let mut all = parameters(operation).iter_mut();
                    if let Some(parameter) = all.find(|p| p["name"] == name) {
                        parameter["example"] = value.into();
                    }
                }
            }
        }
    }
}

/// A Bundle that publishes a document (MHD ITI-65).
pub fn provide() -> Value {
    of_file(include_str!("../../../../docs/examples/provide.json"))
}

fn of_file(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// A patient objects to all sharing.
fn objection() -> Value {
    json!({
        "resourceType": "Consent", "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope",
            "code": "patient-privacy"}]},
        "patient": {"identifier": number(LEE)},
        "dateTime": "2026-11-01T09:00:00Z",
        "provision": {"type": "deny"},
    })
}

fn named(parameters: Value) -> Value {
    json!({"resourceType": "Parameters", "parameter": parameters})
}

fn number(value: &str) -> Value {
    json!({"system": NHS, "value": value})
}

const NHS: &str = "https://fhir.nhs.uk/Id/nhs-number";
/// Has many documents.
const ADA: &str = "9990001006";
/// Has objected.
const PETER: &str = "9990001049";
/// Has none.
const LEE: &str = "9990001146";
const SYSTEM: &str = "demo-system";
const SOURCE: &str = "demo-source";
/// A general practitioner.
const GP: &str = "555021900100";
/// A privacy officer.
const OFFICER: &str = "555021900500";
