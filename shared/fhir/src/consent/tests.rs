use carerecord_access::{
    ConsentRecord, ConsentStatus, Contact, ContactKind, Grain, Provision, Span, TermPurpose,
};
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
            Grain::Class {
                code: "373942005".into(),
                scheme: None,
                schemes: vec![
                    "2.16.840.1.113883.6.96".into(),
                    "2.16.840.1.113883.2.1.3.2.4.15".into(),
                    SNOMED.into(),
                ],
            },
        ),
        (
            json!({"type": "deny", "code": [{"coding": [{"code": "373942005"}]}]}),
            Grain::Class { code: "373942005".into(), scheme: None, schemes: Vec::new() },
        ),
        (
            json!({"type": "deny", "code": [{"coding": [
                {"system": "urn:oid:2.999.4", "code": "REP"}]}]}),
            Grain::Class {
                code: "REP".into(),
                scheme: Some("2.999.4".into()),
                schemes: Vec::new(),
            },
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
        (
            json!({"type": "deny", "dataPeriod": {"start": "2022", "end": "2022-06"}}),
            Grain::Authored(span("2022-01-01T00:00:00Z", "2022-06-30T23:59:59Z")),
        ),
        (
            json!({"type": "deny", "data": [{"meaning": "related", "reference": encounter("E 1")}]}),
            Grain::Related(Contact {
                kind: ContactKind::Encounter,
                id: "E 1".into(),
                scheme: Some("2.999.5".into()),
                schemes: Vec::new(),
            }),
        ),
        (
            json!({"type": "deny", "data": [{"meaning": "related", "reference": {
                "type": "CarePlan", "identifier":
                    {"system": "urn:ietf:rfc:3986", "value": "urn:oid:2.999.7.1"}}}]}),
            Grain::Related(Contact {
                kind: ContactKind::CarePlan,
                id: "2.999.7.1".into(),
                scheme: None,
                schemes: Vec::new(),
            }),
        ),
    ];
    for (provision, grain) in grains {
        let record = parse(&provision).unwrap();
        assert_eq!(record.provision, Provision::Objection(grain), "{provision}");

        assert_eq!(again(&record), record);
    }
}

