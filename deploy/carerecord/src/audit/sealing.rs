use std::io;
use std::path::Path;
use std::sync::Arc;

use carerecord_audit::{AtnaFeed, FileWitness, Sealer, SyslogWitness, Witness};
use carerecord_model::{Clock, IdSource};
use carerecord_storage::Database;

use super::{AuditSection, keys};
use crate::config::Config;
use crate::key_file::key_file;

/// Who signs the heads of the log in a database, which has this name in witnesses.
pub fn sealer(
    config: &Config,
    database: Database,
    name: &str,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
) -> anyhow::Result<Sealer> {
    let section = &config.audit;
    let path = section.key(&config.base, &config.data);
    // Now, so that a key that cannot be used is told of at the start.
    keys::read(&path, clock.as_ref())?;
    let time = clock.clone();
    let source =
        move || keys::read(&path, time.as_ref()).map_err(|e| io::Error::other(format!("{e:#}")));
    let witnesses = witnesses(section, &config.base, name)?;
    Ok(Sealer::new(database, Arc::new(source), clock, ids, witnesses))
}

/// Who sends the records of a database to an audit record repository, where there is one.
pub fn feed(config: &Config, database: Database) -> anyhow::Result<Option<AtnaFeed>> {
    let transport = config.audit.atna(&config.base)?;
    let site = &config.audit.atna_site;
    Ok(transport.map(|transport| AtnaFeed::new(database, transport, &hostname(), site)))
}

/// What the section relies on, each with what is there or what is wrong. Nothing is made.
pub fn findings(config: &Config) -> Vec<(&'static str, anyhow::Result<String>)> {
    let (section, base) = (&config.audit, &config.base);
    let key = section.key(base, &config.data);
    let mut all = vec![(
        "audit key",
        if key.exists() {
            key_file(&key).map(|_| "can be used".to_owned())
        } else {
            Ok("is made at the first start".to_owned())
        },
    )];
    if let Some(folder) = section.witness_folder(base) {
        let there = std::fs::read_dir(&folder).map(|_| "is there".to_owned());
        all.push(("audit witness folder", there.map_err(anyhow::Error::from)));
    }
    for (what, transport) in
        [("audit witness", section.syslog(base)), ("audit repository", section.atna(base))]
    {
        match transport {
            Ok(None) => {}
            Ok(Some(transport)) => all.push((what, Ok(format!("by {transport}")))),
            Err(error) => all.push((what, Err(error))),
        }
    }
    all
}

fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default()
}

fn witnesses(
    section: &AuditSection,
    base: &Path,
    name: &str,
) -> anyhow::Result<Vec<Arc<dyn Witness>>> {
    let mut all: Vec<Arc<dyn Witness>> = Vec::new();
    if let Some(folder) = section.witness_folder(base) {
        // One level only: what is above may be a disk that is not there just now.
        match std::fs::create_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                let folder = folder.display();
                tracing::warn!(%error, "the witness folder {folder} cannot be made");
            }
            Ok(()) | Err(_) => {}
        }
        all.push(Arc::new(FileWitness::new(folder, name)));
    }
    if let Some(transport) = section.syslog(base)? {
        all.push(Arc::new(SyslogWitness::new(transport, &hostname())));
    }
    Ok(all)
}
