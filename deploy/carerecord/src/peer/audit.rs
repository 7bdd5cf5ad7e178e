use async_trait::async_trait;
use carerecord_audit::{AuditPage, AuditQuestion, AuditSource, FeedQuestion, FeedReport};
use carerecord_model::{KeptRefusal, PortError, RefusedSubmissions, TriedAgain};
use carerecord_service::send;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::soap::{refused, unavailable, whole};

/// The log of a role in another process, and what a node keeps of refused submissions.
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

    /// Asks at the first way that answers. The routes of a role lie beside each other.
    async fn ask_any<Q, A>(&self, what: &str, route: &str, question: &Q) -> Result<A, PortError>
    where
        Q: Serialize + Sync,
        A: DeserializeOwned,
    {
        let mut failed = PortError::Unavailable("no address".to_owned());
        for at in self.urls.iter().filter_map(|url| url.strip_suffix("/audit")) {
            match self.ask(what, &format!("{at}{route}"), question).await {
                Ok(answer) => return Ok(answer),
                Err(error) => failed = error,
            }
        }
        Err(failed)
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
        self.ask_any("audit search", "/audit", question).await
    }

    async fn feeds(&self, question: &FeedQuestion) -> Result<FeedReport, PortError> {
        self.ask_any("feeds", "/feeds", question).await
    }
}

#[async_trait]
impl RefusedSubmissions for PeerLog {
    async fn kept_refusals(&self) -> Result<Vec<KeptRefusal>, PortError> {
        self.ask_any("refused submissions", "/refused", &()).await
    }

    async fn try_again(&self, request: &str) -> Result<TriedAgain, PortError> {
        let question = serde_json::json!({ "request": request });
        self.ask_any("refused submission again", "/refused/again", &question).await
    }
}

/// In bytes: a page of records, each with all the documents that it names.
const MAX_ANSWER: usize = 32 << 20;
