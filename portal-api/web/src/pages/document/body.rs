use std::collections::HashSet;
use std::sync::Arc;

use carerecord_clinical::{
    Attachment, Kind, Rendered, Section, can_be_shown, pdf_is_active, picture_size, render,
};
use uuid::Uuid;

use super::refused;
use crate::api::{ApiError, Document, bounded, sha1_base64};
use crate::display::{format_words, size};
use crate::portal::Portal;
use crate::problem::Problem;
use crate::session::Caller;

/// What is shown of a document.
pub(super) enum Body {
    Sections(Sections),
    Pdf,
    Image,
    /// Not shown, for this reason.
    Download(String),
    /// The bytes could not be had.
    Unavailable(String),
    /// The source does not give what was registered, or it came as another.
    NotGiven(String),
}

impl Body {
    /// Whether there are bytes of which a copy can be had.
    pub(super) fn can_be_had(&self) -> bool {
        match self {
            Self::Sections(_) | Self::Pdf | Self::Image | Self::Download(_) => true,
            Self::Unavailable(_) | Self::NotGiven(_) => false,
        }
    }
}

/// A document as sections.
pub(super) struct Sections {
    /// What it calls itself.
    pub(super) title: Option<String>,
    pub(super) sections: Vec<SectionView>,
    /// The files that no section points to.
    pub(super) files: Vec<FileView>,
    pub(super) notes: Vec<String>,
}

/// A section with the files that its text points to first of all sections.
pub(super) struct SectionView {
    /// From 1.
    pub(super) n: usize,
    pub(super) section: Section,
    pub(super) files: Vec<FileView>,
}

/// A file inside a document.
pub(super) struct FileView {
    /// From 1.
    pub(super) n: usize,
    pub(super) title: String,
    pub(super) words: String,
    pub(super) shows: Shows,
}

/// How a file is shown where it stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shows {
    Picture,
    Pdf,
    /// By a link only.
    Nothing,
}

impl Sections {
    /// # Errors
    /// Why there is nothing to show, in words.
    pub(super) fn new(rendered: Rendered) -> Result<Self, String> {
        if rendered.sections.is_empty() && rendered.attachments.is_empty() {
            let reason = rendered.notes.join(" ");
            return Err(if reason.is_empty() { NO_TEXT.to_owned() } else { reason });
        }
        let mut frames = MAX_FRAMES;
        let mut files: Vec<Option<FileView>> = Vec::new();
        for (n, file) in rendered.attachments.iter().enumerate() {
            files.push(Some(FileView::new(n + 1, file, &mut frames)));
        }
        let mut seen = HashSet::new();
        let mut sections = Vec::new();
        for (n, section) in rendered.sections.into_iter().enumerate() {
            let named = section.files.iter().filter(|n| seen.insert(**n));
            let own = named.filter_map(|n| files.get_mut(*n)?.take()).collect();
            sections.push(SectionView { n: n + 1, section, files: own });
        }
        Ok(Self {
            title: rendered.title,
            sections,
            files: files.into_iter().flatten().collect(),
            notes: rendered.notes,
        })
    }

    /// Whether an outline helps to find one's way.
    pub(super) fn has_outline(&self) -> bool {
        self.sections.len() > 1
    }
}

impl FileView {
    /// `frames` are the PDFs that may still be looked at, to be shown: each is a viewer of its own.
    fn new(n: usize, file: &Attachment, frames: &mut usize) -> Self {
        let shows = if file.is_picture() {
            Shows::Picture
        } else if file.mime == PDF && *frames > 0 {
            *frames -= 1;
            if pdf_is_active(&file.bytes) { Shows::Nothing } else { Shows::Pdf }
        } else {
            Shows::Nothing
        };
        let words = format!("{}, {}", format_words(&file.mime), size(file.bytes.len() as u64));
        Self { n, title: file.title.clone(), words, shows }
    }

    pub(super) fn is_picture(&self) -> bool {
        self.shows == Shows::Picture
    }

    pub(super) fn is_pdf(&self) -> bool {
        self.shows == Shows::Pdf
    }
}

/// What to show, and whether the bytes are those that were registered, if they were looked at.
pub(super) async fn body(
    portal: &Arc<Portal>,
    caller: &Caller,
    handle: Uuid,
    document: &Document,
) -> Result<(Body, Option<bool>), Problem> {
    let shown = match View::of(&document.mime) {
        View::Pdf | View::Image => begins(portal, caller, document).await,
        View::Download => {
            Ok((Body::Download("This kind of document cannot be shown here.".to_owned()), None))
        }
        View::Text => sections(portal, caller, document).await,
    };
    match shown {
        Ok(shown) => Ok(shown),
        Err(Failed::Api(ApiError::CouldNotAsk | ApiError::Answer | ApiError::NotFound)) => {
            Ok((Body::Unavailable(document.source.display.clone()), None))
        }
        Err(Failed::Api(ApiError::NotGiven)) => Ok((not_given(document), None)),
        Err(Failed::Api(error @ (ApiError::Refused(_) | ApiError::Unauthorized))) => {
            Err(refused(error, handle))
        }
        Err(Failed::Problem(problem)) => Err(problem),
    }
}

/// Whether the bytes are those that were registered; `None` if no hash was.
pub(super) fn is_registered(document: &Document, bytes: &[u8]) -> Option<bool> {
    let matches = document.hash.as_ref().map(|hash| *hash == sha1_base64(bytes));
    if matches == Some(false) {
        tracing::error!(document = %document.id, "a document is not what was registered");
    }
    matches
}

enum Failed {
    Api(ApiError),
    Problem(Problem),
}

