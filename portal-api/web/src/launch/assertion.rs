//! By what the portal shows a launching system that it is the one that is registered there: a JWT that it
//! signs (`private_key_jwt`). RFC 7523: 2.2; SMART App Launch 2: client-confidential-asymmetric.

use carerecord_service::signing::{ClientKey, SigningKeyError, Watched};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

/// The assertion of the client of a name, for one request to an address.
pub(super) fn signed(
    key: &Watched<ClientKey>,
    (client_id, audience): (&str, &str),
    (id, now): (Uuid, Timestamp),
) -> Result<String, SigningKeyError> {
    key.now(now).sign(&json!({
        "iss": client_id, "sub": client_id, "aud": audience, "jti": id,
        "iat": now.as_second(), "exp": now.as_second() + SECONDS,
    }))
}

/// `client_assertion_type`.
pub(super) const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// SMART App Launch 2: five minutes at most.
const SECONDS: i64 = 120;
