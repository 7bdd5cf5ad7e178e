use async_trait::async_trait;
use carerecord_access::Caller;
use carerecord_audit::AuditEvent;
use carerecord_model::{
    ByteRange, ContentAnswer, ContentQuestion, DocumentRepository, DocumentRequest, PortError,
    RetrievedDocument,
};
use carerecord_service::AuditDraft;

use crate::Repository;

/// A node as another role of the same process sees it.
#[derive(Clone)]
pub struct LocalRepository {
    repository: Repository,
    caller: Caller,
    draft: fn(&Caller) -> AuditEvent,
}

impl LocalRepository {
    /// Binds the node to a caller. `draft` makes an audit draft.
    pub fn new(repository: Repository, caller: Caller, draft: fn(&Caller) -> AuditEvent) -> Self {
        Self { repository, caller, draft }
    }
}

#[async_trait]
impl DocumentRepository for LocalRepository {
    async fn retrieve(
        &self,
        request: &DocumentRequest,
        range: Option<ByteRange>,
    ) -> Result<RetrievedDocument, PortError> {
        let draft = AuditDraft::detached((self.draft)(&self.caller));
        let found = self.repository.retrieve(&self.caller, request, range, &draft).await;
        found.map(|given| given.into_value().document).map_err(PortError::Transaction)
    }

    async fn search(&self, question: &ContentQuestion) -> Result<Option<ContentAnswer>, PortError> {
        let draft = AuditDraft::detached((self.draft)(&self.caller));
        let found = self.repository.search_documents(&self.caller, question.clone(), &draft).await;
        found.map(Some).map_err(|e| PortError::Unavailable(e.to_string()))
    }

    async fn probe(&self) -> Result<(), PortError> {
        let ping = self.repository.database().ping().await;
        ping.map_err(|e| PortError::Unavailable(e.to_string()))
    }
}
