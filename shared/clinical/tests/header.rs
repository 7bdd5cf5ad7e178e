//! Headers of whole documents.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use carerecord_clinical::{BundleType, DocumentHeader, HeaderError, Kind, payload};
use carerecord_model::NumberStatus;

#[test]
fn itk_envelope_with_every_trap() {
    let header = DocumentHeader::read(ITK).unwrap();

    assert_eq!(header.kind, Kind::ItkEnvelope);
    assert_eq!(
        header.unique_id().as_deref(),
        Some("urn:uuid:a709a442-0000-4000-8000-0000000000aa")
    );
    assert_eq!(header.creation_time.as_ref().unwrap().as_str(), "20210406113335");
    assert_eq!(header.service_start.as_ref().unwrap().as_str(), "202104061100");
    assert_eq!(header.types.len(), 2);
    assert_eq!(header.formats[0], "urn:nhs-en:profile:nhs111CDADocument-v2-0");
    assert_eq!(header.title.as_deref(), Some("NHS 111 report for Zoë Quillfeather"));
    let patient = header.patient.as_ref().unwrap();
    let found = patient.nhs_number.unwrap();
    assert_eq!((found.number.digits().as_str(), found.status), ("9990001200", VERIFIED));
    assert_eq!(patient.name.as_ref().unwrap().full_name(), "Ms Zoë May Quillfeather");
    assert_eq!(patient.local_ids[0].assigning_authority_name.as_deref(), Some("ZEX01:PAS"));
    assert_eq!(header.authors[0].organisation.as_ref().unwrap().ods_code(), Some("ZEX01"));
    assert_eq!(header.custodian.as_ref().unwrap().ods_code(), Some("ZEX02"));
    assert_eq!(header.facility_type.as_ref().unwrap().code, "E04");
    let confidentiality = header.confidentiality.as_ref().unwrap();
    assert_eq!(confidentiality.system.as_deref(), Some("2.16.840.1.113883.5.25"));
    assert_eq!(header.replaces().count(), 1);
    assert!(header.consent_given);
}

#[test]
fn payload_is_the_exact_slice() {
    let payload = payload(ITK).unwrap();

    assert!(payload.starts_with(b"<ClinicalDocument xmlns"));
    assert!(payload.ends_with(b"</ClinicalDocument>"));
    assert!(ITK.windows(payload.len()).any(|w| w == &*payload));
    let bare = DocumentHeader::read(&payload).unwrap();
    assert_eq!(bare.kind, Kind::Cda);
    assert_eq!(bare.set_id, DocumentHeader::read(ITK).unwrap().set_id);
}

#[test]
fn other_encodings_and_forgotten_prefixes() {
    let xml = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><ClinicalDocument \
        xmlns=\"urn:hl7-org:v3\"><id root=\"1.2.3\" extension=\"7\"/><title>Caf\u{e9}</title>\
        <effectiveTime xsi:type=\"TS\" value=\"20120101\"/></ClinicalDocument>";
    let latin: Vec<u8> = xml.chars().map(|c| c as u8).collect();
    let marked = [b"\xef\xbb\xbf", xml.replace("ISO-8859-1", "UTF-8").as_bytes()].concat();
    for bytes in [latin, marked] {
        let header = DocumentHeader::read(&bytes).unwrap();

        assert_eq!(header.title.as_deref(), Some("Café"));
        assert_eq!(header.unique_id().as_deref(), Some("1.2.3^7"));
        assert_eq!(header.creation_time.unwrap().as_str(), "20120101");
    }
}

#[test]
fn fhir_r4_json() {
    let header = DocumentHeader::read(R4).unwrap();

    assert_eq!(
        header.unique_id().as_deref(),
        Some("urn:uuid:0b0c9e3c-0000-4000-8000-000000000001")
    );
    assert_eq!(header.creation_time.as_ref().unwrap().as_str(), "20260302083000");
    assert_eq!(header.types[0].code, "373942005");
    assert_eq!(header.categories[0].display.as_deref(), Some("Letter"));
    let patient = header.patient.as_ref().unwrap();
    assert_eq!(patient.nhs_number.unwrap().status, NumberStatus::Unverified);
    assert_eq!(patient.birth_date.as_ref().unwrap().as_str(), "19450714");
    assert_eq!(patient.local_ids.len(), 1);
    let author = &header.authors[0];
    assert_eq!(author.person.as_ref().unwrap().full_name(), "Dr Ines Marlowe");
    assert_eq!(author.role.as_ref().unwrap().code, "R0260");
    assert_eq!(author.organisation.as_ref().unwrap().ods_code(), Some("ZEX01"));
    assert_eq!(author.ids[0].extension.as_deref(), Some("C0000001"));
    assert!(header.legal_authenticator.is_some());
    assert_eq!(header.practice_setting.as_ref().unwrap().code, "310156009");
    assert_eq!(header.facility_type.as_ref().unwrap().code, "E02");
    assert_eq!(header.service_stop.as_ref().unwrap().as_str(), "20260302");
    assert_eq!(
        header.replaces().next().unwrap().unique_id(),
        "urn:uuid:0b0c9e3c-0000-4000-8000-000000000000"
    );
}

