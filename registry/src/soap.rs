//! The SOAP binding: every transaction of the registry at one path, told apart by action.

use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use carerecord_access::{AssertedPatient, Caller, Right};
use carerecord_audit::AuditOutcome;
use carerecord_codec::name::action;
use carerecord_codec::soap::{self, Headers, SoapError};
use carerecord_codec::{
    AdhocQueryRequest, AdhocQueryResponse, ContentType, FOUND_MSGPACK, LIST_END, RegistryResponse,
    RemoveObjectsRequest, SubmitObjectsRequest, ebrim, found_objects, takes_found_msgpack,
    write_found_msgpack,
};
use carerecord_model::{
    DocumentEntryType, GetAll, NhsNumber, ReturnType, StoredQuery, TransactionError,
};
use carerecord_service::{Asker, AuditDraft, DelegationError, Peer, Statement};
use carerecord_xml::{Decode, Encode, EncodeError, XmlWriter, to_utf8};

use crate::router::Door;
use crate::{RECORD_MSGPACK, RegistryError};

/// What can stand in the body of a request.
enum Request {
    Submit(Submit, SubmitObjectsRequest),
    Remove(RemoveObjectsRequest),
    Query(&'static str, AdhocQueryRequest),
}

/// The transactions that send a SubmitObjectsRequest.
#[derive(Clone, Copy)]
enum Submit {
    Register,
    RegisterOnDemand,
    Update,
    RestrictedUpdate,
}

impl Submit {
    /// How the audit names it, and the action of its answer.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Register => ("ITI-42", action::REGISTER_RESPONSE),
            Self::RegisterOnDemand => ("ITI-61", action::REGISTER_ON_DEMAND_RESPONSE),
            Self::Update => ("ITI-57", action::UPDATE_RESPONSE),
            Self::RestrictedUpdate => ("ITI-92", action::RESTRICTED_UPDATE_RESPONSE),
        }
    }
}

/// Answers every registry transaction.
pub(crate) async fn registry(
    door: Door,
    draft: AuditDraft,
    peer: Peer,
    http: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    draft.caller(door.callers.listener());
    let whole = check_content_type(&http).and_then(|()| whole(body));
    let read = whole
        .map_err(|e| (e, Headers::default()))
        .and_then(|body| read(&door, &draft, &peer, &body));
    let (caller, headers, request) = match read {
        Ok(read) => read,
        Err((error, headers)) => return fault(&door, &draft, &error, &headers),
    };
    draft.fill(|event| event.message_id.clone_from(&headers.message_id));
    match request {
        Request::Submit(kind, request) => {
            let (interaction, action) = kind.names();
            draft.fill(|event| event.interaction = interaction.to_owned());
            let answer = submit(&door, &caller, &draft, kind, request).await;
            envelope(&door, &draft, &headers, action, &answer)
        }
        Request::Remove(request) => {
            draft.fill(|event| event.interaction = "ITI-62".to_owned());
            let answer = match door.registry.remove_metadata(&caller, request.ids, &draft).await {
                Ok(()) => RegistryResponse::success(Vec::new()),
                Err(error) => RegistryResponse::failure(failed(&draft, error)),
            };
            envelope(&door, &draft, &headers, action::REMOVE_METADATA_RESPONSE, &answer)
        }
        Request::Query(action, query) => {
            let name = if action == action::STORED_QUERY_RESPONSE { "ITI-18" } else { "ITI-51" };
            draft.fill(|event| event.interaction = format!("{name} {}", query.id.0));
            let accept = http.get(header::ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
            let asked = Asked { headers: &headers, action, accept };
            stored_query(&door, &caller, &draft, asked, &query).await
        }
    }
}

/// Only what a SOAP stack sends: a page in a browser can send other types to any address.
fn check_content_type(http: &HeaderMap) -> Result<(), SoapError> {
    let value = http.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
    let essence = value.and_then(ContentType::parse).map(|c| c.essence);
    match essence.as_deref() {
        Some("application/soap+xml" | "text/xml" | "application/xml") => Ok(()),
        Some(_) | None => {
            Err(SoapError::Transport("the Content-Type must be application/soap+xml".into()))
        }
    }
}

fn whole(body: Result<Bytes, BytesRejection>) -> Result<Bytes, SoapError> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => SoapError::TooLong,
        _ => SoapError::Transport("the message broke off".into()),
    })
}

