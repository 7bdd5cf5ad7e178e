//! The FHIR feed of RESTful ATNA (ITI-20): records as AuditEvents to a repository, in their order.

mod queue;
mod repository;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use carerecord_model::Clock;
use carerecord_storage::{Database, StoreError};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use queue::{Answers, Queue, Waiting};
use repository::Said;
pub use repository::{FhirFeedError, FhirRepository, TokenSource};

use super::audit_event;
use crate::AuditEvent;

/// Sends every record to an audit record repository: ITI-20 by FHIR. The log itself is the queue, as
/// of the feed by syslog. Of all processes over one database one sends at a time.
pub struct FhirFeed {
    queue: Queue,
    repository: FhirRepository,
    clock: Arc<dyn Clock>,
    /// The log's name in metrics.
    log: String,
    /// Records of one Bundle, at most.
    most: u32,
    /// The same for now: less after a Bundle was refused as a whole, or failed.
    size: u32,
    /// The record in front, while it fails.
    failing: Option<Failing>,
}

/// A record that the repository has answered with a failure.
#[derive(Clone, Copy, Debug)]
struct Failing {
    seq: u64,
    times: usize,
    /// Whether the repository has taken another one since it failed last.
    is_alone: bool,
}

/// Whether there is more to send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Progress {
    More,
    Done,
}

impl FhirFeed {
    /// A feed from the log of this database, which is called so in metrics, from the first record on
    /// that is made after the feed was set up. `holder` is this process, among those that share the
    /// database; at most so many records come in one Bundle.
    pub fn new(
        database: Database,
        repository: FhirRepository,
        (log, holder, most): (&str, Uuid, u32),
        clock: Arc<dyn Clock>,
    ) -> Self {
        describe();
        let queue = Queue::new(database, format!("fhir {}", repository.base), holder);
        let most = most.max(1);
        Self { queue, repository, clock, log: log.to_owned(), most, size: most, failing: None }
    }

    /// Sends records until `draining`, soon after they are made.
    pub async fn run(mut self, draining: CancellationToken) {
        let (mut wait, mut away) = (LEAST_WAIT, false);
        // Where the feed is new it begins here; a database that fails is told of below.
        self.show().await;
        loop {
            tokio::select! {
                () = draining.cancelled() => break,
                () = tokio::time::sleep(wait) => {}
            }
            let sent = self.send_new(&draining).await;
            self.show().await;
            let name = self.queue.name();
            match sent {
                Ok(()) => {
                    if std::mem::take(&mut away) {
                        tracing::info!(feed = name, "audit records are sent again");
                    }
                    wait = LEAST_WAIT;
                }
                Err(error) => {
                    // Told once, and not each time that it is tried again.
                    if !std::mem::replace(&mut away, true) {
                        tracing::error!(%error, feed = name, "audit records wait to be sent");
                    }
                    wait = self.pause(wait, &error).await;
                }
            }
        }
        // Where the database is gone, the time that we hold it for ends by itself.
        self.queue.release().await.ok();
    }

    /// Sends what has not been sent.
    ///
    /// # Errors
    /// Why the repository did not take it all; the next call goes on.
    pub async fn send_new(&mut self, draining: &CancellationToken) -> Result<(), FhirFeedError> {
        let mut held = false;
        while self.queue.state().await?.waiting > 0 && !draining.is_cancelled() {
            if !self.hold().await? {
                return Ok(());
            }
            held = true;
            if self.send_some().await? == Progress::Done {
                break;
            }
        }
        if held {
            self.queue.release().await?;
        }
        Ok(())
    }

    /// Makes this process the one that sends, for the time of a request.
    async fn hold(&self) -> Result<bool, StoreError> {
        self.queue.hold(self.clock.now(), self.repository.deadline + SLACK).await
    }

    /// How long to wait after a failure, in which no other process asks the repository either.
    async fn pause(&self, last: Duration, error: &FhirFeedError) -> Duration {
        let asked = match error {
            FhirFeedError::NotNow(_, wait) => wait.unwrap_or_default(),
            FhirFeedError::Unreachable(_)
            | FhirFeedError::Late(_)
            | FhirFeedError::TakesNone(_)
            | FhirFeedError::NoBatchResponse
            | FhirFeedError::Token(_)
            | FhirFeedError::Superseded
            | FhirFeedError::Store(_) => Duration::ZERO,
        };
        let wait = (last * 2).min(MOST_WAIT).max(asked.min(MOST_ASKED));
        let held = self.queue.hold(self.clock.now(), wait + SLACK).await;
        if let Err(error) = held {
            tracing::debug!(%error, "another process may ask the audit record repository");
        }
        wait
    }

