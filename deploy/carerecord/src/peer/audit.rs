use async_trait::async_trait;
use carerecord_audit::{AuditPage, AuditQuestion, AuditSource};
use carerecord_model::PortError;

use super::soap::{refused, unavailable, whole};
use super::traced;

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

    async fn ask(&self, url: &str, question: &AuditQuestion) -> Result<AuditPage, PortError> {
        let request = traced(self.http.post(url)).json(question);
        let response = request.send().await.map_err(unavailable)?;
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
            match self.ask(url, question).await {
                Ok(page) => return Ok(page),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }
}

/// In bytes: a page of records, each with all the documents that it names.
const MAX_ANSWER: usize = 32 << 20;
