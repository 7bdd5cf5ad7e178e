use carerecord_access::{ConsentRecord, ConsentStatus, Grain, Provision};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::NHS_NUMBER_SYSTEM;
use crate::code_system::ODS;

#[test]
fn every_grain_survives_the_way_there_and_back() {
    let ircp = json!({"coding": [{"system": ROLE_SYSTEM, "code": "IRCP"}]});
    let grains = [
        (json!({"type": "deny"}), Grain::WholeRecord),
        (
            json!({"type": "deny", "data": [{"meaning": "authoredby", "reference": org("ZEX01")}]}),
            Grain::Source("ZEX01".parse().unwrap()),
        ),
        (
            json!({"type": "deny", "data": [{"meaning": "instance", "reference":
                {"reference": "DocumentReference/6c1d0b52-0000-4000-8000-000000000001"}}]}),
            Grain::Document("urn:uuid:6c1d0b52-0000-4000-8000-000000000001".parse().unwrap()),
        ),
        (
            json!({"type": "deny", "code": [{"coding": [
                {"system": "http://snomed.info/sct", "code": "373942005"}]}]}),
            Grain::Class { code: "373942005".into(), scheme: None },
        ),
        (
            json!({"type": "deny", "code": [{"coding": [
                {"system": "urn:oid:2.999.4", "code": "REP"}]}]}),
            Grain::Class { code: "REP".into(), scheme: Some("2.999.4".into()) },
        ),
        (
            json!({"type": "deny", "actor": [{"role": ircp, "reference": org("ZEX02")}]}),
            Grain::Recipient("ZEX02".parse().unwrap()),
        ),
        (
            json!({"type": "deny", "securityLabel": [{"system": CONFIDENTIALITY, "code": "R"}]}),
            Grain::Label("R".into()),
        ),
        (
            json!({"type": "deny", "securityLabel": [{"system": ACT_CODE, "code": "PSY"}]}),
            Grain::Tag("PSY".into()),
        ),
    ];
    for (provision, grain) in grains {
        let record = parse(&provision).unwrap();
        assert_eq!(record.provision, Provision::Objection(grain), "{provision}");

        assert_eq!(again(&record), record);
    }
}

#[test]
fn a_permission_keeps_whom_and_until_when() {
    let mut consent = consent(&json!({
        "type": "permit",
        "period": {"start": "2026-01-02", "end": "2027-01"},
        "purpose": [{"code": "TREAT"}],
        "actor": [{"role": {"coding": [{"code": "IRCP"}]},
            "reference": {"reference": "Organization/ZEX05"}}],
    }));
    consent["performer"] = json!([{"reference": "RelatedPerson/1", "display": "A Name"}]);

    let record = read(&consent).unwrap();

    let recipient = Some("ZEX05".parse().unwrap());
    assert_eq!(record.provision, Provision::Permission { recipient });
    assert_eq!(record.since.to_string(), "2026-01-02T00:00:00Z");
    assert_eq!(record.until.unwrap().to_string(), "2027-01-31T23:59:59Z");
    assert_eq!(record.set_by, BY_REPRESENTATIVE, "no name out of the message");
    assert_eq!(again(&record), record);
}

#[test]
fn lifting_is_a_status() {
    for (code, status) in [
        ("active", ConsentStatus::Active),
        ("inactive", ConsentStatus::Inactive),
        ("rejected", ConsentStatus::Inactive),
        ("entered-in-error", ConsentStatus::EnteredInError),
    ] {
        let mut consent = consent(&json!({"type": "deny"}));
        consent["status"] = code.into();
        assert_eq!(read(&consent).unwrap().status, status);
    }
}

