//! What goes wrong at a SOAP door itself: the answer that the real one would give, in the failure of
//! the transaction that was asked for.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use carerecord_codec::name::action;
use carerecord_codec::soap::{self, Headers, SoapError};
use carerecord_codec::{AdhocQueryResponse, RegistryResponse, RetrieveDocumentSetResponse};
use carerecord_model::{FoundObjects, ReturnType, TransactionError};
use carerecord_service::{IdSource as _, RandomIds};
use carerecord_xml::{Encode, EncodeError};

use super::scenario::{Fault, LATE, Scenario};

/// The layer of the doors of registry and nodes. Nothing that it answers itself leaves a record: it is
/// no message of the door.
pub async fn answer(request: Request, next: Next) -> Response {
    let asked = request.extensions().get::<Arc<Scenario>>().cloned();
    let fault = asked.as_ref().and_then(|asked| asked.at_door()).cloned();
    let Some(fault) = fault.filter(|_| request.uri().path().starts_with("/xds/")) else {
        return next.run(request).await;
    };
    if fault == Fault::Late {
        tokio::time::sleep(LATE).await;
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, MOST).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let envelope = envelope(&bytes);
    let asked = soap::headers(&envelope);
    let headers = Headers {
        action: format!("{}Response", asked.action),
        message_id: Some(format!("urn:uuid:{}", RandomIds.random())),
        relates_to: asked.message_id.clone(),
    };
    let written = match fault {
        Fault::Error(code) => {
            let error = TransactionError::one(code, "the request asks for it (X-Scenario)");
            failure(&asked.action, &headers, error)
        }
        Fault::Empty if asked.action == action::STORED_QUERY => {
            let none = AdhocQueryResponse::found(ReturnType::LeafClass, &FoundObjects::default());
            soap::write(&headers, |xml| none.encode(xml))
        }
        Fault::Empty => return next.run(Request::from_parts(parts, Body::from(bytes))).await,
        Fault::Refused => return refused(&SoapError::NotPermitted, &headers),
        Fault::Down | Fault::Late | Fault::Garbage => {
            return refused(&SoapError::Busy("too much is asked for just now"), &headers);
        }
    };
    match written {
        Ok(envelope) => {
            let kind =
                format!("application/soap+xml; charset=UTF-8; action=\"{}\"", headers.action);
            ([(header::CONTENT_TYPE, kind)], envelope).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// A failure of the transaction of that action.
fn failure(
    asked: &str,
    headers: &Headers,
    error: TransactionError,
) -> Result<Vec<u8>, EncodeError> {
    let response = RegistryResponse::failure(error.clone());
    match asked {
        action::STORED_QUERY | action::MULTI_PATIENT_QUERY => {
            let failed = AdhocQueryResponse::failure(error);
            soap::write(headers, |xml| failed.encode(xml))
        }
        action::RETRIEVE => {
            let failed = RetrieveDocumentSetResponse { response, documents: Vec::new() };
            soap::write(headers, |xml| failed.encode(xml))
        }
        _ => soap::write(headers, |xml| response.encode(xml)),
    }
}

fn refused(fault: &SoapError, headers: &Headers) -> Response {
    let id = headers.message_id.clone().unwrap_or_default();
    let envelope = fault.to_envelope(&id, headers.relates_to.as_deref());
    let status = StatusCode::from_u16(fault.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
    let kind = "application/soap+xml; charset=UTF-8; \
                action=\"http://www.w3.org/2005/08/addressing/soap/fault\"";
    (status, [(header::CONTENT_TYPE, kind)], envelope).into_response()
}

/// The envelope, plain or as the first part of MTOM, as text.
fn envelope(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let start = text.find("Envelope").and_then(|at| text[..at].rfind('<'));
    let name = start.map(|at| text[at + 1..].split([' ', '>', '\t', '\r', '\n']).next());
    let (Some(start), Some(Some(name))) = (start, name) else { return String::new() };
    let end = text[start..].find(&format!("</{name}>")).map(|end| start + end + name.len() + 3);
    text[start..end.unwrap_or(text.len())].to_owned()
}

/// Answers that nothing is done for are not for long messages.
const MOST: usize = 16 << 20;
