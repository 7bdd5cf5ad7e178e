//! `{iss}/.well-known/smart-configuration`. SMART App Launch 2: conformance.

use openidconnect::core::CoreJsonWebKeySet;
use openidconnect::{AuthUrl, IssuerUrl, TokenUrl};
use serde::Deserialize;
use url::Url;

use super::error::SmartError;
use crate::config::is_this_machine;

/// What a launch needs to know of a record system.
pub(super) struct Metadata {
    pub(super) issuer: IssuerUrl,
    pub(super) authorize: AuthUrl,
    pub(super) token: TokenUrl,
    pub(super) keys: CoreJsonWebKeySet,
}

/// The configuration, as far as it is needed.
#[derive(Deserialize)]
pub(super) struct Told {
    issuer: String,
    pub(super) jwks_uri: Url,
    authorization_endpoint: Url,
    token_endpoint: Url,
    capabilities: Vec<String>,
    code_challenge_methods_supported: Vec<String>,
}

impl Told {
    /// What the system at `iss` says of itself, if it can be used.
    pub(super) fn read(body: &[u8], iss: &Url) -> Result<Self, SmartError> {
        let told: Self = serde_json::from_slice(body).map_err(|_| SmartError::Configuration)?;
        let offers = |all: &[String], wanted: &str| all.iter().any(|one| one == wanted);
        if !offers(&told.capabilities, "launch-ehr")
            || !offers(&told.code_challenge_methods_supported, "S256")
        {
            return Err(SmartError::NotOffered);
        }
        let all = [&told.jwks_uri, &told.authorization_endpoint, &told.token_endpoint];
        if !all.into_iter().all(|url| is_safe(url, iss)) {
            return Err(SmartError::Address);
        }
        Ok(told)
    }

    pub(super) fn with(self, keys: CoreJsonWebKeySet) -> Result<Metadata, SmartError> {
        Ok(Metadata {
            issuer: IssuerUrl::new(self.issuer).map_err(|_| SmartError::Configuration)?,
            authorize: AuthUrl::from_url(self.authorization_endpoint),
            token: TokenUrl::from_url(self.token_endpoint),
            keys,
        })
    }
}

/// By TLS, or on this machine where the system itself is.
fn is_safe(url: &Url, iss: &Url) -> bool {
    let plain = url.scheme() == "http" && iss.scheme() == "http" && is_this_machine(url);
    (url.scheme() == "https" || plain)
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_configuration_is_taken_only_whole_and_safe() {
        let iss: Url = "https://ehr.example/fhir".parse().unwrap();
        let good = json!({
            "issuer": "https://ehr.example", "jwks_uri": "https://ehr.example/jwks",
            "authorization_endpoint": "https://ehr.example/authorize",
            "token_endpoint": "https://ehr.example/token?realm=1",
            "capabilities": ["launch-ehr"], "code_challenge_methods_supported": ["S256"],
        });
        let read = |name: &str, value: Value| {
            let mut told = good.clone();
            told[name] = value;
            Told::read(told.to_string().as_bytes(), &iss).map(drop)
        };
        assert_eq!(read("more", json!({"anything": true})), Ok(()));

        for (name, value, error) in [
            ("capabilities", json!(["launch-standalone"]), SmartError::NotOffered),
            ("code_challenge_methods_supported", json!(["plain"]), SmartError::NotOffered),
            ("code_challenge_methods_supported", json!(null), SmartError::Configuration),
            ("jwks_uri", json!(null), SmartError::Configuration),
            ("issuer", json!(7), SmartError::Configuration),
            ("token_endpoint", json!("/token"), SmartError::Configuration),
            ("token_endpoint", json!("http://ehr.example/token"), SmartError::Address),
            ("token_endpoint", json!("http://127.0.0.1:1/token"), SmartError::Address),
            ("jwks_uri", json!("file:///etc/keys"), SmartError::Address),
            ("authorization_endpoint", json!("javascript:alert(1)"), SmartError::Address),
            ("authorization_endpoint", json!("https://a:b@ehr.example/"), SmartError::Address),
        ] {
            assert_eq!(read(name, value.clone()), Err(error), "{name}: {value}");
        }
        for garbage in [&b"<html>"[..], b"[]", b"", &[0xff, 0xfe]] {
            let read = Told::read(garbage, &iss).map(drop);
            assert_eq!(read, Err(SmartError::Configuration));
        }
    }
}
