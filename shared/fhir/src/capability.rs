use serde_json::{Value, json};

/// What the portal API can do, for `GET /fhir/metadata`.
///
/// `date` is when what it says was last changed; `token_url` is of the sign-in service.
pub fn capability_statement(base_url: &str, version: &str, date: &str, token_url: &str) -> Value {
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": date,
        "kind": "instance",
        "software": {"name": "Care Record", "version": version},
        "implementation": {"description": "Shared care record", "url": base_url},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "application/fhir+xml"],
        "instantiates": [
            mhd("CapabilityStatement/IHE.MHD.DocumentResponder"),
            mhd("CapabilityStatement/IHE.MHD.DocumentRecipient"),
        ],
        "rest": [{
            "mode": "server",
            "documentation": DOCUMENTATION,
            "security": security(token_url),
            "interaction": [{"code": "transaction", "documentation": TRANSACTION_DOCUMENTATION}],
            "resource": [
                resource(
                    "DocumentReference",
                    &["StructureDefinition/IHE.MHD.Comprehensive.DocumentReference"],
                    &["read", "search-type"],
                    DOCUMENT_REFERENCE,
                ),
                resource(
                    "List",
                    &[
                        "StructureDefinition/IHE.MHD.Comprehensive.SubmissionSet",
                        "StructureDefinition/IHE.MHD.Comprehensive.Folder",
                    ],
                    &["read", "search-type"],
                    LIST,
                ),
                resource("Binary", &[], &["read"], &[]),
                patient(),
                with_operations(
                    resource("AuditEvent", &[], &["read", "search-type"], AUDIT_EVENT),
                    &[
                        ("review", "urn:carerecord:OperationDefinition:review"),
                        ("statistics", "urn:carerecord:OperationDefinition:statistics"),
                    ],
                ),
                resource("Consent", &[], &["create", "read", "update", "search-type"], CONSENT),
                resource(
                    "EpisodeOfCare",
                    &[],
                    &["create", "read", "update", "search-type"],
                    EPISODE_OF_CARE,
                ),
            ],
        }],
    })
}

fn resource(
    kind: &str,
    profiles: &[&str],
    interactions: &[&str],
    parameters: &[Parameter],
) -> Value {
    let interactions: Vec<Value> = interactions.iter().map(|c| json!({"code": c})).collect();
    let mut resource = json!({"type": kind, "interaction": interactions});
    if !profiles.is_empty() {
        resource["supportedProfile"] = profiles.iter().map(|p| mhd(p)).collect();
    }
    if !parameters.is_empty() {
        resource["searchParam"] = parameters.iter().map(parameter).collect();
    }
    resource
}

/// PDQm and PIXm.
fn patient() -> Value {
    let mut resource = resource("Patient", &[], &["read", "search-type"], PATIENT);
    resource["supportedProfile"] =
        json!(["https://profiles.ihe.net/ITI/PDQm/StructureDefinition/IHE.PDQm.Patient"]);
    resource["documentation"] = PATIENT_DOCUMENTATION.into();
    resource["operation"] = json!([
        {
            "name": "ihe-pix",
            "definition": "https://profiles.ihe.net/ITI/PIXm/OperationDefinition/IHE.PIXm.pix",
        },
        {
            "name": "match",
            "definition": "http://hl7.org/fhir/OperationDefinition/Patient-match",
            "documentation": MATCH_DOCUMENTATION,
        },
        {
            "name": "break-glass",
            "definition": "urn:carerecord:OperationDefinition:break-glass",
        },
        {
            "name": "citizen-access",
            "definition": "urn:carerecord:OperationDefinition:citizen-access",
        },
        {
            "name": "claim-relationship",
            "definition": "urn:carerecord:OperationDefinition:claim-relationship",
        },
        {
            "name": "may-see",
            "definition": "urn:carerecord:OperationDefinition:may-see",
            "documentation": MAY_SEE_DOCUMENTATION,
        },
    ]);
    resource
}

/// `operations` are pairs of name and definition.
fn with_operations(mut resource: Value, operations: &[(&str, &str)]) -> Value {
    let operation =
        |(name, definition): &(&str, &str)| json!({"name": name, "definition": definition});
    resource["operation"] = operations.iter().map(operation).collect();
    resource
}

fn parameter((name, kind, definition): &Parameter) -> Value {
    let mut parameter = json!({"name": name, "type": kind});
    if !definition.is_empty() {
        parameter["definition"] = mhd(definition).into();
    }
    parameter
}

