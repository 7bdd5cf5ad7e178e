use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use axum::Json;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};

use super::claims::{access_claims, api_claims, id_claims};
use super::keys::TokenKind;
use super::memory::{Grant, RefreshToken};
use super::{Client, ClientKind, Provider, SharedProvider, present};

/// A token request as it came. RFC 6749, 4.1.3, 4.4.2 and 6; RFC 7636, 4.5.
#[derive(Deserialize)]
pub(super) struct TokenRequest {
    grant_type: Option<String>,
    code: Option<String>,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
    refresh_token: Option<String>,
    scope: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// Why there is no token. RFC 6749, 5.2.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum TokenError {
    #[error("the request lacks a parameter, repeats one, or is not a form")]
    InvalidRequest,
    #[error("the client is not known or has not shown that it is itself")]
    InvalidClient,
    #[error("the code or token is not good, or was used already")]
    InvalidGrant,
    #[error("this client may not ask in this way")]
    UnauthorizedClient,
    #[error("this kind of request is not supported")]
    UnsupportedGrantType,
    #[error("nothing of what was asked for may be granted")]
    InvalidScope,
    #[error("the token could not be signed")]
    Signing,
}

impl TokenError {
    fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::Signing => "server_error",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::InvalidClient => StatusCode::UNAUTHORIZED,
            Self::Signing => StatusCode::INTERNAL_SERVER_ERROR,
            Self::InvalidRequest
            | Self::InvalidGrant
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType
            | Self::InvalidScope => StatusCode::BAD_REQUEST,
        }
    }
}

impl IntoResponse for TokenError {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.code(), "error_description": self.to_string() });
        let mut response = (self.status(), Json(body)).into_response();
        if self == Self::InvalidClient {
            let ask = header::HeaderValue::from_static("Basic realm=\"sign-in\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, ask);
        }
        response
    }
}

/// Answers a token request.
pub(super) async fn token(
    State(provider): SharedProvider,
    headers: HeaderMap,
    request: Result<Form<TokenRequest>, FormRejection>,
) -> Result<Json<Value>, TokenError> {
    let Form(request) = request.map_err(|_| TokenError::InvalidRequest)?;
    let client = authenticate(&provider, &headers, &request)?;
    match present(request.grant_type.as_ref()) {
        Some("authorization_code") => redeem_code(&provider, client, &request),
        Some("refresh_token") => refresh(&provider, client, &request),
        Some("client_credentials") => client_credentials(&provider, client, &request),
        Some(_) => Err(TokenError::UnsupportedGrantType),
        None => Err(TokenError::InvalidRequest),
    }
}

/// Finds the client and checks its secret: in the header or in the form, never in both.
fn authenticate<'a>(
    provider: &'a Provider,
    headers: &HeaderMap,
    request: &TokenRequest,
) -> Result<&'a Client, TokenError> {
    let in_form = present(request.client_id.as_ref());
    let secret_in_form = present(request.client_secret.as_ref());
    let (client_id, secret) = match headers.get(header::AUTHORIZATION) {
        None => (in_form.map(str::to_owned), secret_in_form.map(str::to_owned)),
        Some(_) if secret_in_form.is_some() => return Err(TokenError::InvalidRequest),
        Some(value) => {
            let (id, secret) =
                value.to_str().ok().and_then(basic).ok_or(TokenError::InvalidClient)?;
            if in_form.is_some_and(|in_form| in_form != id) {
                return Err(TokenError::InvalidRequest);
            }
            (Some(id), Some(secret))
        }
    };
    let client = client_id.and_then(|id| provider.client(&id)).ok_or(TokenError::InvalidClient)?;
    let good = match (&client.secret, secret) {
        (None, None) => true,
        (Some(expected), Some(given)) => equal(expected.expose(), &given),
        (None, Some(_)) | (Some(_), None) => false,
    };
    if good { Ok(client) } else { Err(TokenError::InvalidClient) }
}

/// Exchanges a code for tokens. A code is spent by its first use, whether that succeeds or not.
fn redeem_code(
    provider: &Arc<Provider>,
    client: &Client,
    request: &TokenRequest,
) -> Result<Json<Value>, TokenError> {
    let given = present(request.code.as_ref()).ok_or(TokenError::InvalidRequest)?;
    let verifier = present(request.code_verifier.as_ref()).ok_or(TokenError::InvalidRequest)?;
    let redirect_uri = present(request.redirect_uri.as_ref()).ok_or(TokenError::InvalidRequest)?;
    let now = provider.now();
    let code = {
        let mut memory = provider.memory();
        let code = memory.codes.get_mut(given, now).ok_or(TokenError::InvalidGrant)?;
        if code.grant.client_id != client.client_id {
            return Err(TokenError::InvalidGrant);
        }
        if std::mem::replace(&mut code.used, true) {
            // Two have the code, so one of them stole it: neither keeps what it got.
            let sid = code.grant.sid.clone();
            memory.end_session(&sid, now);
            return Err(TokenError::InvalidGrant);
        }
        code.clone()
    };
    if code.redirect_uri != redirect_uri || !verifies(verifier, &code.challenge) {
        return Err(TokenError::InvalidGrant);
    }
    issue(provider, code.grant)
}

