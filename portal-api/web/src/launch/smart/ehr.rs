use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use carerecord_model::OrganisationCode;
use carerecord_service::signing::{ClientKey, Watched};
use carerecord_service::{FIRST, Secret, SecretFile};
use jiff::{SignedDuration, Timestamp};
use openidconnect::core::{CoreJsonWebKeySet, CoreResponseType};
use openidconnect::{
    AuthenticationFlow, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest,
    HttpResponse, JsonWebKeySetUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, TokenResponse,
};
use reqwest::header::{ACCEPT, HeaderValue};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;
use uuid::Uuid;

use super::client::{Answer, Client};
use super::discovery::{Metadata, Told};
use super::error::SmartError;
use super::patient::{Meant, is_id};
use crate::config::{WebConfig, WebError, check_outgoing};
use crate::launch::{LaunchContext, assertion};
use crate::session::SignInStarted;
use crate::sign_in::checks::{SendError, bounded, verified};
use crate::sign_in::{Provider, Providers, Returned};

/// A `[[portal.ehr]]`: an electronic patient record that opens records by SMART App Launch.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EhrConfig {
    /// `iss` of its launches: the address of its FHIR API.
    pub iss: Url,
    /// What people call it.
    pub name: String,
    /// The name under which it knows the portal.
    pub client_id: String,
    /// A file with the secret that goes with it; or
    pub client_secret_file: Option<SecretFile>,
    /// a file with the key that the portal signs its assertions with (`private_key_jwt`), read again
    /// when it changes.
    pub client_key: Option<PathBuf>,
    /// The organisation that its people act for.
    pub organisation: OrganisationCode,
    /// The sign-in provider of its people; the first one unless given.
    #[serde(default = "first")]
    pub sign_in: String,
    /// The claim of its ID tokens that says who the person is at that provider.
    #[serde(default = "subject")]
    pub person_claim: String,
    /// Whether its people stay with the patient that was opened.
    #[serde(default = "yes")]
    pub patient_locked: bool,
}

/// Every record system that may launch.
pub(crate) struct Ehrs(Vec<Ehr>);

/// A record system, which is asked for its addresses and keys when they are needed.
pub(super) struct Ehr {
    config: EhrConfig,
    credential: Credential,
    redirect: RedirectUrl,
    http: reqwest::Client,
    /// For each answer, whole.
    deadline: Duration,
    known: Mutex<Option<Known>>,
}

/// How the portal shows who it is.
enum Credential {
    Secret(Secret),
    Key(Watched<ClientKey>),
}

/// What came of asking, and when.
type Known = (Timestamp, Result<Arc<Metadata>, SmartError>);

impl Ehrs {
    /// Reads secrets and keys.
    pub(crate) fn new(
        config: &WebConfig,
        providers: &Providers,
        http: &reqwest::Client,
        now: Timestamp,
    ) -> Result<Self, WebError> {
        let mut all: Vec<Ehr> = Vec::new();
        for ehr in &config.ehrs {
            let wrong = |what: String| WebError::Ehr(ehr.iss.to_string(), what);
            ehr.validate().map_err(wrong)?;
            if providers.find(&ehr.sign_in).is_none_or(Provider::is_for_citizens) {
                return Err(wrong("sign_in is no provider of staff".to_owned()));
            }
            if all.iter().any(|other| other.base() == base(&ehr.iss)) {
                return Err(wrong("is there twice".to_owned()));
            }
            let credential = Credential::read(ehr, config, now).map_err(wrong)?;
            let address = config.public_url.as_str().trim_end_matches('/');
            let redirect = RedirectUrl::new(format!("{address}/launch/callback"));
            all.push(Ehr {
                config: ehr.clone(),
                credential,
                redirect: redirect.map_err(|_| WebError::Address("public_url"))?,
                http: http.clone(),
                deadline: Duration::from_millis(config.deadline_ms),
                known: Mutex::new(None),
            });
        }
        Ok(Self(all))
    }

    /// By the `iss` of a launch: a slash at its end makes no difference.
    pub(super) fn find(&self, iss: &str) -> Option<&Ehr> {
        let iss = iss.strip_suffix('/').unwrap_or(iss);
        self.0.iter().find(|ehr| ehr.base() == iss)
    }
}

impl EhrConfig {
    fn validate(&self) -> Result<(), String> {
        check_outgoing(&self.iss).map_err(|what| format!("iss {what}"))?;
        if self.name.trim().is_empty() || self.client_id.is_empty() {
            return Err("name or client_id is empty".to_owned());
        }
        if self.person_claim.is_empty() {
            return Err("person_claim is empty".to_owned());
        }
        Ok(())
    }
}

