use std::sync::Arc;

use carerecord_service::{FIRST, Secret, SignIn, SignInProvider};
use jiff::{SignedDuration, Timestamp};
use openidconnect::core::{CoreAuthPrompt, CoreResponseType};
use openidconnect::{
    AuthenticationContextClass, AuthenticationFlow, AuthorizationCode, ClientId, ClientSecret,
    CsrfToken, HttpRequest, HttpResponse, IssuerUrl, LogoutRequest, Nonce, OAuth2TokenResponse,
    PkceCodeChallenge, PkceCodeVerifier, PostLogoutRedirectUrl, ProviderMetadataWithLogout,
    RedirectUrl, RefreshToken, Scope, TokenResponse,
};
use tokio::sync::Mutex;
use url::Url;

use super::checks::{SendError, bounded, verified};
use super::claims::{AnyUserInfo, CisUserInfo, Who};
use super::client::{Answer, Client};
use crate::config::{WebConfig, WebError};
use crate::problem::SignInFailure;
use crate::session::SignInStarted;

/// The sign-in provider, which is asked for its addresses and keys when they are needed.
pub(crate) struct Provider {
    /// In addresses.
    pub(crate) id: String,
    /// On the sign-in page.
    pub(crate) name: String,
    /// What its claims mean; `None` of the first one, which speaks as the national one does.
    mapping: Option<SignInProvider>,
    scopes: Vec<String>,
    acr_values: Option<String>,
    issuer: IssuerUrl,
    client_id: ClientId,
    client_secret: Option<Secret>,
    redirect: RedirectUrl,
    http: reqwest::Client,
    known: Mutex<Option<(Timestamp, Arc<ProviderMetadataWithLogout>)>>,
}

/// What the provider gives for a code or a refresh token. No formatter prints it.
pub(crate) struct Tokens {
    pub(crate) access_token: String,
    pub(crate) access_expires_at: i64,
    pub(crate) refresh_token: Option<String>,
    pub(crate) id_token: String,
}

impl Provider {
    /// The first provider of a portal.
    pub(crate) fn first(config: &WebConfig, http: reqwest::Client) -> Result<Self, WebError> {
        // Tokens name the issuer without a slash at its end.
        let issuer = config.issuer_url.as_str().trim_end_matches('/').to_owned();
        Ok(Self {
            id: FIRST.to_owned(),
            name: config.sign_in_name.clone(),
            mapping: None,
            scopes: SCOPES.map(str::to_owned).to_vec(),
            acr_values: Some(ASSURANCE.to_owned()),
            issuer: IssuerUrl::new(issuer).map_err(|_| WebError::Address("issuer_url"))?,
            client_id: ClientId::new(config.client_id.clone()),
            client_secret: config.client_secret.clone(),
            redirect: redirect(config)?,
            http,
            known: Mutex::new(None),
        })
    }

    /// One whose claims mean what the configuration says.
    pub(crate) fn another(
        config: &WebConfig,
        provider: &SignInProvider,
        client_secret: Option<Secret>,
        http: reqwest::Client,
    ) -> Result<Self, WebError> {
        let issuer = IssuerUrl::new(provider.issuer().to_owned());
        Ok(Self {
            id: provider.id.clone(),
            name: provider.name.clone(),
            mapping: Some(provider.clone()),
            scopes: provider.scopes.clone(),
            acr_values: provider.acr_values.clone(),
            issuer: issuer.map_err(|_| WebError::Address("issuer of a sign-in provider"))?,
            client_id: ClientId::new(provider.client_id.clone()),
            client_secret,
            redirect: redirect(config)?,
            http,
            known: Mutex::new(None),
        })
    }

    pub(crate) fn is_for_citizens(&self) -> bool {
        self.mapping.as_ref().is_some_and(SignInProvider::is_for_citizens)
    }

    pub(crate) fn issuer(&self) -> &str {
        self.issuer.as_str()
    }

    pub(crate) fn origin(&self) -> String {
        self.issuer.url().origin().ascii_serialization()
    }

