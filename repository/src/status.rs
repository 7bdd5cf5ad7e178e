//! `GET /submissions/{id}`: what became of a submission, for the system that sent it.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use carerecord_access::Caller;
use carerecord_audit::AuditOutcome;
use carerecord_service::AuditDraft;

use crate::router::Door;
use crate::submissions;

/// By the SubmissionSet's uniqueId. Of others' submissions nobody learns that they exist.
pub(crate) async fn submission(door: Door, Path(id): Path<String>, draft: AuditDraft) -> Response {
    draft.caller(door.callers.listener());
    draft.fill(|event| event.interaction = "submission state".to_owned());
    if let Err(refused) = door.repository.access.may_publish(door.callers.listener()) {
        draft.decision(&refused.decision);
        draft.outcome(AuditOutcome::Refused);
        return problem(StatusCode::FORBIDDEN, refused.decision.rule.explanation());
    }
    let sent_by = sender(door.callers.listener());
    match submissions::find(door.repository.database(), &id, sent_by).await {
        Ok(Some(found)) => Json(found).into_response(),
        Ok(None) => problem(StatusCode::NOT_FOUND, "you have sent no such submission to this node"),
        Err(error) => {
            tracing::error!(%error, "the state of a submission cannot be read");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "the state cannot be read just now")
        }
    }
}

/// Who sends, by the name under which a system is known: also what its users send by it.
pub(crate) fn sender(caller: &Caller) -> &str {
    match caller {
        Caller::System(system) => &system.name,
        Caller::Citizen(citizen) => &citizen.user_id,
        Caller::User(user) => user.asserted.as_ref().map_or(&user.user_id, |a| &a.system.name),
    }
}

fn problem(status: StatusCode, what: &str) -> Response {
    (status, Json(serde_json::json!({ "error": what }))).into_response()
}
