use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use carerecord_access::{Caller, Purpose, SystemCaller};
use carerecord_audit::{AuditActor, AuditOutcome};
use carerecord_service::{AuditDraft, Peer};
use serde_json::{Value, json};

use super::assertion::Claims;
use super::client::Client;
use super::error::{OAuthFailure, never_stored};
use super::form::{OAuthForm, Sent};
use super::issue::system;
use super::limits::Key;
use super::{OAuth, Scopes};
use crate::Portal;
use crate::error::FhirError;

/// Answers Get Access Token [ITI-71].
pub(crate) async fn token(
    State(portal): State<Portal>,
    draft: AuditDraft,
    peer: Peer,
    Sent(form): Sent,
) -> Response {
    draft.fill(|event| "ITI-71 get access token".clone_into(&mut event.interaction));
    let Some(oauth) = portal.tokens.own() else { return FhirError::NoRoute.into_response() };
    let given = match form {
        Ok(form) => oauth.give(&form, peer.address, &draft).await,
        Err(error) => Err(error),
    };
    match given {
        Ok(answer) => {
            let mut response = Json(answer).into_response();
            never_stored(response.headers_mut());
            response
        }
        Err(error) => refused(&draft, error),
    }
}

/// The answer, which the record is told of.
pub(super) fn refused(draft: &AuditDraft, error: OAuthFailure) -> Response {
    draft.fill(|event| event.error = Some(format!("{}: {error}", error.code())));
    match error {
        OAuthFailure::Internal => draft.outcome(AuditOutcome::Failed),
        OAuthFailure::Request => draft.outcome(AuditOutcome::Rejected),
        OAuthFailure::Client(_)
        | OAuthFailure::GrantType
        | OAuthFailure::NotForClient
        | OAuthFailure::Grant(_)
        | OAuthFailure::Scope
        | OAuthFailure::Target
        | OAuthFailure::Purpose
        | OAuthFailure::NotPermitted
        | OAuthFailure::TooMany => draft.outcome(AuditOutcome::Refused),
    }
    error.into_response()
}

impl OAuth {
    pub(super) async fn give(
        &self,
        form: &OAuthForm,
        peer: Option<IpAddr>,
        draft: &AuditDraft,
    ) -> Result<Value, OAuthFailure> {
        match form.get("grant_type") {
            None => return Err(OAuthFailure::Request),
            Some("client_credentials") => {}
            Some("authorization_code") => return self.redeem(form, peer, draft).await,
            Some(_) => return Err(OAuthFailure::GrantType),
        }
        let (client, claims) = self.known(form, peer, draft).await?;
        if client.app.is_some() {
            return Err(OAuthFailure::NotForClient);
        }
        let now = self.0.clock.now();
        let may =
            self.0.limits.count(Key::Client(client.id.clone()), client.requests_per_minute, now);
        if !may {
            return Err(OAuthFailure::TooMany);
        }
        self.must_be_ours(form)?;
        if form.get("requested_token_type").is_some_and(|kind| !TOKEN_TYPES.contains(&kind)) {
            return Err(OAuthFailure::Request);
        }
        let scopes = match form.get("scope") {
            None => client.scopes.clone(),
            Some(asked) => client.scopes.grant(&Scopes::parse(asked)),
        };
        if scopes.is_empty() {
            return Err(OAuthFailure::Scope);
        }
        let purpose = purpose(client, &claims)?;
        draft.fill(|event| event.purpose = Some(purpose.code().to_owned()));
        let (token, given) = self.issue(client, &scopes, purpose)?;
        draft.fill(|event| {
            event.listed = vec![format!("token {}", given.jti), format!("scope {}", given.scope)];
        });
        Ok(json!({
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self.seconds(),
            "scope": given.scope,
            "issued_token_type": TOKEN_TYPES[0],
        }))
    }

    /// Refuses tokens for anything but the FHIR API. RFC 8707.
    pub(super) fn must_be_ours(&self, form: &OAuthForm) -> Result<(), OAuthFailure> {
        let ours = |resource: &str| resource.trim_end_matches('/') == self.0.audience;
        if form.get("resource").is_none_or(ours) { Ok(()) } else { Err(OAuthFailure::Target) }
    }

    /// What failures in this name are counted as: in a name that nobody has, by the address alone.
    pub(super) fn failures(&self, peer: Option<IpAddr>, named: &str) -> Key {
        match self.client(named) {
            Some(client) => Key::Failures(peer, client.id.clone()),
            None => Key::Strangers(peer),
        }
    }

    /// The client that sends a request, as far as it may go on failing; the record is told.
    pub(super) async fn known(
        &self,
        form: &OAuthForm,
        peer: Option<IpAddr>,
        draft: &AuditDraft,
    ) -> Result<(&Client, Claims), OAuthFailure> {
        let named = form.get("client_assertion").and_then(super::assertion::issuer_of);
        let named: String = named.unwrap_or_default().chars().take(64).collect();
        draft.fill(|event| event.actor = Some(claimed(&named)));
        let failures = self.failures(peer, &named);
        let now = self.0.clock.now();
        if self.0.limits.is_over(&failures, MOST_FAILURES, now) {
            return Err(OAuthFailure::TooMany);
        }
        let found = self.authenticate(form).await;
        match &found {
            Ok((client, _)) => {
                let system = SystemCaller { known_by: "client assertion", ..system(client) };
                draft.caller(&Caller::System(system));
            }
            Err(_) => _ = self.0.limits.count(failures, MOST_FAILURES, now),
        }
        found
    }
}

/// What for: as the assertion says, within what the client may.
fn purpose(client: &Client, claims: &Claims) -> Result<Purpose, OAuthFailure> {
    match claims.extensions.ihe_iua.purpose_of_use.as_slice() {
        [] => client.purposes.first().copied().ok_or(OAuthFailure::Purpose),
        [one] => Purpose::from_code(&one.code)
            .filter(|purpose| client.purposes.contains(purpose))
            .ok_or(OAuthFailure::Purpose),
        _ => Err(OAuthFailure::Purpose),
    }
}

/// Who says that they are this client.
pub(super) fn claimed(id: &str) -> AuditActor {
    AuditActor {
        id: id.to_owned(),
        name: None,
        organisation: String::new(),
        role: None,
        role_profile: None,
        known_by: "not shown".to_owned(),
        client: None,
        user_name: None,
        assertion: None,
    }
}

const TOKEN_TYPES: [&str; 2] =
    ["urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:access_token"];
/// In a minute, by one address in one name; in all names that nobody has together.
pub(super) const MOST_FAILURES: u32 = 30;
