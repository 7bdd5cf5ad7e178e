use carerecord_sealing::WrappedKey;
use carerecord_storage::{Connection, StoreError, sql};
use jiff::Timestamp;

use super::Holding;
use crate::objects::StoredObject;

pub(super) async fn insert(
    c: &mut Connection,
    holding: &Holding,
    now: Timestamp,
    registered: i64,
) -> Result<(), StoreError> {
    let metadata = serde_json::to_vec(&holding.entry)
        .map_err(|e| StoreError::Row("stored_document", "metadata", e.to_string()))?;
    let (key_id, wrapped_key) = wrapped(&holding.object);
    sql(INSERT)
        .bind(holding.unique_id.as_str())
        .bind(&holding.object.key)
        .bind(holding.mime_type.as_str())
        .bind(holding.object.size as i64)
        .bind(&holding.object.sha1)
        .bind(&holding.object.sha256)
        .bind(now.as_millisecond())
        .bind(metadata)
        .bind(registered)
        .bind(key_id)
        .bind(wrapped_key)
        .run(c)
        .await?;
    Ok(())
}

/// The columns of an object's key.
pub(super) fn wrapped(object: &StoredObject) -> (Option<String>, Option<Vec<u8>>) {
    object.wrapped.clone().map(|key| (key.key_id, key.bytes)).unzip()
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    unique_id: String,
    object_key: String,
    mime_type: String,
    size_bytes: i64,
    sha1: String,
    sha256: String,
    registered: i64,
    metadata: Vec<u8>,
    quarantined_at: Option<i64>,
    wrapping_key_id: Option<String>,
    wrapped_key: Option<Vec<u8>>,
}

impl Row {
    pub(super) fn into_holding(self) -> Result<Holding, StoreError> {
        let wrong = |column: &'static str, e: &dyn std::fmt::Display| {
            StoreError::Row("stored_document", column, e.to_string())
        };
        let wrapped = match (self.wrapping_key_id, self.wrapped_key) {
            (Some(key_id), Some(bytes)) => Some(WrappedKey { key_id, bytes }),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err(wrong("wrapped_key", &"stands without its other half"));
            }
        };
        Ok(Holding {
            unique_id: self.unique_id.parse().map_err(|e| wrong("unique_id", &e))?,
            mime_type: self.mime_type.parse().map_err(|e| wrong("mime_type", &e))?,
            object: StoredObject {
                key: self.object_key,
                size: self.size_bytes.unsigned_abs(),
                sha1: self.sha1,
                sha256: self.sha256,
                wrapped,
            },
            registered: self.registered == 1,
            quarantined: self.quarantined_at.is_some(),
            entry: serde_json::from_slice(&self.metadata).map_err(|e| wrong("metadata", &e))?,
        })
    }
}

// The key of an object that is there already stays as it is: it may be in a newer wrapping.
// What is registered stays: a document's bytes never change. So does what is kept, until the
// registry has answered.
const INSERT: &str = "
    INSERT INTO stored_document (unique_id, object_key, mime_type, size_bytes, sha1, sha256,
        stored_at, metadata, registered, wrapping_key_id, wrapped_key)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (unique_id) DO UPDATE SET
        object_key = excluded.object_key, mime_type = excluded.mime_type,
        size_bytes = excluded.size_bytes, sha1 = excluded.sha1, sha256 = excluded.sha256,
        stored_at = excluded.stored_at, metadata = excluded.metadata,
        registered = excluded.registered, quarantined_at = NULL,
        wrapping_key_id = CASE WHEN stored_document.object_key = excluded.object_key
            THEN stored_document.wrapping_key_id ELSE excluded.wrapping_key_id END,
        wrapped_key = CASE WHEN stored_document.object_key = excluded.object_key
            THEN stored_document.wrapped_key ELSE excluded.wrapped_key END
    WHERE stored_document.registered <> 1
      AND (stored_document.registered <> 3 OR excluded.registered = 1)";
