use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use bytes::Bytes;

use super::Manner;
use super::question::Question;

/// A message as it goes out.
pub(super) struct Message {
    pub(super) content_type: String,
    pub(super) bytes: Bytes,
}

impl Message {
    /// It does not give the document.
    pub(super) fn refusal(question: &Question, code: &str) -> Self {
        let body = format!(
            "<xdsb:RetrieveDocumentSetResponse xmlns:xdsb=\"{XDSB}\"><rs:RegistryResponse \
             xmlns:rs=\"{RS}\" status=\"{STATUS}Failure\"><rs:RegistryErrorList \
             highestSeverity=\"{SEVERITY}Error\"><rs:RegistryError codeContext=\"of {}\" \
             errorCode=\"{code}\" location=\"r\" severity=\"{SEVERITY}Error\"/>\
             </rs:RegistryErrorList></rs:RegistryResponse></xdsb:RetrieveDocumentSetResponse>",
            question.document
        );
        Self::related(&envelope(question, "", &body), Vec::new(), Manner::Plain)
    }

    /// It gives the document, or something else.
    pub(super) fn document(question: &Question, manner: Manner, bytes: &Bytes) -> Self {
        let bytes = match manner {
            Manner::OtherBytes => {
                let mut other = bytes.to_vec();
                let last = other.len() - 1;
                other[last] ^= 1;
                other.into()
            }
            Manner::Longer => [bytes, &b" and so on"[..]].concat().into(),
            Manner::Shorter => bytes.slice(..bytes.len() - 1),
            _ => bytes.clone(),
        };
        if manner == Manner::Inline {
            let body = response(&one(question, &question.document, &base64_lines(&bytes)), manner);
            let content_type = "Application/SOAP+xml;charset=utf-8".to_owned();
            return Self { content_type, bytes: envelope(question, "", &body).into() };
        }
        let href = match manner {
            Manner::EscapedCid => "cid:doc%2B1%40x".to_owned(),
            Manner::MissingPart => "cid:nowhere@x".to_owned(),
            Manner::IncludeElsewhere => format!("{}/secret", question.host),
            _ => "cid:doc@x".to_owned(),
        };
        let wanted = match manner {
            Manner::OtherDocument => one(question, OTHER, &include(&href)),
            Manner::MoreThanAsked => {
                one(question, OTHER, &include("cid:more@x"))
                    + &one(question, &question.document, &include(&href))
            }
            _ => one(question, &question.document, &include(&href)),
        };
        let wanted = match manner {
            Manner::OtherCommunity => wanted.replace(
                "<xdsb:DocumentResponse>",
                "<xdsb:DocumentResponse><xdsb:HomeCommunityId>urn:oid:2.999.77</xdsb:HomeCommunityId>",
            ),
            _ => wanted,
        };
        let headers = if manner == Manner::ExtraHeaders { EXTRA_HEADERS } else { "" };
        let envelope = envelope(question, headers, &response(&wanted, manner));
        let envelope = match manner {
            Manner::OtherPrefixes => other_prefixes(&envelope),
            _ => envelope,
        };
        let mut parts = vec![(part_head(manner), bytes)];
        if manner == Manner::MoreThanAsked {
            let more = "Content-ID: <more@x>\r\nContent-Type: text/plain\r\n";
            parts.insert(0, (more.to_owned(), Bytes::from_static(b"what nobody asked for")));
        }
        if manner == Manner::Base64 {
            parts[0].1 = base64_lines(&parts[0].1).into();
        }
        Self::related(&envelope, parts, manner)
    }

