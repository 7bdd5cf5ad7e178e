use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use carerecord_fhir::SourceState;
use carerecord_model::{DocumentRepository, PortError};
use tokio::time::Instant;

use super::breaker::Ticket;
use super::call::{Attempt, Call, Failure, Reading};
use super::metrics;
use super::state::Meaning;

/// What to do after a failure.
pub(super) enum Next {
    /// Others are being asked.
    Wait,
    /// The same endpoint may do better in a moment.
    AskAgain(Again),
    /// This endpoint will not do better, and no other is being asked.
    Failed(PortError),
    /// It is the node's last word.
    End(PortError),
}

pub(super) struct Again {
    pub(super) line: usize,
    pub(super) at: Instant,
    /// Why.
    pub(super) error: PortError,
}

impl<'a, T: 'a, F> Call<'_, 'a, T, F>
where
    F: Fn(Arc<dyn DocumentRepository>) -> Reading<'a, T>,
{
    /// Takes what an attempt came to.
    pub(super) fn settle(&mut self, attempt: usize, result: Result<T, Failure>) -> Result<T, Next> {
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
        let error = failure.error;
        if !meaning.here && !meaning.elsewhere {
            return Next::End(error);
        }
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
                let at = Instant::now() + self.varied(wait);
                return Next::AskAgain(Again { line, at, error });
            }
        }
        if self.running.is_empty() { Next::Failed(error) } else { Next::Wait }
    }

    /// Between half and one and a half of so many milliseconds.
    fn varied(&self, ms: u64) -> Duration {
        let random = u64::from(self.federation.ids.random().as_bytes()[0]);
        Duration::from_millis(ms / 2 + ms * random / 255)
    }

    /// At the deadline: whoever had the better part of it and said nothing has failed.
    pub(super) fn blame_the_silent(&mut self) {
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
