use carerecord_model::ElementKind;
use serde_json::{Value, json};

use crate::provide::{DOCUMENT_PROFILES, LIST_PROFILES, Profile};
use crate::search::{
    AUDIT_EVENT, CONSENT_PARAMETERS, CONTRACT_PARAMETERS, DOCUMENT_REFERENCE, EPISODE_PARAMETERS,
    LIST, ORGANISATION, PATIENT, PEOPLE, PROVENANCE_PARAMETERS, REVIEWED, SearchParameter,
    SearchParameters, element_parameters,
};

/// What the portal API can do, for `GET /fhir/metadata`.
///
/// `date` is when what it says was last changed; `token_url` is of the sign-in service, `authorize_url`
/// where apps send people.
pub fn capability_statement(
    base_url: &str,
    version: &str,
    date: &str,
    token_url: &str,
    authorize_url: Option<&str>,
) -> Value {
    let mut statement = documents(base_url, version, date);
    statement["rest"][0]["security"] = security(token_url, authorize_url);
    if let Some(all) = statement["rest"][0]["resource"].as_array_mut() {
        all.extend(ElementKind::ALL.map(elements));
        all.push(provenance());
    }
    statement
}

fn documents(base_url: &str, version: &str, date: &str) -> Value {
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
            "security": {},
            "interaction": [{"code": "transaction", "documentation": TRANSACTION_DOCUMENTATION}],
            "operation": [
                {"name": "feeds", "definition": "urn:carerecord:OperationDefinition:feeds"},
                {"name": "try-again", "definition": "urn:carerecord:OperationDefinition:try-again"},
                {"name": "usage", "definition": "urn:carerecord:OperationDefinition:usage"},
            ],
            "resource": [
                bundle(),
                document_reference(),
                list(),
                conditional(resource("Binary", &["read"], &[])),
                patient(),
                audit_event(),
                consent(),
                with_operations(
                    resource("Contract", &["read", "search-type"], CONTRACT_PARAMETERS),
                    &[("sharing", "urn:carerecord:OperationDefinition:sharing")],
                ),
                episode_of_care(),
            ],
        }],
    })
}

fn resource(kind: &str, interactions: &[&str], parameters: SearchParameters<'_>) -> Value {
    let interactions: Vec<Value> = interactions.iter().map(|c| json!({"code": c})).collect();
    let mut resource = json!({"type": kind});
    let parameters: Vec<Value> = parameters.iter().copied().flatten().map(parameter).collect();
    for (name, values) in [("interaction", interactions), ("searchParam", parameters)] {
        if !values.is_empty() {
            resource[name] = values.into();
        }
    }
    resource
}

/// What comes as a transaction of the whole: there is no Bundle to be read. MHD 3.
fn bundle() -> Value {
    let mut resource = resource("Bundle", &[], &[]);
    resource["supportedProfile"] = Profile::ALL.map(|profile| mhd(profile.canonical())).into();
    resource["documentation"] = BUNDLE_DOCUMENTATION.into();
    resource
}

/// QEDm.
fn elements(kind: ElementKind) -> Value {
    let name = kind.resource_type();
    let parameters = element_parameters(kind);
    let mut resource = resource(name, &["read", "search-type"], &[PATIENT, &parameters]);
    resource["searchRevInclude"] = json!(["Provenance:target"]);
    if matches!(kind, ElementKind::MedicationStatement | ElementKind::MedicationRequest) {
        resource["searchInclude"] = json!([format!("{name}:medication")]);
    }
    resource["documentation"] = ELEMENTS_DOCUMENTATION.into();
    resource
}

fn provenance() -> Value {
    let mut resource = resource("Provenance", &["read", "search-type"], PROVENANCE_PARAMETERS);
    let profile = "https://profiles.ihe.net/ITI/mXDE/StructureDefinition/IHE.ITI.mXDE.Provenance";
    resource["supportedProfile"] = json!([profile]);
    resource
}

