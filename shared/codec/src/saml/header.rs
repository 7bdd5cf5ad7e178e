use carerecord_xml::{Limits, Name, Start, XmlError, XmlReader};

use super::SamlError;
use crate::name::{SOAP, WSSE};
use crate::soap::is_for_us;

/// The Security header of an envelope that is meant for us, with the tags around it that declare
/// its namespaces, as a document of its own.
pub struct SecurityHeader<'a> {
    pub(super) xml: String,
    pub(super) message: &'a str,
}

impl<'a> SecurityHeader<'a> {
    /// Looks for the header in an envelope, which need not be whole behind its headers. `None` when
    /// there is none, also where `text` is no envelope: the reader of the message says so.
    ///
    /// # Errors
    /// `Malformed`, `SeveralHeaders`.
    pub fn find(text: &'a str) -> Result<Option<Self>, SamlError> {
        let malformed = |_: XmlError| SamlError::Malformed;
        let Ok(mut xml) = XmlReader::new(text, LIMITS) else { return Ok(None) };
        let Ok(envelope) = xml.root() else { return Ok(None) };
        if !envelope.is(Name::new(SOAP, "Envelope")) {
            return Ok(None);
        }
        let Ok(Some(header)) = xml.next_child() else { return Ok(None) };
        if !header.is(Name::new(SOAP, "Header")) {
            return Ok(None);
        }
        let mut found = None;
        while let Some(child) = xml.next_child().map_err(malformed)? {
            if !child.is(Name::new(WSSE, "Security")) || !is_for_us(&child) {
                xml.skip().map_err(malformed)?;
                continue;
            }
            let span = xml.span(&child).map_err(malformed)?;
            if found.replace(span).is_some() {
                return Err(SamlError::SeveralHeaders);
            }
        }
        let Some(span) = found else { return Ok(None) };
        if span.len() > MAX_HEADER {
            return Err(SamlError::Malformed);
        }
        let end = xml.end_offset() as usize;
        let (outer, inner) = (Tag::of(text, &envelope)?, Tag::of(text, &header)?);
        let security = text.get(span).ok_or(SamlError::Malformed)?;
        let xml = [outer.open, inner.open, security, "</", inner.name, "></", outer.name, ">"];
        let header = Self { xml: xml.concat(), message: text };
        header.check_ids_of_rest(text.get(end..).unwrap_or_default())?;
        Ok(Some(header))
    }

    /// Nothing behind the headers may have the id of the assertion: nothing here would take the
    /// one for the other, but whoever sends that means no good.
    fn check_ids_of_rest(&self, rest: &str) -> Result<(), SamlError> {
        let mut at = self.xml.match_indices("ID=");
        let repeated = at.any(|(at, name)| {
            if !self.xml[..at].ends_with(|before: char| before.is_ascii_whitespace()) {
                return false;
            }
            let value = &self.xml[at + name.len()..];
            let mut parts = value.get(1..).unwrap_or_default().split(['"', '\'']);
            parts.next().is_some_and(|id| {
                id.len() >= SHORTEST_ID
                    && memchr::memmem::find(rest.as_bytes(), id.as_bytes()).is_some()
            })
        });
        if repeated { Err(SamlError::RepeatedId) } else { Ok(()) }
    }
}

/// An opening tag as it stands in the text.
struct Tag<'a> {
    open: &'a str,
    name: &'a str,
}

impl<'a> Tag<'a> {
    fn of(text: &'a str, start: &Start) -> Result<Self, SamlError> {
        let text = text.get(start.offset() as usize..).ok_or(SamlError::Malformed)?;
        let mut quote = None;
        let end = text.bytes().position(|b| {
            match (quote, b) {
                (None, b'"' | b'\'') => quote = Some(b),
                (Some(q), b) if q == b => quote = None,
                _ => return quote.is_none() && b == b'>',
            }
            false
        });
        let open = &text[..=end.ok_or(SamlError::Malformed)?];
        let name = open.trim_start_matches('<');
        let name = name.split([' ', '\t', '\r', '\n', '>', '/']).next().unwrap_or_default();
        Ok(Self { open, name })
    }
}

/// Nobody's header has as much as half of this.
const MAX_HEADER: usize = 128 << 10;
/// Shorter ones stand in any text by chance. Issuers draw ids at random: 128 bits have 22 letters.
const SHORTEST_ID: usize = 16;
const LIMITS: Limits = Limits {
    max_depth: 40,
    max_attributes: 32,
    max_elements: 20_000,
    max_text_bytes: 256 << 10,
    ..Limits::metadata()
};

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(headers: &str, body: &str) -> String {
        format!(
            "<?xml version='1.0'?><!-- > --><s:Envelope xmlns:s='{SOAP}' a='>' xmlns:w='{WSSE}'>\
             <s:Header >{headers}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
        )
    }

    #[test]
    fn the_header_is_cut_out_with_its_namespaces() {
        let text = envelope("<x xmlns='u'/><w:Security><a/></w:Security>", "");

        let header = SecurityHeader::find(&text).unwrap().unwrap();

        let expected = format!(
            "<s:Envelope xmlns:s='{SOAP}' a='>' xmlns:w='{WSSE}'><s:Header ><w:Security><a/>\
             </w:Security></s:Header></s:Envelope>"
        );
        assert_eq!(header.xml, expected);
    }

    #[test]
    fn headers_for_others_are_left_alone_and_two_are_too_many() {
        let other = "<w:Security s:role='http://gateway/'/>";
        let found = |headers: &str| {
            SecurityHeader::find(&envelope(headers, "")).map(|found| found.is_some())
        };

        assert_eq!(found(other), Ok(false));
        assert_eq!(found(&format!("{other}<w:Security/>")), Ok(true));
        assert_eq!(found("<w:Security/><w:Security/>"), Err(SamlError::SeveralHeaders));
        assert_eq!(found(""), Ok(false));
        assert!(SecurityHeader::find("no XML").unwrap().is_none());
    }

    #[test]
    fn the_assertion_s_id_stands_nowhere_else() {
        let id = "_0123456789abcdef";
        let header = format!("<w:Security><a ID='{id}'/></w:Security>");
        let found = |body: &str| SecurityHeader::find(&envelope(&header, body)).err();

        assert_eq!(found("<b/>"), None);
        assert_eq!(found(&format!("<b Id=\"{id}\"/>")), Some(SamlError::RepeatedId));
    }

    #[test]
    fn what_is_too_long_or_too_deep_is_refused() {
        let long = format!("<w:Security>{}</w:Security>", "<a/>".repeat(15_000));
        let longer = format!("<w:Security>{}</w:Security>", "x".repeat(MAX_HEADER));
        let deep = format!("<w:Security>{}{}</w:Security>", "<a>".repeat(50), "</a>".repeat(50));

        assert!(SecurityHeader::find(&envelope(&long, "")).unwrap().is_some());
        for headers in [longer, deep] {
            let text = envelope(&headers, "");
            let found = SecurityHeader::find(&text);
            assert_eq!(found.err(), Some(SamlError::Malformed));
        }
    }
}