    /// Where to send the browser, and what to remember of it; `silent` for an answer without a page, from
    /// whoever is signed in there.
    pub(crate) async fn begin(
        &self,
        now: Timestamp,
        silent: bool,
    ) -> Result<(Url, SignInStarted), SignInFailure> {
        // Signing in is rare: ask again each time, so that new keys are known at once.
        let client = self.client(&*self.metadata(now, SignedDuration::from_secs(5)).await?);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let mut request = client
            .authorize_url(
                AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .set_pkce_challenge(challenge);
        if let Some(class) = &self.acr_values {
            let class = AuthenticationContextClass::new(class.clone());
            request = request.add_auth_context_value(class);
        }
        if let Some(provider) = self.mapping.as_ref().filter(|p| p.is_for_citizens()) {
            let vectors = serde_json::json!(provider.vtr).to_string();
            request = request.add_extra_param("vtr", vectors);
        }
        if silent {
            request = request.add_prompt(CoreAuthPrompt::None);
        }
        for scope in &self.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        let (address, state, nonce) = request.url();
        let begun = SignInStarted {
            state: state.secret().clone(),
            nonce: nonce.secret().clone(),
            verifier: verifier.secret().clone(),
            provider: self.id.clone(),
            started_at: now.as_second(),
            silent,
        };
        Ok((address, begun))
    }

    /// Exchanges the code, checks the ID token, and asks who signed in.
    pub(crate) async fn complete(
        &self,
        code: String,
        begun: &SignInStarted,
        now: Timestamp,
    ) -> Result<(Tokens, Who, SignIn), SignInFailure> {
        let client = self.client(&*self.metadata(now, SignedDuration::from_mins(10)).await?);
        let http = |request| send(("sign-in code", self.http.clone()), request);
        let request = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|_| failed("provider has no token endpoint", SignInFailure::Provider))?;
        let answer = request
            .set_pkce_verifier(PkceCodeVerifier::new(begun.verifier.clone()))
            .request_async(&http)
            .await
            .map_err(|_| failed("code was not exchanged", SignInFailure::Token))?;
        let sign_in = check(&client, &answer, &Nonce::new(begun.nonce.clone()))?;
        let http = |request| send(("sign-in userinfo", self.http.clone()), request);
        let subject = openidconnect::SubjectIdentifier::new(sign_in.subject.clone());
        let asked = client
            .user_info(answer.access_token().clone(), Some(subject))
            .map_err(|_| failed("provider has no userinfo endpoint", SignInFailure::Provider))?;
        let not_given = || failed("userinfo was not given", SignInFailure::Provider);
        let who = match &self.mapping {
            None => {
                let claims: Result<CisUserInfo, _> = asked.request_async(&http).await;
                Who::new(&claims.map_err(|_| not_given())?)
            }
            Some(provider) if provider.is_for_citizens() => {
                let claims: Result<AnyUserInfo, _> = asked.request_async(&http).await;
                Who::citizen(&claims.map_err(|_| not_given())?)
            }
            Some(provider) => {
                let claims: Result<AnyUserInfo, _> = asked.request_async(&http).await;
                Who::mapped(&claims.map_err(|_| not_given())?, provider)
            }
        };
        Ok((tokens(&answer, now), who, sign_in))
    }

    /// Exchanges a refresh token.
    pub(crate) async fn renew(
        &self,
        refresh_token: &str,
        now: Timestamp,
    ) -> Result<Tokens, SignInFailure> {
        let client = self.client(&*self.metadata(now, SignedDuration::from_hours(1)).await?);
        let http = |request| send(("sign-in renewal", self.http.clone()), request);
        let refresh_token = RefreshToken::new(refresh_token.to_owned());
        let answer = client
            .exchange_refresh_token(&refresh_token)
            .map_err(|_| failed("provider has no token endpoint", SignInFailure::Provider))?
            .request_async(&http)
            .await
            .map_err(|_| failed("tokens were not renewed", SignInFailure::Token))?;
        Ok(tokens(&answer, now))
    }

    /// Where to end the session at the provider; `None` if it has no such place or is not there.
    pub(crate) async fn sign_out(
        &self,
        id_token: &str,
        after: String,
        now: Timestamp,
    ) -> Option<Url> {
        let metadata = self.metadata(now, SignedDuration::from_hours(1)).await.ok()?;
        let end = metadata.additional_metadata().end_session_endpoint.clone()?;
        let request = LogoutRequest::from(end)
            .set_client_id(self.client_id.clone())
            .set_post_logout_redirect_uri(PostLogoutRedirectUrl::new(after).ok()?);
        let mut address = request.http_get_url();
        address.query_pairs_mut().append_pair("id_token_hint", id_token);
        Some(address)
    }

