//! What there is, for clients to find: RFC 8414 and IUA (ITI-103), and SMART's configuration.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use carerecord_service::AuditDraft;
use serde_json::{Value, json};

use super::assertion::ALGORITHMS;
use super::{OAuth, Scopes};
use crate::Portal;
use crate::error::FhirError;

/// Answers Get Authorization Server Metadata [ITI-103].
pub(crate) async fn metadata(State(portal): State<Portal>, draft: AuditDraft) -> Response {
    draft.fill(|event| "ITI-103 authorization server metadata".clone_into(&mut event.interaction));
    match portal.tokens.own() {
        Some(oauth) => Json(oauth.described()).into_response(),
        None => FhirError::NoRoute.into_response(),
    }
}

/// Answers `GET /fhir/.well-known/smart-configuration`. SMART App Launch 2: conformance.
pub(crate) async fn smart_configuration(
    State(portal): State<Portal>,
    draft: AuditDraft,
) -> Response {
    draft.fill(|event| "SMART configuration".clone_into(&mut event.interaction));
    let Some(oauth) = portal.tokens.own() else { return FhirError::NoRoute.into_response() };
    let mut answer = oauth.described();
    let mut capabilities = vec!["client-confidential-asymmetric", "permission-v2"];
    if oauth.authorization_endpoint().is_some() {
        capabilities.extend(OF_APPS);
    }
    answer["capabilities"] = json!(capabilities);
    Json(answer).into_response()
}

/// The public keys of access tokens.
pub(crate) async fn keys(State(portal): State<Portal>, draft: AuditDraft) -> Response {
    draft.fill(|event| "keys of access tokens".clone_into(&mut event.interaction));
    match portal.tokens.own() {
        Some(oauth) => Json(oauth.0.keys.now(oauth.0.clock.now()).set()).into_response(),
        None => FhirError::NoRoute.into_response(),
    }
}

impl OAuth {
    pub(super) fn described(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer());
        let methods = ["private_key_jwt"];
        let mut told = json!({
            "issuer": self.issuer(),
            "token_endpoint": self.token_endpoint(),
            "jwks_uri": at("/oauth/jwks"),
            "introspection_endpoint": at("/oauth/introspect"),
            "scopes_supported": Scopes::SUPPORTED,
            "response_types_supported": [],
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": methods,
            "token_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
            "introspection_endpoint_auth_methods_supported": ["private_key_jwt", "Bearer"],
            "introspection_endpoint_auth_signing_alg_values_supported": ALGORITHMS,
            "access_token_format": ["urn:ietf:params:oauth:token-type:jwt"],
        });
        if let Some(page) = self.authorization_endpoint() {
            let scopes: Vec<&str> = Scopes::SUPPORTED.into_iter().chain(Scopes::OF_APPS).collect();
            told["authorization_endpoint"] = page.into();
            told["response_types_supported"] = json!(["code"]);
            told["response_modes_supported"] = json!(["query"]);
            told["grant_types_supported"] = json!(["authorization_code", "client_credentials"]);
            told["code_challenge_methods_supported"] = json!(["S256"]);
            told["authorization_response_iss_parameter_supported"] = true.into();
            told["token_endpoint_auth_methods_supported"] = json!(["private_key_jwt", "none"]);
            told["scopes_supported"] = json!(scopes);
        }
        told
    }
}

/// What is there for apps. SMART App Launch 2: capability sets.
const OF_APPS: [&str; 5] = [
    "launch-standalone",
    "client-public",
    "context-standalone-patient",
    "permission-patient",
    "permission-user",
];
