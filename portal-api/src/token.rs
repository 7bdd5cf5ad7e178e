//! Access tokens: JWTs of the sign-in provider, checked against its published keys.

mod claims;

use std::sync::Arc;
use std::time::{Duration, Instant};

use carerecord_access::{Caller, Purpose};
use carerecord_model::Clock;
use carerecord_service::{
    AuditDraft, Ended, FIRST, LONGEST_SIGN_IN, SignIn, SignInProvider, SignOuts,
    SignOutsUnavailable, SignedOut,
};
use jiff::Timestamp;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::logout_token::{self, Expected, LogoutError, LogoutToken};
use crate::oauth::{OwnToken, Scopes};
use crate::{OAuth, PortalConfig};
use claims::{Claims, Common, citizen, mapped};

pub(crate) use claims::names_a_caller;

/// Checks access tokens.
#[derive(Clone)]
pub struct TokenVerifier {
    /// The sign-in providers, the first one first.
    issuers: Vec<Issuer>,
    http: reqwest::Client,
    sign_outs: Arc<dyn SignOuts>,
    clock: Arc<dyn Clock>,
    /// Of tokens that the portal itself has given.
    own: Option<OAuth>,
}

/// A sign-in provider.
#[derive(Clone)]
struct Issuer {
    name: String,
    audience: String,
    /// The clients that it knows, for whom its logout tokens are.
    clients: Vec<String>,
    keys: Arc<Mutex<Option<(Instant, JwkSet)>>>,
    /// What its claims mean; `None` of the first one, which speaks as the national one does.
    mapping: Option<Arc<SignInProvider>>,
}

/// What a token is worth.
pub(crate) struct Judged {
    pub caller: Caller,
    /// What alone the record may be opened for, where the token says it.
    pub purpose: Option<Purpose>,
    /// What alone may be asked, where the token says it.
    pub scopes: Option<Scopes>,
    /// The sign-in, of who shows the token of a sign-in provider.
    pub sign_in: Option<SignIn>,
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("Send a bearer token of the sign-in service.")]
    Missing,
    #[error("The access token is not valid or has ended. Sign in again.")]
    Invalid,
    #[error("The sign-in service's keys could not be read.")]
    KeysUnavailable,
    #[error("more than one role and none selected")]
    RoleNotSelected,
    #[error("it cannot be told whether the sign-in has ended")]
    SignOutsUnavailable,
}