    fn related(envelope: &str, parts: Vec<(String, Bytes)>, manner: Manner) -> Self {
        let boundary = match manner {
            Manner::OddBoundary => "=_Part (7)+_,-./:=?'x",
            _ => "MIMEBoundary_9f3",
        };
        let root = match manner {
            Manner::FoldedHeaders => {
                "content-TYPE:\r\n\tapplication/xop+xml;\r\n charset=UTF-8;\r\n\t \
                 type=\"application/soap+xml\"\r\nCONTENT-ID:\r\n <root@x>\r\n"
            }
            _ => {
                "Content-Type: application/xop+xml; charset=UTF-8; \
                 type=\"application/soap+xml\"\r\nContent-Transfer-Encoding: binary\r\n\
                 Content-ID: <root@x>\r\n"
            }
        };
        let mut all = vec![(root.to_owned(), Bytes::copy_from_slice(envelope.as_bytes()))];
        all.extend(parts);
        if manner == Manner::RootLast {
            all.rotate_left(1);
        }
        let (before, padding, after) = match manner {
            Manner::OddBoundary => ("This is a MIME message.\r\n", " \t", "\r\n--and not more"),
            _ => ("", "", ""),
        };
        let mut bytes = before.as_bytes().to_vec();
        for (head, content) in all {
            bytes.extend_from_slice(format!("\r\n--{boundary}{padding}\r\n{head}\r\n").as_bytes());
            bytes.extend_from_slice(&content);
        }
        if manner != Manner::NoEnd {
            bytes.extend_from_slice(format!("\r\n--{boundary}--{padding}\r\n{after}").as_bytes());
        }
        let content_type = format!(
            "multipart/related; type=\"application/xop+xml\"; start=\"<root@x>\"; \
             start-info=\"application/soap+xml\"; boundary=\"{boundary}\""
        );
        Self { content_type, bytes: bytes.into() }
    }
}

/// A SOAP fault.
pub(super) fn fault(status: StatusCode, reason: &str) -> Response {
    let envelope = format!(
        "<S:Envelope xmlns:S=\"{SOAP}\" xmlns:a=\"{WSA}\"><S:Header><a:Action>{WSA}/soap/fault\
         </a:Action></S:Header><S:Body><S:Fault><S:Code><S:Value>S:Receiver</S:Value></S:Code>\
         <S:Reason><S:Text xml:lang=\"en\">{reason}</S:Text></S:Reason></S:Fault></S:Body>\
         </S:Envelope>"
    );
    (status, [("content-type", "application/soap+xml")], envelope).into_response()
}

/// An envelope of which nobody would live to see the end.
pub(super) fn entities() -> Response {
    let text = format!(
        "<?xml version=\"1.0\"?><!DOCTYPE l [<!ENTITY a \"{}\"><!ENTITY b \"{}\">]>\
         <S:Envelope xmlns:S=\"{SOAP}\"><S:Body>&b;</S:Body></S:Envelope>",
        "ha".repeat(1000),
        "&a;".repeat(1000)
    );
    ([("content-type", "application/soap+xml")], text).into_response()
}

fn envelope(question: &Question, headers: &str, body: &str) -> String {
    format!(
        "<S:Envelope xmlns:S=\"{SOAP}\" xmlns:a=\"{WSA}\"><S:Header><a:Action \
         S:mustUnderstand=\"true\">urn:ihe:iti:2007:RetrieveDocumentSetResponse</a:Action>\
         <a:RelatesTo>{}</a:RelatesTo>{headers}</S:Header><S:Body>{body}</S:Body></S:Envelope>",
        question.message_id
    )
}

fn response(documents: &str, manner: Manner) -> String {
    let warning = match manner {
        Manner::Warns => format!(
            "<rs:RegistryErrorList highestSeverity=\"{SEVERITY}Warning\"><rs:RegistryError \
             codeContext=\"the disk is nearly full\" errorCode=\"VendorWarning\" location=\"\" \
             severity=\"{SEVERITY}Warning\"/></rs:RegistryErrorList>"
        ),
        _ => String::new(),
    };
    format!(
        "<xdsb:RetrieveDocumentSetResponse xmlns:xdsb=\"{XDSB}\"><rs:RegistryResponse \
         xmlns:rs=\"{RS}\" status=\"{STATUS}Success\">{warning}</rs:RegistryResponse>{documents}\
         </xdsb:RetrieveDocumentSetResponse>"
    )
}