/// Exchanges a refresh token for new tokens, a new refresh token among them.
fn refresh(
    provider: &Arc<Provider>,
    client: &Client,
    request: &TokenRequest,
) -> Result<Json<Value>, TokenError> {
    let given = present(request.refresh_token.as_ref()).ok_or(TokenError::InvalidRequest)?;
    let now = provider.now();
    let grant = {
        let mut memory = provider.memory();
        let token = memory.refresh_tokens.get_mut(given, now).ok_or(TokenError::InvalidGrant)?;
        if token.grant.client_id != client.client_id {
            return Err(TokenError::InvalidGrant);
        }
        if std::mem::replace(&mut token.used, true) {
            let sid = token.grant.sid.clone();
            memory.end_session(&sid, now);
            return Err(TokenError::InvalidGrant);
        }
        token.grant.clone()
    };
    if now >= grant.auth_time + SESSION_SECONDS {
        return Err(TokenError::InvalidGrant);
    }
    // The nonce belongs to the first ID token alone. OpenID Connect Core 1.0, 12.2.
    issue(provider, Grant { nonce: None, ..grant })
}

/// Gives a program a token of its own.
fn client_credentials(
    provider: &Arc<Provider>,
    client: &Client,
    request: &TokenRequest,
) -> Result<Json<Value>, TokenError> {
    let ClientKind::System { organisation, scopes } = &client.kind else {
        return Err(TokenError::UnauthorizedClient);
    };
    let asked = present(request.scope.as_ref());
    let granted: Vec<_> = scopes
        .iter()
        .map(String::as_str)
        .filter(|scope| asked.is_none_or(|asked| asked.split(' ').any(|asked| asked == *scope)))
        .collect();
    if granted.is_empty() {
        return Err(TokenError::InvalidScope);
    }
    let scope = granted.join(" ");
    let mut claims = api_claims(provider, &client.client_id, &client.client_id, &scope);
    claims["org_code"] = json!(organisation);
    let access_token =
        provider.key.sign(TokenKind::Access, &claims).map_err(|_| TokenError::Signing)?;
    Ok(Json(json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": provider.config.access_token_seconds,
        "scope": scope,
    })))
}

fn issue(provider: &Arc<Provider>, grant: Grant) -> Result<Json<Value>, TokenError> {
    let account = provider.account(&grant.user_id).ok_or(TokenError::InvalidGrant)?;
    let sign =
        |kind, claims: &Value| provider.key.sign(kind, claims).map_err(|_| TokenError::Signing);
    let access_token = sign(TokenKind::Access, &access_claims(provider, &grant, account))?;
    let id_token = sign(TokenKind::Id, &id_claims(provider, &grant, account, &access_token))?;
    let refresh_token = provider.unguessable();
    let scope = grant.scope.clone();
    let kept = RefreshToken { grant, used: false };
    provider.memory().refresh_tokens.insert(refresh_token.clone(), kept, provider.now());
    Ok(Json(json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": provider.config.access_token_seconds,
        "scope": scope,
        "id_token": id_token,
        "refresh_token": refresh_token,
    })))
}

/// Reads `Basic` credentials, whose parts are form-encoded. RFC 6749, 2.3.1.
fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = BASE64_STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form_decoded(id), form_decoded(secret)))
}

fn form_decoded(text: &str) -> String {
    // A text without separators is the name of one pair without a value.
    let escaped = text.replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(escaped.as_bytes())
        .next()
        .map_or_else(String::new, |(text, _)| text.into_owned())
}

/// RFC 7636, 4.6: the challenge is the hash of the verifier.
fn verifies(verifier: &str, challenge: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    (43..=128).contains(&verifier.len())
        && verifier.bytes().all(allowed)
        && equal(challenge, &BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes())))
}

/// Compares in a time that tells nothing of where two texts differ.
fn equal(expected: &str, given: &str) -> bool {
    verify_slices_are_equal(expected.as_bytes(), given.as_bytes()).is_ok()
}

const SESSION_SECONDS: i64 = 10 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_of_the_standard() {
        // RFC 7636, appendix B.
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

        assert!(verifies("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", challenge));
        assert!(!verifies("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK", challenge));
        assert!(!verifies("short", challenge));
    }

    #[test]
    fn basic_credentials_are_form_encoded() {
        let header = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));

        let expected = Some(("portal".to_owned(), "a:b c&d=e".to_owned()));
        assert_eq!(basic(&header("portal:a%3Ab+c%26d%3De")), expected);
        assert_eq!(basic(&header("portal:a:b+c&d=e")), expected);
        assert_eq!(basic(&header("portal")), None);
        assert_eq!(basic("Bearer abc"), None);
        assert_eq!(basic("Basic !"), None);
    }
}
