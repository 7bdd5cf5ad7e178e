//! No bytes make it panic.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use carerecord_clinical::{DocumentHeader, Kind, data_elements, payload, plain_text, render};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        all(&bytes);
    }

    #[test]
    fn arbitrary_text(text in "\\PC{0,200}") {
        all(text.as_bytes());
    }

    /// Documents with a stretch of bytes replaced.
    #[test]
    fn damaged_documents(
        which in 0usize..4,
        at in any::<prop::sample::Index>(),
        length in 0usize..40,
        with in proptest::collection::vec(any::<u8>(), 0..10),
    ) {
        let mut bytes = DOCUMENTS[which].to_vec();
        let at = at.index(bytes.len());
        let end = (at + length).min(bytes.len());
        bytes.splice(at..end, with);
        all(&bytes);
    }

    #[test]
    fn times_and_ids(value in "[-+0-9.TZ:é]{0,24}") {
        let xml = format!(
            "<ClinicalDocument xmlns='urn:hl7-org:v3'><id root='{value}' extension='{value}'/>\
             <effectiveTime value='{value}'/></ClinicalDocument>"
        );
        all(xml.as_bytes());
    }
}

fn all(bytes: &[u8]) {
    let kind = Kind::sniff(bytes);
    if let Ok(header) = DocumentHeader::read_as(bytes, &kind) {
        let _ = header.unique_id();
    }
    let _ = render(bytes, &kind);
    let _ = data_elements(bytes, &kind);
    let _ = plain_text(bytes, &kind);
    let _ = payload(bytes);
}

const DOCUMENTS: [&[u8]; 4] = [
    include_bytes!("fixtures/itk-traps.xml"),
    include_bytes!("fixtures/fhir-r4-document.json"),
    include_bytes!("fixtures/fhir-stu3-document.xml"),
    include_bytes!("fixtures/attack.xml"),
];
