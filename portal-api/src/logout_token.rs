//! Logout tokens: how a sign-in provider says that sessions are over. OpenID Connect Back-Channel
//! Logout 1.0, 2.4 and 2.6.

use carerecord_service::SignedOut;
use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What a logout token says.
#[derive(Debug, PartialEq)]
pub(crate) struct LogoutToken {
    /// Its id, by which it is known again.
    pub(crate) id: String,
    pub(crate) what: SignedOut,
}

/// Why a logout token is not taken. No text of the token is in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum LogoutError {
    #[error("it is no signed token of a kind that is taken")]
    Malformed,
    #[error("its key is not one of the provider's")]
    UnknownKey,
    #[error("signature, issuer or audience are not right")]
    NotTheirs,
    #[error("it is too old, or of a time to come")]
    Time,
    #[error("it does not say that sessions are over")]
    NoLogout,
}

/// Who must have made a token, and for whom.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    /// The clients that the provider knows here.
    pub(super) clients: &'a [String],
    pub(super) now: Timestamp,
}

/// Checks everything but whether the token has come before.
pub(super) fn verify(
    token: &str,
    keys: &JwkSet,
    expected: &Expected<'_>,
) -> Result<LogoutToken, LogoutError> {
    let header = header(token)?;
    let key = key(keys, &header)?;
    let key = DecodingKey::from_jwk(key).map_err(|_| LogoutError::UnknownKey)?;
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(expected.clients);
    validation.set_required_spec_claims(&["iss", "aud"]);
    // Times are looked at below, by the portal's own clock.
    validation.validate_exp = false;
    let decoded = decode::<Claims>(token, &key, &validation).map_err(|error| {
        let unreadable = matches!(error.kind(), ErrorKind::Json(_));
        if unreadable { LogoutError::Malformed } else { LogoutError::NotTheirs }
    })?;
    decoded.claims.read(expected)
}

/// Of another type, an ID token or an access token must not pass for it.
fn header(token: &str) -> Result<Header, LogoutError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(LogoutError::Malformed);
    }
    let header = decode_header(token).map_err(|_| LogoutError::Malformed)?;
    let kind = header.typ.as_deref().unwrap_or(TYPES[0]);
    let kind = kind.strip_prefix("application/").unwrap_or(kind);
    let taken = TYPES.iter().any(|t| t.eq_ignore_ascii_case(kind));
    if !taken || header.crit.is_some() || !ALGORITHMS.contains(&header.alg) {
        return Err(LogoutError::Malformed);
    }
    Ok(header)
}

/// A provider with one key need not name it.
fn key<'k>(keys: &'k JwkSet, header: &Header) -> Result<&'k Jwk, LogoutError> {
    let found = match (&header.kid, keys.keys.as_slice()) {
        (Some(kid), _) => keys.find(kid),
        (None, [only]) => Some(only),
        (None, _) => None,
    };
    let signs = |key: &&Jwk| key.common.public_key_use.as_ref() != Some(&PublicKeyUse::Encryption);
    found.filter(signs).ok_or(LogoutError::UnknownKey)
}

#[derive(Deserialize)]
struct Claims {
    iat: i64,
    exp: Option<i64>,
    jti: String,
    sub: Option<String>,
    sid: Option<String>,
    events: Map<String, Value>,
    nonce: Option<Value>,
}

impl Claims {
    fn read(self, expected: &Expected<'_>) -> Result<LogoutToken, LogoutError> {
        let now = expected.now.as_second();
        let age = now.saturating_sub(self.iat);
        let over = self.exp.is_some_and(|exp| now.saturating_sub(exp) > SKEW_SECONDS);
        if over || !(-SKEW_SECONDS..=OLDEST_SECONDS + SKEW_SECONDS).contains(&age) {
            return Err(LogoutError::Time);
        }
        let said = self.events.get(EVENT).is_some_and(Value::is_object);
        let short = |text: &String| (1..=MAX_CHARS).contains(&text.len());
        let all_short = [Some(&self.jti), self.sub.as_ref(), self.sid.as_ref()];
        // With a nonce it could be an ID token that somebody passes off as this.
        if !said || self.nonce.is_some() || !all_short.into_iter().flatten().all(short) {
            return Err(LogoutError::NoLogout);
        }
        let issuer = expected.issuer.to_owned();
        let until = Timestamp::from_second(self.iat).map_err(|_| LogoutError::Time)?;
        let what = match (self.sid, self.sub) {
            (Some(session_id), _) => SignedOut::Session { issuer, session_id },
            (None, Some(subject)) => SignedOut::Person { issuer, subject, until },
            (None, None) => return Err(LogoutError::NoLogout),
        };
        Ok(LogoutToken { id: self.jti, what })
    }
}

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// The first is what the standard recommends; many providers still say the second.
const TYPES: [&str; 2] = ["logout+jwt", "JWT"];
const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::ES256, Algorithm::ES384, Algorithm::RS256, Algorithm::RS512];
const OLDEST_SECONDS: i64 = 300;
const SKEW_SECONDS: i64 = 30;
const MAX_CHARS: usize = 255;
const MAX_TOKEN_BYTES: usize = 8 << 10;
