use serde_json::{Value, json};

/// What the portal API can do, for `GET /fhir/metadata`.
pub fn capability_statement(base_url: &str, version: &str, date: &str, token_url: &str) -> Value {
    let params = |names: &[(&str, &str)]| -> Vec<Value> {
        names.iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect()
    };
    let resource = |kind: &str, interactions: &[&str], search: Vec<Value>| {
        let codes: Vec<Value> = interactions.iter().map(|c| json!({"code": c})).collect();
        let mut r = json!({"type": kind, "interaction": codes});
        if !search.is_empty() {
            r["searchParam"] = search.into();
        }
        r
    };
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": date,
        "kind": "instance",
        "software": {"name": "Care Record", "version": version},
        "implementation": {"description": "Shared care record", "url": base_url},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "instantiates": [
            "https://profiles.ihe.net/ITI/MHD/CapabilityStatement/IHE.MHD.DocumentResponder",
        ],
        "rest": [{
            "mode": "server",
            "documentation": "Every answer has passed the access decision. A search says for each \
                source whether it answered, in an OperationOutcome entry. The header \
                X-Purpose-Of-Use tells the purpose; X-Selected-Role one of the user's roles.",
            "security": {
                "service": [{"coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
                    "code": "OAuth",
                }]}],
                "extension": [{
                    "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
                    "extension": [{"url": "token", "valueUri": token_url}],
                }],
            },
            "resource": [
                resource("DocumentReference", &["read", "search-type"], params(&[
                    ("patient.identifier", "token"), ("status", "token"), ("type", "token"),
                    ("category", "token"), ("setting", "token"), ("facility", "token"),
                    ("event", "token"), ("security-label", "token"), ("format", "token"),
                    ("identifier", "token"), ("_id", "token"), ("creation", "date"),
                    ("period", "date"), ("author.family", "string"), ("author.given", "string"),
                ])),
                resource("List", &["search-type"], params(&[
                    ("patient.identifier", "token"), ("code", "token"), ("status", "token"),
                    ("date", "date"), ("designationType", "token"), ("sourceId", "token"),
                ])),
                resource("Binary", &["read"], Vec::new()),
                resource("Patient", &["search-type"], params(&[("identifier", "token")])),
                resource("Consent", &["create", "read", "update", "search-type"], params(&[
                    ("patient.identifier", "token"), ("status", "token"),
                ])),
            ],
        }],
    })
}
