//! Access tokens of our own: what they say, and what they are worth. RFC 9068; IUA 2.4, ITI-71.

use carerecord_access::{Caller, Purpose, Right, SystemCaller};
use carerecord_model::OrganisationCode;
use carerecord_service::SignOutsUnavailable;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::client::Client;
use super::error::OAuthFailure;
use super::grants::Granted;
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
        let organisation = (client.organisation_name.clone(), &client.organisation);
        let mut claims = self.said(client, organisation, purpose);
        claims.scope = scopes.to_string();
        self.sign(claims)
    }

    /// A token for a person, by an app; its id is that of what they have granted.
    pub(super) fn issue_for(
        &self,
        client: &Client,
        granted: &Granted,
        id: Uuid,
    ) -> Result<(String, AccessClaims), OAuthFailure> {
        let organisation = (None, granted.person.organisation());
        let mut claims = self.said(client, organisation, granted.purpose);
        granted.person.user_id().clone_into(&mut claims.sub);
        claims.jti = id.to_string();
        claims.scope.clone_from(&granted.scope);
        self.sign(claims)
    }

    fn said(
        &self,
        client: &Client,
        (name, organisation): (Option<String>, &OrganisationCode),
        purpose: Purpose,
    ) -> AccessClaims {
        let inner = &self.0;
        let now = inner.clock.now();
        AccessClaims {
            iss: inner.issuer.clone(),
            sub: client.id.clone(),
            client_id: client.id.clone(),
            aud: inner.audience.clone(),
            jti: inner.ids.random().to_string(),
            iat: now.as_second(),
            exp: now.as_second() + i64::from(inner.seconds),
            scope: String::new(),
            extensions: Extensions {
                ihe_iua: IuaClaims {
                    subject_organization: name,
                    subject_organization_id: Some(format!("{ODS}{organisation}")),
                    purpose_of_use: vec![Coding::of(purpose)],
                },
            },
        }
    }

    fn sign(&self, claims: AccessClaims) -> Result<(String, AccessClaims), OAuthFailure> {
        let key = self.0.key.now(self.0.clock.now());
        let token = key.sign(TYPE, &claims).map_err(|error| {
            tracing::error!(%error, "an access token could not be signed");
            OAuthFailure::Internal
        })?;
        Ok((token, claims))
    }

    pub(super) fn seconds(&self) -> u32 {
        self.0.seconds
    }

    /// How long access tokens are good for.
    pub(super) fn life(&self) -> SignedDuration {
        SignedDuration::from_secs(self.0.seconds.into())
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
        // An app's token is about the person.
        let same = self
            .client(&claims.client_id)
            .is_some_and(|client| client.app.is_some() || claims.sub == claims.client_id);
        (in_time && same).then_some(claims)
    }

    /// What a token is worth now; `None` when it is not.
    ///
    /// # Errors
    /// When it cannot be told whether it has been taken back.
    pub(crate) async fn judge(&self, token: &str) -> Result<Option<OwnToken>, SignOutsUnavailable> {
        let Some((client, claims)) =
            self.claims(token).and_then(|claims| Some((self.client(&claims.client_id)?, claims)))
        else {
            return Ok(None);
        };
        // What has been taken from the client since is gone from its tokens too.
        let scopes = client.scopes.grant(&Scopes::parse(&claims.scope));
        let purpose = claims.extensions.ihe_iua.purpose_of_use.first();
        let purpose = purpose.and_then(|coding| Purpose::from_code(&coding.code));
        let Some(purpose) = purpose.filter(|purpose| client.purposes.contains(purpose)) else {
            return Ok(None);
        };
        if client.app.is_some() {
            let caller = self.person_of(client, &claims).await?;
            return Ok(caller.map(|caller| OwnToken { caller, purpose, scopes }));
        }
        let mut rights = Vec::new();
        if scopes.read() {
            rights.extend([Right::Query, Right::Retrieve]);
        }
        if scopes.publish() {
            rights.push(Right::Publish);
        }
        let caller = Caller::System(SystemCaller { rights, ..system(client) });
        Ok(Some(OwnToken { caller, purpose, scopes }))
    }

    /// The person of an app's token, while they are signed in and nobody has taken it back.
    async fn person_of(
        &self,
        client: &Client,
        claims: &AccessClaims,
    ) -> Result<Option<Caller>, SignOutsUnavailable> {
        let (Some(people), Ok(id)) = (&self.0.people, Uuid::parse_str(&claims.jti)) else {
            return Ok(None);
        };
        let granted = self.0.grants.of_token(id).await.map_err(|error| {
            tracing::error!(%error, "the portal's database failed");
            SignOutsUnavailable(error.to_string())
        })?;
        let same = |granted: &Granted| {
            granted.client_id == client.id && granted.person.user_id() == claims.sub
        };
        let Some(granted) = granted.filter(same) else { return Ok(None) };
        if people.sign_outs.has_ended(&granted.person.sign_in()).await? {
            return Ok(None);
        }
        Ok(Some(granted.caller(client, self.issuer(), &claims.jti)))
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
