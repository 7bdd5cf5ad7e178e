mod attachment;
mod cda;
mod fhir;
mod figures;
mod narrative;
mod page;
mod safe;

use std::fmt;

use serde::Serialize;

pub use attachment::Attachment;
pub use safe::SafeHtml;

use crate::entries::{CodedEntry, Collected, MAX_ENTRIES};
use crate::open::{Opened, clinical_document, open};
use crate::rtf::rtf_text;
use crate::{Coding, HeaderError, Kind};
use attachment::MAX_ATTACHMENTS;
use figures::Figures;
pub(crate) use safe::HtmlWriter;

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
    /// Bytes of HTML that may still be written.
    budget: usize,
    /// Coded entries that may still be listed.
    entries_left: usize,
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
    /// What it says in codes, in document order, each before those that belong to it.
    pub entries: Vec<CodedEntry>,
    /// The files of the document that its text points to, from 0, in the order of the text.
    pub files: Vec<usize>,
}

/// Makes the safe view of a document. It never fails: what cannot be shown is said in `notes`.
///
/// CDA and FHIR documents give sections; plain text, RTF and HTML give one section of text. The
/// HTML of all sections together has at most about 8 MiB and ends in a visible sentence when cut;
/// of coded entries there are at most 5,000.
pub fn render(bytes: &[u8], kind: &Kind) -> Rendered {
    let mut rendered =
        Rendered { budget: MAX_HTML, entries_left: MAX_ENTRIES, ..Rendered::default() };
    match kind {
        Kind::PlainText | Kind::Html | Kind::Rtf => rendered.add_file(bytes, kind),
        Kind::Cda | Kind::ItkEnvelope | Kind::FhirBundle { .. } => match open(bytes, kind) {
            Ok(Opened::Cda { tree, .. }) => {
                if let Some(document) = clinical_document(&tree) {
                    cda::render(document, &mut rendered);
                }
            }
            Ok(Opened::Fhir(bundle)) => fhir::render(&bundle, &mut rendered),
            Err(error) => rendered.note(&format!("The document cannot be shown: {error}.")),
        },
        // XML is of no other kind when it is refused before its root, too: then that is the reason.
        Kind::Xml => match open(bytes, kind) {
            Err(error) if !matches!(error, HeaderError::NoHeader(_)) => {
                rendered.note(&format!("The document cannot be shown: {error}."));
            }
            Ok(_) | Err(_) => rendered.note_no_view(kind),
        },
        Kind::FhirResource { .. } | Kind::Pdf | Kind::Image(_) | Kind::Unknown => {
            rendered.note_no_view(kind);
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
        mut figures: Figures<'_>,
        write: impl FnOnce(&mut HtmlWriter, &mut Figures<'_>),
    ) {
        if self.sections.len() >= MAX_SECTIONS {
            return self.note("The document has more sections than are shown.");
        }
        let mut html = HtmlWriter::new(self.budget);
        write(&mut html, &mut figures);
        if html.has_left_out() {
            self.note("Parts of the text that are not text (scripts, drawings) are left out.");
        }
        let (html, left) = html.finish();
        self.budget = left;
        self.attachments.extend(figures.pictures);
        let named = title.or_else(|| code.as_ref().and_then(|c| c.display.clone()));
        let title = named.unwrap_or_else(|| "Section without a title".to_owned());
        let level = depth.min(3) as u8 + 3;
        let (entries, files) = (Vec::new(), figures.named);
        self.sections.push(Section { title, code, level, html, entries, files });
    }

    /// Adds coded entries to the section that was added last.
    fn add_entries(&mut self, collected: Collected) {
        if collected.is_cut() {
            self.note("The document has more coded entries than are listed.");
        }
        let entries = collected.into_entries();
        self.entries_left = self.entries_left.saturating_sub(entries.len());
        if let Some(section) = self.sections.last_mut() {
            section.entries = entries;
        }
    }

    /// Adds a section of what a file says, when it is text of some kind.
    fn add_file(&mut self, bytes: &[u8], kind: &Kind) {
        if *kind == Kind::PlainText {
            self.add_text(&String::from_utf8_lossy(bytes));
        } else if *kind == Kind::Rtf {
            self.add_text(&rtf_text(bytes, MAX_HTML));
            self.note("The document is rich text (RTF). Its words are shown without their layout.");
        } else if *kind == Kind::Html {
            let text = String::from_utf8_lossy(bytes);
            let figures = Figures::alone(self.attachments.len(), self.room());
            self.add(Some(TEXT.to_owned()), None, 0, figures, |html, figures| {
                page::write(&text, html, figures);
            });
            self.note("The document is a web page. Its text and tables are shown in our layout.");
        }
    }

    fn add_text(&mut self, text: &str) {
        self.add(Some(TEXT.to_owned()), None, 0, Figures::none(), |html, _| {
            html.element("pre", "cr-pre", text);
        });
    }

    /// How many more files are kept.
    fn room(&self) -> usize {
        MAX_ATTACHMENTS.saturating_sub(self.attachments.len())
    }

    /// Adds an attachment and gives its number, from 0.
    fn attach(&mut self, attachment: Option<Attachment>) -> Option<usize> {
        let Some(attachment) = attachment else {
            self.note("A file inside the document cannot be decoded.");
            return None;
        };
        if self.room() == 0 {
            self.note("The document holds more files than are listed.");
            return None;
        }
        self.attachments.push(attachment);
        Some(self.attachments.len() - 1)
    }

    fn note_no_view(&mut self, kind: &Kind) {
        self.note(&format!("There is no text view of {}.", kind.words()));
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

/// The heading of a text that has none.
const TEXT: &str = "Text";
const MAX_HTML: usize = 8 << 20;
const MAX_SECTIONS: usize = 2000;
const MAX_NOTES: usize = 50;
