//! What became of each submission: for those who sent it, and for what is registered later.

use carerecord_model::{ErrorCode, RegistryErrors, Severity, Submission, UniqueId};
use carerecord_storage::{Connection, Database, StoreError, sql};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How far a submission has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// Its documents are stored; the registry is being asked, or nobody knows what it said.
    Stored = 1,
    /// It is kept until the registry answers.
    Kept = 2,
    /// It is registered.
    Registered = 3,
    /// It was refused. Nothing of it is kept, unless for another try.
    Refused = 4,
}

/// A submission as its sender may look at it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Provided {
    /// The SubmissionSet's uniqueId.
    pub unique_id: String,
    pub state: State,
    pub received_at: Timestamp,
    pub changed_at: Timestamp,
    /// Errors and warnings as the answer had them.
    pub errors: Vec<Told>,
}

/// An error of an answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Told {
    pub code: String,
    pub text: String,
    pub severity: String,
}

/// A change of state, to be written with what brings it about.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub unique_id: UniqueId,
    pub state: State,
    pub errors: RegistryErrors,
    pub at: Timestamp,
}

/// Notes a submission whose documents are stored. One that was refused may be sent again.
pub(crate) async fn begin(
    c: &mut Connection,
    s: &Submission,
    sent_by: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    sql(BEGIN)
        .bind(s.submission_set.unique_id.as_str())
        .bind(sent_by)
        .bind(s.submission_set.source_id.as_str())
        .bind(at.as_millisecond())
        .bind(State::Stored as i64)
        .run(c)
        .await
        .map(drop)
}

/// Notes what became of it.
pub(crate) async fn step(c: &mut Connection, step: &Step) -> Result<(), StoreError> {
    take(c, STEP, step).await
}

/// Notes that it was refused, unless one with its id is registered or kept.
pub(crate) async fn refuse(c: &mut Connection, step: &Step) -> Result<(), StoreError> {
    take(c, REFUSE, step).await
}

async fn take(c: &mut Connection, how: &'static str, step: &Step) -> Result<(), StoreError> {
    sql(how)
        .bind(step.unique_id.as_str())
        .bind(step.state as i64)
        .bind(json(&told(&step.errors))?)
        .bind(step.at.as_millisecond())
        .run(c)
        .await
        .map(drop)
}

/// Keeps a submission behind those that are kept already. `false`: one with its id is registered or
/// kept, and nothing was changed.
pub(crate) async fn keep(
    c: &mut Connection,
    s: &Submission,
    at: Timestamp,
) -> Result<bool, StoreError> {
    let submission = serde_json::to_vec(s).map_err(|e| wrong("submission", &e.to_string()))?;
    sql(KEEP)
        .bind(s.submission_set.unique_id.as_str())
        .bind(State::Kept as i64)
        .bind(submission)
        .bind(at.as_millisecond())
        .run(c)
        .await
        .map(|rows| rows == 1)
}

/// The submission that has been kept longest, with who sent it.
pub(crate) async fn first_kept(database: &Database) -> Result<Option<Submission>, StoreError> {
    let row: Option<(Vec<u8>,)> = sql(FIRST).first(database).await?;
    row.map(read).transpose()
}

/// What is kept under this id.
pub(crate) async fn kept(
    database: &Database,
    id: &UniqueId,
) -> Result<Option<Submission>, StoreError> {
    let row: Option<(Vec<u8>,)> = sql(KEPT).bind(id.as_str()).first(database).await?;
    row.map(read).transpose()
}

/// Keeps a submission that was refused, so that the request that brought it can be tried again. `false`:
/// its id is that of another one, which is registered or kept, and nothing was changed.
pub(crate) async fn keep_refused(
    c: &mut Connection,
    s: &Submission,
    at: Timestamp,
    request: &str,
) -> Result<bool, StoreError> {
    let submission = serde_json::to_vec(s).map_err(|e| wrong("submission", &e.to_string()))?;
    sql(KEEP_REFUSED)
        .bind(s.submission_set.unique_id.as_str())
        .bind(submission)
        .bind(at.as_millisecond())
        .bind(request)
        .run(c)
        .await
        .map(|rows| rows == 1)
}

/// Notes why one that is kept was refused again. It is not kept for longer.
pub(crate) async fn refused_again(c: &mut Connection, step: &Step) -> Result<(), StoreError> {
    sql(REFUSED_AGAIN)
        .bind(step.unique_id.as_str())
        .bind(json(&told(&step.errors))?)
        .run(c)
        .await
        .map(drop)
}

/// How many submissions are kept that were refused, and how many bytes of documents.
pub(crate) async fn refused_kept(database: &Database) -> Result<(i64, u64), StoreError> {
    let count = sql(COUNT_REFUSED).number(database).await?;
    let bytes = sql(REFUSED_BYTES).number(database).await?;
    Ok((count, bytes.unsigned_abs()))
}

/// The requests that brought what is kept of what was refused, and when it was; the newest first.
pub(crate) async fn refused(
    database: &Database,
    most: i64,
) -> Result<Vec<(String, Timestamp)>, StoreError> {
    let rows: Vec<(String, i64)> = sql(REFUSED).bind(most).all(database).await?;
    let row = |(request, at): (String, i64)| {
        let at = Timestamp::from_millisecond(at);
        Ok((request, at.map_err(|e| wrong("changed_at", &e.to_string()))?))
    };
    rows.into_iter().map(row).collect()
}

/// What is kept of what a request brought.
pub(crate) async fn refused_by(
    database: &Database,
    request: &str,
) -> Result<Option<Submission>, StoreError> {
    let row: Option<(Vec<u8>,)> = sql(REFUSED_BY).bind(request).first(database).await?;
    row.map(read).transpose()
}

