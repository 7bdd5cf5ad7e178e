use std::sync::Arc;

use async_trait::async_trait;
use carerecord_access::Caller;
use carerecord_audit::AuditEvent;
use carerecord_codec::mtom::MtomReader;
use carerecord_codec::{
    ContentRef, DocumentContent, ProvideAndRegisterDocumentSetRequest, SubmitObjectsRequest,
};
use carerecord_model::{
    ByteRange, ContentAnswer, ContentQuestion, DocumentRecipient, DocumentRepository,
    DocumentRequest, ElementAnswer, ElementQuestion, KeptRefusal, OnBehalf, PortError,
    RefusedSubmissions, Registered, RetrievedDocument, SentDocument, Submission, TriedAgain,
    UniqueId,
};
use carerecord_service::{Asker, AuditDraft, Callers, DelegationMode, Delegations};

use crate::Repository;

/// A node as another role of the same process sees it.
#[derive(Clone)]
pub struct LocalRepository {
    repository: Repository,
    caller: Caller,
    callers: Callers,
    draft: fn(&Caller) -> AuditEvent,
}

impl LocalRepository {
    /// Binds the node to a caller. `draft` makes an audit draft.
    pub fn new(repository: Repository, caller: Caller, draft: fn(&Caller) -> AuditEvent) -> Self {
        let callers = Callers::from(caller.clone());
        Self { repository, caller, callers, draft }
    }

    /// The same where it must be said for whom the other role asks.
    #[must_use]
    pub fn with_delegations(self, delegations: Arc<Delegations>) -> Self {
        let callers = self.callers.with_delegations(delegations, DelegationMode::Required);
        Self { callers, ..self }
    }

    fn asker(
        &self,
        whom: &dyn OnBehalf,
        documents: &[UniqueId],
        draft: &AuditDraft,
    ) -> Result<Asker, PortError> {
        let node = self.repository.id();
        let statement = whom.statement(node, documents)?;
        let callers = self.callers.clone().with_statement(statement.as_deref());
        callers.asker(&self.caller, node, documents, draft).map_err(|error| PortError::Refused {
            with: "a refusal".to_owned(),
            reason: Some(error.to_string()),
        })
    }
}

#[async_trait]
impl DocumentRecipient for LocalRepository {
    async fn provide_and_register(
        &self,
        submission: Submission,
        documents: Vec<SentDocument>,
    ) -> Result<Registered, PortError> {
        let content = |document: SentDocument| DocumentContent {
            id: document.entry.to_string(),
            content: ContentRef::Inline(document.bytes),
        };
        let request = ProvideAndRegisterDocumentSetRequest {
            submit: SubmitObjectsRequest::new(&submission),
            documents: documents.into_iter().map(content).collect(),
        };
        let draft = AuditDraft::detached((self.draft)(&self.caller));
        let parts: Option<MtomReader<NoParts>> = None;
        let done = self.repository.provide_and_register(&self.caller, request, parts, &draft);
        done.await.map_err(PortError::Transaction)
    }
}

#[async_trait]
impl RefusedSubmissions for LocalRepository {
    async fn kept_refusals(&self) -> Result<Vec<KeptRefusal>, PortError> {
        let kept = self.repository.kept_refusals().await;
        kept.map_err(|e| PortError::Unavailable(e.to_string()))
    }

    async fn try_again(&self, request: &str) -> Result<TriedAgain, PortError> {
        let draft = AuditDraft::detached((self.draft)(&self.caller));
        self.repository.try_again(request, &draft).await
    }
}

/// The documents stand in the request itself.
type NoParts = futures_util::stream::Empty<Result<bytes::Bytes, std::io::Error>>;

#[async_trait]
impl DocumentRepository for LocalRepository {
    async fn retrieve(
        &self,
        request: &DocumentRequest,
        range: Option<ByteRange>,
        whom: &dyn OnBehalf,
    ) -> Result<RetrievedDocument, PortError> {
        let draft = AuditDraft::detached((self.draft)(&self.caller));
        let documents = std::slice::from_ref(&request.document_unique_id);
        let asker = self.asker(whom, documents, &draft)?;
        let found = self.repository.retrieve(&asker, request, range, &draft).await;
        found.map(|given| given.into_value().document).map_err(PortError::Transaction)
    }

    async fn search(
        &self,
        question: &ContentQuestion,
        whom: &dyn OnBehalf,
    ) -> Result<Option<ContentAnswer>, PortError> {
        let draft = AuditDraft::detached((self.draft)(&self.caller));
        let asker = self.asker(whom, &question.documents, &draft)?;
        let found = self.repository.search_documents(&asker, question.clone(), &draft).await;
        found.map(Some).map_err(|e| PortError::Unavailable(e.to_string()))
    }

    async fn elements(
        &self,
        question: &ElementQuestion,
        whom: &dyn OnBehalf,
    ) -> Result<Option<ElementAnswer>, PortError> {
        let draft = AuditDraft::detached((self.draft)(&self.caller));
        let asker = self.asker(whom, &question.documents, &draft)?;
        let found = self.repository.document_elements(&asker, question.clone(), &draft).await;
        found.map(Some).map_err(|e| PortError::Unavailable(e.to_string()))
    }

    async fn probe(&self) -> Result<(), PortError> {
        let ping = self.repository.database().ping().await;
        ping.map_err(|e| PortError::Unavailable(e.to_string()))
    }
}
