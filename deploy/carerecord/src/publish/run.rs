//! A run over all rows: reads ahead in order, sends side by side, notes each outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use carerecord_model::{Clock as _, SystemClock};
use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesOrdered, FuturesUnordered};
use tokio::sync::mpsc;

use super::order::{Order, Turn};
use super::{
    Check, Courier, Delivered, NewRow, Outcome, OutcomeLog, Prepared, Source, Tally, Verdict,
};

/// All that a run needs.
pub struct Run {
    pub check: Arc<Check>,
    pub courier: Courier,
    /// How many documents are held at once at most.
    pub most: usize,
    pub log: Option<OutcomeLog>,
    pub tally: Tally,
    pub dry: bool,
}

/// A row with its document, or why that cannot be published.
struct Ready {
    row: NewRow,
    document: Result<Box<(Prepared, Source)>, String>,
}

/// A document that has come to an end.
struct Ended {
    row: NewRow,
    turn: Turn,
    /// `None`: stopped before it was sent.
    delivered: Option<Delivered>,
}

type Flights<'a> = FuturesUnordered<LocalBoxFuture<'a, Ended>>;

impl Run {
    /// Goes through all rows until the end or until it is stopped. Whether any are left.
    pub async fn all(&mut self, mut rows: mpsc::Receiver<NewRow>, skipped: &AtomicU64) -> bool {
        let (mut order, mut flights) = (Order::default(), Flights::new());
        let mut reading = FuturesOrdered::new();
        let (courier, check, dry) = (&self.courier, &self.check, self.dry);
        let (tally, log) = (&mut self.tally, &self.log);
        let mut clock = tokio::time::interval(Duration::from_secs(1));
        let (mut more, mut unsent, mut failures) = (true, false, 0);
        loop {
            let stopped = courier.stop.is_cancelled();
            let reads = more && !stopped && reading.len() < AHEAD;
            let sends = !stopped && !reading.is_empty() && flights.len() < self.most;
            if flights.is_empty() && !reads && !sends {
                break;
            }
            let outcome = tokio::select! {
                biased;
                _ = clock.tick() => {
                    tally.skipped = skipped.load(Ordering::Relaxed);
                    let sent = courier.pacing.sent.load(Ordering::Relaxed);
                    tally.show(sent, courier.window.limit());
                    None
                }
                Some(ended) = flights.next(), if !flights.is_empty() => {
                    let outcome = end(&mut order, ended);
                    unsent |= outcome.is_none();
                    outcome
                }
                Some(ready) = reading.next(), if sends => {
                    begin(&mut order, courier, ready, dry, &mut flights)
                }
                row = rows.recv(), if reads => {
                    more = row.is_some();
                    reading.extend(row.map(|row| read(check.clone(), row)));
                    None
                }
                () = courier.stop.cancelled(), if !stopped => None,
            };
            let Some(outcome) = outcome else { continue };
            tally.count(&outcome);
            if outcome.outcome != Verdict::Failed {
                failures = 0;
            } else if outcome.attempts > 0 {
                failures += 1;
            }
            if failures >= HOPELESS {
                courier.gave_up.store(true, Ordering::Relaxed);
                courier.stop.cancel();
            }
            if let Some(log) = log
                && !log.add(&outcome).await
            {
                break;
            }
        }
        tally.skipped = skipped.load(Ordering::Relaxed);
        unsent || !reading.is_empty() || rows.recv().await.is_some()
    }
}

/// Begins with a document; what came of it, when it ends there.
fn begin<'a>(
    order: &mut Order,
    courier: &'a Courier,
    ready: Ready,
    dry: bool,
    flights: &mut Flights<'a>,
) -> Option<Outcome> {
    let Ready { row, document } = ready;
    let flight = match document {
        Err(reason) => return Some(outcome(&row, Err(reason))),
        Ok(document) if dry => return Some(outcome(&row, Ok(untried(&document.0)))),
        Ok(document) => start(order, courier, row, *document),
    };
    match flight {
        Ok(flight) => {
            flights.push(flight);
            None
        }
        Err(outcome) => Some(*outcome),
    }
}