#[test]
fn a_provision_that_is_not_understood_is_refused_by_name() {
    let ircp = json!({"coding": [{"code": "IRCP"}]});
    let cases = [
        (json!({"type": "deny", "class": [{"code": "x"}]}), "provision.class"),
        (json!({"type": "deny", "provision": [{"type": "permit"}]}), "provision.provision"),
        (json!({"type": "deny", "purpose": [{"code": "HRESCH"}]}), "provision.purpose"),
        (json!({"type": "deny", "purpose": "TREAT"}), "provision.purpose"),
        (json!({"type": "deny", "securityLabel": []}), "provision.securityLabel"),
        (
            json!({"type": "deny", "securityLabel": [{"system": CONFIDENTIALITY, "code": "PSY"}]}),
            "provision.securityLabel",
        ),
        (json!({"type": "deny", "securityLabel": [{"code": "R"}]}), "provision.securityLabel"),
        (
            json!({"type": "deny", "securityLabel": [{"system": "urn:x", "code": "R"}]}),
            "provision.securityLabel of this system",
        ),
        (
            json!({"type": "deny", "securityLabel": [{"system": ACT_CODE, "code": "PSY"},
                {"system": ACT_CODE, "code": "ETH"}]}),
            "provision.securityLabel",
        ),
        (
            json!({"type": "permit", "securityLabel": [{"system": ACT_CODE, "code": "PSY"}]}),
            "provision.type",
        ),
        (json!({"type": "deny", "actor": [], "data": []}), "provision.actor"),
        (json!({"type": "deny", "actor": [{"reference": org("ZEX02")}]}), "provision.actor.role"),
        (
            json!({"type": "deny", "actor": [
                {"role": ircp, "reference": org("ZEX02"), "modifierExtension": []}]}),
            "provision.actor.modifierExtension",
        ),
        (
            json!({"type": "deny", "actor": [
                {"role": ircp, "reference": {"identifier": {"value": "ZEX02"}}}]}),
            "provision.actor.reference",
        ),
        (
            json!({"type": "deny", "actor": [{"role": ircp, "reference": org("ZEX02")},
                {"role": ircp, "reference": org("ZEX03")}]}),
            "provision.actor",
        ),
        (
            json!({"type": "deny", "actor": [{"role": ircp, "reference": org("ZEX02")}],
            "code": [{"coding": [{"code": "1"}]}]}),
            "provision with more than one kind",
        ),
        (json!({"type": "permit", "code": [{"coding": [{"code": "1"}]}]}), "provision.type"),
        (
            json!({"type": "deny", "code": [{"coding": [{"code": "1"}, {"code": "2"}]}]}),
            "provision.code",
        ),
        (
            json!({"type": "deny", "data": [{"meaning": "related", "reference": {}}]}),
            "provision.data.meaning",
        ),
        (
            json!({"type": "deny", "data": [{"meaning": "instance", "reference":
            {"reference": "DocumentReference/1/_history/2"}}]}),
            "provision.data.reference",
        ),
        (json!({"type": "deny", "period": {"end": "soon"}}), "provision.period"),
        (json!({"type": "deny", "period": {"start": "2027", "end": "2026"}}), "provision.period"),
        (json!({"type": "forbid"}), "provision.type"),
        (json!({"period": {}}), "provision.type"),
        (json!({"type": "deny", "9990001006": 1}), "provision.(not a name)"),
    ];
    for (provision, element) in cases {
        let error = parse(&provision).unwrap_err().to_string();
        assert!(error.contains(&format!("Consent.{element}")), "{provision}: {error}");
    }
}

#[test]
fn a_consent_that_is_not_understood_is_refused_by_name() {
    let cases = [
        ("modifierExtension", json!([]), "modifierExtension"),
        ("extension", json!([]), "extension"),
        ("implicitRules", json!("urn:x"), "implicitRules"),
        ("_status", json!({}), "_status"),
        ("verification", json!([]), "verification"),
        ("policyRule", json!({}), "policyRule"),
        ("scope", json!({"coding": [{"code": "research"}]}), "scope"),
        ("scope", Value::Null, "scope"),
        ("status", json!("draft"), "status"),
        ("dateTime", json!("someday"), "dateTime"),
        ("patient", json!({"reference": "Patient/1"}), "patient.identifier"),
        ("policy", json!([{"uri": "urn:a"}, {"uri": "urn:b"}]), "policy"),
        ("resourceType", json!("Patient"), "resourceType"),
    ];
    for (element, value, named) in cases {
        let mut consent = consent(&json!({"type": "deny"}));
        consent[element] = value;
        let error = read(&consent).unwrap_err().to_string();
        assert!(error.contains(&format!("Consent.{named} ")), "{element}: {error}");
    }
}

proptest! {
    #[test]
    fn any_json_is_read_or_refused(keys in proptest::collection::vec((0..8usize, json_value()), 0..4)) {
        let names = ["type", "period", "actor", "data", "code", "purpose", "reference", "role"];
        let mut provision = json!({"type": "deny"});
        for (key, value) in keys {
            provision[names[key]] = value;
        }
        let _ = parse(&provision);
        let _ = read(&provision);
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        let key = prop_oneof![
            Just("coding".to_owned()),
            Just("reference".to_owned()),
            Just("identifier".to_owned()),
            Just("meaning".to_owned()),
            Just("end".to_owned()),
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::hash_map(key, inner, 0..3)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

fn org(code: &str) -> Value {
    json!({"identifier": {"system": ODS, "value": code}})
}

fn consent(provision: &Value) -> Value {
    json!({
        "resourceType": "Consent", "status": "active",
        "scope": {"coding": [{"system": SCOPE_SYSTEM, "code": SCOPE}]},
        "patient": {"identifier": {"system": NHS_NUMBER_SYSTEM, "value": "9990001006"}},
        "dateTime": "2026-11-01T09:00:00Z",
        "policy": [{"uri": "urn:example:policy:3"}],
        "provision": provision,
    })
}

fn parse(provision: &Value) -> Result<ConsentRecord, ConsentError> {
    read(&consent(provision))
}

fn read(consent: &Value) -> Result<ConsentRecord, ConsentError> {
    let now = "2026-11-25T12:00:00Z".parse().unwrap();
    parse_consent(consent, Uuid::from_u128(1), now, "u", &"ZEX09".parse().unwrap())
}

/// Written and read, which gives the same in JSON and in XML.
fn again(record: &ConsentRecord) -> ConsentRecord {
    let written = crate::consent_resource(record);
    let in_xml = crate::to_xml(&written).unwrap();
    let from_xml = crate::from_xml_with_unknown(&in_xml, in_xml.len()).unwrap();
    let again = read(&written).unwrap();
    assert_eq!(read(&from_xml).unwrap(), again, "in XML");
    again
}
