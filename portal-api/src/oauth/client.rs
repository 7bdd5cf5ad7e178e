use std::path::Path;
use std::sync::Arc;

use carerecord_access::Purpose;
use carerecord_model::OrganisationCode;
use carerecord_service::signing::{ForeignKeys, Watched};
use jiff::Timestamp;

use super::app::App;
use super::config::{ClientConfig, ClientKeysConfig};
use super::scope::Level;
use super::{OAuthError, Scopes};

/// A system that may ask for tokens, or an app that may for people.
pub(super) struct Client {
    pub id: String,
    pub organisation: OrganisationCode,
    pub organisation_name: Option<String>,
    pub scopes: Scopes,
    pub purposes: Vec<Purpose>,
    pub may_introspect: bool,
    pub requests_per_minute: u32,
    /// What it has as an app of people; systems have nothing.
    pub app: Option<App>,
    keys: Keys,
}

enum Keys {
    /// A public client has none.
    None,
    File(Watched<ForeignKeys>),
    Inline(Arc<ForeignKeys>),
}

impl Client {
    pub fn new(config: &ClientConfig, base: &Path, now: Timestamp) -> Result<Self, OAuthError> {
        let wrong = |what: String| OAuthError::Client(config.id.clone(), what);
        let is_name = !config.id.is_empty() && config.id.len() <= MAX_ID;
        if !is_name || !config.id.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(wrong("an id is 1 to 64 visible ASCII characters".to_owned()));
        }
        if config.purposes.is_empty() {
            return Err(wrong("purposes names none".to_owned()));
        }
        let scopes = Scopes::parse_all(&config.scopes).map_err(wrong)?;
        if scopes.is_empty() && !config.may_introspect {
            return Err(wrong("scopes names none".to_owned()));
        }
        let app = App::new(config).map_err(wrong)?;
        let level = |level| match &app {
            None => level == Level::System,
            Some(_) => level != Level::System,
        };
        if !scopes.are_all(level) {
            return Err(wrong(
                "scopes: those of systems begin with system/, those of apps \
                (redirect_uris) with launch/, patient/ or user/"
                    .to_owned(),
            ));
        }
        let keys = match &config.keys {
            None if app.is_some() => Keys::None,
            None => return Err(wrong("keys: a system has to show who it is".to_owned())),
            Some(ClientKeysConfig::File(file)) => {
                Keys::File(Watched::open(&base.join(file), ForeignKeys::read, now)?)
            }
            Some(ClientKeysConfig::Inline(set)) => {
                Keys::Inline(Arc::new(ForeignKeys::from_value(set).map_err(wrong)?))
            }
        };
        Ok(Self {
            id: config.id.clone(),
            organisation: config.organisation.clone(),
            organisation_name: config.organisation_name.clone(),
            scopes,
            purposes: config.purposes.clone(),
            may_introspect: config.may_introspect,
            requests_per_minute: config.requests_per_minute,
            app,
            keys,
        })
    }

    /// Whether it has nothing to show who it is with.
    pub fn is_public(&self) -> bool {
        matches!(self.keys, Keys::None)
    }

    /// What its assertions are signed with; a public client makes none.
    pub fn keys(&self, now: Timestamp) -> Option<Arc<ForeignKeys>> {
        match &self.keys {
            Keys::None => None,
            Keys::File(watched) => Some(watched.now(now)),
            Keys::Inline(keys) => Some(keys.clone()),
        }
    }
}

const MAX_ID: usize = 64;