#[test]
fn fhir_stu3_xml() {
    let header = DocumentHeader::read(STU3).unwrap();

    assert_eq!(header.kind.mime_type(), "application/fhir+xml");
    assert_eq!(header.unique_id().as_deref(), Some("1.2.3.4^doc-9"));
    assert_eq!(header.categories[0].code, "823651000000106");
    let patient = header.patient.as_ref().unwrap();
    assert_eq!(patient.nhs_number.unwrap().status, VERIFIED);
    assert_eq!(patient.name.as_ref().unwrap().full_name(), "Tamsin Eve Penrose");
    assert_eq!(header.authors[0].organisation.as_ref().unwrap().ods_code(), Some("ZEX04"));
    assert_eq!(
        header.formats,
        ["https://fhir.nhs.uk/STU3/StructureDefinition/ITK-Document-Bundle-1"]
    );
}

#[test]
fn two_numbers_are_a_conflict() {
    let ids = |ids: &str| {
        let xml = format!(
            "<ClinicalDocument xmlns='urn:hl7-org:v3'><recordTarget><patientRole>{ids}\
             </patientRole></recordTarget></ClinicalDocument>"
        );
        DocumentHeader::read(xml.as_bytes()).unwrap().patient.unwrap()
    };
    let traced = "<id root='2.16.840.1.113883.2.1.4.1' extension='9990001006'/>";
    let other = traced.replace("9990001006", "9990001014");
    let untraced = other.replace("2.1.4.1", "2.1.3.2.4.18.23");
    let invalid = traced.replace("9990001006", "9990001007");

    assert!(ids(&format!("{traced}{other}")).nhs_number_conflict);
    assert!(!ids(&format!("{untraced}{traced}")).nhs_number_conflict);
    assert_eq!(ids(&untraced).nhs_number.unwrap().status, NumberStatus::Unverified);
    let invalid = ids(&invalid);
    assert!(invalid.nhs_number_invalid && invalid.nhs_number.is_none());
}

#[test]
fn debug_shows_no_patient_data() {
    for bytes in [ITK, R4, STU3] {
        let header = DocumentHeader::read(bytes).unwrap();
        let shown = format!("{header:?} {:?} {:?}", header.patient, header.authors);

        for secret in ["999000", "Quillfeather", "Okafor", "Penrose", "Marlowe", "K12345"] {
            assert!(!shown.contains(secret), "{secret}");
        }
    }
}

#[test]
fn reasons_say_what_to_do() {
    let cases: [(&[u8], &str); 8] = [
        (br#"{"resourceType":"Bundle","type":"searchset"}"#, "a searchset, not a document"),
        (
            br#"{"resourceType":"Bundle","type":"document","entry":[]}"#,
            "first entry is not a Composition",
        ),
        (
            b"<DistributionEnvelope xmlns='urn:nhs-itk:ns:201005'/>",
            "no ClinicalDocument in the envelope",
        ),
        (b"<ClinicalDocument xmlns='urn:hl7-org:v3'><id>", "not well-formed XML"),
        (
            b"<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>\
              <ClinicalDocument xmlns='urn:hl7-org:v3'>&x;</ClinicalDocument>",
            "a document type declaration is not allowed",
        ),
        (b"<ClinicalDocument/>", "not in the namespace urn:hl7-org:v3"),
        (b"%PDF-1.4", "a PDF has no header to read"),
        (br#"{"resourceType":"Bundle","type":"document","entry":"#, "plain text has no header"),
    ];
    for (bytes, words) in cases {
        let error: HeaderError = DocumentHeader::read(bytes).unwrap_err();

        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn floods_of_values_are_refused_and_still_sniffed() {
    let start = r#"{"resourceType":"Bundle","type":"document","entry":["#;
    let json = format!("{start}{}{{}}]}}", r#"{"a":0},"#.repeat(300_000));
    let start = "<Bundle xmlns='http://hl7.org/fhir'><type value='document'/>";
    let xml = format!("{start}{}</Bundle>", "<a/>".repeat(300_000));
    for flood in [json, xml] {
        let kind = Kind::sniff(flood.as_bytes());

        assert!(kind.has_header(), "{kind:?}");
        assert!(DocumentHeader::read(flood.as_bytes()).is_err());
    }
}

#[test]
fn a_type_that_is_an_object_is_no_bundle_type() {
    let kind = |json: &str| Kind::sniff(json.as_bytes());

    assert!(matches!(
        kind(r#"{"resourceType":"DocumentReference","type":{"coding":[{"code":"1"}]}}"#),
        Kind::FhirResource { .. }
    ));
    assert!(matches!(
        kind(r#"{"resourceType":"Bundle","type":{"coding":[]}}"#),
        Kind::FhirBundle { bundle: BundleType::Other(_), .. }
    ));
}

const VERIFIED: NumberStatus = NumberStatus::Verified;
const ITK: &[u8] = include_bytes!("fixtures/itk-traps.xml");
const R4: &[u8] = include_bytes!("fixtures/fhir-r4-document.json");
const STU3: &[u8] = include_bytes!("fixtures/fhir-stu3-document.xml");