    fn client(&self, metadata: &ProviderMetadataWithLogout) -> Client {
        let secret = self.client_secret.as_ref().map(|s| ClientSecret::new(s.expose().to_owned()));
        Client::from_provider_metadata(metadata.clone(), self.client_id.clone(), secret)
            .set_redirect_uri(self.redirect.clone())
    }

    /// What the provider says of itself, at most `oldest` ago.
    async fn metadata(
        &self,
        now: Timestamp,
        oldest: SignedDuration,
    ) -> Result<Arc<ProviderMetadataWithLogout>, SignInFailure> {
        let mut known = self.known.lock().await;
        if let Some((asked_at, metadata)) = &*known
            && now.duration_since(*asked_at) <= oldest
        {
            return Ok(metadata.clone());
        }
        let http = |request| send(("sign-in discovery", self.http.clone()), request);
        let found = ProviderMetadataWithLogout::discover_async(self.issuer.clone(), &http).await;
        let found =
            found.map_err(|_| failed("provider was not discovered", SignInFailure::Provider))?;
        let found = Arc::new(found);
        *known = Some((now, found.clone()));
        Ok(found)
    }
}

fn redirect(config: &WebConfig) -> Result<RedirectUrl, WebError> {
    let public = config.public_url.as_str().trim_end_matches('/');
    let redirect = RedirectUrl::new(format!("{public}/sign-in/callback"));
    redirect.map_err(|_| WebError::Address("public_url"))
}

/// Checks the ID token, and says whose sign-in it is.
fn check(client: &Client, answer: &Answer, nonce: &Nonce) -> Result<SignIn, SignInFailure> {
    let wrong = || failed("id token did not pass the checks", SignInFailure::Token);
    let id_token = answer.id_token().ok_or_else(wrong)?;
    let claims = verified(id_token, client.id_token_verifier(), answer.access_token(), nonce);
    let claims = claims.ok_or_else(wrong)?;
    let since = claims.auth_time().unwrap_or(claims.issue_time()).timestamp();
    Ok(SignIn {
        issuer: claims.issuer().to_string(),
        subject: claims.subject().to_string(),
        session_id: claims.additional_claims().sid.clone(),
        since: Timestamp::from_second(since).map_err(|_| wrong())?,
    })
}

fn tokens(answer: &Answer, now: Timestamp) -> Tokens {
    let seconds = answer.expires_in().map_or(DEFAULT_SECONDS, |d| d.as_secs());
    Tokens {
        access_token: answer.access_token().secret().clone(),
        access_expires_at: now.as_second().saturating_add_unsigned(seconds),
        refresh_token: answer.refresh_token().map(|token| token.secret().clone()),
        id_token: answer.id_token().map(ToString::to_string).unwrap_or_default(),
    }
}

/// Sends one request of the sign-in, with a bound on the answer. In the record stands what for and
/// whereto: no code, token or secret, which are in the body and headers.
async fn send(
    (what, http): (&'static str, reqwest::Client),
    request: HttpRequest,
) -> Result<HttpResponse, SendError> {
    let request = reqwest::RequestBuilder::from_parts(http, request.try_into()?);
    let (response, _sent) = carerecord_service::send(("http", what), request).await;
    bounded(response?).await
}

/// Logs the step that failed. What the provider said may hold codes and tokens, so it is left out.
fn failed(step: &'static str, failure: SignInFailure) -> SignInFailure {
    tracing::warn!(step, "signing in failed");
    failure
}

/// At least two factors: what opening a patient's record needs.
const ASSURANCE: &str = "AAL2_OR_AAL3_ANY";
const SCOPES: [&str; 5] =
    ["profile", "nhsperson", "nationalrbacaccess", "associatedorgs", "selectedrole"];
/// For a provider that does not say how long its tokens are good for.
const DEFAULT_SECONDS: u64 = 300;
