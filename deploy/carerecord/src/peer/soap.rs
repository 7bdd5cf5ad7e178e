use std::time::Duration;

use bytes::{Bytes, BytesMut};
use carerecord_codec::mtom::{Attachment, MtomError, MtomReader, write_mtom};
use carerecord_codec::name::action;
use carerecord_codec::soap::{self, Headers, SoapError, Understood};
use carerecord_codec::{
    AdhocQueryRequest, AdhocQueryResponse, ContentType, FOUND_MSGPACK, RegistryResponse,
    RetrieveDocumentSetResponse, read_found_msgpack, write_provide_and_register,
};
use carerecord_model::{
    Clock as _, FoundObjects, PortError, ResponseStatus, Submission, SystemClock, retry_after,
};
use carerecord_registry::{RECORD_MSGPACK, RecordAnswer};
use carerecord_service::{DELEGATION, send};
use carerecord_xml::{Decode, Encode, to_utf8};
use futures_util::Stream;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use uuid::Uuid;

pub(super) type PartReader =
    MtomReader<std::pin::Pin<Box<dyn Stream<Item = Result<Bytes, reqwest::Error>> + Send>>>;

/// Sends a plain SOAP request and reads the answer.
pub(super) async fn call<T: Decode + Tells>(
    http: &reqwest::Client,
    url: &str,
    action: &str,
    body: &impl Encode,
) -> Result<T, PortError> {
    let request = request_for(http, url, action, body, None)?;
    Ok(answer(action, request).await?.0)
}

/// A plain SOAP request with what is said of whom it is for.
fn request_for(
    http: &reqwest::Client,
    url: &str,
    action: &str,
    body: &impl Encode,
    statement: Option<String>,
) -> Result<reqwest::RequestBuilder, PortError> {
    let envelope = write(url, action, body)?;
    let content_type = format!("application/soap+xml; charset=UTF-8; action=\"{action}\"");
    let request = http.post(url).header(CONTENT_TYPE, content_type).body(envelope);
    Ok(match statement {
        Some(statement) => request.header(DELEGATION, statement),
        None => request,
    })
}

/// Asks a registry, which may tell what it finds in MessagePack; one that knows nothing of it answers in
/// ebRIM.
pub(super) async fn query(
    http: &reqwest::Client,
    url: &str,
    request: &AdhocQueryRequest,
    statement: Option<String>,
) -> Result<FoundObjects, PortError> {
    let request = request_for(http, url, action::STORED_QUERY, request, statement)?;
    match queried(request, String::new()).await? {
        Queried::Found(found) => Ok(found),
        Queried::Record(..) => Err(PortError::Protocol("nobody asked for a record".into())),
    }
}

/// The same about a whole record, with what decisions rest on, of which a state may be known. A registry
/// that knows nothing of that tells what it finds.
pub(super) async fn record(
    http: &reqwest::Client,
    url: &str,
    request: &AdhocQueryRequest,
    statement: Option<String>,
    known: Option<&str>,
) -> Result<Queried, PortError> {
    let request = request_for(http, url, action::STORED_QUERY, request, statement)?;
    let known = known.map(|state| format!(";known=\"{state}\"")).unwrap_or_default();
    queried(request, format!("{RECORD_MSGPACK}{known}, ")).await
}

/// What a registry tells.
pub(super) enum Queried {
    Found(FoundObjects),
    /// A whole record, and how many bytes it was.
    Record(Box<RecordAnswer>, usize),
}

async fn queried(request: reqwest::RequestBuilder, takes: String) -> Result<Queried, PortError> {
    let accept = format!("{takes}{FOUND_MSGPACK}, application/soap+xml");
    let (response, mut outgoing) = send(("soap", "ITI-18"), request.header(ACCEPT, accept)).await;
    let queried = read_queried(response.map_err(unavailable)?).await;
    if queried.is_err() {
        outgoing.not_done();
    }
    queried
}

async fn read_queried(response: reqwest::Response) -> Result<Queried, PortError> {
    let content_type = response.headers().get(CONTENT_TYPE);
    if content_type.is_some_and(|v| v == RECORD_MSGPACK) {
        let bytes = whole(response, MAX_ENVELOPE).await?;
        let record = RecordAnswer::read(&bytes).map_err(PortError::Protocol)?;
        return Ok(Queried::Record(Box::new(record), bytes.len()));
    }
    if content_type.is_some_and(|v| v == FOUND_MSGPACK) {
        let found = read_found_msgpack(&whole(response, MAX_ENVELOPE).await?);
        return found.map(Queried::Found).map_err(|e| PortError::Protocol(e.to_string()));
    }
    let answer: AdhocQueryResponse = read_answer(response).await?.read()?;
    Ok(Queried::Found(answer.into_found()?))
}

