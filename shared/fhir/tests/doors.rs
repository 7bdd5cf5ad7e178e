//! What comes in by SOAP goes out by FHIR and comes back in by FHIR: the same ids, the same document.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::HashMap;

use carerecord_fhir::{
    FhirDocuments, Holder, Known, ProvideBundle, Times, document_reference, from_xml,
    submission_set_list, to_xml,
};
use carerecord_model::{
    Author, AvailabilityStatus, Code, DocumentEntry, DocumentEntryType, ExtraMetadata,
    LocalizedString, SubmissionSet, escape,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

/// A DocumentEntry and its set as FHIR shows them, provided again as they are shown.
fn back(entry: &DocumentEntry, set: &SubmissionSet, xml: bool) -> (DocumentEntry, SubmissionSet) {
    let url = "urn:uuid:00000000-0000-4000-8000-00000000000b";
    let organisation = Some(("Example Acute Trust", "ZEX01"));
    let holder = Holder { organisation, repository: entry.repository_unique_id.as_ref() };
    let times = Times::default();
    let document = document_reference(entry, url.to_owned(), holder, &[], &times).into();
    let mut list = submission_set_list(set, &[]);
    list["entry"] = json!([{"item": {"reference": "urn:uuid:document"}}]);
    let binary =
        json!({"resourceType": "Binary", "contentType": entry.mime_type.as_str(), "data": "aGk="});
    let posted = |url: &str, resource: Value| {
        let request = json!({"method": "POST", "url": resource["resourceType"]});
        json!({"fullUrl": url, "resource": resource, "request": request})
    };
    let bundle = json!({
        "resourceType": "Bundle",
        "meta": {"profile": [PROFILE]},
        "type": "transaction",
        "entry": [posted("urn:uuid:set", list), posted("urn:uuid:document", document), posted(url, binary)],
    });
    let bundle = match xml {
        true => from_xml(&to_xml(&bundle).unwrap(), 1 << 20).unwrap(),
        false => bundle,
    };
    let read =
        ProvideBundle::read(&bundle, "https://p.example/fhir").unwrap_or_else(|p| panic!("{p:?}"));
    let patient = read.patient(&|_| None).unwrap_or_else(|p| panic!("{p:?}"));
    let known = Known {
        derived: &|_| Uuid::nil(),
        documents: HashMap::new(),
        folders: HashMap::new(),
        fhir_documents: FhirDocuments::none(),
    };
    let provided = read.submission(patient, &known).unwrap_or_else(|p| panic!("{p:?}\n{bundle:#}"));
    let mut submission = provided.submission;
    (submission.document_entries.remove(0), submission.submission_set)
}

const PROFILE: &str =
    "https://profiles.ihe.net/ITI/MHD/StructureDefinition/IHE.MHD.Comprehensive.ProvideBundle";

fn code() -> impl Strategy<Value = Code> {
    // Of several schemes for one system of FHIR the first is the one that comes back.
    let scheme = prop_oneof![
        Just("2.16.840.1.113883.6.96".to_owned()),
        Just("2.16.840.1.113883.6.1".to_owned()),
        Just("https://x.example/codes".to_owned()),
        Just("Local scheme".to_owned()),
        "2\\.999\\.[1-9][0-9]{0,6}",
    ];
    ("[A-Za-z0-9:./-]{1,20}", scheme, "[A-Za-z][A-Za-z &<>\"'é]{0,20}[a-z]")
        .prop_map(|(code, scheme, display)| Code::new(code, scheme, display))
}

fn unique_id() -> impl Strategy<Value = String> {
    prop_oneof![
        "2\\.999\\.[1-9][0-9]{0,8}(\\.[1-9][0-9]{0,8}){0,4}",
        "2\\.999\\.[1-9][0-9]{0,8}\\^[A-Za-z0-9][A-Za-z0-9/ _-]{0,12}[A-Za-z0-9]",
        any::<u128>().prop_map(|n| format!("urn:uuid:{}", Uuid::from_u128(n))),
        any::<u128>().prop_map(|n| Uuid::from_u128(n).to_string()),
        "https://x\\.example/documents/[a-z0-9?=&-]{1,20}",
        "https://x\\.example/ids\\|[A-Za-z0-9^|-]{1,20}",
        "[A-Za-z][A-Za-z0-9_ ^-]{0,30}[A-Za-z0-9]",
    ]
}

fn time() -> impl Strategy<Value = String> {
    (1950u32..2030, 1u32..13, 1u32..29, 0u32..24, 0u32..60, 0u32..60, 0usize..4).prop_map(
        |(year, month, day, hour, minute, second, precision)| {
            let whole = format!("{year}{month:02}{day:02}{hour:02}{minute:02}{second:02}");
            whole[..[4, 6, 8, 14][precision]].to_owned()
        },
    )
}

fn text() -> impl Strategy<Value = String> {
    "[A-Za-zéß0-9&<>\"'^|~\\\\][A-Za-zéß0-9 &<>\"'^|~\\\\#-]{0,30}[A-Za-z]"
}

fn author() -> impl Strategy<Value = Author> {
    (
        text(),
        text(),
        prop::option::of("[A-Z][A-Z0-9]{2,4}"),
        prop::option::of("[A-Za-z ]{1,10}[a-z]"),
    )
        .prop_map(|(family, given, organisation, role)| Author {
            person: format!("^{}^{}", escape(&family), escape(&given)).parse().ok(),
            institutions: organisation
                .map(|code| {
                    let xon = format!(
                        "Hospital {code}^^^^^&2.16.840.1.113883.2.1.3.2.4.19.1&ISO^^^^{code}"
                    );
                    xon.parse().unwrap()
                })
                .into_iter()
                .collect(),
            roles: role.map(|role| role.trim().to_owned()).into_iter().collect(),
            specialties: Vec::new(),
            telecommunications: Vec::new(),
        })
}

fn reference_id() -> impl Strategy<Value = String> {
    ("[A-Z0-9]{1,8}", prop::bool::ANY).prop_map(|(id, encounter)| {
        let kind = if encounter { "2015:encounterId" } else { "2013:accession" };
        format!("{id}^^^&2.999.5&ISO^urn:ihe:iti:xds:{kind}")
    })
}

fn entry() -> impl Strategy<Value = DocumentEntry> {
    let codes = (code(), code(), code(), code(), code(), prop::collection::vec(code(), 1..3));
    let times = (time(), prop::option::of(time()), prop::option::of(time()));
    let more = (
        prop::option::of(text()),
        prop::option::of(text()),
        prop::collection::vec(author(), 0..3),
        prop::collection::vec(code(), 0..3),
        prop::collection::vec(reference_id(), 0..3),
        prop::option::of("[A-Z0-9]{1,8}"),
    );
    (any::<u128>(), unique_id(), codes, times, more, 0u64..1 << 40, any::<[u8; 20]>()).prop_map(
        |(uuid, unique_id, codes, times, more, size, hash)| DocumentEntry {
            entry_uuid: format!("urn:uuid:{}", Uuid::from_u128(uuid)).parse().unwrap(),
            logical_id: None,
            version: 0,
            entry_type: DocumentEntryType::Stable,
            availability_status: AvailabilityStatus::Approved,
            patient_id: "9990001006^^^&2.16.840.1.113883.2.1.4.1&ISO".parse().unwrap(),
            unique_id: unique_id.parse().unwrap(),
            repository_unique_id: None,
            home_community_id: None,
            mime_type: "application/pdf".parse().unwrap(),
            hash: Some(hash.iter().map(|b| format!("{b:02x}")).collect()),
            size: Some(size),
            creation_time: Some(times.0.parse().unwrap()),
            service_start_time: times.1.map(|t| t.parse().unwrap()),
            service_stop_time: times.2.map(|t| t.parse().unwrap()),
            language_code: "en-GB".into(),
            class_code: codes.0,
            type_code: codes.1,
            format_code: codes.2,
            healthcare_facility_type_code: codes.3,
            practice_setting_code: codes.4,
            confidentiality_codes: codes.5,
            event_codes: more.3,
            authors: more.2,
            legal_authenticator: None,
            source_patient_id: Some(format!("{}^^^&2.999.6&ISO", more.5.unwrap_or("H1".into()))),
            source_patient_info: vec![
                "PID-5|Ng^Bo".into(),
                "PID-7|19510302".into(),
                "PID-8|F".into(),
            ],
            reference_ids: in_order(more.4),
            title: more.0.map(LocalizedString::new).into_iter().collect(),
            comments: more.1.map(LocalizedString::new).into_iter().collect(),
            uri: None,
            online: true,
            extra: ExtraMetadata::default(),
        },
    )
}

/// FHIR has encounters before all else.
fn in_order(mut ids: Vec<String>) -> Vec<String> {
    ids.sort_by_key(|id| !id.ends_with("encounterId"));
    ids
}

fn set() -> impl Strategy<Value = SubmissionSet> {
    let id = "2\\.999\\.[1-9][0-9]{0,8}(\\.[1-9][0-9]{0,8}){0,4}";
    (any::<u128>(), id, time(), code(), prop::option::of(text()), prop::option::of(author()))
        .prop_map(|(uuid, unique_id, time, code, title, author)| SubmissionSet {
            entry_uuid: format!("urn:uuid:{}", Uuid::from_u128(uuid)).parse().unwrap(),
            availability_status: AvailabilityStatus::Approved,
            patient_id: "9990001006^^^&2.16.840.1.113883.2.1.4.1&ISO".parse().unwrap(),
            unique_id: unique_id.parse().unwrap(),
            source_id: "2.999.7".parse().unwrap(),
            submission_time: time.parse().unwrap(),
            content_type_code: code,
            // Of whoever sent it a List tells person and organisation.
            authors: author.map(|a| Author { roles: Vec::new(), ..a }).into_iter().collect(),
            intended_recipients: Vec::new(),
            title: title.map(LocalizedString::new).into_iter().collect(),
            comments: Vec::new(),
            home_community_id: None,
            extra: ExtraMetadata::default(),
        })
}

proptest! {
    #[test]
    fn a_document_comes_back_as_it_went(entry in entry(), set in set(), xml in prop::bool::ANY) {
        let (again, set_again) = back(&entry, &set, xml);

        prop_assert_eq!(again, entry);
        prop_assert_eq!(set_again, set);
    }
}
