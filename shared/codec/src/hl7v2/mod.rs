//! HL7 v2 as an identity feed needs it: segments, fields, repetitions, components, and
//! acknowledgements. HL7 v2.3.1, chapter 2.

mod ack;
mod charset;
mod mllp;
mod separators;

pub use ack::{AckCode, acknowledgement, refusal};
pub use mllp::{Framed, MAX_OUTSIDE, MllpDecoder, frame};
use separators::Separators;

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Hl7Error {
    /// No MSH segment at the beginning.
    #[error("the message does not begin with MSH")]
    NoHeader,
    /// The separators of MSH-1 and MSH-2 cannot be used.
    #[error("MSH-1 and MSH-2 do not give five different separators")]
    Separators,
    /// More segments than any message has.
    #[error("the message has more than {MAX_SEGMENTS} segments")]
    TooLong,
}

/// A message: its segments in order. Patient data: `Debug` shows segment names only.
#[derive(Clone)]
pub struct Message {
    separators: Separators,
    segments: Vec<String>,
}

/// One segment of a message.
#[derive(Clone, Copy)]
pub struct Segment<'m> {
    text: &'m str,
    separators: Separators,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.segments.iter().map(|s| s.get(..3).unwrap_or("?")).collect();
        write!(f, "Message({})", names.join(" "))
    }
}

impl Message {
    /// Reads a message in the part of ISO 8859 that MSH-18 names; without one, in UTF-8 when it is
    /// that, otherwise in Windows-1252, which has the letters of ISO 8859-1. A byte order mark is
    /// passed over.
    ///
    /// # Errors
    /// When it has no usable header.
    pub fn parse(bytes: &[u8]) -> Result<Self, Hl7Error> {
        let text = charset::decode(bytes);
        let mut segments = text.split(['\r', '\n']).map(str::trim_end).filter(|s| !s.is_empty());
        let header = segments.next().filter(|s| s.starts_with("MSH")).ok_or(Hl7Error::NoHeader)?;
        let separators = Separators::of(header)?;
        let segments: Vec<String> =
            std::iter::once(header).chain(segments).map(str::to_owned).collect();
        if segments.len() > MAX_SEGMENTS {
            return Err(Hl7Error::TooLong);
        }
        Ok(Self { separators, segments })
    }

    /// The first segment of this name.
    pub fn segment(&self, name: &str) -> Option<Segment<'_>> {
        self.segments(name).into_iter().next()
    }

    /// Every segment of this name, in order.
    pub fn segments(&self, name: &str) -> Vec<Segment<'_>> {
        let separators = self.separators;
        let of_name = |s: &&String| {
            let rest = s.strip_prefix(name);
            rest.is_some_and(|r| r.is_empty() || r.starts_with(separators.field))
        };
        let all = self.segments.iter().filter(of_name);
        all.map(|text| Segment { text, separators }).collect()
    }

    /// The header.
    pub fn header(&self) -> Segment<'_> {
        Segment {
            text: self.segments.first().map_or("", String::as_str),
            separators: self.separators,
        }
    }

    /// Message type and trigger event, MSH-9: `("ADT", "A01")`.
    pub fn event(&self) -> (String, String) {
        let header = self.header();
        (header.text(9, 1), header.text(9, 2))
    }

    /// The control id, MSH-10.
    pub fn control_id(&self) -> String {
        self.header().text(10, 1)
    }
}

impl<'m> Segment<'m> {
    /// A field as it stands, numbered as the standard does; empty when it is not there.
    pub fn field(&self, number: usize) -> &'m str {
        // MSH-1 is the separator itself.
        let shift = usize::from(self.text.starts_with("MSH"));
        let mut fields = self.text.split(self.separators.field);
        number.checked_sub(shift).and_then(|n| fields.nth(n)).unwrap_or("")
    }

    /// The repetitions of a field that are not empty.
    pub fn repetitions(&self, number: usize) -> impl Iterator<Item = Field<'m>> {
        let separators = self.separators;
        let all = self.field(number).split(separators.repetition);
        all.filter(|r| !r.is_empty()).map(move |text| Field { text, separators })
    }

    /// Whether a field is the HL7 null, `""`: what was told before is taken back.
    pub fn is_null(&self, number: usize) -> bool {
        self.field(number).trim() == "\"\""
    }

    /// A component of the first repetition of a field, unescaped; empty when it is not there, or
    /// stands as `""`, the HL7 null.
    pub fn text(&self, number: usize, component: usize) -> String {
        self.repetitions(number).next().map(|f| f.component(component)).unwrap_or_default()
    }
}