fn document_reference() -> Value {
    let interactions = ["create", "read", "search-type"];
    let resource = conditional(resource("DocumentReference", &interactions, DOCUMENT_REFERENCE));
    let mut resource = with_operations(resource, &[("generate-metadata", GENERATE_METADATA)]);
    resource["supportedProfile"] = DOCUMENT_PROFILES.map(mhd).into();
    resource["documentation"] = DOCUMENT_REFERENCE_DOCUMENTATION.into();
    resource["searchInclude"] = json!(["DocumentReference:relatesto"]);
    resource["searchRevInclude"] = json!(["DocumentReference:relatesto", "List:item"]);
    resource
}

fn list() -> Value {
    let mut resource = conditional(resource("List", &["read", "search-type"], LIST));
    resource["supportedProfile"] = LIST_PROFILES.map(mhd).into();
    resource["documentation"] = LIST_DOCUMENTATION.into();
    resource["searchInclude"] = json!(["List:item"]);
    resource
}

fn episode_of_care() -> Value {
    let interactions = ["create", "read", "update", "search-type"];
    let parameters = [EPISODE_PARAMETERS, &[ORGANISATION]].concat();
    let mut resource = resource("EpisodeOfCare", &interactions, &parameters);
    resource["documentation"] = EPISODE_OF_CARE_DOCUMENTATION.into();
    resource["searchInclude"] = json!(["EpisodeOfCare:patient"]);
    resource
}

/// Read unless the client has it already.
fn conditional(mut resource: Value) -> Value {
    resource["conditionalRead"] = "full-support".into();
    resource
}

/// ITI-81, with privacy alerts and findings.
fn audit_event() -> Value {
    let parameters = [AUDIT_EVENT, &[REVIEWED]].concat();
    let resource = resource("AuditEvent", &["read", "search-type"], &parameters);
    let mut resource = with_operations(
        resource,
        &[
            ("detect", "urn:carerecord:OperationDefinition:detect"),
            ("review", "urn:carerecord:OperationDefinition:review"),
            ("statistics", "urn:carerecord:OperationDefinition:statistics"),
        ],
    );
    resource["documentation"] = AUDIT_EVENT_DOCUMENTATION.into();
    resource
}

/// PCF.
fn consent() -> Value {
    let interactions = ["create", "read", "update", "search-type"];
    let mut resource = resource("Consent", &interactions, CONSENT_PARAMETERS);
    resource["supportedProfile"] = ["Basic", "Intermediate", "Advanced"]
        .map(|level| {
            format!("https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consent{level}")
        })
        .into_iter()
        .collect();
    resource["documentation"] = CONSENT_DOCUMENTATION.into();
    resource
}

/// PDQm and PIXm.
fn patient() -> Value {
    let mut resource = resource("Patient", &["read", "search-type"], PEOPLE);
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
            "name": "mine",
            "definition": "urn:carerecord:OperationDefinition:mine",
        },
        {
            "name": "may-see",
            "definition": "urn:carerecord:OperationDefinition:may-see",
            "documentation": MAY_SEE_DOCUMENTATION,
        },
        {
            "name": "access-pack",
            "definition": "urn:carerecord:OperationDefinition:access-pack",
            "documentation": ACCESS_PACK_DOCUMENTATION,
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

fn parameter(told: &SearchParameter) -> Value {
    let mut parameter = json!({"name": told.name, "type": told.kind});
    if let Some(definition) = told.definition {
        parameter["definition"] = mhd(definition).into();
    }
    let modifiers: Vec<String> = told.modifiers.iter().map(|name| format!(":{name}")).collect();
    if !modifiers.is_empty() {
        parameter["documentation"] = format!("Takes {}", modifiers.join(", ")).into();
    }
    parameter
}

fn security(token_url: &str, authorize_url: Option<&str>) -> Value {
    let uri = |name: &str, uri: &str| json!({"url": name, "valueUri": uri});
    let authorize = authorize_url.map(|url| uri("authorize", url));
    let uris: Vec<Value> = authorize.into_iter().chain([uri("token", token_url)]).collect();
    json!({
        "service": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
            "code": "OAuth",
        }]}],
        "extension": [{
            "url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris",
            "extension": uris,
        }],
    })
}

fn mhd(path: &str) -> String {
    format!("https://profiles.ihe.net/ITI/MHD/{path}")
}

/// MHD 3.106.
const GENERATE_METADATA: &str =
    "https://profiles.ihe.net/ITI/MHD/OperationDefinition/generate-metadata";
