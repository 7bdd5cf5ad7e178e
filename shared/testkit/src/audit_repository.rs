use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::free_ports;

/// An audit record repository of RESTful ATNA: it takes AuditEvents by themselves and in batches, and
/// gives each an id of its own. At a port of loopback, which it keeps while it is away.
pub struct AuditRepository {
    port: u16,
    shared: Arc<Shared>,
    serving: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

/// What the repository does instead of taking records.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RepositoryFault {
    /// Answers every request with this status and, where told, a `Retry-After` in seconds.
    Status(u16, Option<u32>),
    /// Answers every request with this status and a page, as a proxy does that lets nobody through.
    Proxy(u16),
    /// Answers a Bundle with this status; takes single records.
    Bundles(u16),
    /// Takes what comes, and never says so.
    Silent,
    /// Takes what comes, and says something else than a batch-response.
    Page,
}

#[derive(Default)]
struct Shared {
    token: Mutex<Option<String>>,
    fault: Mutex<Option<RepositoryFault>>,
    /// Of records with this request id (`XrequestId`).
    refused: Mutex<HashMap<String, u16>>,
    taken: Mutex<Vec<Value>>,
    /// How many records each request had.
    requests: Mutex<Vec<usize>>,
    complaints: Mutex<Vec<String>>,
}

impl AuditRepository {
    /// Starts one.
    pub async fn start() -> Self {
        let port = free_ports(1)[0];
        let mut repository = Self { port, shared: Arc::default(), serving: None };
        repository.come_back().await;
        repository
    }

    /// Its base address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/fhir", self.port)
    }

    /// Takes no connections any more, and ends those that there are.
    pub async fn go_away(&mut self) {
        if let Some((stop, mut serving)) = self.serving.take() {
            drop(stop);
            // An answer that never comes is not waited for.
            if tokio::time::timeout(Duration::from_secs(2), &mut serving).await.is_err() {
                serving.abort();
            }
        }
    }

    /// Is there again, with what it has taken.
    #[expect(clippy::disallowed_methods, reason = "a test's server ends with the test")]
    pub async fn come_back(&mut self) {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        let router = Router::new().fallback(answer).with_state(self.shared.clone());
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = axum::serve(listener, router).with_graceful_shutdown(async move {
            stopped.await.ok();
        });
        let serving = tokio::spawn(async move { serving.await.unwrap() });
        self.serving = Some((stop, serving));
    }

    /// Does this from now on.
    pub fn behave(&self, fault: Option<RepositoryFault>) {
        *self.shared.fault.lock().unwrap() = fault;
    }

    /// Serves only those who bring this token.
    pub fn wants(&self, token: &str) {
        *self.shared.token.lock().unwrap() = Some(token.to_owned());
    }

    /// Refuses, with this status, records of the request with this id; without a status, no more.
    pub fn refuse(&self, request_id: &str, status: Option<u16>) {
        let mut refused = self.shared.refused.lock().unwrap();
        refused.remove(request_id);
        refused.extend(status.map(|status| (request_id.to_owned(), status)));
    }

    /// The AuditEvents that it has taken, in the order in which they came, as they were sent.
    pub fn taken(&self) -> Vec<Value> {
        self.shared.taken.lock().unwrap().clone()
    }

    /// How many records each request had, whatever became of it.
    pub fn requests(&self) -> Vec<usize> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// What was wrong with what it was sent.
    pub fn complaints(&self) -> Vec<String> {
        self.shared.complaints.lock().unwrap().clone()
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let token = shared.token.lock().unwrap().clone().map(|token| format!("Bearer {token}"));
    if token.is_some() && token.as_deref() != header("authorization") {
        return outcome(StatusCode::UNAUTHORIZED);
    }
    let fault = *shared.fault.lock().unwrap();
    if let Some(RepositoryFault::Status(status, wait)) = fault {
        if method == Method::POST {
            shared.requests.lock().unwrap().push(0);
        }
        let mut answer = outcome(StatusCode::from_u16(status).unwrap());
        if let Some(seconds) = wait {
            answer.headers_mut().insert("retry-after", seconds.into());
        }
        return answer;
    }
    if let Some(RepositoryFault::Proxy(status)) = fault {
        let page = "<html>No required SSL certificate was sent</html>";
        return (StatusCode::from_u16(status).unwrap(), page).into_response();
    }
    if (method.as_str(), uri.path()) == ("GET", "/fhir/metadata") {
        let statement = json!({ "resourceType": "CapabilityStatement", "fhirVersion": "4.0.1" });
        return fhir(StatusCode::OK, &statement);
    }
    let read = match (method.as_str(), uri.path(), header("content-type")) {
        ("POST", "/fhir", Some("application/fhir+json")) => batch(&body),
        ("POST", "/fhir/AuditEvent", Some("application/fhir+json")) => single(&body),
        other => Err(format!("{other:?}")),
    };
    let events = match read {
        Ok(events) => events,
        Err(complaint) => {
            shared.complaints.lock().unwrap().push(complaint);
            return outcome(StatusCode::BAD_REQUEST);
        }
    };
    shared.requests.lock().unwrap().push(events.len());
    let is_batch = uri.path() == "/fhir";
    if let (Some(RepositoryFault::Bundles(status)), true) = (fault, is_batch) {
        return outcome(StatusCode::from_u16(status).unwrap());
    }
    let statuses: Vec<u16> = events.into_iter().map(|event| shared.take(event)).collect();
    match fault {
        Some(RepositoryFault::Silent) => tokio::time::sleep(Duration::from_secs(3600)).await,
        Some(RepositoryFault::Page) => return "<html>All is well</html>".into_response(),
        Some(
            RepositoryFault::Status(..) | RepositoryFault::Proxy(_) | RepositoryFault::Bundles(_),
        )
        | None => {}
    }
    if !is_batch {
        return outcome(StatusCode::from_u16(statuses[0]).unwrap());
    }
    let entries: Vec<Value> = statuses
        .iter()
        .map(|status| json!({ "response": { "status": format!("{status} So") } }))
        .collect();
    let bundle = json!({ "resourceType": "Bundle", "type": "batch-response", "entry": entries });
    fhir(StatusCode::OK, &bundle)
}

