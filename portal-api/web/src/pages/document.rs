use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use carerecord_clinical::{Attachment, Kind, Rendered, Section, render};
use uuid::Uuid;

use super::{Layout, page};
use crate::api::{ApiError, Document, DocumentStatus, bounded, sha1_base64};
use crate::display::{Banner, clinical, format_words, size};
use crate::portal::{Portal, SharedPortal};
use crate::problem::{Problem, RefusedPage};
use crate::session::Caller;

#[derive(Template)]
#[template(path = "document.html")]
struct DocumentPage {
    layout: Layout,
    banner: Banner,
    handle: Uuid,
    id: Uuid,
    title: String,
    superseded: bool,
    provenance: Vec<(&'static str, String)>,
    body: Body,
    download: String,
    previous: Option<Uuid>,
    next: Option<Uuid>,
    place: Option<(usize, usize)>,
}

/// What is shown of a document.
enum Body {
    Sections {
        title: Option<String>,
        sections: Vec<Section>,
        files: Vec<File>,
        notes: Vec<String>,
    },
    Pdf,
    Image,
    /// Not shown, for this reason.
    Download(String),
    /// The bytes could not be had.
    Unavailable(String),
    /// The bytes are not those that were registered.
    Changed,
}

struct File {
    n: usize,
    title: String,
    words: String,
}

/// A document with where it comes from.
pub(crate) async fn document(
    State(portal): SharedPortal,
    caller: Caller,
    Path((handle, id)): Path<(Uuid, Uuid)>,
) -> Result<Response, Problem> {
    let patient = caller.0.patient(handle)?;
    let asker = caller.asker();
    let (record, document) = tokio::join!(
        portal.api.patient(asker, &patient.nhs_number),
        open(&portal, &caller, handle, id)
    );
    let document = document?;
    let (body, hash_matches) = body(&portal, &caller, handle, &document).await?;
    let at = patient.order.iter().position(|other| *other == id);
    let neighbour = |at: Option<usize>| patient.order.get(at?).copied();
    page(&DocumentPage {
        layout: portal.layout(Some(&caller.0)),
        banner: portal.banner(&patient.nhs_number, record.ok().flatten().as_ref()),
        handle,
        id,
        title: document.name().to_owned(),
        superseded: document.status == DocumentStatus::Superseded,
        provenance: provenance(&document, hash_matches, &portal),
        body,
        download: download_words(&document),
        previous: neighbour(at.and_then(|at| at.checked_sub(1))),
        next: neighbour(at.map(|at| at + 1)),
        place: at.map(|at| (at + 1, patient.order.len())),
    })
    .map(IntoResponse::into_response)
}

/// A document's metadata, if it is the patient's: it must never stand under another's banner.
pub(super) async fn open(
    portal: &Portal,
    caller: &Caller,
    handle: Uuid,
    id: Uuid,
) -> Result<Document, Problem> {
    let patient = caller.0.patient(handle)?;
    let document = portal.api.document(caller.asker(), id).await;
    let document = document.map_err(|error| refused(error, handle))?;
    if document.nhs_number != Some(patient.nhs_number) {
        return Err(Problem::NotFound);
    }
    Ok(document)
}

/// A refusal of one document leads back to the list.
pub(super) fn refused(error: ApiError, handle: Uuid) -> Problem {
    match error {
        ApiError::Refused(refusal) => Problem::Refused(Box::new(RefusedPage {
            refusals: vec![refusal],
            back_to: Some(handle.to_string()),
            banner: None,
            may_open: None,
            may_claim: None,
        })),
        ApiError::Unauthorized | ApiError::NotFound | ApiError::CouldNotAsk | ApiError::Answer => {
            error.into()
        }
    }
}

/// What to show, and whether the bytes are those that were registered, if they were looked at.
async fn body(
    portal: &Arc<Portal>,
    caller: &Caller,
    handle: Uuid,
    document: &Document,
) -> Result<(Body, Option<bool>), Problem> {
    match View::of(&document.mime) {
        View::Pdf => return Ok((Body::Pdf, None)),
        View::Image => return Ok((Body::Image, None)),
        View::Download => {
            let reason = "This kind of document cannot be shown here.".to_owned();
            return Ok((Body::Download(reason), None));
        }
        View::Text => {}
    }
    let bytes = match text_bytes(portal, caller, document).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            let reason = "This document is too large to be shown here.".to_owned();
            return Ok((Body::Download(reason), None));
        }
        Err(ApiError::CouldNotAsk | ApiError::Answer | ApiError::NotFound) => {
            return Ok((Body::Unavailable(document.source.display.clone()), None));
        }
        Err(error @ (ApiError::Refused(_) | ApiError::Unauthorized)) => {
            return Err(refused(error, handle));
        }
    };
    let matches = document.hash.as_ref().map(|hash| *hash == sha1_base64(&bytes));
    if matches == Some(false) {
        tracing::error!(document = %document.id, "a document is not what was registered");
        return Ok((Body::Changed, matches));
    }
    Ok((sections(rendered(bytes).await?), matches))
}

