//! What tokens say.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::accounts::CitizenAccount;
use super::memory::Grant;
use super::{Account, Provider};

/// The claims that every access token has. RFC 9068, 2.2.
pub(super) fn api_claims(
    provider: &Provider,
    subject: &str,
    client_id: &str,
    scope: &str,
) -> Value {
    let now = provider.now();
    json!({
        "iss": provider.issuer,
        "sub": subject,
        "aud": provider.config.api_audience,
        "client_id": client_id,
        "scope": scope,
        "jti": provider.ids.random().to_string(),
        "iat": now,
        "nbf": now,
        "exp": now + i64::from(provider.config.access_token_seconds),
    })
}

/// What the API has to know of the person: it cannot ask, and decides by these.
pub(super) fn access_claims(provider: &Provider, grant: &Grant, account: &Account) -> Value {
    let mut claims = api_claims(provider, &account.user_id, &grant.client_id, &grant.scope);
    claims["name"] = json!(account.listed_name());
    claims["sid"] = json!(grant.sid);
    claims["auth_time"] = json!(grant.auth_time);
    if let Some(citizen) = &account.citizen {
        claims["name"] = json!(account.spoken_name());
        add_citizen(&mut claims, citizen, &provider.issuer);
        return claims;
    }
    claims["acr"] = json!(ACR);
    claims["authentication_assurance_level"] = json!(ASSURANCE);
    claims["nhsid_useruid"] = json!(account.user_id);
    claims["nhsid_nrbac_roles"] = json!(account.roles);
    if let Some(role) = &account.selected_role {
        claims["selected_roleid"] = json!(role);
    }
    claims
}

/// OpenID Connect Core 1.0, 2, in the shape of CIS2.
pub(super) fn id_claims(
    provider: &Provider,
    grant: &Grant,
    account: &Account,
    access_token: &str,
) -> Value {
    let now = provider.now();
    let hash = digest(&SHA256, access_token.as_bytes());
    let mut claims = json!({
        "iss": provider.issuer,
        "sub": account.user_id,
        "aud": grant.client_id,
        "iat": now,
        "exp": now + i64::from(provider.config.access_token_seconds),
        "auth_time": grant.auth_time,
        "sid": grant.sid,
        "amr": AMR,
        "at_hash": BASE64_URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]),
    });
    if let Some(nonce) = &grant.nonce {
        claims["nonce"] = json!(nonce);
    }
    if let Some(citizen) = &account.citizen {
        add_citizen(&mut claims, citizen, &provider.issuer);
        return claims;
    }
    claims["acr"] = json!(ACR);
    claims["id_assurance_level"] = json!(ASSURANCE);
    claims["authentication_assurance_level"] = json!(ASSURANCE);
    if let Some(role) = &account.selected_role {
        claims["selected_roleid"] = json!(role);
    }
    claims
}

/// Who a citizen is, and how surely, in the shape of NHS login.
fn add_citizen(claims: &mut Value, citizen: &CitizenAccount, issuer: &str) {
    claims["nhs_number"] = json!(citizen.nhs_number);
    claims["birthdate"] = json!(citizen.birthdate);
    claims["identity_proofing_level"] = json!(citizen.proofing);
    claims["vot"] = json!(format!("{}.Cp.Cd", citizen.proofing));
    claims["vtm"] = json!(format!("{issuer}/trustmark"));
}

/// The demo stands in for a sign-in with a smartcard or a passkey ...
const ACR: &str = "AAL3_ANY";
const ASSURANCE: &str = "3";
/// ... and says here that there was none.
const AMR: [&str; 1] = ["DEMONSTRATION"];
