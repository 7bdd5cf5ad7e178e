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

/// What to do after a failure.
enum Next {
    Wait,
    AskAgain { line: usize, at: Instant },
    End(PortError),
}

struct Call<'c, 'a, T, F> {
    federation: &'c Federation,
    member: &'a Member,
    what: &'static str,
    ask: F,
    running: FuturesUnordered<BoxFuture<'a, (usize, Result<T, Failure>)>>,
    /// All that were made, in their order; without a ticket those that have ended.
    attempts: Vec<Attempt>,
}

struct Attempt {
    line: usize,
    begun: Instant,
    ticket: Option<Ticket>,
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
        let mut again: Option<(usize, Instant)> = None;
        loop {
            tokio::select! {
                Some((attempt, result)) = self.running.next() => {
                    match self.settle(attempt, result) {
                        Ok(answer) => return Ok(answer),
                        Err(Next::Wait) => {}
                        Err(Next::AskAgain { line, at }) => again = Some((line, at)),
                        Err(Next::End(error)) if again.is_none() => {
                            return Err(Ended::Failed(error));
                        }
                        Err(Next::End(_)) => {}
                    }
                }
                () = sleep_until(hedge_at.unwrap_or(deadline)), if hedge_at.is_some() => {
                    hedge_at = None;
                    self.hedge();
                }
                () = sleep_until(again.map_or(deadline, |(_, at)| at)), if again.is_some() => {
                    let line = again.take().map_or(0, |(line, _)| line);
                    match self.admitted(line).or_else(|| self.untried()) {
                        Some((line, ticket)) => self.start(line, ticket, None),
                        None if self.running.is_empty() => return Err(Ended::Paused),
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

    fn start(&mut self, line: usize, ticket: Ticket, place: Option<OwnedSemaphorePermit>) {
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
    fn untried(&self) -> Option<(usize, Ticket)> {
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

    /// Takes what an attempt came to.
    fn settle(&mut self, attempt: usize, result: Result<T, Failure>) -> Result<T, Next> {
        let Attempt { line, ticket, .. } = &mut self.attempts[attempt];
        let (line, ticket) = (*line, ticket.take());
        let failure = match result {
            Ok(answer) => {
                self.member.preferred.store(line, Ordering::Relaxed);
                ticket.map(Ticket::succeeded).unwrap_or_default();
                metrics::show_breaker(self.member, line);
                return Ok(answer);
            }
            Err(failure) => failure,
        };
        let meaning = Meaning::of(&failure.error);
        match ticket {
            Some(ticket) if meaning.failed && failure.of_endpoint => {
                ticket.failed(self.federation.clock.now());
            }
            Some(ticket) if meaning.state == SourceState::Answered => ticket.succeeded(),
            Some(_) | None => {}
        }
        metrics::show_breaker(self.member, line);
        if meaning.state != SourceState::Answered {
            let (node, endpoint) = (&self.member.id, self.member.lines[line].address());
            let reason = &failure.error;
            tracing::warn!(%node, endpoint, what = self.what, %reason, "a source did not serve");
        }
        Err(self.next(line, meaning, failure))
    }

    fn next(&mut self, line: usize, meaning: Meaning, failure: Failure) -> Next {
        let limits = &self.member.limits;
        let made = self.attempts.len() as u32;
        if made < limits.attempts {
            if meaning.elsewhere
                && let Some((line, ticket)) = self.untried()
            {
                self.start(line, ticket, None);
                return Next::Wait;
            }
            if meaning.here && failure.of_endpoint {
                let wait = limits.retry_after_ms.saturating_mul(1 << (made - 1).min(16));
                return Next::AskAgain { line, at: Instant::now() + self.varied(wait) };
            }
        }
        let final_word = !meaning.here && !meaning.elsewhere;
        if self.running.is_empty() || final_word { Next::End(failure.error) } else { Next::Wait }
    }

    /// Between half and one and a half of so many milliseconds.
    fn varied(&self, ms: u64) -> Duration {
        let random = u64::from(self.federation.ids.random().as_bytes()[0]);
        Duration::from_millis(ms / 2 + ms * random / 255)
    }

    /// At the deadline: whoever had the better part of it and said nothing has failed.
    fn blame_the_silent(&mut self) {
        let now = self.federation.clock.now();
        let mut silent = Vec::new();
        for attempt in &mut self.attempts {
            if attempt.begun.elapsed() * 2 >= self.member.deadline
                && let Some(ticket) = attempt.ticket.take()
            {
                ticket.failed(now);
                silent.push(attempt.line);
            }
        }
        for line in silent {
            metrics::show_breaker(self.member, line);
            let (node, endpoint) = (&self.member.id, self.member.lines[line].address());
            tracing::warn!(%node, endpoint, what = self.what, "a source did not answer in time");
        }
    }
}

const PAUSED: &str = "it is left alone for a while, since it failed again and again";
