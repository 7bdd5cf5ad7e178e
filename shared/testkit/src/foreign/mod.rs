//! A third party's XDS.b repository: it speaks the standard, strictly about what it is sent, and in
//! its own way about what it answers; or it lies. Nothing of it is built on our own codec.

#![expect(clippy::wildcard_enum_match_arm, reason = "each place is about a few of the manners")]

mod answer;
mod manner;
mod question;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;

use answer::Message;
pub use manner::Manner;

/// The repository, at a port of loopback.
pub struct ForeignRepository {
    address: String,
    shared: Arc<Shared>,
    serving: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    id: String,
    address: String,
    manner: Mutex<Manner>,
    documents: Mutex<HashMap<String, Bytes>>,
    /// What it had to find fault with in what it was sent.
    complaints: Mutex<Vec<String>>,
    asked: Mutex<Vec<HeaderMap>>,
    /// Requests to anything but its door.
    strayed: Mutex<Vec<String>>,
    token: Mutex<Option<String>>,
}

impl ForeignRepository {
    /// Starts the repository with this repositoryUniqueId.
    #[expect(clippy::disallowed_methods, reason = "a test's server ends with the test")]
    pub async fn start(id: &str) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/Repository/services?wsdl", listener.local_addr().unwrap());
        let shared =
            Arc::new(Shared { id: id.to_owned(), address: address.clone(), ..Shared::default() });
        let router = Router::new().fallback(answer).with_state(shared.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, shared, serving }
    }

    /// Its ITI-43 address.
    pub fn url(&self) -> &str {
        &self.address
    }

    /// Holds a document.
    pub fn put(&self, unique_id: &str, bytes: Bytes) {
        self.shared.documents.lock().unwrap().insert(unique_id.to_owned(), bytes);
    }

    /// Answers so from now on.
    pub fn behave(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    /// Serves only those who bring this token.
    pub fn wants(&self, token: &str) {
        *self.shared.token.lock().unwrap() = Some(token.to_owned());
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.shared.asked.lock().unwrap().len()
    }

    /// What was wrong with what it was sent.
    pub fn complaints(&self) -> Vec<String> {
        self.shared.complaints.lock().unwrap().clone()
    }

    /// What was fetched beside its door.
    pub fn strayed(&self) -> Vec<String> {
        self.shared.strayed.lock().unwrap().clone()
    }
}

impl Drop for ForeignRepository {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !shared.address.ends_with(&uri.to_string()) {
        shared.strayed.lock().unwrap().push(uri.to_string());
        return match uri.path() {
            "/secret" => (StatusCode::OK, "of the network inside").into_response(),
            _ => StatusCode::NOT_FOUND.into_response(),
        };
    }
    shared.asked.lock().unwrap().push(headers.clone());
    let token = shared.token.lock().unwrap().clone().map(|token| format!("Bearer {token}"));
    let brought = headers.get("authorization").and_then(|v| v.to_str().ok());
    if token.is_some() && token.as_deref() != brought {
        return (StatusCode::UNAUTHORIZED, "who are you?").into_response();
    }
    let question = match question::read(&shared.address, &headers, &body) {
        Ok(question) => question,
        Err(complaint) => {
            shared.complaints.lock().unwrap().push(complaint.clone());
            return answer::fault(StatusCode::BAD_REQUEST, &complaint);
        }
    };
    let manner = *shared.manner.lock().unwrap();
    if let Some(answer) = without_message(manner).await {
        return answer;
    }
    let refusal = match manner {
        Manner::Busy => Some("XDSRepositoryBusy"),
        Manner::OtherRepository => Some("XDSUnknownRepositoryId"),
        _ if question.repository != shared.id => Some("XDSUnknownRepositoryId"),
        _ => None,
    };
    let document = shared.documents.lock().unwrap().get(&question.document).cloned();
    let message = match (refusal, document) {
        (Some(code), _) => Message::refusal(&question, code),
        (None, None) => Message::refusal(&question, "XDSDocumentUniqueIdError"),
        (None, Some(bytes)) => Message::document(&question, manner, &bytes),
    };
    send(message, manner)
}

/// What comes in place of a SOAP message.
async fn without_message(manner: Manner) -> Option<Response> {
    Some(match manner {
        Manner::Hang => std::future::pending().await,
        Manner::Page => {
            ([("content-type", "text/html")], "<html>All is well</html>").into_response()
        }
        Manner::OtherXml => {
            ([("content-type", "application/soap+xml")], "<health>up</health>").into_response()
        }
        Manner::Entities => answer::entities(),
        Manner::Fault => answer::fault(
            StatusCode::INTERNAL_SERVER_ERROR,
            "no such thing of patient 9990001146 Okafor",
        ),
        Manner::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "not now").into_response(),
        Manner::Redirect => (StatusCode::FOUND, [("location", "/elsewhere")]).into_response(),
        _ => return None,
    })
}

fn send(message: Message, manner: Manner) -> Response {
    let Message { content_type, bytes } = message;
    let response = Response::builder().header("content-type", content_type);
    let body = match manner {
        Manner::Drips => {
            let chunks: Vec<Bytes> = bytes.chunks(97).map(Bytes::copy_from_slice).collect();
            let pause = if chunks.len() > 100 { 0 } else { 3 };
            Body::from_stream(stream::unfold(chunks.into_iter(), move |mut chunks| async move {
                tokio::time::sleep(Duration::from_millis(pause)).await;
                chunks.next().map(|chunk| (Ok::<_, std::io::Error>(chunk), chunks))
            }))
        }
        Manner::CutOff => {
            let half = bytes.slice(..bytes.len() - 40);
            let broken = Err(std::io::Error::other("the cable was pulled"));
            Body::from_stream(stream::iter([Ok(half), broken]))
        }
        _ => Body::from(bytes),
    };
    response.body(body).unwrap()
}
