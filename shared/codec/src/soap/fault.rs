use carerecord_xml::{Decode, Name, Start, XmlError, XmlReader, XmlWriter};

use super::{FAULT_ACTION, Headers, write};
use crate::name::{SOAP, WSSE};

/// Why a message is refused on the level of SOAP.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SoapError {
    /// The XML cannot be read.
    #[error("{0}")]
    Xml(#[source] Box<XmlError>),
    /// Not SOAP 1.2.
    #[error("the message is not a SOAP 1.2 envelope")]
    VersionMismatch,
    /// A header must be understood, and is not.
    #[error("the header {0} is not understood")]
    MustUnderstand(String),
    /// There is no `wsa:Action`.
    #[error("the header wsa:Action is missing")]
    MissingAction,
    /// An addressing header is there twice, so that nobody can say which one counts.
    #[error("the header {0} is there more than once")]
    RepeatedHeader(&'static str),
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
    /// There is more of it than is read.
    #[error("the message is longer than is taken here")]
    TooLong,
    /// We failed.
    #[error("the service failed; it has been recorded")]
    Internal,
    /// Too much is asked for just now.
    #[error("{0}")]
    Busy(&'static str),
    /// The caller may not do this.
    #[error("the system is not permitted to do this")]
    NotPermitted,
    /// A role of this deployment asks without saying for whom in a way that is taken.
    #[error("{0}")]
    NotDelegated(String),
    /// What is in the Security header does not show who calls.
    #[error("{0}")]
    Security(SecurityFault),
}

/// A fault of WS-Security. It never says more than its class. WS-Security 1.1: 12.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SecurityFault {
    /// The header cannot be processed.
    #[error("an error was discovered processing the Security header")]
    InvalidSecurity,
    /// The token is not a valid one.
    #[error("an invalid security token was provided")]
    InvalidSecurityToken,
    /// The token does not show who calls.
    #[error("the security token could not be authenticated or authorized")]
    FailedAuthentication,
    /// A signature does not hold.
    #[error("the signature was invalid")]
    FailedCheck,
    /// There is no token.
    #[error("a security token is required and was not provided")]
    SecurityTokenUnavailable,
    /// The token is of another kind.
    #[error("an unsupported token was provided")]
    UnsupportedSecurityToken,
    /// The token or the message has expired.
    #[error("the message has expired")]
    MessageExpired,
}

impl SecurityFault {
    /// The subcode.
    pub fn code(self) -> &'static str {
        match self {
            Self::InvalidSecurity => "wsse:InvalidSecurity",
            Self::InvalidSecurityToken => "wsse:InvalidSecurityToken",
            Self::FailedAuthentication => "wsse:FailedAuthentication",
            Self::FailedCheck => "wsse:FailedCheck",
            Self::SecurityTokenUnavailable => "wsse:SecurityTokenUnavailable",
            Self::UnsupportedSecurityToken => "wsse:UnsupportedSecurityToken",
            Self::MessageExpired => "wsse:MessageExpired",
        }
    }
}

impl From<XmlError> for SoapError {
    fn from(error: XmlError) -> Self {
        Self::Xml(Box::new(error))
    }
}