/// Who sends a message comes first, then what they say.
fn read(
    door: &Door,
    draft: &AuditDraft,
    peer: &Peer,
    body: &[u8],
) -> Result<(Caller, Headers, Request), (SoapError, Headers)> {
    let text = to_utf8(body).map_err(|e| (e.into(), Headers::default()))?;
    let caller = door.callers.of_message(&text, peer, draft);
    let caller = caller.map_err(|e| (e, soap::headers(&text)))?;
    let understood = door.callers.understood();
    let (headers, request) = soap::read_with(understood, &text, |headers, start, xml| {
        let kind = match headers.action.as_str() {
            action::REGISTER => Submit::Register,
            action::REGISTER_ON_DEMAND => Submit::RegisterOnDemand,
            action::UPDATE => Submit::Update,
            action::RESTRICTED_UPDATE => Submit::RestrictedUpdate,
            action::REMOVE_METADATA => {
                return Ok(Request::Remove(RemoveObjectsRequest::decode(start, xml)?));
            }
            action::STORED_QUERY => {
                let query = AdhocQueryRequest::decode(start, xml)?;
                return Ok(Request::Query(action::STORED_QUERY_RESPONSE, query));
            }
            action::MULTI_PATIENT_QUERY => {
                let query = AdhocQueryRequest::decode(start, xml)?;
                return Ok(Request::Query(action::MULTI_PATIENT_QUERY_RESPONSE, query));
            }
            _ => return Err(SoapError::ActionNotSupported),
        };
        Ok(Request::Submit(kind, SubmitObjectsRequest::decode(start, xml)?))
    })?;
    Ok((caller, headers, request))
}

async fn submit(
    door: &Door,
    caller: &Caller,
    draft: &AuditDraft,
    kind: Submit,
    request: SubmitObjectsRequest,
) -> RegistryResponse {
    let submission = match ebrim::submission(request.objects) {
        Ok(submission) => submission,
        Err(error) => return RegistryResponse::failure(failed(draft, error.into())),
    };
    let registry = &door.registry;
    let done = match kind {
        Submit::Register => {
            registry
                .register_document_set(caller, submission, DocumentEntryType::Stable, draft)
                .await
        }
        Submit::RegisterOnDemand => {
            let entry_type = DocumentEntryType::OnDemand;
            registry.register_document_set(caller, submission, entry_type, draft).await
        }
        Submit::Update => registry.update_metadata(caller, submission, draft).await,
        Submit::RestrictedUpdate => registry.restricted_update(caller, submission, draft).await,
    };
    match done {
        Ok(registered) => RegistryResponse::success(registered.warnings),
        Err(error) => RegistryResponse::failure(failed(draft, error)),
    }
}

/// For whom `caller` asks, where it says so; a delegation is taken once by all copies of the registry
/// over one database.
async fn asker_of(
    door: &Door,
    caller: &Caller,
    draft: &AuditDraft,
) -> Result<Option<Asker>, DelegationError> {
    let Some(asker) = door.callers.registry_asker(caller, draft)? else { return Ok(None) };
    let Some(Statement { issuer, id, until }) = &asker.statement else { return Ok(Some(asker)) };
    let first = door.registry.first_use(issuer, id, *until).await;
    let asker = asker.once(first, draft)?;
    // Of itself, about nobody, a portal says so to learn whether it is believed.
    let is_portal = matches!(asker.caller, Caller::System(_));
    Ok(Some(asker).filter(|asker| !is_portal || asker.about != AssertedPatient::Unknown))
}

/// What the answer to a query needs of its request.
#[derive(Clone, Copy)]
struct Asked<'a> {
    headers: &'a Headers,
    /// Of the answer.
    action: &'a str,
    /// In which forms what is found may be told.
    accept: &'a str,
}

async fn stored_query(
    door: &Door,
    caller: &Caller,
    draft: &AuditDraft,
    asked: Asked<'_>,
    request: &AdhocQueryRequest,
) -> Response {
    let Asked { headers, action, .. } = asked;
    let asker = match asker_of(door, caller, draft).await {
        Ok(asker) => asker,
        Err(error) => {
            return fault(door, draft, &SoapError::NotDelegated(error.to_string()), headers);
        }
    };
    let typed = request.return_type().and_then(|t| Ok((t, request.stored_query()?)));
    let answered = match typed {
        Ok((return_type, query)) => {
            answered(door, caller, draft, asked, (asker.as_ref(), return_type, &query)).await
        }
        Err(error) => Err(error.into()),
    };
    answered.unwrap_or_else(|error| {
        let answer = AdhocQueryResponse::failure(failed(draft, error));
        envelope(door, draft, headers, action, &answer)
    })
}