/// The bytes of a document to be rendered; `None` if there are too many.
pub(super) async fn text_bytes(
    portal: &Portal,
    caller: &Caller,
    document: &Document,
) -> Result<Option<Vec<u8>>, ApiError> {
    if document.size.is_some_and(|size| size > MAX_RENDERED_BYTES as u64) {
        return Ok(None);
    }
    let response = portal.api.content(caller.asker(), document).await?;
    bounded(response, MAX_RENDERED_BYTES).await
}

/// Renders away from the threads that serve requests.
pub(super) async fn rendered(bytes: Vec<u8>) -> Result<Rendered, Problem> {
    let work = tokio::task::spawn_blocking(move || render(&bytes, &Kind::sniff(&bytes)));
    work.await.map_err(|_| Problem::Broken)
}

fn sections(rendered: Rendered) -> Body {
    if rendered.sections.is_empty() && rendered.attachments.is_empty() {
        let reason = rendered.notes.join(" ");
        let reason = if reason.is_empty() { "This document has no text.".into() } else { reason };
        return Body::Download(reason);
    }
    let file = |(n, file): (usize, &Attachment)| File {
        n: n + 1,
        title: file.title.clone(),
        words: format!("{}, {}", format_words(&file.mime), size(file.bytes.len() as u64)),
    };
    Body::Sections {
        title: rendered.title,
        files: rendered.attachments.iter().enumerate().map(file).collect(),
        sections: rendered.sections,
        notes: rendered.notes,
    }
}

fn provenance(
    document: &Document,
    hash_matches: Option<bool>,
    portal: &Portal,
) -> Vec<(&'static str, String)> {
    let time = |time: &String| clinical(time, &portal.zone);
    let period = match &document.period {
        (Some(start), Some(end)) if start != end => {
            Some(format!("{} to {}", time(start), time(end)))
        }
        (Some(day), _) | (None, Some(day)) => Some(time(day)),
        (None, None) => None,
    };
    let labels: Vec<&str> = document.labels.iter().map(|label| &*label.display).collect();
    let joined = |list: &[String]| (!list.is_empty()).then(|| list.join(", "));
    let version = match document.status {
        DocumentStatus::Current => document.version.clone().map(|v| format!("{v} (current)")),
        DocumentStatus::Superseded => Some("Replaced by a newer version".to_owned()),
    };
    let check = match (hash_matches, &document.hash) {
        (Some(true), _) => "Unchanged since it was registered",
        (Some(false), _) => "Not the document that was registered",
        (None, Some(_)) => "Checked as it is sent",
        (None, None) => "Not registered with a checksum",
    };
    let rows = [
        ("Author", joined(&document.authors)),
        ("Organisation", joined(&document.organisations)),
        ("Written", document.created.as_ref().map(time)),
        ("Care given", period),
        ("Type", Some(document.kind.display.clone()).filter(|kind| !kind.is_empty())),
        ("Setting", document.setting.clone()),
        ("Place", document.facility.clone()),
        ("Description", document.description.clone()),
        ("Held by", Some(document.source.display.clone()).filter(|source| !source.is_empty())),
        ("Version", version),
        ("Confidentiality", (!labels.is_empty()).then(|| labels.join(", "))),
        ("Format", Some(download_words(document))),
        ("Content", Some(check.to_owned())),
    ];
    rows.into_iter().filter_map(|(label, value)| Some((label, value?))).collect()
}

fn download_words(document: &Document) -> String {
    let format = format_words(&document.mime);
    match document.size {
        Some(bytes) => format!("{format}, {}", size(bytes)),
        None => format.to_owned(),
    }
}

/// How a document of a type is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum View {
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
    pub(super) fn of(mime: &str) -> Self {
        match mime {
            "application/pdf" => Self::Pdf,
            "image/png" | "image/jpeg" | "image/gif" => Self::Image,
            "text/plain"
            | "text/xml"
            | "text/html"
            | "application/xml"
            | "application/json"
            | "application/xhtml+xml"
            | "text/x-cda-r2+xml" => Self::Text,
            other if other.ends_with("+xml") || other.ends_with("+json") => Self::Text,
            _ => Self::Download,
        }
    }
}

/// Documents over this are downloads.
const MAX_RENDERED_BYTES: usize = 32 << 20;
