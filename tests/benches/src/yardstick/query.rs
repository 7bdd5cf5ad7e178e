//! Y18's message and answer. The message is an ITI-18 request of 2 KB, as consumers send it, with
//! eight parameters. The answer is `AdhocQueryResponse` with an ExtrinsicObject of 5.8 KB for each
//! row: 49 values, escaped wherever they stand, in slots, seven classifications, two identifiers
//! and localized strings. It is written into one string out of fixed pieces: there is no model, no
//! writer, and nothing is checked. 20 entries are 115 KB, 100 are 576 KB.

use std::sync::OnceLock;

use quick_xml::escape::escape;

/// The request about a patient.
pub fn message(patient: u64) -> String {
    REQUEST.replace("{patient}", &patient.to_string())
}

/// The values of the nth row: a byte with the length, then the text, each.
pub fn row(n: i64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in VALUES {
        let value = match name {
            "id" => format!("{}{n:012}", &value[..value.len() - 12]),
            "unique_id" => format!("{value}.{n}"),
            _ => value.to_owned(),
        };
        bytes.push(u8::try_from(value.len()).expect("values are short"));
        bytes.extend(value.bytes());
    }
    bytes
}

/// The answer with these rows.
pub fn answer<'r>(rows: impl Iterator<Item = &'r [u8]>) -> String {
    let mut out = String::with_capacity(rows.size_hint().1.unwrap_or(0) * ENTRY_BYTES + 1024);
    out.push_str(HEAD);
    for row in rows {
        write(row, &mut out);
    }
    out.push_str(TAIL);
    out
}

