//! What was removed from a node and why: the certificate once the bytes are destroyed.

use carerecord_audit::{AuditEvent, AuditLog};
use carerecord_model::{DocumentEntry, UniqueId};
use carerecord_storage::{Connection, Database, StoreError, sql};
use jiff::Timestamp;
use serde::Serialize;

/// A document to be taken away from everybody.
#[derive(Clone, Debug)]
pub(crate) struct Disposal {
    pub unique_id: UniqueId,
    pub type_code: String,
    /// Of the retention rules, or the transaction.
    pub rule: String,
    pub reason: String,
    pub approved_by: String,
    /// Whether the node has the registry take its entry out.
    pub registry_owed: bool,
}

/// A document that was removed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// The document.
    pub unique_id: String,
    /// The code of its type.
    pub type_code: String,
    /// The type of its bytes.
    pub mime_type: String,
    /// How many bytes.
    pub size: u64,
    /// SHA-256 of the bytes, lower case hex.
    pub sha256: String,
    /// The retention rule; `ITI-86` where that transaction removed it.
    pub rule: String,
    /// Why.
    pub reason: String,
    /// Who approved it.
    pub approved_by: String,
    /// Since when nobody is given it.
    pub removed_at: Timestamp,
    /// When its bytes were destroyed; `None` while they wait.
    pub destroyed_at: Option<Timestamp>,
    /// Whether the registry still has its entry and is to be told.
    pub registry_owed: bool,
}

/// A document whose bytes wait for their end.
pub(crate) struct Waiting {
    pub unique_id: String,
    pub removed_at: i64,
    pub object_key: String,
    pub entry: DocumentEntry,
}

/// Takes a document away from everybody, in a transaction. `false`: it was not here any more.
pub(crate) async fn remove_in(
    c: &mut Connection,
    disposal: &Disposal,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (id, at) = (disposal.unique_id.as_str(), now.as_millisecond());
    if sql(REMOVE).bind(at).bind(id).run(&mut *c).await? == 0 {
        return Ok(false);
    }
    sql(NOTE)
        .bind(id)
        .bind(at)
        .bind(&disposal.rule)
        .bind(&disposal.reason)
        .bind(&disposal.approved_by)
        .bind(&disposal.type_code)
        .bind(disposal.registry_owed)
        .run(&mut *c)
        .await?;
    crate::search::queue::removed(c, &disposal.unique_id, now).await?;
    Ok(true)
}

/// Everything that was removed, the oldest first, after a place.
pub(crate) async fn certificates(
    database: &Database,
    after: (i64, &str),
) -> Result<Vec<Certificate>, StoreError> {
    type Row = (String, String, String, i64, String, String, String, String, i64, Option<i64>, i64);
    let rows: Vec<Row> = sql(LIST).bind(after.0).bind(after.1).all(database).await?;
    let time = |ms| {
        Timestamp::from_millisecond(ms)
            .map_err(|e| StoreError::Row("disposal", "removed_at", e.to_string()))
    };
    rows.into_iter()
        .map(|(unique_id, type_code, mime_type, size, sha256, rule, reason, by, at, end, owed)| {
            Ok(Certificate {
                unique_id,
                type_code,
                mime_type,
                size: size.unsigned_abs(),
                sha256,
                rule,
                reason,
                approved_by: by,
                removed_at: time(at)?,
                destroyed_at: end.map(time).transpose()?,
                registry_owed: owed != 0,
            })
        })
        .collect()
}

