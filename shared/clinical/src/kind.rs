use carerecord_xml::{Limits, Tree, XmlErrorKind, XmlReader, to_utf8};
use serde::{Deserialize, Serialize};

use crate::open::{MAX_BYTES, clinical_document};

/// What the bytes of a document are, told from their structure and never from a file name.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub enum Kind {
    /// A CDA R2 `ClinicalDocument`.
    Cda,
    /// An ITK distribution envelope or SOAP envelope with a `ClinicalDocument` inside.
    ItkEnvelope,
    /// A FHIR Bundle.
    FhirBundle {
        /// Its syntax.
        format: FhirFormat,
        /// Its type.
        bundle: BundleType,
    },
    /// Another FHIR resource.
    FhirResource {
        /// Its syntax.
        format: FhirFormat,
        /// The resource type: ASCII letters only.
        name: String,
    },
    /// PDF.
    Pdf,
    /// PNG, JPEG, GIF or TIFF, with its MIME type.
    Image(&'static str),
    /// HTML or XHTML.
    Html,
    /// Rich Text Format.
    Rtf,
    /// UTF-8 text of no other kind.
    PlainText,
    /// XML of no other kind, or XML that is refused before its root.
    Xml,
    /// Anything else.
    Unknown,
}

/// The syntax of a FHIR resource.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub enum FhirFormat {
    /// `application/fhir+json`.
    Json,
    /// `application/fhir+xml`.
    Xml,
}

/// The type of a FHIR Bundle.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub enum BundleType {
    /// A document: a Composition and what it refers to.
    Document,
    /// Another type, by its FHIR code.
    Other(&'static str),
}

impl BundleType {
    pub(crate) fn from_code(code: &str) -> Self {
        if code == "document" {
            return Self::Document;
        }
        let known = OTHER_BUNDLES.iter().find(|known| **known == code);
        Self::Other(known.copied().unwrap_or("bundle of unknown type"))
    }
}

impl Kind {
    /// Looks at the bytes.
    pub fn sniff(bytes: &[u8]) -> Self {
        let body = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
        if let Some((_, kind)) = MAGIC.iter().find(|(magic, _)| body.starts_with(magic)) {
            return kind.clone();
        }
        let start = body.get(..body.len().min(14)).unwrap_or_default().to_ascii_lowercase();
        if start.starts_with(b"<!doctype html") || start.starts_with(b"<html") {
            return Self::Html;
        }
        let wide = [&b"\xff\xfe<\0"[..], b"\xfe\xff\0<", b"<\0", b"\0<"];
        if body.starts_with(b"<") || wide.iter().any(|w| bytes.starts_with(w)) {
            return xml_kind(bytes);
        }
        if body.starts_with(b"{") && bytes.len() <= MAX_BYTES {
            return json_kind(body).unwrap_or_else(|| text_kind(bytes));
        }
        text_kind(bytes)
    }

    /// The MIME type to register.
    pub fn mime_type(&self) -> &'static str {
        match self {
            Self::Cda | Self::ItkEnvelope | Self::Xml => "text/xml",
            Self::FhirBundle { format: FhirFormat::Json, .. }
            | Self::FhirResource { format: FhirFormat::Json, .. } => "application/fhir+json",
            Self::FhirBundle { format: FhirFormat::Xml, .. }
            | Self::FhirResource { format: FhirFormat::Xml, .. } => "application/fhir+xml",
            Self::Pdf => "application/pdf",
            Self::Image(mime) => mime,
            Self::Html => "text/html",
            Self::Rtf => "application/rtf",
            Self::PlainText => "text/plain",
            Self::Unknown => "application/octet-stream",
        }
    }

    /// Whether `DocumentHeader::read` can find a header in it.
    pub fn has_header(&self) -> bool {
        match self {
            Self::Cda | Self::ItkEnvelope => true,
            Self::FhirBundle { bundle, .. } => *bundle == BundleType::Document,
            Self::FhirResource { .. }
            | Self::Pdf
            | Self::Image(_)
            | Self::Html
            | Self::Rtf
            | Self::PlainText
            | Self::Xml
            | Self::Unknown => false,
        }
    }

    /// What it is, in words, with an article.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Cda => "a CDA document",
            Self::ItkEnvelope => "an envelope with a CDA document",
            Self::FhirBundle { .. } => "a FHIR bundle",
            Self::FhirResource { .. } => "a FHIR resource that is not a bundle",
            Self::Pdf => "a PDF",
            Self::Image(_) => "an image",
            Self::Html => "an HTML page",
            Self::Rtf => "an RTF text",
            Self::PlainText => "a plain text",
            Self::Xml => "XML that is neither CDA nor FHIR",
            Self::Unknown => "a file of unknown format",
        }
    }
}

fn xml_kind(bytes: &[u8]) -> Kind {
    let Ok(text) = to_utf8(bytes) else { return Kind::Xml };
    let Ok(mut xml) = XmlReader::new(&text, Limits::document().lenient()) else {
        return Kind::Xml;
    };
    let root = match xml.root() {
        Ok(root) => root,
        Err(error) if error.kind == XmlErrorKind::DocumentType => return Kind::Xml,
        Err(_) if text.trim_start().starts_with("<?xml") => return Kind::Xml,
        Err(_) => return text_kind(bytes),
    };
    match (root.ns(), root.local()) {
        (V3, "ClinicalDocument") => Kind::Cda,
        (ITK, "DistributionEnvelope") | (SOAP11 | SOAP12, "Envelope") => envelope_kind(&text),
        (FHIR, "Bundle") => {
            let code = bundle_type(&mut xml).unwrap_or_default();
            Kind::FhirBundle { format: FhirFormat::Xml, bundle: BundleType::from_code(&code) }
        }
        (FHIR, name) if is_resource_name(name) => {
            Kind::FhirResource { format: FhirFormat::Xml, name: name.to_owned() }
        }
        (XHTML, "html") => Kind::Html,
        _ => Kind::Xml,
    }
}