/// Sends a request in MTOM without parts, with what is said of whom it is for; gives the answer and what
/// follows it.
pub(super) async fn call_mtom<T: Decode + Tells>(
    http: &reqwest::Client,
    url: &str,
    action: &str,
    body: &impl Encode,
    statement: Option<String>,
) -> Result<(T, Option<PartReader>), PortError> {
    let envelope = write(url, action, body)?;
    let message = write_mtom::<std::io::Error>(&boundary(), Some(action), envelope, Vec::new());
    let mut request = http
        .post(url)
        .header(CONTENT_TYPE, message.content_type)
        .body(reqwest::Body::wrap_stream(message.body));
    if let Some(statement) = statement {
        request = request.header(DELEGATION, statement);
    }
    answer(action, request).await
}

/// What came of a submission that was sent.
pub struct Sent {
    /// The answer.
    pub answer: Result<RegistryResponse, PortError>,
    /// The status of HTTP, when there was any answer.
    pub status: Option<u16>,
    /// How long the node wants to be left alone.
    pub retry_after: Option<Duration>,
}

/// Publishes a submission with its documents. ITI-41.
pub async fn provide_and_register(
    http: &reqwest::Client,
    url: &str,
    submission: &Submission,
    documents: Vec<(String, Attachment<std::io::Error>)>,
) -> Sent {
    let unsent = |error| Sent { answer: Err(error), status: None, retry_after: None };
    let ids: Vec<(String, String)> =
        documents.iter().map(|(id, a)| (id.clone(), a.content_id.clone())).collect();
    let headers = request_headers(action::PROVIDE_AND_REGISTER);
    let envelope =
        soap::write_to(url, &headers, |xml| write_provide_and_register(submission, &ids, xml));
    let envelope = match envelope {
        Ok(envelope) => envelope,
        Err(e) => return unsent(PortError::Protocol(e.to_string())),
    };
    let attachments = documents.into_iter().map(|(_, a)| a).collect();
    let message =
        write_mtom(&boundary(), Some(action::PROVIDE_AND_REGISTER), envelope, attachments);
    let mut request = http.post(url).header(CONTENT_TYPE, message.content_type);
    if let Some(length) = message.length {
        request = request.header(CONTENT_LENGTH, length);
    }
    let request = request.body(reqwest::Body::wrap_stream(message.body));
    let (response, mut outgoing) = send(("soap", "ITI-41"), request).await;
    let response = match response {
        Ok(response) => response,
        Err(error) => return unsent(unavailable(error)),
    };
    let status = Some(response.status().as_u16());
    let retry_after = response.headers().get(RETRY_AFTER).and_then(wait);
    let answer = read_answer(response).await.and_then(|answer| answer.read::<RegistryResponse>());
    if !answer.as_ref().is_ok_and(Tells::is_done) {
        outgoing.not_done();
    }
    Sent { answer, status, retry_after }
}

fn wait(header: &HeaderValue) -> Option<Duration> {
    retry_after(header.to_str().ok()?, SystemClock.now())
}

/// A question names whom it asks: some peers refuse one that does not.
fn write(to: &str, action: &str, body: &impl Encode) -> Result<Vec<u8>, PortError> {
    soap::write_to(to, &request_headers(action), |xml| body.encode(xml))
        .map_err(|e| PortError::Protocol(e.to_string()))
}

#[expect(clippy::disallowed_methods, reason = "a message id is of no meaning to anybody's test")]
fn request_headers(action: &str) -> Headers {
    Headers {
        action: action.to_owned(),
        message_id: Some(format!("urn:uuid:{}", Uuid::new_v4())),
        relates_to: None,
    }
}

#[expect(clippy::disallowed_methods, reason = "a boundary must only be one that no part holds")]
fn boundary() -> String {
    format!("uuid-{}", Uuid::new_v4())
}

/// An answer in whichever packaging it came.
struct Answer {
    status: reqwest::StatusCode,
    envelope: Bytes,
    /// What is behind the envelope.
    parts: Option<PartReader>,
}

impl Answer {
    /// What the envelope holds. Behind an error status it may be a page of somebody in between.
    fn read<T: Decode>(&self) -> Result<T, PortError> {
        match read(&self.envelope) {
            Err(PortError::Protocol(_)) if !self.status.is_success() => Err(refused(self.status)),
            read => read,
        }
    }
}

/// An answer of XDS, which says whether something was done.
pub(super) trait Tells {
    fn is_done(&self) -> bool;
}

impl Tells for RegistryResponse {
    fn is_done(&self) -> bool {
        self.status != ResponseStatus::Failure
    }
}

impl Tells for RetrieveDocumentSetResponse {
    fn is_done(&self) -> bool {
        self.response.is_done()
    }
}

/// What came of a request of this action, and what follows it.
async fn answer<T: Decode + Tells>(
    action: &str,
    request: reqwest::RequestBuilder,
) -> Result<(T, Option<PartReader>), PortError> {
    let (response, mut outgoing) = send(("soap", transaction(action)), request).await;
    let answer = read_answer(response.map_err(unavailable)?).await;
    let answer = answer.and_then(|answer| Ok((answer.read::<T>()?, answer.parts)));
    if !answer.as_ref().is_ok_and(|(told, _)| told.is_done()) {
        outgoing.not_done();
    }
    answer
}