/// Ends with a document. `None`: stopped before it was sent.
fn end(order: &mut Order, ended: Ended) -> Option<Outcome> {
    let Ended { row, turn, delivered } = ended;
    let failed = delivered.as_ref().is_none_or(|d| d.verdict == Verdict::Failed);
    order.leave(&turn, failed);
    delivered.map(|delivered| outcome(&row, Ok(delivered)))
}

/// Starts to send a document, unless the one that it replaces may be missing yet.
fn start<'a>(
    order: &mut Order,
    courier: &'a Courier,
    row: NewRow,
    (prepared, source): (Prepared, Source),
) -> Result<LocalBoxFuture<'a, Ended>, Box<Outcome>> {
    if prepared.replaces.as_ref().is_some_and(|id| order.has_failed(id)) {
        return Err(Box::new(outcome(&row, Ok(waiting(&prepared)))));
    }
    let id = prepared.submission.document_entries.first().map(|e| e.unique_id.clone());
    let Some(id) = id else { return Err(Box::new(outcome(&row, Err("it is empty".to_owned())))) };
    let turn = order.enter(&id, prepared.replaces.as_ref());
    Ok(Box::pin(async move {
        let delivered = match turn.come().await {
            true => courier.deliver(prepared, source).await,
            false => Some(waiting(&prepared)),
        };
        Ended { row, turn, delivered }
    }))
}

/// What replaces a document that may be missing yet would count as a new one: it is not sent.
fn waiting(prepared: &Prepared) -> Delivered {
    let why = "it waits for the document that it replaces, which failed".to_owned();
    Delivered { verdict: Verdict::Failed, notes: vec![why], ..untried(prepared) }
}

/// Reads a document where that holds up nothing else.
async fn read(check: Arc<Check>, row: NewRow) -> Ready {
    let (path, cells) = (row.row.path.clone(), row.row.cells.clone());
    let reading = tokio::task::spawn_blocking(move || {
        let cells = cells?;
        let mut source = Source::open(&path)?;
        let prepared = check.prepare(&source, &cells)?;
        source.release();
        Ok(Box::new((prepared, source)))
    });
    let document = reading.await.unwrap_or_else(|e| Err(format!("cannot be read: {e}")));
    Ready { row, document }
}

/// What a document is that nobody sent.
fn untried(prepared: &Prepared) -> Delivered {
    let mut notes: Vec<String> = prepared.notes.iter().map(|n| (*n).to_owned()).collect();
    notes.extend(prepared.replaces.iter().map(|id| format!("would replace {id}")));
    notes.push(format!("a {}", prepared.kind));
    Delivered {
        verdict: Verdict::Valid,
        unique_id: prepared.unique_id(),
        submission_id: prepared.submission.submission_set.unique_id.to_string(),
        notes,
        attempts: 0,
    }
}

fn outcome(row: &NewRow, of: Result<Delivered, String>) -> Outcome {
    let (delivered, invalid) = match of {
        Ok(delivered) => (Some(delivered), None),
        Err(reason) => (None, Some(reason)),
    };
    let notes = delivered.as_ref().map(|d| d.notes.join("; "));
    Outcome {
        key: format!("{:032x}", row.key),
        line: row.row.line,
        path: row.row.path.to_string_lossy().into_owned(),
        unique_id: delivered.as_ref().map(|d| d.unique_id.clone()),
        submission_id: delivered.as_ref().map(|d| d.submission_id.clone()),
        outcome: delivered.as_ref().map_or(Verdict::Invalid, |d| d.verdict),
        reason: invalid.or(notes).unwrap_or_default(),
        attempts: delivered.map_or(0, |d| d.attempts),
        at: SystemClock.now(),
    }
}

/// Documents that are read while others are sent.
const AHEAD: usize = 4;
/// So many failures without anything between them, and the run ends.
const HOPELESS: u32 = 20;
