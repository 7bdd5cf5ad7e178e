use std::sync::Arc;

use async_trait::async_trait;
use carerecord_codec::mtom::cid_of_href;
use carerecord_codec::name::action;
use carerecord_codec::{ContentRef, RetrieveDocumentSetRequest, RetrieveDocumentSetResponse};
use carerecord_model::{
    ByteRange, ContentAnswer, ContentQuestion, DocumentBody, DocumentRepository, DocumentRequest,
    ElementAnswer, ElementQuestion, ErrorCode, NodeId, OnBehalf, PortError, RetrievedDocument,
    TransactionError, UniqueId,
};
use carerecord_service::{DELEGATION, Delegate, Delegation, Delegator, send};
use futures_util::stream;

use super::one_probe::OneProbe;
use super::soap::{PartReader, call_mtom, mtom, refused, unavailable, whole};

/// A repository node in another process: ours or anybody's.
#[derive(Clone)]
pub struct RepositoryClient {
    http: reqwest::Client,
    id: NodeId,
    url: String,
    status_url: Option<String>,
    search_url: Option<String>,
    /// Where what documents say in coded entries is given: beside the search.
    elements_url: Option<String>,
    /// Says for whom it is asked, where the node is told.
    delegations: Option<Arc<Delegator>>,
    probe: OneProbe,
}

impl RepositoryClient {
    /// The node at this ITI-43 address.
    pub fn new(http: reqwest::Client, id: NodeId, url: &str, status_url: Option<String>) -> Self {
        Self {
            http,
            id,
            url: url.to_owned(),
            status_url,
            search_url: None,
            elements_url: None,
            delegations: None,
            probe: OneProbe::default(),
        }
    }

    /// The same, which can be searched inside at this address, when there is one.
    pub fn with_search(self, search_url: Option<String>) -> Self {
        let parsed = search_url.as_deref().and_then(|url| reqwest::Url::parse(url).ok());
        let beside = parsed.and_then(|url| url.join("/peer/elements").ok());
        Self { search_url, elements_url: beside.map(String::from), ..self }
    }

    /// The same, which is told for whom it is asked.
    pub fn with_delegations(self, delegations: Option<Arc<Delegator>>) -> Self {
        Self { delegations, ..self }
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
        let whom = Delegation::new(self.delegations.clone(), Delegate::portal());
        let (answer, _) = self.ask(&nothing, &whom).await?;
        Ok(answer.documents.is_empty().then(|| {
            let silent = "it gave neither document nor error";
            let silent = TransactionError::one(ErrorCode::XDSRepositoryError, silent);
            answer.response.into_result().err().unwrap_or(silent)
        }))
    }

    async fn ask(
        &self,
        request: &DocumentRequest,
        whom: &dyn OnBehalf,
    ) -> Result<(RetrieveDocumentSetResponse, Option<PartReader>), PortError> {
        let statement = self.statement(whom, std::slice::from_ref(&request.document_unique_id))?;
        let request = RetrieveDocumentSetRequest { documents: vec![request.clone()] };
        call_mtom(&self.http, &self.url, action::RETRIEVE, &request, statement).await
    }

    /// Asks a node of ours in JSON about documents.
    async fn question(
        &self,
        (url, what): (&str, &str),
        question: &impl serde::Serialize,
        documents: &[UniqueId],
        whom: &dyn OnBehalf,
    ) -> Result<reqwest::Response, PortError> {
        let mut request = self.http.post(url).json(question);
        if let Some(statement) = self.statement(whom, documents)? {
            request = request.header(DELEGATION, statement);
        }
        send(("http", what), request).await.0.map_err(unavailable)
    }

    fn statement(
        &self,
        whom: &dyn OnBehalf,
        documents: &[UniqueId],
    ) -> Result<Option<String>, PortError> {
        match self.delegations {
            Some(_) => whom.statement(&self.id, documents),
            None => Ok(None),
        }
    }
}

