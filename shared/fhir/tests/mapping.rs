//! Whole resources as clients see them, in both forms.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use carerecord_access::{ConsentRecord, ConsentStatus, Grain, Provision};
use carerecord_fhir::{
    DocumentReferenceSearch, Entry, Holder, Issue, ListSearch, Related, SourceState, Times,
    capability_statement, consent_resource, document_reference, folder_list, outcome, pairs,
    patient_resource, refusal_issue, registry_failure, searchset, source_issue,
    submission_set_list, to_xml,
};
use carerecord_model::{
    AssociationType, Author, AvailabilityStatus, Code, DocumentEntry, DocumentEntryType, ErrorCode,
    ExtraMetadata, Folder, LocalizedString, Patient, SubmissionSet, TransactionError,
};
use serde_json::{Value, json};

fn shown(entry: &DocumentEntry, organisation: Option<(&str, &str)>, related: &[Related]) -> Value {
    let holder = Holder { organisation, repository: entry.repository_unique_id.as_ref() };
    document_reference(entry, URL.to_owned(), holder, related, &Times::default()).into()
}

#[test]
fn document_reference_as_json_and_xml() {
    let organisation = Some(("Example Acute Trust", "ZEX01"));
    let target = "urn:uuid:6c1d0b52-0000-4000-8000-000000000009".parse().unwrap();
    let relations = [AssociationType::Replace, AssociationType::HasMember]
        .map(|association_type| Related { association_type, target });

    let resource = shown(&entry(), organisation, &relations);

    insta::assert_json_snapshot!("document_reference", resource);
    insta::assert_snapshot!("document_reference_xml", lines(&resource));
}

#[test]
fn nothing_empty_is_written() {
    let mut entry = entry();
    entry.entry_type = DocumentEntryType::OnDemand;
    entry.hash = None;
    entry.size = None;
    entry.creation_time = None;
    entry.service_stop_time = None;
    entry.authors = vec![Author { person: Some("77123".parse().unwrap()), ..Author::default() }];
    entry.legal_authenticator = None;
    entry.source_patient_id = None;
    entry.source_patient_info = vec!["PID-5|".into(), "PID-7|x".into(), "nonsense".into()];
    entry.reference_ids = vec!["^^^".into(), String::new()];
    entry.title = vec![text(" ")];
    entry.comments.clear();
    entry.event_codes.clear();
    entry.type_code = Code::new("T", "2.999.1", "");
    entry.home_community_id = None;

    let resource = shown(&entry, None, &[]);

    assert_no_empty(&resource, "DocumentReference");
    let attachment = &resource["content"][0]["attachment"];
    for absent in ["size", "hash", "creation", "title"] {
        assert!(attachment.get(absent).is_none(), "{absent}");
    }
    assert!(resource["context"].get("sourcePatientInfo").is_none());
    assert_eq!(resource["type"], json!({"coding": [{"system": "urn:oid:2.999.1", "code": "T"}]}));
    assert_eq!(resource["author"][0]["display"], "77123");
}

#[test]
fn every_contained_resource_is_referenced_and_every_reference_held() {
    let resource = shown(&entry(), None, &[]);

    let text = resource.to_string();
    let contained = resource["contained"].as_array().unwrap();
    assert_eq!(contained.len(), 5);
    assert!(!text.contains("XX1 1XX"), "an address is told");
    for one in contained {
        let id = one["id"].as_str().unwrap();
        assert!(text.contains(&format!("\"#{id}\"")), "{id} is not referenced");
    }
    let held = |id: &str| contained.iter().any(|c| c["id"] == id);
    for reference in text.split("\"#").skip(1) {
        assert!(held(reference.split('"').next().unwrap()), "{reference}");
    }
}

#[test]
fn a_submission_set_and_a_folder() {
    let members = ["urn:uuid:6c1d0b52-0000-4000-8000-000000000001".parse().unwrap()];

    let set = submission_set_list(&submission_set(), &members);
    let folder = folder_list(&folder(), &[]);

    insta::assert_json_snapshot!("submission_set", set);
    insta::assert_snapshot!("submission_set_xml", lines(&set));
    insta::assert_json_snapshot!("folder", folder);
    assert_no_empty(&set, "List");
    assert_no_empty(&folder, "List");
}

