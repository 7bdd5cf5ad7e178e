use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::NodeLimits;

/// Leaves an endpoint alone that fails again and again: *closed*, everything goes through; *open*
/// after so many failures in a row, nothing does; *half-open* when the pause is over, one request
/// tries it, and its outcome closes or opens the breaker.
pub(super) struct Breaker {
    failures: u32,
    pause: SignedDuration,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Closed {
        /// In a row.
        failures: u32,
    },
    Open {
        since: Timestamp,
        /// Whether a request is trying it.
        tried: bool,
    },
}

/// Leave to ask an endpoint once. Whoever has it says what became of it; one that is dropped
/// without a word counts as neither.
pub(super) struct Ticket {
    breaker: Arc<Breaker>,
    trial: bool,
}

impl Breaker {
    pub(super) fn new(limits: &NodeLimits) -> Self {
        let pause = i64::try_from(limits.breaker_pause_ms).unwrap_or(i64::MAX);
        Self {
            failures: limits.breaker_failures,
            pause: SignedDuration::from_millis(pause),
            state: Mutex::new(State::Closed { failures: 0 }),
        }
    }

    /// Leave to ask, unless the endpoint is paused.
    pub(super) fn admit(self: &Arc<Self>, now: Timestamp) -> Option<Ticket> {
        let mut state = self.state();
        let trial = match &mut *state {
            State::Closed { .. } => false,
            State::Open { tried: true, .. } => return None,
            State::Open { since, tried } => {
                let waited = now.duration_since(*since);
                // A clock that was set back must not keep an endpoint out for ever.
                if (SignedDuration::ZERO..self.pause).contains(&waited) {
                    return None;
                }
                *tried = true;
                true
            }
        };
        Some(Ticket { breaker: self.clone(), trial })
    }

    /// Whether the next request would be turned away.
    pub(super) fn is_open(&self) -> bool {
        matches!(*self.state(), State::Open { .. })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// The endpoint works.
    pub(super) fn succeeded(mut self) {
        self.trial = false;
        *self.breaker.state() = State::Closed { failures: 0 };
    }

    /// The endpoint does not.
    pub(super) fn failed(mut self, now: Timestamp) {
        let mut state = self.breaker.state();
        *state = match *state {
            State::Closed { failures } if failures + 1 < self.breaker.failures => {
                State::Closed { failures: failures + 1 }
            }
            State::Closed { .. } => State::Open { since: now, tried: false },
            State::Open { .. } if self.trial => State::Open { since: now, tried: false },
            // One that was asked before the pause began says nothing new.
            open @ State::Open { .. } => open,
        };
        drop(state);
        self.trial = false;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.trial {
            return;
        }
        if let State::Open { tried, .. } = &mut *self.breaker.state() {
            *tried = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Arc<Breaker> {
        let limits =
            NodeLimits { breaker_failures: 3, breaker_pause_ms: 1_000, ..NodeLimits::default() };
        Arc::new(Breaker::new(&limits))
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap()
    }

    fn fail(breaker: &Arc<Breaker>, times: u32, ms: i64) {
        for _ in 0..times {
            breaker.admit(at(ms)).expect("it is closed").failed(at(ms));
        }
    }

    #[test]
    fn it_opens_after_failures_in_a_row_only() {
        let breaker = breaker();

        fail(&breaker, 2, 0);
        breaker.admit(at(1)).unwrap().succeeded();
        fail(&breaker, 2, 2);
        assert!(!breaker.is_open());
        fail(&breaker, 1, 3);

        assert!(breaker.is_open());
        assert!(breaker.admit(at(3)).is_none());
        assert!(breaker.admit(at(1_002)).is_none(), "the pause is not over");
    }

    #[test]
    fn when_the_pause_is_over_one_request_tries_it() {
        let breaker = breaker();
        fail(&breaker, 3, 0);

        let trial = breaker.admit(at(1_000)).expect("half-open");
        assert!(breaker.admit(at(1_000)).is_none(), "one is enough");
        trial.failed(at(1_100));
        assert!(breaker.admit(at(2_000)).is_none(), "paused again from the failure on");

        breaker.admit(at(2_100)).expect("half-open").succeeded();
        assert!(!breaker.is_open());
        fail(&breaker, 2, 2_200);
        assert!(breaker.admit(at(2_200)).is_some(), "it counts from nothing");
    }

    #[test]
    fn a_trial_that_is_given_up_leaves_room_for_the_next() {
        let breaker = breaker();
        fail(&breaker, 3, 0);

        drop(breaker.admit(at(1_000)).unwrap());

        assert!(breaker.admit(at(1_001)).is_some());
    }

    #[test]
    fn requests_from_before_the_pause_neither_prolong_it_nor_count_as_its_trial() {
        let breaker = breaker();
        let early = [breaker.admit(at(0)).unwrap(), breaker.admit(at(0)).unwrap()];
        fail(&breaker, 3, 0);
        let [late, lost] = early;

        late.failed(at(900));
        let trial = breaker.admit(at(1_000)).expect("the pause is over");
        drop(lost);

        assert!(breaker.admit(at(1_000)).is_none(), "the trial goes on");
        drop(trial);
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_keep_an_endpoint_out() {
        let breaker = breaker();
        fail(&breaker, 3, 100_000);

        assert!(breaker.admit(at(0)).is_some());
    }
}
