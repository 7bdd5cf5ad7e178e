//! What other roles of this deployment ask over HTTP beside XDS. JSON in bodies, so that no patient
//! is named in a URL.

use axum::Json;
use axum::http::StatusCode;
use carerecord_model::{ContentAnswer, ContentQuestion};
use carerecord_service::AuditDraft;

use crate::router::Door;
use crate::search::SearchFailure;

/// Answers a search inside documents. `POST /peer/search`.
pub(crate) async fn search(
    door: Door,
    draft: AuditDraft,
    Json(question): Json<ContentQuestion>,
) -> Result<Json<ContentAnswer>, StatusCode> {
    draft.caller(door.callers.listener());
    draft.fill(|event| event.interaction = "search in documents".to_owned());
    let answer = door.repository.search_documents(door.callers.listener(), question, &draft).await;
    answer.map(Json).map_err(|error| match error {
        SearchFailure::Refused => StatusCode::FORBIDDEN,
        SearchFailure::Store(_)
        | SearchFailure::Index(_)
        | SearchFailure::Registry(_)
        | SearchFailure::Broken(_) => {
            tracing::warn!(%error, "a search in documents failed");
            StatusCode::SERVICE_UNAVAILABLE
        }
    })
}
