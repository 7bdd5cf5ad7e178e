//! The databases whose logs a command is about.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use carerecord_audit::{AuditActor, AuditEvent, AuditLog, AuditOutcome};
use carerecord_model::{Clock, IdSource, NhsNumber, RandomIds, SystemClock};
use carerecord_storage::Database;
use clap::Args;

use crate::config::Config;
use crate::database::Source;

/// Where the databases are.
#[derive(Args)]
pub struct Databases {
    /// The data folder of the deployment, when its databases are files
    #[arg(long, default_value = "carerecord-data", conflicts_with = "config")]
    data: PathBuf,
    /// The configuration file of a process of the deployment
    #[arg(long)]
    config: Option<PathBuf>,
}

/// A database with the name of its log.
pub struct Named {
    /// `registry`, `portal`, `node-…`, or the name of a database of PostgreSQL.
    pub name: String,
    source: Source,
}

impl Databases {
    /// Those of a data folder.
    #[cfg(test)]
    pub fn of_data(data: &Path) -> Self {
        Self { data: data.to_owned(), config: None }
    }

    /// Those of a configuration.
    pub fn of_config(file: &Path) -> Self {
        Self { data: PathBuf::new(), config: Some(file.to_owned()) }
    }

    /// The file of the key that signs their heads.
    pub fn key(&self) -> anyhow::Result<PathBuf> {
        Ok(match &self.config {
            Some(file) => {
                let config = Config::read(file)?;
                config.audit.key(&config.base, &config.data)
            }
            None => self.data.join("audit.key"),
        })
    }

    /// The databases of the roles, each once.
    pub fn all(&self) -> anyhow::Result<Vec<Named>> {
        let Some(file) = &self.config else {
            let files = files(&self.data)?;
            if files.is_empty() {
                bail!("there is no database below {}", self.data.display());
            }
            return Ok(files.into_iter().map(Named::file).collect());
        };
        let config = Config::read(file)?;
        let mut all = Vec::new();
        for database in config.databases() {
            let source = Source::Postgres(database.address(&config.base)?);
            let text = source.to_string();
            let name = text.rsplit('/').next().unwrap_or_default().to_owned();
            all.push(Named { name, source });
        }
        if config.data.is_dir() {
            all.extend(files(&config.data)?.into_iter().map(Named::file));
        }
        // One database can serve several roles.
        let mut seen = HashSet::new();
        all.retain(|named| match &named.source {
            Source::Postgres(address) => seen.insert(address.expose().to_owned()),
            Source::File(_) => true,
        });
        Ok(all)
    }

    /// The one of this name, or all.
    pub fn some(&self, name: Option<&str>) -> anyhow::Result<Vec<Named>> {
        match name {
            Some(name) => Ok(vec![self.one(Some(name))?]),
            None => self.all(),
        }
    }

    /// The one log of this name, or the only one there is.
    pub fn one(&self, name: Option<&str>) -> anyhow::Result<Named> {
        let mut all = self.all()?;
        let names: Vec<String> = all.iter().map(|named| named.name.clone()).collect();
        if let Some(name) = name {
            all.retain(|named| named.name == name);
        }
        let one = all.pop().filter(|_| all.is_empty());
        one.with_context(|| format!("name one log by --log: {}", names.join(", ")))
    }
}

impl Named {
    fn file(file: PathBuf) -> Self {
        let is_node = file.file_name().is_some_and(|name| name == "node.db");
        let named =
            if is_node { file.parent().and_then(Path::file_name) } else { file.file_stem() };
        let name = named.map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        Self { name, source: Source::File(file) }
    }

    /// Opens it; a file must be there.
    pub async fn open(&self) -> anyhow::Result<Database> {
        self.source.open().await
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.source.fmt(f)
    }
}

/// Reading the record is an access itself: its record is durable before anything is shown.
pub async fn record_reading(
    database: &Database,
    command: &str,
    what: &str,
    subject: Option<NhsNumber>,
) -> anyhow::Result<()> {
    let (clock, ids) = (SystemClock, RandomIds);
    let mut event = AuditEvent::incoming(
        ids.ordered(),
        clock.now(),
        &format!("carerecord {command}"),
        "command line",
    );
    event.interaction = format!("{command} {what}");
    event.outcome = AuditOutcome::Success;
    event.subject = subject;
    let user = std::fs::metadata("/proc/self")
        .map_or_else(|_| "unknown".to_owned(), |process| format!("uid {}", process.uid()));
    event.actor = Some(AuditActor {
        id: user,
        name: None,
        organisation: String::new(),
        role: None,
        role_profile: None,
        known_by: "operating system".to_owned(),
        client: None,
        user_name: None,
        assertion: None,
    });
    AuditLog::new(database.clone()).append(event).await.context("the reading cannot be recorded")
}

fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let inner = path.join("node.db");
        if path.extension().is_some_and(|e| e == "db") {
            found.push(path);
        } else if inner.is_file() {
            found.push(inner);
        }
    }
    found.sort();
    Ok(found)
}
