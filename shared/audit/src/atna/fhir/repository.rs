use std::io;
use std::sync::Arc;
use std::time::Duration;

use carerecord_model::retry_after;
use carerecord_storage::StoreError;
use jiff::Timestamp;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{RequestBuilder, Response};
use serde::Deserialize;
use serde_json::{Value, json};

/// Gives the token anew for each request, so that it can be changed while the process runs.
pub type TokenSource = Arc<dyn Fn() -> io::Result<String> + Send + Sync>;

/// A repository of audit records that takes them by FHIR. RESTful ATNA, 3.20.4.2.
#[derive(Clone)]
pub struct FhirRepository {
    /// What speaks to it.
    pub http: reqwest::Client,
    /// Its base address.
    pub base: String,
    /// The bearer token, where it wants one.
    pub token: Option<TokenSource>,
    /// How long it may take to answer.
    pub deadline: Duration,
}

/// Why records were not taken.
#[derive(Debug, thiserror::Error)]
pub enum FhirFeedError {
    /// There is no connection, or it broke.
    #[error("the repository cannot be reached: {0}")]
    Unreachable(String),
    /// It said nothing, or not to the end.
    #[error("the repository has not answered within {} ms", .0.as_millis())]
    Late(Duration),
    /// It has no time for it, or does not let us in.
    #[error("the repository answers with HTTP {0}")]
    NotNow(u16, Option<Duration>),
    /// It has refused the records before, too, and takes none.
    #[error("the repository refuses one record after the other, with HTTP {0}")]
    TakesNone(u16),
    /// Nobody knows what it took.
    #[error("the repository does not answer a batch with a batch-response for each record")]
    NoBatchResponse,
    /// We have no token.
    #[error("the token cannot be read: {0}")]
    Token(#[source] io::Error),
    /// Another process over the same database was slow, or we were.
    #[error("another process sends the records meanwhile")]
    Superseded,
    /// The records cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was said to a request.
pub(super) struct Said {
    pub status: u16,
    pub retry_after: Option<Duration>,
    body: Vec<u8>,
}

impl FhirRepository {
    /// A request for its CapabilityStatement.
    ///
    /// # Errors
    /// When there is no token to ask with.
    pub fn metadata(&self) -> Result<RequestBuilder, FhirFeedError> {
        self.known(self.http.get(self.at("metadata")).header(ACCEPT, FHIR_JSON))
    }

    /// Gives it one record.
    pub(super) async fn create(
        &self,
        event: &Value,
        now: Timestamp,
    ) -> Result<Said, FhirFeedError> {
        self.post(&self.at("AuditEvent"), event, now).await
    }

    /// Gives it several records, each to be taken or not by itself.
    pub(super) async fn batch(
        &self,
        events: &[Value],
        now: Timestamp,
    ) -> Result<Said, FhirFeedError> {
        let entries = events.iter().map(|event| {
            json!({
                "fullUrl": format!("urn:uuid:{}", event["id"].as_str().unwrap_or_default()),
                "resource": event,
                "request": { "method": "POST", "url": "AuditEvent" },
            })
        });
        let entries: Vec<Value> = entries.collect();
        let bundle = json!({ "resourceType": "Bundle", "type": "batch", "entry": entries });
        self.post(self.base.trim_end_matches('/'), &bundle, now).await
    }

    async fn post(&self, url: &str, body: &Value, now: Timestamp) -> Result<Said, FhirFeedError> {
        let request = self.http.post(url).header(ACCEPT, FHIR_JSON).header(CONTENT_TYPE, FHIR_JSON);
        let request = self.known(request.header("prefer", "return=minimal"))?;
        let said = async {
            let response = request.body(body.to_string()).send().await.map_err(unreachable)?;
            let wait = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok());
            let retry_after = wait.and_then(|text| retry_after(text, now));
            let status = response.status().as_u16();
            let body = read(response).await?;
            Ok(Said { status, retry_after, body })
        };
        let answered = tokio::time::timeout(self.deadline, said).await;
        answered.unwrap_or(Err(FhirFeedError::Late(self.deadline)))
    }

    fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.base.trim_end_matches('/'))
    }

    fn known(&self, request: RequestBuilder) -> Result<RequestBuilder, FhirFeedError> {
        let Some(token) = &self.token else { return Ok(request) };
        let token = token().map_err(FhirFeedError::Token)?;
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|e| FhirFeedError::Token(io::Error::other(e)))?;
        value.set_sensitive(true);
        Ok(request.header(AUTHORIZATION, value))
    }
}

impl Said {
    /// The status of each entry of a batch, in its order.
    pub(super) fn entries(&self, count: usize) -> Result<Vec<u16>, FhirFeedError> {
        let bundle: BatchResponse =
            serde_json::from_slice(&self.body).map_err(|_| FhirFeedError::NoBatchResponse)?;
        let statuses: Vec<u16> = bundle
            .entry
            .iter()
            .filter_map(|e| e.response.status.split(' ').next()?.parse().ok())
            .collect();
        if bundle.kind == "batch-response" && statuses.len() == count {
            Ok(statuses)
        } else {
            Err(FhirFeedError::NoBatchResponse)
        }
    }

    /// Whether it is said in FHIR why, and not by what stands before the repository.
    pub(super) fn is_outcome(&self) -> bool {
        let resource = serde_json::from_slice::<Value>(&self.body);
        resource.is_ok_and(|resource| resource["resourceType"] == "OperationOutcome")
    }

    pub(super) fn not_now(&self) -> FhirFeedError {
        FhirFeedError::NotNow(self.status, self.retry_after)
    }
}

#[derive(Deserialize)]
struct BatchResponse {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    entry: Vec<EntryResponse>,
}

#[derive(Deserialize)]
struct EntryResponse {
    response: EntryStatus,
}

#[derive(Deserialize)]
struct EntryStatus {
    status: String,
}

/// The body, as far as we read any: what is longer is no answer to what we send.
async fn read(mut response: Response) -> Result<Vec<u8>, FhirFeedError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > MAX_ANSWER {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Without the address: it is told once, as the feed's name.
fn unreachable(error: reqwest::Error) -> FhirFeedError {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    FhirFeedError::Unreachable(text)
}

const FHIR_JSON: &str = "application/fhir+json";
const MAX_ANSWER: usize = 4 << 20;
