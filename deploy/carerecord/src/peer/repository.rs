use async_trait::async_trait;
use carerecord_codec::mtom::cid_of_href;
use carerecord_codec::name::action;
use carerecord_codec::{ContentRef, RetrieveDocumentSetRequest, RetrieveDocumentSetResponse};
use carerecord_model::{
    ByteRange, ContentAnswer, ContentQuestion, DocumentBody, DocumentRepository, DocumentRequest,
    ErrorCode, NodeId, PortError, RetrievedDocument, TransactionError,
};
use futures_util::stream;

use super::soap::{PartReader, call_mtom, unavailable};

/// A repository node in another process: ours or anybody's.
#[derive(Clone)]
pub struct RepositoryClient {
    http: reqwest::Client,
    id: NodeId,
    url: String,
    status_url: Option<String>,
    search_url: Option<String>,
}

impl RepositoryClient {
    /// The node at this ITI-43 address.
    pub fn new(http: reqwest::Client, id: NodeId, url: &str, status_url: Option<String>) -> Self {
        Self { http, id, url: url.to_owned(), status_url, search_url: None }
    }

    /// The same, which can be searched inside at this address, when there is one.
    pub fn with_search(self, search_url: Option<String>) -> Self {
        Self { search_url, ..self }
    }

    /// Asks for a document that nobody has. What the node says of it; `None` when it gives one.
    pub async fn ask_for_nothing(&self) -> Result<Option<TransactionError>, PortError> {
        let nothing = DocumentRequest {
            home_community_id: None,
            repository_unique_id: self.id.clone(),
            document_unique_id: PROBE
                .parse()
                .map_err(|_| PortError::Protocol("probe id".into()))?,
        };
        let (answer, _) = self.ask(&nothing).await?;
        Ok(answer.documents.is_empty().then(|| {
            let silent = "it gave neither document nor error";
            let silent = TransactionError::one(ErrorCode::XDSRepositoryError, silent);
            answer.response.into_result().err().unwrap_or(silent)
        }))
    }

    async fn ask(
        &self,
        request: &DocumentRequest,
    ) -> Result<(RetrieveDocumentSetResponse, Option<PartReader>), PortError> {
        let request = RetrieveDocumentSetRequest { documents: vec![request.clone()] };
        call_mtom(&self.http, &self.url, action::RETRIEVE, &request).await
    }
}

#[async_trait]
impl DocumentRepository for RepositoryClient {
    async fn retrieve(
        &self,
        request: &DocumentRequest,
        _: Option<ByteRange>,
    ) -> Result<RetrievedDocument, PortError> {
        let (answer, parts) = self.ask(request).await?;
        let Some(document) = answer.documents.into_iter().next() else {
            let errors = answer.response.into_result().err();
            let none = "the node gave neither document nor error";
            let silent = || TransactionError::one(ErrorCode::XDSRepositoryError, none);
            return Err(PortError::Transaction(errors.unwrap_or_else(silent)));
        };
        let mime_type = document
            .mime_type
            .parse()
            .map_err(|_| PortError::Protocol("the node gave no usable mimeType".into()))?;
        let body: DocumentBody = match document.content {
            ContentRef::Inline(bytes) => Box::pin(stream::once(std::future::ready(Ok(bytes)))),
            ContentRef::Include(href) => part(&href, parts).await?,
        };
        Ok(RetrievedDocument { mime_type, size: None, hash: None, body, range: None })
    }

    async fn search(&self, question: &ContentQuestion) -> Result<Option<ContentAnswer>, PortError> {
        let Some(url) = &self.search_url else { return self.probe().await.map(|()| None) };
        let response = self.http.post(url).json(question).send().await.map_err(unavailable)?;
        let mut response = response.error_for_status().map_err(unavailable)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unavailable)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > MAX_ANSWER {
                return Err(PortError::Protocol("the answer is too long".into()));
            }
        }
        let answer = serde_json::from_slice(&bytes);
        answer.map(Some).map_err(|_| PortError::Protocol("the answer is none".into()))
    }

    async fn probe(&self) -> Result<(), PortError> {
        if let Some(url) = &self.status_url {
            let answer = self.http.get(url).send().await.map_err(unavailable)?;
            answer.error_for_status().map_err(unavailable)?;
            return Ok(());
        }
        // Whatever it says of a document that nobody has: it answers.
        self.ask_for_nothing().await.map(drop)
    }
}

/// The bytes of the part that an Include names.
async fn part(href: &str, parts: Option<PartReader>) -> Result<DocumentBody, PortError> {
    let missing = || PortError::Protocol("the part that the answer names is not there".into());
    let (raw, decoded) = cid_of_href(href).ok_or_else(missing)?;
    let mut parts = parts.ok_or_else(missing)?;
    let protocol = |e: carerecord_codec::mtom::MtomError| PortError::Protocol(e.to_string());
    loop {
        let headers = parts.next_part().await.map_err(protocol)?.ok_or_else(missing)?;
        let ours = headers.content_id.is_some_and(|id| id == raw || id == decoded);
        if ours {
            break;
        }
    }
    let body = stream::try_unfold(parts, |mut parts| async move {
        match parts.chunk().await {
            Ok(Some(chunk)) => Ok(Some((chunk, parts))),
            Ok(None) => Ok(None),
            Err(error) => Err(PortError::Protocol(error.to_string())),
        }
    });
    Ok(Box::pin(body))
}

/// Of a search inside documents, in bytes.
const MAX_ANSWER: usize = 32 << 20;
const PROBE: &str = "2.25.0";