/// An envelope that is broken further on still counts: reading its header gives the reason.
fn envelope_kind(text: &str) -> Kind {
    let found = match Tree::read(text, Limits::document().lenient()) {
        Ok(tree) => clinical_document(&tree).is_some(),
        Err(_) => text.contains("ClinicalDocument"),
    };
    if found { Kind::ItkEnvelope } else { Kind::Xml }
}

fn bundle_type(xml: &mut XmlReader<'_>) -> Option<String> {
    while let Ok(Some(child)) = xml.next_child() {
        if child.local() == "type" {
            return child.attr("value").map(str::to_owned);
        }
        if xml.skip().is_err() {
            return None;
        }
    }
    None
}

fn json_kind(body: &[u8]) -> Option<Kind> {
    let head: JsonHead = serde_json::from_slice(body).ok()?;
    let format = FhirFormat::Json;
    let name = head.resource_type.filter(|name| is_resource_name(name))?;
    if name == "Bundle" {
        let typed: Option<JsonBundle> = serde_json::from_slice(body).ok();
        let code = typed.and_then(|b| b.bundle_type).unwrap_or_default();
        return Some(Kind::FhirBundle { format, bundle: BundleType::from_code(&code) });
    }
    Some(Kind::FhirResource { format, name })
}

/// Text has no control characters but tab, line feed, form feed and carriage return.
fn text_kind(bytes: &[u8]) -> Kind {
    let Ok(text) = std::str::from_utf8(bytes) else { return Kind::Unknown };
    let binary = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\u{c}' | '\r');
    if text.is_empty() || text.chars().any(binary) { Kind::Unknown } else { Kind::PlainText }
}

fn is_resource_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_alphabetic())
}

#[derive(Deserialize)]
struct JsonHead {
    #[serde(rename = "resourceType")]
    resource_type: Option<String>,
}

/// Read apart, since `type` is a large object in other resources.
#[derive(Deserialize)]
struct JsonBundle {
    #[serde(rename = "type")]
    bundle_type: Option<String>,
}

/// Namespace of CDA.
pub(crate) const V3: &str = "urn:hl7-org:v3";
/// Namespace of the ITK envelope.
pub(crate) const ITK: &str = "urn:nhs-itk:ns:201005";
/// Namespace of FHIR.
pub(crate) const FHIR: &str = "http://hl7.org/fhir";
/// Namespace of XHTML.
pub(crate) const XHTML: &str = "http://www.w3.org/1999/xhtml";

const SOAP11: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SOAP12: &str = "http://www.w3.org/2003/05/soap-envelope";

const OTHER_BUNDLES: [&str; 8] = [
    "message",
    "searchset",
    "collection",
    "transaction",
    "transaction-response",
    "batch",
    "batch-response",
    "history",
];

const MAGIC: [(&[u8], Kind); 8] = [
    (b"%PDF-", Kind::Pdf),
    (b"{\\rtf", Kind::Rtf),
    (b"\x89PNG\r\n\x1a\n", Kind::Image("image/png")),
    (b"\xff\xd8\xff", Kind::Image("image/jpeg")),
    (b"GIF87a", Kind::Image("image/gif")),
    (b"GIF89a", Kind::Image("image/gif")),
    (b"II*\0", Kind::Image("image/tiff")),
    (b"MM\0*", Kind::Image("image/tiff")),
];

/// What the name of a file of a type ends with.
pub fn file_ending(mime: &str) -> &'static str {
    match mime {
        "application/pdf" => "pdf",
        "text/plain" => "txt",
        "text/html" => "html",
        "text/rtf" | "application/rtf" => "rtf",
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/gif" => "gif",
        "image/tiff" => "tif",
        json if json.ends_with("json") => "json",
        xml if xml.ends_with("xml") => "xml",
        _ => "bin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_kinds_by_structure() {
        let cda = "\u{feff}<?xml version='1.0'?><c:ClinicalDocument xmlns:c='urn:hl7-org:v3'/>";
        let itk = "<DistributionEnvelope xmlns='urn:nhs-itk:ns:201005'>\
            <ClinicalDocument xmlns='urn:hl7-org:v3'/></DistributionEnvelope>";
        let bundle = "<Bundle xmlns='http://hl7.org/fhir'><id value='1'/><type value='document'/>";
        let cases: [(&[u8], Kind); 12] = [
            (cda.as_bytes(), Kind::Cda),
            (itk.as_bytes(), Kind::ItkEnvelope),
            (
                bundle.as_bytes(),
                Kind::FhirBundle { format: FhirFormat::Xml, bundle: BundleType::Document },
            ),
            (
                br#" {"type":"searchset","resourceType":"Bundle"}"#,
                Kind::FhirBundle {
                    format: FhirFormat::Json,
                    bundle: BundleType::Other("searchset"),
                },
            ),
            (
                br#"{"resourceType":"Patient"}"#,
                Kind::FhirResource { format: FhirFormat::Json, name: "Patient".into() },
            ),
            (b"%PDF-1.7\n", Kind::Pdf),
            (b"<!DOCTYPE html><p>", Kind::Html),
            (b"{\\rtf1 }", Kind::Rtf),
            (b"Dear colleague,\n", Kind::PlainText),
            (b"<?xml version='1.0'?><!DOCTYPE x><x/>", Kind::Xml),
            (b"\0\x01\x02", Kind::Unknown),
            (b"", Kind::Unknown),
        ];
        for (bytes, kind) in cases {
            assert_eq!(Kind::sniff(bytes), kind);
        }
    }
}
