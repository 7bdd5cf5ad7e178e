use std::path::PathBuf;

use carerecord_model::OrganisationCode;
use carerecord_service::FIRST;
use carerecord_service::signing::{ForeignKeys, Watched};
use jiff::Timestamp;
use serde::Deserialize;
use url::Url;

use super::opaque::Contexts;
use crate::config::{WebConfig, WebError};
use crate::sign_in::{Provider, Providers};

/// A `[[portal.launcher]]`: a system that opens records in context.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LauncherConfig {
    /// `iss` of what it signs.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The public keys that it signs with: a file with a JWK set, read again when it changes.
    pub keys: PathBuf,
    /// Where it is asked for the context of a launch that has nothing but an id; with
    pub context_url: Option<Url>,
    /// the name under which it knows the portal, and
    pub client_id: Option<String>,
    /// a file with the key that the portal signs its assertions with (`private_key_jwt`), read again
    /// when it changes.
    pub client_key: Option<PathBuf>,
    /// The organisations that it may name.
    pub organisations: Vec<OrganisationCode>,
    /// Where its pages are, to go back to: origins, e.g. `https://epr.example.nhs.uk`.
    #[serde(default)]
    pub return_origins: Vec<Url>,
    /// The sign-in provider of its people; the first one unless given.
    #[serde(default = "first")]
    pub sign_in: String,
    /// Whether its people stay with the patient that was opened.
    #[serde(default = "yes")]
    pub patient_locked: bool,
}

/// Every system that opens records in context.
pub(crate) struct Launchers(Vec<Launcher>);

pub(super) struct Launcher {
    pub(super) config: LauncherConfig,
    pub(super) keys: Watched<ForeignKeys>,
    /// Where it is asked for contexts, if it is.
    pub(super) contexts: Option<Contexts>,
}

impl Launchers {
    /// Reads the keys.
    pub(crate) fn new(
        web: &WebConfig,
        providers: &Providers,
        http: &reqwest::Client,
        now: Timestamp,
    ) -> Result<Self, WebError> {
        let mut all: Vec<Launcher> = Vec::new();
        for config in &web.launchers {
            let wrong = |what: &str| WebError::Launcher(config.id.clone(), what.to_owned());
            if config.id.is_empty() || config.name.trim().is_empty() {
                return Err(wrong("id or name is empty"));
            }
            if config.organisations.is_empty() {
                return Err(wrong("organisations names none"));
            }
            if all.iter().any(|other| other.config.id == config.id) {
                return Err(wrong("is there twice"));
            }
            if providers.find(&config.sign_in).is_none_or(Provider::is_for_citizens) {
                return Err(wrong("sign_in is no provider of staff"));
            }
            let keys = Watched::open(&web.base.join(&config.keys), ForeignKeys::read, now);
            let keys = keys.map_err(|error| wrong(&error.to_string()))?;
            let contexts = Contexts::of(config, web, http, now).map_err(|what| wrong(&what))?;
            all.push(Launcher { config: config.clone(), keys, contexts });
        }
        Ok(Self(all))
    }

    pub(super) fn find(&self, id: &str) -> Option<&Launcher> {
        self.0.iter().find(|launcher| launcher.config.id == id)
    }
}

impl LauncherConfig {
    /// Whether an address may be gone back to.
    pub(super) fn is_own_page(&self, url: &Url) -> bool {
        let origin = url.origin();
        matches!(url.scheme(), "http" | "https")
            && self.return_origins.iter().any(|own| own.origin() == origin)
    }
}

fn first() -> String {
    FIRST.to_owned()
}

fn yes() -> bool {
    true
}