const DOCUMENTATION: &str = "Every answer has passed the access decision. A search says for each \
    source whether it answered, in an OperationOutcome entry. A range does not exclude a document \
    that has no such time. _content looks inside documents: all words, phrases in quotes, \
    prefixes*, -not; best first. source-state names the sources that are to be asked how they are, or \
    none; all unless given. The header X-Purpose-Of-Use tells the purpose; X-Selected-Role one of \
    the user's roles.";

const DOCUMENT_REFERENCE_DOCUMENTATION: &str = "A search needs a patient, and a status unless it has \
    _content. _count gives pages that lose and repeat nothing, with exact totals; without it an answer \
    is whole. _sort by creation, date, _lastUpdated and _id, the newest first unless given. _elements, \
    _summary=count, _total. date is when it was submitted, as its sender says; _lastUpdated when the \
    registry registered it or last changed its metadata or status, by its own clock. _since, an \
    instant, asks for what has changed since then, as _lastUpdated=ge does. related names a \
    DocumentReference here, or with :identifier any identifier.";
const LIST_DOCUMENTATION: &str = "A search needs a patient, a code and a status. Pages, _elements, \
    _total, _lastUpdated and _since as for DocumentReference; _sort by date, _lastUpdated and _id.";
const BUNDLE_DOCUMENTATION: &str = "What Provide Document Bundle (ITI-65) takes, as a transaction of \
    the whole. meta.profile of the Bundle says which profile it and its resources follow. What is \
    missing under Minimal makes limited metadata, which a registry can refuse.";
const TRANSACTION_DOCUMENTATION: &str = "Provide Document Bundle (ITI-65) of the Minimal, \
    Comprehensive and UnContained profiles: all of it or nothing. Documents come as Binary; a \
    FHIR document as a Binary too, or as an entry of its own (a Bundle of type document), which is kept \
    byte for byte. The same Bundle again gets the same answer.";
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
const EPISODE_OF_CARE_DOCUMENTATION: &str = "Who cares for a patient, for those who record it: by \
    patient.identifier. For whom the caller's own organisation, or the caller there, cares now: by \
    organization.identifier, an ODS code, with status=active and without a patient; the newest first, \
    _count gives pages, _include adds who the people are.";
const AUDIT_EVENT_DOCUMENTATION: &str = "type tells three searches apart. With codes of \
    https://fhir.nhs.uk/CodeSystem/SCR-AlertType, privacy alerts of one's organisation; with codes of \
    urn:carerecord:detection, or urn:carerecord:detection| for all, what detection rules have found: \
    both take state, overdue, before and _count, each once, and no other parameter (400). Else the \
    record of accesses (ITI-81), which takes all others: agent names a Practitioner or Device, entity a \
    DocumentReference or a Patient.";
const ACCESS_PACK_DOCUMENTATION: &str = "A subject access pack of one person: asked for with a POST, \
    followed at the address that the answer names (Content-Location), and fetched as a ZIP file. For \
    privacy officers, and for citizens about a record that they may see.";
const ELEMENTS_DOCUMENTATION: &str = "Mobile Query Existing Data (PCC-44): what current documents \
    say in coded entries, each element as its document may be seen. Extensions name the document \
    and the section of each; what states the same or contradicts it is named, and nothing is left \
    out for it. The OperationOutcome tells for each source what was not read. An element without \
    a time is in no range. The medicine stands in the resource itself.";
const CONSENT_DOCUMENTATION: &str = "A provision that is not understood is refused by the name of \
    its element. Purposes are TREAT and BTG; authoredby is an organisation by its ODS code; related is \
    by identifier. source[x] is not kept.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_apps_send_people_is_told_where_there_is_such_a_place() {
        let uris = |authorize| {
            let told =
                capability_statement("https://p/fhir", "1", "2026", "https://p/t", authorize);
            told["rest"][0]["security"]["extension"][0]["extension"].clone()
        };
        let token = json!({"url": "token", "valueUri": "https://p/t"});

        assert_eq!(uris(None), json!([token]));
        let authorize = json!({"url": "authorize", "valueUri": "https://p/a"});
        assert_eq!(uris(Some("https://p/a")), json!([authorize, token]));
    }
}
