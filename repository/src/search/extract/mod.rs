//! The words of a document, whatever it is. Every byte is taken as hostile: what is read and what
//! comes out is bounded, and no document can stop the node.

mod pdf;

use std::time::{Duration, Instant};

use carerecord_clinical::{Attachment, Kind, plain_text, rtf_text};

/// What is indexed of a document.
#[derive(Clone, Default)]
pub(crate) struct Extracted {
    /// Title and section headings.
    pub headings: String,
    pub text: String,
}

/// Why a document is not searchable. Never carries what is in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("it is longer than {0} bytes")]
    TooLong(u64),
    #[error("it is {0}, which has no text")]
    Kind(&'static str),
    #[error("it is {0} without text in it, such as a scan")]
    NoText(&'static str),
    #[error("it is encrypted")]
    Encrypted,
    #[error("it cannot be read as {0}")]
    Broken(&'static str),
    #[error("reading it takes too long")]
    TooSlow,
    #[error("its bytes are missing")]
    Missing,
    #[error("its bytes are not those that were stored")]
    Damaged,
    #[error("reading it failed")]
    Failed,
}

/// When reading has to end.
#[derive(Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    fn check(self) -> Result<(), Unreadable> {
        if Instant::now() > self.0 { Err(Unreadable::TooSlow) } else { Ok(()) }
    }
}

/// Reads the words of a document of at most `MAX_BYTES`.
pub(crate) fn extract(bytes: &[u8], deadline: Deadline) -> Result<Extracted, Unreadable> {
    let kind = Kind::sniff(bytes);
    let mut extracted = of_kind(bytes, &kind, deadline)?;
    deadline.check()?;
    cut(&mut extracted.headings, MAX_HEADINGS);
    cut(&mut extracted.text, MAX_TEXT);
    let empty = |text: &str| !text.contains(char::is_alphanumeric);
    if empty(&extracted.text) && empty(&extracted.headings) {
        return Err(Unreadable::NoText(kind.words()));
    }
    Ok(extracted)
}

fn of_kind(bytes: &[u8], kind: &Kind, deadline: Deadline) -> Result<Extracted, Unreadable> {
    match kind {
        Kind::Pdf => Ok(only(pdf::text(bytes, deadline)?)),
        Kind::Rtf => Ok(only(rtf_text(bytes, MAX_TEXT))),
        Kind::PlainText => Ok(only(String::from_utf8_lossy(bytes).into_owned())),
        Kind::Cda | Kind::ItkEnvelope | Kind::FhirBundle { .. } | Kind::Html => {
            structured(bytes, kind, deadline)
        }
        Kind::Unknown => latin(bytes).map(only).ok_or(Unreadable::Kind(kind.words())),
        Kind::FhirResource { .. } | Kind::Image(_) | Kind::Xml => {
            Err(Unreadable::Kind(kind.words()))
        }
    }
}

fn structured(bytes: &[u8], kind: &Kind, deadline: Deadline) -> Result<Extracted, Unreadable> {
    let plain = plain_text(bytes, kind);
    if plain.headings.is_empty() && plain.attachments.is_empty() && !plain.notes.is_empty() {
        return Err(Unreadable::Broken(kind.words()));
    }
    // The one heading of a page is not its own.
    let headings = if *kind == Kind::Html { Vec::new() } else { plain.headings };
    let mut extracted = Extracted { headings: headings.join("\n"), text: plain.text };
    for attachment in &plain.attachments {
        deadline.check()?;
        // A file that cannot be read does not hide what stands beside it.
        if let Ok(text) = inside(attachment, deadline) {
            extracted.text.push('\n');
            extracted.text.push_str(&text);
        }
        if extracted.text.len() > MAX_TEXT {
            break;
        }
    }
    Ok(extracted)
}

/// A file inside a document. Plain text is shown with the document, so it is there already.
fn inside(attachment: &Attachment, deadline: Deadline) -> Result<String, Unreadable> {
    let kind = Kind::sniff(&attachment.bytes);
    if kind == Kind::Pdf {
        return pdf::text(&attachment.bytes, deadline);
    }
    if kind == Kind::Rtf {
        Ok(rtf_text(&attachment.bytes, MAX_TEXT))
    } else {
        Err(Unreadable::Kind(kind.words()))
    }
}

fn only(text: String) -> Extracted {
    Extracted { headings: String::new(), text }
}

/// Text in the code page of Windows, which old systems write: no control characters in it.
fn latin(bytes: &[u8]) -> Option<String> {
    let is_text = |b: &u8| *b >= b' ' || matches!(b, b'\t' | b'\n' | b'\r' | 0xc);
    if bytes.is_empty() || !bytes.iter().all(is_text) {
        return None;
    }
    Some(encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned())
}

fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
}

/// The longest document that is read for its words.
pub(crate) const MAX_BYTES: u64 = 32 << 20;
/// The longest text that is kept of one document: 400 pages.
const MAX_TEXT: usize = 1 << 20;
const MAX_HEADINGS: usize = 64 << 10;

#[cfg(test)]
mod tests;
