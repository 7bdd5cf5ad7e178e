use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use carerecord_access::{Caller, SystemCaller};
use carerecord_service::{AuditDraft, Peer};
use serde_json::{Value, json};

use super::OAuth;
use super::client::Client;
use super::error::{AssertionError, OAuthFailure, never_stored};
use super::form::{OAuthForm, Sent};
use super::issue::system;
use super::token::refused;
use crate::Portal;
use crate::error::FhirError;

/// Answers Introspect Token [ITI-102], for clients that are resource servers: they show who they are
/// by an assertion, or by a token of their own. RFC 7662.
pub(crate) async fn introspect(
    State(portal): State<Portal>,
    draft: AuditDraft,
    peer: Peer,
    headers: HeaderMap,
    Sent(form): Sent,
) -> Response {
    draft.fill(|event| "ITI-102 introspect token".clone_into(&mut event.interaction));
    let Some(oauth) = portal.tokens.own() else { return FhirError::NoRoute.into_response() };
    let answer = match form {
        Ok(form) => oauth.tell(&form, bearer(&headers), peer.address, &draft).await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(answer) => {
            let mut response = Json(answer).into_response();
            never_stored(response.headers_mut());
            response
        }
        Err(error) => refused(&draft, error),
    }
}

impl OAuth {
    pub(super) async fn tell(
        &self,
        form: &OAuthForm,
        bearer: Option<&str>,
        peer: Option<IpAddr>,
        draft: &AuditDraft,
    ) -> Result<Value, OAuthFailure> {
        let client = match bearer {
            Some(token) => self.bearer_of(token, draft)?,
            None => self.known(form, peer, draft).await?.0,
        };
        if !client.may_introspect {
            return Err(OAuthFailure::NotPermitted);
        }
        let token = form.get("token").ok_or(OAuthFailure::Request)?;
        let held = self.judge(token).await.map_err(|_| OAuthFailure::Internal)?;
        let Some(claims) = self.claims(token).filter(|_| held.is_some()) else {
            // RFC 7662: 2.2: nothing more about what is not active.
            return Ok(json!({ "active": false }));
        };
        draft.fill(|event| event.listed = vec![format!("token {}", claims.jti)]);
        let mut answer = serde_json::to_value(claims).map_err(|_| OAuthFailure::Internal)?;
        answer["active"] = true.into();
        answer["token_type"] = "Bearer".into();
        Ok(answer)
    }

    fn bearer_of(&self, token: &str, draft: &AuditDraft) -> Result<&Client, OAuthFailure> {
        let claims = self.claims(token);
        let client = claims.and_then(|claims| self.client(&claims.client_id));
        // What a person has let an app do is not the app's own.
        let client = client.filter(|client| client.app.is_none());
        let client = client.ok_or(OAuthFailure::Client(AssertionError::Malformed))?;
        draft.caller(&Caller::System(SystemCaller { known_by: "token", ..system(client) }));
        Ok(client)
    }
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