#[test]
fn a_death_without_a_date_is_told() {
    let mut person = Patient::from_number("9990001006".parse().unwrap());
    let told = |person: &Patient| {
        let resource = patient_resource(person, "p");
        (resource["deceasedBoolean"].clone(), resource["deceasedDateTime"].clone())
    };

    assert_eq!(told(&person), (json!(null), json!(null)));
    person.deceased = true;
    assert_eq!(told(&person), (json!(true), json!(null)));
    person.death_date = Some("2026-03-02".parse().unwrap());
    assert_eq!(told(&person), (json!(null), json!("2026-03-02")));
}

#[test]
fn everything_that_is_answered_has_an_xml_form() {
    let mut person = Patient::from_number("9990001006".parse().unwrap());
    person.family_name = Some("Example".into());
    person.given_names = vec!["Ada".into()];
    person.prefix = Some("Dr".into());
    person.birth_date = Some("1951-03-02".parse().unwrap());
    person.death_date = Some("2026-03-02".parse().unwrap());
    let states = [
        SourceState::Answered,
        SourceState::Late,
        SourceState::Down,
        SourceState::Refused,
        SourceState::Garbage,
        SourceState::Paused,
        SourceState::NotConnected,
    ];
    let last_good = || Some("2026-01-02T03:04:05Z".to_owned());
    let mut issues: Vec<Issue> = states
        .iter()
        .map(|s| source_issue(*s, "A trust", "2.999.3", 12, last_good(), Some("2026-01-01".into())))
        .collect();
    let busy = TransactionError::one(ErrorCode::XDSRegistryBusy, "");
    issues.push(refusal_issue("no-agreement", "There is none.", Some("Set by X".into()), true));
    issues.extend(registry_failure(&busy, "It is busy.").1);
    issues.push(Issue::error("not-found", "There is nothing."));
    let entries = vec![
        Entry::Match("urn:a".into(), patient_resource(&person, "p").into()),
        Entry::Match("urn:b".into(), consent_resource(&consent()).into()),
        Entry::Outcome(outcome(issues)),
    ];

    let bundle = Value::from(searchset("https://portal.example/fhir/Patient", 2, entries));
    let capabilities =
        capability_statement("https://p.example/fhir", "1", "2026", "https://t", None);

    insta::assert_snapshot!("bundle_xml", lines(&bundle));
    assert!(to_xml(&capabilities).is_ok());
    assert_no_empty(&bundle, "Bundle");
    assert_no_empty(&capabilities, "CapabilityStatement");
}

#[test]
fn a_search_finds_what_it_asks_for_and_the_stored_query_loses_nothing() {
    let entry = entry();
    let matches = |more: &str| {
        let text = format!("patient.identifier=9990001006&status=current&{more}");
        let search = DocumentReferenceSearch::parse(&pairs(&text), true).unwrap();
        let found = search.among(&[&entry]).has(&entry, &times());
        assert!(!found || search.find_documents().filter.matches(&entry), "the query loses {more}");
        found
    };

    for yes in [
        "type=http://snomed.info/sct|373942005",
        "type=1,373942005&category=http://snomed.info/sct|823651000000106",
        "setting=394802001&facility=22232009&event=SRT|T-D4909",
        "security-label=http://terminology.hl7.org/CodeSystem/v3-Confidentiality|N",
        "format=urn:ihe:iti:xds:2017:mimeTypeSufficient",
        "creation=2026-01-14",
        "creation=ge2026-01-14&creation=lt2026-01-15",
        "creation=ge2026-01-14T09:58:00Z",
        "period=ge2026-01-14&period=lt2026-01-10",
        "author.family=oka&author.given=Ada",
        "author.family:exact=Okafor",
        "author.family:contains=KAF&author.given:contains=da",
        "type:not=1&event:not=1,2",
        "type:missing=false&related:missing=false&period:missing=false&creation:missing=false",
        "identifier:missing=false&date:missing=false",
        "date=2026-01-15&date=ge2026-01-14",
        "_lastUpdated=ge2026-01-15T10:00:00.5Z&_lastUpdated=lt2026-01-16",
        "identifier=urn:oid:2.999.99.7.2|5501",
        "identifier=2.999.99.7.2^5501",
        "identifier=urn:uuid:6c1d0b52-0000-4000-8000-000000000001",
        "related.identifier=urn:oid:2.999.8|ACC-1",
        "_id=6c1d0b52-0000-4000-8000-000000000001,x",
    ] {
        assert!(matches(yes), "{yes}");
    }
    for no in [
        "type=http://loinc.org|373942005",
        "type=373942005&type=1",
        "creation=lt2026-01-14",
        "period=ge2026-01-15",
        "author.family:exact=okafor",
        "author.family:contains=zz",
        "type:not=373942005",
        "type:not=1,373942005",
        "type:missing=true",
        "related:missing=true",
        "identifier:missing=true",
        "date=lt2026-01-15",
        "_lastUpdated=gt2026-01-15T10:00:00.500Z",
        "identifier=5501|5501",
        "related.identifier=urn:oid:2.999.9|ACC-1",
        "_id=x",
    ] {
        assert!(!matches(no), "{no}");
    }
}

