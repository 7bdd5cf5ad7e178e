use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::kind::Kind;
use super::{client, host, is_person, outcome, reason};
use crate::{AuditActor, AuditEvent, CodeField};

/// The FHIR AuditEvent of a record, in the form of the IHE profiles of basic audit (BALP 1.1.4).
pub fn audit_event(event: &AuditEvent) -> Value {
    let kind = Kind::of(event);
    let mut resource = json!({
        "resourceType": "AuditEvent",
        "id": event.id.to_string(),
        "type": event_type(kind),
        "subtype": subtypes(event, kind),
        "action": kind.action,
        "recorded": event.recorded_at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        "outcome": outcome(event.outcome),
        "agent": agents(event, kind),
        "source": {
            "observer": { "identifier": { "value": event.recorder } },
            "type": [{ "system": "http://terminology.hl7.org/CodeSystem/security-source-type",
                       "code": "4" }],
        },
    });
    let mut put = |key: &str, value: Value| {
        if let Value::Object(fields) = &mut resource {
            fields.insert(key.to_owned(), value);
        }
    };
    if let Some(profile) = profile(event, kind) {
        put("meta", json!({ "profile": [format!("{PROFILES}{profile}")] }));
    }
    if let Some(error) = &event.error {
        put("outcomeDesc", json!(error));
    }
    if let Some(purpose) = &event.purpose {
        put("purposeOfEvent", json!([purpose_of_use(purpose)]));
    }
    let entities = entities(event, kind);
    if !entities.is_empty() {
        put("entity", json!(entities));
    }
    resource
}

/// The codes of a record's AuditEvent, each with its system, for searches.
pub(crate) fn event_codes(event: &AuditEvent, field: CodeField) -> Vec<(&'static str, String)> {
    let kind = Kind::of(event);
    match field {
        CodeField::Type if kind.rest.is_some() => vec![(EVENT_TYPE, "rest".to_owned())],
        CodeField::Type => vec![(DCM, kind.event.0.to_owned())],
        CodeField::Subtype => {
            let rest = kind.rest.map(|code| (REST, code.to_owned()));
            let transaction = kind.code(event).map(|code| (IHE, code.to_owned()));
            rest.into_iter().chain(transaction).collect()
        }
        CodeField::Action => vec![(ACTION, kind.action.to_owned())],
        CodeField::EntityType => entity_codes(event, kind, |of| Some(of.0)),
        CodeField::EntityRole => entity_codes(event, kind, |of| of.1),
        CodeField::Address | CodeField::AddressExact => {
            event.peer.iter().map(|peer| ("", host(peer).to_ascii_lowercase())).collect()
        }
    }
}

/// A code with its system.
type Coded = (&'static str, &'static str);

/// The types or roles of the entities that `entities` makes.
fn entity_codes(
    event: &AuditEvent,
    kind: Kind,
    of: impl Fn((Coded, Option<Coded>)) -> Option<Coded>,
) -> Vec<(&'static str, String)> {
    let object = |role| ((ENTITY_TYPE, "2"), Some((ROLE, role)));
    let patient = event.subject.map(|_| ((ENTITY_TYPE, "1"), Some((ROLE, "1"))));
    let query = (kind.event.1 == "Query" && kind.rest.is_some()).then(|| object("24"));
    let documents = !event.documents.is_empty() || !event.listed.is_empty();
    let documents = documents.then(|| object("3"));
    let request = event.request_id.as_ref().map(|_| ((BALP_ENTITY, "XrequestId"), None));
    let all = [patient, query, documents, request].into_iter().flatten();
    all.filter_map(of).map(|(system, code)| (system, code.to_owned())).collect()
}

/// The profile, for interactions of FHIR. BALP: with `Patient` where one is concerned.
fn profile(event: &AuditEvent, kind: Kind) -> Option<String> {
    let name = match kind.rest? {
        "read" => "Read",
        "create" => "Create",
        "update" => "Update",
        "search-type" => "Query",
        // An operation has no profile of its own: PIXm takes Query.
        "operation" => "Query",
        _ => return None,
    };
    let patient = if event.subject.is_some() { "Patient" } else { "" };
    Some(format!("{patient}{name}"))
}

fn event_type(kind: Kind) -> Value {
    match kind.rest {
        Some(_) => json!({
            "system": EVENT_TYPE,
            "code": "rest",
        }),
        None => json!({ "system": DCM, "code": kind.event.0, "display": kind.event.1 }),
    }
}

