//! Where the sign-in provider says that sessions are over. It is passed on to the API, which checks it
//! and ends them. OpenID Connect Back-Channel Logout 1.0.

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Response};
use carerecord_service::FIRST;
use http::StatusCode;
use serde::Deserialize;

use crate::portal::{Portal, SharedPortal};

/// What the provider sends.
#[derive(Deserialize)]
pub(crate) struct Sent {
    #[serde(default)]
    logout_token: String,
}

/// Ends the sessions that the token names: their pages and their access tokens, everywhere, before
/// the answer goes out.
pub(crate) async fn logout(
    State(portal): SharedPortal,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    pass_on(&portal, FIRST, sent).await
}

/// The same of another provider than the first.
pub(crate) async fn logout_of(
    State(portal): SharedPortal,
    Path(id): Path<String>,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    pass_on(&portal, &id, sent).await
}

async fn pass_on(
    portal: &Portal,
    provider: &str,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    let token = sent.map(|Form(sent)| sent.logout_token).unwrap_or_default();
    match portal.api.logout_token(provider, &token).await {
        Ok(answer) => answer,
        // Nothing was changed: the provider may send it again.
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
