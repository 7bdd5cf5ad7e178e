use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::keys::TokenKind;
use super::{Account, Provider, SharedProvider};

/// Why nothing is told. RFC 6750, 3.1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum BearerError {
    Missing,
    InvalidToken,
    InsufficientScope,
}

impl IntoResponse for BearerError {
    fn into_response(self) -> Response {
        let (status, challenge) = match self {
            Self::Missing => (StatusCode::UNAUTHORIZED, "Bearer"),
            Self::InvalidToken => (StatusCode::UNAUTHORIZED, "Bearer error=\"invalid_token\""),
            Self::InsufficientScope => {
                (StatusCode::FORBIDDEN, "Bearer error=\"insufficient_scope\", scope=\"openid\"")
            }
        };
        (status, [(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))]).into_response()
    }
}

/// Tells who signed in, as far as the scopes of the token go. OpenID Connect Core 1.0, 5.3.
pub(super) async fn userinfo(
    State(provider): SharedProvider,
    headers: HeaderMap,
) -> Result<Json<Value>, BearerError> {
    let token = bearer(&headers).ok_or(BearerError::Missing)?;
    let claims = check(&provider, token)?;
    let account = provider.account(&claims.sub).ok_or(BearerError::InvalidToken)?;
    Ok(Json(claims_of(account, &claims.scope)))
}

#[derive(Deserialize)]
struct AccessClaims {
    iss: String,
    aud: String,
    sub: String,
    exp: i64,
    scope: String,
    sid: Option<String>,
}

fn check(provider: &Provider, token: &str) -> Result<AccessClaims, BearerError> {
    let claims: AccessClaims =
        provider.key.verify(TokenKind::Access, token).map_err(|_| BearerError::InvalidToken)?;
    let now = provider.now();
    let ours = claims.iss == provider.issuer && claims.aud == provider.config.api_audience;
    let ended = claims.sid.as_ref().is_some_and(|sid| provider.memory().ended.contains(sid, now));
    if !ours || claims.exp <= now || ended {
        return Err(BearerError::InvalidToken);
    }
    if !has(&claims.scope, "openid") {
        return Err(BearerError::InsufficientScope);
    }
    Ok(claims)
}

fn claims_of(account: &Account, scope: &str) -> Value {
    if let Some(citizen) = &account.citizen {
        let mut claims = json!({"sub": account.user_id});
        if has(scope, "profile") {
            claims["given_name"] = json!(account.given_name);
            claims["family_name"] = json!(account.family_name);
            claims["birthdate"] = json!(citizen.birthdate);
            claims["nhs_number"] = json!(citizen.nhs_number);
            claims["identity_proofing_level"] = json!(citizen.proofing);
        }
        return claims;
    }
    let mut claims = json!({
        "sub": account.user_id,
        "nhsid_useruid": account.user_id,
        "uid": account.user_id,
        "idassurancelevel": "3",
    });
    if has(scope, "profile") || has(scope, "nhsperson") {
        claims["name"] = json!(account.listed_name());
        claims["given_name"] = json!(account.given_name);
        claims["family_name"] = json!(account.family_name);
        claims["title"] = json!(account.title);
    }
    if has(scope, "email") {
        let local = format!("{}.{}", account.given_name, account.family_name).to_lowercase();
        claims["email"] = json!(format!("{local}@example.nhs.uk"));
    }
    if has(scope, "nationalrbacaccess") {
        claims["nhsid_nrbac_roles"] = json!(account.roles);
    }
    if has(scope, "associatedorgs") {
        let organisations = account.organisations.iter();
        let organisations = organisations
            .map(|(code, name)| json!({ "org_code": code, "org_name": name.to_uppercase() }));
        claims["nhsid_user_orgs"] = organisations.collect();
    }
    if let Some(role) = account.selected_role.as_ref().filter(|_| has(scope, "selectedrole")) {
        claims["selected_roleid"] = json!(role);
    }
    claims
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn has(scopes: &str, scope: &str) -> bool {
    scopes.split(' ').any(|granted| granted == scope)
}