fn subtypes(event: &AuditEvent, kind: Kind) -> Value {
    let mut all = Vec::new();
    if let Some(rest) = kind.rest {
        all.push(json!({ "system": REST, "code": rest }));
    }
    match (kind.code(event), kind.transaction) {
        (Some(code), Some(name)) => {
            all.push(json!({ "system": IHE, "code": code, "display": name }));
        }
        _ => all.push(json!({ "display": event.interaction })),
    }
    Value::Array(all)
}

fn agents(event: &AuditEvent, kind: Kind) -> Value {
    // The profiles of reading give the roles by where the data goes, all others by who began.
    let came_in = event.direction == "in";
    let (peer, own) =
        if kind.gives == came_in { ("110152", "110153") } else { ("110153", "110152") };
    let mut client = json!({
        "type": { "coding": [{ "system": DCM, "code": peer }] },
        "who": { "identifier": { "value": client(event) } },
        "requestor": false,
    });
    if let (Some(peer), Value::Object(fields)) = (&event.peer, &mut client) {
        fields.insert("network".to_owned(), json!({ "address": host(peer), "type": "2" }));
    }
    let server = json!({
        "type": { "coding": [{ "system": DCM, "code": own }] },
        "who": { "identifier": { "value": event.recorder } },
        "requestor": false,
    });
    let mut all = vec![client, server];
    all.extend(event.actor.as_ref().filter(|a| is_person(a)).map(|a| user(a, event)));
    let organisation = event.actor.as_ref().map(|actor| actor.organisation.as_str());
    all.extend(organisation.filter(|code| !code.is_empty()).map(user_organisation));
    Value::Array(all)
}

fn user(actor: &AuditActor, event: &AuditEvent) -> Value {
    let mut user = json!({
        "type": { "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
            "code": "IRCP",
        }] },
        "who": { "identifier": { "value": actor.id } },
        "requestor": true,
    });
    let Value::Object(fields) = &mut user else { return user };
    if let Some(name) = &actor.name {
        fields.insert("name".to_owned(), json!(name));
    }
    // Of an assertion its id, as of a token.
    if let Some(assertion) = &actor.assertion {
        fields.insert("policy".to_owned(), json!([assertion]));
    }
    if let Some(role) = &actor.role {
        fields.insert("role".to_owned(), json!([{ "coding": [{ "code": role }] }]));
    }
    if let Some(purpose) = &event.purpose {
        fields.insert("purposeOfUse".to_owned(), json!([purpose_of_use(purpose)]));
    }
    user
}

/// For whom the user acted. BALP: `subject_organization_id` of a token.
fn user_organisation(code: &str) -> Value {
    json!({
        "type": { "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-RoleClass",
            "code": "PROV",
        }] },
        "who": { "identifier": { "system": ODS, "value": code } },
        "requestor": false,
    })
}

fn purpose_of_use(purpose: &str) -> Value {
    match reason(purpose) {
        Some(code) => json!({ "coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
            "code": code,
        }] }),
        None => json!({ "text": purpose }),
    }
}

fn entities(event: &AuditEvent, kind: Kind) -> Vec<Value> {
    let mut all = Vec::new();
    if let Some(subject) = event.subject {
        let number = format!("{:010}", subject.as_i64());
        let system = "https://fhir.nhs.uk/Id/nhs-number";
        all.push(entity(json!({ "identifier": { "system": system, "value": number } }), "1", "1"));
    }
    if kind.event.1 == "Query" && kind.rest.is_some() {
        // The query string is never recorded: it can name the patient in other words.
        all.push(json!({
            "type": { "system": ENTITY_TYPE, "code": "2" },
            "role": { "system": ROLE, "code": "24" },
            "description": event.request,
            "query": BASE64.encode(&event.request),
        }));
    }
    for document in &event.documents {
        all.push(entity(json!({ "identifier": { "value": document.id } }), "2", "3"));
    }
    for id in &event.listed {
        let mut listed = entity(json!({ "identifier": { "value": id } }), "2", "3");
        listed["description"] = "named in the answer".into();
        all.push(listed);
    }
    if let Some(request_id) = &event.request_id {
        all.push(json!({
            "what": { "identifier": { "value": request_id } },
            "type": {
                "system": BALP_ENTITY,
                "code": "XrequestId",
            },
        }));
    }
    all
}

