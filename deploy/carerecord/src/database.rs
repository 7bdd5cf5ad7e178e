//! Where a role keeps its tables: a SQLite file below `data`, or PostgreSQL.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use carerecord_service::config::SecretFile;
use carerecord_storage::Database;
use clap::Args;
use serde::Deserialize;
use url::Url;

use crate::config::Config;

/// `database` of a role: a `postgres://` address, or a table with the password beside it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a postgres:// address, or a table with url and password_file")]
pub enum DatabaseConfig {
    /// The address.
    Url(DatabaseUrl),
    /// The address, with a password from elsewhere.
    WithPassword(DatabaseSection),
}

/// The address with where its password is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSection {
    url: DatabaseUrl,
    /// A file that holds the password.
    password_file: Option<SecretFile>,
    /// An environment variable that holds it.
    password_env: Option<String>,
}

/// A `postgres://` address. No formatter prints it whole: it can hold a password.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct DatabaseUrl(Url);

impl TryFrom<String> for DatabaseUrl {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let url: Url = text.parse().map_err(|_| "database is not a postgres:// address")?;
        match url.scheme() {
            "postgres" | "postgresql" => Ok(Self(url)),
            _ => Err("database is not a postgres:// address"),
        }
    }
}

impl std::str::FromStr for DatabaseUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.to_owned().try_into()
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

impl fmt::Display for DatabaseUrl {
    /// Host and database, without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.host_str().unwrap_or_default();
        write!(f, "postgres://{host}{}", self.0.path())
    }
}

impl DatabaseConfig {
    /// The whole address. A relative path of a password's file is taken from `base`.
    pub fn address(&self, base: &Path) -> anyhow::Result<Address> {
        match self {
            Self::Url(url) => Ok(Address(url.clone())),
            Self::WithPassword(section) => section.address(base),
        }
    }
}

impl DatabaseSection {
    /// An address with where its password is.
    pub fn new(
        url: DatabaseUrl,
        password_file: Option<PathBuf>,
        password_env: Option<String>,
    ) -> Self {
        Self { url, password_file: password_file.map(SecretFile::new), password_env }
    }

    /// As `DatabaseConfig::address`.
    pub fn address(&self, base: &Path) -> anyhow::Result<Address> {
        let password = match (&self.password_file, &self.password_env) {
            (Some(_), Some(_)) => bail!("give password_file or password_env, not both"),
            (Some(file), None) => file.read(base)?.expose().to_owned(),
            (None, Some(name)) => from_environment(name)?,
            (None, None) => return Ok(Address(self.url.clone())),
        };
        Address(self.url.clone()).with_password(&password)
    }
}

/// An address with its password, for connecting.
#[derive(Clone, Debug)]
pub struct Address(DatabaseUrl);

impl Address {
    /// The same with a password.
    pub fn with_password(mut self, password: &str) -> anyhow::Result<Self> {
        ensure!(self.0.0.password().is_none(), "the address of the database has a password too");
        let set = self.0.0.set_password(Some(password));
        set.ok().context("the address of the database cannot have a password: it has no host")?;
        Ok(self)
    }

    /// The text that the driver takes. It is a secret.
    pub fn expose(&self) -> &str {
        self.0.0.as_str()
    }

    /// Connects and migrates the schema.
    pub async fn connect(&self) -> anyhow::Result<Database> {
        let database = Database::connect(self.expose()).await;
        database.with_context(|| format!("cannot open the database {}", self.0))
    }
}

/// A database that a tool reads.
pub enum Source {
    /// A SQLite file.
    File(PathBuf),
    /// PostgreSQL.
    Postgres(Address),
}

impl Source {
    /// Opens it; a file must be there.
    pub async fn open(&self) -> anyhow::Result<Database> {
        match self {
            Self::File(file) => {
                ensure!(file.is_file(), "there is no database {}", file.display());
                open(None, Path::new("."), file).await
            }
            Self::Postgres(address) => address.connect().await,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Postgres(address) => write!(f, "{}", address.0),
        }
    }
}

/// Opens what is configured, or else the file.
pub async fn open(
    config: Option<&DatabaseConfig>,
    base: &Path,
    file: &Path,
) -> anyhow::Result<Database> {
    if let Some(config) = config {
        return config.address(base)?.connect().await;
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let database = Database::open(file).await;
    database.with_context(|| format!("cannot open the database {}", file.display()))
}

/// Which registry's database a tool reads.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct RegistryDatabase {
    /// The configuration file of the registry
    #[arg(long)]
    config: Option<PathBuf>,
    /// The data folder of a registry on SQLite
    #[arg(long)]
    data: Option<PathBuf>,
}

impl RegistryDatabase {
    /// Opens it; it must be there.
    pub async fn open(&self) -> anyhow::Result<Database> {
        self.source()?.open().await
    }

    fn source(&self) -> anyhow::Result<Source> {
        let Some(file) = &self.config else {
            let data = self.data.as_deref().context("give --config or --data")?;
            return Ok(Source::File(data.join(REGISTRY)));
        };
        let config = Config::read(file)?;
        let section = config.registry.as_ref().context("the configuration has no registry")?;
        match &section.database {
            Some(database) => Ok(Source::Postgres(database.address(&config.base)?)),
            None => Ok(Source::File(config.data.join(REGISTRY))),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the configuration names the variable")]
fn from_environment(name: &str) -> anyhow::Result<String> {
    let password = std::env::var(name).ok().filter(|p| !p.is_empty());
    password.with_context(|| format!("the environment variable {name} holds no password"))
}

/// The registry's file below `data`.
pub const REGISTRY: &str = "registry.db";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> DatabaseConfig {
        #[derive(Deserialize)]
        struct Section {
            database: DatabaseConfig,
        }
        toml::from_str::<Section>(text).unwrap().database
    }

    #[test]
    fn passwords_come_from_a_file_or_a_variable() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("password"), "p@ss/w:rd\n").unwrap();
        let url = "postgres://carerecord@db.example/registry";
        let with = |more: &str| parse(&format!("database = {{ url = '{url}', {more} }}"));

        let from_file = with("password_file = 'password'").address(folder.path()).unwrap();
        let from_path = with("password_env = 'PATH'").address(folder.path()).unwrap();

        let whole = "postgres://carerecord:p%40ss%2Fw%3Ard@db.example/registry";
        assert_eq!(from_file.expose(), whole);
        assert!(from_path.expose().starts_with("postgres://carerecord:"), "no password");
        assert_eq!(
            parse(&format!("database = '{url}'")).address(".".as_ref()).unwrap().expose(),
            url
        );
        assert!(with("password_env = 'CARERECORD_NO_SUCH'").address(folder.path()).is_err());
        let both = "password_env = 'PATH', password_file = 'password'";
        assert!(with(both).address(folder.path()).is_err());
    }

    #[test]
    fn no_formatter_prints_a_password() {
        let config = parse("database = 'postgres://someone:secret@db.example/registry'");

        let address = config.address(".".as_ref()).unwrap();
        let printed = format!("{config:?} {address:?}");

        assert!(printed.contains("db.example/registry"), "{printed}");
        assert!(!printed.contains("secret") && !printed.contains("someone"), "{printed}");
    }

    #[test]
    fn only_postgresql_has_an_address() {
        for bad in ["mysql://db/registry", "registry.db", "sqlite://registry.db"] {
            assert!(DatabaseUrl::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
