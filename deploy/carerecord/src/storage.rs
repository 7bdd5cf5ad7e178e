//! Where a node keeps its documents: files below `data`, or an object store elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use carerecord_repository::{Objects, RemoteStore};
use carerecord_service::config::SecretFile;
use serde::Deserialize;
use url::Url;

use crate::config::{Config, RepositorySection};

/// `storage` of a `[[repository]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageConfig {
    /// `s3://BUCKET/PREFIX`, `az://CONTAINER/PREFIX` or `gs://BUCKET/PREFIX`.
    url: Url,
    /// The address of the server, where it is not the provider's own.
    endpoint: Option<Url>,
    /// S3: the region.
    region: Option<String>,
    /// S3: whether the bucket stands in the path of an address, not in the host's name.
    #[serde(default = "yes")]
    path_style: bool,
    /// Certificates to trust besides the system's, as PEM.
    ca_file: Option<PathBuf>,
    /// Whether the store can be told not to replace an object.
    #[serde(default = "yes")]
    conditional_writes: bool,
    /// How long the store may say nothing.
    #[serde(default = "default_silence_ms")]
    silence_ms: u64,
    /// For how long a request that fails is sent again.
    #[serde(default = "default_retry_ms")]
    retry_ms: u64,
    /// What the store is further told, by the names that `object_store` has for it.
    #[serde(default)]
    settings: BTreeMap<String, Setting>,
}

/// A value, or where it is. No formatter prints it.
#[derive(Clone, Deserialize)]
#[serde(untagged, expecting = "a text, { file = \"…\" } or { env = \"…\" }")]
enum Setting {
    Text(String),
    File(InFile),
    Environment(InEnvironment),
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct InFile {
    file: SecretFile,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct InEnvironment {
    env: String,
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Setting(…)")
    }
}

/// The store of a node. Nothing is asked of one elsewhere yet.
pub fn objects(config: &Config, section: &RepositorySection) -> anyhow::Result<Objects> {
    let objects = if let Some(storage) = &section.storage {
        storage.open(&config.base).context("the object store cannot be used")?
    } else {
        let folder = config.node_folder(section).join("objects");
        let opened = Objects::local(&folder);
        opened.with_context(|| format!("cannot open {}", folder.display()))?
    };
    Ok(match &section.encryption {
        Some(encryption) => objects.with_keys(encryption.load(&config.base)?),
        None => objects,
    })
}

impl StorageConfig {
    /// The store. A relative path of a secret's file is taken from `base`.
    pub fn open(&self, base: &Path) -> anyhow::Result<Objects> {
        let certificates = match &self.ca_file {
            Some(file) => Some(
                std::fs::read(base.join(file))
                    .with_context(|| format!("cannot read {}", file.display()))?,
            ),
            None => None,
        };
        let mut options = Vec::new();
        for (name, setting) in &self.settings {
            options.push((name.clone(), setting.value(name, base)?));
        }
        Ok(Objects::remote(RemoteStore {
            url: self.url.clone(),
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            path_style: self.path_style,
            certificates,
            options,
            conditional_writes: self.conditional_writes,
            silence: Duration::from_millis(self.silence_ms),
            patience: Duration::from_millis(self.retry_ms),
        })?)
    }
}

impl Setting {
    fn value(&self, name: &str, base: &Path) -> anyhow::Result<String> {
        match self {
            Self::Text(text) => {
                ensure!(
                    !is_secret(name),
                    "storage.settings.{name} is a secret: give {{ file = \"…\" }} or {{ env = \"…\" }}"
                );
                Ok(text.clone())
            }
            Self::File(InFile { file }) => Ok(file.read(base)?.expose().to_owned()),
            Self::Environment(InEnvironment { env }) => from_environment(env),
        }
    }
}

/// Whether a setting is one that nobody may read in a configuration.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let places = ["_id", "_file", "_path", "_endpoint", "_url", "_uri"];
    let words = ["secret", "token", "password", "sas", "key", "credential"];
    words.iter().any(|w| name.contains(w)) && !places.iter().any(|p| name.ends_with(p))
}

#[expect(clippy::disallowed_methods, reason = "the configuration names the variable")]
fn from_environment(name: &str) -> anyhow::Result<String> {
    let value = std::env::var(name).ok().filter(|v| !v.is_empty());
    value.with_context(|| format!("the environment variable {name} holds nothing"))
}

fn yes() -> bool {
    true
}

fn default_silence_ms() -> u64 {
    30_000
}

fn default_retry_ms() -> u64 {
    20_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(more: &str) -> Result<StorageConfig, toml::de::Error> {
        toml::from_str(&format!("url = 's3://documents/node-1'\nregion = 'eu-west-2'\n{more}"))
    }

    #[test]
    fn secrets_come_from_files_and_variables_only() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("s3.secret"), "hush\n").unwrap();
        let open = |settings: &str| {
            let config = parse(&format!("settings = {{ {settings} }}")).unwrap();
            config.open(folder.path()).map(drop)
        };

        open("access_key_id = 'AK', secret_access_key = { file = 's3.secret' }").unwrap();
        open("access_key_id = { env = 'PATH' }, secret_access_key = { env = 'PATH' }").unwrap();
        for (wrong, told) in [
            ("secret_access_key = 'hush'", "storage.settings.secret_access_key is a secret"),
            ("aws_session_token = 'hush'", "is a secret"),
            ("azure_storage_account_key = 'hush'", "is a secret"),
            ("secret_access_key = { file = 'none' }", "none"),
            ("secret_access_key = { env = 'CARERECORD_NO_SUCH' }", "CARERECORD_NO_SUCH"),
            ("no_such_option = 'hush'", "no_such_option"),
        ] {
            let error = format!("{:#}", open(wrong).unwrap_err());
            assert!(error.contains(told) && !error.contains("hush"), "{wrong}: {error}");
        }
    }

    #[test]
    fn what_is_misspelt_is_refused() {
        assert!(parse("path_stile = true").is_err());
        assert!(parse("settings = { secret_access_key = { flie = 'x' } }").is_err());
        assert!(parse("path_style = false\nretry_ms = 5").is_ok());
    }

    #[test]
    fn no_formatter_prints_a_setting() {
        let config = parse("settings = { account_name = 'hush' }").unwrap();

        assert!(!format!("{config:?}").contains("hush"));
    }
}
