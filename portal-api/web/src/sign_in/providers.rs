use carerecord_service::FIRST;

use super::Provider;
use crate::config::{WebConfig, WebError};
use crate::session::SignedIn;

/// The sign-in providers, at least one.
pub(crate) struct Providers(Vec<Provider>);

impl Providers {
    pub(crate) fn new(config: &WebConfig, http: &reqwest::Client) -> Result<Self, WebError> {
        let mut all = vec![Provider::first(config, http.clone())?];
        for (provider, secret) in &config.more_providers {
            all.push(Provider::another(config, provider, secret.clone(), http.clone())?);
        }
        Ok(Self(all))
    }

    /// In the order of the sign-in page.
    pub(crate) fn all(&self) -> &[Provider] {
        &self.0
    }

    /// The one that staff use, where there is one.
    pub(crate) fn only_of_staff(&self) -> Option<&Provider> {
        let mut staff = self.0.iter().filter(|provider| !provider.is_for_citizens());
        let first = staff.next();
        first.filter(|_| staff.next().is_none())
    }

    /// Those of citizens: id and name.
    pub(crate) fn of_citizens(&self) -> Vec<(String, String)> {
        let citizens = self.0.iter().filter(|provider| provider.is_for_citizens());
        citizens.map(|provider| (provider.id.clone(), provider.name.clone())).collect()
    }

    /// By its id; what was begun before there were ids was begun at the first one.
    pub(crate) fn find(&self, id: &str) -> Option<&Provider> {
        let id = if id.is_empty() { FIRST } else { id };
        self.0.iter().find(|provider| provider.id == id)
    }

    /// At which somebody has signed in.
    pub(crate) fn of(&self, person: &SignedIn) -> &Provider {
        let issuer = person.sign_in.as_ref().map(|sign_in| sign_in.issuer.as_str());
        let found = self.0.iter().find(|provider| Some(provider.issuer()) == issuer);
        found.unwrap_or(&self.0[0])
    }

    /// Where their pages are.
    pub(crate) fn origins(&self) -> String {
        let origins = self.0.iter().map(Provider::origin);
        origins.collect::<Vec<_>>().join(" ")
    }
}
