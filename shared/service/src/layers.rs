//! The layers that every request passes, on every listener.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::{IntoResponse, Response};
use carerecord_model::IdSource;
use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE};
use http::{HeaderName, StatusCode};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::sensitive_headers::{
    SetSensitiveRequestHeadersLayer, SetSensitiveResponseHeadersLayer,
};
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutLayer};

use crate::client_limit::{ClientLimits, limit};
use crate::listener::ListenerConfig;
use crate::request_log::{Door, log_request};

/// The header that carries the id of a request, in and out.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts the common layers around a role's routes. [`crate::Listener::serve`] does this by itself.
///
/// From the outside in: secrets in headers are marked so that nothing prints them; the request gets
/// its id, its span, its line in the log and its metrics; what its client asks too much is refused; a
/// panic becomes a bare 500; a handler that
/// has not begun its answer in time becomes a bare 503; a body that is too long is refused with
/// 413 and one that stalls fails in the hands of its reader.
///
/// axum's extractors that hold a body whole keep their own limit of 2 MB on top; a route that must
/// take more says so with `DefaultBodyLimit`.
pub fn standard(
    router: Router,
    listener: &'static str,
    config: &ListenerConfig,
    ids: Arc<dyn IdSource>,
) -> Router {
    let door = Door { listener, ids };
    let secrets = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE];
    let router = router
        // Innermost, else extractors would not know its error, and answer 400 for a long body.
        .layer(RequestBodyLimitLayer::new(config.max_body_bytes))
        .layer(RequestBodyTimeoutLayer::new(Duration::from_millis(config.body_idle_timeout_ms)))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            Duration::from_millis(config.request_timeout_ms),
        ))
        .layer(CatchPanicLayer::custom(without_detail));
    let router = match config.client_limit() {
        Some(most) => {
            let clients = ClientLimits::new(listener, most);
            router.layer(axum::middleware::from_fn_with_state(clients, limit))
        }
        None => router,
    };
    router
        .layer(axum::middleware::from_fn_with_state(door, log_request))
        .layer(SetSensitiveResponseHeadersLayer::new([SET_COOKIE]))
        .layer(SetSensitiveRequestHeadersLayer::new(secrets))
}