impl TokenVerifier {
    /// Checks tokens of the configured issuer. Its keys are fetched when first needed.
    pub fn new(
        config: &PortalConfig,
        http: reqwest::Client,
        sign_outs: Arc<dyn SignOuts>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            issuers: vec![Issuer {
                name: config.issuer.trim_end_matches('/').to_owned(),
                audience: config.audience.clone(),
                clients: config.sign_in_clients.clone(),
                keys: Arc::default(),
                mapping: None,
            }],
            http,
            sign_outs,
            clock,
            own: None,
        }
    }

    /// The same with more sign-in providers.
    #[must_use]
    pub fn with_providers(mut self, providers: &[SignInProvider]) -> Self {
        self.issuers.extend(providers.iter().map(|provider| Issuer {
            name: provider.issuer().to_owned(),
            audience: provider.audience.clone(),
            clients: vec![provider.client_id.clone()],
            keys: Arc::default(),
            mapping: Some(Arc::new(provider.clone())),
        }));
        self
    }

    /// The same with one more client of the first provider.
    #[must_use]
    pub fn with_client(mut self, id: &str) -> Self {
        self.issuers.iter_mut().take(1).for_each(|first| first.clients.push(id.to_owned()));
        self
    }

    /// The same, where the portal itself gives tokens to systems.
    #[must_use]
    pub fn with_own(self, own: OAuth) -> Self {
        Self { own: Some(own), ..self }
    }

    pub(crate) fn own(&self) -> Option<&OAuth> {
        self.own.as_ref()
    }

    /// What a token is worth, whoever has given it. `selected_role` is used where the token leaves it
    /// open.
    pub(crate) async fn judge(
        &self,
        token: &str,
        selected_role: Option<&str>,
    ) -> Result<Judged, TokenError> {
        if let Some(own) = self.own.as_ref().filter(|own| own.is_own(token)) {
            let held = own.judge(token).await.map_err(|_| TokenError::SignOutsUnavailable)?;
            let OwnToken { caller, purpose, scopes } = held.ok_or(TokenError::Invalid)?;
            let (purpose, scopes) = (Some(purpose), Some(scopes));
            return Ok(Judged { caller, purpose, scopes, sign_in: None });
        }
        let (caller, sign_in) = self.caller(token, selected_role).await?;
        let is_citizen = matches!(caller, Caller::Citizen(_));
        let purpose = is_citizen.then_some(Purpose::PatientAccess);
        Ok(Judged { caller, purpose, scopes: None, sign_in: Some(sign_in) })
    }

    /// With keys that are known already.
    #[cfg(test)]
    pub(crate) fn with_keys(
        config: &PortalConfig,
        keys: JwkSet,
        sign_outs: Arc<dyn SignOuts>,
    ) -> Self {
        let clock = Arc::new(carerecord_model::SystemClock);
        let verifier = Self::new(config, reqwest::Client::new(), sign_outs, clock);
        verifier.knowing(keys)
    }

    /// With keys that are known already, of every provider.
    #[cfg(test)]
    pub(crate) fn knowing(mut self, keys: JwkSet) -> Self {
        for issuer in &mut self.issuers {
            issuer.keys = Arc::new(Mutex::new(Some((Instant::now(), keys.clone()))));
        }
        self
    }

    /// Who a token of the sign-in provider stands for, and the sign-in that it is of.
    async fn caller(
        &self,
        token: &str,
        selected_role: Option<&str>,
    ) -> Result<(Caller, SignIn), TokenError> {
        let Read { issuer, all, common, sign_in } = self.read(token).await?;
        let caller = match &issuer.mapping {
            Some(provider) if provider.is_for_citizens() => citizen(provider, &all, common),
            Some(provider) => mapped(provider, &all, common, selected_role),
            None => {
                let claims = Claims::deserialize(all).map_err(|_| TokenError::Invalid)?;
                claims.caller(selected_role)
            }
        };
        Ok((caller?, sign_in))
    }

    /// The sign-in that a token of a provider is of, whatever role its person acts in; with who it is,
    /// as overrides have them.
    pub(crate) async fn sign_in(&self, token: &str) -> Result<(SignIn, String), TokenError> {
        let Read { issuer, sign_in, .. } = self.read(token).await?;
        let own = issuer.mapping.as_ref().map(|provider| provider.own(&sign_in.subject));
        let own = own.unwrap_or_else(|| sign_in.subject.clone());
        Ok((sign_in, own))
    }

    /// What a provider says of sessions that are over, the first one unless told which.
    pub(crate) async fn logout_token(
        &self,
        provider: &str,
        token: &str,
    ) -> Result<LogoutToken, Unread> {
        let is_asked = |issuer: &&Issuer| match &issuer.mapping {
            Some(mapping) => mapping.id == provider,
            None => provider == FIRST,
        };
        let issuer = self.issuers.iter().find(is_asked).ok_or(Unread::NoProvider)?;
        let kid = decode_header(token).ok().and_then(|header| header.kid);
        let read = |keys: &JwkSet| {
            let (now, clients) = (self.clock.now(), issuer.clients.as_slice());
            logout_token::verify(token, keys, &Expected { issuer: &issuer.name, clients, now })
        };
        let read = self.keys(issuer, kid.as_deref(), read).await.map_err(|_| Unread::Provider)?;
        read.map_err(Unread::Refused)
    }

    /// Ends sign-ins, and records it.
    pub(crate) async fn end(
        &self,
        what: SignedOut,
        message_id: Option<String>,
        draft: &AuditDraft,
    ) -> Result<Ended, SignOutsUnavailable> {
        self.sign_outs.end(what, message_id, draft).await
    }

    /// Checks a token of a sign-in provider, and that its sign-in goes on.
    async fn read(&self, token: &str) -> Result<Read<'_>, TokenError> {
        let header = decode_header(token).map_err(|_| TokenError::Invalid)?;
        if header.crit.is_some() {
            return Err(TokenError::Invalid);
        }
        let is_access_token = header.typ.as_deref().is_some_and(|t| {
            t.eq_ignore_ascii_case("at+jwt") || t.eq_ignore_ascii_case("application/at+jwt")
        });
        let kid = header.kid.as_deref().filter(|_| is_access_token).ok_or(TokenError::Invalid)?;
        // Of whom it says that it is; what it says is believed when its key has been seen.
        let named = crate::oauth::issuer_of(token).ok_or(TokenError::Invalid)?;
        let issuer = self.issuers.iter().find(|issuer| issuer.name == named);
        let issuer = issuer.ok_or(TokenError::Invalid)?;
        let key = |keys: &JwkSet| keys.find(kid).and_then(|key| DecodingKey::from_jwk(key).ok());
        let key = self.keys(issuer, Some(kid), key).await?.ok_or(TokenError::Invalid)?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(TokenError::Invalid);
        }
        let mut validation = Validation::new(header.alg);
        validation.set_issuer(&[&issuer.name]);
        validation.set_audience(&[&issuer.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = 30;
        let all: Value = decode(token, &key, &validation).map_err(|_| TokenError::Invalid)?.claims;
        let common = Common::deserialize(&all).map_err(|_| TokenError::Invalid)?;
        // An id that another provider's person or session has is nobody's of the first one.
        let others = self.issuers.iter().filter_map(|issuer| issuer.mapping.as_ref());
        let mut others = others.map(|provider| provider.own(""));
        let ids = [Some(&common.sub), common.sid.as_ref()];
        if issuer.mapping.is_none()
            && others.any(|of| ids.into_iter().flatten().any(|id| id.starts_with(&of)))
        {
            return Err(TokenError::Invalid);
        }
        let sign_in = self.must_go_on(issuer, &common).await?;
        Ok(Read { issuer, all, common, sign_in })
    }

    /// Refuses tokens of a sign-in that has ended, and those that would outlast what is kept of that.
    async fn must_go_on(&self, issuer: &Issuer, claims: &Common) -> Result<SignIn, TokenError> {
        let now = self.clock.now();
        let ends = Timestamp::from_second(claims.exp).map_err(|_| TokenError::Invalid)?;
        if ends.duration_since(now) > LONGEST_SIGN_IN {
            return Err(TokenError::Invalid);
        }
        // Of a token that does not tell, it may have begun at any time.
        let since = claims.auth_time.or(claims.iat).map(Timestamp::from_second);
        let since = since.unwrap_or(Ok(Timestamp::UNIX_EPOCH)).map_err(|_| TokenError::Invalid)?;
        let sign_in = SignIn {
            issuer: issuer.name.clone(),
            subject: claims.sub.clone(),
            session_id: claims.sid.clone(),
            since,
        };
        match self.sign_outs.has_ended(&sign_in).await {
            Ok(false) => Ok(sign_in),
            Ok(true) => Err(TokenError::Invalid),
            Err(_) => Err(TokenError::SignOutsUnavailable),
        }
    }

    /// Out of the provider's keys, which are read again when they are old or lack the one of that id.
    async fn keys<R>(
        &self,
        issuer: &Issuer,
        kid: Option<&str>,
        pick: impl FnOnce(&JwkSet) -> R,
    ) -> Result<R, TokenError> {
        let mut known = issuer.keys.lock().await;
        if let Some((at, set)) = &*known {
            let has_it = kid.is_none_or(|kid| set.find(kid).is_some());
            // Tokens with invented key ids must not make us ask at each request.
            if at.elapsed() < if has_it { KEYS_FRESH } else { KEYS_PAUSE } {
                return Ok(pick(set));
            }
        }
        let set = self.fetch(&issuer.name).await.map_err(|error| {
            tracing::warn!(%error, "the sign-in provider's keys could not be read");
            TokenError::KeysUnavailable
        })?;
        let (_, set) = known.insert((Instant::now(), set));
        Ok(pick(set))
    }

    async fn fetch(&self, issuer: &str) -> Result<JwkSet, reqwest::Error> {
        #[derive(Deserialize)]
        struct Discovery {
            jwks_uri: String,
        }
        let url = format!("{issuer}/.well-known/openid-configuration");
        let discovery: Discovery = self.get("sign-in discovery", &url).await?;
        self.get("sign-in keys", &discovery.jwks_uri).await
    }

    async fn get<T: DeserializeOwned>(&self, what: &str, url: &str) -> Result<T, reqwest::Error> {
        let request = self.http.get(url).timeout(Duration::from_secs(5));
        // Dropped when the answer has been read: until then it may still fail.
        let (answer, _sent) = carerecord_service::send(("http", what), request).await;
        answer?.error_for_status()?.json().await
    }
}

/// What a token of a sign-in provider says.
struct Read<'v> {
    issuer: &'v Issuer,
    all: Value,
    common: Common,
    sign_in: SignIn,
}

/// Why a logout token ends nothing.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(crate) enum Unread {
    #[error("there is no such provider")]
    NoProvider,
    #[error("{0}")]
    Refused(LogoutError),
    #[error("the provider's keys could not be read")]
    Provider,
}

const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::ES256, Algorithm::ES384, Algorithm::RS256, Algorithm::RS512];
const KEYS_FRESH: Duration = Duration::from_secs(300);
const KEYS_PAUSE: Duration = Duration::from_secs(2);