fn transaction(action: &str) -> &str {
    match action {
        action::STORED_QUERY => "ITI-18",
        action::REGISTER => "ITI-42",
        action::RETRIEVE => "ITI-43",
        action::REMOVE_METADATA => "ITI-62",
        other => other,
    }
}

/// The answer whose head has come, in whichever packaging it is.
async fn read_answer(response: reqwest::Response) -> Result<Answer, PortError> {
    let status = response.status();
    let content_type = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .and_then(ContentType::parse)
        .filter(|content_type| {
            content_type.is_multipart() || content_type.essence.ends_with("xml")
        });
    let Some(content_type) = content_type else {
        return Err(match status.is_success() {
            true => PortError::Protocol(format!("HTTP {status}, but no SOAP message")),
            false => refused(status),
        });
    };
    if !content_type.is_multipart() {
        let envelope = whole(response, MAX_ENVELOPE).await?;
        return Ok(Answer { status, envelope, parts: None });
    }
    let source: std::pin::Pin<Box<dyn Stream<Item = _> + Send>> = Box::pin(response.bytes_stream());
    let mut parts =
        MtomReader::new(&content_type, source).map_err(|e| PortError::Protocol(e.to_string()))?;
    let none = || PortError::Protocol("the answer has no parts".into());
    // Not every peer puts the envelope first: the header names it.
    let (_, envelope) = parts.root_part(MAX_ENVELOPE).await.map_err(mtom)?.ok_or_else(none)?;
    Ok(Answer { status, envelope, parts: Some(parts) })
}

/// Reads an answer to its end, as long as it is no longer than that.
pub(super) async fn whole(
    mut response: reqwest::Response,
    most_bytes: usize,
) -> Result<Bytes, PortError> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
        if bytes.len() + chunk.len() > most_bytes {
            return Err(PortError::Protocol("the answer is too long".into()));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// An answer with an error status and nothing that says more.
pub(super) fn refused(status: reqwest::StatusCode) -> PortError {
    PortError::Refused { with: format!("HTTP {status}"), reason: None }
}

/// What is wrong with the packaging, or with the connection that it came by.
pub(super) fn mtom(error: MtomError) -> PortError {
    match error {
        MtomError::Source(_) => PortError::Unavailable("the answer broke off".into()),
        MtomError::Boundary
        | MtomError::Incomplete
        | MtomError::Headers
        | MtomError::TooManyParts
        | MtomError::RootTooLong(_)
        | MtomError::TransferEncoding => PortError::Protocol(error.to_string()),
    }
}

fn read<T: Decode>(envelope: &[u8]) -> Result<T, PortError> {
    let text = to_utf8(envelope).map_err(|e| PortError::Protocol(e.to_string()))?;
    let read = soap::read_with(Understood::ANSWER, &text, |_, start, xml| {
        if let Some(reason) = soap::fault_reason(start, xml)? {
            return Err(SoapError::Transport(reason));
        }
        Ok(T::decode(start, xml)?)
    });
    match read {
        Ok((_, value)) => Ok(value),
        Err((SoapError::Transport(reason), _)) => {
            Err(PortError::Refused { with: "a SOAP fault".into(), reason: Some(reason) })
        }
        Err((error, _)) => Err(PortError::Protocol(error.to_string())),
    }
}

pub(super) fn unavailable(error: reqwest::Error) -> PortError {
    if error.is_timeout() {
        return PortError::Late;
    }
    // The URL is the configuration's, and no patient's; what it stems from says why.
    PortError::Unavailable(chain(&error.without_url()))
}

/// An error with what it stems from.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// As `Understood::ANSWER`.
const MAX_ENVELOPE: usize = 256 << 20;

#[cfg(test)]
mod tests {
    use carerecord_codec::RetrieveDocumentSetRequest;

    use super::*;

    #[test]
    fn a_question_names_whom_it_asks_and_has_an_id_of_its_own() {
        let nothing = RetrieveDocumentSetRequest { documents: Vec::new() };
        let envelopes: Vec<String> = (0..2)
            .map(|_| write("http://node.example/xds?a=1&b=2", action::RETRIEVE, &nothing).unwrap())
            .map(|bytes| String::from_utf8(bytes).unwrap())
            .collect();

        let ids: Vec<&str> = envelopes.iter().map(|e| between(e, "MessageID>")).collect();

        for envelope in &envelopes {
            assert!(
                envelope.contains(">http://node.example/xds?a=1&amp;b=2</wsa:To>"),
                "{envelope}"
            );
        }
        assert!(ids.iter().all(|id| id.starts_with("urn:uuid:")), "{ids:?}");
        assert_ne!(ids[0], ids[1]);
    }

    fn between<'a>(text: &'a str, tag: &str) -> &'a str {
        text.split(tag).nth(1).unwrap().split('<').next().unwrap()
    }
}