/// What a panic says may quote a value, so nobody is told; the panic hook logs where it was.
fn without_detail(_panic: Box<dyn Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    (StatusCode::INTERNAL_SERVER_ERROR, "internal error").into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::extract::Request;
    use axum::routing::{get, post};
    use carerecord_model::RandomIds;
    use futures_util::StreamExt;
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;
    use crate::telemetry::tests::logged;

    #[tokio::test]
    async fn one_line_per_request_and_no_url_in_it() {
        let request = Request::get("/people/9990001006?name=okafor")
            .header("authorization", "Bearer topsecret")
            .header(X_REQUEST_ID, "9990001006")
            .body(Body::empty())
            .unwrap();

        let (response, lines) = logged(answer(request)).await;

        let line: Value = serde_json::from_str(&request_lines(&lines)[0]).unwrap();
        assert_eq!(request_lines(&lines).len(), 1, "{lines}");
        assert_eq!(line["method"], "GET");
        assert_eq!(line["route"], "/people/{id}");
        assert_eq!(line["status"], 200);
        assert_eq!(line["bytes"], 5);
        assert_eq!(line["complete"], true);
        assert_eq!(line["listener"], "test");
        assert_eq!(line["id"], response.id, "the caller can quote the id of the line");
        assert!(uuid::Uuid::try_parse(&response.id).is_ok(), "a text that is no UUID is not kept");
        for secret in ["9990001006", "okafor", "topsecret"] {
            assert!(!lines.contains(secret), "{lines}");
        }
    }

    #[tokio::test]
    async fn a_uuid_of_the_caller_is_kept() {
        let id = "0199a1c2-9f3e-7cc1-8f8e-0e6f1d2b3c4d";
        let request = Request::get("/people/1").header(X_REQUEST_ID, id).body(Body::empty());

        let response = answer(request.unwrap()).await;

        assert_eq!(response.id, id);
    }

    #[tokio::test]
    async fn a_path_without_a_route_has_no_name_of_its_own() {
        let request = Request::get("/9990001006").body(Body::empty()).unwrap();

        let (response, lines) = logged(answer(request)).await;

        assert_eq!(response.status, 404);
        assert!(lines.contains(r#""route":"unmatched""#), "{lines}");
        assert!(!lines.contains("9990001006"), "{lines}");
    }

    #[tokio::test]
    async fn a_panic_is_a_bare_500() {
        let request = Request::get("/panic").body(Body::empty()).unwrap();

        let (response, lines) = logged(answer(request)).await;

        assert_eq!((response.status, response.text.as_str()), (500, "internal error"));
        assert!(lines.contains(r#""status":500"#) && !lines.contains("Ada"), "{lines}");
    }

    #[tokio::test]
    async fn a_handler_that_takes_too_long_is_a_503() {
        let request = Request::get("/slow").body(Body::empty()).unwrap();

        let response = answer(request).await;

        assert_eq!(response.status, 503);
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused() {
        let declared =
            Request::post("/echo").header("content-length", "65").body(Body::from(vec![0; 65]));
        let chunks = futures_util::stream::iter([[0_u8; 30]; 3])
            .map(|part| Ok::<_, std::io::Error>(part.to_vec()));
        let streamed = Request::post("/echo").body(Body::from_stream(chunks));

        assert_eq!(answer(declared.unwrap()).await.status, 413);
        assert_eq!(answer(streamed.unwrap()).await.status, 413);
    }

    #[tokio::test]
    async fn a_body_that_stalls_fails_in_its_reader() {
        let first = futures_util::stream::iter([Ok::<_, std::io::Error>("begin")]);
        let stalled = Body::from_stream(first.chain(futures_util::stream::pending()));

        let response = answer(Request::post("/echo").body(stalled).unwrap()).await;

        assert_eq!(response.status, 400);
    }

    #[tokio::test]
    async fn an_answer_that_is_cut_off_says_so() {
        let router = routes();
        let request = Request::get("/endless").body(Body::empty()).unwrap();

        let ((), lines) = logged(async {
            let response = router.oneshot(request).await.unwrap();
            let mut body = response.into_body().into_data_stream();
            body.next().await.unwrap().unwrap();
        })
        .await;

        assert!(lines.contains(r#""bytes":4"#) && lines.contains(r#""complete":false"#), "{lines}");
    }

    #[tokio::test]
    async fn a_length_stays_known() {
        let request = Request::get("/people/1").body(Body::empty()).unwrap();

        let response = routes().oneshot(request).await.unwrap();

        let size = http_body::Body::size_hint(response.body()).exact();
        assert_eq!(size, Some(5), "else the answer would be sent in chunks");
    }

    struct Answered {
        status: u16,
        id: String,
        text: String,
    }

    async fn answer(request: Request) -> Answered {
        let response = routes().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let id = response.headers()[X_REQUEST_ID].to_str().unwrap().to_owned();
        let bytes = axum::body::to_bytes(response.into_body(), 1024).await.unwrap();
        Answered { status, id, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    fn routes() -> Router {
        let endless = || async {
            let first = futures_util::stream::iter([Ok::<_, std::io::Error>("tick")]);
            Body::from_stream(first.chain(futures_util::stream::pending()))
        };
        let broken = || async {
            if true {
                panic!("Ada");
            }
        };
        let router = Router::new()
            .route("/people/{id}", get(|| async { "found" }))
            .route("/panic", get(broken))
            .route("/slow", get(std::future::pending::<()>))
            .route("/endless", get(endless))
            .route("/echo", post(|body: String| async { body }));
        let config = ListenerConfig {
            max_body_bytes: 64,
            request_timeout_ms: 300,
            body_idle_timeout_ms: 50,
            ..ListenerConfig::loopback(0)
        };
        standard(router, "test", &config, Arc::new(RandomIds))
    }

    fn request_lines(lines: &str) -> Vec<String> {
        lines.lines().filter(|line| line.contains("duration_ms")).map(str::to_owned).collect()
    }
}
