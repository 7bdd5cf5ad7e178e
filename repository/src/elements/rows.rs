//! The rows that elements are kept in.

use carerecord_clinical::ELEMENT_RULES;
use carerecord_model::{DataElement, NhsNumber, UniqueId};
use carerecord_storage::{Connection, Database, StoreError, Value, sql, with_keys};
use jiff::Timestamp;

/// What was taken out of a document.
pub(crate) struct Taken {
    /// The number that it was under.
    pub patient: Option<NhsNumber>,
    pub state: i64,
    /// Entries that were not taken.
    pub left_out: i64,
    /// The elements, as JSON.
    pub elements: Option<String>,
}

/// What is known of a document that the node holds.
pub(crate) struct Known {
    pub unique_id: UniqueId,
    /// `None`: it waits to be read.
    pub read: Option<Read>,
}

/// How a document was read.
pub(crate) struct Read {
    pub patient: Option<NhsNumber>,
    pub state: i64,
    pub left_out: i64,
}

/// The elements of a document.
pub(crate) struct Stored {
    pub unique_id: UniqueId,
    pub rules: String,
    pub extracted_at: i64,
    pub elements: Vec<DataElement>,
}

/// Keeps what was taken out of a document, in place of what was before.
pub(crate) async fn put(
    c: &mut Connection,
    id: &UniqueId,
    taken: Taken,
    now: Timestamp,
) -> Result<(), StoreError> {
    let patient = taken.patient.map_or(0, |number| number.as_i64());
    let row = sql(PUT).bind(id.as_str()).bind(patient).bind(ELEMENT_RULES);
    let row = row.bind(now.as_millisecond()).bind(taken.state).bind(taken.left_out);
    row.bind(taken.elements).run(c).await.map(drop)
}

/// Forgets a document. Within the transaction that removes it.
pub(crate) async fn remove(c: &mut Connection, id: &UniqueId) -> Result<(), StoreError> {
    sql(REMOVE).bind(id.as_str()).run(c).await.map(drop)
}

/// What is known of those of these documents that the node still holds.
pub(crate) async fn known(database: &Database, ids: &[UniqueId]) -> Result<Vec<Known>, StoreError> {
    let mut known = Vec::with_capacity(ids.len());
    for part in ids.chunks(KEYS) {
        let keys = part.iter().map(|id| Value::from(id.as_str()));
        // Nullable columns of two engines: a missing row has a state of its own instead.
        let rows: Vec<(String, i64, i64, i64)> = with_keys(KNOWN, keys, "").all(database).await?;
        for (id, state, patient, left_out) in rows {
            let patient = NhsNumber::from_i64(patient).ok().filter(|_| patient > 0);
            let read = (state >= 0).then_some(Read { patient, state, left_out });
            known.push(Known { unique_id: unique_id(id)?, read });
        }
    }
    Ok(known)
}

/// The elements of documents, of few at a time: each can be long.
pub(crate) async fn elements(
    database: &Database,
    ids: &[UniqueId],
) -> Result<Vec<Stored>, StoreError> {
    let keys = ids.iter().map(|id| Value::from(id.as_str()));
    let rows: Vec<(String, String, i64, String)> =
        with_keys(ELEMENTS, keys, "").all(database).await?;
    let stored = |(id, rules, extracted_at, elements): (String, String, i64, String)| {
        let wrong =
            |e: serde_json::Error| StoreError::Row("document_element", "elements", e.to_string());
        let elements = serde_json::from_str(&elements).map_err(wrong)?;
        Ok(Stored { unique_id: unique_id(id)?, rules, extracted_at, elements })
    };
    rows.into_iter().map(stored).collect()
}

/// Asks for what was taken out by other rules, or not at all, to be taken out again.
pub(crate) async fn renew(database: &Database, now: Timestamp) -> Result<u64, StoreError> {
    // Looked for by a reader first: the one writer is not kept waiting at every start.
    if sql(OUTDATED).bind(ELEMENT_RULES).number(database).await? == 0 {
        return Ok(0);
    }
    let at = now.as_millisecond();
    database
        .write(move |c| {
            Box::pin(async move { sql(RENEW).bind(at).bind(ELEMENT_RULES).run(c).await })
        })
        .await
}

fn unique_id(id: String) -> Result<UniqueId, StoreError> {
    let wrong = |e: carerecord_model::IdentifierError| e.to_string();
    id.parse().map_err(|e| StoreError::Row("document_element", "unique_id", wrong(e)))
}

const PUT: &str = "
    INSERT INTO document_element VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (unique_id) DO UPDATE SET
        patient = excluded.patient, rules = excluded.rules, extracted_at = excluded.extracted_at,
        state = excluded.state, left_out = excluded.left_out, elements = excluded.elements";

const REMOVE: &str = "DELETE FROM document_element WHERE unique_id = $1";

const KNOWN: &str = "
    SELECT d.unique_id, COALESCE(e.state, -1), COALESCE(e.patient, 0), COALESCE(e.left_out, 0)
    FROM stored_document AS d LEFT JOIN document_element AS e ON e.unique_id = d.unique_id
    WHERE d.registered = 1 AND d.unique_id IN";

const ELEMENTS: &str = "
    SELECT unique_id, rules, extracted_at, elements FROM document_element
    WHERE state = 0 AND elements IS NOT NULL AND unique_id IN";

const OUTDATED: &str = "
    SELECT count(*) FROM (
        SELECT 1 FROM search_document AS s WHERE s.state > 2 AND NOT EXISTS (
            SELECT 1 FROM document_element AS e
            WHERE e.unique_id = s.unique_id AND e.rules = $1) LIMIT 1) AS first_one";

const RENEW: &str = "
    UPDATE search_document SET state = 2, due_at = $1
    WHERE state > 2 AND NOT EXISTS (
        SELECT 1 FROM document_element AS e
        WHERE e.unique_id = search_document.unique_id AND e.rules = $2)";

pub(crate) const TAKEN: i64 = 0;
pub(crate) const UNCODED: i64 = 1;
pub(crate) const UNREADABLE: i64 = 2;
pub(crate) const MISMATCHED: i64 = 3;

/// Keys of one statement.
const KEYS: usize = 512;
