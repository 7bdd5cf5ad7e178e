//! Signing in and out with OpenID Connect: authorization code with PKCE, state and nonce.

pub(crate) mod back_channel;
mod claims;
mod client;
mod logout_token;
mod provider;
mod providers;
pub(crate) mod role;

use askama::Template;
use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use carerecord_service::{AuditDraft, SignIn, SignedOut};
use serde::Deserialize;
use subtle::ConstantTimeEq;
use tower_sessions::Session;

use crate::pages::{Layout, page};
use crate::portal::SharedPortal;
use crate::problem::{Problem, SignInFailure};
use crate::session::{self, Person, SignInStarted, SignedIn};

pub(crate) use provider::Provider;
pub(crate) use providers::Providers;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    layout: Layout,
    ways: &'a [Provider],
}

/// At which provider.
#[derive(Deserialize)]
pub(crate) struct Way {
    with: Option<String>,
}

/// Whether a logout token would be taken from a provider with one key.
pub(crate) fn logout_token_is_taken(token: &str) -> bool {
    let key = serde_json::json!({"keys": [{
        "kty": "EC", "crv": "P-256", "kid": "k", "use": "sig", "alg": "ES256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }]});
    let Ok(keys) = serde_json::from_value(key) else { return false };
    let (issuer, client_id) = ("https://idp.example", "carerecord-web");
    let now = jiff::Timestamp::UNIX_EPOCH;
    logout_token::verify(token, &keys, &logout_token::Expected { issuer, client_id, now }).is_ok()
}

/// Sends the browser to the sign-in provider; where there are several, the person says to which.
pub(crate) async fn begin(
    State(portal): SharedPortal,
    session: Session,
    Query(way): Query<Way>,
) -> Result<Response, Problem> {
    let now = portal.clock.now();
    let provider = match (&way.with, portal.providers.all()) {
        (None, [only]) => only,
        (None, ways) => {
            let layout = portal.layout(None);
            return page(&SignInPage { layout, ways }).map(IntoResponse::into_response);
        }
        (Some(id), _) => portal.providers.find(id).ok_or(Problem::NotFound)?,
    };
    let (address, begun) = provider.begin(now).await.map_err(Problem::SignIn)?;
    session::started(&session, Some(&begun)).await?;
    Ok(Redirect::to(address.as_str()).into_response())
}

/// What the provider sends the browser back with. OpenID Connect Core 1.0, 3.1.2.5.
#[derive(Deserialize)]
pub(crate) struct Returned {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    iss: Option<String>,
}

/// Takes the browser back: checks that it is the one that left, and gets the tokens.
pub(crate) async fn complete(
    State(portal): SharedPortal,
    session: Session,
    Query(returned): Query<Returned>,
) -> Result<Response, Problem> {
    let begun = session::started(&session, None).await?;
    let begun = begun.ok_or(Problem::SignIn(SignInFailure::Mismatch))?;
    check_state(&begun, &returned, portal.now()).map_err(Problem::SignIn)?;
    let provider = portal.providers.find(&begun.provider);
    let provider = provider.ok_or(Problem::SignIn(SignInFailure::Mismatch))?;
    // A code of one provider must not be taken to another. RFC 9207: 2.4.
    if returned.iss.as_deref().is_some_and(|iss| iss != provider.issuer()) {
        return Err(Problem::SignIn(SignInFailure::Mismatch));
    }
    if returned.error.is_some() {
        return Err(Problem::SignIn(SignInFailure::Declined));
    }
    let code = returned.code.ok_or(Problem::SignIn(SignInFailure::Mismatch))?;
    let now = portal.clock.now();
    let (tokens, who, sign_in) =
        provider.complete(code, &begun, now).await.map_err(Problem::SignIn)?;
    let data = SignedIn {
        csrf: portal.unguessable(),
        access_token: tokens.access_token,
        access_expires_at: tokens.access_expires_at,
        refresh_token: tokens.refresh_token,
        id_token: tokens.id_token,
        sign_in: Some(sign_in.into()),
        signed_in_at: portal.now(),
        last_seen: portal.now(),
        name: who.name,
        acting_as: who.acting_as,
        roles: who.roles,
        patients: Vec::new(),
    };
    // A new id, so that nobody who knew the one before sign-in is in this session.
    session.cycle_id().await.map_err(|_| Problem::Broken)?;
    session::keep(&session, &data).await?;
    Ok(Redirect::to("/search").into_response())
}

fn check_state(begun: &SignInStarted, returned: &Returned, now: i64) -> Result<(), SignInFailure> {
    let state = returned.state.as_deref().unwrap_or_default();
    let same: bool = begun.state.as_bytes().ct_eq(state.as_bytes()).into();
    if same && now - begun.started_at < SIGN_IN_SECONDS {
        return Ok(());
    }
    Err(SignInFailure::Mismatch)
}

/// A form with nothing but its token.
#[derive(Deserialize)]
pub(crate) struct TokenForm {
    csrf: String,
}

/// Ends the session here, with its access tokens and what was opened in it, then at the provider.
pub(crate) async fn sign_out(
    State(portal): SharedPortal,
    person: Person,
    draft: AuditDraft,
    Form(form): Form<TokenForm>,
) -> Result<Response, Problem> {
    person.check(&form.csrf)?;
    draft.fill(|event| {
        "sign out".clone_into(&mut event.interaction);
        event.status = StatusCode::SEE_OTHER.as_u16();
    });
    let ended = person.data.sign_in.clone().map(SignIn::from);
    if let Some(SignIn { issuer, session_id: Some(session_id), .. }) = ended {
        let what = SignedOut::Session { issuer, session_id };
        portal.sign_outs.end(what, None, &draft).await.map_err(|_| Problem::Broken)?;
    }
    session::forget(&person.session).await?;
    let after = portal.address("/signed-out");
    let provider = portal.providers.of(&person.data);
    let address = provider.sign_out(&person.data.id_token, after, portal.clock.now()).await;
    let target = address.map_or_else(|| "/signed-out".to_owned(), String::from);
    Ok(Redirect::to(&target).into_response())
}

/// Typing a password and finding a phone takes a while; longer than this, and the person left.
const SIGN_IN_SECONDS: i64 = 600;
