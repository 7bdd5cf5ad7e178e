use std::sync::Arc;

use carerecord_model::{
    ByteRange, DocumentRepository, DocumentRequest, PortError, RetrievedDocument,
};
use futures_util::StreamExt;

use crate::Portal;
use crate::error::FhirError;
use crate::federation::{Expected, Reading, begun};
use crate::service::Document;

impl Portal {
    /// The bytes of a document that has been released.
    pub(crate) async fn content(
        &self,
        document: &Document,
        range: Option<ByteRange>,
    ) -> Result<RetrievedDocument, FhirError> {
        self.tell_keeper(document).await?;
        let entry = document.value();
        let repository = entry.repository_unique_id.clone().ok_or(FhirError::NotFound)?;
        let members = self.federation.members();
        let member = members.iter().find(|member| member.id == repository);
        let unknown = || PortError::Unavailable("the node is not in the directory".into());
        let member = member.ok_or_else(|| FhirError::Node(unknown()))?;
        let request = &DocumentRequest {
            home_community_id: None,
            repository_unique_id: repository,
            document_unique_id: entry.unique_id.clone(),
        };
        let expected = Expected::from(entry);
        let whom = &self.on_behalf_of_reader(document);
        let ask = |repository: Arc<dyn DocumentRepository>| -> Reading<'_, RetrievedDocument> {
            let expected = expected.clone();
            Box::pin(async move {
                begun(repository.retrieve(request, range, whom).await?, expected).await
            })
        };
        // The deadline is for the answer to begin; long documents take their time.
        let asked = self.federation.ask(member, "retrieve", ask).await;
        let mut document = asked.answer.map_err(FhirError::Node)?;
        // As long as bytes flow it is one of the node's requests.
        let place = asked.place;
        document.body = Box::pin(document.body.inspect(move |_| {
            let _held = &place;
        }));
        Ok(document)
    }
}
