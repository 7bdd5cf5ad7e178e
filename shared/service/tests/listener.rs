//! The listener as a peer meets it, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use carerecord_service::{
    ClientLimit, Lifecycle, Listener, ListenerConfig, ListenerError, RandomIds, Stopped,
};
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn only_loopback_is_bound_without_tls() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8080"] {
        let config =
            ListenerConfig { address: address.parse().unwrap(), ..ListenerConfig::loopback(0) };

        let error = Listener::bind(config).await.unwrap_err();

        assert!(matches!(error, ListenerError::NotLoopback(_)));
        assert!(error.to_string().contains("may only bind a loopback address"));
    }
}

#[test]
fn a_limit_of_nothing_is_refused() {
    let config = ListenerConfig { max_connections: 0, ..ListenerConfig::loopback(0) };
    assert_eq!(config.validate().unwrap_err().to_string(), "max_connections must be at least 1");

    let config = ListenerConfig { max_header_bytes: 100, ..ListenerConfig::loopback(0) };
    assert_eq!(
        config.validate().unwrap_err().to_string(),
        "max_header_bytes must be at least 8192"
    );
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let first = Listener::bind(ListenerConfig::loopback(0)).await.unwrap();

    let error = Listener::bind(ListenerConfig::loopback(first.address().port())).await.unwrap_err();

    assert_eq!(error.to_string(), format!("{} cannot be bound", first.address()));
}

#[tokio::test]
async fn a_request_is_answered_and_the_peer_is_known() {
    let (address, _lifecycle) = serve(ListenerConfig::loopback(0)).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let peer = stream.local_addr().unwrap();

    let answer =
        ask(&mut stream, "GET /peer HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;

    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.ends_with(&peer.to_string()), "{answer}");
    assert!(answer.contains("x-request-id: "), "{answer}");
}

