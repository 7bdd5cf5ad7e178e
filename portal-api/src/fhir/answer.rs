//! How resources leave: as JSON or XML, as the client wants it, errors as well.

use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use carerecord_fhir::{Format, pairs};
use serde::Serialize;
use serde_json::Value;

use crate::error::FhirError;

/// A resource as an answer, in the form that `render` then finds out. Never kept by anybody on the
/// way.
pub(crate) fn resource(status: StatusCode, resource: impl Serialize) -> Response {
    let headers = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::VARY, "Accept"),
    ];
    let mut response = (status, headers).into_response();
    response.extensions_mut().insert(Outgoing(serde_json::to_vec(&resource).unwrap_or_default()));
    response
}

/// The same with its version. FHIR R4, HTTP: versions are weak.
pub(crate) fn versioned(status: StatusCode, value: Value) -> Response {
    let tag = value["meta"]["versionId"].as_str().map(|version| format!("W/\"{version}\""));
    let mut response = resource(status, value);
    if let Some(tag) = tag.and_then(|tag| HeaderValue::try_from(tag).ok()) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// The same of what was created just now, with its address.
pub(crate) fn created(value: Value, url: &str) -> Response {
    let mut response = versioned(StatusCode::CREATED, value);
    if let Ok(url) = HeaderValue::from_str(url) {
        response.headers_mut().insert(header::LOCATION, url);
    }
    response
}

/// A resource in JSON, most answers' form.
#[derive(Clone)]
struct Outgoing(Vec<u8>);

/// What the client wants: known from the start, except for a `_format` that stands in a form.
/// Clones are the same wish.
#[derive(Clone)]
pub(crate) struct Wanted(Arc<Mutex<Option<Format>>>);

impl Wanted {
    fn of(request: &Request) -> Self {
        let query = request.uri().query().unwrap_or_default();
        let format = pairs(query).into_iter().find(|(name, _)| name == "_format");
        let accept = accepted(request.headers());
        let format = Format::negotiate(accept.as_deref(), format.as_ref().map(|(_, f)| f.as_str()));
        Self(Arc::new(Mutex::new(format)))
    }

    /// Notes the `_format` of a form.
    ///
    /// # Errors
    /// `NotAcceptable` when it is none of ours.
    pub(crate) fn asks(&self, format: &str) -> Result<(), FhirError> {
        let format = Format::negotiate(None, Some(format)).ok_or(FhirError::NotAcceptable)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(format);
        Ok(())
    }

    fn format(&self) -> Option<Format> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All `Accept` headers as one; `None` without any.
pub(crate) fn accepted(headers: &HeaderMap) -> Option<String> {
    let all: Vec<&str> =
        headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok()).collect();
    (!all.is_empty()).then(|| all.join(","))
}

/// The layer that writes resources out. What can only be refused does not reach a handler.
pub(crate) async fn render(mut request: Request, next: Next) -> Response {
    let wanted = Wanted::of(&request);
    let uri = request.uri();
    let length = uri.path_and_query().map_or(0, |both| both.as_str().len());
    // A document has a type of its own: that it has it, its handler sees to.
    let pack = uri.path().strip_prefix("/fhir/Patient/$access-pack/");
    let is_document =
        uri.path().starts_with("/fhir/Binary/") || pack.is_some_and(|path| path.ends_with("/file"));
    let response = if length > MAX_URL {
        FhirError::UrlTooLong.into_response()
    } else if wanted.format().is_none() && !is_document {
        FhirError::NotAcceptable.into_response()
    } else {
        request.extensions_mut().insert(wanted.clone());
        next.run(request).await
    };
    written(response, wanted.format().unwrap_or(Format::Json))
}

fn written(mut response: Response, format: Format) -> Response {
    let Some(Outgoing(json)) = response.extensions_mut().remove() else { return response };
    match format.render(json) {
        Ok(bytes) => {
            let kind = HeaderValue::from_static(format.content_type());
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            *response.body_mut() = Body::from(bytes);
            response
        }
        Err(error) => {
            // An element's name, or that a character has no place: never a value.
            tracing::error!(%error, "an answer cannot be written as XML");
            written(FhirError::NotInXml.into_response(), Format::Json)
        }
    }
}

/// In bytes, path and query. FHIR searches that need more are sent as forms.
const MAX_URL: usize = 8 << 10;
