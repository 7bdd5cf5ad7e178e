//! What a node holds: from uniqueId to object, with the entry as it was registered.

use carerecord_audit::{AuditEvent, AuditLog};
use carerecord_model::{DocumentEntry, MimeType, Submission, UniqueId};
use carerecord_storage::{Connection, Database, StoreError, sql};
use jiff::Timestamp;

use crate::objects::StoredObject;
use crate::retention::{self, Disposal};
use crate::submissions::{self, Step};

/// A document that the node holds.
#[derive(Clone, Debug)]
pub(crate) struct Holding {
    pub unique_id: UniqueId,
    pub object: StoredObject,
    pub mime_type: MimeType,
    pub registered: bool,
    pub entry: DocumentEntry,
}

/// The node's table.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    database: Database,
}

impl Index {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) async fn find(&self, id: &UniqueId) -> Result<Option<Holding>, StoreError> {
        let row: Option<Row> = sql(FIND).bind(id.as_str()).first(&self.database).await?;
        row.map(Row::into_holding).transpose()
    }

    /// Notes a submission and its documents, whose bytes are stored, before the registry is asked.
    pub(crate) async fn add_pending(
        &self,
        submission: Submission,
        sent_by: String,
        holdings: Vec<Holding>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.database
            .write(move |c| {
                Box::pin(async move {
                    submissions::begin(c, &submission, &sent_by, now).await?;
                    insert_all(c, &holdings, now, PENDING_ROW).await
                })
            })
            .await
    }

    /// Notes a submission that was refused before anything of it was kept.
    pub(crate) async fn refuse(
        &self,
        submission: Submission,
        sent_by: String,
        step: Step,
    ) -> Result<(), StoreError> {
        self.database
            .write(move |c| {
                Box::pin(async move {
                    submissions::begin(c, &submission, &sent_by, step.at).await?;
                    submissions::refuse(c, &step).await
                })
            })
            .await
    }

    /// Keeps a submission and its documents until the registry answers. `false`: its id is taken,
    /// and nothing was kept.
    pub(crate) async fn keep(
        &self,
        submission: Submission,
        holdings: Vec<Holding>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.database
            .write(move |c| {
                Box::pin(async move {
                    let kept = submissions::keep(c, &submission, now).await?;
                    if kept {
                        insert_all(c, &holdings, now, KEPT_ROW).await?;
                    }
                    Ok(kept)
                })
            })
            .await
    }

    /// Notes that the registry has taken these documents with these bytes, whatever has become of
    /// the notes about them meanwhile.
    pub(crate) async fn set_registered(
        &self,
        holdings: Vec<Holding>,
        now: Timestamp,
        step: Option<Step>,
    ) -> Result<(), StoreError> {
        self.database
            .write(move |c| {
                Box::pin(async move {
                    if let Some(step) = &step {
                        submissions::step(c, step).await?;
                    }
                    insert_all(c, &holdings, now, REGISTERED_ROW).await
                })
            })
            .await
    }

    /// Forgets documents that the registry has refused, unless a later submission has taken the
    /// note over.
    pub(crate) async fn forget_pending(
        &self,
        holdings: Vec<Holding>,
        step: Option<Step>,
    ) -> Result<(), StoreError> {
        self.database
            .write(move |c| {
                Box::pin(async move {
                    if let Some(step) = &step {
                        submissions::step(c, step).await?;
                    }
                    for holding in &holdings {
                        let (id, key) = (holding.unique_id.as_str(), &holding.object.key);
                        sql(FORGET).bind(id).bind(key).run(&mut *c).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// The documents of a submission that is kept.
    pub(crate) async fn kept(&self, submission: &Submission) -> Result<Vec<Holding>, StoreError> {
        let mut holdings = Vec::new();
        for entry in &submission.document_entries {
            let row: Option<Row> =
                sql(FIND_KEPT).bind(entry.unique_id.as_str()).first(&self.database).await?;
            let holding = row.map(Row::into_holding).transpose()?;
            holdings.extend(holding.map(|h| Holding { entry: entry.clone(), ..h }));
        }
        Ok(holdings)
    }

    /// Documents noted before `before` of which nobody knows whether they were registered.
    pub(crate) async fn pending(&self, before: Timestamp) -> Result<Vec<Holding>, StoreError> {
        let rows: Vec<Row> = sql(PENDING).bind(before.as_millisecond()).all(&self.database).await?;
        rows.into_iter().map(Row::into_holding).collect()
    }

    /// Marks documents as removed: nobody gets them any more.
    pub(crate) async fn remove(
        &self,
        disposals: Vec<Disposal>,
        now: Timestamp,
        audit: AuditEvent,
    ) -> Result<(), StoreError> {
        self.database
            .write(move |c| {
                Box::pin(async move {
                    for disposal in &disposals {
                        retention::remove_in(c, disposal, now).await?;
                    }
                    AuditLog::append_in(c, &[&audit]).await
                })
            })
            .await
    }

    /// Whether an object is named by a document, also by one that was removed and not destroyed.
    pub(crate) async fn has_object(&self, key: &str) -> Result<bool, StoreError> {
        Ok(sql(NAMES_OBJECT).bind(key).number(&self.database).await? > 0)
    }
}

async fn insert_all(
    c: &mut Connection,
    holdings: &[Holding],
    now: Timestamp,
    registered: i64,
) -> Result<(), StoreError> {
    for holding in holdings {
        insert(c, holding, now, registered).await?;
        if registered == REGISTERED_ROW {
            crate::search::queue::registered(c, &holding.unique_id, now).await?;
        }
    }
    Ok(())
}

async fn insert(
    c: &mut Connection,
    holding: &Holding,
    now: Timestamp,
    registered: i64,
) -> Result<(), StoreError> {
    let metadata = serde_json::to_vec(&holding.entry)
        .map_err(|e| StoreError::Row("stored_document", "metadata", e.to_string()))?;
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
        .run(c)
        .await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    unique_id: String,
    object_key: String,
    mime_type: String,
    size_bytes: i64,
    sha1: String,
    sha256: String,
    registered: i64,
    metadata: Vec<u8>,
}

impl Row {
    fn into_holding(self) -> Result<Holding, StoreError> {
        let wrong = |column: &'static str, e: &dyn std::fmt::Display| {
            StoreError::Row("stored_document", column, e.to_string())
        };
        Ok(Holding {
            unique_id: self.unique_id.parse().map_err(|e| wrong("unique_id", &e))?,
            mime_type: self.mime_type.parse().map_err(|e| wrong("mime_type", &e))?,
            object: StoredObject {
                key: self.object_key,
                size: self.size_bytes.unsigned_abs(),
                sha1: self.sha1,
                sha256: self.sha256,
            },
            registered: self.registered != 0,
            entry: serde_json::from_slice(&self.metadata).map_err(|e| wrong("metadata", &e))?,
        })
    }
}

const FIND: &str = "
    SELECT unique_id, object_key, mime_type, size_bytes, sha1, sha256, registered, metadata
    FROM stored_document WHERE unique_id = $1 AND registered < 2";

const FIND_KEPT: &str = "
    SELECT unique_id, object_key, mime_type, size_bytes, sha1, sha256, registered, metadata
    FROM stored_document WHERE unique_id = $1 AND registered = 3";

const PENDING: &str = "
    SELECT unique_id, object_key, mime_type, size_bytes, sha1, sha256, registered, metadata
    FROM stored_document WHERE registered = 0 AND stored_at < $1";

// What is registered stays: a document's bytes never change. So does what is kept, until the
// registry has answered.
const INSERT: &str = "
    INSERT INTO stored_document VALUES ($1, $2, $3, $4, $5, $6, $9, $7, $8)
    ON CONFLICT (unique_id) DO UPDATE SET
        object_key = excluded.object_key, mime_type = excluded.mime_type,
        size_bytes = excluded.size_bytes, sha1 = excluded.sha1, sha256 = excluded.sha256,
        stored_at = excluded.stored_at, metadata = excluded.metadata,
        registered = excluded.registered
    WHERE stored_document.registered <> 1
      AND (stored_document.registered <> 3 OR excluded.registered = 1)";

const NAMES_OBJECT: &str = "SELECT count(*) FROM stored_document WHERE object_key = $1";

const FORGET: &str =
    "DELETE FROM stored_document WHERE unique_id = $1 AND object_key = $2 AND registered IN (0, 3)";

const PENDING_ROW: i64 = 0;
const REGISTERED_ROW: i64 = 1;
/// 2 is what was removed, 4 what was destroyed.
const KEPT_ROW: i64 = 3;
