use std::fmt;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::Kind;
use crate::picture::can_be_shown;

/// A file inside a document. Serve it as a download, with `nosniff`.
#[derive(Clone, Eq, PartialEq)]
pub struct Attachment {
    /// What the document calls it, or where it stands.
    pub title: String,
    /// The MIME type that the bytes bear out: never one that a browser would run. HTML is
    /// `text/plain`; what is not known is `application/octet-stream`.
    pub mime: String,
    /// The decoded bytes.
    pub bytes: Vec<u8>,
}

impl Attachment {
    /// Whether it is a picture that browsers show, and not so large that showing it is an attack.
    pub fn is_picture(&self) -> bool {
        matches!(self.mime.as_str(), "image/png" | "image/jpeg" | "image/gif")
            && can_be_shown(&self.bytes)
    }

    /// Decodes base64 with white space in it. `None` when it is not base64, or empty.
    pub(crate) fn from_base64(title: String, declared: &str, text: &str) -> Option<Self> {
        let dense: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        let bytes = LENIENT.decode(dense).ok().filter(|b| !b.is_empty())?;
        let mime = safe_mime(declared, &Kind::sniff(&bytes)).to_owned();
        Some(Self { title, mime, bytes })
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attachment({}, {} bytes)", self.mime, self.bytes.len())
    }
}

fn safe_mime<'m>(declared: &str, kind: &Kind) -> &'m str {
    let essence = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match kind {
        Kind::Pdf | Kind::Image(_) | Kind::Rtf | Kind::PlainText => kind.mime_type(),
        Kind::Html => "text/plain",
        Kind::Unknown => {
            let known = BINARY.iter().find(|mime| **mime == essence);
            known.copied().unwrap_or("application/octet-stream")
        }
        Kind::Cda
        | Kind::ItkEnvelope
        | Kind::FhirBundle { .. }
        | Kind::FhirResource { .. }
        | Kind::Xml => "application/octet-stream",
    }
}

/// Files that no browser runs.
const BINARY: [&str; 5] = [
    "application/msword",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/dicom",
    "application/zip",
    "image/bmp",
];

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Attachments of one document that are kept.
pub(crate) const MAX_ATTACHMENTS: usize = 100;
