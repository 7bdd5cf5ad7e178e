//! The sign-in provider of the demo: a small OpenID Connect provider with invented accounts.
//!
//! It speaks what the portal speaks to the national one: authorization code with PKCE, discovery,
//! JWKS, userinfo and sign-out, with CIS2-shaped claims; to citizens what NHS login speaks. It asks for no
//! password, so it must never face
//! anyone but the people who try the demo; its listener is bound to loopback only.
//!
//! Authorization codes, sign-ins under way and refresh tokens live in memory, bounded and short.
//! The signing key lives in a file, so tokens outlast a restart.

mod accounts;
mod authorize;
mod back_channel;
mod claims;
mod demo;
mod keys;
mod logout;
mod memory;
mod token;
mod userinfo;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use carerecord_service::{
    Clock, IdSource, Lifecycle, Listener, ListenerConfig, ListenerError, Secret,
};
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use url::Url;

pub use accounts::Account;
pub use accounts::{demo_accounts, demo_citizens};
pub use demo::{demo_citizen_provider, demo_provider};
pub use keys::KeyError;

use keys::SigningKey;
use memory::Memory;

/// How the sign-in provider is set up.
#[derive(Clone, Debug)]
pub struct SignInConfig {
    /// Where browsers and the portal reach it; every token names it as `iss`, without the slash at
    /// its end.
    pub issuer: Url,
    /// Where it is bound.
    pub listen: ListenerConfig,
    /// Who may ask for tokens.
    pub clients: Vec<Client>,
    /// Who may be chosen on the sign-in page.
    pub accounts: Vec<Account>,
    /// What access tokens are for: their `aud`.
    pub api_audience: String,
    /// The file of the signing key; made with mode 0600 if it is not there.
    pub key_path: PathBuf,
    /// How long access tokens are good for; 900 in the demo.
    pub access_token_seconds: u32,
}

/// A registered client.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its public name.
    pub client_id: String,
    /// Its secret; none for a public client, which PKCE alone protects.
    pub secret: Option<Secret>,
    /// Where codes may be sent; compared letter by letter.
    pub redirect_uris: Vec<String>,
    /// Where browsers may be sent after signing out; compared letter by letter.
    pub post_logout_redirect_uris: Vec<String>,
    /// Where it is told that sessions are over, if it wants to know.
    pub logout_uri: Option<String>,
    /// What it is.
    pub kind: ClientKind,
}

/// What a client is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ClientKind {
    /// People sign in to it: authorization code and refresh token.
    Portal,
    /// A program without a person: client credentials. Must have a secret.
    System {
        /// The code of the organisation that runs it.
        organisation: String,
        /// What it may ask for, e.g. `system/*.read`.
        scopes: Vec<String>,
    },
}

