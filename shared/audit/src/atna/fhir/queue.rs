use std::time::Duration;

use carerecord_storage::{Connection, Database, StoreError, sql};
use jiff::Timestamp;
use uuid::Uuid;

use crate::store;
use crate::tree::as_i64;

/// The log as the queue of a feed: how far the feed has come, what became of single records behind
/// that, and which process sends.
pub(super) struct Queue {
    database: Database,
    name: String,
    /// This process, among those that share the database.
    holder: Uuid,
}

/// A record that has not been passed yet.
pub(super) struct Waiting {
    pub seq: u64,
    pub record: String,
    /// Whether the repository has said already what becomes of it.
    pub is_answered: bool,
}

/// What the repository said of single records.
#[derive(Default)]
pub(super) struct Answers {
    /// By number, with the status of HTTP.
    pub of: Vec<(u64, u16)>,
    /// Nothing up to here waits any more.
    pub through: Option<u64>,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct State {
    pub waiting: u64,
    pub refused: i64,
}

impl Queue {
    pub(super) fn new(database: Database, name: String, holder: Uuid) -> Self {
        Self { database, name, holder }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What waits. A feed that is new begins with the next record.
    pub(super) async fn state(&self) -> Result<State, StoreError> {
        let mut c = self.database.snapshot().await?;
        let last = u64::try_from(store::last_seq(&mut c).await?).unwrap_or_default();
        let told = store::told(&mut c, &self.name).await?;
        let refused = sql(REFUSED).bind(&self.name).number(&mut c).await?;
        drop(c);
        if told.is_none() {
            self.begin(last).await?;
        }
        Ok(State { waiting: last.saturating_sub(told.unwrap_or(last)), refused })
    }

    /// Begins behind this record, unless another process has begun.
    pub(super) async fn begin(&self, last: u64) -> Result<(), StoreError> {
        let name = self.name.clone();
        let begun = self.database.write(move |c: &mut Connection| {
            Box::pin(async move { store::begin(c, &name, last).await })
        });
        begun.await
    }

    /// Makes this process the one that sends, for so long; `false` while another one is.
    pub(super) async fn hold(&self, now: Timestamp, time: Duration) -> Result<bool, StoreError> {
        let now = now.as_millisecond();
        let until = now.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
        let hold = sql(HOLD).bind(&self.name).bind(self.holder).bind(until).bind(now);
        let held = self.database.write(move |c: &mut Connection| {
            Box::pin(async move { Ok::<_, StoreError>(hold.run(c).await? == 1) })
        });
        held.await
    }

    /// Lets any process send.
    pub(super) async fn release(&self) -> Result<(), StoreError> {
        let release = sql(RELEASE).bind(&self.name).bind(self.holder);
        let released = self.database.write(move |c: &mut Connection| {
            Box::pin(async move { release.run(c).await.map(drop) })
        });
        released.await
    }

    /// The next records, at most so many. While one is to come again that others have overtaken, these
    /// are none that are newer than all of them.
    pub(super) async fn next(&self, limit: u32) -> Result<Vec<Waiting>, StoreError> {
        let mut c = self.database.snapshot().await?;
        let told = store::told(&mut c, &self.name).await?.unwrap_or_default();
        let rows = store::records_after(&mut c, told, limit).await?;
        let answered: Vec<(i64,)> =
            sql(ANSWERED).bind(&self.name).bind(as_i64(told)?).all(&mut c).await?;
        let newest = answered.iter().map(|(seq,)| *seq).max().unwrap_or(i64::MAX);
        let rows = rows.into_iter().filter(|(seq, _)| *seq <= newest);
        let waiting = rows.filter_map(|(seq, record)| {
            let is_answered = answered.iter().any(|(answered,)| *answered == seq);
            Some(Waiting { seq: u64::try_from(seq).ok()?, record, is_answered })
        });
        Ok(waiting.collect())
    }

    /// A record behind this one, and behind all that something was said of; another one each turn.
    pub(super) async fn another(
        &self,
        seq: u64,
        turn: usize,
    ) -> Result<Option<Waiting>, StoreError> {
        let mut c = self.database.snapshot().await?;
        let newest = sql(NEWEST_ANSWERED).bind(&self.name).number(&mut c).await?;
        let after = u64::try_from(newest).unwrap_or_default().max(seq);
        let mut rows = store::records_after(&mut c, after, OTHERS).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let (seq, record) = rows.swap_remove(turn % rows.len());
        Ok(u64::try_from(seq).ok().map(|seq| Waiting { seq, record, is_answered: false }))
    }

    /// How many records were refused, one after the other, of the last that were passed; it counts to
    /// `most`.
    pub(super) async fn refused_last(&self, most: u32) -> Result<u32, StoreError> {
        let mut c = self.database.snapshot().await?;
        let told = as_i64(store::told(&mut c, &self.name).await?.unwrap_or_default())?;
        let last: Vec<(i64,)> =
            sql(REFUSED_LAST).bind(&self.name).bind(told).bind(most).all(&mut c).await?;
        let in_row = (0_i64..).zip(last).take_while(|(n, (seq,))| seq + n == told).count();
        Ok(u32::try_from(in_row).unwrap_or(most))
    }

    /// Notes what was said; `false` when another process sends meanwhile, and nothing is noted.
    pub(super) async fn note(&self, answers: Answers) -> Result<bool, StoreError> {
        let (name, holder) = (self.name.clone(), self.holder);
        let noted = self.database.write(move |c: &mut Connection| {
            Box::pin(async move {
                let held = sql(IS_HOLDER).bind(&name).bind(holder).number(&mut *c).await?;
                if held != 1 {
                    return Ok::<_, StoreError>(false);
                }
                for (seq, status) in answers.of {
                    let answer = sql(NOTE).bind(&name).bind(as_i64(seq)?);
                    answer.bind(i64::from(status)).run(&mut *c).await?;
                }
                if let Some(through) = answers.through {
                    store::set_witnessed(&mut *c, &name, through).await?;
                    sql(FORGET).bind(&name).bind(as_i64(through)?).run(&mut *c).await?;
                }
                Ok(true)
            })
        });
        noted.await
    }
}

/// Of so many records behind it one shows whether the repository takes others.
const OTHERS: u32 = 16;

const HOLD: &str = "
    INSERT INTO audit_feed_holder (name, holder, held_until) VALUES ($1, $2, $3)
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, held_until = excluded.held_until
    WHERE audit_feed_holder.holder = excluded.holder OR audit_feed_holder.held_until <= $4";

const RELEASE: &str = "UPDATE audit_feed_holder SET held_until = 0 WHERE name = $1 AND holder = $2";

const IS_HOLDER: &str =
    "SELECT CAST(count(*) AS BIGINT) FROM audit_feed_holder WHERE name = $1 AND holder = $2";

const ANSWERED: &str = "SELECT seq FROM audit_feed_answer WHERE name = $1 AND seq > $2";

const NEWEST_ANSWERED: &str =
    "SELECT CAST(COALESCE(max(seq), 0) AS BIGINT) FROM audit_feed_answer WHERE name = $1";

const NOTE: &str = "
    INSERT INTO audit_feed_answer (name, seq, status) VALUES ($1, $2, $3)
    ON CONFLICT (name, seq) DO UPDATE SET status = excluded.status";

const FORGET: &str = "DELETE FROM audit_feed_answer WHERE name = $1 AND seq <= $2 AND status < 300";

const REFUSED_LAST: &str = "
    SELECT seq FROM audit_feed_answer WHERE name = $1 AND seq <= $2 AND status >= 300
    ORDER BY seq DESC LIMIT $3";

const REFUSED: &str = "
    SELECT CAST(count(*) AS BIGINT) FROM audit_feed_answer WHERE name = $1 AND status >= 300";
