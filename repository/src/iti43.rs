//! ITI-43: what can be given is given, the rest is told. ITI TF-2: 3.43.4.2.3.

use bytes::Bytes;
use carerecord_access::Right;
use carerecord_codec::mtom::Attachment;
use carerecord_codec::{
    ContentRef, DocumentResponse, RegistryResponse, RetrieveDocumentSetRequest,
    RetrieveDocumentSetResponse,
};
use carerecord_model::{ErrorCode, PortError, RegistryError, ResponseStatus};
use carerecord_service::{Asker, AuditDraft, Even};
use futures_util::StreamExt;

use crate::Repository;
use crate::service::Given;

/// The answer with the parts that go with it.
pub(crate) struct RetrieveAnswer {
    pub response: RetrieveDocumentSetResponse,
    pub attachments: Vec<Attachment<std::io::Error>>,
}

impl Repository {
    /// Answers a retrieval of any number of documents.
    pub(crate) async fn retrieve_document_set(
        &self,
        asker: &Asker,
        request: RetrieveDocumentSetRequest,
        draft: &AuditDraft,
    ) -> RetrieveAnswer {
        let even = Even::new();
        let probe = request.documents.iter().all(|d| d.document_unique_id.as_str() == PROBE);
        let mut errors = Vec::new();
        let mut documents = Vec::new();
        let mut attachments = Vec::new();
        for (n, request) in request.documents.into_iter().enumerate() {
            let released = match self.retrieve(asker, &request, None, draft).await {
                Ok(released) => released,
                Err(error) => {
                    errors.extend(error.0);
                    continue;
                }
            };
            let Given { document, made } = released.into_value();
            let content_id = format!("document{n}@carerecord");
            documents.push(DocumentResponse {
                request,
                new_repository_unique_id: made.as_ref().and_then(|m| m.repository.clone()),
                new_document_unique_id: made.map(|m| m.unique_id),
                mime_type: document.mime_type.to_string(),
                content: ContentRef::Include(content_id.clone()),
            });
            attachments.push(Attachment {
                content_id,
                content_type: document.mime_type.to_string(),
                size: document.size,
                body: Box::pin(document.body.map(io_error)),
            });
        }
        // A role that decides itself is told what there is.
        if !probe && errors.iter().any(is_nothing) && !asker.caller.has_right(Right::Delegate) {
            even.wait().await;
        }
        let status = match (documents.is_empty(), errors.is_empty()) {
            (_, true) => ResponseStatus::Success,
            (false, false) => ResponseStatus::PartialSuccess,
            (true, false) => ResponseStatus::Failure,
        };
        let response = RegistryResponse { status, errors };
        RetrieveAnswer {
            response: RetrieveDocumentSetResponse { response, documents },
            attachments,
        }
    }
}

/// Whether it says that there is no such document, also where that may not be told.
fn is_nothing(error: &RegistryError) -> bool {
    error.code == ErrorCode::XDSDocumentUniqueIdError
}

fn io_error(chunk: Result<Bytes, PortError>) -> Result<Bytes, std::io::Error> {
    chunk.map_err(std::io::Error::other)
}

/// By which the portal learns whether a node can be asked: nobody has such a document.
const PROBE: &str = "2.25.0";
