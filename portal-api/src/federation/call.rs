use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use carerecord_fhir::SourceState;
use carerecord_model::{DocumentRepository, PortError};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

use super::breaker::Ticket;
use super::settle::{Again, Next};
use super::state::Meaning;
use super::{Federation, Member, NodeState, metrics};

/// One question to one endpoint.
pub(crate) type Reading<'a, T> = BoxFuture<'a, Result<T, Failure>>;

/// Why a question was not answered as it should be.
pub(crate) struct Failure {
    pub(crate) error: PortError,
    /// Whether it is the endpoint that fails. A document that is not the registered one is a
    /// failure, but other documents of the same endpoint may be well.
    pub(crate) of_endpoint: bool,
}

impl From<PortError> for Failure {
    fn from(error: PortError) -> Self {
        Self { error, of_endpoint: true }
    }
}

/// What became of asking a node.
pub(crate) struct Asked<T> {
    pub(crate) state: NodeState,
    pub(crate) answer: Result<T, PortError>,
    /// The place among the node's requests; held as long as the answer flows.
    pub(crate) place: Option<OwnedSemaphorePermit>,
}

impl Federation {
    /// Asks a node within its deadline: again after a failure that may pass, and at a second
    /// endpoint when the first fails or is slow. `what` names the question for metrics.
    pub(crate) async fn ask<'a, T: 'a>(
        &self,
        member: &'a Member,
        what: &'static str,
        ask: impl Fn(Arc<dyn DocumentRepository>) -> Reading<'a, T>,
    ) -> Asked<T> {
        let started = Instant::now();
        let call = Call {
            federation: self,
            member,
            what,
            ask,
            running: FuturesUnordered::new(),
            attempts: Vec::new(),
        };
        let (ended, place) = call.run(started + member.deadline).await;
        let state = match &ended {
            Ok(_) => SourceState::Answered,
            Err(Ended::Paused) => SourceState::Paused,
            Err(Ended::Failed(error)) => Meaning::of(error).state,
        };
        if state == SourceState::Answered {
            member.was_good(self.clock.now());
        }
        let took = started.elapsed();
        metrics::count(member, what, state, took);
        let answer = ended.map_err(|ended| match ended {
            Ended::Failed(error) => error,
            Ended::Paused => PortError::Unavailable(PAUSED.to_owned()),
        });
        Asked { state: NodeState::new(member, state, took.as_millis() as u64), answer, place }
    }
}

enum Ended {
    /// Nothing was asked: every endpoint is left alone.
    Paused,
    Failed(PortError),
}

pub(super) struct Call<'c, 'a, T, F> {
    pub(super) federation: &'c Federation,
    pub(super) member: &'a Member,
    pub(super) what: &'static str,
    ask: F,
    pub(super) running: FuturesUnordered<BoxFuture<'a, (usize, Result<T, Failure>)>>,
    /// All that were made, in their order; without a ticket those that have ended.
    pub(super) attempts: Vec<Attempt>,
}

pub(super) struct Attempt {
    pub(super) line: usize,
    pub(super) begun: Instant,
    pub(super) ticket: Option<Ticket>,
    /// Of a second one at the same time: its own place among the node's requests.
    _place: Option<OwnedSemaphorePermit>,
}

impl<'a, T: 'a, F> Call<'_, 'a, T, F>
where
    F: Fn(Arc<dyn DocumentRepository>) -> Reading<'a, T>,
{
    async fn run(mut self, deadline: Instant) -> (Result<T, Ended>, Option<OwnedSemaphorePermit>) {
        let place = tokio::time::timeout_at(deadline, self.member.room.clone().acquire_owned());
        let Ok(Ok(place)) = place.await else {
            // All places are taken until the deadline: nobody was asked, so nobody is to blame.
            return (Err(Ended::Failed(PortError::Late)), None);
        };
        let ended = self.until(deadline).await;
        (ended, Some(place))
    }

    async fn until(&mut self, deadline: Instant) -> Result<T, Ended> {
        let Some((line, ticket)) = self.untried() else { return Err(Ended::Paused) };
        self.start(line, ticket, None);
        let hedge_after = Duration::from_millis(self.member.limits.hedge_after_ms);
        let mut hedge_at = (self.member.lines.len() > 1).then(|| Instant::now() + hedge_after);
        let mut again: Option<Again> = None;
        loop {
            tokio::select! {
                Some((attempt, result)) = self.running.next() => {
                    match self.settle(attempt, result) {
                        Ok(answer) => return Ok(answer),
                        Err(Next::Wait) => {}
                        Err(Next::AskAgain(next)) => again = Some(next),
                        Err(Next::Failed(_)) if again.is_some() => {}
                        Err(Next::Failed(error) | Next::End(error)) => {
                            return Err(Ended::Failed(error));
                        }
                    }
                }
                () = sleep_until(hedge_at.unwrap_or(deadline)), if hedge_at.is_some() => {
                    hedge_at = None;
                    self.hedge();
                }
                () = sleep_until(again.as_ref().map_or(deadline, |next| next.at)), if again.is_some() => {
                    let Some(Again { line, error, .. }) = again.take() else { continue };
                    match self.admitted(line).or_else(|| self.untried()) {
                        Some((line, ticket)) => self.start(line, ticket, None),
                        None if self.running.is_empty() => return Err(Ended::Failed(error)),
                        None => {}
                    }
                }
                () = sleep_until(deadline) => {
                    self.blame_the_silent();
                    return Err(Ended::Failed(PortError::Late));
                }
            }
        }
    }

    pub(super) fn start(
        &mut self,
        line: usize,
        ticket: Ticket,
        place: Option<OwnedSemaphorePermit>,
    ) {
        let attempt = self.attempts.len();
        let reading = (self.ask)(self.member.lines[line].repository.clone());
        self.running.push(reading.map(move |result| (attempt, result)).boxed());
        let ticket = Some(ticket);
        self.attempts.push(Attempt { line, begun: Instant::now(), ticket, _place: place });
    }

    /// Asks the other endpoint as well, where there is one and the node has a place free.
    fn hedge(&mut self) {
        if let Ok(place) = self.member.room.clone().try_acquire_owned()
            && let Some((line, ticket)) = self.untried()
        {
            self.start(line, ticket, Some(place));
        }
    }

    /// An endpoint that was not asked yet, the one that answered last before the others.
    pub(super) fn untried(&self) -> Option<(usize, Ticket)> {
        let count = self.member.lines.len();
        let first = self.member.preferred.load(Ordering::Relaxed);
        let mut order = (0..count).map(|n| (first + n) % count);
        order.find_map(|line| {
            let tried = self.attempts.iter().any(|attempt| attempt.line == line);
            if tried { None } else { self.admitted(line) }
        })
    }

    fn admitted(&self, line: usize) -> Option<(usize, Ticket)> {
        let ticket = self.member.lines[line].breaker.admit(self.federation.clock.now())?;
        Some((line, ticket))
    }
}

const PAUSED: &str = "it is left alone for a while, since it failed again and again";