impl Credential {
    fn read(ehr: &EhrConfig, config: &WebConfig, now: Timestamp) -> Result<Self, String> {
        match (&ehr.client_secret_file, &ehr.client_key) {
            (Some(file), None) => {
                file.read(&config.base).map(Self::Secret).map_err(|error| error.to_string())
            }
            (None, Some(file)) => {
                let key = Watched::open(&config.base.join(file), ClientKey::read, now);
                key.map(Self::Key).map_err(|error| error.to_string())
            }
            _ => Err("needs either client_secret_file or client_key".to_owned()),
        }
    }
}

impl Ehr {
    fn base(&self) -> &str {
        base(&self.config.iss)
    }

    /// Where to send the browser, and what to remember of it. `iss` is the one of the launch.
    pub(super) async fn begin(
        &self,
        iss: &str,
        launch: &str,
        now: Timestamp,
    ) -> Result<(Url, SignInStarted), SmartError> {
        // Asked again for each launch, so that new keys and addresses are known at once.
        let metadata = self.metadata(now, SignedDuration::from_secs(5)).await?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let client = self.client(&metadata);
        let request = client
            .authorize_url(
                AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
                CsrfToken::new_random,
                Nonce::new_random,
            )
            .add_scopes(SCOPES.map(|scope| Scope::new(scope.to_owned())))
            .add_extra_param("launch", launch)
            .add_extra_param("aud", iss)
            .set_pkce_challenge(challenge);
        let (address, state, nonce) = request.url();
        let begun = SignInStarted {
            state: state.secret().clone(),
            nonce: nonce.secret().clone(),
            verifier: verifier.secret().clone(),
            provider: self.base().to_owned(),
            started_at: now.as_second(),
            silent: false,
        };
        Ok((address, begun))
    }

    /// Exchanges the code, checks the ID token, and asks who the patient is.
    pub(super) async fn complete(
        &self,
        begun: &SignInStarted,
        returned: Returned,
        id: Uuid,
        now: Timestamp,
    ) -> Result<LaunchContext, SmartError> {
        let metadata = self.metadata(now, SignedDuration::from_mins(10)).await?;
        // A code of one system must not be taken to another. RFC 9207: 2.4.
        if returned.iss.as_deref().is_some_and(|iss| iss != metadata.issuer.as_str()) {
            return Err(SmartError::Issuer);
        }
        let code = returned.code.filter(|_| returned.error.is_none());
        let code = code.ok_or(SmartError::Declined)?;
        let client = self.client(&metadata);
        let answer = self.exchange(&client, &metadata, code, begun, (id, now)).await?;
        let subject = self.person(&client, &answer, &Nonce::new(begun.nonce.clone()))?;
        let fields = answer.extra_fields().extra_fields();
        let patient = fields.patient().filter(|id| is_id(id)).ok_or(SmartError::NoPatient)?;
        let meant = self.patient(answer.access_token().secret(), patient).await?;
        Ok(LaunchContext {
            launcher: self.base().to_owned(),
            launcher_name: self.config.name.clone(),
            sign_in: self.config.sign_in.clone(),
            subject,
            role_profile: None,
            organisation: self.config.organisation.to_string(),
            nhs_number: meant.nhs_number,
            family_name: meant.family_name,
            birth_date: meant.birth_date,
            return_url: None,
            patient_locked: self.config.patient_locked,
            slim_banner: fields.has_banner(),
        })
    }

    async fn exchange(
        &self,
        client: &Client,
        metadata: &Metadata,
        code: String,
        begun: &SignInStarted,
        (id, now): (Uuid, Timestamp),
    ) -> Result<Answer, SmartError> {
        let mut request = client
            .exchange_code(AuthorizationCode::new(code))
            .set_pkce_verifier(PkceCodeVerifier::new(begun.verifier.clone()));
        if let Credential::Key(key) = &self.credential {
            let told = (self.config.client_id.as_str(), metadata.token.as_str());
            let assertion = assertion::signed(key, told, (id, now));
            let assertion = assertion.map_err(|_| SmartError::Assertion)?;
            request = request
                .add_extra_param("client_assertion_type", assertion::KIND)
                .add_extra_param("client_assertion", assertion);
        }
        let http = |request| self.send("access token", request);
        request.request_async(&http).await.map_err(|error| match error {
            RequestTokenError::Request(_) => SmartError::Away,
            RequestTokenError::ServerResponse(_)
            | RequestTokenError::Parse(..)
            | RequestTokenError::Other(_) => SmartError::Code,
        })
    }

