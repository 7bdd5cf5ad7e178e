//! SOAP 1.2 envelopes with WS-Addressing. ITI TF-2: Appendix V.

use carerecord_xml::{
    EncodeError, Limits, Name, Start, XmlError, XmlErrorKind, XmlReader, XmlWriter,
};

use crate::name::{SOAP, SOAP_11, WSA, WSSE};

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

/// Why a message is refused on the level of SOAP.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SoapError {
    /// The XML cannot be read.
    #[error("{0}")]
    Xml(#[from] XmlError),
    /// Not SOAP 1.2.
    #[error("the message is not a SOAP 1.2 envelope")]
    VersionMismatch,
    /// A header must be understood, and is not.
    #[error("the header {0} is not understood")]
    MustUnderstand(String),
    /// There is no `wsa:Action`.
    #[error("the header wsa:Action is missing")]
    MissingAction,
    /// The action is not one of this service.
    #[error("the action is not supported here")]
    ActionNotSupported,
    /// The answer is wanted elsewhere than in the HTTP response.
    #[error("answers are given in the HTTP response only")]
    OnlyAnonymousAddress,
    /// The body is empty or has something else than the action says.
    #[error("the SOAP body does not hold what the action says")]
    WrongBody,
    /// The HTTP message around the envelope is wrong.
    #[error("{0}")]
    Transport(String),
    /// We failed.
    #[error("the service failed; it has been recorded")]
    Internal,
    /// The caller may not do this.
    #[error("the system is not permitted to do this")]
    NotPermitted,
}

impl SoapError {
    /// Whose fault it is: the HTTP status to answer with.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::Internal => 500,
            Self::NotPermitted => 403,
            Self::Xml(_)
            | Self::VersionMismatch
            | Self::MustUnderstand(_)
            | Self::MissingAction
            | Self::ActionNotSupported
            | Self::OnlyAnonymousAddress
            | Self::WrongBody
            | Self::Transport(_) => 400,
        }
    }

    /// SOAP code and, where WS-Addressing names one, subcode.
    fn codes(&self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::VersionMismatch => ("s:VersionMismatch", None),
            Self::MustUnderstand(_) => ("s:MustUnderstand", None),
            Self::MissingAction => ("s:Sender", Some("wsa:MessageAddressingHeaderRequired")),
            Self::ActionNotSupported => ("s:Sender", Some("wsa:ActionNotSupported")),
            Self::OnlyAnonymousAddress => ("s:Sender", Some("wsa:OnlyAnonymousAddressSupported")),
            Self::Internal => ("s:Receiver", None),
            Self::Xml(_) | Self::WrongBody | Self::Transport(_) | Self::NotPermitted => {
                ("s:Sender", None)
            }
        }
    }

    /// The fault as an envelope. `relates_to` is the id of the message refused, when it was read.
    pub fn to_envelope(&self, message_id: &str, relates_to: Option<&str>) -> Vec<u8> {
        let (code, subcode) = self.codes();
        let reason = self.to_string();
        let headers = Headers {
            action: FAULT_ACTION.to_owned(),
            message_id: Some(message_id.to_owned()),
            relates_to: relates_to.map(str::to_owned),
        };
        let fault = |xml: &mut XmlWriter<Vec<u8>>| {
            xml.element("s:Fault", &[], |xml| {
                xml.element("s:Code", &[], |xml| {
                    xml.text("s:Value", code)?;
                    match subcode {
                        Some(sub) => xml.element("s:Subcode", &[], |xml| xml.text("s:Value", sub)),
                        None => Ok(()),
                    }
                })?;
                xml.element("s:Reason", &[], |xml| {
                    xml.element("s:Text", &[("xml:lang", "en")], |xml| xml.characters(&reason))
                })
            })
        };
        // The reason is our own text; a name out of the message has been through the XML reader.
        write(&headers, fault).unwrap_or_default()
    }
}

