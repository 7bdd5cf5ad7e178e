use carerecord_access::{ConsentRecord, ConsentStatus, Grain, Provision};
use carerecord_model::OrganisationCode;
use serde_json::{Value, json};

use super::{
    ACT_CODE, BY_REPRESENTATIVE, CONFIDENTIALITY, RECIPIENT_ROLE, ROLE_SYSTEM, SCOPE, SCOPE_SYSTEM,
};
use crate::code_system::ODS;
use crate::patient::NHS_NUMBER_SYSTEM;
use crate::system_of_scheme;
use crate::tree::Object;

/// A record as Consent. `parse_consent` reads it back.
pub fn consent_resource(record: &ConsentRecord) -> Value {
    let status = match record.status {
        ConsentStatus::Active => "active",
        ConsentStatus::Inactive => "inactive",
        ConsentStatus::EnteredInError => "entered-in-error",
    };
    let performer = if record.set_by == BY_REPRESENTATIVE { "RelatedPerson" } else { "Patient" };
    let policy = record.policy_uri.as_deref().unwrap_or(DEFAULT_POLICY);
    let organisation =
        json!({"identifier": {"system": ODS, "value": record.organisation.as_str()}});
    Object::resource("Consent", record.id.to_string())
        .with(
            "meta",
            json!({
                "versionId": record.version.to_string(),
                "lastUpdated": record.recorded_at.to_string(),
            }),
        )
        .with("status", status)
        .with("scope", json!({"coding": [{"system": SCOPE_SYSTEM, "code": SCOPE}]}))
        .with("category", json!([{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}]))
        .with(
            "patient",
            json!({"type": "Patient", "identifier": {
                "system": NHS_NUMBER_SYSTEM, "value": record.patient.digits(),
            }}),
        )
        .with("dateTime", record.since.to_string())
        .with("performer", json!([{"type": performer, "display": record.set_by}]))
        .with("organization", json!([organisation]))
        .with("policy", json!([{"uri": policy}]))
        .with("provision", provision(record))
        .into()
}

fn provision(record: &ConsentRecord) -> Object<'_> {
    let (kind, recipient) = match &record.provision {
        Provision::Permission { recipient } => ("permit", recipient.as_ref()),
        Provision::Objection(Grain::Recipient(to)) => ("deny", Some(to)),
        Provision::Objection(
            Grain::WholeRecord
            | Grain::Source(_)
            | Grain::Document(_)
            | Grain::Class { .. }
            | Grain::Label(_)
            | Grain::Tag(_),
        ) => ("deny", None),
    };
    let period = record
        .until
        .map(|until| json!({"start": record.since.to_string(), "end": until.to_string()}));
    let mut provision = Object::new()
        .with("type", kind)
        .with("period", period)
        .with("actor", recipient.map(|to| vec![actor(to)]));
    match &record.provision {
        Provision::Objection(Grain::Class { code, scheme }) => {
            let system = scheme.as_deref().map(system_of_scheme);
            let coding = Object::new().with("system", system).with("code", code.as_str());
            provision.set("code", json!([{"coding": [Value::from(coding)]}]));
        }
        Provision::Objection(Grain::Label(code)) => {
            provision.set("securityLabel", json!([{"system": CONFIDENTIALITY, "code": code}]));
        }
        Provision::Objection(Grain::Tag(tag)) => {
            provision.set("securityLabel", json!([{"system": ACT_CODE, "code": tag}]));
        }
        Provision::Objection(Grain::Source(from)) => provision.set(
            "data",
            json!([{
                "meaning": "authoredby", "reference": organisation(from),
            }]),
        ),
        Provision::Objection(Grain::Document(id)) => provision.set(
            "data",
            json!([{
                "meaning": "instance",
                "reference": {"reference": format!("DocumentReference/{}", id.uuid())},
            }]),
        ),
        Provision::Objection(Grain::WholeRecord | Grain::Recipient(_))
        | Provision::Permission { .. } => {}
    }
    provision
}

fn actor(to: &OrganisationCode) -> Value {
    json!({
        "role": {"coding": [{"system": ROLE_SYSTEM, "code": RECIPIENT_ROLE}]},
        "reference": organisation(to),
    })
}

fn organisation(code: &OrganisationCode) -> Value {
    json!({"type": "Organization", "identifier": {"system": ODS, "value": code.as_str()}})
}

const DEFAULT_POLICY: &str = "urn:carerecord:policy:objection:1";