    /// Who the person is at their sign-in provider: the ID token has to say it.
    fn person(
        &self,
        client: &Client,
        answer: &Answer,
        nonce: &Nonce,
    ) -> Result<String, SmartError> {
        let id_token = answer.id_token().ok_or(SmartError::IdToken)?;
        let claims = verified(id_token, client.id_token_verifier(), answer.access_token(), nonce);
        let claims = claims.ok_or(SmartError::IdToken)?;
        let person = match self.config.person_claim.as_str() {
            "sub" => Some(claims.subject().as_str()),
            other => claims.additional_claims().text(other),
        };
        let fits = |person: &&str| !person.trim().is_empty() && person.len() <= MAX_TEXT;
        person.filter(fits).map(str::to_owned).ok_or(SmartError::Person)
    }

    async fn patient(&self, access_token: &str, id: &str) -> Result<Meant, SmartError> {
        let request = self
            .http
            .get(format!("{}/Patient/{id}", self.base()))
            .bearer_auth(access_token)
            .header(ACCEPT, HeaderValue::from_static("application/fhir+json"))
            .timeout(self.deadline);
        let (answer, _sent) = carerecord_service::send(("fhir", "read Patient"), request).await;
        let answer = bounded(answer.map_err(|_| SmartError::Away)?).await;
        let answer = answer.map_err(|_| SmartError::Away)?;
        match answer.status().is_success() {
            true => Meant::read(answer.body(), id),
            false => Err(SmartError::Patient),
        }
    }

    fn client(&self, metadata: &Metadata) -> Client {
        let id = ClientId::new(self.config.client_id.clone());
        let client = openidconnect::Client::new(id, metadata.issuer.clone(), metadata.keys.clone());
        let client = match &self.credential {
            Credential::Secret(secret) => {
                client.set_client_secret(ClientSecret::new(secret.expose().to_owned()))
            }
            Credential::Key(_) => client,
        };
        client
            .set_auth_uri(metadata.authorize.clone())
            .set_token_uri(metadata.token.clone())
            .set_redirect_uri(self.redirect.clone())
    }

    /// What the system says of itself, at most `oldest` ago. One asks for all who wait, and a system
    /// that is away is not asked again at once.
    async fn metadata(
        &self,
        now: Timestamp,
        oldest: SignedDuration,
    ) -> Result<Arc<Metadata>, SmartError> {
        let mut known = self.known.lock().await;
        if let Some((asked_at, found)) = &*known {
            let oldest = if found.is_ok() { oldest } else { AFTER_FAILURE };
            if now.duration_since(*asked_at).abs() <= oldest {
                return found.clone();
            }
        }
        let found = self.discover().await.map(Arc::new);
        *known = Some((now, found.clone()));
        found
    }

    async fn discover(&self) -> Result<Metadata, SmartError> {
        let address = format!("{}/.well-known/smart-configuration", self.base());
        let mut request = HttpRequest::new(Vec::new());
        *request.uri_mut() = address.parse().map_err(|_| SmartError::Configuration)?;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        let answer = self.send("SMART configuration", request).await;
        let answer = answer.map_err(|_| SmartError::Away)?;
        if !answer.status().is_success() {
            return Err(SmartError::Away);
        }
        let told = Told::read(answer.body(), &self.config.iss)?;
        let http = |request| self.send("JWK set", request);
        let keys = JsonWebKeySetUrl::from_url(told.jwks_uri.clone());
        let keys = CoreJsonWebKeySet::fetch_async(&keys, &http).await;
        told.with(keys.map_err(|_| SmartError::Configuration)?)
    }

    /// Sends one request of OAuth, which is recorded.
    fn send(
        &self,
        what: &'static str,
        request: HttpRequest,
    ) -> impl Future<Output = Result<HttpResponse, SendError>> + Send + use<> {
        let (http, deadline) = (self.http.clone(), self.deadline);
        async move {
            let request = reqwest::RequestBuilder::from_parts(http, request.try_into()?);
            let request = request.timeout(deadline);
            let (answer, _sent) = carerecord_service::send(("http", what), request).await;
            bounded(answer?).await
        }
    }
}

/// Without a slash at its end.
fn base(iss: &Url) -> &str {
    iss.as_str().trim_end_matches('/')
}

fn first() -> String {
    FIRST.to_owned()
}

fn subject() -> String {
    "sub".to_owned()
}

fn yes() -> bool {
    true
}

/// Besides `openid`.
const SCOPES: [&str; 3] = ["launch", "fhirUser", "patient/Patient.read"];
const AFTER_FAILURE: SignedDuration = SignedDuration::from_secs(5);
const MAX_TEXT: usize = 200;