/// Nagle's algorithm with delayed acknowledgements would add 40 ms to each of these.
#[tokio::test]
async fn a_streamed_answer_is_not_held_back() {
    let (address, _lifecycle) = serve(ListenerConfig::loopback(0)).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut buffer = vec![0; 256 * 1024];

    let started = Instant::now();
    for _ in 0..20 {
        stream.write_all(b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut end = Vec::new();
        while !end.ends_with(b"\r\n0\r\n\r\n") {
            let n = stream.read(&mut buffer).await.unwrap();
            assert_ne!(n, 0);
            end.extend_from_slice(&buffer[..n]);
        }
    }

    assert!(started.elapsed() < Duration::from_millis(600), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut() {
    let config = ListenerConfig { header_timeout_ms: 100, ..ListenerConfig::loopback(0) };
    let (address, _lifecycle) = serve(config).await;
    for start in ["", "G", "PRI * HTTP/2.0\r\n", "GET /peer HTTP/1.1\r\nhost: a\r\nx: "] {
        let mut stream = TcpStream::connect(address).await.unwrap();

        let answer = tokio::time::timeout(Duration::from_secs(5), ask(&mut stream, start)).await;

        assert!(!answer.expect("should have been cut").contains("200 OK"), "{start}");
    }
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let config = ListenerConfig { max_header_bytes: 8192, ..ListenerConfig::loopback(0) };
    let (address, _lifecycle) = serve(config).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let long = format!("GET /peer HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "y".repeat(20_000));

    let answer = ask(&mut stream, &long).await;

    assert!(!answer.contains("200 OK"), "{answer}");
}

#[tokio::test]
async fn a_request_with_two_lengths_is_refused() {
    let (address, _lifecycle) = serve(ListenerConfig::loopback(0)).await;
    for head in [
        "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length : 3\r\n\r\nabc",
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();

        let answer = ask(&mut stream, head).await;

        assert!(answer.starts_with("HTTP/1.1 400"), "{head}: {answer}");
    }
}

#[tokio::test]
async fn connections_over_the_limit_wait() {
    let config = ListenerConfig { max_connections: 1, ..ListenerConfig::loopback(0) };
    let (address, _lifecycle) = serve(config).await;
    let first = TcpStream::connect(address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut second = TcpStream::connect(address).await.unwrap();
    second.write_all(b"GET /peer HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];

    let early = tokio::time::timeout(Duration::from_millis(100), second.read_exact(&mut answer));
    assert!(early.await.is_err(), "answered although there was no room");
    drop(first);
    second.read_exact(&mut answer).await.unwrap();

    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test]
async fn draining_finishes_requests_and_closes_idle_connections() {
    let (address, lifecycle) = serve(ListenerConfig::loopback(0)).await;
    let mut fresh = TcpStream::connect(address).await.unwrap();
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /peer HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut busy = TcpStream::connect(address).await.unwrap();
    busy.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;

    let started = Instant::now();
    let stopped = lifecycle.stop().await;

    assert_eq!(stopped, Stopped::Drained);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert!(ask(&mut busy, "").await.ends_with("done"));
    assert!(ask(&mut idle, "").await.starts_with("HTTP/1.1 200"));
    assert_eq!(ask(&mut fresh, "").await, "");
    assert!(TcpStream::connect(address).await.is_err(), "still listening");
}

/// Each client has its own measure; what is too much is told in the caller's protocol, with when to
/// come again.
#[tokio::test]
async fn a_client_that_asks_too_much_is_told_to_wait() {
    let limit = ClientLimit { per_second: 1, burst: 3, at_once: 2 };
    let config = ListenerConfig { per_client: Some(limit), ..ListenerConfig::loopback(0) };
    let (address, _lifecycle) = serve(config).await;
    let from = |host: [u8; 4]| async move {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((host, 0).into()).unwrap();
        socket.connect(address).await.unwrap()
    };
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");

    let mut answers = Vec::new();
    for path in ["/peer", "/peer", "/peer", "/peer", "/fhir/x", "/xds/registry"] {
        answers.push(ask(&mut from([127, 0, 0, 1]).await, &get(path)).await);
    }
    let other = ask(&mut from([127, 0, 0, 2]).await, &get("/peer")).await;

    assert!(answers[..3].iter().all(|a| a.starts_with("HTTP/1.1 200")), "{answers:?}");
    assert!(answers[3].starts_with("HTTP/1.1 429"), "{}", answers[3]);
    assert!(answers[4].contains("\"throttled\""), "{}", answers[4]);
    assert!(answers[5].starts_with("HTTP/1.1 503"), "{}", answers[5]);
    assert!(answers[5].contains("Receiver"), "{}", answers[5]);
    assert!(answers[3..].iter().all(|a| a.contains("retry-after: 1")), "{answers:?}");
    assert!(other.starts_with("HTTP/1.1 200"), "{other}");

    let mut slow = [from([127, 0, 0, 3]).await, from([127, 0, 0, 3]).await];
    for stream in &mut slow {
        stream.write_all(get("/slow").as_bytes()).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let third = ask(&mut from([127, 0, 0, 3]).await, &get("/peer")).await;
    assert!(third.starts_with("HTTP/1.1 429"), "two are under way: {third}");
    for stream in &mut slow {
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert!(text.ends_with("done"), "{text}");
    }
    let fourth = ask(&mut from([127, 0, 0, 3]).await, &get("/peer")).await;
    assert!(fourth.starts_with("HTTP/1.1 200"), "they have ended: {fourth}");
}

#[test]
fn a_client_needs_to_be_allowed_something() {
    let limit = ClientLimit { per_second: 1, burst: 0, at_once: 1 };
    let config = ListenerConfig { per_client: Some(limit), ..ListenerConfig::loopback(0) };

    let error = config.validate().unwrap_err().to_string();

    assert_eq!(error, "per_client.burst must be at least 1");
}

async fn serve(config: ListenerConfig) -> (SocketAddr, Lifecycle) {
    let lifecycle = Lifecycle::with_drain_limit(Duration::from_secs(5));
    let listener = Listener::bind(config).await.expect("port 0 is always free");
    let address = listener.address();
    listener.serve("test", routes(), Arc::new(RandomIds), &lifecycle);
    (address, lifecycle)
}

fn routes() -> Router {
    let peer = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() };
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        "done"
    };
    let stream = || async {
        let parts = futures_util::stream::iter(0..5).then(|_| async {
            tokio::task::yield_now().await;
            Ok::<_, std::io::Error>(vec![b'x'; 10_000])
        });
        Body::from_stream(parts)
    };
    Router::new()
        .route("/peer", get(peer))
        .route("/fhir/x", get(|| async { "x" }))
        .route("/xds/registry", get(|| async { "x" }))
        .route("/slow", get(slow))
        .route("/stream", get(stream))
        .route("/echo", post(|body: String| async { body }))
        .layer(axum::middleware::from_fn(carerecord_service::refuse))
}

/// Sends the text and returns all that comes until the connection is closed.
async fn ask(stream: &mut TcpStream, text: &str) -> String {
    let _ = stream.write_all(text.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}
