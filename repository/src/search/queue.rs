//! What the index has yet to do, as rows beside the documents: written with the change that they
//! follow, so that a process that is killed forgets nothing.

use carerecord_model::{NhsNumber, UniqueId};
use carerecord_storage::{Connection, Database, StoreError, Value, sql, with_keys};
use jiff::{SignedDuration, Timestamp};

use crate::elements::{Taken, rows};

/// A document that the index has to take, take again, or forget.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub unique_id: UniqueId,
    pub state: i64,
    pub due_at: i64,
    /// The number that the document was last found under, when it was.
    pub patient: Option<NhsNumber>,
}

impl Task {
    pub(crate) fn is_removal(&self) -> bool {
        self.state == REMOVED
    }
}

/// What became of a task.
pub(crate) enum Outcome {
    Removed,
    Searchable(Option<NhsNumber>),
    Unreadable(String),
    /// It could not be tried: again later.
    Later,
}

/// What is known of a document that the node holds.
pub(crate) struct Known {
    pub unique_id: UniqueId,
    pub state: i64,
    pub patient: Option<NhsNumber>,
}

/// How far a rebuild is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RebuildProgress {
    /// Documents to index when it began.
    pub total: u64,
    /// Those still to do.
    pub left: u64,
}

/// Notes that a document may be found from now on. Within the transaction that says so.
pub(crate) async fn registered(
    c: &mut Connection,
    id: &UniqueId,
    now: Timestamp,
) -> Result<(), StoreError> {
    sql(REGISTERED).bind(id.as_str()).bind(now.as_millisecond()).run(c).await.map(drop)
}

/// Notes that a document is gone. Within the transaction that removes it.
pub(crate) async fn removed(
    c: &mut Connection,
    id: &UniqueId,
    now: Timestamp,
) -> Result<(), StoreError> {
    // What was taken out of it goes at once; the index, which is in files, soon.
    rows::remove(&mut *c, id).await?;
    sql(REMOVE).bind(now.as_millisecond()).bind(id.as_str()).run(c).await.map(drop)
}

/// What is due: removals first, then new documents, then those of a rebuild.
pub(crate) async fn due(database: &Database, now: Timestamp) -> Result<Vec<Task>, StoreError> {
    let rows: Vec<(String, i64, i64, i64)> =
        sql(DUE).bind(now.as_millisecond()).bind(BATCH).all(database).await?;
    rows.into_iter()
        .map(|(id, state, due_at, patient)| {
            Ok(Task { unique_id: unique_id(id)?, state, due_at, patient: number(patient) })
        })
        .collect()
}

/// Notes what became of tasks, and what was taken out of the documents, unless they have changed
/// meanwhile.
pub(crate) async fn done(
    database: &Database,
    outcomes: Vec<(Task, Outcome, Option<Taken>)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    database
        .write(move |c| {
            Box::pin(async move {
                for (task, outcome, taken) in outcomes {
                    let (state, due_at, patient, reason) = match outcome {
                        Outcome::Removed => {
                            let gone = sql(FORGET).bind(task.unique_id.as_str());
                            let gone = gone.bind(task.state).bind(task.due_at);
                            if gone.run(&mut *c).await? > 0 {
                                rows::remove(&mut *c, &task.unique_id).await?;
                            }
                            continue;
                        }
                        Outcome::Searchable(patient) => (SEARCHABLE, task.due_at, patient, None),
                        Outcome::Unreadable(why) => {
                            (UNREADABLE, task.due_at, task.patient, Some(why))
                        }
                        Outcome::Later => {
                            let then = now + SignedDuration::from_secs(RETRY_SECONDS);
                            (task.state, then.as_millisecond(), task.patient, None)
                        }
                    };
                    let note = sql(DONE).bind(task.unique_id.as_str()).bind(task.state);
                    let note = note.bind(task.due_at).bind(state).bind(due_at);
                    let patient = patient.map_or(0, |number| number.as_i64());
                    let noted = note.bind(patient).bind(reason).run(&mut *c).await?;
                    if let Some(taken) = taken.filter(|_| noted > 0) {
                        rows::put(&mut *c, &task.unique_id, taken, now).await?;
                    }
                }
                Ok(())
            })
        })
        .await
}

/// Notes that a document is now under another number.
pub(crate) async fn moved(
    database: &Database,
    ids: Vec<UniqueId>,
    to: NhsNumber,
    now: Timestamp,
) -> Result<(), StoreError> {
    database
        .write(move |c| {
            Box::pin(async move {
                for id in &ids {
                    let note = sql(MOVED).bind(to.as_i64()).bind(now.as_millisecond());
                    note.bind(id.as_str()).run(&mut *c).await?;
                }
                Ok(())
            })
        })
        .await
}

