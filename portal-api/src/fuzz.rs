//! What the bytes of a stranger reach first, for the fuzz targets of `tests/fuzz`. No interface of the
//! product.

use crate::logout_token::{self, Expected};

/// Whether the claims of an access token name a caller.
pub fn claims(json: &[u8]) -> bool {
    crate::token::names_a_caller(json)
}

/// Whether a logout token would be taken from a provider with one key.
pub fn logout_token(token: &str) -> bool {
    let key = serde_json::json!({"keys": [{
        "kty": "EC", "crv": "P-256", "kid": "k", "use": "sig", "alg": "ES256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }]});
    let Ok(keys) = serde_json::from_value(key) else { return false };
    let (issuer, clients) = ("https://idp.example", &["carerecord-web".to_owned()][..]);
    let now = jiff::Timestamp::UNIX_EPOCH;
    logout_token::verify(token, &keys, &Expected { issuer, clients, now }).is_ok()
}
