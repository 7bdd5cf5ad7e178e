//! The bytes of documents. What the browser shows by itself is PDF and pictures, each under the
//! type that we name; everything else is a download.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, header};
use uuid::Uuid;

use super::document::{View, open, refused, rendered, text_bytes};
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
    let policy = match View::of(&document.mime) {
        View::Pdf => PDF_POLICY,
        View::Image => SANDBOX_POLICY,
        View::Text | View::Download => return Err(Problem::NotFound),
    };
    stream(&portal, &caller, handle, &document, policy, "inline").await
}

/// Any document, as a file.
pub(crate) async fn download(
    State(portal): SharedPortal,
    caller: Caller,
    Path((handle, id)): Path<(Uuid, Uuid)>,
) -> Result<Response, Problem> {
    let document = open(&portal, &caller, handle, id).await?;
    stream(&portal, &caller, handle, &document, SANDBOX_POLICY, "attachment").await
}

/// A file inside a document.
pub(crate) async fn attachment(
    State(portal): SharedPortal,
    caller: Caller,
    Path((handle, id, n)): Path<(Uuid, Uuid, usize)>,
) -> Result<Response, Problem> {
    let document = open(&portal, &caller, handle, id).await?;
    let bytes = text_bytes(&portal, &caller, &document).await;
    let bytes = bytes.map_err(|error| refused(error, handle))?.ok_or(Problem::NotFound)?;
    let mut attachments = rendered(bytes).await?.attachments;
    let at = n.checked_sub(1).filter(|at| *at < attachments.len()).ok_or(Problem::NotFound)?;
    let file = attachments.swap_remove(at);
    let name = format!("document-{}-file-{n}.{}", short(id), extension(&file.mime));
    Ok((headers(&file.mime, SANDBOX_POLICY, "attachment", &name), file.bytes).into_response())
}

async fn stream(
    portal: &Portal,
    caller: &Caller,
    handle: Uuid,
    document: &Document,
    policy: &'static str,
    disposition: &str,
) -> Result<Response, Problem> {
    let answer = portal.api.content(caller.asker(), document).await;
    let answer = answer.map_err(|error| refused(error, handle))?;
    let name = format!("document-{}.{}", short(document.id), extension(&document.mime));
    let mut response = (
        headers(&document.mime, policy, disposition, &name),
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

fn extension(mime: &str) -> &'static str {
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

/// Nothing runs, nothing loads, nobody else frames it.
const SANDBOX_POLICY: &str =
    "default-src 'none'; sandbox; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";
/// A browser's viewer of PDF does not start in a sandbox; it has one of its own.
const PDF_POLICY: &str = "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'self'";
