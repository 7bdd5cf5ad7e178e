use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use carerecord_audit::{FhirRepository, TokenSource};
use carerecord_service::{ClientTls, ClientTlsConfig, SecretFile};
use serde::Deserialize;
use url::Url;

use crate::config::Config;
use crate::nodes::is_safe;
use crate::peer::http_client;

/// `fhir` of `[audit]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FhirFeedSection {
    /// Its base address.
    url: Url,
    /// Our certificate, and whom we believe; without it the authorities of the machine.
    tls: Option<ClientTlsConfig>,
    /// A file with a bearer token, read anew for each request.
    token_file: Option<PathBuf>,
    /// How long it may take to answer.
    #[serde(default = "deadline_ms")]
    deadline_ms: u64,
    /// Records of one Bundle, at most.
    #[serde(default = "max_bundle")]
    max_bundle: u32,
}

/// A repository of audit records, as the configuration has it.
pub struct ConfiguredRepository {
    /// What speaks to it.
    pub port: FhirRepository,
    /// The files that it is spoken to with, to be watched.
    pub tls: Option<ClientTls>,
    /// Records of one Bundle, at most.
    pub max_bundle: u32,
}

/// The repository that is sent every record by FHIR, where there is one.
pub fn repository(config: &Config) -> anyhow::Result<Option<ConfiguredRepository>> {
    let section = config.audit.fhir.as_ref();
    section.map(|s| s.repository(&config.base).context("audit.fhir")).transpose()
}

impl FhirFeedSection {
    fn repository(&self, base: &Path) -> anyhow::Result<ConfiguredRepository> {
        is_safe(&self.url)?;
        ensure!(
            self.url.query().is_none() && self.url.fragment().is_none(),
            "url is a base address, without ? and #"
        );
        ensure!((1..=1000).contains(&self.max_bundle), "max_bundle is to be 1 to 1000");
        // A process that stops waits for 60 seconds.
        ensure!((100..=50_000).contains(&self.deadline_ms), "deadline_ms is to be 100 to 50000");
        let tls = self.tls.clone().map(|mut tls| {
            tls.resolve(base);
            ClientTls::load(tls)
        });
        let tls = tls.transpose().context("tls cannot be used")?;
        let token = self.token_file.as_ref().map(|file| token(file, base)).transpose()?;
        let port = FhirRepository {
            http: http_client(tls.as_ref())?,
            base: self.url.to_string(),
            token,
            deadline: Duration::from_millis(self.deadline_ms),
        };
        Ok(ConfiguredRepository { port, tls, max_bundle: self.max_bundle })
    }
}

/// Reads it now, too, so that a file that cannot be used is told of at the start.
fn token(file: &Path, base: &Path) -> anyhow::Result<TokenSource> {
    let (file, base) = (SecretFile::new(file), base.to_owned());
    file.read(&base)?;
    let read = move || file.read(&base).map(|token| token.expose().to_owned());
    Ok(Arc::new(move || read().map_err(io::Error::other)))
}

fn deadline_ms() -> u64 {
    30_000
}

fn max_bundle() -> u32 {
    100
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(text: &str) -> anyhow::Result<ConfiguredRepository> {
        carerecord_testkit::install_crypto();
        toml::from_str::<FhirFeedSection>(text)?.repository(Path::new("/nowhere"))
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        for (text, expected) in [
            ("url = 'http://arr.example/fhir'", "neither https nor on this machine"),
            ("url = 'https://arr.example/fhir?a=b'", "without ?"),
            ("url = 'https://u:p@arr.example/fhir'", "must not hold a user"),
            ("url = 'https://arr.example/fhir'\nmax_bundle = 0", "max_bundle"),
            ("url = 'https://arr.example/fhir'\ndeadline_ms = 1", "deadline_ms"),
            ("url = 'https://arr.example/fhir'\ntoken_file = 't'", "/nowhere/t"),
            ("url = 'https://arr.example/fhir'\ntls = { authorities = ['a'] }", "tls cannot"),
            ("url = 'https://arr.example/fhir'\ntoken = 't'", "unknown field"),
        ] {
            let error = format!("{:#}", made(text).err().unwrap());
            assert!(error.contains(expected), "{error}");
        }
        let good = made("url = 'http://127.0.0.1:1/fhir'").unwrap();
        assert_eq!((good.max_bundle, good.port.deadline), (100, Duration::from_secs(30)));
    }
}
