//! What reading a message costs at least: every name resolved to its namespace, every attribute
//! unescaped.

#![allow(clippy::wildcard_enum_match_arm, reason = "a yardstick looks at few events")]

use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, ResolveResult};
use quick_xml::{NsReader, XmlVersion};

/// What a yardstick takes out of a message.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Tokens {
    /// Elements and attributes.
    pub count: i64,
    /// The patient that a stored query is about.
    pub patient: Option<i64>,
}

/// Reads a message to its end, or to where it is none.
pub fn tokenise(body: &[u8]) -> Tokens {
    let mut reader = NsReader::from_str(std::str::from_utf8(body).unwrap_or_default());
    let (mut tokens, mut of_patient) = (Tokens::default(), false);
    while let Ok((namespace, event)) = reader.read_resolved_event() {
        match event {
            Event::Start(e) | Event::Empty(e) => of_patient |= tokens.element(&namespace, &e),
            Event::Text(text) if of_patient => {
                // The Value begins with it: the rest comes behind a reference.
                let number = text.trim_start_matches('\'').split('^').next();
                tokens.patient = number.and_then(|n| n.parse().ok());
                of_patient = tokens.patient.is_none();
            }
            Event::Eof => break,
            _ => {}
        }
    }
    tokens
}

impl Tokens {
    /// Whether it is the Slot of the patient.
    fn element(&mut self, namespace: &ResolveResult<'_>, element: &BytesStart<'_>) -> bool {
        let is_slot = *namespace == ResolveResult::Bound(Namespace(RIM))
            && element.local_name().into_inner() == "Slot";
        let mut named = false;
        self.count += 1;
        for attribute in element.attributes().flatten() {
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).unwrap_or_default();
            named |= value == "$XDSDocumentEntryPatientId";
            self.count += 1;
        }
        is_slot && named
    }
}

const RIM: &str = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0";
