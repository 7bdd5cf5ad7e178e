//! Brings one document to the node: sends, and sends again what is safe to repeat, which is every
//! submission, since its ids are made from what it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use carerecord_model::{ErrorCode, IdSource as _, RandomIds, RegistryErrors, TransactionError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::flight::{self, Pacing};
use super::known::Known;
use super::{Lookups, Prepared, Source, Verdict, Window, reasons};
use crate::peer::RegistryClient;

/// Who sends, how fast, and how patiently.
pub struct Courier {
    pub http: reqwest::Client,
    /// The ITI-41 address.
    pub node: String,
    pub registry: RegistryClient,
    pub lookups: Lookups,
    pub window: Window,
    pub pacing: Arc<Pacing>,
    /// A node that takes nothing and says nothing for so long is given up for this time.
    pub silence: Duration,
    /// How often one document is sent again while others are taken.
    pub retries: u32,
    /// How long nothing at all is answered until the run ends.
    pub give_up: Duration,
    /// Set when no more is to be sent.
    pub stop: CancellationToken,
    /// Whether it was this that set it.
    pub gave_up: AtomicBool,
}

/// What became of a document, and what there is to say.
pub struct Delivered {
    pub verdict: Verdict,
    pub unique_id: String,
    pub submission_id: String,
    pub notes: Vec<String>,
    pub attempts: u32,
}

/// How often, and since when.
pub(super) struct Tries {
    pub count: u32,
    pub begun: Instant,
    /// How many submissions had been answered then.
    answered: u64,
}

/// What an attempt came to.
pub(super) enum Attempt<T> {
    Done(T),
    /// Not now: why, and how long to wait at least.
    Again(String, Option<Duration>),
    /// Not at all.
    Never(String),
}

/// Why there is no answer.
pub(super) enum Unanswered {
    Failed(String),
    /// It was stopped before anything was sent.
    Stopped,
}

type Answer = Result<RegistryErrors, TransactionError>;

impl Courier {
    /// Sends a document until the node answers. `None`: stopped before it was sent.
    pub async fn deliver(&self, mut prepared: Prepared, source: Source) -> Option<Delivered> {
        let mut tries = self.tries();
        let mut notes: Vec<String> = prepared.notes.iter().map(|n| (*n).to_owned()).collect();
        if let Some(replaced) = prepared.replaces.clone() {
            let found = self.find_replaced(&mut prepared, &replaced, &mut tries).await;
            tries.count = 0;
            match found {
                Ok(Ok(note)) => notes.push(note),
                Ok(Err(reason)) => return Some(delivered(&prepared, Verdict::Refused, reason, 0)),
                Err(Unanswered::Failed(reason)) => {
                    return Some(delivered(&prepared, Verdict::Failed, reason, 0));
                }
                Err(Unanswered::Stopped) => return None,
            }
        }
        let mut answer = self.send(&prepared, &source, &mut tries).await;
        let other_bytes = matches!(&answer, Ok(Err(e)) if e.has(&ErrorCode::XDSNonIdenticalHash));
        if other_bytes && prepared.id_of_header {
            notes.push(OTHER_BYTES.to_owned());
            prepared.take_content_id(&source);
            answer = self.send(&prepared, &source, &mut tries).await;
        }
        let (verdict, note) = match answer {
            Ok(Ok(warnings)) => {
                notes.extend(warnings.iter().map(|w| format!("{}: {}", w.code, w.context)));
                self.verdict(&prepared, &tries).await
            }
            Ok(Err(error)) => self.judge(&prepared, &source, &error).await,
            Err(Unanswered::Failed(reason)) => (Verdict::Failed, Some(reason)),
            Err(Unanswered::Stopped) => return None,
        };
        if !verdict.is_good() {
            notes.clear();
        }
        let mut done = delivered(&prepared, verdict, String::new(), tries.count);
        done.notes = note.into_iter().chain(notes).collect();
        Some(done)
    }

    async fn send(
        &self,
        prepared: &Prepared,
        source: &Source,
        tries: &mut Tries,
    ) -> Result<Answer, Unanswered> {
        self.persist(tries, async || {
            let place = tokio::select! {
                place = self.window.enter() => place,
                () = self.stop.cancelled() => return Attempt::Again(STOPPED.to_owned(), None),
            };
            flight::send(self, place, &prepared.submission, source).await
        })
        .await
    }

