use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{LookRow, LookRows, LookRowsError, SessionRow, SessionRows, SessionRowsError};

/// Sessions in memory.
#[derive(Debug, Default)]
pub(super) struct MemoryRows(pub(super) Mutex<HashMap<[u8; 32], SessionRow>>);

#[async_trait]
impl SessionRows for MemoryRows {
    async fn save(&self, row: SessionRow) -> Result<(), SessionRowsError> {
        self.0.lock().unwrap().insert(row.id_hash, row);
        Ok(())
    }

    async fn insert(&self, row: SessionRow) -> Result<bool, SessionRowsError> {
        let mut rows = self.0.lock().unwrap();
        let fresh = !rows.contains_key(&row.id_hash);
        rows.entry(row.id_hash).or_insert(row);
        Ok(fresh)
    }

    async fn take(&self, id_hash: &[u8; 32]) -> Result<Option<SessionRow>, SessionRowsError> {
        Ok(self.0.lock().unwrap().remove(id_hash))
    }

    async fn load(&self, id_hash: &[u8; 32]) -> Result<Option<SessionRow>, SessionRowsError> {
        Ok(self.0.lock().unwrap().get(id_hash).cloned())
    }

    async fn delete(&self, id_hash: &[u8; 32]) -> Result<(), SessionRowsError> {
        self.0.lock().unwrap().remove(id_hash);
        Ok(())
    }

    async fn delete_expired(&self, before: Timestamp) -> Result<u64, SessionRowsError> {
        let mut rows = self.0.lock().unwrap();
        let all = rows.len();
        rows.retain(|_, row| row.expires_at >= before);
        Ok((all - rows.len()) as u64)
    }
}

/// Looks in memory.
#[derive(Debug, Default)]
pub(super) struct MemoryLooks(pub(super) Mutex<HashMap<[u8; 32], LookRow>>);

#[async_trait]
impl LookRows for MemoryLooks {
    async fn save(&self, row: LookRow, now: Timestamp) -> Result<(), LookRowsError> {
        let mut rows = self.0.lock().unwrap();
        rows.retain(|_, row| row.expires_at > now);
        rows.insert(row.id_hash, row);
        Ok(())
    }

    async fn load(
        &self,
        id_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, LookRowsError> {
        let rows = self.0.lock().unwrap();
        Ok(rows.get(id_hash).filter(|row| row.expires_at > now).map(|row| row.data.clone()))
    }
}