fn security(token_url: &str) -> Value {
    json!({
        "service": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
            "code": "OAuth",
        }]}],
        "extension": [{
            "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
            "extension": [{"url": "token", "valueUri": token_url}],
        }],
    })
}

fn mhd(path: &str) -> String {
    format!("https://profiles.ihe.net/ITI/MHD/{path}")
}

/// Name, type, and the definition of those that MHD adds.
type Parameter = (&'static str, &'static str, &'static str);

const DOCUMENTATION: &str = "Every answer has passed the access decision. A search says for each \
    source whether it answered, in an OperationOutcome entry. A range does not exclude a document \
    that has no such time. _content looks inside documents: all words, phrases in quotes, \
    prefixes*, -not; best first. The header X-Purpose-Of-Use tells the purpose; X-Selected-Role one of \
    the user's roles.";

const TRANSACTION_DOCUMENTATION: &str = "Provide Document Bundle (ITI-65) of the Minimal, \
    Comprehensive and UnContained profiles: all of it or nothing. Documents come as Binary; a \
    FHIR document as a Binary too. The same Bundle again gets the same answer.";
const PATIENT_DOCUMENTATION: &str = "A search needs an identifier or _id; or family (two letters or \
    more) with birthdate (within one year) or address-postalcode; or given with birthdate (one day) \
    and address-postalcode. Names are compared by how they begin, without case and accents; :exact \
    to the letter; :contains is refused. Of more than 50 people none is shown (422, too-costly). \
    _count gives pages. Without a system an identifier is an NHS Number; system| restricts the \
    identifiers that are shown. Search by _search: names in a URL may be kept on the way. Ids mean \
    something only to the caller that they were made for.";
const MATCH_DOCUMENTATION: &str = "Certain is only who has the identifier, the family name and the \
    whole date of birth that are sent, and nobody else does.";
const MAY_SEE_DOCUMENTATION: &str = "Whether the caller may see a record and documents of it, and \
    why. About others, other days and other facts for those who may know.";
const PATIENT: &[Parameter] = &[
    ("_id", "token", ""),
    ("active", "token", ""),
    ("identifier", "token", ""),
    ("family", "string", ""),
    ("given", "string", ""),
    ("birthdate", "date", ""),
    ("gender", "token", ""),
    ("address-postalcode", "string", ""),
];

const DOCUMENT_REFERENCE: &[Parameter] = &[
    ("patient.identifier", "token", ""),
    ("status", "token", ""),
    ("type", "token", ""),
    ("category", "token", ""),
    ("setting", "token", ""),
    ("facility", "token", ""),
    ("event", "token", ""),
    ("security-label", "token", ""),
    ("format", "token", ""),
    ("identifier", "token", ""),
    ("related.identifier", "token", ""),
    ("_id", "token", ""),
    ("_content", "string", ""),
    ("creation", "date", "SearchParameter/DocumentReference-Creation"),
    ("period", "date", ""),
    ("author.family", "string", ""),
    ("author.given", "string", ""),
];
const LIST: &[Parameter] = &[
    ("patient.identifier", "token", ""),
    ("code", "token", ""),
    ("status", "token", ""),
    ("identifier", "token", ""),
    ("_id", "token", ""),
    ("date", "date", ""),
    ("designationType", "token", "SearchParameter/List-DesignationType"),
    ("sourceId", "token", "SearchParameter/List-SourceId"),
    ("source.family", "string", ""),
    ("source.given", "string", ""),
];
/// ITI-81; of privacy alerts, which are told apart by their type: the last ones.
const AUDIT_EVENT: &[Parameter] = &[
    ("date", "date", ""),
    ("patient.identifier", "token", ""),
    ("agent.identifier", "token", ""),
    ("organisation", "token", ""),
    ("entity.identifier", "token", ""),
    ("correlation", "token", ""),
    ("type", "token", ""),
    ("subtype", "token", ""),
    ("action", "token", ""),
    ("outcome", "token", ""),
    ("state", "token", ""),
    ("overdue", "token", ""),
    ("before", "token", ""),
];
const EPISODE_OF_CARE: &[Parameter] = &[("patient.identifier", "token", "")];
const CONSENT: &[Parameter] = &[("patient.identifier", "token", ""), ("status", "token", "")];
