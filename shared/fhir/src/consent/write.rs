use carerecord_access::{
    ConsentRecord, ConsentStatus, Contact, ContactKind, Grain, Span, Term, TermPurpose,
};
use carerecord_model::OrganisationCode;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    ACT_CODE, ACT_REASON, BY_REPRESENTATIVE, CONFIDENTIALITY, RECIPIENT_ROLE, ROLE_SYSTEM, SCOPE,
    SCOPE_SYSTEM,
};
use crate::code_system::{ODS, URI};
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

fn provision(record: &ConsentRecord) -> Object<'static> {
    let terms = record.provision.terms();
    let since = Some(record.since);
    let held = record.until.map(|until| period(&Span { from: since, until: Some(until) }));
    let exceptions = terms.exceptions.iter();
    let exceptions = exceptions.map(|term| term_object(term, term.applies.as_ref().map(period)));
    term_object(&terms.root, held).with("provision", exceptions.collect::<Vec<_>>())
}

fn term_object(term: &Term, held: Option<Value>) -> Object<'static> {
    Object::new()
        .with("type", if term.permits { "permit" } else { "deny" })
        .with("period", held)
        .with("actor", term.recipients.iter().map(actor).collect::<Vec<_>>())
        .with("securityLabel", term.labels.iter().filter_map(label).collect::<Vec<_>>())
        .with("purpose", term.purposes.iter().map(purpose).collect::<Vec<_>>())
        .with("code", term.classes.iter().filter_map(class).collect::<Vec<_>>())
        .with("dataPeriod", term.authored.as_ref().map(period))
        .with("data", term.data.iter().filter_map(datum).collect::<Vec<_>>())
}

fn period(span: &Span) -> Value {
    let instant = |at: Option<Timestamp>| at.map(|at| at.to_string());
    Object::new().with("start", instant(span.from)).with("end", instant(span.until)).into()
}

fn purpose(purpose: &TermPurpose) -> Value {
    let code = match purpose {
        TermPurpose::DirectCare => "TREAT",
        TermPurpose::BreakGlass => "BTG",
    };
    json!({"system": ACT_REASON, "code": code})
}

fn label(grain: &Grain) -> Option<Value> {
    match grain {
        Grain::Label(code) => Some(json!({"system": CONFIDENTIALITY, "code": code})),
        Grain::Tag(tag) => Some(json!({"system": ACT_CODE, "code": tag})),
        Grain::WholeRecord
        | Grain::Source(_)
        | Grain::Document(_)
        | Grain::Class { .. }
        | Grain::Recipient(_)
        | Grain::Authored(_)
        | Grain::Related(_) => None,
    }
}

fn class(grain: &Grain) -> Option<Value> {
    let Grain::Class { code, scheme, schemes } = grain else { return None };
    let system = scheme.as_ref().or(schemes.first()).map(|scheme| system_of_scheme(scheme));
    let coding = Object::new().with("system", system).with("code", code.as_str());
    Some(json!({"coding": [Value::from(coding)]}))
}

fn datum(grain: &Grain) -> Option<Value> {
    let (meaning, reference) = match grain {
        Grain::Source(from) => ("authoredby", organisation(from)),
        Grain::Document(id) => {
            ("instance", json!({"reference": format!("DocumentReference/{}", id.uuid())}))
        }
        Grain::Related(contact) => ("related", related(contact)),
        Grain::WholeRecord
        | Grain::Class { .. }
        | Grain::Recipient(_)
        | Grain::Label(_)
        | Grain::Tag(_)
        | Grain::Authored(_) => return None,
    };
    Some(json!({"meaning": meaning, "reference": reference}))
}

fn related(contact: &Contact) -> Value {
    let kind = match contact.kind {
        ContactKind::Encounter => "Encounter",
        ContactKind::CarePlan => "CarePlan",
        ContactKind::EpisodeOfCare => "EpisodeOfCare",
    };
    let system = contact.scheme.as_deref().map_or(URI.into(), system_of_scheme);
    json!({"type": kind, "identifier": {"system": system, "value": contact.id}})
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
