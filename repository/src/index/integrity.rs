//! The table as to what is damaged: what is taken out of use, comes back, and is looked through.

use carerecord_audit::{AuditEvent, AuditLog};
use carerecord_storage::{StoreError, sql};
use jiff::Timestamp;

use super::row::{Row, wrapped};
use super::{Holding, Index};
use crate::objects::StoredObject;

impl Index {
    /// Records that a document is damaged, and takes its bytes out of use where they are.
    pub(crate) async fn note_fault(
        &self,
        holding: &Holding,
        quarantine: bool,
        now: Timestamp,
        audit: AuditEvent,
    ) -> Result<(), StoreError> {
        let (id, key) = (holding.unique_id.to_string(), holding.object.key.clone());
        self.database
            .write(move |c| {
                Box::pin(async move {
                    if quarantine {
                        let at = now.as_millisecond();
                        sql(QUARANTINE).bind(at).bind(id).bind(key).run(&mut *c).await?;
                    }
                    AuditLog::append_in(c, &[&audit]).await
                })
            })
            .await
    }

    /// How many documents the registry has taken.
    pub(crate) async fn count(&self) -> Result<u64, StoreError> {
        Ok(sql(COUNT).number(&self.database).await?.unsigned_abs())
    }

    /// Those documents in the order of their uniqueIds, behind one of them.
    pub(crate) async fn page(&self, after: &str, most: i64) -> Result<Vec<Holding>, StoreError> {
        let rows: Vec<Row> = sql(PAGE).bind(after).bind(most).all(&self.database).await?;
        rows.into_iter().map(Row::into_holding).collect()
    }

    /// Whether a document is still held with this object.
    pub(crate) async fn holds(&self, holding: &Holding) -> Result<bool, StoreError> {
        let (id, key) = (holding.unique_id.as_str(), &holding.object.key);
        Ok(sql(HOLDS).bind(id).bind(key).number(&self.database).await? > 0)
    }

    /// Puts a document back into use that had been taken out; `false`: it had not.
    pub(crate) async fn release(
        &self,
        holding: &Holding,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (id, key) = (holding.unique_id.clone(), holding.object.key.clone());
        self.database
            .write(move |c| {
                Box::pin(async move {
                    let released = sql(RELEASE).bind(id.as_str()).bind(key).run(&mut *c).await?;
                    if released > 0 {
                        crate::search::queue::registered(c, &id, now).await?;
                    }
                    Ok(released > 0)
                })
            })
            .await
    }

    /// Puts the same bytes, which have come again, in place of a damaged or missing object, and the
    /// document back into use.
    pub(crate) async fn replace_damaged(
        &self,
        damaged: &Holding,
        object: &StoredObject,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (id, old, new) =
            (damaged.unique_id.clone(), damaged.object.key.clone(), object.clone());
        self.database
            .write(move |c| {
                Box::pin(async move {
                    let (key_id, wrapped) = wrapped(&new);
                    let replace = sql(REPLACE).bind(&new.key).bind(key_id).bind(wrapped);
                    replace.bind(id.as_str()).bind(old).run(&mut *c).await?;
                    crate::search::queue::registered(c, &id, now).await
                })
            })
            .await
    }
}

const QUARANTINE: &str = "
    UPDATE stored_document SET quarantined_at = $1
    WHERE unique_id = $2 AND object_key = $3 AND quarantined_at IS NULL";

const COUNT: &str = "SELECT count(*) FROM stored_document WHERE registered = 1";

const PAGE: &str = "
    SELECT unique_id, object_key, mime_type, size_bytes, sha1, sha256, registered, metadata,
        quarantined_at, wrapping_key_id, wrapped_key
    FROM stored_document WHERE registered = 1 AND unique_id > $1 ORDER BY unique_id LIMIT $2";

const HOLDS: &str = "
    SELECT count(*) FROM stored_document
    WHERE unique_id = $1 AND object_key = $2 AND registered = 1";

const RELEASE: &str = "
    UPDATE stored_document SET quarantined_at = NULL
    WHERE unique_id = $1 AND object_key = $2 AND quarantined_at IS NOT NULL";

const REPLACE: &str = "
    UPDATE stored_document SET object_key = $1, wrapping_key_id = $2, wrapped_key = $3,
        quarantined_at = NULL
    WHERE unique_id = $4 AND object_key = $5 AND registered = 1";
