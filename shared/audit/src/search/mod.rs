//! Searching a log. Each record that is given has been held against the whole question: the index
//! only says where to look.

mod index;
mod question;

use async_trait::async_trait;
use carerecord_model::PortError;
use carerecord_storage::{
    Condition, Connection, Database, StoreError, Value, sql, where_all, with_keys,
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::{AuditEvent, AuditLog, FeedQuestion, FeedReport, StoredEvent, store};
use index::Kind;
pub use index::{document_key, keep_indexed};
pub use question::{AuditPage, AuditQuestion, CodeField, CodeWanted, Within};

/// A log that can be searched: one that lies here, or that of another role.
#[async_trait]
pub trait AuditSource: Send + Sync {
    /// Looks for records.
    ///
    /// # Errors
    /// When the log cannot be asked.
    async fn look(&self, question: &AuditQuestion) -> Result<AuditPage, PortError>;

    /// Counts what sources have sent to the role whose log it is.
    ///
    /// # Errors
    /// When the log cannot be asked.
    async fn feeds(&self, question: &FeedQuestion) -> Result<FeedReport, PortError>;
}

#[async_trait]
impl AuditSource for AuditLog {
    async fn look(&self, question: &AuditQuestion) -> Result<AuditPage, PortError> {
        self.search(question).await.map_err(|error| PortError::Unavailable(error.to_string()))
    }

    async fn feeds(&self, question: &FeedQuestion) -> Result<FeedReport, PortError> {
        let report = Self::feeds(self, question).await;
        report.map_err(|error| PortError::Unavailable(error.to_string()))
    }
}

/// Takes what is new into the index; returns how many records are not in it.
pub(crate) async fn caught_up(database: &Database) -> Result<u64, StoreError> {
    Ok(index::catch_up(database, CATCH_UP).await?.behind)
}

/// Between which records those of a time can lie.
pub(crate) async fn seq_bounds(
    c: &mut Connection,
    within: (Timestamp, Timestamp),
    last: i64,
) -> Result<(i64, i64), StoreError> {
    index::bounds(c, within, last).await
}

impl AuditLog {
    /// Looks for records, the newest first. What is committed is found. No more than 20,000 records are
    /// looked at for one answer; then it says where to go on, and not how many there are.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn search(&self, question: &AuditQuestion) -> Result<AuditPage, StoreError> {
        let reach = index::catch_up(self.database(), CATCH_UP).await?;
        let mut c = self.database().snapshot().await?;
        if let Some(id) = question.id {
            return by_id(&mut c, question, id).await;
        }
        let by = Key::of(question);
        let newest = match by {
            Key::References(_) => reach.indexed,
            Key::Subjects | Key::Actors | Key::None => store::last_seq(&mut c).await?,
        };
        let up_to = question.up_to.map_or(newest, |up_to| up_to.min(newest));
        let (low, high) = index::bounds(&mut c, (question.since, question.until), up_to).await?;
        let below = question.before.map_or(high + 1, |before| before.min(high + 1));
        let behind = if matches!(by, Key::References(_)) { reach.behind } else { 0 };
        let log = store::log_id(&mut c).await?;
        let page = AuditPage { log, up_to, behind, ..AuditPage::default() };
        collect(&mut c, question, &by, (low, below), page).await
    }
}

/// The record with an id, if it is one that is looked for. Ids tell the time at which a message came,
/// and records are made when it has been answered: not long after, but for what took long.
async fn by_id(
    c: &mut Connection,
    question: &AuditQuestion,
    id: Uuid,
) -> Result<AuditPage, StoreError> {
    let log = store::log_id(&mut *c).await?;
    let last = store::last_seq(&mut *c).await?;
    let mut page = AuditPage { log, up_to: last, total: Some(0), ..AuditPage::default() };
    let made = id.get_timestamp().map(|time| time.to_unix().0.cast_signed());
    let Some(made) = made.and_then(|seconds| Timestamp::from_second(seconds).ok()) else {
        return Ok(page);
    };
    // The record is stored as text that begins with its id.
    let begins = format!("{{\"id\":\"{id}\"%");
    for late in [AT_ONCE, AT_LAST] {
        let since = made.checked_sub(EARLY).unwrap_or(made);
        let until = made.checked_add(late).unwrap_or(made);
        let (low, high) = index::bounds(&mut *c, (since, until), last).await?;
        let row: Option<(i64, String)> = sql(BY_ID)
            .bind(low)
            .bind(high)
            .bind(since.as_millisecond())
            .bind(until.as_millisecond())
            .bind(&begins)
            .first(&mut *c)
            .await?;
        let Some((seq, record)) = row else { continue };
        match serde_json::from_str::<AuditEvent>(&record) {
            Ok(event) if question.matches(&event) => {
                page.events.push(StoredEvent { seq, event });
                page.total = Some(1);
            }
            Ok(_) => {}
            Err(_) => page.unreadable = 1,
        }
        break;
    }
    Ok(page)
}