impl SoapError {
    /// Whose fault it is: the HTTP status to answer with.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::Internal => 500,
            Self::NotPermitted | Self::NotDelegated(_) => 403,
            Self::Busy(_) => 503,
            Self::TooLong => 413,
            Self::Xml(_)
            | Self::VersionMismatch
            | Self::MustUnderstand(_)
            | Self::MissingAction
            | Self::RepeatedHeader(_)
            | Self::ActionNotSupported
            | Self::OnlyAnonymousAddress
            | Self::WrongBody
            | Self::Transport(_)
            | Self::Security(_) => 400,
        }
    }

    /// SOAP code and, where WS-Addressing names one, subcode.
    pub fn codes(&self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::VersionMismatch => ("s:VersionMismatch", None),
            Self::MustUnderstand(_) => ("s:MustUnderstand", None),
            Self::MissingAction => ("s:Sender", Some("wsa:MessageAddressingHeaderRequired")),
            Self::RepeatedHeader(_) => ("s:Sender", Some("wsa:InvalidAddressingHeader")),
            Self::ActionNotSupported => ("s:Sender", Some("wsa:ActionNotSupported")),
            Self::OnlyAnonymousAddress => ("s:Sender", Some("wsa:OnlyAnonymousAddressSupported")),
            Self::Security(fault) => ("s:Sender", Some(fault.code())),
            Self::Internal | Self::Busy(_) => ("s:Receiver", None),
            Self::Xml(_)
            | Self::WrongBody
            | Self::Transport(_)
            | Self::TooLong
            | Self::NotPermitted
            | Self::NotDelegated(_) => ("s:Sender", None),
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
        let security = matches!(self, Self::Security(_));
        let declared: &[(&str, &str)] = if security { &[("xmlns:wsse", WSSE)] } else { &[] };
        let fault = |xml: &mut XmlWriter<Vec<u8>>| {
            xml.element("s:Fault", declared, |xml| {
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

/// A fault that a peer answered with.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Fault {
    /// `Sender`, `Receiver`, `VersionMismatch`, `MustUnderstand`; without prefix.
    pub code: String,
    /// The first subcode, without prefix: `ActionNotSupported`.
    pub subcode: Option<String>,
    /// The peer's words, cut when they are many. They can carry anything: not for logs.
    pub reason: String,
}

/// Without the reason.
impl std::fmt::Debug for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Fault");
        shown.field("code", &self.code).field("subcode", &self.subcode).finish_non_exhaustive()
    }
}

impl Decode for Fault {
    fn decode(start: &Start, xml: &mut XmlReader<'_>) -> Result<Self, XmlError> {
        if !start.is(soap("Fault")) {
            return Err(xml.unexpected(start));
        }
        let mut fault = Self::default();
        xml.children(|child, xml| {
            if child.is(soap("Code")) {
                read_code(&mut fault, xml)
            } else if child.is(soap("Reason")) {
                read_reason(&mut fault, xml)
            } else {
                xml.skip()
            }
        })?;
        Ok(fault)
    }
}

/// Reads the reason of a fault, when the body is one; for clients.
///
/// # Errors
/// When the fault itself cannot be read.
pub fn fault_reason(start: &Start, xml: &mut XmlReader<'_>) -> Result<Option<String>, XmlError> {
    if !start.is(soap("Fault")) {
        return Ok(None);
    }
    Ok(Some(Fault::decode(start, xml)?.reason))
}

fn read_code(fault: &mut Fault, xml: &mut XmlReader<'_>) -> Result<(), XmlError> {
    xml.children(|child, xml| {
        if child.is(soap("Value")) {
            fault.code = without_prefix(&xml.text()?);
            return Ok(());
        }
        if !child.is(soap("Subcode")) {
            return xml.skip();
        }
        xml.children(|child, xml| {
            if !child.is(soap("Value")) {
                return xml.skip();
            }
            fault.subcode = Some(without_prefix(&xml.text()?));
            Ok(())
        })
    })
}

/// The reason in English, when it is there in several languages; else the first.
fn read_reason(fault: &mut Fault, xml: &mut XmlReader<'_>) -> Result<(), XmlError> {
    let mut found = false;
    xml.children(|child, xml| {
        let language = child.attr_ns(crate::name::XML, "lang").unwrap_or_default();
        if child.is(soap("Text")) && (!found || language.starts_with("en")) {
            fault.reason = xml.text()?.chars().take(MAX_REASON).collect();
            found = true;
            return Ok(());
        }
        xml.skip()
    })
}

fn without_prefix(name: &str) -> String {
    let name = name.trim();
    let local = name.rsplit_once(':').map_or(name, |(_, local)| local);
    local.chars().take(MAX_CODE).collect()
}

const fn soap(local: &'static str) -> Name {
    Name::new(SOAP, local)
}

const MAX_REASON: usize = 1000;
const MAX_CODE: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soap::read;

    fn read_back(error: &SoapError) -> (Headers, Fault) {
        let text = String::from_utf8(error.to_envelope("urn:uuid:1", Some("urn:uuid:2"))).unwrap();
        read(&text, |_, start, xml| Ok(Fault::decode(start, xml)?)).unwrap()
    }

    #[test]
    fn a_fault_is_read_back() {
        let (headers, fault) = read_back(&SoapError::MissingAction);

        assert_eq!(headers.action, FAULT_ACTION);
        assert_eq!(headers.relates_to.as_deref(), Some("urn:uuid:2"));
        assert_eq!(fault.code, "Sender");
        assert_eq!(fault.subcode.as_deref(), Some("MessageAddressingHeaderRequired"));
        assert_eq!(fault.reason, SoapError::MissingAction.to_string());
    }

    #[test]
    fn codes_and_statuses_agree() {
        let code = |error: SoapError| (error.http_status(), read_back(&error).1.code);

        assert_eq!(code(SoapError::Internal), (500, "Receiver".into()));
        let security = SoapError::Security(SecurityFault::FailedCheck);
        assert_eq!(code(security.clone()), (400, "Sender".into()));
        assert_eq!(read_back(&security).1.subcode.as_deref(), Some("FailedCheck"));
        assert_eq!(code(SoapError::WrongBody), (400, "Sender".into()));
        assert_eq!(code(SoapError::VersionMismatch), (400, "VersionMismatch".into()));
        assert_eq!(code(SoapError::MustUnderstand("h".into())), (400, "MustUnderstand".into()));
    }

    #[test]
    fn a_stranger_s_fault_is_read() {
        let text = format!(
            "<e:Envelope xmlns:e='{SOAP}'><e:Header>\
             <a:Action xmlns:a='{}'>x</a:Action></e:Header><e:Body><e:Fault>\
             <e:Code><e:Value>e:Receiver</e:Value><e:Subcode><e:Value>q:Busy</e:Value>\
             <e:Subcode><e:Value>q:Deeper</e:Value></e:Subcode></e:Subcode></e:Code>\
             <e:Reason><e:Text xml:lang='da'>Nej</e:Text><e:Text xml:lang='en-GB'>No</e:Text>\
             </e:Reason><e:Role>r</e:Role><e:Detail><x/></e:Detail></e:Fault></e:Body></e:Envelope>",
            crate::name::WSA
        );

        let (_, fault) = read(&text, |_, start, xml| Ok(Fault::decode(start, xml)?)).unwrap();

        let subcode = Some("Busy".into());
        assert_eq!(fault, Fault { code: "Receiver".into(), subcode, reason: "No".into() });
    }
}
