//! The SOAP binding: ITI-41, ITI-43 and ITI-86 at one path, told apart by action; MTOM, and plain SOAP for
//! those who send that.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use carerecord_access::Caller;
use carerecord_audit::AuditOutcome;
use carerecord_codec::mtom::{Attachment, MtomError, MtomReader, write_mtom};
use carerecord_codec::name::action;
use carerecord_codec::soap::{self, Headers, SoapError};
use carerecord_codec::{
    ContentType, ProvideAndRegisterDocumentSetRequest, RegistryResponse, RemoveDocumentsRequest,
    RetrieveDocumentSetRequest,
};
use carerecord_model::{ResponseStatus, UniqueId};
use carerecord_service::{AuditDraft, Peer};
use carerecord_xml::{Decode, Encode, to_utf8};
use futures_util::Stream;

use crate::router::Door;

/// What can stand in the body of a request.
enum RequestBody {
    Provide(Box<ProvideAndRegisterDocumentSetRequest>),
    Retrieve(RetrieveDocumentSetRequest),
    Remove(RemoveDocumentsRequest),
}

type Reader = MtomReader<std::pin::Pin<Box<dyn Stream<Item = Result<Bytes, axum::Error>> + Send>>>;

/// Answers every repository transaction.
pub(crate) async fn repository(
    door: Door,
    draft: AuditDraft,
    peer: Peer,
    request: Request,
) -> Response {
    let caller = door.callers.listener().clone();
    draft.caller(&caller);
    let request_headers = Headers::default();
    let mut answer = Answer { door, draft, peer, caller, mtom: false, request: request_headers };
    match take(request, &mut answer).await {
        Ok((RequestBody::Provide(request), parts)) => answer.provide(*request, parts).await,
        Ok((RequestBody::Retrieve(request), _)) => answer.retrieve(request).await,
        Ok((RequestBody::Remove(request), _)) => answer.remove(request).await,
        Err(error) => answer.fault(&error),
    }
}

/// Reads the envelope; the parts behind it are still to come.
async fn take(
    request: Request,
    answer: &mut Answer,
) -> Result<(RequestBody, Option<Reader>), SoapError> {
    let content_type = content_type(request.headers())?;
    let body = request.into_body();
    if !content_type.is_multipart() {
        let whole = axum::body::to_bytes(body, MAX_ENVELOPE)
            .await
            .map_err(|_| SoapError::Transport("the envelope is too long or broke off".into()))?;
        return Ok((answer.read(&whole)?, None));
    }
    answer.mtom = true;
    let source: std::pin::Pin<Box<dyn Stream<Item = _> + Send>> = Box::pin(body.into_data_stream());
    let mut parts = MtomReader::new(&content_type, source).map_err(transport)?;
    let root = parts.root_part(MAX_ENVELOPE).await.map_err(transport)?;
    let (_, root) = root.ok_or(SoapError::WrongBody)?;
    Ok((answer.read(&root)?, Some(parts)))
}

fn content_type(headers: &HeaderMap) -> Result<ContentType, SoapError> {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .and_then(ContentType::parse)
        .filter(|c| {
            matches!(
                c.essence.as_str(),
                "multipart/related" | "application/soap+xml" | "text/xml" | "application/xml"
            )
        })
        .ok_or_else(|| {
            SoapError::Transport(
                "the Content-Type must be multipart/related or application/soap+xml".into(),
            )
        })
}

/// The answer to one request, in the packaging that the request came in.
struct Answer {
    door: Door,
    draft: AuditDraft,
    peer: Peer,
    /// Who comes in by the listener, until the envelope has said who sends it.
    caller: Caller,
    mtom: bool,
    request: Headers,
}

impl Answer {
    fn read(&mut self, envelope: &[u8]) -> Result<RequestBody, SoapError> {
        let text = to_utf8(envelope)?;
        let caller = self.door.callers.of_message(&text, &self.peer, &self.draft);
        self.caller = caller.inspect_err(|_| self.request = soap::headers(&text))?;
        let understood = self.door.callers.understood();
        let read = soap::read_with(understood, &text, |headers, start, xml| {
            match headers.action.as_str() {
                action::PROVIDE_AND_REGISTER => Ok(RequestBody::Provide(Box::new(
                    ProvideAndRegisterDocumentSetRequest::decode(start, xml)?,
                ))),
                action::RETRIEVE => {
                    Ok(RequestBody::Retrieve(RetrieveDocumentSetRequest::decode(start, xml)?))
                }
                action::REMOVE_DOCUMENTS => {
                    Ok(RequestBody::Remove(RemoveDocumentsRequest::decode(start, xml)?))
                }
                _ => Err(SoapError::ActionNotSupported),
            }
        });
        let (headers, result) = match read {
            Ok((headers, body)) => (headers, Ok(body)),
            Err((error, headers)) => (headers, Err(error)),
        };
        self.draft.fill(|event| event.message_id.clone_from(&headers.message_id));
        self.request = headers;
        result
    }

