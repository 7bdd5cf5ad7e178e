use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// Why there is no token. RFC 6749: 5.2; RFC 8707: 2.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum OAuthFailure {
    #[error("the request lacks a parameter, repeats one, or is not a form")]
    Request,
    #[error("the client has not shown who it is: {0}")]
    Client(#[from] AssertionError),
    #[error(
        "client_credentials and, to apps, authorization_code are granted here, and nothing else"
    )]
    GrantType,
    #[error("apps are granted authorization_code, and systems client_credentials")]
    NotForClient,
    #[error("the code gives no token: {0}")]
    Grant(#[from] GrantError),
    #[error("nothing of what was asked for is granted to this client")]
    Scope,
    #[error("tokens are for the FHIR API of this portal only")]
    Target,
    #[error("the client may not use the record for this purpose")]
    Purpose,
    #[error("this client may not ask about tokens")]
    NotPermitted,
    #[error("too many requests: wait a moment")]
    TooMany,
    #[error("the service failed; it has been recorded")]
    Internal,
}

/// What is wrong with an assertion. It is told, since whoever sets up a client has to know; nothing of
/// it helps somebody without the client's key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum AssertionError {
    #[error("send client_assertion, a signed JWT, with its client_assertion_type")]
    Missing,
    #[error("the assertion is no JWT with the claims that are needed")]
    Malformed,
    #[error("the algorithm of the assertion is not taken")]
    Algorithm,
    #[error("the client is not known")]
    UnknownClient,
    #[error("the client has no such key")]
    UnknownKey,
    #[error("the signature of the assertion does not hold")]
    Signature,
    #[error("iss, sub and client_id are not the same")]
    Subject,
    #[error("the assertion is for somebody else: aud is the token endpoint")]
    Audience,
    #[error("the assertion has expired, or is of a time that is yet to come")]
    Time,
    #[error("the assertion holds for longer than five minutes")]
    TooLong,
    #[error("the assertion has been used before")]
    Replayed,
}

/// What is wrong with a code.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum GrantError {
    #[error("it is not known, or has been forgotten since")]
    Unknown,
    #[error("it was good for a minute")]
    Expired,
    #[error("it has been used; the token that it gave is taken back")]
    Replayed,
    #[error("it is another client's")]
    OtherClient,
    #[error("redirect_uri is not that of the request")]
    OtherRedirectUri,
    #[error("code_verifier does not fit the challenge of the request")]
    Verifier,
}

impl GrantError {
    const ALL: [Self; 6] = [
        Self::Unknown,
        Self::Expired,
        Self::Replayed,
        Self::OtherClient,
        Self::OtherRedirectUri,
        Self::Verifier,
    ];
}

impl AssertionError {
    const ALL: [Self; 11] = [
        Self::Missing,
        Self::Malformed,
        Self::Algorithm,
        Self::UnknownClient,
        Self::UnknownKey,
        Self::Signature,
        Self::Subject,
        Self::Audience,
        Self::Time,
        Self::TooLong,
        Self::Replayed,
    ];
}

impl OAuthFailure {
    /// Each of them, for the documentation.
    pub fn all() -> Vec<Self> {
        let clients = AssertionError::ALL.into_iter().map(Self::Client);
        let others = [
            Self::Request,
            Self::GrantType,
            Self::NotForClient,
            Self::Scope,
            Self::Target,
            Self::Purpose,
            Self::NotPermitted,
            Self::TooMany,
            Self::Internal,
        ];
        let grants = GrantError::ALL.into_iter().map(Self::Grant);
        clients.chain(grants).chain(others).collect()
    }

    pub fn code(self) -> &'static str {
        match self {
            Self::Request => "invalid_request",
            Self::Client(_) => "invalid_client",
            Self::GrantType => "unsupported_grant_type",
            Self::Grant(_) => "invalid_grant",
            Self::Scope => "invalid_scope",
            Self::Target => "invalid_target",
            Self::Purpose | Self::NotPermitted | Self::NotForClient => "unauthorized_client",
            Self::TooMany => "temporarily_unavailable",
            Self::Internal => "server_error",
        }
    }

    pub fn status(self) -> StatusCode {
        match self {
            Self::Client(_) => StatusCode::UNAUTHORIZED,
            Self::NotPermitted => StatusCode::FORBIDDEN,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::SERVICE_UNAVAILABLE,
            Self::Request
            | Self::GrantType
            | Self::NotForClient
            | Self::Grant(_)
            | Self::Scope
            | Self::Target
            | Self::Purpose => StatusCode::BAD_REQUEST,
        }
    }
}

impl IntoResponse for OAuthFailure {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.code(), "error_description": self.to_string() });
        let mut response = (self.status(), Json(body)).into_response();
        let headers = response.headers_mut();
        never_stored(headers);
        if matches!(self, Self::Client(_)) {
            let ask = HeaderValue::from_static("Bearer realm=\"carerecord\"");
            headers.insert(header::WWW_AUTHENTICATE, ask);
        }
        if matches!(self, Self::TooMany | Self::Internal) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
        }
        response
    }
}

/// RFC 6749: 5.1.
pub(super) fn never_stored(headers: &mut axum::http::HeaderMap) {
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
}