/// Reads an envelope and hands the element in the body to `decode`.
///
/// # Errors
/// `SoapError` for the envelope; what `decode` returns for the body.
pub fn read<T, F>(text: &str, decode: F) -> Result<(Headers, T), (SoapError, Headers)>
where
    F: FnOnce(&Headers, &Start, &mut XmlReader<'_>) -> Result<T, SoapError>,
{
    let mut headers = Headers::default();
    match read_into(text, &mut headers, decode) {
        Ok(value) => Ok((headers, value)),
        Err(error) => Err((error, headers)),
    }
}

fn read_into<T, F>(text: &str, headers: &mut Headers, decode: F) -> Result<T, SoapError>
where
    F: FnOnce(&Headers, &Start, &mut XmlReader<'_>) -> Result<T, SoapError>,
{
    let mut xml = XmlReader::new(text, Limits::metadata())?;
    let root = xml.root()?;
    if root.local() != "Envelope" || (root.ns() != SOAP && root.ns() != SOAP_11) {
        return Err(xml.unexpected(&root).into());
    }
    if root.ns() == SOAP_11 {
        return Err(SoapError::VersionMismatch);
    }
    while let Some(child) = xml.next_child()? {
        if child.is(Name::new(SOAP, "Header")) {
            read_headers(&mut xml, headers)?;
        } else if child.is(Name::new(SOAP, "Body")) {
            if headers.action.is_empty() {
                return Err(SoapError::MissingAction);
            }
            let body = xml.next_child()?.ok_or(SoapError::WrongBody)?;
            let value = decode(headers, &body, &mut xml)?;
            if xml.next_child()?.is_some() || xml.next_child()?.is_some() {
                return Err(SoapError::WrongBody);
            }
            xml.finish()?;
            return Ok(value);
        } else {
            return Err(xml.unexpected(&child).into());
        }
    }
    Err(xml.error(XmlErrorKind::MissingElement("Body")).into())
}

fn read_headers(xml: &mut XmlReader<'_>, headers: &mut Headers) -> Result<(), SoapError> {
    while let Some(header) = xml.next_child()? {
        let must = matches!(header.attr_ns(SOAP, "mustUnderstand"), Some("1" | "true"));
        match (header.ns(), header.local()) {
            (WSA, "Action") => headers.action = xml.text()?.trim().to_owned(),
            (WSA, "MessageID") => headers.message_id = Some(xml.text()?.trim().to_owned()),
            (WSA, "RelatesTo") => headers.relates_to = Some(xml.text()?.trim().to_owned()),
            (WSA, "ReplyTo") => read_reply_to(xml)?,
            (WSA, _) => xml.skip()?,
            // Assertions are not verified yet, so a sender that insists on it is told.
            (WSSE, "Security") if must => {
                return Err(SoapError::MustUnderstand("wsse:Security".into()));
            }
            (_, local) if must => return Err(SoapError::MustUnderstand(local.to_owned())),
            _ => xml.skip()?,
        }
    }
    Ok(())
}

fn read_reply_to(xml: &mut XmlReader<'_>) -> Result<(), SoapError> {
    while let Some(child) = xml.next_child()? {
        if child.is(Name::new(WSA, "Address")) {
            let address = xml.text()?;
            if address.trim() != ANONYMOUS {
                return Err(SoapError::OnlyAnonymousAddress);
            }
        } else {
            xml.skip()?;
        }
    }
    Ok(())
}

/// Writes an envelope.
///
/// # Errors
/// What `body` returns.
pub fn write<F>(headers: &Headers, body: F) -> Result<Vec<u8>, EncodeError>
where
    F: FnOnce(&mut XmlWriter<Vec<u8>>) -> Result<(), EncodeError>,
{
    let mut xml = XmlWriter::new(Vec::with_capacity(4096));
    xml.element("s:Envelope", &[("xmlns:s", SOAP), ("xmlns:wsa", WSA)], |xml| {
        xml.element("s:Header", &[], |xml| {
            xml.element("wsa:Action", &[("s:mustUnderstand", "1")], |xml| {
                xml.characters(&headers.action)
            })?;
            if let Some(id) = &headers.message_id {
                xml.text("wsa:MessageID", id)?;
            }
            if let Some(id) = &headers.relates_to {
                xml.text("wsa:RelatesTo", id)?;
            } else {
                xml.element("wsa:ReplyTo", &[], |xml| xml.text("wsa:Address", ANONYMOUS))?;
            }
            Ok(())
        })?;
        xml.element("s:Body", &[], body)
    })?;
    Ok(xml.into_inner())
}

/// Reads the reason of a fault, when the body is one; for clients.
///
/// # Errors
/// When the fault itself cannot be read.
pub fn fault_reason(start: &Start, xml: &mut XmlReader<'_>) -> Result<Option<String>, XmlError> {
    if !start.is(Name::new(SOAP, "Fault")) {
        return Ok(None);
    }
    let mut reason = String::new();
    while let Some(child) = xml.next_child()? {
        if !child.is(Name::new(SOAP, "Reason")) {
            xml.skip()?;
            continue;
        }
        while let Some(text) = xml.next_child()? {
            if text.is(Name::new(SOAP, "Text")) {
                reason = xml.text()?;
            } else {
                xml.skip()?;
            }
        }
    }
    Ok(Some(reason))
}

const ANONYMOUS: &str = "http://www.w3.org/2005/08/addressing/anonymous";
const FAULT_ACTION: &str = "http://www.w3.org/2005/08/addressing/soap/fault";

#[cfg(test)]
mod tests {
    use super::*;

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
    fn faults_for_what_soap_refuses() {
        let old = envelope("").replace(SOAP, SOAP_11);
        let strange = "<wsa:Action>a</wsa:Action><h xmlns='u' s:mustUnderstand='true'/>";
        let elsewhere = "<wsa:Action>a</wsa:Action>\
                         <wsa:ReplyTo><wsa:Address>http://evil/</wsa:Address></wsa:ReplyTo>";

        assert_eq!(error(&old), SoapError::VersionMismatch);
        assert_eq!(error(&envelope("")), SoapError::MissingAction);
        assert_eq!(error(&envelope(strange)), SoapError::MustUnderstand("h".into()));
        assert_eq!(error(&envelope(elsewhere)), SoapError::OnlyAnonymousAddress);
        let text = SoapError::MissingAction.to_envelope("urn:uuid:1", Some("urn:uuid:2"));
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains("wsa:MessageAddressingHeaderRequired"));
        assert!(text.contains("<wsa:RelatesTo>urn:uuid:2</wsa:RelatesTo>"));
    }
}
