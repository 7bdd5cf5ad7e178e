//! The SOAP binding: ITI-42 and ITI-18 at one path, told apart by action.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use carerecord_audit::AuditOutcome;
use carerecord_codec::name::action;
use carerecord_codec::soap::{self, Headers, SoapError};
use carerecord_codec::{
    AdhocQueryRequest, AdhocQueryResponse, RegistryResponse, SubmitObjectsRequest, ebrim,
};
use carerecord_model::{ReturnType, TransactionError};
use carerecord_service::AuditDraft;
use carerecord_xml::{Decode, Encode, EncodeError, XmlWriter, to_utf8};

use crate::RegistryError;
use crate::router::Door;
use crate::service::warnings;

/// What can stand in the body of a request.
enum Request {
    Register(SubmitObjectsRequest),
    Query(AdhocQueryRequest),
}

/// Answers every registry transaction.
pub(crate) async fn registry(State(door): State<Door>, draft: AuditDraft, body: Bytes) -> Response {
    draft.caller(&door.caller);
    let (headers, request) = match read(&body) {
        Ok(read) => read,
        Err((error, headers)) => return fault(&door, &draft, &error, &headers),
    };
    draft.fill(|event| event.message_id.clone_from(&headers.message_id));
    match request {
        Request::Register(submit) => {
            draft.fill(|event| event.interaction = "ITI-42".to_owned());
            let answer = register(&door, &draft, submit).await;
            envelope(&door, &draft, &headers, action::REGISTER_RESPONSE, &answer)
        }
        Request::Query(query) => {
            draft.fill(|event| event.interaction = format!("ITI-18 {}", query.id.0));
            let answer = stored_query(&door, &draft, &query).await;
            envelope(&door, &draft, &headers, action::STORED_QUERY_RESPONSE, &answer)
        }
    }
}

fn read(body: &[u8]) -> Result<(Headers, Request), (SoapError, Headers)> {
    let text = to_utf8(body).map_err(|e| (e.into(), Headers::default()))?;
    soap::read(&text, |headers, start, xml| match headers.action.as_str() {
        action::REGISTER => Ok(Request::Register(SubmitObjectsRequest::decode(start, xml)?)),
        action::STORED_QUERY => Ok(Request::Query(AdhocQueryRequest::decode(start, xml)?)),
        _ => Err(SoapError::ActionNotSupported),
    })
}

async fn register(
    door: &Door,
    draft: &AuditDraft,
    submit: SubmitObjectsRequest,
) -> RegistryResponse {
    let submission = match ebrim::submission(submit.objects) {
        Ok(submission) => submission,
        Err(error) => return RegistryResponse::failure(failed(draft, error.into())),
    };
    match door.registry.register_document_set(&door.caller, submission, draft).await {
        Ok(registered) => RegistryResponse::success(warnings(registered)),
        Err(error) => RegistryResponse::failure(failed(draft, error)),
    }
}

async fn stored_query(
    door: &Door,
    draft: &AuditDraft,
    request: &AdhocQueryRequest,
) -> AdhocQueryResponse {
    let typed = request.return_type().and_then(|t| Ok((t, request.stored_query()?)));
    let (return_type, query) = match typed {
        Ok(typed) => typed,
        Err(error) => return AdhocQueryResponse::failure(failed(draft, error.into())),
    };
    let whole = return_type == ReturnType::LeafClass;
    match door.registry.stored_query(&door.caller, &query, whole, draft).await {
        Ok(found) => AdhocQueryResponse::found(return_type, found.value()),
        Err(error) => AdhocQueryResponse::failure(failed(draft, error)),
    }
}

/// Notes a failure that travels as HTTP 200.
fn failed(draft: &AuditDraft, error: RegistryError) -> TransactionError {
    let outcome = match &error {
        RegistryError::Transaction(_) => AuditOutcome::Rejected,
        RegistryError::Refused(refused) => {
            draft.decision(&refused.decision);
            AuditOutcome::Refused
        }
        RegistryError::Store(e) => {
            tracing::error!(error = %e, source = ?std::error::Error::source(e), "store failed");
            AuditOutcome::Failed
        }
    };
    draft.outcome(outcome);
    let error = error.into_transaction_error();
    let codes: Vec<&str> = error.0.iter().map(|e| e.code.as_str()).collect();
    draft.fill(|event| event.error = Some(codes.join(" ")));
    error
}

fn envelope<T: Encode>(
    door: &Door,
    draft: &AuditDraft,
    request: &Headers,
    action: &str,
    body: &T,
) -> Response {
    let headers = Headers {
        action: action.to_owned(),
        message_id: Some(message_id(door)),
        relates_to: request.message_id.clone(),
    };
    let written: Result<Vec<u8>, EncodeError> =
        soap::write(&headers, |xml: &mut XmlWriter<Vec<u8>>| body.encode(xml));
    match written {
        Ok(bytes) => {
            let content_type = format!("application/soap+xml; charset=UTF-8; action=\"{action}\"");
            ([(header::CONTENT_TYPE, content_type)], bytes).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            fault(door, draft, &SoapError::Internal, request)
        }
    }
}

fn fault(door: &Door, draft: &AuditDraft, error: &SoapError, request: &Headers) -> Response {
    draft.fill(|event| event.error = Some(error.to_string()));
    let status =
        StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = error.to_envelope(&message_id(door), request.message_id.as_deref());
    let content_type = "application/soap+xml; charset=UTF-8";
    (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
}

fn message_id(door: &Door) -> String {
    format!("urn:uuid:{}", door.ids.random())
}