#[async_trait]
impl DocumentRepository for RepositoryClient {
    async fn retrieve(
        &self,
        request: &DocumentRequest,
        _: Option<ByteRange>,
        whom: &dyn OnBehalf,
    ) -> Result<RetrievedDocument, PortError> {
        let (answer, parts) = self.ask(request, whom).await?;
        if answer.documents.is_empty() {
            let errors = answer.response.into_result().err();
            let none = "the node gave neither document nor error";
            let silent = || TransactionError::one(ErrorCode::XDSRepositoryError, none);
            return Err(PortError::Transaction(errors.unwrap_or_else(silent)));
        }
        let wanted = &request.document_unique_id;
        let mut documents = answer.documents.into_iter();
        let document = documents
            .find(|document| document.request.document_unique_id == *wanted)
            .ok_or_else(|| PortError::Protocol("the node gave another document".into()))?;
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

    async fn search(
        &self,
        question: &ContentQuestion,
        whom: &dyn OnBehalf,
    ) -> Result<Option<ContentAnswer>, PortError> {
        let Some(url) = &self.search_url else { return self.probe().await.map(|()| None) };
        let asked = (url.as_str(), "search in documents");
        let response = self.question(asked, question, &question.documents, whom).await?;
        answer(response).await.map(Some)
    }

    async fn elements(
        &self,
        question: &ElementQuestion,
        whom: &dyn OnBehalf,
    ) -> Result<Option<ElementAnswer>, PortError> {
        let Some(url) = &self.elements_url else { return self.probe().await.map(|()| None) };
        let asked = (url.as_str(), "elements of documents");
        let response = self.question(asked, question, &question.documents, whom).await?;
        if response.status() == reqwest::StatusCode::NOT_FOUND {
            // A node of an earlier release takes none out.
            return Ok(None);
        }
        answer(response).await.map(Some)
    }

    async fn probe(&self) -> Result<(), PortError> {
        self.probe.wait_or(self.ask_whether_it_serves()).await
    }
}

impl RepositoryClient {
    async fn ask_whether_it_serves(&self) -> Result<(), PortError> {
        if let Some(url) = &self.status_url {
            let (answer, _) = send(("http", "probe"), self.http.get(url)).await;
            let status = answer.map_err(unavailable)?.status();
            return if status.is_success() { Ok(()) } else { Err(refused(status)) };
        }
        // Whatever it says of a document that nobody has: it answers. Unless it says that it can
        // answer nobody, or is not the one who is asked for.
        match self.ask_for_nothing().await? {
            Some(error) if cannot_serve(&error) => Err(error.into()),
            Some(_) | None => Ok(()),
        }
    }
}

/// What a node of ours answers in JSON.
async fn answer<T: serde::de::DeserializeOwned>(
    response: reqwest::Response,
) -> Result<T, PortError> {
    if !response.status().is_success() {
        return Err(refused(response.status()));
    }
    let bytes = whole(response, MAX_ANSWER).await?;
    serde_json::from_slice(&bytes).map_err(|_| PortError::Protocol("the answer is none".into()))
}

fn cannot_serve(error: &TransactionError) -> bool {
    error.0.iter().any(|e| {
        [
            ErrorCode::XDSUnknownRepositoryId,
            ErrorCode::XDSRepositoryBusy,
            ErrorCode::XDSRepositoryOutOfResources,
            ErrorCode::XDSRegistryNotAvailable,
        ]
        .contains(&e.code)
    })
}

/// The bytes of the part that an Include names.
async fn part(href: &str, parts: Option<PartReader>) -> Result<DocumentBody, PortError> {
    let missing = || PortError::Protocol("the part that the answer names is not there".into());
    let (raw, decoded) = cid_of_href(href).ok_or_else(missing)?;
    let mut parts = parts.ok_or_else(missing)?;
    loop {
        let headers = parts.next_part().await.map_err(mtom)?.ok_or_else(missing)?;
        let ours = headers.content_id.is_some_and(|id| id == raw || id == decoded);
        if ours {
            break;
        }
    }
    let body = stream::try_unfold(parts, |mut parts| async move {
        match parts.chunk().await {
            Ok(Some(chunk)) => Ok(Some((chunk, parts))),
            Ok(None) => Ok(None),
            Err(error) => Err(mtom(error)),
        }
    });
    Ok(Box::pin(body))
}

/// Of a question about documents, in bytes.
const MAX_ANSWER: usize = 32 << 20;
const PROBE: &str = "2.25.0";
