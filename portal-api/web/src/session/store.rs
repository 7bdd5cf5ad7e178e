use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::digest::{Context, SHA256};
use carerecord_model::Clock;
use jiff::Timestamp;
use serde_json::Value;
use tower_sessions::SessionStore;
use tower_sessions::cookie::time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{Error, Result};

use super::{SessionRow, SessionRows, Turns, open, seal};

/// Keeps sessions in rows that are of no use without the browser's cookie.
///
/// A request may write what it read long before, when its answer is made at last. Such a write
/// neither undoes what was written meanwhile nor brings back a session that has ended.
#[derive(Clone)]
pub(crate) struct RowStore {
    rows: Arc<dyn SessionRows>,
    clock: Arc<dyn Clock>,
    /// So that nothing comes between looking at a row and writing it.
    turns: Arc<Turns>,
}

impl RowStore {
    pub(crate) fn new(rows: Arc<dyn SessionRows>, clock: Arc<dyn Clock>) -> Self {
        Self { rows, clock, turns: Arc::default() }
    }

    async fn write(&self, record: &Record) -> Result<()> {
        let text = serde_json::to_vec(&record.data).map_err(|e| Error::Encode(e.to_string()))?;
        let sealed = seal(&derive(KEY, &record.id), text);
        let data = sealed.ok_or_else(|| Error::Encode("it cannot be encrypted".to_owned()))?;
        if data.len() > MAX_BYTES {
            return Err(Error::Encode("the session is too large".to_owned()));
        }
        let expires_at = Timestamp::from_second(record.expiry_date.unix_timestamp())
            .map_err(|e| Error::Encode(e.to_string()))?;
        let row = SessionRow { id_hash: derive(ROW, &record.id), expires_at, data };
        self.rows.save(row).await.map_err(|e| backend(&e))
    }

    /// Expired rows go when somebody signs in, so there are never many.
    async fn sweep(&self) -> Result<()> {
        self.rows.delete_expired(self.clock.now()).await.map(drop).map_err(|e| backend(&e))
    }
}

#[async_trait]
impl SessionStore for RowStore {
    async fn create(&self, record: &mut Record) -> Result<()> {
        self.sweep().await?;
        // Ids have 128 random bits: that two are equal cannot happen.
        self.write(record).await
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let _turn = self.turns.of(record.id).await;
        let held = self.load(&record.id).await?;
        if held.is_none_or(|held| version(&held) > version(record)) {
            tracing::debug!("a session has ended or changed meanwhile and is left as it is");
            return Ok(());
        }
        self.write(record).await
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let row = self.rows.load(&derive(ROW, id)).await.map_err(|e| backend(&e))?;
        let Some(row) = row.filter(|row| row.expires_at > self.clock.now()) else {
            return Ok(None);
        };
        let text = open(&derive(KEY, id), row.data);
        let text = text.ok_or_else(|| Error::Decode("it cannot be decrypted".to_owned()))?;
        let data: HashMap<_, _> =
            serde_json::from_slice(&text).map_err(|e| Error::Decode(e.to_string()))?;
        let expiry_date = OffsetDateTime::from_unix_timestamp(row.expires_at.as_second())
            .map_err(|e| Error::Decode(e.to_string()))?;
        Ok(Some(Record { id: *id, data, expiry_date }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        let _turn = self.turns.of(*id).await;
        self.rows.delete(&derive(ROW, id)).await.map_err(|e| backend(&e))
    }
}

impl fmt::Debug for RowStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStore").field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// How often the content was changed.
fn version(record: &Record) -> u64 {
    record.data.get(VERSION).and_then(Value::as_u64).unwrap_or_default()
}

/// The id has 128 random bits, so a plain hash under a label is enough to derive from it.
fn derive(label: &str, id: &Id) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    hash.update(label.as_bytes());
    hash.update(&id.0.to_le_bytes());
    let mut out = [0; 32];
    out.copy_from_slice(hash.finish().as_ref());
    out
}

fn backend(error: &super::SessionRowsError) -> Error {
    Error::Backend(error.to_string())
}

/// The key of the number that grows with every change of a session.
pub(super) const VERSION: &str = "version";
const ROW: &str = "carerecord web session row\0";
const KEY: &str = "carerecord web session key\0";
const MAX_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_opens_with_its_id_only() {
        let (id, other) = (Id(7), Id(8));
        let sealed = seal(&derive(KEY, &id), b"token".to_vec()).unwrap();

        assert_eq!(open(&derive(KEY, &id), sealed.clone()).unwrap(), b"token");
        assert!(open(&derive(KEY, &other), sealed).is_none());
        assert_ne!(derive(ROW, &id), derive(KEY, &id));
    }
}
