mod simplified;
mod wrong;

use std::collections::HashMap;

use carerecord_model::{
    AssociationType, EntryUuid, ErrorCode, NhsNumber, RegistryError, SubmissionSetStatus, UniqueId,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::{
    Format, Holder, Related, Times, document_reference, from_xml, submission_set_list, to_xml,
};

const BASE: &str = "http://portal.example/fhir";
const NUMBER: &str = "9990001030";
const OLD: &str = "6c1d0b52-0000-4000-8000-000000000001";
const MHD: &str = "https://profiles.ihe.net/ITI/MHD";

fn derived(name: &str) -> Uuid {
    let mut bytes = [0u8; 16];
    for (n, b) in name.bytes().enumerate() {
        bytes[n % 16] = bytes[n % 16].wrapping_mul(31).wrapping_add(b);
    }
    Uuid::from_bytes(bytes)
}

fn provide(bundle: &Value) -> Result<Provided, Vec<Problem>> {
    provide_knowing(bundle, &knowing(FhirDocuments::none()))
}

fn knowing(fhir_documents: FhirDocuments) -> Known<'static> {
    Known { derived: &derived, documents: HashMap::new(), folders: HashMap::new(), fhir_documents }
}

fn provide_knowing(bundle: &Value, known: &Known<'_>) -> Result<Provided, Vec<Problem>> {
    let bundle = ProvideBundle::read(bundle, BASE)?;
    let by_id = |id: &str| (id == "sealed").then(|| NUMBER.parse::<NhsNumber>().unwrap());
    let patient = bundle.patient(&by_id)?;
    bundle.submission(patient, known)
}

/// The problems with their places.
fn problems(bundle: &Value) -> Vec<(String, &'static str)> {
    let found = provide(bundle).err().unwrap_or_default();
    found.into_iter().map(|p| (p.expression, p.kind)).collect()
}

