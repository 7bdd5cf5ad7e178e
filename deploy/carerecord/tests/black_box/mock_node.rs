use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;

/// A node that answers as a test says.
pub struct MockNode {
    pub url: String,
    seen: Arc<Seen>,
}

/// A request, as it came.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Counted from 0.
    pub number: usize,
    /// How many were under way, this one with them.
    pub at_once: usize,
    pub at: Instant,
}

/// What a node says.
pub enum Say {
    Success,
    /// A registry error with this code.
    Error(&'static str),
    /// A status of HTTP, with a Retry-After when there is one.
    Http(u16, Option<&'static str>),
    /// Nothing, ever.
    Nothing,
}

struct Seen {
    answer: Box<dyn Fn(Request) -> Say + Send + Sync>,
    slow: Duration,
    under_way: AtomicUsize,
    requests: Mutex<Vec<Request>>,
}

impl MockNode {
    /// A node that thinks for a time and then answers.
    pub async fn start(
        slow: Duration,
        answer: impl Fn(Request) -> Say + Send + Sync + 'static,
    ) -> Self {
        let seen = Arc::new(Seen {
            answer: Box::new(answer),
            slow,
            under_way: AtomicUsize::new(0),
            requests: Mutex::default(),
        });
        let router = Router::new().route("/xds/repository", post(serve)).with_state(seen.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/xds/repository", listener.local_addr().unwrap());
        #[expect(clippy::disallowed_methods, reason = "it ends with the test")]
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { url, seen }
    }

    /// All that came so far.
    pub fn requests(&self) -> Vec<Request> {
        self.seen.requests.lock().unwrap().clone()
    }
}

async fn serve(State(seen): State<Arc<Seen>>, _whole: Bytes) -> Response {
    let at_once = seen.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    let request = {
        let mut requests = seen.requests.lock().unwrap();
        let request = Request { number: requests.len(), at_once, at: Instant::now() };
        requests.push(request);
        request
    };
    tokio::time::sleep(seen.slow).await;
    seen.under_way.fetch_sub(1, Ordering::SeqCst);
    match (seen.answer)(request) {
        Say::Success => soap("Success", ""),
        Say::Error(code) => {
            let error = format!(
                "<rs:RegistryErrorList><rs:RegistryError errorCode=\"{code}\" \
                 codeContext=\"by the test\" \
                 severity=\"urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error\"/>\
                 </rs:RegistryErrorList>"
            );
            soap("Failure", &error)
        }
        Say::Http(status, wait) => {
            let mut answer = StatusCode::from_u16(status).unwrap().into_response();
            if let Some(wait) = wait {
                answer.headers_mut().insert(header::RETRY_AFTER, wait.parse().unwrap());
            }
            answer
        }
        Say::Nothing => std::future::pending().await,
    }
}

fn soap(status: &str, inner: &str) -> Response {
    let envelope = format!(
        "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" \
         xmlns:a=\"http://www.w3.org/2005/08/addressing\"><s:Header><a:Action>\
         urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-bResponse</a:Action></s:Header><s:Body>\
         <rs:RegistryResponse xmlns:rs=\"urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0\" \
         status=\"urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:{status}\">{inner}\
         </rs:RegistryResponse></s:Body></s:Envelope>"
    );
    ([(header::CONTENT_TYPE, "application/soap+xml; charset=UTF-8")], envelope).into_response()
}
