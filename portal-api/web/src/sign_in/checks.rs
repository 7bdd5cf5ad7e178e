//! What holds for every answer of OpenID Connect, of a sign-in or of a launch.

use openidconnect::core::{
    CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
};
use openidconnect::{
    AccessToken, AccessTokenHash, AdditionalClaims, HttpResponse, IdToken, IdTokenClaims,
    IdTokenVerifier, Nonce,
};

/// The claims of an ID token of the core kinds.
pub(crate) type Claims<AC> = IdTokenClaims<AC, CoreGenderClaim>;

/// An ID token of the core kinds.
pub(crate) type Token<AC> =
    IdToken<AC, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;

/// What an ID token says, once signature, issuer, audience, times, nonce and the hash of the access
/// token are checked.
pub(crate) fn verified<'t, AC: AdditionalClaims>(
    id_token: &'t Token<AC>,
    verifier: IdTokenVerifier<'_, CoreJsonWebKey>,
    access_token: &AccessToken,
    nonce: &Nonce,
) -> Option<&'t Claims<AC>> {
    let verifier = verifier.set_allowed_algs(ALGORITHMS);
    let claims = id_token.claims(&verifier, nonce).ok()?;
    if let Some(expected) = claims.access_token_hash() {
        let algorithm = id_token.signing_alg().ok()?;
        let key = id_token.signing_key(&verifier).ok()?;
        let actual = AccessTokenHash::from_token(access_token, algorithm, key);
        if actual.ok()? != *expected {
            return None;
        }
    }
    Some(claims)
}

/// An answer, read as far as it may be long.
pub(crate) async fn bounded(response: reqwest::Response) -> Result<HttpResponse, SendError> {
    bounded_to(response, MAX_ANSWER_BYTES).await
}

/// The same, with a limit of its own.
pub(crate) async fn bounded_to(
    mut response: reqwest::Response,
    max_bytes: usize,
) -> Result<HttpResponse, SendError> {
    let mut answer = http::Response::builder().status(response.status());
    if let Some(headers) = answer.headers_mut() {
        headers.clone_from(response.headers());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > max_bytes {
            return Err(SendError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(answer.body(body)?)
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error("the request failed")]
    Http(#[from] reqwest::Error),
    #[error("the answer is malformed")]
    Answer(#[from] http::Error),
    #[error("the answer is too long")]
    TooLong,
}

const ALGORITHMS: [CoreJwsSigningAlgorithm; 3] = [
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
];
const MAX_ANSWER_BYTES: usize = 1 << 20;