/// Why the provider cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The signing key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The listener.
    #[error(transparent)]
    Listener(#[from] ListenerError),
    /// An address to send browsers to is not an absolute http or https URL without fragment.
    #[error("client {client_id} has a redirect address that is not an http or https URL")]
    RedirectUri {
        /// The client.
        client_id: String,
    },
    /// The HTTP client by which applications are told of sign-outs.
    #[error("the HTTP client cannot be set up")]
    Http(#[from] reqwest::Error),
    /// A system client without a secret could be anyone.
    #[error("system client {client_id} needs a secret")]
    SecretMissing {
        /// The client.
        client_id: String,
    },
}

/// Binds the listener of the configuration and serves the provider there until the process drains.
/// Returns the bound address.
///
/// # Errors
/// As [`router`], and when the address cannot be bound.
pub async fn start(
    config: SignInConfig,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    lifecycle: &Lifecycle,
) -> Result<SocketAddr, SignInError> {
    let listener = Listener::bind(config.listen.clone()).await?;
    let address = listener.address();
    listener.serve("signin", router(config, clock, ids.clone())?, ids, lifecycle);
    Ok(address)
}

/// The routes of the provider, to be served at the root of the issuer.
///
/// # Errors
/// When the key cannot be read or made, or a client is set up wrongly.
pub fn router(
    config: SignInConfig,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
) -> Result<Router, SignInError> {
    config.clients.iter().try_for_each(check_client)?;
    let key = SigningKey::load_or_create(&config.key_path)?;
    let issuer = config.issuer.as_str().trim_end_matches('/').to_owned();
    let memory = Mutex::new(Memory::default());
    let http = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build()?;
    let provider = Arc::new(Provider { config, issuer, key, clock, ids, memory, http });
    Ok(Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/authorize", get(authorize::ask).post(authorize::choose))
        .route("/token", post(token::token))
        .route("/userinfo", get(userinfo::userinfo).post(userinfo::userinfo))
        .route("/jwks", get(jwks))
        .route("/logout", get(logout::by_link).post(logout::by_form))
        .route("/sign-out-everywhere", get(back_channel::ask).post(back_channel::everywhere))
        .route("/signin.css", get(stylesheet))
        .layer(axum::middleware::map_response(with_safe_headers))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
        .with_state(provider))
}

type SharedProvider = State<Arc<Provider>>;

struct Provider {
    config: SignInConfig,
    issuer: String,
    key: SigningKey,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    memory: Mutex<Memory>,
    http: reqwest::Client,
}

impl Provider {
    fn client(&self, client_id: &str) -> Option<&Client> {
        self.config.clients.iter().find(|client| client.client_id == client_id)
    }

    fn account(&self, user_id: &str) -> Option<&Account> {
        self.config.accounts.iter().find(|account| account.user_id == user_id)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A text of 244 random bits that nobody can guess.
    fn unguessable(&self) -> String {
        format!("{}{}", self.ids.random().simple(), self.ids.random().simple())
    }

    /// The time in seconds, as tokens count it.
    fn now(&self) -> i64 {
        self.clock.now().as_second()
    }
}

/// What this provider can do. OpenID Connect Discovery 1.0, 3.
async fn discovery(State(provider): SharedProvider) -> Json<Value> {
    let at = |path: &str| format!("{}{path}", provider.issuer);
    Json(json!({
        "issuer": provider.issuer,
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "userinfo_endpoint": at("/userinfo"),
        "jwks_uri": at("/jwks"),
        "end_session_endpoint": at("/logout"),
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "scopes_supported": authorize::SCOPES,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported":
            ["client_secret_basic", "client_secret_post", "none"],
        "code_challenge_methods_supported": ["S256"],
        "acr_values_supported": ["AAL1_USERPASS", "AAL2_ANY", "AAL2_OR_AAL3_ANY", "AAL3_ANY"],
        "claims_supported": ["sub", "name", "given_name", "family_name", "title", "email", "acr",
            "amr", "auth_time", "sid", "nhsid_useruid", "nhsid_nrbac_roles", "nhsid_user_orgs",
            "selected_roleid", "id_assurance_level", "authentication_assurance_level",
            "nhs_number", "birthdate", "identity_proofing_level", "vot", "vtm"],
        "authorization_response_iss_parameter_supported": true,
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
    }))
}

async fn jwks(State(provider): SharedProvider) -> Response {
    Json(provider.key.public_set()).into_response()
}

async fn stylesheet() -> Response {
    let kind = HeaderValue::from_static("text/css; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], include_str!("../../templates/signin/signin.css"))
        .into_response()
}

/// Nothing here may be stored, framed or guessed at. Pages set their own, wider content policy.
async fn with_safe_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in SAFE_HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn check_client(client: &Client) -> Result<(), SignInError> {
    let client_id = client.client_id.clone();
    let addresses = client.redirect_uris.iter().chain(&client.post_logout_redirect_uris);
    let addresses = addresses.chain(&client.logout_uri);
    for address in addresses {
        let good = Url::parse(address).is_ok_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.has_host() && url.fragment().is_none()
        });
        if !good {
            return Err(SignInError::RedirectUri { client_id });
        }
    }
    match client.kind {
        ClientKind::System { .. } if client.secret.is_none() => {
            Err(SignInError::SecretMissing { client_id })
        }
        ClientKind::System { .. } | ClientKind::Portal => Ok(()),
    }
}

/// A form parameter; OAuth treats one that is empty as one that is absent. RFC 6749, 3.1.
fn present(parameter: Option<&String>) -> Option<&str> {
    parameter.map(String::as_str).filter(|text| !text.is_empty())
}

const MAX_FORM_BYTES: usize = 64 << 10;
const SAFE_HEADERS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::PRAGMA, "no-cache"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];
