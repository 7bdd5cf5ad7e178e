use async_trait::async_trait;
use carerecord_codec::mtom::Attachment;
use carerecord_model::{DocumentRecipient, PortError, Registered, SentDocument, Submission};
use futures_util::stream;

use super::soap::provide_and_register;

/// A node in another process that takes documents: ours or anybody's.
#[derive(Clone)]
pub struct RecipientClient {
    http: reqwest::Client,
    url: String,
}

impl RecipientClient {
    /// The node at this ITI-41 address.
    pub fn new(http: reqwest::Client, url: &str) -> Self {
        Self { http, url: url.to_owned() }
    }
}

#[async_trait]
impl DocumentRecipient for RecipientClient {
    async fn provide_and_register(
        &self,
        submission: Submission,
        documents: Vec<SentDocument>,
    ) -> Result<Registered, PortError> {
        let attachment = |(n, document): (usize, SentDocument)| {
            let id = document.entry.to_string();
            let entry = submission.document_entries.iter().find(|e| e.entry_uuid == document.entry);
            let attachment = Attachment {
                content_id: format!("document-{}@carerecord", n + 1),
                content_type: entry.map(|e| e.mime_type.to_string()).unwrap_or_default(),
                size: Some(document.bytes.len() as u64),
                body: Box::pin(stream::once(std::future::ready(Ok(document.bytes)))),
            };
            (id, attachment)
        };
        let documents = documents.into_iter().enumerate().map(attachment).collect();
        let sent = provide_and_register(&self.http, &self.url, &submission, documents).await;
        let warnings = sent.answer?.into_result()?;
        Ok(Registered { warnings, repeated: false })
    }
}
