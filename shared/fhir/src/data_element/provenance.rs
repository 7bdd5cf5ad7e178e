use serde_json::{Value, json};
use uuid::Uuid;

use crate::tree::Object;

/// The policy by which the Provenance of what was taken out of a document is known. mXDE 1.3.
pub const PROVENANCE_POLICY: &str = "urn:ihe:iti:mxde:2023:document-provenance-policy";

/// What is told of how elements came out of a document.
pub struct ElementProvenance<'a> {
    /// The id of the document's DocumentReference; the Provenance has the same.
    pub document: Uuid,
    /// The elements, `AllergyIntolerance/…`.
    pub targets: &'a [String],
    /// When they were taken out, as FHIR instant.
    pub recorded: &'a str,
    /// Which version of the software and of its rules took them out.
    pub version: &'a str,
}

/// The Provenance of what was taken out of one document.
pub fn element_provenance(told: &ElementProvenance<'_>) -> Value {
    let targets: Vec<Value> =
        told.targets.iter().map(|target| json!({"reference": target})).collect();
    Object::resource("Provenance", told.document.to_string())
        .with(
            "meta",
            json!({"profile": [
                "https://profiles.ihe.net/ITI/mXDE/StructureDefinition/IHE.ITI.mXDE.Provenance",
            ]}),
        )
        .with(
            "contained",
            json!([{
                "resourceType": "Device",
                "id": "extractor",
                "deviceName": [{"name": "Care Record", "type": "user-friendly-name"}],
                "version": [{"value": told.version}],
            }]),
        )
        .with("target", targets)
        .with("recorded", told.recorded)
        .with("policy", json!([PROVENANCE_POLICY]))
        .with(
            "activity",
            json!({"coding": [{
                "system": "http://hl7.org/fhir/w3c-provenance-activity-type",
                "code": "Derivation",
            }]}),
        )
        .with(
            "agent",
            json!([{
                "type": {"coding": [{
                    "system":
                        "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
                    "code": "assembler",
                }]},
                "who": {"reference": "#extractor"},
            }]),
        )
        .with(
            "entity",
            json!([{
                "role": "source",
                "what": {"reference": format!("DocumentReference/{}", told.document)},
            }]),
        )
        .into()
}
