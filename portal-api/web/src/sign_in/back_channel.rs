//! Where the sign-in provider says that sessions are over. OpenID Connect Back-Channel Logout 1.0.

use axum::Json;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Response};
use carerecord_service::{AuditDraft, Ended, FIRST};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::logout_token::LogoutError;
use crate::portal::{Portal, SharedPortal};

/// What the provider sends.
#[derive(Deserialize)]
pub(crate) struct Sent {
    logout_token: String,
}

/// Ends the sessions that the token names: their pages and their access tokens, everywhere, before
/// the answer goes out. It is the token that shows who sends it.
pub(crate) async fn logout(
    State(portal): SharedPortal,
    draft: AuditDraft,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    end(&portal, FIRST, &draft, sent).await
}

/// The same of another provider than the first.
pub(crate) async fn logout_of(
    State(portal): SharedPortal,
    draft: AuditDraft,
    Path(id): Path<String>,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    end(&portal, &id, &draft, sent).await
}

async fn end(
    portal: &Portal,
    provider: &str,
    draft: &AuditDraft,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    draft.fill(|event| "back-channel logout".clone_into(&mut event.interaction));
    let Ok(Form(sent)) = sent else {
        return refuse(draft, "no logout_token in a form");
    };
    let Some(provider) = portal.providers.find(provider) else {
        return refuse(draft, "there is no such provider");
    };
    let token = match provider.logout_token(&sent.logout_token, portal.clock.now()).await {
        Ok(token) => token,
        Err(Unread::Refused(error)) => return refuse(draft, &error.to_string()),
        Err(Unread::Provider) => return unavailable(),
    };
    match portal.sign_outs.end(token.what, Some(token.id), draft).await {
        Ok(Ended::Now) => StatusCode::OK.into_response(),
        Ok(Ended::Replayed) => refuse(draft, "it has come before"),
        Err(_) => unavailable(),
    }
}

/// Why a logout token cannot be read.
pub(super) enum Unread {
    Refused(LogoutError),
    Provider,
}

fn refuse(draft: &AuditDraft, why: &str) -> Response {
    tracing::warn!(why, "a logout token was refused");
    draft.fill(|event| event.error = Some(format!("logout token: {why}")));
    let body = json!({"error": "invalid_request", "error_description": why});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

/// Nothing was changed: the provider may send it again.
fn unavailable() -> Response {
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}