fn entity(what: Value, kind: &str, role: &str) -> Value {
    json!({
        "what": what,
        "type": { "system": ENTITY_TYPE, "code": kind },
        "role": { "system": ROLE, "code": role },
    })
}

const PROFILES: &str = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.";
const DCM: &str = "http://dicom.nema.org/resources/ontology/DCM";
const EVENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const REST: &str = "http://hl7.org/fhir/restful-interaction";
const IHE: &str = "urn:ihe:event-type-code";
const ACTION: &str = "http://hl7.org/fhir/audit-event-action";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const BALP_ENTITY: &str = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType";
const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const ROLE: &str = "http://terminology.hl7.org/CodeSystem/object-role";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::event;

    #[test]
    fn a_search_has_the_form_of_a_patient_query() {
        let mut event = event(3);
        event.interaction = "search DocumentReference".to_owned();
        event.request = "GET /fhir/DocumentReference".to_owned();
        event.request_id = Some("req-8a11".to_owned());
        event.purpose = Some("direct-care".to_owned());
        event.peer = Some("10.20.0.14:999".to_owned());

        let resource = audit_event(&event);

        let profile = resource["meta"]["profile"][0].as_str().unwrap();
        assert!(profile.ends_with("IHE.BasicAudit.PatientQuery"), "{profile}");
        assert_eq!(resource["type"]["code"], "rest");
        assert_eq!(resource["subtype"][0]["code"], "search-type");
        assert_eq!((&resource["action"], &resource["outcome"]), (&json!("E"), &json!("0")));
        let agents = resource["agent"].as_array().unwrap();
        let codes: Vec<_> = agents.iter().map(|a| a["type"]["coding"][0]["code"].clone()).collect();
        assert_eq!(codes, ["110153", "110152", "IRCP", "PROV"]);
        assert_eq!(agents[0]["network"]["address"], "10.20.0.14");
        assert!(agents[2].get("network").is_none());
        let roles: Vec<_> = resource["entity"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["role"]["code"].clone())
            .collect();
        assert_eq!(roles, [json!("1"), json!("24"), Value::Null]);
        assert_eq!(resource["purposeOfEvent"][0]["coding"][0]["code"], "TREAT");
    }

    /// What is searched by is what the resource has.
    #[test]
    fn codes_of_entities_are_those_of_the_resource() {
        let mut event = event(3);
        for interaction in ["search DocumentReference", "ITI-68 read Binary", "ITI-41"] {
            event.interaction = interaction.to_owned();
            event.request_id = Some("req-8a11".to_owned());
            event.listed = vec!["2.999.1".to_owned()];
            for (field, part) in [(CodeField::EntityType, "type"), (CodeField::EntityRole, "role")]
            {
                let resource = audit_event(&event);
                let shown = resource["entity"].as_array().unwrap().iter();
                let mut shown: Vec<(&str, &str)> = shown
                    .filter_map(|e| Some((e[part]["system"].as_str()?, e[part]["code"].as_str()?)))
                    .collect();
                let codes = event_codes(&event, field);
                let mut codes: Vec<(&str, &str)> =
                    codes.iter().map(|(system, code)| (*system, code.as_str())).collect();
                shown.sort_unstable();
                shown.dedup();
                codes.sort_unstable();
                codes.dedup();
                assert_eq!(codes, shown, "{interaction} {part}");
            }
        }
    }

    #[test]
    fn an_assertion_is_named_by_its_id() {
        let mut event = event(3);
        event.actor.as_mut().unwrap().assertion = Some("_9618".to_owned());

        let resource = audit_event(&event);

        let agents = resource["agent"].as_array().unwrap();
        assert!(agents.iter().any(|a| a["policy"] == json!(["_9618"])), "{resource}");
    }

    #[test]
    fn reading_turns_the_roles_round() {
        let mut event = event(4);
        event.interaction = "ITI-68 read Binary".to_owned();

        let resource = audit_event(&event);

        let profile = resource["meta"]["profile"][0].as_str().unwrap();
        assert!(profile.ends_with("IHE.BasicAudit.Read"), "{profile}");
        assert_eq!(resource["agent"][0]["type"]["coding"][0]["code"], "110152");
        assert_eq!(resource["agent"][1]["type"]["coding"][0]["code"], "110153");
        assert_eq!(resource["subtype"][1]["code"], "ITI-68");
    }
}