/// Documents whose entries the registry still has, after a place.
pub(crate) async fn owed(database: &Database, after: &str) -> Result<Vec<String>, StoreError> {
    let rows: Vec<(String,)> = sql(OWED).bind(after).all(database).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Notes that the registry has taken a document's entries out.
pub(crate) async fn settle(database: &Database, unique_id: String) -> Result<(), StoreError> {
    let settle = sql(SETTLE).bind(unique_id);
    database.write(move |c| Box::pin(async move { settle.run(c).await.map(drop) })).await
}

/// Documents that were removed before `before`, after a place.
pub(crate) async fn waiting(
    database: &Database,
    before: Timestamp,
    after: (i64, &str),
) -> Result<Vec<Waiting>, StoreError> {
    let rows: Vec<(String, i64, String, Vec<u8>)> = sql(WAITING)
        .bind(before.as_millisecond())
        .bind(after.0)
        .bind(after.1)
        .all(database)
        .await?;
    rows.into_iter()
        .map(|(unique_id, removed_at, object_key, metadata)| {
            let wrong = |e: serde_json::Error| {
                StoreError::Row("stored_document", "metadata", e.to_string())
            };
            let entry = serde_json::from_slice(&metadata).map_err(wrong)?;
            Ok(Waiting { unique_id, removed_at, object_key, entry })
        })
        .collect()
}

pub(crate) async fn count_waiting(
    database: &Database,
    before: Timestamp,
) -> Result<u64, StoreError> {
    let n = sql(COUNT_WAITING).bind(before.as_millisecond()).number(database).await?;
    Ok(n.unsigned_abs())
}

/// Whether another document has the same bytes as its own.
pub(crate) async fn shared(
    database: &Database,
    key: &str,
    unique_id: &str,
) -> Result<bool, StoreError> {
    Ok(sql(SHARED).bind(key).bind(unique_id).number(database).await? > 0)
}

/// Notes that a document's bytes are gone, with the audit record. What the entry said of the person
/// in words goes too.
pub(crate) async fn destroyed(
    database: &Database,
    waiting: Waiting,
    now: Timestamp,
    audit: AuditEvent,
) -> Result<(), StoreError> {
    let entry = DocumentEntry {
        title: Vec::new(),
        comments: Vec::new(),
        authors: Vec::new(),
        legal_authenticator: None,
        source_patient_id: None,
        source_patient_info: Vec::new(),
        reference_ids: Vec::new(),
        uri: None,
        extra: carerecord_model::ExtraMetadata::default(),
        ..waiting.entry
    };
    let entry = serde_json::to_vec(&entry)
        .map_err(|e| StoreError::Row("stored_document", "metadata", e.to_string()))?;
    let gone = sql(GONE).bind(&waiting.unique_id).bind(waiting.object_key).bind(entry);
    let certify =
        sql(CERTIFY).bind(waiting.unique_id).bind(waiting.removed_at).bind(now.as_millisecond());
    database
        .write(move |c| {
            Box::pin(async move {
                gone.run(&mut *c).await?;
                certify.run(&mut *c).await?;
                AuditLog::append_in(c, &[&audit]).await
            })
        })
        .await
}

const REMOVE: &str = "
    UPDATE stored_document SET registered = 2, stored_at = $1
    WHERE unique_id = $2 AND registered = 1";

const NOTE: &str = "
    INSERT INTO disposal
    SELECT unique_id, $2, $3, $4, $5, $6, mime_type, size_bytes, sha256, $7, NULL
    FROM stored_document WHERE unique_id = $1";

const LIST: &str = "
    SELECT unique_id, type_code, mime_type, size_bytes, sha256, rule, reason, approved_by,
           removed_at, destroyed_at, registry_owed
    FROM disposal WHERE (removed_at, unique_id) > ($1, $2)
    ORDER BY removed_at, unique_id LIMIT 500";

const OWED: &str = "
    SELECT DISTINCT unique_id FROM disposal WHERE registry_owed = 1 AND unique_id > $1
    ORDER BY unique_id LIMIT 200";

const SETTLE: &str =
    "UPDATE disposal SET registry_owed = 0 WHERE unique_id = $1 AND registry_owed = 1";

const WAITING: &str = "
    SELECT d.unique_id, d.removed_at, s.object_key, s.metadata
    FROM disposal d JOIN stored_document s ON s.unique_id = d.unique_id
    WHERE d.destroyed_at IS NULL AND d.removed_at <= $1 AND s.registered = 2
      AND (d.removed_at, d.unique_id) > ($2, $3)
    ORDER BY d.removed_at, d.unique_id LIMIT 200";

const COUNT_WAITING: &str = "
    SELECT count(*) FROM disposal d JOIN stored_document s ON s.unique_id = d.unique_id
    WHERE d.destroyed_at IS NULL AND d.removed_at <= $1 AND s.registered = 2";

const SHARED: &str = "
    SELECT count(*) FROM stored_document WHERE object_key = $1 AND unique_id <> $2";

// A document that came again meanwhile has bytes of its own, and stays.
const GONE: &str = "
    UPDATE stored_document SET registered = 4, object_key = '', metadata = $3,
        wrapping_key_id = NULL, wrapped_key = NULL
    WHERE unique_id = $1 AND object_key = $2 AND registered = 2";

const CERTIFY: &str = "
    UPDATE disposal SET destroyed_at = $3
    WHERE unique_id = $1 AND removed_at = $2 AND destroyed_at IS NULL";
