//! SOAP 1.2 envelopes with WS-Addressing. ITI TF-2: Appendix V.

mod fault;

use carerecord_xml::{EncodeError, Limits, Name, Start, XmlErrorKind, XmlReader, XmlWriter};

pub use fault::{Fault, SecurityFault, SoapError, fault_reason};

use crate::name::{SOAP, WSA, WSSE};

/// The addressing headers of a message.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Headers {
    /// What is asked or answered.
    pub action: String,
    /// The message's own id.
    pub message_id: Option<String>,
    /// The message this one answers.
    pub relates_to: Option<String>,
}

/// What the reader of a message understands beside WS-Addressing, and how much it reads.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Understood {
    /// `wsse:Security`: the caller verifies what is in it.
    pub security: bool,
    /// How much is read before it is refused.
    pub limits: Limits,
}

impl Understood {
    /// An answer to a question of our own.
    pub const ANSWER: Self = Self { security: false, limits: Limits::answer() };
}

impl Default for Understood {
    fn default() -> Self {
        Self { security: false, limits: Limits::metadata() }
    }
}

/// Reads an envelope and hands the element in the body to `decode`, which must read it to its end.
/// The headers read so far come with an error too, for the answer to name its question.
///
/// # Errors
/// `SoapError` for the envelope; what `decode` returns for the body.
pub fn read<T, F>(text: &str, decode: F) -> Result<(Headers, T), (SoapError, Headers)>
where
    F: FnOnce(&Headers, &Start, &mut XmlReader<'_>) -> Result<T, SoapError>,
{
    read_with(Understood::default(), text, decode)
}

/// As `read`, for a service that understands more.
///
/// # Errors
/// As `read`.
pub fn read_with<T, F>(
    understood: Understood,
    text: &str,
    decode: F,
) -> Result<(Headers, T), (SoapError, Headers)>
where
    F: FnOnce(&Headers, &Start, &mut XmlReader<'_>) -> Result<T, SoapError>,
{
    let mut headers = Headers::default();
    match read_into(&mut headers, understood, text, decode) {
        Ok(value) => Ok((headers, value)),
        Err(error) => Err((error, headers)),
    }
}

/// The addressing headers of a message that is refused before its body is read, as far as they can
/// be had: for the answer to name its question.
pub fn headers(text: &str) -> Headers {
    let understood = Understood { security: true, ..Understood::default() };
    let read = read_with(understood, text, |_, _, _| Err::<(), _>(SoapError::WrongBody));
    read.map_or_else(|(_, headers)| headers, |(headers, ())| headers)
}

fn read_into<T, F>(
    headers: &mut Headers,
    understood: Understood,
    text: &str,
    decode: F,
) -> Result<T, SoapError>
where
    F: FnOnce(&Headers, &Start, &mut XmlReader<'_>) -> Result<T, SoapError>,
{
    let mut xml = XmlReader::new(text, understood.limits)?;
    let root = xml.root()?;
    if root.local() != "Envelope" {
        return Err(xml.unexpected(&root).into());
    }
    // SOAP 1.1 and whatever else calls itself an envelope. SOAP 1.2 part 1: 5.4.7.
    if root.ns() != SOAP {
        return Err(SoapError::VersionMismatch);
    }
    let mut child = xml.next_child()?;
    if let Some(header) = &child
        && header.is(Name::new(SOAP, "Header"))
    {
        read_headers(&mut xml, headers, understood)?;
        child = xml.next_child()?;
    }
    let Some(child) = child else {
        return Err(xml.error(XmlErrorKind::MissingElement("Body")).into());
    };
    if !child.is(Name::new(SOAP, "Body")) {
        return Err(xml.unexpected(&child).into());
    }
    if headers.action.is_empty() {
        return Err(SoapError::MissingAction);
    }
    let body = xml.next_child()?.ok_or(SoapError::WrongBody)?;
    let value = decode(headers, &body, &mut xml)?;
    // Neither the body nor the envelope holds anything more.
    if xml.next_child()?.is_some() || xml.next_child()?.is_some() {
        return Err(SoapError::WrongBody);
    }
    xml.finish()?;
    Ok(value)
}

fn read_headers(
    xml: &mut XmlReader<'_>,
    headers: &mut Headers,
    understood: Understood,
) -> Result<(), SoapError> {
    let (mut action, mut reply_to, mut fault_to) = (None, None, None);
    while let Some(header) = xml.next_child()? {
        if !is_for_us(&header) {
            xml.skip()?;
            continue;
        }
        let must =
            matches!(header.attr_ns(SOAP, "mustUnderstand").map(str::trim), Some("1" | "true"));
        match (header.ns(), header.local()) {
            (WSA, "Action") => {
                set(&mut action, "wsa:Action", short_text(xml)?)?;
                headers.action = action.clone().unwrap_or_default();
            }
            (WSA, "MessageID") => {
                set(&mut headers.message_id, "wsa:MessageID", short_text(xml)?)?;
            }
            // May be there several times, for relationships other than an answer to its question.
            (WSA, "RelatesTo") => {
                let id = short_text(xml)?;
                if matches!(header.attr("RelationshipType"), None | Some(REPLY)) {
                    set(&mut headers.relates_to, "wsa:RelatesTo", id)?;
                }
            }
            (WSA, "ReplyTo") => set(&mut reply_to, "wsa:ReplyTo", read_endpoint(xml)?)?,
            (WSA, "FaultTo") => set(&mut fault_to, "wsa:FaultTo", read_endpoint(xml)?)?,
            (WSA, _) => xml.skip()?,
            (WSSE, "Security") if must && !understood.security => {
                return Err(SoapError::MustUnderstand("wsse:Security".into()));
            }
            (WSSE, "Security") => xml.skip()?,
            (_, local) if must => return Err(SoapError::MustUnderstand(local.to_owned())),
            _ => xml.skip()?,
        }
    }
    Ok(())
}

/// Whether a header is meant for the one who reads the body. SOAP 1.2 part 1: 2.2.
pub(crate) fn is_for_us(header: &Start) -> bool {
    let role = header.attr_ns(SOAP, "role").unwrap_or_default().trim();
    role.is_empty() || role == ROLE_NEXT || role == ROLE_ULTIMATE_RECEIVER
}

fn set<T>(slot: &mut Option<T>, name: &'static str, value: T) -> Result<(), SoapError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(SoapError::RepeatedHeader(name)),
    }
}

/// The text of an addressing header. It comes back in answers and in the audit log, so it is held
/// to the length of a URI.
fn short_text(xml: &mut XmlReader<'_>) -> Result<String, SoapError> {
    let text = xml.text()?;
    let text = text.trim();
    if text.len() > MAX_ADDRESS {
        return Err(xml.invalid("an addressing header is too long").into());
    }
    Ok(text.to_owned())
}

/// Reads an endpoint, which must be the anonymous one: whoever could name another could make this
/// service call anyone.
fn read_endpoint(xml: &mut XmlReader<'_>) -> Result<(), SoapError> {
    while let Some(child) = xml.next_child()? {
        if !child.is(Name::new(WSA, "Address")) {
            xml.skip()?;
        } else if xml.text()?.trim() != ANONYMOUS {
            return Err(SoapError::OnlyAnonymousAddress);
        }
    }
    Ok(())
}

/// Writes an envelope: an answer when `relates_to` is set, else a question to be answered in the
/// HTTP response.
///
/// # Errors
/// What `body` returns.
pub fn write<F>(headers: &Headers, body: F) -> Result<Vec<u8>, EncodeError>
where
    F: FnOnce(&mut XmlWriter<Vec<u8>>) -> Result<(), EncodeError>,
{
    write_envelope(headers, None, body)
}

/// As `write`, with the address that the message is sent to: some peers refuse a question that does
/// not name them.
///
/// # Errors
/// What `body` returns.
pub fn write_to<F>(to: &str, headers: &Headers, body: F) -> Result<Vec<u8>, EncodeError>
where
    F: FnOnce(&mut XmlWriter<Vec<u8>>) -> Result<(), EncodeError>,
{
    write_envelope(headers, Some(to), body)
}

fn write_envelope<F>(headers: &Headers, to: Option<&str>, body: F) -> Result<Vec<u8>, EncodeError>
where
    F: FnOnce(&mut XmlWriter<Vec<u8>>) -> Result<(), EncodeError>,
{
    let must: &[(&str, &str)] = &[("s:mustUnderstand", "1")];
    let mut xml = XmlWriter::new(Vec::with_capacity(4096));
    xml.element("s:Envelope", &[("xmlns:s", SOAP), ("xmlns:wsa", WSA)], |xml| {
        xml.element("s:Header", &[], |xml| {
            xml.element("wsa:Action", must, |xml| xml.characters(&headers.action))?;
            if let Some(id) = &headers.message_id {
                xml.text("wsa:MessageID", id)?;
            }
            if let Some(id) = &headers.relates_to {
                xml.text("wsa:RelatesTo", id)?;
            } else {
                xml.element("wsa:ReplyTo", &[], |xml| xml.text("wsa:Address", ANONYMOUS))?;
            }
            match to {
                Some(to) => xml.element("wsa:To", must, |xml| xml.characters(to)),
                None => Ok(()),
            }
        })?;
        xml.element("s:Body", &[], body)
    })?;
    Ok(xml.into_inner())
}

const ANONYMOUS: &str = "http://www.w3.org/2005/08/addressing/anonymous";
const FAULT_ACTION: &str = "http://www.w3.org/2005/08/addressing/soap/fault";
const REPLY: &str = "http://www.w3.org/2005/08/addressing/reply";
const ROLE_NEXT: &str = "http://www.w3.org/2003/05/soap-envelope/role/next";
const ROLE_ULTIMATE_RECEIVER: &str =
    "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver";
const MAX_ADDRESS: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::SOAP_11;

    fn envelope(header: &str) -> String {
        format!(
            "<s:Envelope xmlns:s='{SOAP}' xmlns:wsa='{WSA}'><s:Header>{header}</s:Header>\
             <s:Body><x xmlns='u'/></s:Body></s:Envelope>"
        )
    }

    fn error(text: &str) -> SoapError {
        read(text, |_, _, xml| Ok(xml.skip()?)).unwrap_err().0
    }

    #[test]
    fn headers_are_read_and_the_body_is_handed_over() {
        let text = envelope("<wsa:Action>a</wsa:Action><wsa:MessageID>m</wsa:MessageID>");

        let (headers, name) = read(&text, |_, start, xml| {
            xml.skip()?;
            Ok(start.local().to_owned())
        })
        .unwrap();

        assert_eq!((headers.action.as_str(), headers.message_id.as_deref()), ("a", Some("m")));
        assert_eq!(name, "x");
    }

    #[test]
    fn what_soap_refuses() {
        let action = "<wsa:Action s:mustUnderstand='1'>a</wsa:Action>";
        let with = |more: &str| error(&envelope(&format!("{action}{more}")));
        let evil = "<wsa:Address>http://evil/</wsa:Address>";
        let old = envelope(action).replace(SOAP, SOAP_11);
        let long = format!("<wsa:MessageID>{}</wsa:MessageID>", "m".repeat(3000));

        assert_eq!(error(&old), SoapError::VersionMismatch);
        assert_eq!(error(&envelope("")), SoapError::MissingAction);
        assert_eq!(
            with("<h xmlns='u' s:mustUnderstand='true'/>"),
            SoapError::MustUnderstand("h".into())
        );
        assert_eq!(with(action), SoapError::RepeatedHeader("wsa:Action"));
        for header in ["ReplyTo", "FaultTo"] {
            let header = format!("<wsa:{header}>{evil}</wsa:{header}>");
            assert_eq!(with(&header), SoapError::OnlyAnonymousAddress);
        }
        assert!(matches!(with(&long), SoapError::Xml(_)));
    }

    #[test]
    fn bodies_that_are_refused() {
        let good = envelope("<wsa:Action>a</wsa:Action>");

        assert_eq!(error(&good.replace("<x xmlns='u'/>", "")), SoapError::WrongBody);
        assert_eq!(error(&good.replace("<x ", "<x xmlns='u'/><x ")), SoapError::WrongBody);
        assert_eq!(error(&good.replace("</s:Body>", "</s:Body><s:Body/>")), SoapError::WrongBody);
        for bad in [
            good.replace("<s:Header>", "<s:Header/><s:Header>"),
            good.replace("s:Envelope", "s:Envelop"),
            good.replace("s:Body", "s:Torso"),
            format!("{good}<x/>"),
            good.replace("<x xmlns='u'/>", "text"),
            "<!DOCTYPE x><x/>".to_owned(),
            String::new(),
        ] {
            assert!(matches!(error(&bad), SoapError::Xml(_)), "{bad}");
        }
    }

    #[test]
    fn headers_for_others_are_left_alone() {
        let text = envelope(
            "<h xmlns='u' s:mustUnderstand='1' s:role='http://gateway/'/>\
             <wsa:RelatesTo RelationshipType='urn:other'>o</wsa:RelatesTo>\
             <wsa:RelatesTo>q</wsa:RelatesTo><wsa:Action>a</wsa:Action>",
        );

        let (headers, ()) = read(&text, |_, _, xml| Ok(xml.skip()?)).unwrap();

        assert_eq!((headers.action.as_str(), headers.relates_to.as_deref()), ("a", Some("q")));
    }

    #[test]
    fn answers_may_be_longer_than_questions() {
        let long = "x".repeat(17 << 20);
        let text = format!(
            "<s:Envelope xmlns:s=\"{SOAP}\" xmlns:a=\"http://www.w3.org/2005/08/addressing\">\
             <s:Header><a:Action>urn:a</a:Action></s:Header><s:Body><b>{long}</b></s:Body>\
             </s:Envelope>"
        );
        let length = |_: &Headers, _: &Start, xml: &mut XmlReader<'_>| Ok(xml.text()?.len());

        assert!(read(&text, length).is_err());
        assert_eq!(read_with(Understood::ANSWER, &text, length).unwrap().1, 17 << 20);
    }

    #[test]
    fn security_is_understood_by_who_says_so() {
        let security = format!("<w:Security xmlns:w='{WSSE}' s:mustUnderstand='1'/>");
        let text = envelope(&format!("<wsa:Action>a</wsa:Action>{security}"));
        let understood = Understood { security: true, ..Understood::default() };

        assert_eq!(error(&text), SoapError::MustUnderstand("wsse:Security".into()));
        assert!(read_with(understood, &text, |_, _, xml| Ok(xml.skip()?)).is_ok());
    }

    #[test]
    fn what_is_written_is_read_back() {
        let headers = Headers {
            action: "urn:a<&>".into(),
            message_id: Some("urn:uuid:1".into()),
            relates_to: None,
        };

        let written =
            write_to("http://node/?a=1&b=2", &headers, |xml| xml.raw(b"<x xmlns='u'>whole</x>"));
        let text = String::from_utf8(written.unwrap()).unwrap();
        let (back, body) = read(&text, |_, _, xml| Ok(xml.text()?)).unwrap();

        assert_eq!(back, headers);
        assert_eq!(body, "whole");
        assert!(text.contains("<wsa:To s:mustUnderstand=\"1\">http://node/?a=1&amp;b=2</wsa:To>"));
    }

    proptest::proptest! {
        #[test]
        fn no_header_panics(header in "(<wsa:Action>|</wsa:Action>|<wsa:ReplyTo/>|<h/>|a|\\PC){0,8}") {
            let _ = read(&envelope(&header), |_, _, xml| Ok(xml.skip()?));
        }
    }
}
