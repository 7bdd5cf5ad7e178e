use async_trait::async_trait;
use carerecord_audit::{AuditPage, AuditQuestion, AuditSource, FeedQuestion, FeedReport};
use carerecord_model::PortError;
use carerecord_service::send;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::soap::{refused, unavailable, whole};

/// The log of a role in another process.
pub struct PeerLog {
    http: reqwest::Client,
    /// The ways to it, the first one asked first.
    urls: Vec<String>,
}

impl PeerLog {
    /// The log that is searched at any of these addresses.
    pub fn new(http: reqwest::Client, urls: Vec<String>) -> Self {
        Self { http, urls }
    }

    async fn ask<Q, A>(&self, what: &str, url: &str, question: &Q) -> Result<A, PortError>
    where
        Q: Serialize + Sync,
        A: DeserializeOwned,
    {
        let request = self.http.post(url).json(question);
        let (response, _) = send(("http", what), request).await;
        let response = response.map_err(unavailable)?;
        if !response.status().is_success() {
            return Err(refused(response.status()));
        }
        let bytes = whole(response, MAX_ANSWER).await?;
        serde_json::from_slice(&bytes).map_err(|_| PortError::Protocol("the answer is none".into()))
    }
}

#[async_trait]
impl AuditSource for PeerLog {
    async fn look(&self, question: &AuditQuestion) -> Result<AuditPage, PortError> {
        let mut failed = PortError::Unavailable("no address".to_owned());
        for url in &self.urls {
            match self.ask("audit search", url, question).await {
                Ok(page) => return Ok(page),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    async fn feeds(&self, question: &FeedQuestion) -> Result<FeedReport, PortError> {
        let mut failed = PortError::Unavailable("no address".to_owned());
        for url in &self.urls {
            // The routes of a role lie beside each other.
            let Some(url) = url.strip_suffix("/audit").map(|at| format!("{at}/feeds")) else {
                continue;
            };
            match self.ask("feeds", &url, question).await {
                Ok(report) => return Ok(report),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }
}

/// In bytes: a page of records, each with all the documents that it names.
const MAX_ANSWER: usize = 32 << 20;
