use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use url::Url;

use super::authorize::{html, problem};
use super::back_channel::{Over, tell};
use super::keys::TokenKind;
use super::{Provider, SharedProvider, present};

/// A sign-out request as it came. OpenID Connect RP-Initiated Logout 1.0, 2.
#[derive(Deserialize)]
pub(super) struct LogoutRequest {
    id_token_hint: Option<String>,
    client_id: Option<String>,
    post_logout_redirect_uri: Option<String>,
    state: Option<String>,
}

/// Ends a sign-in and sends the browser back to the client, or shows that it has ended.
pub(super) async fn by_link(
    State(provider): SharedProvider,
    request: Result<Query<LogoutRequest>, QueryRejection>,
) -> Response {
    answer(&provider, request.ok().map(|Query(request)| request)).await
}

/// As [`by_link`], for clients that keep the token out of the address.
pub(super) async fn by_form(
    State(provider): SharedProvider,
    request: Result<Form<LogoutRequest>, FormRejection>,
) -> Response {
    answer(&provider, request.ok().map(|Form(request)| request)).await
}

async fn answer(provider: &Arc<Provider>, request: Option<LogoutRequest>) -> Response {
    let Some(request) = request else {
        return problem("The application sent a sign-out request that cannot be read.");
    };
    let hint = match present(request.id_token_hint.as_ref()).map(|hint| check(provider, hint)) {
        Some(None) => return problem("The application did not show who signs out."),
        Some(Some(hint)) => Some(hint),
        None => None,
    };
    let client_id = present(request.client_id.as_ref());
    if let (Some(hint), Some(client_id)) = (&hint, client_id)
        && hint.aud != client_id
    {
        return problem("The application did not show who signs out.");
    }
    if let Some(hint) = &hint {
        provider.memory().end_session(&hint.sid, provider.now());
        let over = Over::Session { sid: &hint.sid, user_id: &hint.sub };
        tell(provider, provider.client(&hint.aud).into_iter(), &over).await;
    }
    let Some(target) = present(request.post_logout_redirect_uri.as_ref()) else {
        return html(StatusCode::OK, &SignedOutPage, "");
    };
    let client_id = client_id.or(hint.as_ref().map(|hint| hint.aud.as_str()));
    let client = client_id.and_then(|id| provider.client(id));
    let registered = client
        .and_then(|client| client.post_logout_redirect_uris.iter().find(|uri| *uri == target));
    match registered.map(|uri| Url::parse(uri)) {
        Some(Ok(mut url)) => {
            if let Some(state) = present(request.state.as_ref()) {
                url.query_pairs_mut().append_pair("state", state);
            }
            Redirect::to(url.as_str()).into_response()
        }
        Some(Err(_)) | None => {
            problem("You are signed out. The address to go on to is not the application's own.")
        }
    }
}

#[derive(Deserialize)]
struct Hint {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
}

/// A hint is good also after its time: people sign out late.
fn check(provider: &Provider, token: &str) -> Option<Hint> {
    let hint: Hint = provider.key.verify(TokenKind::Id, token).ok()?;
    (hint.iss == provider.issuer).then_some(hint)
}

#[derive(Template)]
#[template(path = "signin/signed_out.html")]
struct SignedOutPage;
