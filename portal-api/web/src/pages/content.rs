//! The bytes of documents. What the browser shows by itself is PDF and pictures, each under the
//! type that we name; everything else is a download.

use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use carerecord_clinical::{Attachment, file_ending, pdf_is_active};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use uuid::Uuid;

use super::document::copy::inside;
use super::document::{MAX_RENDERED_BYTES, View, apart, open, refused};
use crate::api::{Document, checked};
use crate::portal::{Portal, SharedPortal};
use crate::problem::Problem;
use crate::session::Caller;

/// A PDF or a picture, for our own page to show.
pub(crate) async fn shown(
    State(portal): SharedPortal,
    caller: Caller,
    Path((handle, id)): Path<(Uuid, Uuid)>,
) -> Result<Response, Problem> {
    let document = open(&portal, &caller, handle, id).await?;
    match View::of(&document.mime) {
        View::Pdf => pdf(&portal, &caller, handle, &document).await,
        View::Image => stream(&portal, &caller, handle, &document, "inline", None).await,
        View::Text | View::Download => Err(Problem::NotFound),
    }
}

/// A PDF in which nothing runs: what does may stand anywhere in it. Of any other the document's page says
/// why it is not shown, and offers it as a download.
async fn pdf(
    portal: &Portal,
    caller: &Caller,
    handle: Uuid,
    document: &Document,
) -> Result<Response, Problem> {
    let answer = portal.api.content(caller.asker(), document).await;
    let answer = answer.map_err(|error| refused(error, handle))?;
    let body = Body::from_stream(checked(answer, document.hash.clone()));
    let bytes = to_bytes(body, MAX_RENDERED_BYTES).await.map_err(|_| Problem::NotFound)?;
    let looked_at = bytes.clone();
    if apart(move || pdf_is_active(&looked_at)).await? {
        return Err(Problem::NotFound);
    }
    let name = format!("document-{}.pdf", short(document.id));
    Ok((headers(&document.mime, PDF_POLICY, "inline", &name), bytes).into_response())
}

/// A file inside a document, for our own page to show: a PDF, or a picture that is one.
pub(crate) async fn attachment(
    State(portal): SharedPortal,
    caller: Caller,
    Path((handle, id, n)): Path<(Uuid, Uuid, usize)>,
) -> Result<Response, Problem> {
    let document = open(&portal, &caller, handle, id).await?;
    let file = inside(&portal, &caller, handle, &document, None, n).await?;
    let name = file_name(id, n, &file);
    let (policy, file) = apart(move || (policy(&file), file)).await?;
    let policy = policy.ok_or(Problem::NotFound)?;
    Ok((headers(&file.mime, policy, "inline", &name), file.bytes).into_response())
}

/// Under which a file inside a document is shown, if it is.
fn policy(file: &Attachment) -> Option<&'static str> {
    match View::of(&file.mime) {
        View::Pdf => (!pdf_is_active(&file.bytes)).then_some(PDF_POLICY),
        View::Image => file.is_picture().then_some(SANDBOX_POLICY),
        View::Text | View::Download => None,
    }
}

/// Any document as a file, byte for byte.
pub(super) async fn original(
    portal: &Portal,
    caller: &Caller,
    handle: Uuid,
    document: &Document,
    purpose: Option<&str>,
) -> Result<Response, Problem> {
    stream(portal, caller, handle, document, "attachment", purpose).await
}

/// A file inside a document as a file of its own.
pub(super) fn as_download(id: Uuid, n: usize, file: Attachment) -> Response {
    let name = file_name(id, n, &file);
    (headers(&file.mime, SANDBOX_POLICY, "attachment", &name), file.bytes).into_response()
}

/// An access pack as a file.
pub(super) fn pack(id: Uuid, answer: reqwest::Response) -> Response {
    let name = format!("access-pack-{}.zip", short(id));
    let length = answer.headers().get(header::CONTENT_LENGTH).cloned();
    let headers = headers("application/zip", SANDBOX_POLICY, "attachment", &name);
    let mut response = (headers, Body::from_stream(answer.bytes_stream())).into_response();
    if let Some(length) = length {
        response.headers_mut().insert(header::CONTENT_LENGTH, length);
    }
    response
}

/// The headers of a file that we made of a document.
pub(super) fn download_headers(id: Uuid, ending: &str) -> HeaderMap {
    let name = format!("document-{}{ending}", short(id));
    headers("text/html; charset=utf-8", SANDBOX_POLICY, "attachment", &name).into_iter().collect()
}

fn file_name(id: Uuid, n: usize, file: &Attachment) -> String {
    format!("document-{}-file-{n}.{}", short(id), file_ending(&file.mime))
}

async fn stream(
    portal: &Portal,
    caller: &Caller,
    handle: Uuid,
    document: &Document,
    disposition: &str,
    purpose: Option<&str>,
) -> Result<Response, Problem> {
    let answer = portal.api.content(caller.asker_for(purpose), document).await;
    let answer = answer.map_err(|error| refused(error, handle))?;
    let name = format!("document-{}.{}", short(document.id), file_ending(&document.mime));
    let mut response = (
        headers(&document.mime, SANDBOX_POLICY, disposition, &name),
        Body::from_stream(checked(answer, document.hash.clone())),
    )
        .into_response();
    if let Some(size) = document.size {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    }
    Ok(response)
}

fn headers(
    mime: &str,
    policy: &'static str,
    disposition: &str,
    name: &str,
) -> [(HeaderName, HeaderValue); 3] {
    let unknown = HeaderValue::from_static("application/octet-stream");
    let disposition = format!("{disposition}; filename=\"{name}\"");
    let plain = HeaderValue::from_static("attachment");
    [
        (header::CONTENT_TYPE, HeaderValue::from_str(mime).unwrap_or(unknown)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy)),
        (header::CONTENT_DISPOSITION, HeaderValue::from_str(&disposition).unwrap_or(plain)),
    ]
}

/// Names no patient: the name of a file stays on the reader's machine.
fn short(id: Uuid) -> String {
    id.simple().to_string().chars().take(8).collect()
}

/// Nothing runs, nothing loads, nobody else frames it.
const SANDBOX_POLICY: &str =
    "default-src 'none'; sandbox; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";
/// A browser's viewer of PDF does not start in a sandbox; it has one of its own.
const PDF_POLICY: &str = "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'self'";