impl From<ApiError> for Failed {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

/// What the browser shows by itself, once it begins as what it was registered as. What has come whole
/// is compared with its hash here, anything else as it is sent.
async fn begins(
    portal: &Portal,
    caller: &Caller,
    document: &Document,
) -> Result<(Body, Option<bool>), Failed> {
    let is_pdf = View::of(&document.mime) == View::Pdf;
    // A PDF may hold a script anywhere in it.
    let enough = if is_pdf { MAX_RENDERED_BYTES } else { HEAD_BYTES };
    let head = portal.api.beginning(caller.asker(), document, enough).await?;
    let is_whole = head.len() < enough;
    let matches = if is_whole { is_registered(document, &head) } else { None };
    if matches == Some(false) {
        return Ok((not_given(document), matches));
    }
    if let Some(reason) = other_kind(document, &head) {
        return Ok((Body::Download(reason), matches));
    }
    let body = match (is_pdf, is_whole) {
        (false, _) => unshown_picture(&head).map_or(Body::Image, Body::Download),
        (true, false) => Body::Download("This PDF is too large to be shown here.".to_owned()),
        (true, true) => {
            let is_active = apart(move || pdf_is_active(&head)).await.map_err(Failed::Problem)?;
            if is_active { Body::Download(ACTIVE.to_owned()) } else { Body::Pdf }
        }
    };
    Ok((body, matches))
}

/// Why bytes are not taken for what they were registered as, if they are not.
pub(super) fn other_kind(document: &Document, bytes: &[u8]) -> Option<String> {
    let kind = Kind::sniff(bytes);
    if kind.mime_type() == document.mime {
        return None;
    }
    let registered = format_words(&document.mime);
    let is = if bytes.is_empty() { "empty" } else { kind.words() };
    Some(format!(
        "The document was registered as {registered}, but is {is}. It is not shown, since one of \
         the two is wrong."
    ))
}

/// Why a picture that begins so is not shown, if it is not.
pub(super) fn unshown_picture(head: &[u8]) -> Option<String> {
    let Some((width, height)) = picture_size(head) else {
        return Some("The picture is broken and cannot be shown.".to_owned());
    };
    (!can_be_shown(head)).then(|| {
        format!(
            "The picture says that it is {width} by {height} pixels large. That is more than is \
             shown here."
        )
    })
}

async fn sections(
    portal: &Portal,
    caller: &Caller,
    document: &Document,
) -> Result<(Body, Option<bool>), Failed> {
    let Some(bytes) = text_bytes(portal, caller, document).await? else {
        let reason = "This document is too large to be shown here.".to_owned();
        return Ok((Body::Download(reason), None));
    };
    let matches = is_registered(document, &bytes);
    if matches == Some(false) {
        return Ok((not_given(document), matches));
    }
    let work = apart(move || Sections::new(render(&bytes, &Kind::sniff(&bytes)))).await;
    let sections = work.map_err(Failed::Problem)?;
    Ok((sections.map_or_else(Body::Download, Body::Sections), matches))
}

fn not_given(document: &Document) -> Body {
    Body::NotGiven(document.source.display.clone())
}

/// The bytes of a document to be rendered; `None` if there are too many.
pub(super) async fn text_bytes(
    portal: &Portal,
    caller: &Caller,
    document: &Document,
) -> Result<Option<Vec<u8>>, ApiError> {
    text_bytes_for(portal, caller, document, None).await
}

/// The same for a purpose that was asked.
pub(super) async fn text_bytes_for(
    portal: &Portal,
    caller: &Caller,
    document: &Document,
    purpose: Option<&str>,
) -> Result<Option<Vec<u8>>, ApiError> {
    if document.size.is_some_and(|size| size > MAX_RENDERED_BYTES as u64) {
        return Ok(None);
    }
    let response = portal.api.content(caller.asker_for(purpose), document).await?;
    bounded(response, MAX_RENDERED_BYTES).await
}

/// The document for people to read.
pub(super) async fn rendered(bytes: Vec<u8>) -> Result<Rendered, Problem> {
    apart(move || render(&bytes, &Kind::sniff(&bytes))).await
}

/// Works away from the threads that serve requests.
pub(in crate::pages) async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Problem::Broken)
}

/// How a document of a type is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::pages) enum View {
    /// As sections that we make.
    Text,
    /// By the browser, in a frame.
    Pdf,
    /// By the browser, as a picture.
    Image,
    /// Not at all.
    Download,
}

impl View {
    pub(in crate::pages) fn of(mime: &str) -> Self {
        match mime {
            PDF => Self::Pdf,
            "image/png" | "image/jpeg" | "image/gif" => Self::Image,
            "text/plain"
            | "text/xml"
            | "text/html"
            | "text/rtf"
            | "application/rtf"
            | "application/xml"
            | "application/json"
            | "application/xhtml+xml"
            | "text/x-cda-r2+xml" => Self::Text,
            other if other.ends_with("+xml") || other.ends_with("+json") => Self::Text,
            _ => Self::Download,
        }
    }
}

const PDF: &str = "application/pdf";
const ACTIVE: &str = "The PDF holds scripts, or actions that start a program or send something, or \
    is packed in a way that does not let us look for them. It is not shown.";
const NO_TEXT: &str = "This document has no text.";
/// Documents over this are downloads.
pub(in crate::pages) const MAX_RENDERED_BYTES: usize = 32 << 20;
/// Enough for the head of a JPEG behind what cameras and scanners put before it.
const HEAD_BYTES: usize = 256 << 10;
/// The first PDFs of one document can be shown where they stand.
const MAX_FRAMES: usize = 3;
