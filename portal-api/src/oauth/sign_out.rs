//! How sign-ins end before their tokens do: by the person, through any client that has one of their
//! access tokens, and by the sign-in provider.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use carerecord_audit::AuditActor;
use carerecord_service::{AuditDraft, Ended, FIRST, SignIn, SignOutsUnavailable, SignedOut};
use serde_json::json;

use super::error::never_stored;
use super::form::{OAuthForm, Sent};
use super::introspect::bearer;
use crate::Portal;
use crate::error::FhirError;
use crate::fhir::refused_token;
use crate::token::{TokenError, Unread};

/// Ends the sign-in that the access token is of, or with `everywhere=true` every one of the person's,
/// with all access tokens, what apps were let do and what was opened by overrides.
///
/// Where the provider has not said which session a token is of, all of the person's end.
pub(crate) async fn sign_out(
    State(portal): State<Portal>,
    draft: AuditDraft,
    headers: HeaderMap,
    Sent(form): Sent,
) -> Response {
    draft.fill(|event| "sign out".clone_into(&mut event.interaction));
    let ended = ended_by_person(&portal, &draft, &headers, form.ok()).await;
    let mut response = ended.map(|()| StatusCode::NO_CONTENT).into_response();
    never_stored(response.headers_mut());
    response
}

async fn ended_by_person(
    portal: &Portal,
    draft: &AuditDraft,
    headers: &HeaderMap,
    form: Option<OAuthForm>,
) -> Result<(), FhirError> {
    let token = bearer(headers).ok_or(TokenError::Missing).map_err(|e| refused_token(&e))?;
    if portal.tokens.own().is_some_and(|own| own.is_own(token)) {
        return Err(FhirError::Scope("Only people who have signed in themselves sign out here."));
    }
    let read = portal.tokens.sign_in(token).await;
    let (sign_in, user_id) = read.map_err(|error| refused_token(&error))?;
    draft.fill(|event| event.actor = Some(actor(user_id)));
    let form = form.ok_or_else(|| FhirError::Body("Send a form.".into()))?;
    let everywhere = match form.get("everywhere") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(FhirError::Body("everywhere is true or false.".into())),
    };
    if everywhere {
        draft.fill(|event| "sign out everywhere".clone_into(&mut event.interaction));
    }
    let SignIn { issuer, subject, session_id, since } = sign_in;
    let what = match session_id.filter(|_| !everywhere) {
        Some(session_id) => SignedOut::Session { issuer, session_id },
        // The provider's clock may be ahead of ours.
        None => SignedOut::Person { issuer, subject, until: portal.clock.now().max(since) },
    };
    draft.fill(|event| event.status = StatusCode::NO_CONTENT.as_u16());
    let ended = portal.tokens.end(what, None, draft).await;
    ended.map(drop).map_err(|SignOutsUnavailable(_)| FhirError::Store)
}

/// Who signs out, whatever they may do.
fn actor(user_id: String) -> AuditActor {
    AuditActor {
        id: user_id,
        name: None,
        organisation: String::new(),
        role: None,
        role_profile: None,
        known_by: "token".to_owned(),
        client: None,
        user_name: None,
        assertion: None,
    }
}

/// Ends what the first sign-in provider says is over, with all access tokens, before the answer goes
/// out. It is the logout token that shows who says so; whoever holds one may pass it on. OpenID
/// Connect Back-Channel Logout 1.0.
pub(crate) async fn back_channel_logout(
    State(portal): State<Portal>,
    draft: AuditDraft,
    Sent(form): Sent,
) -> Response {
    ended_by_provider(&portal, FIRST, &draft, form.ok()).await
}

/// The same of another provider than the first.
pub(crate) async fn back_channel_logout_of(
    State(portal): State<Portal>,
    draft: AuditDraft,
    Path(provider): Path<String>,
    Sent(form): Sent,
) -> Response {
    ended_by_provider(&portal, &provider, &draft, form.ok()).await
}

async fn ended_by_provider(
    portal: &Portal,
    provider: &str,
    draft: &AuditDraft,
    form: Option<OAuthForm>,
) -> Response {
    draft.fill(|event| "back-channel logout".clone_into(&mut event.interaction));
    let mut response = answer_provider(portal, provider, draft, form).await;
    never_stored(response.headers_mut());
    response
}

async fn answer_provider(
    portal: &Portal,
    provider: &str,
    draft: &AuditDraft,
    form: Option<OAuthForm>,
) -> Response {
    let token = form.as_ref().and_then(|form| form.get("logout_token"));
    let Some(token) = token else { return refuse(draft, "no logout_token in a form") };
    let token = match portal.tokens.logout_token(provider, token).await {
        Ok(token) => token,
        Err(Unread::Provider) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Err(error @ (Unread::NoProvider | Unread::Refused(_))) => {
            return refuse(draft, &error.to_string());
        }
    };
    match portal.tokens.end(token.what, Some(token.id), draft).await {
        Ok(Ended::Now) => StatusCode::OK.into_response(),
        Ok(Ended::Replayed) => refuse(draft, "it has come before"),
        // Nothing was changed: the provider may send it again.
        Err(SignOutsUnavailable(_)) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn refuse(draft: &AuditDraft, why: &str) -> Response {
    tracing::warn!(why, "a logout token was refused");
    draft.fill(|event| event.error = Some(format!("logout token: {why}")));
    let body = json!({"error": "invalid_request", "error_description": why});
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}