#[test]
fn a_search_finds_lists() {
    let search = |more: &str| {
        let text = format!("patient.identifier=9990001006&status=current,retired&{more}");
        ListSearch::parse(&pairs(&text), true).unwrap()
    };

    let sets = search(
        "code=submissionset&date=2026-01-14&source.family=Okafor&sourceId=urn:oid:2.999.99.7\
         &identifier=urn:ietf:rfc:3986|urn:oid:2.999.99.7.1.1&designationType=373942005",
    );
    assert!(sets.matches_set(&submission_set(), &times()));
    assert!(!sets.matches_folder(&folder(), &times()));
    let folders = search("code=folder&source.family=Nobody&designationType=823651000000106");
    assert!(folders.matches_folder(&folder(), &times()), "what a folder has not got is left out");
    for no in [
        "sourceId=2.999.1",
        "sourceId:not=2.999.99.7",
        "sourceId:missing=true",
        "designationType:not=373942005",
        "designationType:missing=true",
        "date:missing=true",
        "_lastUpdated=lt2026-01-15",
    ] {
        let search = search(&format!("code=submissionset&{no}"));
        assert!(!search.matches_set(&submission_set(), &times()), "{no}");
    }
    let dated = search("code=folder&date:missing=true&designationType:not=1&sourceId:missing=true");
    assert!(dated.matches_folder(&folder(), &times()), "a folder has no source to be missing");
}

fn times() -> Times {
    Times {
        submitted: Some("20260115100000".parse().unwrap()),
        last_updated: Some("2026-01-15T10:00:00.5Z".parse().unwrap()),
    }
}

fn entry() -> DocumentEntry {
    let code = |code: &str| Code::new(code, "2.16.840.1.113883.2.1.3.2.4.15", "Name of it");
    DocumentEntry {
        entry_uuid: "urn:uuid:6c1d0b52-0000-4000-8000-000000000001".parse().unwrap(),
        logical_id: None,
        version: 2,
        entry_type: DocumentEntryType::Stable,
        availability_status: AvailabilityStatus::Approved,
        patient_id: "9990001006^^^&2.16.840.1.113883.2.1.4.1&ISO".parse().unwrap(),
        unique_id: "2.999.99.7.2^5501".parse().unwrap(),
        repository_unique_id: Some("2.999.3".parse().unwrap()),
        home_community_id: Some("urn:oid:2.999.1".parse().unwrap()),
        mime_type: "application/pdf".parse().unwrap(),
        hash: Some("2aae6c35c94fcfb415dbe95f408b9ce91ee846ed".into()),
        size: Some(11),
        creation_time: Some("20260114095800".parse().unwrap()),
        service_start_time: Some("20260109".parse().unwrap()),
        service_stop_time: Some("202601140930".parse().unwrap()),
        language_code: "en-GB".into(),
        class_code: code("823651000000106"),
        type_code: code("373942005"),
        format_code: Code::new(
            "urn:ihe:iti:xds:2017:mimeTypeSufficient",
            "1.3.6.1.4.1.19376.1.2.3",
            "",
        ),
        healthcare_facility_type_code: code("22232009"),
        practice_setting_code: code("394802001"),
        confidentiality_codes: vec![Code::new("N", "2.16.840.1.113883.5.25", "normal")],
        event_codes: vec![Code::new("T-D4909", "SRT", "Kidney")],
        authors: vec![author()],
        legal_authenticator: Some("^Hill^Grace".parse().unwrap()),
        source_patient_id: Some("H-00417^^^&2.999.99.20&ISO".into()),
        source_patient_info: [
            "PID-3|H-00417^^^&2.999.99.20&ISO",
            "PID-5|Example^Ada^Mary^^Dr",
            "PID-7|19510302",
            "PID-8|F",
            "PID-11|1 The Street^^Anytown^^XX1 1XX^GB",
        ]
        .map(str::to_owned)
        .to_vec(),
        reference_ids: [
            "ENC-7^^^&2.999.8&ISO^urn:ihe:iti:xds:2015:encounterId",
            "ACC-1^^^&2.999.8&ISO^urn:ihe:iti:xds:2013:accession",
        ]
        .map(str::to_owned)
        .to_vec(),
        title: vec![text("Discharge summary")],
        comments: vec![text("Final & signed")],
        uri: None,
        online: true,
        extra: ExtraMetadata::default(),
    }
}

