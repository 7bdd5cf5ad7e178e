use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use carerecord_model::IdSource;
use http::{HeaderValue, Method, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tracing::{Instrument, Span};
use uuid::Uuid;

use crate::layers::X_REQUEST_ID;
use crate::metrics::{IN_FLIGHT, REQUEST_DURATION, REQUESTS, RESPONSE_BYTES};

/// The id of a request, in its extensions and in the log; the answer carries it as `X-Request-ID`.
///
/// The caller's own if that is a UUID, else a fresh one: any other text could name a patient.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RequestId(pub Uuid);

impl RequestId {
    /// The request that is being answered now, for whoever asks others because of it: all they do
    /// can then be found by one id.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|id| *id).ok()
    }

    /// Runs what is done because of the request, when its answer has left.
    pub(crate) async fn scope<T>(self, job: impl Future<Output = T>) -> T {
        CURRENT.scope(self, job).await
    }
}

tokio::task_local! {
    static CURRENT: RequestId;
}

/// The door a request came in by, and where new ids come from.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) listener: &'static str,
    pub(crate) ids: Arc<dyn IdSource>,
}

/// Gives the request its id and its span, and logs and counts it when its answer has ended.
pub(crate) async fn log_request(
    State(door): State<Door>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = RequestId(given_id(&request).unwrap_or_else(|| door.ids.ordered()));
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| Arc::from(UNMATCHED), |path| Arc::from(path.as_str()));
    let method = known_method(request.method());
    let span =
        tracing::info_span!("http.request", listener = door.listener, id = %id.0, route = &*route);
    let mut answer = Answer {
        listener: door.listener,
        id: id.0,
        method,
        route,
        status: None,
        started: Instant::now(),
        bytes: 0,
        complete: false,
        span: span.clone(),
    };
    metrics::gauge!(IN_FLIGHT, "listener" => door.listener).increment(1.0);

    let id_value = HeaderValue::from_str(&id.0.to_string()).ok();
    request.extensions_mut().insert(id);
    if let Some(value) = &id_value {
        request.headers_mut().insert(X_REQUEST_ID, value.clone());
    }
    let mut response = CURRENT.scope(id, next.run(request).instrument(span)).await;
    answer.status = Some(response.status());
    if let Some(value) = id_value {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response.map(|body| {
        // A body that is over before it begins is never polled by the connection.
        answer.complete = body.is_end_stream();
        Body::new(LoggedBody { body, answer })
    })
}

fn given_id(request: &Request) -> Option<Uuid> {
    let text = request.headers().get(X_REQUEST_ID)?.to_str().ok()?;
    Uuid::try_parse(text).ok()
}

/// Callers may send any word as a method, and a word in a label lasts for ever.
fn known_method(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] =
        ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("OTHER")
}

/// What is known of an answer. Dropping it writes the line, however the answer ended: also when
/// the connection went away while the handler was still at work.
struct Answer {
    listener: &'static str,
    id: Uuid,
    method: &'static str,
    route: Arc<str>,
    status: Option<StatusCode>,
    started: Instant,
    bytes: u64,
    complete: bool,
    span: Span,
}

impl Drop for Answer {
    fn drop(&mut self) {
        let duration = self.started.elapsed();
        // 499 stands for "the caller left before there was an answer", as in common web servers.
        let status = self.status.map_or(499, |status| status.as_u16());
        let (method, route, listener) = (self.method, &*self.route, self.listener);
        metrics::gauge!(IN_FLIGHT, "listener" => listener).decrement(1.0);
        metrics::counter!(REQUESTS, "listener" => listener, "method" => method,
            "route" => self.route.to_string(), "status" => status.to_string())
        .increment(1);
        metrics::histogram!(REQUEST_DURATION, "listener" => listener,
            "route" => self.route.to_string())
        .record(duration.as_secs_f64());
        metrics::counter!(RESPONSE_BYTES, "listener" => listener,
            "route" => self.route.to_string())
        .increment(self.bytes);
        let _in_span = self.span.enter();
        tracing::info!(
            listener,
            id = %self.id,
            method,
            route,
            status,
            duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
            bytes = self.bytes,
            complete = self.complete,
            "{method} {route} {status}"
        );
    }
}

/// A body that counts itself, and ends its [`Answer`] when it is dropped.
struct LoggedBody {
    body: Body,
    answer: Answer,
}

impl HttpBody for LoggedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let span = self.answer.span.clone();
        let _in_span = span.enter();
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Ready(None) => self.answer.complete = true,
            Poll::Ready(Some(Ok(frame))) => {
                self.answer.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                self.answer.complete = self.body.is_end_stream();
            }
            Poll::Ready(Some(Err(_))) => {
                tracing::warn!("the body of an answer failed and was cut off");
            }
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

const UNMATCHED: &str = "unmatched";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_methods_of_http_become_labels() {
        assert_eq!(known_method(&Method::GET), "GET");
        assert_eq!(known_method(&Method::from_bytes(b"9990001006").unwrap()), "OTHER");
    }
}
