//! A log for tests, with a clock and a key of its own.

use std::sync::Arc;

use carerecord_model::{Clock, RandomIds};
use carerecord_storage::Database;
use jiff::Timestamp;
use uuid::Uuid;

use crate::log::append_events;
use crate::tree::{KeyRing, SigningKey, TreeHash};
use crate::{AuditActor, AuditEvent, Sealer, SigningKeys};

pub(crate) struct Log {
    pub database: Database,
    pub sealer: Sealer,
    _folder: Option<tempfile::TempDir>,
}

/// Stands still: heads are told apart by their sizes.
pub(crate) struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        at(200_000)
    }
}

pub(crate) fn at(n: u64) -> Timestamp {
    Timestamp::from_millisecond(START_MS + i64::try_from(n).unwrap() * 10).unwrap()
}

pub(crate) fn key(n: u8) -> SigningKey {
    SigningKey::from_seed(&[n; 32]).unwrap()
}

#[expect(non_snake_case, reason = "it stands for a constant")]
pub(crate) fn RING() -> KeyRing {
    KeyRing::trusting([key(1).public().clone()])
}

pub(crate) fn keys() -> SigningKeys {
    let endorsements = vec![key(1).endorse(key(1).public(), START_MS)];
    SigningKeys { key: key(1), endorsements }
}

impl Log {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("log.db")).await.unwrap();
        Self::over(database, Some(folder))
    }

    /// One on each database that there is here.
    pub(crate) async fn on_each() -> Vec<Self> {
        let mut logs = vec![Self::sqlite().await];
        logs.extend(carerecord_testkit::postgres::fresh().await.map(|d| Self::over(d, None)));
        logs
    }

    fn over(database: Database, folder: Option<tempfile::TempDir>) -> Self {
        let keys = Arc::new(|| Ok(keys()));
        let sealer =
            Sealer::new(database.clone(), keys, Arc::new(Still), Arc::new(RandomIds), Vec::new());
        Self { database, sealer, _folder: folder }
    }

    /// Appends records, each told by its number.
    pub(crate) async fn append(&self, from: u64, to: u64) {
        let events: Vec<AuditEvent> = (from..=to).map(event).collect();
        append_events(&self.database, events).await.unwrap();
    }

    /// Signs a head over exactly so many records.
    pub(crate) async fn seal_at(&self, size: u64) {
        let signed = self.sealer.seal_to(size).await.unwrap().unwrap();
        assert_eq!(signed.head.tree_size, size);
    }

    pub(crate) async fn root(&self) -> TreeHash {
        let mut c = self.database.reader().await.unwrap();
        crate::store::last_head(&mut c).await.unwrap().unwrap().head.root
    }

    /// The lines of an export.
    pub(crate) async fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        crate::export(&self.database, at(300_000), &mut |line| {
            lines.push(String::from_utf8(line.to_vec()).unwrap());
            Ok(())
        })
        .await
        .unwrap();
        lines
    }

    /// The leaves.
    pub(crate) async fn entries(&self) -> Vec<String> {
        let lines = self.lines().await.into_iter();
        lines
            .filter_map(|line| {
                let (_, entry) = line.split_once(",\"entry\":")?;
                Some(entry.strip_suffix('}').unwrap().to_owned())
            })
            .collect()
    }

    /// The id of a record.
    pub(crate) fn id(n: u64) -> Uuid {
        let mut random = [0; 10];
        random[..8].copy_from_slice(&n.to_be_bytes());
        let millis = u64::try_from(at(n).as_millisecond()).unwrap();
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}

pub(crate) fn event(n: u64) -> AuditEvent {
    let mut event = AuditEvent::incoming(Log::id(n), at(n), "test", "soap");
    event.interaction = "ITI-18".to_owned();
    event.subject = (n.is_multiple_of(3)).then(|| "9990001006".parse().unwrap());
    event.actor = Some(AuditActor {
        id: format!("user {}", n % 50),
        name: Some("O'Neill \"Zoë\"".to_owned()),
        organisation: "ZEX01".to_owned(),
        role: None,
        role_profile: None,
        known_by: "test".to_owned(),
        client: None,
        user_name: None,
        assertion: None,
    });
    event
}

/// In January 2027.
pub(crate) const START_MS: i64 = 1_800_000_000_000;