    /// Sends the next records in one request.
    async fn send_some(&mut self) -> Result<Progress, FhirFeedError> {
        let is_alone = self.failing.as_mut().is_some_and(|f| std::mem::take(&mut f.is_alone));
        let rows = self.queue.next(self.size).await?;
        if rows.is_empty() {
            return Ok(Progress::Done);
        }
        let parcel = Parcel::of(rows);
        let now = self.clock.now();
        let (fates, retry_after) = match parcel.events.as_slice() {
            [] => (Vec::new(), None),
            [event] => {
                let said = self.repository.create(event, now).await?;
                (vec![Fate::of_request(&said)], said.retry_after)
            }
            events => {
                let said = self.repository.batch(events, now).await?;
                let is_of_content = is_of_content(said.status);
                if is_of_content || said.status >= 500 {
                    // One of them perhaps, or all together are too large.
                    self.size = u32::try_from(events.len() / 2).unwrap_or(1).max(1);
                }
                if is_of_content {
                    return Ok(Progress::More);
                }
                if !is_taken(said.status) {
                    return Err(said.not_now());
                }
                (Fate::of_entries(&said.entries(events.len())?), said.retry_after)
            }
        };
        self.settle(parcel, &fates, retry_after, is_alone).await
    }

    /// Notes what became of the records of a request. `is_alone`: the one in front has failed often, and
    /// another one was taken just now.
    async fn settle(
        &mut self,
        parcel: Parcel,
        fates: &[Fate],
        retry_after: Option<Duration>,
        is_alone: bool,
    ) -> Result<Progress, FhirFeedError> {
        // Who is asked to wait is told nothing about a record.
        let is_alone = is_alone && retry_after.is_none();
        let is_any_taken = fates.contains(&Fate::Taken);
        let mut room = self.room(is_any_taken || is_alone).await?;
        let mut answers = Answers::default();
        let mut later = None;
        let mut fates = fates.iter();
        for (seq, is_sent) in parcel.rows {
            let fate = if is_sent { fates.next() } else { None };
            match fate.map(|fate| self.judged(seq, *fate, is_alone)) {
                Some(Fate::Later(status)) => {
                    let error = FhirFeedError::NotNow(status, retry_after);
                    later = later.or(Some((seq, status, error)));
                }
                Some(Fate::Refused(status)) if room == 0 => {
                    later = later.or(Some((seq, status, FhirFeedError::TakesNone(status))));
                }
                Some(Fate::Refused(status)) => {
                    room -= 1;
                    tracing::error!(
                        seq,
                        status,
                        feed = self.queue.name(),
                        "the audit record repository refuses a record, which is left out"
                    );
                    answers.of.push((seq, status));
                }
                // Behind one that waits it has to be remembered.
                Some(Fate::Taken) if later.is_some() => answers.of.push((seq, TAKEN)),
                Some(Fate::Taken) | None => {}
            }
            if later.is_none() {
                answers.through = Some(seq);
            }
        }
        if !self.queue.note(answers).await? {
            return Err(FhirFeedError::Superseded);
        }
        if is_any_taken {
            self.show_success();
        }
        if let Some((seq, status, error)) = later {
            let may_be_its_own = !is_alone && retry_after.is_none() && !is_of_us(status);
            let is_alone = may_be_its_own && self.fails_alone(seq).await?;
            return if is_alone { Ok(Progress::More) } else { Err(error) };
        }
        self.failing = None;
        self.size = self.size.saturating_mul(2).min(self.most);
        Ok(Progress::More)
    }

    /// How many records may be left out now: few in a row, where the repository takes none.
    async fn room(&self, takes_others: bool) -> Result<u32, StoreError> {
        if takes_others {
            return Ok(u32::MAX);
        }
        Ok(MOST_REFUSED.saturating_sub(self.queue.refused_last(MOST_REFUSED).await?))
    }

    /// A failure is the record's own where it came again after another one was taken.
    fn judged(&self, seq: u64, fate: Fate, is_alone: bool) -> Fate {
        let is_failing = self.failing.is_some_and(|failing| failing.seq == seq);
        match fate {
            Fate::Later(status) if is_alone && is_failing && !is_of_us(status) => {
                Fate::Refused(status)
            }
            Fate::Taken | Fate::Refused(_) | Fate::Later(_) => fate,
        }
    }

    /// Counts a failure of the record in front; whether, after many of them, another one is taken.
    async fn fails_alone(&mut self, seq: u64) -> Result<bool, FhirFeedError> {
        let before = self.failing.filter(|failing| failing.seq == seq);
        let times = before.map_or(0, |failing| failing.times).saturating_add(1);
        self.failing = Some(Failing { seq, times, is_alone: false });
        let is_alone = times >= MOST_FAILURES && self.takes_another(seq, times).await?;
        self.failing = Some(Failing { seq, times, is_alone });
        Ok(is_alone)
    }

    /// Whether the repository takes a record from behind this one now.
    async fn takes_another(&self, seq: u64, turn: usize) -> Result<bool, FhirFeedError> {
        let Some(another) = self.queue.another(seq, turn).await? else { return Ok(false) };
        let seq = another.seq;
        let parcel = Parcel::of(vec![another]);
        let Some(event) = parcel.events.first() else { return Ok(false) };
        if !self.hold().await? {
            return Err(FhirFeedError::Superseded);
        }
        let said = self.repository.create(event, self.clock.now()).await;
        if !said.is_ok_and(|said| is_taken(said.status)) {
            return Ok(false);
        }
        let answers = Answers { of: vec![(seq, TAKEN)], through: None };
        if !self.queue.note(answers).await? {
            return Err(FhirFeedError::Superseded);
        }
        self.show_success();
        Ok(true)
    }

