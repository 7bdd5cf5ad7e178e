use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{SessionRow, SessionRows, SessionRowsError};

/// Sessions in memory.
#[derive(Debug, Default)]
pub(super) struct MemoryRows(pub(super) Mutex<HashMap<[u8; 32], SessionRow>>);

#[async_trait]
impl SessionRows for MemoryRows {
    async fn save(&self, row: SessionRow) -> Result<(), SessionRowsError> {
        self.0.lock().unwrap().insert(row.id_hash, row);
        Ok(())
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