/// One repetition of a field.
#[derive(Clone, Copy)]
pub struct Field<'m> {
    text: &'m str,
    separators: Separators,
}

impl<'m> Field<'m> {
    /// A component, numbered from 1, unescaped.
    pub fn component(&self, number: usize) -> String {
        let raw = self.raw(number);
        if raw == "\"\"" { String::new() } else { self.separators.unescape(raw) }
    }

    /// A subcomponent of a component, both numbered from 1, unescaped.
    pub fn subcomponent(&self, component: usize, number: usize) -> String {
        let mut parts = self.raw(component).split(self.separators.subcomponent);
        self.separators.unescape(parts.nth(number.saturating_sub(1)).unwrap_or(""))
    }

    fn raw(&self, number: usize) -> &'m str {
        let mut parts = self.text.split(self.separators.component);
        parts.nth(number.saturating_sub(1)).unwrap_or("")
    }
}

const MAX_SEGMENTS: usize = 1000;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A01: &str = "MSH|^~\\&|PAS|TRUST1|REG|SCR|20260114102231||ADT^A01^ADT_A01|M1|P|2.3.1\r\
        PID|||9990001006^^^NHS&2.16.840.1.113883.2.1.4.1&ISO~H7^^^&2.999.1&ISO||O\\S\\Kafor^Ada\r";

    #[test]
    fn fields_are_numbered_as_the_standard_does() {
        let message = Message::parse(A01.as_bytes()).unwrap();

        assert_eq!(message.event(), ("ADT".into(), "A01".into()));
        assert_eq!(message.control_id(), "M1");
        let pid = message.segment("PID").unwrap();
        let ids: Vec<_> =
            pid.repetitions(3).map(|f| (f.component(1), f.subcomponent(4, 2))).collect();
        assert_eq!(ids[0].1, "2.16.840.1.113883.2.1.4.1");
        assert_eq!(ids[1], ("H7".into(), "2.999.1".into()));
        assert_eq!(pid.text(5, 1), "O^Kafor");
        assert_eq!(pid.text(7, 1), "");
    }

    #[test]
    fn other_separators_and_character_sets_are_read() {
        let message = Message::parse(b"MSH$%*!#$A\rPID$$$1%2*3$$M\xfcller\r").unwrap();

        let pid = message.segment("PID").unwrap();
        assert_eq!(pid.repetitions(3).count(), 2);
        assert_eq!(pid.text(3, 2), "2");
        assert_eq!(pid.text(5, 1), "M\u{fc}ller");
    }

    #[test]
    fn a_null_is_told_from_nothing() {
        let message = Message::parse(b"MSH|^~\\&|A\rPID|||\"\"||\"\"^x|\r").unwrap();

        let pid = message.segment("PID").unwrap();
        assert_eq!([3, 4, 5, 6, 30].map(|n| pid.is_null(n)), [true, false, false, false, false]);
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for (bad, why) in [
            ("", Hl7Error::NoHeader),
            ("PID|1", Hl7Error::NoHeader),
            ("MSH", Hl7Error::Separators),
            ("MSH||||||", Hl7Error::Separators),
            ("MSHabcde", Hl7Error::Separators),
        ] {
            assert_eq!(Message::parse(bad.as_bytes()).unwrap_err(), why, "{bad}");
        }
        let long = format!("MSH|^~\\&|\r{}", "NTE|1\r".repeat(1001));
        assert_eq!(Message::parse(long.as_bytes()).unwrap_err(), Hl7Error::TooLong);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(tail in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = b"MSH|^~\\&|".to_vec();
            bytes.extend(tail);
            if let Ok(message) = Message::parse(&bytes) {
                let _ = (message.event(), acknowledgement(&message, AckCode::Accept, None, "n", "1"));
                for segment in message.segments("PID") {
                    segment.repetitions(3).for_each(|f| drop(f.subcomponent(4, 2)));
                }
            }
        }
    }
}