fn write(mut row: &[u8], out: &mut String) {
    let mut values = [""; VALUES.len()];
    for value in &mut values {
        let Some((length, rest)) = row.split_first() else { break };
        let (text, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        *value = std::str::from_utf8(text).unwrap_or_default();
        row = rest;
    }
    let layout = Layout::get();
    for (piece, value) in &layout.pieces {
        out.push_str(piece);
        out.push_str(&escape(values[*value]));
    }
    out.push_str(layout.tail);
}

/// An entry's markup: what stands before each value, and which value comes then.
struct Layout {
    pieces: Vec<(&'static str, usize)>,
    tail: &'static str,
}

impl Layout {
    fn get() -> &'static Self {
        static LAYOUT: OnceLock<Layout> = OnceLock::new();
        LAYOUT.get_or_init(|| {
            let text: String = ENTRY.lines().map(str::trim_start).collect();
            let mut rest: &'static str = text.leak();
            let mut pieces = Vec::new();
            while let Some((piece, after)) = rest.split_once('{') {
                let (name, after) = after.split_once('}').expect("a hole ends");
                let value = VALUES.iter().position(|(known, _)| *known == name);
                pieces.push((piece, value.expect("a hole has a value")));
                rest = after;
            }
            Self { pieces, tail: rest }
        })
    }
}

const REQUEST: &str = include_str!("query.xml");
const ENTRY: &str = include_str!("entry.xml");
/// Of one entry, at most.
const ENTRY_BYTES: usize = 5_800;
const HEAD: &str = concat!(
    "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" ",
    "xmlns:wsa=\"http://www.w3.org/2005/08/addressing\"><s:Header><wsa:Action ",
    "s:mustUnderstand=\"1\">urn:ihe:iti:2007:RegistryStoredQueryResponse</wsa:Action>",
    "<wsa:RelatesTo>urn:uuid:5f1d7c1e-7a5b-4f0e-9d6d-2a1b6a3c0001</wsa:RelatesTo></s:Header>",
    "<s:Body><query:AdhocQueryResponse ",
    "xmlns:query=\"urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0\" ",
    "xmlns:rim=\"urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0\" ",
    "status=\"urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success\">",
    "<rim:RegistryObjectList>",
);
const TAIL: &str = "</rim:RegistryObjectList></query:AdhocQueryResponse></s:Body></s:Envelope>";
/// What an entry is made of, by the names in `entry.xml`.
const VALUES: [(&str, &str); 49] = [
    ("id", "urn:uuid:7c3a9f52-41de-4b0a-9c7e-0d5b6f2a8e11"),
    ("mime_type", "application/pdf"),
    ("status", "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved"),
    ("creation_time", "20250304113000"),
    ("hash", "3414611ff37ae7cf5237ddd072db992413d2f22b"),
    ("language", "en-GB"),
    ("repository", "2.999.826.1.1"),
    ("service_start", "20250301090000"),
    ("service_stop", "20250301093000"),
    ("size", "48213"),
    ("source_patient", "MRN-88^^^&2.999.10.2&ISO"),
    ("source_name", "PID-5|Example^Person^^^Mx"),
    ("source_birth", "PID-7|19610402"),
    ("title_language", "en-GB"),
    ("title", "Outpatient letter: cardiology clinic review"),
    ("version", "1"),
    ("classification_0", "urn:uuid:7c3a9f52-41de-4b0a-9c7e-0d5b6f2a8e20"),
    ("author", "77123^Okafor^Ngozi^^^Dr^^^&2.999.10.1&ISO"),
    ("institution", "North Example Hospital^^^^^&1.2.826.0.1.3680043.2.1&ISO^^^^ZEX01"),
    ("author_role", "Consultant"),
    ("author_specialty", "Cardiology"),
    ("class_code", "734163000"),
    ("classification_1", "urn:uuid:7c3a9f52-41de-4b0a-9c7e-0d5b6f2a8e21"),
    ("class_scheme", "2.16.840.1.113883.2.1.3.2.4.15"),
    ("class_text", "Care plan"),
    ("confidentiality_code", "N"),
    ("classification_2", "urn:uuid:7c3a9f52-41de-4b0a-9c7e-0d5b6f2a8e22"),
    ("confidentiality_scheme", "2.16.840.1.113883.5.25"),
    ("confidentiality_text", "normal"),
    ("format_code", "urn:ihe:iti:xds-sd:pdf:2008"),
    ("classification_3", "urn:uuid:7c3a9f52-41de-4b0a-9c7e-0d5b6f2a8e23"),
    ("format_scheme", "1.3.6.1.4.1.19376.1.2.3"),
    ("format_text", "PDF"),
    ("facility_code", "22232009"),
    ("classification_4", "urn:uuid:7c3a9f52-41de-4b0a-9c7e-0d5b6f2a8e24"),
    ("facility_scheme", "2.16.840.1.113883.2.1.3.2.4.15"),
    ("facility_text", "Hospital"),
    ("practice_code", "394579002"),
    ("classification_5", "urn:uuid:7c3a9f52-41de-4b0a-9c7e-0d5b6f2a8e25"),
    ("practice_scheme", "2.16.840.1.113883.2.1.3.2.4.15"),
    ("practice_text", "Cardiology & heart failure"),
    ("type_code", "823681000000100"),
    ("classification_6", "urn:uuid:7c3a9f52-41de-4b0a-9c7e-0d5b6f2a8e26"),
    ("type_scheme", "2.16.840.1.113883.2.1.3.2.4.15"),
    ("type_text", "Outpatient letter"),
    ("patient", "9990001006^^^&2.16.840.1.113883.2.1.4.1&ISO"),
    ("unique_id", "2.999.3.48213"),
    ("identifier_0", "urn:uuid:7c3a9f52-41de-4b0a-9c7e-0d5b6f2a8e28"),
    ("identifier_1", "urn:uuid:7c3a9f52-41de-4b0a-9c7e-0d5b6f2a8e29"),
];

#[cfg(test)]
mod tests {
    use carerecord_codec::soap::{self, Understood};
    use carerecord_codec::{AdhocQueryRequest, AdhocQueryResponse};
    use carerecord_model::StoredQuery;
    use carerecord_xml::Decode;

    use super::super::tokens::tokenise;
    use super::*;

    fn read<T: Decode>(envelope: &str) -> T {
        let read = soap::read_with(Understood::ANSWER, envelope, |_, start, xml| {
            Ok(T::decode(start, xml)?)
        });
        read.unwrap().1
    }

    #[test]
    fn the_message_is_a_stored_query_of_2_kb_about_the_patient() {
        let message = message(4711);

        assert!((1_900..=2_500).contains(&message.len()), "{}", message.len());
        assert_eq!(tokenise(message.as_bytes()).patient, Some(4711));
        let query = read::<AdhocQueryRequest>(&message.replace("4711", "9990001006"));
        assert!(matches!(query.stored_query(), Ok(StoredQuery::FindDocuments(_))));
    }

    #[test]
    fn the_answer_is_as_long_as_it_should_be_and_has_its_entries() {
        for count in [20, 100] {
            let rows: Vec<Vec<u8>> = (0..count as i64).map(row).collect();

            let answer = answer(rows.iter().map(Vec::as_slice));

            let each = answer.len() / count;
            assert!((5_600..=5_820).contains(&each), "{each} bytes for each entry");
            let found = read::<AdhocQueryResponse>(&answer).into_found().unwrap();
            assert_eq!(found.document_entries.len(), count);
            let entry = &found.document_entries[0];
            assert_eq!(entry.practice_setting_code.code, "394579002");
            assert_eq!(entry.patient_id.to_cx(), "9990001006^^^&2.16.840.1.113883.2.1.4.1&ISO");
        }
    }
}