impl Shared {
    /// Takes a record, or says why not.
    fn take(&self, event: Value) -> u16 {
        let entities = event["entity"].as_array().cloned().unwrap_or_default();
        let refused = self.refused.lock().unwrap();
        let ids = entities.iter().filter_map(|e| e["what"]["identifier"]["value"].as_str());
        if let Some(status) = ids.filter_map(|id| refused.get(id)).next() {
            return *status;
        }
        self.taken.lock().unwrap().push(event);
        201
    }
}

fn batch(body: &[u8]) -> Result<Vec<Value>, String> {
    let bundle: Value = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    if (&bundle["resourceType"], &bundle["type"]) != (&json!("Bundle"), &json!("batch")) {
        return Err(format!("no batch: {bundle}"));
    }
    let entries = bundle["entry"].as_array().ok_or("a batch of nothing")?;
    let event = |entry: &Value| {
        if entry["request"] != json!({ "method": "POST", "url": "AuditEvent" }) {
            return Err(format!("no create: {}", entry["request"]));
        }
        let named = format!("urn:uuid:{}", entry["resource"]["id"].as_str().unwrap_or_default());
        if entry["fullUrl"] != named.as_str() {
            return Err(format!("fullUrl {} of {named}", entry["fullUrl"]));
        }
        checked(entry["resource"].clone())
    };
    entries.iter().map(event).collect()
}

fn single(body: &[u8]) -> Result<Vec<Value>, String> {
    let event = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    Ok(vec![checked(event)?])
}

/// What FHIR R4 says an AuditEvent has to have.
fn checked(event: Value) -> Result<Value, String> {
    let agents = event["agent"].as_array().cloned().unwrap_or_default();
    let whole = event["resourceType"] == "AuditEvent"
        && event["type"]["code"].is_string()
        && event["recorded"].is_string()
        && event["source"]["observer"].is_object()
        && !agents.is_empty()
        && agents.iter().all(|agent| agent["requestor"].is_boolean());
    if whole { Ok(event) } else { Err(format!("no AuditEvent: {event}")) }
}

fn outcome(status: StatusCode) -> Response {
    let severity = if status.is_success() { "information" } else { "error" };
    let issue = json!([{ "severity": severity, "code": "processing" }]);
    fhir(status, &json!({ "resourceType": "OperationOutcome", "issue": issue }))
}

fn fhir(status: StatusCode, resource: &Value) -> Response {
    (status, [("content-type", "application/fhir+json")], resource.to_string()).into_response()
}