/// What is known of those of these documents that the node still holds.
pub(crate) async fn known(database: &Database, ids: &[UniqueId]) -> Result<Vec<Known>, StoreError> {
    let mut known = Vec::with_capacity(ids.len());
    for part in ids.chunks(KEYS) {
        let keys = part.iter().map(|id| Value::from(id.as_str()));
        let rows: Vec<(String, i64, i64)> = with_keys(KNOWN, keys, "").all(database).await?;
        for (id, state, patient) in rows {
            known.push(Known { unique_id: unique_id(id)?, state, patient: number(patient) });
        }
    }
    Ok(known)
}

/// Asks for everything to be indexed again; what is searchable stays so meanwhile.
pub(crate) async fn rebuild(database: &Database, now: Timestamp) -> Result<(), StoreError> {
    database
        .write(move |c| {
            Box::pin(async move {
                let at = now.as_millisecond();
                sql(ADD_MISSING).bind(at).run(&mut *c).await?;
                sql(ALL_AGAIN).bind(at).run(&mut *c).await?;
                sql(START_REBUILD).bind(at).run(&mut *c).await?;
                Ok(())
            })
        })
        .await
}

/// The rebuild under way, when there is one; ends it when nothing of it is left.
pub(crate) async fn rebuilding(database: &Database) -> Result<Option<RebuildProgress>, StoreError> {
    let row: Option<(i64, i64)> = sql(REBUILDING).first(database).await?;
    Ok(row.map(|(total, left)| RebuildProgress {
        total: total.unsigned_abs(),
        left: left.unsigned_abs(),
    }))
}

/// Notes that a rebuild has ended.
pub(crate) async fn rebuilt(database: &Database, now: Timestamp) -> Result<(), StoreError> {
    database
        .write(move |c| {
            Box::pin(
                async move { sql(END_REBUILD).bind(now.as_millisecond()).run(c).await.map(drop) },
            )
        })
        .await
}

fn unique_id(id: String) -> Result<UniqueId, StoreError> {
    let wrong = |e: carerecord_model::IdentifierError| e.to_string();
    id.parse().map_err(|e| StoreError::Row("search_document", "unique_id", wrong(e)))
}

fn number(patient: i64) -> Option<NhsNumber> {
    NhsNumber::from_i64(patient).ok().filter(|_| patient > 0)
}

const REGISTERED: &str = "
    INSERT INTO search_document VALUES ($1, 0, 1, $2, NULL)
    ON CONFLICT (unique_id) DO UPDATE SET state = 1, due_at = excluded.due_at
    WHERE search_document.state = 0";

const REMOVE: &str = "UPDATE search_document SET state = 0, due_at = $1 WHERE unique_id = $2";

const DUE: &str = "
    SELECT unique_id, state, due_at, patient FROM search_document
    WHERE state < 3 AND due_at <= $1 ORDER BY state, due_at LIMIT $2";

const FORGET: &str =
    "DELETE FROM search_document WHERE unique_id = $1 AND state = $2 AND due_at = $3";

const DONE: &str = "
    UPDATE search_document SET state = $4, due_at = $5, patient = $6, reason = $7
    WHERE unique_id = $1 AND state = $2 AND due_at = $3";

const MOVED: &str = "
    UPDATE search_document SET patient = $1, state = 2, due_at = $2
    WHERE unique_id = $3 AND state = 3";

const KNOWN: &str = "
    SELECT s.unique_id, s.state, s.patient FROM search_document AS s
    JOIN stored_document AS d ON d.unique_id = s.unique_id
    WHERE d.registered = 1 AND s.unique_id IN";

const ADD_MISSING: &str = "
    INSERT INTO search_document SELECT unique_id, 0, 2, CAST($1 AS BIGINT), NULL FROM stored_document
    WHERE registered = 1 ON CONFLICT (unique_id) DO NOTHING";

const ALL_AGAIN: &str = "UPDATE search_document SET state = 2, due_at = $1 WHERE state > 1";

const START_REBUILD: &str = "
    INSERT INTO search_rebuild
    SELECT 1, count(*), CAST($1 AS BIGINT), NULL FROM search_document WHERE state = 2
    ON CONFLICT (rebuild_no) DO UPDATE SET
        total = excluded.total, requested_at = excluded.requested_at, finished_at = NULL";

const REBUILDING: &str = "
    SELECT total, (SELECT count(*) FROM search_document WHERE state = 2)
    FROM search_rebuild WHERE finished_at IS NULL";

const END_REBUILD: &str = "UPDATE search_rebuild SET finished_at = $1 WHERE finished_at IS NULL";

pub(crate) const REMOVED: i64 = 0;
pub(crate) const NEW: i64 = 1;
pub(crate) const SEARCHABLE: i64 = 3;
pub(crate) const UNREADABLE: i64 = 4;

/// Documents of one commit of the index.
const BATCH: i64 = 256;
/// Keys of one statement.
const KEYS: usize = 512;
const RETRY_SECONDS: i64 = 10;
