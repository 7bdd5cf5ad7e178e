//! `private_key_jwt`: a client shows who it is by a JWT that it has signed. RFC 7523: 3; SMART App
//! Launch 2: client-confidential-asymmetric.

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::Deserialize;

use super::client::Client;
use super::error::{AssertionError, OAuthFailure};
use super::form::OAuthForm;
use super::issue::Extensions;
use super::{Inner, OAuth};

/// What an assertion says.
#[derive(Debug, Deserialize)]
pub(super) struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    iat: Option<i64>,
    nbf: Option<i64>,
    jti: String,
    /// IUA: what the token is to say.
    #[serde(default)]
    pub extensions: Extensions,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl OAuth {
    /// The client that sends a request. Its assertion is used up.
    pub(super) async fn authenticate(
        &self,
        form: &OAuthForm,
    ) -> Result<(&Client, Claims), OAuthFailure> {
        let kind = form.get("client_assertion_type");
        let assertion = form.get("client_assertion").filter(|_| kind == Some(JWT_BEARER));
        let assertion = assertion.ok_or(AssertionError::Missing)?;
        let now = self.0.clock.now();
        let (client, claims) = self.verify(assertion, form.get("client_id"), now)?;
        let ends = Timestamp::from_second(claims.exp).map_err(|_| AssertionError::Time)?;
        let noted = self.0.assertions.note(&client.id, &claims.jti, ends + SKEW, now).await;
        let fresh = noted.map_err(|error| {
            tracing::error!(%error, "the portal's database failed");
            OAuthFailure::Internal
        })?;
        if fresh { Ok((client, claims)) } else { Err(AssertionError::Replayed.into()) }
    }

    fn verify(
        &self,
        assertion: &str,
        named: Option<&str>,
        now: Timestamp,
    ) -> Result<(&Client, Claims), AssertionError> {
        if assertion.len() > MAX_BYTES {
            return Err(AssertionError::Malformed);
        }
        // `none` is no algorithm that a header can have.
        let header = decode_header(assertion).map_err(|_| AssertionError::Malformed)?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(AssertionError::Algorithm);
        }
        let kinds = ["jwt", "client-authentication+jwt"];
        let is_one = header.typ.is_none_or(|t| kinds.contains(&t.to_ascii_lowercase().as_str()));
        if !is_one || header.crit.is_some() {
            return Err(AssertionError::Malformed);
        }
        let id = issuer_of(assertion).ok_or(AssertionError::Malformed)?;
        let client = self.client(&id).ok_or(AssertionError::UnknownClient)?;
        let keys = client.keys(now).ok_or(AssertionError::UnknownKey)?;
        let key = keys.find(header.kid.as_deref(), header.alg).ok_or(AssertionError::UnknownKey)?;
        let mut validation = Validation::new(header.alg);
        validation.algorithms = vec![header.alg];
        // Times are judged by our own clock.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let claims = match decode::<Claims>(assertion, key, &validation) {
            Ok(token) => token.claims,
            Err(error) if matches!(error.kind(), ErrorKind::Json(_)) => {
                return Err(AssertionError::Malformed);
            }
            Err(_) => return Err(AssertionError::Signature),
        };
        self.0.check(&claims, named, now)?;
        Ok((client, claims))
    }
}

impl Inner {
    fn check(
        &self,
        claims: &Claims,
        named: Option<&str>,
        now: Timestamp,
    ) -> Result<(), AssertionError> {
        if claims.iss != claims.sub || named.is_some_and(|named| named != claims.sub) {
            return Err(AssertionError::Subject);
        }
        let ours = |aud: &String| {
            *aud == self.issuer || aud.strip_prefix(&self.issuer) == Some("/oauth/token")
        };
        let meant = match &claims.aud {
            Audience::One(aud) => ours(aud),
            // Meant for one alone: whoever else it is for could use it here.
            Audience::Many(all) => !all.is_empty() && all.iter().all(ours),
        };
        if !meant {
            return Err(AssertionError::Audience);
        }
        let at = |second| Timestamp::from_second(second).map_err(|_| AssertionError::Time);
        let ends = at(claims.exp)?;
        if now >= ends + SKEW {
            return Err(AssertionError::Time);
        }
        if ends > now + LONGEST + SKEW {
            return Err(AssertionError::TooLong);
        }
        for begins in [claims.iat, claims.nbf].into_iter().flatten() {
            if at(begins)? > now + SKEW {
                return Err(AssertionError::Time);
            }
        }
        if claims.jti.is_empty() || claims.jti.len() > MAX_JTI {
            return Err(AssertionError::Malformed);
        }
        Ok(())
    }
}

/// Who a JWT says that it is of, before anything of it is believed.
pub(crate) fn issuer_of(jwt: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Issuer {
        iss: String,
    }
    jsonwebtoken::dangerous::insecure_decode_claims::<Issuer>(jwt).ok().map(|claims| claims.iss)
}

/// Neither `none` nor what is keyed with a shared secret, and nothing with SHA-1.
pub(super) const ALGORITHMS: [Algorithm; 8] = [
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
];
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const SKEW: SignedDuration = SignedDuration::from_secs(30);
const LONGEST: SignedDuration = SignedDuration::from_mins(5);
const MAX_BYTES: usize = 8 << 10;
const MAX_JTI: usize = 128;
