use std::borrow::Cow;

use carerecord_xml::{ElementRef, Limits, Tree, to_utf8};
use serde_json::Value;

use crate::fhir_xml::to_json;
use crate::kind::V3;
use crate::{BundleType, FhirFormat, HeaderError, Kind};

/// A document that has been parsed, whatever its syntax.
pub(crate) enum Opened<'b> {
    /// CDA, with the envelope around it if there is one.
    Cda { text: Cow<'b, str>, tree: Tree },
    /// A FHIR document bundle in its JSON shape.
    Fhir(Value),
}

/// Parses a document of a kind that has a header.
pub(crate) fn open<'b>(bytes: &'b [u8], kind: &Kind) -> Result<Opened<'b>, HeaderError> {
    if bytes.len() > MAX_BYTES {
        return Err(HeaderError::TooLarge(MAX_BYTES));
    }
    match kind {
        Kind::Cda | Kind::ItkEnvelope => {
            let text = to_utf8(bytes)?;
            let tree = Tree::read(&text, Limits::document().lenient())?;
            clinical_document(&tree).ok_or(HeaderError::NoClinicalDocument)?;
            Ok(Opened::Cda { text, tree })
        }
        Kind::FhirBundle { bundle: BundleType::Other(code), .. } => {
            Err(HeaderError::NotADocumentBundle(code))
        }
        Kind::FhirBundle { format: FhirFormat::Json, .. } => {
            let body = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            if body.iter().filter(|b| matches!(b, b'{' | b'[' | b',')).count() > MAX_JSON_MARKS {
                return Err(HeaderError::TooMany(MAX_JSON_MARKS));
            }
            Ok(Opened::Fhir(serde_json::from_slice(body)?))
        }
        Kind::FhirBundle { format: FhirFormat::Xml, .. } => {
            let text = to_utf8(bytes)?;
            let limits = Limits { max_elements: MAX_FHIR_ELEMENTS, ..Limits::document() };
            let tree = Tree::read(&text, limits.lenient())?;
            Ok(Opened::Fhir(to_json(tree.root(), &text)))
        }
        Kind::Xml => Err(why_not(bytes)),
        Kind::FhirResource { .. }
        | Kind::Pdf
        | Kind::Image(_)
        | Kind::Html
        | Kind::Rtf
        | Kind::PlainText
        | Kind::Unknown => Err(HeaderError::NoHeader(kind.words())),
    }
}

/// XML that is no document: the reason it is refused, or that it is something else.
fn why_not(bytes: &[u8]) -> HeaderError {
    let read = to_utf8(bytes).and_then(|t| Tree::read(&t, Limits::document().lenient()));
    match read {
        Err(error) => error.into(),
        Ok(tree) if tree.root().local().ends_with("Envelope") => HeaderError::NoClinicalDocument,
        Ok(tree) if tree.root().local() == "ClinicalDocument" => HeaderError::Namespace,
        Ok(_) => HeaderError::NoHeader(Kind::Xml.words()),
    }
}

/// The first `ClinicalDocument` of a tree.
pub(crate) fn clinical_document(tree: &Tree) -> Option<ElementRef<'_>> {
    tree.root().descendants().find(|e| e.is(V3, "ClinicalDocument"))
}

/// The bytes of the `ClinicalDocument` element inside an envelope, exactly as they stand there;
/// for every other kind the whole file. Prefixes that only the envelope declares are not repeated.
/// Bytes that are not UTF-8 are given as UTF-8.
///
/// What is published is the whole file; this is for who asks for the payload alone.
///
/// # Errors
/// When the envelope cannot be read or holds no `ClinicalDocument`.
pub fn payload(bytes: &[u8]) -> Result<Cow<'_, [u8]>, HeaderError> {
    let kind = Kind::sniff(bytes);
    if kind != Kind::ItkEnvelope {
        return Ok(Cow::Borrowed(bytes));
    }
    let Opened::Cda { text, tree } = open(bytes, &kind)? else {
        return Ok(Cow::Borrowed(bytes));
    };
    let span = clinical_document(&tree).ok_or(HeaderError::NoClinicalDocument)?.span();
    match text {
        Cow::Borrowed(text) => {
            // A byte order mark was taken off the front.
            let mark = bytes.len() - text.len();
            let slice = bytes.get(mark + span.start..mark + span.end);
            slice.map(Cow::Borrowed).ok_or(HeaderError::NoClinicalDocument)
        }
        Cow::Owned(text) => {
            let slice = text.get(span).ok_or(HeaderError::NoClinicalDocument)?;
            Ok(Cow::Owned(slice.as_bytes().to_vec()))
        }
    }
}

/// The largest document that is parsed.
pub(crate) const MAX_BYTES: usize = 64 << 20;

/// Opening brackets and commas of FHIR JSON, those in texts included: a value of a few bytes takes
/// hundreds in memory. Twenty times what large real documents have.
const MAX_JSON_MARKS: usize = 500_000;

/// The same for FHIR XML, which is held as a tree too.
const MAX_FHIR_ELEMENTS: u64 = 250_000;
