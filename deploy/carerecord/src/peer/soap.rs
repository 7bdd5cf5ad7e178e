use std::time::Duration;

use bytes::Bytes;
use carerecord_codec::mtom::{Attachment, MtomReader, write_mtom};
use carerecord_codec::name::action;
use carerecord_codec::soap::{self, Headers, SoapError, Understood};
use carerecord_codec::{
    ContentType, RegistryResponse, SubmitObjectsRequest, write_provide_and_register,
};
use carerecord_model::{Clock as _, PortError, SystemClock};
use carerecord_xml::{Decode, Encode, to_utf8};
use futures_util::Stream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use uuid::Uuid;

pub(super) type PartReader =
    MtomReader<std::pin::Pin<Box<dyn Stream<Item = Result<Bytes, reqwest::Error>> + Send>>>;

/// Sends a plain SOAP request and reads the answer.
pub(super) async fn call<T: Decode>(
    http: &reqwest::Client,
    url: &str,
    action: &str,
    body: &impl Encode,
) -> Result<T, PortError> {
    let envelope = write(url, action, body)?;
    let content_type = format!("application/soap+xml; charset=UTF-8; action=\"{action}\"");
    let request = http.post(url).header(CONTENT_TYPE, content_type).body(envelope);
    let (envelope, _) = answer(request).await?;
    read(&envelope)
}

/// Sends a request in MTOM without parts; gives the answer and what follows it.
pub(super) async fn call_mtom<T: Decode>(
    http: &reqwest::Client,
    url: &str,
    action: &str,
    body: &impl Encode,
) -> Result<(T, Option<PartReader>), PortError> {
    let envelope = write(url, action, body)?;
    let message = write_mtom::<std::io::Error>(&boundary(), Some(action), envelope, Vec::new());
    let request = http
        .post(url)
        .header(CONTENT_TYPE, message.content_type)
        .body(reqwest::Body::wrap_stream(message.body));
    let (envelope, parts) = answer(request).await?;
    Ok((read(&envelope)?, parts))
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
    submit: &SubmitObjectsRequest,
    documents: Vec<(String, Attachment<std::io::Error>)>,
) -> Sent {
    let unsent = |error| Sent { answer: Err(error), status: None, retry_after: None };
    let ids: Vec<(String, String)> =
        documents.iter().map(|(id, a)| (id.clone(), a.content_id.clone())).collect();
    let headers = request_headers(action::PROVIDE_AND_REGISTER);
    let envelope =
        soap::write_to(url, &headers, |xml| write_provide_and_register(submit, &ids, xml));
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
    let response = match request.body(reqwest::Body::wrap_stream(message.body)).send().await {
        Ok(response) => response,
        Err(error) => return unsent(unavailable(error)),
    };
    let status = Some(response.status().as_u16());
    let retry_after = response.headers().get(RETRY_AFTER).and_then(wait);
    let answer = read_answer(response).await.and_then(|(envelope, _)| read(&envelope));
    Sent { answer, status, retry_after }
}

/// Seconds, or the time until a date. RFC 9110: 10.2.3.
fn wait(header: &HeaderValue) -> Option<Duration> {
    let text = header.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Duration::try_from(SystemClock.now().duration_until(until)).ok()
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

/// The envelope of the answer, in whichever packaging it comes, and the parts behind it.
async fn answer(
    request: reqwest::RequestBuilder,
) -> Result<(Bytes, Option<PartReader>), PortError> {
    read_answer(request.send().await.map_err(unavailable)?).await
}

async fn read_answer(
    response: reqwest::Response,
) -> Result<(Bytes, Option<PartReader>), PortError> {
    let status = response.status();
    let content_type = response
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .and_then(ContentType::parse);
    let Some(content_type) = content_type else {
        return Err(PortError::Unavailable(format!("HTTP {status} without a content type")));
    };
    if !content_type.is_multipart() {
        if !content_type.essence.ends_with("xml") {
            return Err(PortError::Unavailable(format!("HTTP {status}, not a SOAP answer")));
        }
        let body = response.bytes().await.map_err(unavailable)?;
        if body.len() > MAX_ENVELOPE {
            return Err(PortError::Protocol("the answer is too long".into()));
        }
        return Ok((body, None));
    }
    let source: std::pin::Pin<Box<dyn Stream<Item = _> + Send>> = Box::pin(response.bytes_stream());
    let mut parts =
        MtomReader::new(&content_type, source).map_err(|e| PortError::Protocol(e.to_string()))?;
    let protocol = |e: carerecord_codec::mtom::MtomError| PortError::Protocol(e.to_string());
    let none = || PortError::Protocol("the answer has no parts".into());
    parts.next_part().await.map_err(protocol)?.ok_or_else(none)?;
    let root = parts.whole_part(MAX_ENVELOPE).await.map_err(protocol)?;
    Ok((root, Some(parts)))
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
        Err((SoapError::Transport(reason), _)) => Err(PortError::Unavailable(reason)),
        Err((error, _)) => Err(PortError::Protocol(error.to_string())),
    }
}

pub(super) fn unavailable(error: reqwest::Error) -> PortError {
    if error.is_timeout() {
        return PortError::Late;
    }
    // The URL is the configuration's, and no patient's; the error itself is enough.
    PortError::Unavailable(error.without_url().to_string())
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

    #[test]
    fn how_long_to_wait_is_told_in_seconds_or_by_a_date() {
        let of = |text: &str| wait(&HeaderValue::from_str(text).unwrap());

        assert_eq!(of(" 7 "), Some(Duration::from_secs(7)));
        assert!(of("Tue, 31 Dec 2999 23:59:59 GMT").unwrap() > Duration::from_secs(1 << 30));
        assert_eq!(of("Fri, 31 Dec 1999 23:59:59 GMT"), None);
        assert_eq!(of("soon"), None);
    }

    fn between<'a>(text: &'a str, tag: &str) -> &'a str {
        text.split(tag).nth(1).unwrap().split('<').next().unwrap()
    }
}