    async fn provide(
        self,
        request: ProvideAndRegisterDocumentSetRequest,
        parts: Option<Reader>,
    ) -> Response {
        self.draft.fill(|event| event.interaction = "ITI-41".to_owned());
        let (repository, caller) = (&self.door.repository, &self.caller);
        let done = repository.provide_and_register(caller, request, parts, &self.draft).await;
        let response = match done {
            Ok(registered) => RegistryResponse::success(registered.warnings),
            Err(error) => RegistryResponse::failure(error),
        };
        self.note(&response);
        self.send(action::PROVIDE_AND_REGISTER_RESPONSE, &response, Vec::new())
    }

    async fn retrieve(self, request: RetrieveDocumentSetRequest) -> Response {
        self.draft.fill(|event| event.interaction = "ITI-43".to_owned());
        let (repository, caller) = (&self.door.repository, &self.caller);
        let documents: Vec<UniqueId> =
            request.documents.iter().map(|d| d.document_unique_id.clone()).collect();
        let callers = &self.door.callers;
        let asker = match repository.asker(callers, caller, &documents, &self.draft).await {
            Ok(asker) => asker,
            Err(error) => return self.fault(&SoapError::NotDelegated(error.to_string())),
        };
        let answer = repository.retrieve_document_set(&asker, request, &self.draft).await;
        self.note(&answer.response.response);
        self.send(action::RETRIEVE_RESPONSE, &answer.response, answer.attachments)
    }

    async fn remove(self, request: RemoveDocumentsRequest) -> Response {
        self.draft.fill(|event| event.interaction = "ITI-86".to_owned());
        let (repository, caller) = (&self.door.repository, &self.caller);
        let response = match repository.remove_documents(caller, request, &self.draft).await {
            Ok(()) => RegistryResponse::success(Vec::new()),
            Err(error) => RegistryResponse::failure(error),
        };
        self.note(&response);
        self.send(action::REMOVE_DOCUMENTS_RESPONSE, &response, Vec::new())
    }

    /// Failures travel as HTTP 200, so the record is told.
    fn note(&self, response: &RegistryResponse) {
        let codes: Vec<&str> = response.errors.iter().map(|e| e.code.as_str()).collect();
        if !codes.is_empty() {
            self.draft.fill(|event| event.error = Some(codes.join(" ")));
        }
        if response.status == ResponseStatus::Failure {
            let mut outcome = AuditOutcome::Rejected;
            self.draft.fill(|event| {
                if event.decision.as_ref().is_some_and(|d| d.outcome == "deny") {
                    outcome = AuditOutcome::Refused;
                }
            });
            self.draft.outcome(outcome);
        }
    }

    fn send<T: Encode>(
        &self,
        action: &str,
        body: &T,
        attachments: Vec<Attachment<std::io::Error>>,
    ) -> Response {
        let headers = Headers {
            action: action.to_owned(),
            message_id: Some(self.message_id()),
            relates_to: self.request.message_id.clone(),
        };
        let envelope = match soap::write(&headers, |xml| body.encode(xml)) {
            Ok(envelope) => envelope,
            Err(error) => {
                tracing::error!(%error, "an answer could not be written");
                return self.fault(&SoapError::Internal);
            }
        };
        self.package(StatusCode::OK, action, envelope, attachments)
    }

    fn fault(&self, error: &SoapError) -> Response {
        // Who was refused has the reason in the record already.
        self.draft.fill(|event| _ = event.error.get_or_insert_with(|| error.to_string()));
        let status =
            StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let relates_to = self.request.message_id.as_deref();
        let envelope = error.to_envelope(&self.message_id(), relates_to);
        self.package(status, FAULT, envelope, Vec::new())
    }

    fn package(
        &self,
        status: StatusCode,
        action: &str,
        envelope: Vec<u8>,
        attachments: Vec<Attachment<std::io::Error>>,
    ) -> Response {
        if !self.mtom && attachments.is_empty() {
            let content_type = format!("application/soap+xml; charset=UTF-8; action=\"{action}\"");
            return (status, [(header::CONTENT_TYPE, content_type)], envelope).into_response();
        }
        let boundary = format!("uuid-{}", self.door.ids.random());
        let message = write_mtom(&boundary, Some(action), envelope, attachments);
        let mut response = Response::new(Body::from_stream(message.body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        if let Ok(value) = message.content_type.parse() {
            headers.insert(header::CONTENT_TYPE, value);
        }
        if let Some(length) = message.length {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        response
    }

    fn message_id(&self) -> String {
        format!("urn:uuid:{}", self.door.ids.random())
    }
}

fn transport(error: MtomError) -> SoapError {
    SoapError::Transport(error.to_string())
}

const MAX_ENVELOPE: usize = 16 << 20;
const FAULT: &str = "http://www.w3.org/2005/08/addressing/soap/fault";