/// Lets go of what was refused before.
pub(crate) async fn let_go_of_refused(
    c: &mut Connection,
    before: Timestamp,
) -> Result<(), StoreError> {
    sql(LET_GO).bind(before.as_millisecond()).run(c).await.map(drop)
}

/// How many submissions are kept.
pub(crate) async fn count_kept(database: &Database) -> Result<i64, StoreError> {
    sql("SELECT count(*) FROM provided_submission WHERE queue_no IS NOT NULL")
        .number(database)
        .await
}

/// What became of a submission that this system sent; `None` of any other's.
pub(crate) async fn find(
    database: &Database,
    id: &str,
    sent_by: &str,
) -> Result<Option<Provided>, StoreError> {
    let row: Option<(i64, i64, i64, String)> =
        sql(FIND).bind(id).bind(sent_by).first(database).await?;
    let Some((received, changed, state, errors)) = row else { return Ok(None) };
    let time =
        |column, n| Timestamp::from_millisecond(n).map_err(|e| wrong(column, &e.to_string()));
    let state = [State::Stored, State::Kept, State::Registered, State::Refused]
        .into_iter()
        .find(|s| *s as i64 == state)
        .ok_or_else(|| wrong("state", "is no state"))?;
    Ok(Some(Provided {
        unique_id: id.to_owned(),
        state,
        received_at: time("received_at", received)?,
        changed_at: time("changed_at", changed)?,
        errors: serde_json::from_str(&errors).map_err(|e| wrong("errors", &e.to_string()))?,
    }))
}

fn read((bytes,): (Vec<u8>,)) -> Result<Submission, StoreError> {
    serde_json::from_slice(&bytes).map_err(|e| wrong("submission", &e.to_string()))
}

/// Errors as they are told. Their texts were in the answer to the same sender.
fn told(errors: &RegistryErrors) -> Vec<Told> {
    let one = |code: &ErrorCode, text: &str, severity: Severity| Told {
        code: code.as_str().to_owned(),
        text: text.to_owned(),
        severity: match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
        .to_owned(),
    };
    errors.iter().map(|e| one(&e.code, &e.context, e.severity)).collect()
}

fn json(errors: &[Told]) -> Result<String, StoreError> {
    serde_json::to_string(errors).map_err(|e| wrong("errors", &e.to_string()))
}

fn wrong(column: &'static str, what: &str) -> StoreError {
    StoreError::Row("provided_submission", column, what.to_owned())
}

// What is registered or kept stays so; its repeat is answered from there.
const BEGIN: &str = "
    INSERT INTO provided_submission
        (unique_id, sent_by, source_id, received_at, changed_at, state, errors)
    VALUES ($1, $2, $3, $4, $4, $5, '[]')
    ON CONFLICT (unique_id) DO UPDATE SET
        sent_by = excluded.sent_by, source_id = excluded.source_id,
        received_at = excluded.received_at, changed_at = excluded.changed_at,
        state = excluded.state, errors = excluded.errors, submission = NULL, request_id = NULL
    WHERE provided_submission.state IN (1, 4)";

const STEP: &str = "
    UPDATE provided_submission
    SET state = $2, errors = $3, changed_at = $4, queue_no = NULL, submission = NULL,
        request_id = NULL
    WHERE unique_id = $1 AND (state <> 3 OR $2 = 3)";

const REFUSE: &str = "
    UPDATE provided_submission SET state = $2, errors = $3, changed_at = $4
    WHERE unique_id = $1 AND state IN (1, 4)";

const KEEP: &str = "
    UPDATE provided_submission SET state = $2, submission = $3, changed_at = $4,
        queue_no = (SELECT coalesce(max(queue_no), 0) + 1 FROM provided_submission)
    WHERE unique_id = $1 AND state <> 3 AND queue_no IS NULL";

const KEEP_REFUSED: &str = "
    UPDATE provided_submission SET submission = $2, changed_at = $3, request_id = $4
    WHERE unique_id = $1 AND state = 4 AND queue_no IS NULL";

const REFUSED_AGAIN: &str = "
    UPDATE provided_submission SET errors = $2
    WHERE unique_id = $1 AND state = 4 AND request_id IS NOT NULL";

const COUNT_REFUSED: &str = "SELECT count(*) FROM provided_submission WHERE request_id IS NOT NULL";

const REFUSED_BYTES: &str = "
    SELECT CAST(coalesce(sum(size_bytes), 0) AS BIGINT) FROM stored_document WHERE registered = 5";

const REFUSED: &str = "
    SELECT request_id, changed_at FROM provided_submission WHERE request_id IS NOT NULL
    ORDER BY changed_at DESC LIMIT $1";

// Senders name requests: one name may have come twice.
const REFUSED_BY: &str = "
    SELECT submission FROM provided_submission WHERE request_id = $1 AND request_id IS NOT NULL
    ORDER BY changed_at, unique_id LIMIT 1";

const LET_GO: &str = "
    UPDATE provided_submission SET submission = NULL, request_id = NULL
    WHERE request_id IS NOT NULL AND changed_at < $1";

const FIRST: &str = "
    SELECT submission FROM provided_submission WHERE queue_no IS NOT NULL
    ORDER BY queue_no LIMIT 1";

const KEPT: &str =
    "SELECT submission FROM provided_submission WHERE unique_id = $1 AND queue_no IS NOT NULL";

const FIND: &str = "
    SELECT received_at, changed_at, state, errors FROM provided_submission
    WHERE unique_id = $1 AND sent_by = $2";
