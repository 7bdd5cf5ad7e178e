//! OAuth 2 for systems: short-lived access tokens against signed assertions. RFC 6749 (4.4), RFC 7523
//! (2.2), RFC 7662, RFC 8414; IHE IUA (ITI-71, 102, 103); SMART App Launch 2, backend services.
//!
//! And for apps of people who have signed in: authorization codes with PKCE. RFC 6749 (4.1), RFC 7636,
//! RFC 9207, RFC 9700; SMART App Launch 2, standalone launch.

mod app;
#[cfg(test)]
mod app_tests;
mod assertion;
mod assertions;
mod authorization;
mod authorize;
mod client;
mod config;
mod discovery;
mod error;
mod form;
mod grants;
mod introspect;
mod issue;
mod limits;
mod redeem;
mod scope;
mod sign_out;
#[cfg(test)]
mod tests;
mod token;

use std::path::Path;
use std::sync::Arc;

use carerecord_model::{Clock, IdSource};
use carerecord_service::EndedSignIns;
use carerecord_service::signing::{PublicKeys, SigningKey, SigningKeyError, Watched};
use carerecord_storage::Database;
use jiff::Timestamp;

use assertions::Assertions;
use client::Client;
use grants::Grants;
use limits::Limits;

pub(crate) use assertion::issuer_of;
pub(crate) use authorization::authorization;
pub(crate) use authorize::AuthorizeError;
pub use config::{ClientConfig, ClientKeysConfig, OAuthConfig};
pub(crate) use discovery::{keys, metadata, smart_configuration};
pub(crate) use error::OAuthFailure;
pub(crate) use introspect::introspect;
pub(crate) use issue::OwnToken;
pub(crate) use scope::{Permission, Scopes};
pub(crate) use sign_out::{back_channel_logout, back_channel_logout_of, sign_out};
pub(crate) use token::token;

/// Why tokens cannot be given to systems.
#[derive(Debug, thiserror::Error)]
pub enum OAuthError {
    /// A key of our own, or of a client.
    #[error(transparent)]
    Key(#[from] SigningKeyError),
    /// Others would not believe what is signed with it.
    #[error("oauth.key is not among oauth.keys")]
    KeysDoNotFit,
    /// The time that tokens are good for.
    #[error("oauth.access_token_seconds must be 30 to 3600")]
    Lifetime,
    /// An app, where people cannot be asked.
    #[error("oauth.client {0}: an app needs the web portal (portal.web), where people agree")]
    NoPages(String),
    /// A client that cannot be.
    #[error("oauth.client {0}: {1}")]
    Client(String, String),
}

/// Gives tokens to systems, and judges those.
#[derive(Clone)]
pub struct OAuth(Arc<Inner>);

struct Inner {
    /// Who gives tokens: the portal's address without `/fhir`.
    issuer: String,
    /// What they are for: the FHIR API's address.
    audience: String,
    seconds: u32,
    key: Watched<SigningKey>,
    keys: Watched<PublicKeys>,
    clients: Vec<Client>,
    assertions: Assertions,
    grants: Grants,
    people: Option<People>,
    limits: Limits,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

/// How people come into it, whom apps ask.
pub struct People {
    /// Where apps send them: the page of the web portal.
    pub page: String,
    /// Which of their sign-ins have ended.
    pub sign_outs: Arc<dyn EndedSignIns>,
}

impl OAuthConfig {
    /// Checks the clients and their keys; paths are taken from `base`. `pages` says whether there is a
    /// web portal.
    ///
    /// # Errors
    /// What cannot be used.
    pub fn check(&self, base: &Path, pages: bool, now: Timestamp) -> Result<(), OAuthError> {
        self.read_clients(base, pages, now).map(drop)
    }

    fn read_clients(
        &self,
        base: &Path,
        pages: bool,
        now: Timestamp,
    ) -> Result<Vec<Client>, OAuthError> {
        let mut clients: Vec<Client> = Vec::new();
        for config in &self.clients {
            let client = Client::new(config, base, now)?;
            if clients.iter().any(|other| other.id == client.id) {
                return Err(OAuthError::Client(client.id, "is there twice".to_owned()));
            }
            if client.app.is_some() && !pages {
                return Err(OAuthError::NoPages(client.id));
            }
            clients.push(client);
        }
        Ok(clients)
    }
}

impl OAuth {
    /// Reads the keys; paths are taken from `base`. `base_url` is the FHIR API's address. Without
    /// people there are no apps.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub fn new(
        config: &OAuthConfig,
        base: &Path,
        base_url: &str,
        database: Database,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        people: Option<People>,
    ) -> Result<Self, OAuthError> {
        if !(30..=3600).contains(&config.access_token_seconds) {
            return Err(OAuthError::Lifetime);
        }
        let now = clock.now();
        let key = Watched::open(&base.join(&config.key), SigningKey::read, now)?;
        let keys = Watched::open(&base.join(&config.keys), PublicKeys::read, now)?;
        if keys.now(now).find(key.now(now).id()).is_none() {
            return Err(OAuthError::KeysDoNotFit);
        }
        let clients = config.read_clients(base, people.is_some(), now)?;
        let audience = base_url.trim_end_matches('/').to_owned();
        let issuer = audience.strip_suffix("/fhir").unwrap_or(&audience).to_owned();
        Ok(Self(Arc::new(Inner {
            issuer,
            audience,
            seconds: config.access_token_seconds,
            key,
            keys,
            clients,
            assertions: Assertions::new(database.clone()),
            grants: Grants::new(database),
            people,
            limits: Limits::default(),
            clock,
            ids,
        })))
    }

    /// Who gives its tokens: their `iss`.
    pub(crate) fn issuer(&self) -> &str {
        &self.0.issuer
    }

    pub(crate) fn token_endpoint(&self) -> String {
        format!("{}/oauth/token", self.0.issuer)
    }

    /// Where apps send people, if there are any.
    pub(crate) fn authorization_endpoint(&self) -> Option<&str> {
        let apps = self.0.clients.iter().any(|client| client.app.is_some());
        self.0.people.as_ref().filter(|_| apps).map(|people| people.page.as_str())
    }

    fn client(&self, id: &str) -> Option<&Client> {
        self.0.clients.iter().find(|client| client.id == id)
    }
}