    fn show_success(&self) {
        #[expect(clippy::cast_precision_loss, reason = "seconds fit")]
        let now = self.clock.now().as_second() as f64;
        metrics::gauge!(LAST_SUCCESS, "log" => self.log.clone()).set(now);
    }

    async fn show(&self) {
        let Ok(state) = self.queue.state().await else { return };
        #[expect(clippy::cast_precision_loss, reason = "an f64 counts to 9 * 10^15")]
        let (waiting, refused) = (state.waiting as f64, state.refused as f64);
        metrics::gauge!(WAITING, "log" => self.log.clone()).set(waiting);
        metrics::gauge!(REFUSED, "log" => self.log.clone()).set(refused);
    }
}

/// What goes into one request.
struct Parcel {
    /// The numbers of records in their order, and whether each is among `events`.
    rows: Vec<(u64, bool)>,
    events: Vec<Value>,
}

impl Parcel {
    /// As many records as have room.
    fn of(waiting: Vec<Waiting>) -> Self {
        let (mut rows, mut events, mut bytes) = (Vec::new(), Vec::new(), 0);
        for Waiting { seq, record, is_answered } in waiting {
            let event = match serde_json::from_str::<AuditEvent>(&record) {
                _ if is_answered => None,
                Ok(event) => Some(resource(&event)),
                Err(_) => {
                    // Somebody has changed it: the others are sent all the same.
                    tracing::error!(
                        seq,
                        "an audit record cannot be read: run `carerecord audit verify`"
                    );
                    None
                }
            };
            bytes += record.len();
            if bytes > MAX_BYTES && !events.is_empty() {
                break;
            }
            rows.push((seq, event.is_some()));
            events.extend(event);
        }
        Self { rows, events }
    }
}

/// The AuditEvent with the record's id where a repository keeps it, too: it gives resources ids of
/// its own.
fn resource(event: &AuditEvent) -> Value {
    let mut resource = audit_event(event);
    resource["extension"] =
        json!([{ "url": RECORD, "valueUuid": format!("urn:uuid:{}", event.id) }]);
    resource
}

/// What became of a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Taken,
    /// It will not be taken at any time.
    Refused(u16),
    /// It is to be sent again.
    Later(u16),
}

impl Fate {
    /// Of a record that was sent by itself. What stands before the repository refuses with the same
    /// statuses, not in FHIR, whoever has no certificate.
    fn of_request(said: &Said) -> Self {
        match said.status {
            status if is_taken(status) => Self::Taken,
            status if is_of_content(status) && said.is_outcome() => Self::Refused(status),
            status => Self::Later(status),
        }
    }

    /// Of the entries of a batch. What could be about the path is about the record where others were
    /// taken; that we are not let in can begin in the middle of it.
    fn of_entries(statuses: &[u16]) -> Vec<Self> {
        let lets_us_in = statuses.iter().any(|status| is_taken(*status));
        let fate = |status: &u16| match *status {
            status if is_taken(status) => Self::Taken,
            status if is_of_content(status) => Self::Refused(status),
            status @ 400..=499 if lets_us_in && !is_of_us(status) => Self::Refused(status),
            status => Self::Later(status),
        };
        statuses.iter().map(fate).collect()
    }
}

fn is_taken(status: u16) -> bool {
    (200..300).contains(&status)
}

/// Whether a refusal is of what was sent, and not of who sent it or when.
fn is_of_content(status: u16) -> bool {
    matches!(status, 400 | 409 | 413 | 422)
}

/// Whether an answer is about who sends, or the moment, and never about what was sent.
fn is_of_us(status: u16) -> bool {
    matches!(status, 401 | 403 | 407 | 408 | 425 | 429)
}

fn describe() {
    metrics::describe_gauge!(WAITING, "Audit records that the FHIR repository has not been sent.");
    metrics::describe_gauge!(REFUSED, "Audit records that the FHIR repository has refused.");
    metrics::describe_gauge!(
        LAST_SUCCESS,
        metrics::Unit::Seconds,
        "When the FHIR repository last took audit records, since 1970."
    );
}

const WAITING: &str = "audit_feed_waiting";
const REFUSED: &str = "audit_feed_refused";
const LAST_SUCCESS: &str = "audit_feed_last_success_seconds";
const RECORD: &str = "urn:carerecord:record";
const TAKEN: u16 = 201;
/// After so many failures it is looked at whether they are the record's own.
const MOST_FAILURES: usize = 10;
/// Records in a row that are left out, where no other is taken.
const MOST_REFUSED: u32 = 5;
/// Bytes of records in one Bundle, about.
const MAX_BYTES: usize = 1 << 20;
/// How much longer than a request may take this process holds the feed.
const SLACK: Duration = Duration::from_secs(5);
const LEAST_WAIT: Duration = Duration::from_millis(500);
const MOST_WAIT: Duration = Duration::from_secs(30);
/// The longest `Retry-After` that is heeded.
const MOST_ASKED: Duration = Duration::from_secs(300);