fn subject() -> Value {
    json!({"identifier": {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": NUMBER}})
}

fn snomed(code: &str) -> Value {
    json!({"coding": [{"system": "http://snomed.info/sct", "code": code, "display": "D"}]})
}

/// The digest's worked example: a replacement of a document by another one.
fn bundle() -> Value {
    json!({
        "resourceType": "Bundle",
        "meta": {"profile": [format!("{MHD}/StructureDefinition/IHE.MHD.Comprehensive.ProvideBundle")]},
        "type": "transaction",
        "entry": [
            {"fullUrl": "urn:uuid:1", "resource": set(), "request": {"method": "POST", "url": "List"}},
            {
                "fullUrl": "urn:uuid:2",
                "resource": document(),
                "request": {"method": "POST", "url": "DocumentReference"},
            },
            {
                "fullUrl": "urn:uuid:3",
                "resource": {"resourceType": "Binary", "contentType": "application/pdf",
                    "data": "aGVsbG8gd29ybGQ="},
                "request": {"method": "POST", "url": "Binary"},
            },
        ],
    })
}

fn set() -> Value {
    json!({
        "resourceType": "List",
        "contained": [{"resourceType": "Practitioner", "id": "sub1",
            "identifier": [{"system": "https://fhir.nhs.uk/Id/sds-user-id", "value": "555021935107"}],
            "name": [{"family": "Okafor", "given": ["Ada"]}]}],
        "extension": [
            {"url": format!("{MHD}/StructureDefinition/ihe-designationType"),
                "valueCodeableConcept": snomed("373942005")},
            {"url": format!("{MHD}/StructureDefinition/ihe-sourceId"),
                "valueIdentifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:2.999.99.7"}},
        ],
        "identifier": [{"use": "usual", "system": "urn:ietf:rfc:3986",
            "value": "urn:oid:2.999.99.7.1.20260114.1"}],
        "status": "current",
        "mode": "working",
        "code": {"coding": [{"system": format!("{MHD}/CodeSystem/MHDlistTypes"), "code": "submissionset"}]},
        "subject": subject(),
        "date": "2026-01-14T10:22:31Z",
        "source": {"reference": "#sub1"},
        "entry": [{"item": {"reference": "urn:uuid:2"}}],
    })
}

fn document() -> Value {
    json!({
        "resourceType": "DocumentReference",
        "contained": [
            {"resourceType": "Patient", "id": "spi",
                "identifier": [{"system": "urn:oid:2.999.99.20", "value": "H-00417"}],
                "name": [{"family": "Ng", "given": ["Bo", "Li"]}], "gender": "female",
                "birthDate": "1951-03-02", "address": [{"line": ["1 The Street"], "city": "Town"}]},
            {"resourceType": "Practitioner", "id": "aut", "name": [{"family": "Okafor", "given": ["Ada"]}]},
            {"resourceType": "PractitionerRole", "id": "role", "practitioner": {"reference": "#aut"},
                "organization": {"reference": "#org"}, "code": [{"text": "Consultant"}],
                "telecom": [{"system": "phone", "value": "01632 960001"},
                    {"system": "email", "value": "a@b.example"}]},
            {"resourceType": "Organization", "id": "org", "name": "Royal Example",
                "identifier": [{"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "ZEX01"}]},
        ],
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:2.999.99.7.2.5501"},
        "identifier": [{"use": "official", "system": "urn:ietf:rfc:3986",
            "value": "urn:uuid:3b2f6c1e-6c55-4f0a-9a51-0b6f7bb0c101"}],
        "status": "current",
        "type": snomed("373942005"),
        "category": [snomed("823651000000106")],
        "subject": subject(),
        "author": [{"reference": "#role"}, {"reference": "#org"}],
        "authenticator": {"reference": "#aut"},
        "relatesTo": [{"code": "replaces", "target": {"reference": format!("DocumentReference/{OLD}")}}],
        "description": "A comment",
        "securityLabel": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}]}],
        "content": [{
            "attachment": {"contentType": "application/pdf", "language": "en-GB", "url": "urn:uuid:3",
                "size": 11, "hash": "Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "title": "Discharge summary",
                "creation": "2026-01-14T09:58:00Z"},
            "format": {"system": "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode",
                "code": "urn:ihe:iti:xds:2017:mimeTypeSufficient"},
        }],
        "context": {
            "period": {"start": "2026-01-09", "end": "2026-01-14T09:30:00Z"},
            "event": [snomed("1")],
            "facilityType": snomed("22232009"),
            "practiceSetting": snomed("394802001"),
            "sourcePatientInfo": {"reference": "#spi"},
            "encounter": [{"identifier": {"system": "urn:oid:2.999.5", "value": "E1"}}],
        },
    })
}

#[test]
fn the_digests_example_is_a_submission() {
    let provided = provide(&bundle()).unwrap();

    let submission = &provided.submission;
    let entry = &submission.document_entries[0];
    assert_eq!(entry.entry_uuid.to_string(), "urn:uuid:3b2f6c1e-6c55-4f0a-9a51-0b6f7bb0c101");
    assert_eq!(entry.unique_id.as_str(), "2.999.99.7.2.5501");
    assert_eq!(entry.hash.as_deref(), Some("2aae6c35c94fcfb415dbe95f408b9ce91ee846ed"));
    assert_eq!(entry.creation_time.as_ref().unwrap().as_str(), "20260114095800");
    assert_eq!(entry.service_start_time.as_ref().unwrap().as_str(), "20260109");
    assert_eq!(entry.source_patient_id.as_deref(), Some("H-00417^^^&2.999.99.20&ISO"));
    let info = ["PID-5|Ng^Bo^Li", "PID-7|19510302", "PID-8|F", "PID-11|1 The Street^^Town"];
    assert_eq!(entry.source_patient_info, info);
    let [author] = entry.authors.as_slice() else { panic!("{}", entry.authors.len()) };
    assert_eq!(author.person.as_ref().unwrap().as_str(), "^Okafor^Ada");
    assert_eq!(author.institutions.len(), 1, "the same one twice");
    assert_eq!(author.institutions[0].id().as_deref(), Some("ZEX01"));
    assert_eq!(author.roles, ["Consultant"]);
    assert_eq!(entry.reference_ids, ["E1^^^&2.999.5&ISO^urn:ihe:iti:xds:2015:encounterId"]);
    assert!(!entry.extra.limited);
    let set = &submission.submission_set;
    assert_eq!(set.unique_id.as_str(), "2.999.99.7.1.20260114.1");
    assert_eq!(set.source_id.as_str(), "2.999.99.7");
    let submitter = set.authors[0].person.as_ref().unwrap().as_str();
    assert_eq!(submitter, "555021935107^Okafor^Ada^^^^^^&1.2.826.0.1285.0.2.0.65&ISO");
    let relations: Vec<_> = submission
        .associations
        .iter()
        .map(|a| (a.association_type, a.target.to_string(), a.submission_set_status))
        .collect();
    let own = entry.entry_uuid.to_string();
    let expected = [
        (AssociationType::HasMember, own, Some(SubmissionSetStatus::Original)),
        (AssociationType::Replace, format!("urn:uuid:{OLD}"), None),
    ];
    assert_eq!(relations, expected);
    assert_eq!(provided.contents, [b"hello world".to_vec()]);
    assert_eq!(provided.documents[0].entry, entry.entry_uuid);
    let places = [
        Place::Created("List", set.entry_uuid.uuid().unwrap().uuid()),
        Place::Created("DocumentReference", entry.uuid().unwrap().uuid()),
        Place::Created("Binary", entry.uuid().unwrap().uuid()),
    ];
    assert_eq!(provided.places, places);
}

#[test]
fn what_goes_in_comes_out_again() {
    let (given, list) = (document(), set());

    let submission = provide(&bundle()).unwrap().submission;
    let entry = &submission.document_entries[0];
    let target = EntryUuid::new(OLD.parse().unwrap());
    let related = [Related { association_type: AssociationType::Replace, target }];
    let url = "urn:uuid:3".to_owned();
    let out = document_reference(entry, url, Holder::default(), &related, &Times::default());
    let out = Value::from(out);
    let out_list = submission_set_list(&submission.submission_set, &[]);

    let same = ["status", "type", "category", "relatesTo", "description"];
    for key in same {
        assert_eq!(out[key], given[key], "{key}");
    }
    assert_eq!(out["content"][0]["attachment"], given["content"][0]["attachment"]);
    for key in ["period", "event", "facilityType", "practiceSetting", "encounter"] {
        let mut expected = given["context"][key].clone();
        if key == "encounter" {
            expected[0]["identifier"]["type"] = json!({"coding": [{"system": "urn:ietf:rfc:3986",
                "code": "urn:ihe:iti:xds:2015:encounterId"}]});
        }
        assert_eq!(out["context"][key], expected, "{key}");
    }
    assert_eq!(out["masterIdentifier"]["value"], given["masterIdentifier"]["value"]);
    assert_eq!(out["identifier"][0]["value"], given["identifier"][0]["value"]);
    assert_eq!(out["author"].as_array().unwrap().len(), 2);
    assert_eq!(out["subject"]["identifier"], given["subject"]["identifier"]);
    assert_eq!(out_list["date"], list["date"]);
    assert_eq!(out_list["extension"][0], list["extension"][0]);
    assert_eq!(out_list["identifier"][1]["value"], list["identifier"][0]["value"]);
}

#[test]
fn xml_is_the_same() {
    let as_xml = from_xml(&to_xml(&bundle()).unwrap(), 1 << 20).unwrap();

    assert_eq!(provide(&as_xml).unwrap().submission, provide(&bundle()).unwrap().submission);
}

#[test]
fn folders_hold_documents_of_the_bundle_and_others() {
    let mut bundle = bundle();
    let mut folder = set();
    folder["code"]["coding"][0]["code"] = "folder".into();
    folder["title"] = "Knee".into();
    folder["identifier"] = json!([]);
    folder.as_object_mut().unwrap().remove("source");
    folder["entry"] = json!([
        {"item": {"reference": "urn:uuid:2"}},
        {"item": {"reference": format!("{BASE}/DocumentReference/{OLD}/_history/2")}},
        {"item": {"identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:2.999.8"}}},
    ]);
    add(&mut bundle, "urn:uuid:4", folder.clone(), "POST", "List");
    let list = &mut bundle["entry"][0]["resource"]["entry"];
    list.as_array_mut().unwrap().push(json!({"item": {"reference": "urn:uuid:4"}}));
    let other = "6c1d0b52-0000-4000-8000-000000000002";
    let known = Known {
        derived: &derived,
        documents: HashMap::from([(
            "2.999.8".parse::<UniqueId>().unwrap(),
            EntryUuid::new(other.parse().unwrap()),
        )]),
        ..knowing(FhirDocuments::none())
    };

    let submission = provide_knowing(&bundle, &known).unwrap().submission;

    let folder = &submission.folders[0];
    assert!(folder.unique_id.as_str().starts_with("2.25."), "one is made for it");
    let members: Vec<String> = submission
        .associations
        .iter()
        .filter(|a| a.source == folder.entry_uuid)
        .map(|a| a.target.to_string())
        .collect();
    let document = submission.document_entries[0].entry_uuid.to_string();
    assert_eq!(members, [document, format!("urn:uuid:{OLD}"), format!("urn:uuid:{other}")]);
    let of_set =
        submission.associations.iter().filter(|a| a.source == submission.submission_set.entry_uuid);
    assert_eq!(of_set.count(), 5, "document, folder and three memberships");
    assert_eq!(
        problems(&bundle),
        [("Bundle.entry[3].resource.entry[2].item".to_owned(), "not-found")],
        "what is not known is not there"
    );
}

