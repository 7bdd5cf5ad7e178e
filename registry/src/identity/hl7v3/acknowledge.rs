use axum::http::header;
use axum::response::{IntoResponse, Response};
use carerecord_codec::soap::{self, Headers, SoapError};
use carerecord_model::Dtm;
use carerecord_service::AuditDraft;
use carerecord_storage::Trouble;
use carerecord_xml::{ElementRef, EncodeError, XmlWriter};

use super::{HL7, fault};
use crate::router::Door;
use crate::store::FeedError;

/// What became of a message. HL7 v3, AcknowledgementType: the codes of an accept acknowledgement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// CA: done.
    Accept,
    /// CE: the content is wrong; nothing has changed.
    Error(String),
    /// CR: not taken for a reason outside the content, with a code of AcknowledgementDetailCode
    /// where there is one. When it is the service's own, the same message may be sent again.
    Reject { text: String, code: Option<&'static str> },
}

impl Verdict {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Accept => "CA",
            Self::Error(_) => "CE",
            Self::Reject { .. } => "CR",
        }
    }

    fn detail(&self) -> Option<(&str, Option<&'static str>)> {
        match self {
            Self::Accept => None,
            Self::Error(text) => Some((text, None)),
            Self::Reject { text, code } => Some((text, *code)),
        }
    }
}

impl From<&FeedError> for Verdict {
    fn from(error: &FeedError) -> Self {
        let text = error.to_string();
        match error {
            FeedError::Wrong(_) => Self::Error(text),
            FeedError::Refused => Self::Reject { text, code: None },
            FeedError::Store(e) if e.trouble() == Trouble::Full => {
                Self::Reject { text, code: Some("NOSTORE") }
            }
            FeedError::Store(_) => Self::Reject { text, code: Some("INTERR") },
        }
    }
}

/// MCCI_IN000002UV01: sender and receiver turned round. ITI TF-2: 3.44.4.1.3.
pub(super) fn acknowledge(
    door: &Door,
    draft: &AuditDraft,
    request: &Headers,
    message: Option<ElementRef<'_>>,
    verdict: &Verdict,
) -> Response {
    if *verdict != Verdict::Accept {
        draft.fill(|e| e.error = Some(verdict.code().to_owned()));
    }
    let ids = |path: &[&str]| {
        let id = message.and_then(|m| m.at(path));
        let attr = |name: &str| id.and_then(|e| e.attr(name)).unwrap_or_default().to_owned();
        (attr("root"), attr("extension"))
    };
    let headers = Headers {
        action: ACKNOWLEDGED.to_owned(),
        message_id: Some(format!("urn:uuid:{}", door.ids.random())),
        relates_to: request.message_id.clone(),
    };
    let answer = Acknowledgement {
        sender: ids(&["receiver", "device", "id"]),
        receiver: ids(&["sender", "device", "id"]),
        acknowledged: ids(&["id"]),
        own_id: door.ids.random().to_string(),
        now: Dtm::from_timestamp(door.registry.now()).to_string(),
        verdict,
    };
    let written = soap::write(&headers, |xml| answer.write(xml));
    match written {
        Ok(bytes) => {
            let content_type =
                format!("application/soap+xml; charset=UTF-8; action=\"{ACKNOWLEDGED}\"");
            ([(header::CONTENT_TYPE, content_type)], bytes).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            fault(door, draft, &SoapError::Internal, request)
        }
    }
}

/// Root and extension of an id.
type Id = (String, String);

struct Acknowledgement<'v> {
    sender: Id,
    receiver: Id,
    acknowledged: Id,
    own_id: String,
    now: String,
    verdict: &'v Verdict,
}

impl Acknowledgement<'_> {
    fn write(&self, xml: &mut XmlWriter<Vec<u8>>) -> Result<(), EncodeError> {
        let root = [("xmlns", HL7), ("ITSVersion", "XML_1.0")];
        xml.element("MCCI_IN000002UV01", &root, |xml| {
            xml.empty("id", &[("root", &self.own_id)])?;
            xml.empty("creationTime", &[("value", &self.now)])?;
            let interaction = [("root", INTERACTIONS), ("extension", "MCCI_IN000002UV01")];
            xml.empty("interactionId", &interaction)?;
            xml.empty("processingCode", &[("code", "P")])?;
            xml.empty("processingModeCode", &[("code", "T")])?;
            xml.empty("acceptAckCode", &[("code", "NE")])?;
            for (name, kind, device) in
                [("receiver", "RCV", &self.receiver), ("sender", "SND", &self.sender)]
            {
                xml.element(name, &[("typeCode", kind)], |xml| {
                    let class = [("classCode", "DEV"), ("determinerCode", "INSTANCE")];
                    xml.element("device", &class, |xml| write_id(xml, device))
                })?;
            }
            xml.element("acknowledgement", &[], |xml| {
                xml.empty("typeCode", &[("code", self.verdict.code())])?;
                xml.element("targetMessage", &[], |xml| write_id(xml, &self.acknowledged))?;
                let Some((text, code)) = self.verdict.detail() else { return Ok(()) };
                xml.element("acknowledgementDetail", &[("typeCode", "E")], |xml| {
                    if let Some(code) = code {
                        xml.empty("code", &[("code", code), ("codeSystem", DETAIL_CODES)])?;
                    }
                    xml.text("text", text)
                })
            })
        })
    }
}

fn write_id(xml: &mut XmlWriter<Vec<u8>>, (root, extension): &Id) -> Result<(), EncodeError> {
    let mut attributes = vec![("root", root.as_str())];
    if !extension.is_empty() {
        attributes.push(("extension", extension));
    }
    xml.empty("id", &attributes)
}

const ACKNOWLEDGED: &str = "urn:hl7-org:v3:MCCI_IN000002UV01";
const INTERACTIONS: &str = "2.16.840.1.113883.1.6";
const DETAIL_CODES: &str = "2.16.840.1.113883.5.1100";

#[cfg(test)]
mod tests {
    use carerecord_storage::StoreError;

    use super::*;

    #[test]
    fn a_store_that_fails_is_no_fault_of_the_message() {
        let broken = FeedError::Store(StoreError::Row("patient", "patient_no", "x".into()));
        let verdict = Verdict::from(&broken);

        assert_eq!(verdict.code(), "CR");
        assert_eq!(verdict.detail(), Some(("the registry's store failed", Some("INTERR"))));
        assert_eq!(Verdict::from(&FeedError::Wrong("x")), Verdict::Error("x".into()));
        assert_eq!(Verdict::from(&FeedError::Refused).code(), "CR");
        assert_eq!(Verdict::Accept.code(), "CA");
    }
}
