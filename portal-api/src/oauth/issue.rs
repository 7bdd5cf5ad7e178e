//! Access tokens of our own: what they say, and what they are worth. RFC 9068; IUA 2.4, ITI-71.

use carerecord_access::{Caller, Purpose, Right, SystemCaller};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::{Deserialize, Serialize};

use super::client::Client;
use super::error::OAuthFailure;
use super::{OAuth, Scopes};

/// The claims of an access token.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct AccessClaims {
    pub iss: String,
    pub sub: String,
    pub client_id: String,
    pub aud: String,
    pub jti: String,
    pub iat: i64,
    pub exp: i64,
    pub scope: String,
    pub extensions: Extensions,
}

/// `extensions` of IUA.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Extensions {
    #[serde(default)]
    pub ihe_iua: IuaClaims,
}

/// `ihe_iua`. Of an assertion only the purpose is looked at.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct IuaClaims {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_organization: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_organization_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub purpose_of_use: Vec<Coding>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Coding {
    #[serde(default)]
    pub system: String,
    pub code: String,
}

/// A token of our own, verified.
pub(crate) struct OwnToken {
    pub caller: Caller,
    pub purpose: Purpose,
    pub scopes: Scopes,
}

impl Coding {
    fn of(purpose: Purpose) -> Self {
        let hl7 = |code: &str| (ACT_REASON.to_owned(), code.to_owned());
        let (system, code) = match purpose {
            Purpose::DirectCare => hl7("TREAT"),
            Purpose::PatientAccess => hl7("PATRQT"),
            Purpose::Audit | Purpose::SubjectAccess | Purpose::Legal | Purpose::ServiceDesk => {
                (OWN_PURPOSES.to_owned(), purpose.code().to_owned())
            }
        };
        Self { system, code }
    }
}

impl OAuth {
    /// A token for a client; what it asks for has been found to be allowed.
    pub(super) fn issue(
        &self,
        client: &Client,
        scopes: &Scopes,
        purpose: Purpose,
    ) -> Result<(String, AccessClaims), OAuthFailure> {
        let inner = &self.0;
        let now = inner.clock.now();
        let claims = AccessClaims {
            iss: inner.issuer.clone(),
            sub: client.id.clone(),
            client_id: client.id.clone(),
            aud: inner.audience.clone(),
            jti: inner.ids.random().to_string(),
            iat: now.as_second(),
            exp: now.as_second() + i64::from(inner.seconds),
            scope: scopes.to_string(),
            extensions: Extensions {
                ihe_iua: IuaClaims {
                    subject_organization: client.organisation_name.clone(),
                    subject_organization_id: Some(format!("{ODS}{}", client.organisation)),
                    purpose_of_use: vec![Coding::of(purpose)],
                },
            },
        };
        let token = inner.key.now(now).sign(TYPE, &claims).map_err(|error| {
            tracing::error!(%error, "an access token could not be signed");
            OAuthFailure::Internal
        })?;
        Ok((token, claims))
    }

    pub(super) fn seconds(&self) -> u32 {
        self.0.seconds
    }

    /// Whether a token says that it is one of ours, before anything of it is believed.
    pub(crate) fn is_own(&self, token: &str) -> bool {
        super::assertion::issuer_of(token).is_some_and(|issuer| issuer == self.0.issuer)
    }

    /// The claims of a token that holds now, of a client that is still known.
    pub(super) fn claims(&self, token: &str) -> Option<AccessClaims> {
        if token.len() > MAX_BYTES {
            return None;
        }
        let now = self.0.clock.now();
        let header = decode_header(token).ok()?;
        let is_one = header.alg == Algorithm::ES256
            && header.typ.as_deref() == Some(TYPE)
            && header.crit.is_none();
        let id = header.kid.filter(|_| is_one)?;
        let keys = self.0.keys.now(now);
        let mut validation = Validation::new(Algorithm::ES256);
        validation.validate_exp = false;
        validation.set_issuer(&[&self.0.issuer]);
        validation.set_audience(&[&self.0.audience]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        let claims = decode::<AccessClaims>(token, keys.find(&id)?, &validation).ok()?.claims;
        let (made, ends) =
            (Timestamp::from_second(claims.iat).ok()?, Timestamp::from_second(claims.exp).ok()?);
        let in_time = now < ends && made <= now + SKEW;
        let same = claims.sub == claims.client_id && self.client(&claims.sub).is_some();
        (in_time && same).then_some(claims)
    }

    /// What a token is worth now; `None` when it is not.
    pub(crate) fn judge(&self, token: &str) -> Option<OwnToken> {
        let claims = self.claims(token)?;
        let client = self.client(&claims.sub)?;
        // What has been taken from the client since is gone from its tokens too.
        let scopes = client.scopes.grant(&Scopes::parse(&claims.scope));
        let purpose = claims.extensions.ihe_iua.purpose_of_use.first();
        let purpose = purpose.and_then(|coding| Purpose::from_code(&coding.code))?;
        if !client.purposes.contains(&purpose) {
            return None;
        }
        let rights = if scopes.is_empty() { vec![] } else { vec![Right::Query, Right::Retrieve] };
        let caller = Caller::System(SystemCaller { rights, ..system(client) });
        Some(OwnToken { caller, purpose, scopes })
    }
}

/// A client as it shows itself by a token or an assertion.
pub(super) fn system(client: &Client) -> SystemCaller {
    SystemCaller {
        name: client.id.clone(),
        organisation: client.organisation.clone(),
        rights: Vec::new(),
        known_by: "token",
    }
}

const TYPE: &str = "at+jwt";
const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code/";
const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const OWN_PURPOSES: &str = "urn:carerecord:purpose-of-use";
const SKEW: SignedDuration = SignedDuration::from_secs(30);
const MAX_BYTES: usize = 8 << 10;