#[test]
fn a_patch_goes_with_its_replacement_only() {
    let mut good = bundle();
    let patch = json!({"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": "DocumentReference.status"},
        {"name": "value", "valueCode": "superseded"}]}]});
    add(&mut good, "urn:uuid:4", patch.clone(), "PATCH", &format!("DocumentReference/{OLD}"));
    let mut other = bundle();
    let nobody = "DocumentReference/6c1d0b52-0000-4000-8000-00000000000f";
    add(&mut other, "urn:uuid:4", patch.clone(), "PATCH", nobody);
    let mut wild = good.clone();
    wild["entry"][3]["resource"]["parameter"][0]["part"][1]["valueString"] =
        "DocumentReference.type".into();

    let place = provide(&good).unwrap().places[3];

    assert_eq!(place, Place::Updated("DocumentReference", OLD.parse().unwrap()));
    assert_eq!(problems(&other), [("Bundle.entry[3].request".to_owned(), "business-rule")]);
    assert_eq!(problems(&wild), [("Bundle.entry[3].resource".to_owned(), "not-supported")]);
}

#[test]
fn the_minimal_profile_lets_things_be_missing() {
    let mut minimal = bundle();
    minimal["meta"]["profile"][0] =
        format!("{MHD}/StructureDefinition/IHE.MHD.Minimal.ProvideBundle").into();
    let whole = provide(&minimal).unwrap().submission;
    let document = minimal["entry"][1]["resource"].as_object_mut().unwrap();
    for key in
        ["type", "category", "subject", "securityLabel", "context", "author", "authenticator"]
    {
        document.remove(key);
    }
    let set = minimal["entry"][0]["resource"].as_object_mut().unwrap();
    set["extension"].as_array_mut().unwrap().remove(0);

    let limited = provide(&minimal).unwrap().submission;

    assert!(!whole.document_entries[0].extra.limited && !whole.submission_set.extra.limited);
    let entry = &limited.document_entries[0];
    assert!(entry.extra.limited && limited.submission_set.extra.limited);
    assert!(entry.type_code.is_absent() && entry.confidentiality_codes.is_empty());
    assert_eq!(entry.source_patient_id, Some(entry.patient_id.to_cx()));
    minimal["meta"]["profile"][0] =
        format!("{MHD}/StructureDefinition/IHE.MHD.Comprehensive.ProvideBundle|4.2.3").into();
    let missing = problems(&minimal);
    assert!(missing.iter().all(|(_, kind)| *kind == "required"), "{missing:?}");
    assert!(missing.iter().any(|(at, _)| at == "Bundle.entry[1].resource.subject"), "{missing:?}");
}