    async fn verdict(&self, prepared: &Prepared, tries: &Tries) -> (Verdict, Option<String>) {
        let id = prepared.submission.submission_set.unique_id.as_str();
        let was_there = self.lookups.was_there(id, tries.begun).await;
        (if was_there { Verdict::AlreadyThere } else { Verdict::Accepted }, None)
    }

    /// A refusal, in words that say what to do where they can.
    async fn judge(
        &self,
        prepared: &Prepared,
        source: &Source,
        error: &TransactionError,
    ) -> (Verdict, Option<String>) {
        let mut reason = reasons(error);
        if error.has(&ErrorCode::XDSDuplicateUniqueIdInRegistry) {
            let known =
                tokio::time::timeout(self.silence, Known::ask(&self.registry, prepared, source));
            match known.await {
                Ok(Known::Same) => return (Verdict::AlreadyThere, None),
                Ok(known) => reason = format!("{reason}; {}", known.words(prepared)),
                Err(_) => reason = format!("{reason}; {}", Known::Silent.words(prepared)),
            }
        }
        if error.has(&ErrorCode::XDSNonIdenticalHash) {
            reason = format!("{reason}; its unique id belongs to other bytes: give another one");
        }
        (Verdict::Refused, Some(reason))
    }

    pub(super) fn tries(&self) -> Tries {
        Tries { count: 0, begun: Instant::now(), answered: self.window.answered().0 }
    }

    /// Tries until there is an answer or no hope of one.
    pub(super) async fn persist<T>(
        &self,
        tries: &mut Tries,
        attempt: impl AsyncFn() -> Attempt<T>,
    ) -> Result<T, Unanswered> {
        let mut reason = None;
        loop {
            if self.stop.is_cancelled() {
                return Err(reason.map_or(Unanswered::Stopped, Unanswered::Failed));
            }
            let pause = match attempt().await {
                Attempt::Done(answer) => {
                    tries.count += 1;
                    return Ok(answer);
                }
                Attempt::Never(why) => {
                    tries.count += 1;
                    return Err(Unanswered::Failed(why));
                }
                Attempt::Again(why, _) if why == STOPPED => continue,
                Attempt::Again(why, pause) => {
                    reason = Some(why);
                    pause
                }
            };
            tries.count += 1;
            if self.is_hopeless(tries) {
                return Err(Unanswered::Failed(reason.unwrap_or_default()));
            }
            tokio::select! {
                () = tokio::time::sleep(backoff(tries.count).max(pause.unwrap_or_default())) => {}
                () = self.stop.cancelled() => {}
            }
        }
    }

    /// Whether one document is to wait for another run, since others are taken and it is not; or
    /// all, since none is.
    fn is_hopeless(&self, tries: &Tries) -> bool {
        let (answered, last) = self.window.answered();
        if last.max(tries.begun).elapsed() >= self.give_up {
            self.gave_up.store(true, Ordering::Relaxed);
            self.stop.cancel();
            return true;
        }
        tries.count > self.retries && answered > tries.answered
    }
}

fn delivered(prepared: &Prepared, verdict: Verdict, note: String, attempts: u32) -> Delivered {
    Delivered {
        verdict,
        unique_id: prepared.unique_id(),
        submission_id: prepared.submission.submission_set.unique_id.to_string(),
        notes: vec![note],
        attempts,
    }
}

/// Twice as long each time, up to half a minute, and never the same for many.
fn backoff(attempt: u32) -> Duration {
    let longest = Duration::from_millis(500 << attempt.saturating_sub(1).min(6));
    let chance = (RandomIds.random().as_u128() & 0xffff) as f64 / 65536.0;
    longest.mul_f64(0.5 + chance / 2.0)
}

const STOPPED: &str = "stopped";
const OTHER_BYTES: &str = "the id in its header belongs to other bytes, so it goes by its content";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_longer_and_no_two_are_the_same() {
        for (attempt, most) in [(1, 500), (2, 1000), (5, 8000), (7, 32_000), (1000, 32_000)] {
            let waits: Vec<u128> = (0..20).map(|_| backoff(attempt).as_millis()).collect();

            assert!(waits.iter().all(|w| (most / 2..=most).contains(w)), "{attempt}: {waits:?}");
            assert!(waits.iter().any(|w| *w != waits[0]), "{waits:?}");
        }
    }
}
