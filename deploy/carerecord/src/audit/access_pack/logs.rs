//! The logs in which a person's accesses are: those that lie here, and those of other roles.

use std::sync::Arc;
use std::time::Duration;

use carerecord_audit::{AuditEvent, AuditLog, AuditQuestion, AuditSource};
use carerecord_model::NhsNumber;
use carerecord_portal_api::access_pack::contents::Note;
use carerecord_storage::Database;
use jiff::{SignedDuration, Timestamp};

use crate::audit::sources::Databases;
use crate::config::Config;
use crate::nodes::{Directory, client_of};
use crate::peer::{PeerLog, role_client};
use crate::roles::peers_tls;

/// What became of a log.
pub struct LogState {
    /// The role or node that keeps it.
    pub name: String,
    /// Why it could not be read to its end.
    pub failed: Option<String>,
    /// Records that somebody has changed.
    pub unreadable: u64,
}

impl LogState {
    /// The same in words.
    pub fn words(&self) -> Option<String> {
        match (&self.failed, self.unreadable) {
            (Some(why), _) => Some(why.clone()),
            (None, 0) => None,
            (None, n) => Some(format!("{n} of its records were changed and cannot be read")),
        }
    }

    /// As it stands in the pack.
    pub fn note(&self) -> Note {
        Note::log(&self.name, self.words().as_deref())
    }
}

/// A log that is searched; none where it cannot be from here.
pub struct Log {
    name: String,
    source: Option<Arc<dyn AuditSource>>,
    database: Option<Database>,
}

/// Every log that the configuration knows of.
pub async fn all(config: &Config, databases: &Databases) -> anyhow::Result<Vec<Log>> {
    let mut logs = Vec::new();
    for named in databases.all()? {
        let database = named.open().await?;
        let source: Arc<dyn AuditSource> = Arc::new(AuditLog::new(database.clone()));
        logs.push(Log { name: named.name, source: Some(source), database: Some(database) });
    }
    let silence = Duration::from_millis(config.peers.silence_ms);
    let http = role_client(silence, peers_tls(config)?.as_ref())?;
    let peer = |name: &str, http: &reqwest::Client, urls: Vec<String>| {
        let source: Option<Arc<dyn AuditSource>> =
            if urls.is_empty() { None } else { Some(Arc::new(PeerLog::new(http.clone(), urls))) };
        Log { name: name.to_owned(), source, database: None }
    };
    if let Some(remote) = &config.remote_registry {
        let url = format!("{}/peer/audit", remote.url.trim_end_matches('/'));
        logs.push(peer("registry", &http, vec![url]));
    }
    let beside = |url: url::Url| url.join("/peer/audit").ok().map(String::from);
    let Some(portal) = &config.portal else { return Ok(logs) };
    for source in portal.source.iter().filter(|source| source.url.is_some()) {
        let url = source.search_url.as_ref().and_then(|url| beside(url.parse().ok()?));
        logs.push(peer(&source.name, &http, url.into_iter().collect()));
    }
    if let Some(file) = &portal.nodes {
        let directory = Directory::read(file)?;
        for node in directory.nodes.iter().filter(|node| !node.endpoints.is_empty()) {
            let own = client_of(node, &directory, silence)?;
            let urls = node.endpoints.iter().filter_map(|e| beside(e.search(node.kind)?));
            logs.push(peer(&node.name, own.as_ref().unwrap_or(&http), urls.collect()));
        }
    }
    Ok(logs)
}

impl Log {
    /// Everything about these people, the newest first, and whether that is all. `found` is told of
    /// each record.
    pub async fn read(
        self,
        people: &[NhsNumber],
        now: Timestamp,
        found: &mut (dyn FnMut(&str, AuditEvent) + Send),
    ) -> LogState {
        let mut state = LogState { name: self.name.clone(), failed: None, unreadable: 0 };
        let Some(source) = &self.source else {
            state.failed = Some("cannot be searched from here: ask who keeps it".to_owned());
            return state;
        };
        let until = now.checked_add(SignedDuration::from_hours(1)).unwrap_or(now);
        let mut question = AuditQuestion::between(Timestamp::UNIX_EPOCH, until, PAGE);
        question.subjects = people.to_vec();
        loop {
            let page = match source.look(&question).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%error, log = self.name, "a log could not be searched");
                    state.failed = Some("could not be searched".to_owned());
                    break;
                }
            };
            state.unreadable += page.unreadable;
            for stored in page.events {
                found(&self.name, stored.event);
            }
            question.up_to = Some(page.up_to);
            question.before = page.next;
            if page.next.is_none() {
                break;
            }
        }
        if let Some(database) = self.database {
            database.close().await;
        }
        state
    }
}

/// Records that are asked for at once.
const PAGE: u32 = 500;