async fn collect(
    c: &mut Connection,
    question: &AuditQuestion,
    by: &Key,
    (low, mut below): (i64, i64),
    mut page: AuditPage,
) -> Result<AuditPage, StoreError> {
    let most = question.most as usize;
    let (mut examined, mut found, mut complete) = (0, 0, false);
    while examined < MOST_EXAMINED {
        let (rows, ended) = by.rows(c, question, low, below).await?;
        for (seq, record) in rows {
            examined += 1;
            below = seq;
            let Ok(event) = serde_json::from_str::<AuditEvent>(&record) else {
                page.unreadable += 1;
                continue;
            };
            if !question.matches(&event) {
                continue;
            }
            found += 1;
            if page.events.len() < most {
                page.events.push(StoredEvent { seq, event });
            }
        }
        if ended {
            complete = true;
            break;
        }
        // A later page is not counted again.
        if question.before.is_some() && found > most {
            break;
        }
    }
    page.next = if found > page.events.len() {
        Some(page.events.last().map_or(below, |last| last.seq))
    } else if complete {
        None
    } else {
        Some(below)
    };
    let counted = complete && question.before.is_none() && page.behind == 0 && page.unreadable == 0;
    page.total = counted.then_some(found as u64);
    Ok(page)
}

/// By what the rows are found that are then held against the question.
enum Key {
    References(Vec<i64>),
    Subjects,
    Actors,
    None,
}

impl Key {
    /// The one that is likely to leave the least.
    fn of(question: &AuditQuestion) -> Self {
        let references = |kind, values: &[String]| {
            Self::References(values.iter().map(|v| index::reference(kind, v)).collect())
        };
        if !question.requests.is_empty() {
            references(Kind::Request, &question.requests)
        } else if !question.documents.is_empty() {
            let keys: Vec<String> = question.documents.iter().map(|id| document_key(id)).collect();
            references(Kind::Document, &keys)
        } else if !question.subjects.is_empty() {
            Self::Subjects
        } else if !question.actors.is_empty() {
            Self::Actors
        } else if !question.organisations.is_empty() {
            references(Kind::Organisation, &question.organisations)
        } else {
            Self::None
        }
    }

    /// At most `CHUNK` rows below a record, the newest first, and whether these are the last ones.
    async fn rows(
        &self,
        c: &mut Connection,
        question: &AuditQuestion,
        low: i64,
        below: i64,
    ) -> Result<(Vec<(i64, String)>, bool), StoreError> {
        let range = |key: Option<Condition>| {
            let from = Condition::new("seq >= ?", [low.into()]);
            key.into_iter().chain([from, Condition::new("seq < ?", [below.into()])])
        };
        let key = match self {
            Self::References(keys) => {
                let key = any("reference = ?", keys.iter().map(|key| Value::from(*key)));
                let seqs: Vec<(i64,)> =
                    where_all(REFERENCED, range(Some(key)), TAIL).all(&mut *c).await?;
                let ended = seqs.len() < CHUNK;
                if seqs.is_empty() {
                    return Ok((Vec::new(), ended));
                }
                let seqs = seqs.into_iter().map(|(seq,)| Value::from(seq));
                return Ok((with_keys(THESE, seqs, "ORDER BY seq DESC").all(c).await?, ended));
            }
            Self::Subjects => {
                Some(any("nhs_number = ?", question.subjects.iter().map(|n| n.as_i64().into())))
            }
            Self::Actors => Some(any("actor = ?", question.actors.iter().map(Value::from))),
            Self::None => None,
        };
        let rows: Vec<_> = where_all(RECORDS, range(key), TAIL).all(c).await?;
        let ended = rows.len() < CHUNK;
        Ok((rows, ended))
    }
}

fn any(text: &'static str, values: impl Iterator<Item = Value>) -> Condition {
    Condition::any(values.map(|value| Condition::new(text, [value])))
}

const RECORDS: &str = "SELECT seq, record FROM audit_event WHERE";
// A record can be there under several of the keys: it is given once.
const REFERENCED: &str = "SELECT DISTINCT seq FROM audit_reference WHERE";
const THESE: &str = "SELECT seq, record FROM audit_event WHERE seq IN";
const TAIL: &str = "ORDER BY seq DESC LIMIT 500";
const BY_ID: &str = "
    SELECT seq, record FROM audit_event
    WHERE seq BETWEEN $1 AND $2 AND recorded_at >= $3 AND recorded_at < $4 AND record LIKE $5
    ORDER BY seq LIMIT 1";
/// By how much the clock of a record may be behind that of its id.
const EARLY: SignedDuration = SignedDuration::from_secs(5);
/// How long after its message came a record is made, mostly and at most.
const AT_ONCE: SignedDuration = SignedDuration::from_secs(60);
const AT_LAST: SignedDuration = SignedDuration::from_hours(2);
/// Rows at once: the limit in `TAIL`.
const CHUNK: usize = 500;
const MOST_EXAMINED: usize = 20_000;
/// Groups that a search takes into the index itself.
const CATCH_UP: u32 = 50;

#[cfg(test)]
mod tests;
