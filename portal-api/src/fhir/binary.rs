use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use carerecord_codec::safe_content_type;
use carerecord_model::{ByteRange, DocumentBody, DocumentEntry, Dtm, PortError, RetrievedDocument};
use futures_util::{Stream, StreamExt, stream};

use super::Session;
use super::answer::accepted;
use super::conditional::Validators;
use super::document_reference::entry_uuid;
use crate::Portal;
use crate::error::FhirError;

/// Answers Retrieve Document [ITI-68]: the decision again, then the bytes, streamed through.
pub(crate) async fn read(
    State(portal): State<Portal>,
    session: Session,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, FhirError> {
    session.does("ITI-68 read Binary");
    let id = entry_uuid(&id)?;
    let document = portal.document(&session.caller, session.purpose, id, &session.draft).await;
    let document = session.note(document)?;
    session.draft.decision(document.decision());
    let entry = document.value();
    session.draft.fill(|event| {
        event.subject = entry.patient_id.nhs_number();
        event.documents = vec![carerecord_audit::DocumentRef {
            id: entry.unique_id.to_string(),
            hash: entry.hash.clone(),
        }];
    });
    if !is_accepted(&headers, entry.mime_type.as_str()) {
        return Err(FhirError::DocumentNotAcceptable);
    }
    let validators = validators(entry);
    if validators.are_known(&headers) {
        return Ok(validators.not_modified());
    }
    let range = match validators.permit_range(&headers) {
        true => wanted_range(&headers, entry.size)?,
        false => None,
    };
    let content = portal.content(&document, range).await?;
    answer(entry, content, range)
}

/// The bytes of a document never change: their digest tells them, and when they were written. What
/// is made when it is asked for has neither.
fn validators(entry: &DocumentEntry) -> Validators {
    let tag = entry.hash.as_ref().map(|hash| format!("\"{hash}\""));
    let written = entry.creation_time.as_ref().filter(|_| tag.is_some());
    Validators { tag, modified: written.map(Dtm::instant) }
}

fn answer(
    entry: &DocumentEntry,
    content: RetrievedDocument,
    wanted: Option<ByteRange>,
) -> Result<Response, FhirError> {
    let size = content.size.or(entry.size);
    let (status, length, body): (_, _, DocumentBody) = match wanted {
        None => (StatusCode::OK, size, content.body),
        Some(range) => {
            let length = Some(range.end - range.start + 1);
            // A node that cannot serve ranges gives all of it, and we cut.
            let body: DocumentBody = match content.range {
                Some(_) => content.body,
                None => Box::pin(cut(content.body, range)),
            };
            (StatusCode::PARTIAL_CONTENT, length, body)
        }
    };
    let mut response = Response::new(Body::from_stream(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_str(safe_content_type(entry.mime_type.as_str()));
    let any = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, content_type.unwrap_or(any));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    validators(entry).put(headers);
    if let Some(length) = length {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    if let (Some(range), Some(size)) = (wanted, size) {
        let value = format!("bytes {}-{}/{size}", range.start, range.end);
        let value = HeaderValue::from_str(&value).map_err(|_| FhirError::Range)?;
        headers.insert(header::CONTENT_RANGE, value);
    }
    Ok(response)
}

/// Whether the client takes documents of this type. One that names FHIR's own types says how it
/// wants resources, not that it wants no document: it gets the bytes. MHD 6.3.
fn is_accepted(headers: &HeaderMap, kind: &str) -> bool {
    let Some(accept) = accepted(headers) else { return true };
    let essence = |kind: &str| kind.split(';').next().unwrap_or_default().trim().to_lowercase();
    let (stored, sent) = (essence(kind), essence(safe_content_type(kind)));
    accept.split(',').any(|range| {
        let wanted = essence(range);
        let refused = range.split(';').skip(1).any(|p| {
            p.trim()
                .strip_prefix("q=")
                .and_then(|q| q.parse::<f32>().ok())
                .is_some_and(|q| q <= 0.0)
        });
        let family = wanted.strip_suffix('*').filter(|family| family.ends_with('/'));
        let fits = wanted == "*/*"
            || wanted == stored
            || wanted == sent
            || ["application/fhir+json", "application/fhir+xml"].contains(&wanted.as_str())
            || family.is_some_and(|family| stored.starts_with(family) || sent.starts_with(family));
        fits && !refused
    })
}

/// The one range that is asked for; several are answered with the whole, as HTTP allows.
fn wanted_range(headers: &HeaderMap, size: Option<u64>) -> Result<Option<ByteRange>, FhirError> {
    let value = headers.get(header::RANGE).and_then(|v| v.to_str().ok());
    let (Some(value), Some(size)) = (value, size) else { return Ok(None) };
    let Some(spec) = value.strip_prefix("bytes=").filter(|s| !s.contains(',')) else {
        return Ok(None);
    };
    let Some((start, end)) = spec.trim().split_once('-') else { return Ok(None) };
    let last = size.checked_sub(1).ok_or(FhirError::Range)?;
    let range = match (start.parse::<u64>(), end.parse::<u64>()) {
        (Ok(start), Ok(end)) => ByteRange { start, end: end.min(last) },
        (Ok(start), Err(_)) if end.is_empty() => ByteRange { start, end: last },
        (Err(_), Ok(tail)) if start.is_empty() && tail > 0 => {
            ByteRange { start: size.saturating_sub(tail), end: last }
        }
        _ => return Ok(None),
    };
    if range.start > range.end { Err(FhirError::Range) } else { Ok(Some(range)) }
}

/// The bytes of a range out of the whole.
fn cut(
    body: DocumentBody,
    range: ByteRange,
) -> impl Stream<Item = Result<Bytes, PortError>> + Send {
    stream::unfold((body, 0u64), move |(mut body, mut at)| async move {
        while at <= range.end {
            let chunk = match body.next().await? {
                Ok(chunk) => chunk,
                Err(error) => return Some((Err(error), (body, u64::MAX))),
            };
            let from = range.start.saturating_sub(at).min(chunk.len() as u64) as usize;
            let to = (range.end + 1 - at).min(chunk.len() as u64) as usize;
            at += chunk.len() as u64;
            if from < to {
                return Some((Ok(chunk.slice(from..to)), (body, at)));
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(value: &'static str) -> Result<Option<(u64, u64)>, ()> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static(value));
        wanted_range(&headers, Some(10)).map(|r| r.map(|r| (r.start, r.end))).map_err(|_| ())
    }

    #[test]
    fn ranges_are_read_as_http_says() {
        assert_eq!(range("bytes=0-3"), Ok(Some((0, 3))));
        assert_eq!(range("bytes=5-"), Ok(Some((5, 9))));
        assert_eq!(range("bytes=-4"), Ok(Some((6, 9))));
        assert_eq!(range("bytes=0-99"), Ok(Some((0, 9))));
        assert_eq!(range("bytes=10-"), Err(()));
        assert_eq!(range("bytes=0-1,3-4"), Ok(None));
        assert_eq!(range("lines=0-1"), Ok(None));
    }

    #[test]
    fn a_document_goes_to_those_who_take_its_type() {
        let accepted = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            is_accepted(&headers, "application/pdf")
        };

        assert!(is_accepted(&HeaderMap::new(), "application/pdf"));
        for yes in [
            "application/pdf",
            "text/html, Application/PDF;q=0.5",
            "application/*",
            "*/*;q=0.1",
            "application/fhir+json",
        ] {
            assert!(accepted(yes), "{yes}");
        }
        for no in ["text/html", "application/pdf;q=0", "image/*", "application/pd"] {
            assert!(!accepted(no), "{no}");
        }
    }

    #[tokio::test]
    async fn a_range_is_cut_out_of_any_chunks() {
        let chunks = ["01", "234", "5", "6789"].map(|c| Ok(Bytes::from_static(c.as_bytes())));
        let body: DocumentBody = Box::pin(stream::iter(chunks));

        let parts: Vec<Bytes> =
            cut(body, ByteRange { start: 1, end: 6 }).map(|c| c.unwrap()).collect().await;

        assert_eq!(parts.concat(), b"123456");
    }
}
