//! OAuth 2 for systems: short-lived access tokens against signed assertions. RFC 6749 (4.4), RFC 7523
//! (2.2), RFC 7662, RFC 8414; IHE IUA (ITI-71, 102, 103); SMART App Launch 2, backend services.

mod assertion;
mod assertions;
mod client;
mod config;
mod discovery;
mod error;
mod form;
mod introspect;
mod issue;
mod limits;
mod scope;
#[cfg(test)]
mod tests;
mod token;

use std::path::Path;
use std::sync::Arc;

use carerecord_model::{Clock, IdSource};
use carerecord_service::signing::{PublicKeys, SigningKey, SigningKeyError, Watched};
use carerecord_storage::Database;

use assertions::Assertions;
use client::Client;
use limits::Limits;

pub(crate) use assertion::issuer_of;
pub use config::{ClientConfig, ClientKeysConfig, OAuthConfig};
pub(crate) use discovery::{keys, metadata, smart_configuration};
pub(crate) use introspect::introspect;
pub(crate) use issue::OwnToken;
pub(crate) use scope::{Permission, Scopes};
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
    limits: Limits,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl OAuth {
    /// Reads the keys; paths are taken from `base`. `base_url` is the FHIR API's address.
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
        let mut clients: Vec<Client> = Vec::new();
        for config in &config.clients {
            let client = Client::new(config, base, now)?;
            if clients.iter().any(|other| other.id == client.id) {
                return Err(OAuthError::Client(client.id, "is there twice".to_owned()));
            }
            clients.push(client);
        }
        let audience = base_url.trim_end_matches('/').to_owned();
        let issuer = audience.strip_suffix("/fhir").unwrap_or(&audience).to_owned();
        Ok(Self(Arc::new(Inner {
            issuer,
            audience,
            seconds: config.access_token_seconds,
            key,
            keys,
            clients,
            assertions: Assertions::new(database),
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

    fn client(&self, id: &str) -> Option<&Client> {
        self.0.clients.iter().find(|client| client.id == id)
    }
}