#[test]
fn a_fhir_document_is_an_entry_of_its_own() {
    let mut bundle = bundle();
    bundle["entry"][2] = json!({"fullUrl": "urn:uuid:3", "resource": {"resourceType": "Bundle",
        "type": "document"}, "request": {"method": "POST", "url": "Bundle"}});
    let attachment = &mut bundle["entry"][1]["resource"]["content"][0]["attachment"];
    attachment["contentType"] = "application/fhir+json".into();
    let told = provide_document(&bundle, Format::Json).err().unwrap();
    let attachment = &mut bundle["entry"][1]["resource"]["content"][0]["attachment"];
    attachment.as_object_mut().unwrap().remove("hash");
    attachment.as_object_mut().unwrap().remove("size");

    let provided = provide_document(&bundle, Format::Json).ok().unwrap();

    assert_eq!(provided.contents, [b"{ 1.10 }".to_vec()]);
    let id = provided.submission.document_entries[0].uuid().unwrap().uuid();
    assert_eq!(provided.places[2], Place::Created("Binary", id));
    let at = "Bundle.entry[1].resource.content[0].attachment";
    let places: Vec<_> = told.iter().map(|p| (p.expression.as_str(), p.kind)).collect();
    let expected = [(format!("{at}.size"), "structure"), (format!("{at}.hash"), "structure")];
    assert_eq!(places, expected.each_ref().map(|(at, kind)| (at.as_str(), *kind)));
    let other = provide_document(&bundle, Format::Xml).err().unwrap();
    assert_eq!(other[0].expression, format!("{at}.contentType"), "not the form of the message");
    bundle["entry"][2]["resource"]["type"] = "collection".into();
    assert_eq!(problems(&bundle)[0], ("Bundle.entry[2]".to_owned(), "structure"));
}

