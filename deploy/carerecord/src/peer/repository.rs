use std::sync::Arc;

use async_trait::async_trait;
use carerecord_codec::mtom::cid_of_href;
use carerecord_codec::name::action;
use carerecord_codec::{ContentRef, RetrieveDocumentSetRequest, RetrieveDocumentSetResponse};
use carerecord_model::{
    ByteRange, ContentAnswer, ContentQuestion, DocumentBody, DocumentRepository, DocumentRequest,
    ErrorCode, NodeId, OnBehalf, PortError, RetrievedDocument, TransactionError, UniqueId,
};
use carerecord_service::{DELEGATION, Delegate, Delegation, Delegator};
use futures_util::stream;

use super::soap::{PartReader, call_mtom, mtom, refused, unavailable, whole};
use super::traced;

/// A repository node in another process: ours or anybody's.
#[derive(Clone)]
pub struct RepositoryClient {
    http: reqwest::Client,
    id: NodeId,
    url: String,
    status_url: Option<String>,
    search_url: Option<String>,
    /// Says for whom it is asked, where the node is told.
    delegations: Option<Arc<Delegator>>,
}

impl RepositoryClient {
    /// The node at this ITI-43 address.
    pub fn new(http: reqwest::Client, id: NodeId, url: &str, status_url: Option<String>) -> Self {
        Self { http, id, url: url.to_owned(), status_url, search_url: None, delegations: None }
    }

    /// The same, which can be searched inside at this address, when there is one.
    pub fn with_search(self, search_url: Option<String>) -> Self {
        Self { search_url, ..self }
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
        let mut request = traced(self.http.post(url)).json(question);
        if let Some(statement) = self.statement(whom, &question.documents)? {
            request = request.header(DELEGATION, statement);
        }
        let response = request.send().await.map_err(unavailable)?;
        if !response.status().is_success() {
            return Err(refused(response.status()));
        }
        let bytes = whole(response, MAX_ANSWER).await?;
        let answer = serde_json::from_slice(&bytes);
        answer.map(Some).map_err(|_| PortError::Protocol("the answer is none".into()))
    }

    async fn probe(&self) -> Result<(), PortError> {
        if let Some(url) = &self.status_url {
            let answer = self.http.get(url).send().await.map_err(unavailable)?;
            let status = answer.status();
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

/// Of a search inside documents, in bytes.
const MAX_ANSWER: usize = 32 << 20;
const PROBE: &str = "2.25.0";
