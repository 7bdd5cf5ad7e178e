use async_trait::async_trait;
use carerecord_model::{Code, DocumentBody, DocumentEntry, PortError};
use carerecord_repository::DocumentProducer;
use carerecord_service::send;
use futures_util::TryStreamExt as _;
use serde::Serialize;

use super::soap::unavailable;

/// Something in another process that makes documents on demand: `docs/publish.md`.
pub struct ProducerClient {
    http: reqwest::Client,
    url: String,
}

impl ProducerClient {
    /// The producer at this address.
    pub fn new(http: reqwest::Client, url: &str) -> Self {
        Self { http, url: url.to_owned() }
    }
}

/// What a producer is asked, in the body: no patient is named in a URL.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'e> {
    /// CX.
    patient_id: String,
    unique_id: &'e str,
    #[serde(rename = "entryUUID")]
    entry_uuid: Option<String>,
    mime_type: &'e str,
    type_code: &'e Code,
    class_code: &'e Code,
    format_code: &'e Code,
    language_code: &'e str,
}

#[async_trait]
impl DocumentProducer for ProducerClient {
    async fn produce(&self, entry: &DocumentEntry) -> Result<DocumentBody, PortError> {
        let question = Question {
            patient_id: entry.patient_id.to_cx(),
            unique_id: entry.unique_id.as_str(),
            entry_uuid: entry.uuid().map(|id| id.to_string()),
            mime_type: entry.mime_type.as_str(),
            type_code: &entry.type_code,
            class_code: &entry.class_code,
            format_code: &entry.format_code,
            language_code: &entry.language_code,
        };
        let request = self.http.post(&self.url).json(&question);
        let (response, _) = send(("http", "produce a document"), request).await;
        let response = response.map_err(unavailable)?.error_for_status().map_err(unavailable)?;
        let given = response.headers().get(reqwest::header::CONTENT_TYPE);
        let given = given.and_then(|v| v.to_str().ok()).unwrap_or_default();
        let essence = |text: &str| text.split(';').next().unwrap_or_default().trim().to_lowercase();
        if essence(given) != essence(entry.mime_type.as_str()) {
            let what = format!("the producer gave {}, not the entry's type", essence(given));
            return Err(PortError::Protocol(what));
        }
        Ok(Box::pin(response.bytes_stream().map_err(unavailable)))
    }
}