fn provide_document(bundle: &Value, format: Format) -> Result<Provided, Vec<Problem>> {
    let bytes = HashMap::from([(2, b"{ 1.10 }".to_vec())]);
    provide_knowing(bundle, &knowing(FhirDocuments { format, bytes }))
}

#[test]
fn people_may_live_elsewhere() {
    let mut bundle = bundle();
    bundle["meta"]["profile"][0] =
        format!("{MHD}/StructureDefinition/IHE.MHD.UnContained.Comprehensive.ProvideBundle").into();
    let document = &mut bundle["entry"][1]["resource"];
    document["author"] = json!([
        {"reference": "https://directory.example/Practitioner/1", "display": "Ada Okafor"},
        {"reference": "https://directory.example/Organization/2", "display": "Royal Example",
            "identifier": {"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": "ZEX01"}},
    ]);
    document["authenticator"] = json!({"reference": "https://directory.example/Practitioner/1"});

    let nobody = problems(&bundle);
    bundle["entry"][1]["resource"]["authenticator"]["identifier"] =
        json!({"system": "https://directory.example/ids", "value": "7"});
    let entry = provide(&bundle).unwrap().submission.document_entries.remove(0);

    assert_eq!(nobody, [("Bundle.entry[1].resource.authenticator".to_owned(), "required")]);
    let [author] = entry.authors.as_slice() else { panic!("{}", entry.authors.len()) };
    assert_eq!(author.person.as_ref().unwrap().display_name(), "Ada Okafor");
    assert_eq!(author.institutions[0].name(), "Royal Example");
    let authenticator = entry.legal_authenticator.unwrap();
    assert_eq!(authenticator.as_str(), "7^^^^^^^^&https://directory.example/ids&URI");
}

#[test]
fn patients_are_known_in_every_way_that_can_be_told() {
    let identifier = format!("identifier=https://fhir.nhs.uk/Id/nhs-number|{NUMBER}");
    for reference in [
        "Patient/sealed".to_owned(),
        format!("{BASE}/Patient/sealed"),
        format!("Patient?{identifier}"),
        "urn:uuid:p".to_owned(),
        "#spi".to_owned(),
    ] {
        let mut bundle = bundle();
        let patient = json!({"resourceType": "Patient", "identifier": [subject()["identifier"]]});
        add(&mut bundle, "urn:uuid:p", patient.clone(), "POST", "Patient");
        for n in 0..2 {
            bundle["entry"][n]["resource"]["subject"] = json!({"reference": reference});
            let contained = bundle["entry"][n]["resource"]["contained"].as_array_mut().unwrap();
            contained.retain(|c| c["id"] != "spi");
            contained.push(patient.clone());
            contained.last_mut().unwrap()["id"] = "spi".into();
        }
        let submission =
            provide(&bundle).unwrap_or_else(|p| panic!("{reference}: {p:?}")).submission;
        let number = submission.submission_set.patient_id.nhs_number().unwrap();
        assert_eq!(number.digits(), NUMBER, "{reference}");
    }
}

fn add(bundle: &mut Value, url: &str, resource: Value, method: &str, at: &str) {
    let request = json!({"method": method, "url": at});
    let entry = json!({"fullUrl": url, "resource": resource, "request": request});
    bundle["entry"].as_array_mut().unwrap().push(entry);
}