async fn answered(
    door: &Door,
    caller: &Caller,
    draft: &AuditDraft,
    asked: Asked<'_>,
    (asker, return_type, query): (Option<&Asker>, ReturnType, &StoredQuery),
) -> Result<Response, RegistryError> {
    let registry = &door.registry;
    let whole = return_type == ReturnType::LeafClass;
    if let (true, Some(record)) = (whole, asked_record(caller, query, asked.accept)) {
        let (question, known) = record;
        let record =
            registry.patient_record(caller, asker, question, known.as_deref(), draft).await?;
        return Ok(in_msgpack(door, draft, asked.headers, RECORD_MSGPACK, record.into_bytes()));
    }
    let found = match asker {
        Some(asker) => registry.stored_query_for(caller, asker, query, whole, draft).await?,
        None => registry.stored_query(caller, query, whole, draft).await?,
    };
    if whole && takes_found_msgpack(asked.accept) {
        let bytes = write_found_msgpack(found.value()).map_err(|e| e.to_string());
        return Ok(in_msgpack(door, draft, asked.headers, FOUND_MSGPACK, bytes));
    }
    let around = AdhocQueryResponse::around();
    let around = envelope(door, draft, asked.headers, asked.action, &around);
    Ok(fill(around, found_objects(return_type, found.into_value())).await)
}

/// What a role that takes a whole record, with what decisions rest on, asks for; and the state of it
/// that the role has.
fn asked_record<'q>(
    caller: &Caller,
    query: &'q StoredQuery,
    accept: &str,
) -> Option<((&'q GetAll, NhsNumber), Option<String>)> {
    let StoredQuery::GetAll(query) = query else { return None };
    let number = query.patient_id.nhs_number().filter(|_| caller.has_right(Right::Delegate))?;
    let taken = accept.split(',').filter_map(ContentType::parse);
    let taken = taken.into_iter().find(|taken| taken.essence == RECORD_MSGPACK)?;
    Some(((query, number), taken.parameter("known").map(str::to_owned)))
}

fn in_msgpack(
    door: &Door,
    draft: &AuditDraft,
    headers: &Headers,
    content_type: &'static str,
    written: Result<Vec<u8>, String>,
) -> Response {
    match written {
        Ok(bytes) => ([(header::CONTENT_TYPE, content_type)], bytes).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            fault(door, draft, &SoapError::Internal, headers)
        }
    }
}

/// Puts objects into the empty list of an answer. A short answer goes as a whole, a long one in
/// pieces as they are written.
async fn fill(
    around: Response,
    mut pieces: impl Iterator<Item = Result<Vec<u8>, EncodeError>> + Send + 'static,
) -> Response {
    let (parts, body) = around.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let Some(at) = memchr::memmem::rfind(&bytes, LIST_END.as_bytes()) else {
        // A fault: the envelope could not be written.
        return Response::from_parts(parts, bytes.into());
    };
    let (head, tail) = (bytes.slice(..at), bytes.slice(at..));
    let first = match pieces.next().transpose() {
        Ok(first) => Bytes::from(first.unwrap_or_default()),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let body = match pieces.next() {
        None => [head, first, tail].concat().into(),
        Some(second) => {
            let rest = std::iter::once(second).chain(pieces).map(|piece| piece.map(Bytes::from));
            let all = [Ok(head), Ok(first)].into_iter().chain(rest).chain([Ok(tail)]);
            Body::from_stream(futures_util::stream::iter(all))
        }
    };
    Response::from_parts(parts, body)
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
    // Who was refused has the reason in the record already.
    draft.fill(|event| _ = event.error.get_or_insert_with(|| error.to_string()));
    let status =
        StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = error.to_envelope(&message_id(door), request.message_id.as_deref());
    let content_type = "application/soap+xml; charset=UTF-8";
    (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
}

fn message_id(door: &Door) -> String {
    format!("urn:uuid:{}", door.ids.random())
}