/// The example of PCF: care is agreed to, psychiatric documents are not shared, but in an emergency.
#[test]
fn limits_and_exceptions_survive_the_way_there_and_back() {
    let ircp = json!({"coding": [{"system": ROLE_SYSTEM, "code": "IRCP"}]});
    let tag = |code: &str| json!({"system": ACT_CODE, "code": code});
    let purpose = |code: &str| json!({"system": ACT_REASON, "code": code});
    let provision = json!({
        "type": "permit",
        "period": {"start": "2026-01-02", "end": "2031-01-02"},
        "purpose": [purpose("TREAT"), purpose("BTG")],
        "actor": [{"role": ircp, "reference": org("ZEX01")}, {"role": ircp, "reference": org("ZEX02")}],
        "dataPeriod": {"start": "2022-01-01"},
        "data": [{"meaning": "authoredby", "reference": org("ZEX03")},
            {"meaning": "related", "reference": encounter("E1")}],
        "code": [{"coding": [{"code": "1"}]}, {"coding": [{"code": "2"}]}],
        "securityLabel": [{"system": CONFIDENTIALITY, "code": "N"}, tag("ETH")],
        "provision": [
            {"type": "deny", "period": {"end": "2027"}, "securityLabel": [tag("PSY")]},
            {"type": "permit", "purpose": [purpose("BTG")]},
        ],
    });

    let record = parse(&provision).unwrap();

    let Provision::Terms(terms) = &record.provision else { panic!("{record:?}") };
    let root = &terms.root;
    assert!(root.permits && root.applies.is_none(), "the record says how long it holds");
    assert_eq!(record.until.unwrap().to_string(), "2031-01-02T23:59:59Z");
    assert_eq!(root.recipients.len(), 2);
    assert_eq!(root.purposes, [TermPurpose::DirectCare, TermPurpose::BreakGlass]);
    let from = Some("2022-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(root.authored, Some(Span { from, until: None }));
    assert_eq!((root.data.len(), root.classes.len(), root.labels.len()), (2, 2, 2));
    let until = Some("2027-12-31T23:59:59Z".parse().unwrap());
    let [psychiatric, emergency] = terms.exceptions.as_slice() else { panic!("{terms:?}") };
    assert_eq!(psychiatric.applies, Some(Span { from: None, until }));
    assert_eq!(psychiatric.labels, [Grain::Tag("PSY".into())]);
    assert!(!psychiatric.permits && emergency.permits);
    assert_eq!(emergency.purposes, [TermPurpose::BreakGlass]);
    assert_eq!(again(&record), record);
    let written = crate::consent_resource(&record);
    let data = |n: usize| written["provision"]["data"][n]["reference"]["identifier"].clone();
    assert_eq!(data(1), encounter("E1")["identifier"]);
}

#[test]
fn several_limits_are_terms() {
    let ircp = json!({"coding": [{"code": "IRCP"}]});
    let label = json!({"system": ACT_CODE, "code": "PSY"});
    for provision in [
        json!({"type": "deny", "securityLabel": [label, {"system": ACT_CODE, "code": "ETH"}]}),
        json!({"type": "permit", "securityLabel": [label]}),
        json!({"type": "permit", "code": [{"coding": [{"code": "1"}]}]}),
        json!({"type": "permit", "dataPeriod": {"end": "2022"}}),
        json!({"type": "deny", "purpose": [{"code": "BTG"}]}),
        json!({"type": "deny", "purpose": [{"code": "TREAT"}]}),
        json!({"type": "permit", "purpose": [{"code": "TREAT"}]}),
        json!({"type": "deny", "purpose": [{"code": "TREAT"}],
            "actor": [{"role": ircp, "reference": org("ZEX02")}]}),
        json!({"type": "deny", "actor": [{"role": ircp, "reference": org("ZEX02")},
            {"role": ircp, "reference": org("ZEX03")}]}),
        json!({"type": "deny", "actor": [{"role": ircp, "reference": org("ZEX02")}],
            "code": [{"coding": [{"code": "1"}]}]}),
        json!({"type": "deny", "provision": [{"type": "permit", "purpose": [{"code": "BTG"}]}]}),
    ] {
        let record = parse(&provision).unwrap();

        assert!(matches!(record.provision, Provision::Terms(_)), "{provision}");
        assert_eq!(again(&record), record, "{provision}");
    }
}

/// A system with several OIDs means each of them, of a class as of a contact, and is told again.
#[test]
fn a_system_keeps_all_that_it_stands_for() {
    let provision = json!({
        "type": "permit",
        "code": [{"coding": [{"system": SNOMED, "code": "1"}]},
            {"coding": [{"system": "https://fhir.example.nhs.uk/classes", "code": "1"}]}],
        "data": [{"meaning": "related", "reference": {"type": "CarePlan",
            "identifier": {"system": SNOMED, "value": "1"}}}],
    });

    let record = parse(&provision).unwrap();

    let Provision::Terms(terms) = &record.provision else { panic!("{record:?}") };
    let Grain::Related(contact) = &terms.root.data[0] else { panic!("{terms:?}") };
    let both = ["2.16.840.1.113883.6.96", "2.16.840.1.113883.2.1.3.2.4.15"];
    assert!(both.iter().all(|oid| contact.schemes.contains(&(*oid).to_owned())), "{contact:?}");
    let Grain::Class { schemes, scheme: None, .. } = &terms.root.classes[0] else {
        panic!("{terms:?}")
    };
    assert!(both.iter().all(|oid| schemes.contains(&(*oid).to_owned())), "{schemes:?}");
    assert_eq!(again(&record), record);
    let written = crate::consent_resource(&record);
    assert_eq!(written["provision"]["code"], provision["code"]);
    assert_eq!(written["provision"]["data"], provision["data"]);
}

#[test]
fn an_exception_that_is_not_understood_is_refused_by_name() {
    let within = |exception: Value| json!({"type": "deny", "provision": [exception]});
    let cases = [
        (
            within(json!({"type": "permit", "provision": [{"type": "deny"}]})),
            "Consent.provision.provision.provision is not supported",
        ),
        (within(json!({"type": "permit", "action": []})), "Consent.provision.provision.action"),
        (within(json!({})), "Consent.provision.provision): Consent.provision.type is required"),
        (
            within(json!({"type": "permit", "dataPeriod": {}})),
            "Consent.provision.provision): Consent.provision.dataPeriod",
        ),
        (json!({"type": "deny", "provision": []}), "Consent.provision.provision is not"),
        (json!({"type": "deny", "provision": [1]}), "Consent.provision.provision is not"),
        (
            json!({"type": "deny", "provision": vec![json!({"type": "deny"}); 33]}),
            "Consent.provision.provision with more than 32 values",
        ),
    ];
    for (provision, element) in cases {
        let error = parse(&provision).unwrap_err().to_string();
        assert!(error.contains(element), "{provision}: {error}");
    }
}

#[test]
fn a_permission_keeps_whom_and_until_when() {
    let mut consent = consent(&json!({
        "type": "permit",
        "period": {"start": "2026-01-02", "end": "2027-01"},
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
        (json!({"type": "deny", "purpose": [{"code": "HRESCH"}]}), "provision.purpose"),
        (json!({"type": "deny", "purpose": "TREAT"}), "provision.purpose"),
        (json!({"type": "deny", "purpose": [{"system": 1, "code": "TREAT"}]}), "provision.purpose"),
        (
            json!({"type": "deny", "purpose": [{"system": ["urn:x"], "code": "BTG"}]}),
            "provision.purpose",
        ),
        (
            json!({"type": "deny", "code": [{"coding": [{"system": 1, "code": "1"}]}]}),
            "provision.code",
        ),
        (
            json!({"type": "deny", "code": [{"coding": [{"system": "", "code": "1"}]}]}),
            "provision.code",
        ),
        (
            json!({"type": "deny", "actor": [{"reference": org("ZEX02"),
                "role": {"coding": [{"system": 1, "code": "IRCP"}]}}]}),
            "provision.actor.role",
        ),
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
            json!({"type": "deny", "code": [{"coding": [{"code": "1"}, {"code": "2"}]}]}),
            "provision.code",
        ),
        (
            json!({"type": "deny", "data": [{"meaning": "dependents", "reference": {}}]}),
            "provision.data.meaning",
        ),
        (
            json!({"type": "deny", "data": [{"meaning": "related", "reference":
                {"identifier": {"system": "urn:oid:2.999.5", "value": "E1"}}}]}),
            "provision.data.reference.type is required",
        ),
        (
            json!({"type": "deny", "data": [{"meaning": "related", "reference":
                {"type": "Encounter", "reference": "Encounter/1"}}]}),
            "provision.data.reference.reference",
        ),
        (
            json!({"type": "deny", "data": [{"meaning": "related", "reference":
                {"type": "Encounter", "identifier": {"value": "E1"}}}]}),
            "provision.data.reference.identifier.system",
        ),
        (
            json!({"type": "deny", "data": [{"meaning": "related", "reference":
                {"type": "Patient", "identifier": {"system": "urn:x", "value": "E1"}}}]}),
            "provision.data.reference.type",
        ),
        (json!({"type": "deny", "dataPeriod": {}}), "provision.dataPeriod"),
        (
            json!({"type": "deny", "dataPeriod": {"start": "2023", "end": "2022"}}),
            "provision.dataPeriod",
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
        let names =
            ["type", "dataPeriod", "actor", "data", "code", "purpose", "provision", "securityLabel"];
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

const SNOMED: &str = "http://snomed.info/sct";

fn span(from: &str, until: &str) -> Span {
    Span { from: Some(from.parse().unwrap()), until: Some(until.parse().unwrap()) }
}

fn encounter(id: &str) -> Value {
    json!({"type": "Encounter", "identifier": {"system": "urn:oid:2.999.5", "value": id}})
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