fn one(question: &Question, document: &str, content: &str) -> String {
    format!(
        "<xdsb:DocumentResponse><xdsb:RepositoryUniqueId>{}</xdsb:RepositoryUniqueId>\
         <xdsb:DocumentUniqueId>{document}</xdsb:DocumentUniqueId><xdsb:mimeType>text/plain\
         </xdsb:mimeType><xdsb:Document>{content}</xdsb:Document></xdsb:DocumentResponse>",
        question.repository
    )
}

fn include(href: &str) -> String {
    format!("<xop:Include xmlns:xop=\"{XOP}\" href=\"{href}\"/>")
}

/// The head of the document's part.
fn part_head(manner: Manner) -> String {
    let (id, encoding) = match manner {
        Manner::EscapedCid => ("doc+1@x", "binary"),
        Manner::Base64 => ("doc@x", "BASE64"),
        _ => ("doc@x", "binary"),
    };
    match manner {
        Manner::FoldedHeaders => format!(
            "x-vendor: a\r\n b\r\n\tc\r\ncontent-ID:\r\n\t<{id}>\r\ncontent-type:text/plain;\r\n \
             charset=\"utf-8\"\r\ncontent-transfer-encoding:\r\n {encoding}\r\n"
        ),
        _ => format!(
            "Content-Type: text/plain\r\nContent-Transfer-Encoding: {encoding}\r\n\
             Content-ID: <{id}>\r\n"
        ),
    }
}

fn base64_lines(bytes: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    let line = |at: usize| &text[at..(at + 76).min(text.len())];
    (0..text.len()).step_by(76).map(line).collect::<Vec<_>>().join("\r\n")
}

/// The same message as another writer would put it.
fn other_prefixes(envelope: &str) -> String {
    let changed = [
        ("xmlns:S=", "xmlns:env="),
        ("<S:", "<env:"),
        ("</S:", "</env:"),
        (" S:", " env:"),
        ("xmlns:a=", "xmlns:ns0="),
        ("<a:", "<ns0:"),
        ("</a:", "</ns0:"),
        ("xmlns:xdsb=", "xmlns="),
        ("<xdsb:", "<"),
        ("</xdsb:", "</"),
        ("xmlns:rs=", "xmlns:xdsb="),
        ("<rs:", "<xdsb:"),
        ("</rs:", "</xdsb:"),
        ("xmlns:xop=", "xmlns="),
        ("<xop:", "<"),
        (
            "<mimeType>text/plain</mimeType>",
            "<!-- a note --><mimeType><![CDATA[text/plain]]></mimeType>",
        ),
        ("<DocumentUniqueId>", "\n  <DocumentUniqueId>\n    "),
    ];
    let changed =
        changed.iter().fold(envelope.to_owned(), |text, (from, to)| text.replace(from, to));
    format!("<?xml version='1.0' encoding='UTF-8'?>\n{changed}\n")
}

const EXTRA_HEADERS: &str = "<a:To>http://www.w3.org/2005/08/addressing/anonymous</a:To>\
    <a:From><a:Address>urn:uuid:0a2d3c60-0000-4000-8000-00000000000f</a:Address></a:From>\
    <o:Security xmlns:o=\"http://docs.oasis-open.org/wss/2004/01/\
    oasis-200401-wss-wssecurity-secext-1.0.xsd\"><u:Timestamp xmlns:u=\"urn:u\"/></o:Security>\
    <v:Route xmlns:v=\"urn:vendor\" S:role=\"urn:vendor:router\" S:mustUnderstand=\"1\">7</v:Route>\
    <v:Build xmlns:v=\"urn:vendor\"><v:Number>12.4 &amp; more</v:Number></v:Build>";
const OTHER: &str = "2.999.404.1";
const SOAP: &str = "http://www.w3.org/2003/05/soap-envelope";
const WSA: &str = "http://www.w3.org/2005/08/addressing";
const XDSB: &str = "urn:ihe:iti:xds-b:2007";
const RS: &str = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0";
const XOP: &str = "http://www.w3.org/2004/08/xop/include";
const STATUS: &str = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:";
const SEVERITY: &str = "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:";
