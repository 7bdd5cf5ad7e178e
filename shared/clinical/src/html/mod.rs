mod attachment;
mod cda;
mod fhir;
mod narrative;
mod safe;

use std::fmt;

use serde::Serialize;

pub use attachment::Attachment;
pub use safe::SafeHtml;

use crate::open::{Opened, clinical_document, open};
use crate::text::html_to_text;
use crate::{Coding, Kind};
use attachment::MAX_ATTACHMENTS;
use safe::HtmlWriter;

/// A document for people to read. `Debug` shows no content.
#[derive(Clone, Default)]
pub struct Rendered {
    /// The document's title.
    pub title: Option<String>,
    /// Its sections in document order, those inside others after them.
    pub sections: Vec<Section>,
    /// Files inside it.
    pub attachments: Vec<Attachment>,
    /// What the reader must know: parts that could not be shown, and why. Plain sentences.
    pub notes: Vec<String>,
    budget: usize,
}

/// A section of a document. `Debug` shows no content.
#[derive(Clone, Eq, PartialEq, Serialize)]
pub struct Section {
    /// Its heading; plain text, to be escaped like any other.
    pub title: String,
    /// What the section is about.
    pub code: Option<Coding>,
    /// The heading level: 3 for the outermost, 6 at most.
    pub level: u8,
    /// The content without the heading. Empty for a section that only holds others.
    pub html: SafeHtml,
}

/// Makes the safe view of a document. It never fails: what cannot be shown is said in `notes`.
///
/// CDA and FHIR documents give sections; plain text and HTML give one section of text. The HTML
/// of all sections together has at most about 8 MiB and ends in a visible sentence when cut.
pub fn render(bytes: &[u8], kind: &Kind) -> Rendered {
    let mut rendered = Rendered { budget: MAX_HTML, ..Rendered::default() };
    match kind {
        Kind::PlainText => rendered.add_text("Text", &String::from_utf8_lossy(bytes)),
        Kind::Html => {
            rendered.add_text("Text", &html_to_text(&String::from_utf8_lossy(bytes)));
            rendered.note("This page is shown as text only.");
        }
        Kind::Cda | Kind::ItkEnvelope | Kind::FhirBundle { .. } => match open(bytes, kind) {
            Ok(Opened::Cda { tree, .. }) => {
                if let Some(document) = clinical_document(&tree) {
                    cda::render(document, &mut rendered);
                }
            }
            Ok(Opened::Fhir(bundle)) => fhir::render(&bundle, &mut rendered),
            Err(error) => rendered.note(&format!("The document cannot be shown: {error}.")),
        },
        Kind::FhirResource { .. }
        | Kind::Pdf
        | Kind::Image(_)
        | Kind::Rtf
        | Kind::Xml
        | Kind::Unknown => {
            rendered.note(&format!("There is no text view of {}.", kind.words()));
        }
    }
    rendered
}

impl Rendered {
    /// Adds a section whose content `write` writes.
    fn add(
        &mut self,
        title: Option<String>,
        code: Option<Coding>,
        depth: usize,
        write: impl FnOnce(&mut HtmlWriter),
    ) {
        if self.sections.len() >= MAX_SECTIONS {
            return self.note("The document has more sections than are shown.");
        }
        let mut html = HtmlWriter::new(self.budget);
        write(&mut html);
        if html.has_left_out() {
            self.note("Parts of the text that are not text (scripts, drawings) are left out.");
        }
        let (html, left) = html.finish();
        self.budget = left;
        let named = title.or_else(|| code.as_ref().and_then(|c| c.display.clone()));
        let title = named.unwrap_or_else(|| "Section without a title".to_owned());
        let level = depth.min(3) as u8 + 3;
        self.sections.push(Section { title, code, level, html });
    }

    fn add_text(&mut self, title: &str, text: &str) {
        self.add(Some(title.to_owned()), None, 0, |html| html.element("pre", "cr-pre", text));
    }

    /// Adds an attachment and gives the words that point to it.
    fn attach(&mut self, attachment: Option<Attachment>) -> Option<String> {
        let Some(attachment) = attachment else {
            self.note("A file inside the document cannot be decoded.");
            return None;
        };
        if self.attachments.len() >= MAX_ATTACHMENTS {
            self.note("The document holds more files than are listed.");
            return None;
        }
        let words = format!("attachment {}, {}", self.attachments.len() + 1, attachment.mime);
        self.attachments.push(attachment);
        Some(words)
    }

    /// Adds a note once.
    fn note(&mut self, note: &str) {
        if self.notes.len() < MAX_NOTES && !self.notes.iter().any(|n| n == note) {
            self.notes.push(note.to_owned());
        }
    }
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendered")
            .field("sections", &self.sections.len())
            .field("attachments", &self.attachments)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Section(level {}, {:?})", self.level, self.html)
    }
}

const MAX_HTML: usize = 8 << 20;
const MAX_SECTIONS: usize = 2000;
const MAX_NOTES: usize = 50;