fn author() -> Author {
    Author {
        person: Some(
            "555021935107^Okafor^Ada^^^Dr^^^&1.2.826.0.1285.0.2.0.65&ISO".parse().unwrap(),
        ),
        institutions: vec![
            "Example Hospital^^^^^&2.16.840.1.113883.2.1.3.2.4.19.1&ISO^^^^ZEX01".parse().unwrap(),
        ],
        roles: vec!["R8000^^^&1.2.826.0.1285.0.2.1.104&ISO".into()],
        specialties: vec!["Cardiology".into()],
        telecommunications: ["^^Internet^a.okafor@example.org", "^WPN^PH^^44^20^7946000", "x"]
            .map(|t| t.parse().unwrap())
            .to_vec(),
    }
}

fn submission_set() -> SubmissionSet {
    SubmissionSet {
        entry_uuid: "urn:uuid:6c1d0b52-0000-4000-8000-00000000000a".parse().unwrap(),
        availability_status: AvailabilityStatus::Approved,
        patient_id: entry().patient_id,
        unique_id: "2.999.99.7.1.1".parse().unwrap(),
        source_id: "2.999.99.7".parse().unwrap(),
        submission_time: "20260114102231".parse().unwrap(),
        content_type_code: entry().type_code,
        authors: vec![author()],
        intended_recipients: [
            "Example Practice^^^^^^^^^2.999.50.1",
            "|^Hill^Grace",
            "||^^Internet^a@example.org",
        ]
        .map(str::to_owned)
        .to_vec(),
        title: vec![text("Discharge")],
        comments: vec![text("As agreed")],
        home_community_id: None,
        extra: ExtraMetadata::default(),
    }
}

fn folder() -> Folder {
    Folder {
        entry_uuid: "urn:uuid:6c1d0b52-0000-4000-8000-00000000000b".parse().unwrap(),
        logical_id: None,
        version: 1,
        availability_status: AvailabilityStatus::Deprecated,
        patient_id: entry().patient_id,
        unique_id: "2.999.99.7.3.1".parse().unwrap(),
        codes: vec![entry().class_code],
        last_update_time: None,
        title: vec![text("Pregnancy 2026")],
        comments: Vec::new(),
        home_community_id: None,
        extra: ExtraMetadata::default(),
    }
}

fn consent() -> ConsentRecord {
    ConsentRecord {
        id: "6c1d0b52-0000-4000-8000-00000000000c".parse().unwrap(),
        version: 1,
        patient: "9990001006".parse().unwrap(),
        status: ConsentStatus::Active,
        provision: Provision::Objection(Grain::Source("ZEX01".parse().unwrap())),
        set_by: "the patient".into(),
        organisation: "ZEX09".parse().unwrap(),
        since: "2026-11-01T09:00:00Z".parse().unwrap(),
        until: Some("2027-11-01T09:00:00Z".parse().unwrap()),
        policy_uri: None,
        recorded_at: "2026-11-01T09:05:00Z".parse().unwrap(),
        recorded_by: "u".into(),
    }
}

fn text(value: &str) -> LocalizedString {
    LocalizedString::new(value)
}

/// XML with an element a line, for people.
fn lines(resource: &Value) -> String {
    String::from_utf8(to_xml(resource).unwrap()).unwrap().replace("><", ">\n<")
}

fn assert_no_empty(value: &Value, path: &str) {
    match value {
        Value::Null => panic!("{path} is null"),
        Value::Bool(_) | Value::Number(_) => {}
        Value::String(s) => assert!(!s.trim().is_empty(), "{path} is blank"),
        Value::Array(a) => {
            assert!(!a.is_empty(), "{path} is empty");
            a.iter().for_each(|v| assert_no_empty(v, path));
        }
        Value::Object(o) => {
            assert!(!o.is_empty(), "{path} is empty");
            o.iter().for_each(|(k, v)| assert_no_empty(v, &format!("{path}.{k}")));
        }
    }
}

const URL: &str = "https://portal.example/fhir/Binary/6c1d0b52-0000-4000-8000-000000000001";
