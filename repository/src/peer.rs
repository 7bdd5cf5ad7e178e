//! What other roles of this deployment ask over HTTP beside XDS. JSON in bodies, so that no patient
//! is named in a URL.

use axum::Json;
use axum::http::StatusCode;
use carerecord_access::Right;
use carerecord_audit::{AuditPage, AuditQuestion, FeedQuestion, FeedReport};
use carerecord_model::{
    ContentAnswer, ContentQuestion, ElementAnswer, ElementQuestion, KeptRefusal, TriedAgain,
};
use carerecord_service::AuditDraft;
use serde::Deserialize;

use crate::router::Door;
use crate::search::SearchFailure;

/// Searches the node's record of accesses, for a role that decides itself what of it a person may
/// read. `POST /peer/audit`.
pub(crate) async fn audit(
    door: Door,
    draft: AuditDraft,
    Json(question): Json<AuditQuestion>,
) -> Result<Json<AuditPage>, StatusCode> {
    draft.caller(door.callers.listener());
    draft.fill(|event| event.interaction = "audit search".to_owned());
    draft.subjects(question.subjects.iter().copied());
    if !door.callers.listener().has_right(Right::Delegate) {
        return Err(StatusCode::FORBIDDEN);
    }
    door.log.search(&question).await.map(Json).map_err(|error| {
        tracing::warn!(%error, "a search of the record of accesses failed");
        StatusCode::SERVICE_UNAVAILABLE
    })
}

/// Counts what sources have sent to the node. `POST /peer/feeds`.
pub(crate) async fn feeds(
    door: Door,
    draft: AuditDraft,
    Json(question): Json<FeedQuestion>,
) -> Result<Json<FeedReport>, StatusCode> {
    draft.caller(door.callers.listener());
    draft.fill(|event| event.interaction = "feeds".to_owned());
    if !door.callers.listener().has_right(Right::Delegate) {
        return Err(StatusCode::FORBIDDEN);
    }
    door.log.feeds(&question).await.map(Json).map_err(|error| {
        tracing::warn!(%error, "what was sent could not be counted");
        StatusCode::SERVICE_UNAVAILABLE
    })
}

/// What is kept of submissions that were refused. `POST /peer/refused`.
pub(crate) async fn refused(
    door: Door,
    draft: AuditDraft,
) -> Result<Json<Vec<KeptRefusal>>, StatusCode> {
    draft.caller(door.callers.listener());
    draft.fill(|event| event.interaction = "refused submissions".to_owned());
    if !door.callers.listener().has_right(Right::Delegate) {
        return Err(StatusCode::FORBIDDEN);
    }
    door.repository.kept_refusals().await.map(Json).map_err(|error| {
        tracing::warn!(%error, "what is kept of refused submissions cannot be read");
        StatusCode::SERVICE_UNAVAILABLE
    })
}

/// Which request's submission is tried again.
#[derive(Deserialize)]
pub(crate) struct Again {
    request: String,
}

/// Tries one of them again. `POST /peer/refused/again`.
pub(crate) async fn try_again(
    door: Door,
    draft: AuditDraft,
    Json(again): Json<Again>,
) -> Result<Json<TriedAgain>, StatusCode> {
    draft.caller(door.callers.listener());
    draft.fill(|event| event.interaction = "refused submission again".to_owned());
    if !door.callers.listener().has_right(Right::Delegate) {
        return Err(StatusCode::FORBIDDEN);
    }
    door.repository.try_again(&again.request, &draft).await.map(Json).map_err(|error| {
        tracing::warn!(%error, "a refused submission could not be tried again");
        StatusCode::SERVICE_UNAVAILABLE
    })
}

/// Answers a search inside documents. `POST /peer/search`.
pub(crate) async fn search(
    door: Door,
    draft: AuditDraft,
    Json(question): Json<ContentQuestion>,
) -> Result<Json<ContentAnswer>, (StatusCode, String)> {
    let (repository, caller) = (&door.repository, door.callers.listener());
    draft.caller(caller);
    draft.fill(|event| {
        event.interaction = "search in documents".to_owned();
        event.subject = Some(question.patient);
    });
    let asker = repository.asker(&door.callers, caller, &question.documents, &draft).await;
    let asker = asker.map_err(|error| (StatusCode::FORBIDDEN, error.to_string()))?;
    let answer = repository.search_documents(&asker, question, &draft).await;
    answer.map(Json).map_err(|error| (status(&error), String::new()))
}

/// Gives what documents say in coded entries. `POST /peer/elements`.
pub(crate) async fn elements(
    door: Door,
    draft: AuditDraft,
    Json(question): Json<ElementQuestion>,
) -> Result<Json<ElementAnswer>, (StatusCode, String)> {
    let (repository, caller) = (&door.repository, door.callers.listener());
    draft.caller(caller);
    draft.fill(|event| {
        event.interaction = "elements of documents".to_owned();
        event.subject = Some(question.patient);
    });
    let asker = repository.asker(&door.callers, caller, &question.documents, &draft).await;
    let asker = asker.map_err(|error| (StatusCode::FORBIDDEN, error.to_string()))?;
    let answer = repository.document_elements(&asker, question, &draft).await;
    answer.map(Json).map_err(|error| (status(&error), String::new()))
}

fn status(error: &SearchFailure) -> StatusCode {
    match error {
        SearchFailure::Refused => StatusCode::FORBIDDEN,
        SearchFailure::Store(_)
        | SearchFailure::Index(_)
        | SearchFailure::Registry(_)
        | SearchFailure::Broken(_) => {
            tracing::warn!(%error, "a question about documents could not be answered");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}
