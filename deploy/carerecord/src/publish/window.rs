//! How many submissions are under way at once: one more for each round that the node answers, half
//! as many when it is overloaded.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// The places for submissions that are under way.
pub struct Window {
    most: f64,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    /// How many may be under way; from 1 to `most`.
    limit: f64,
    under_way: usize,
    /// The node wants to be left alone until then.
    not_before: Instant,
    /// What began before then tells nothing new of an overload.
    lowered: Instant,
    /// How many submissions the node has answered.
    answered: u64,
    last_answer: Instant,
    highest: f64,
    lowest_after_busy: Option<f64>,
}

/// A place of a submission that is under way. Dropped, it is free again.
pub struct Place<'a> {
    window: &'a Window,
    begun: Instant,
}

impl Window {
    /// For at most so many, one at least.
    pub fn new(most: usize) -> Self {
        let (most, now) = (most.max(1) as f64, Instant::now());
        let limit = most.min(FIRST);
        let state = State {
            limit,
            under_way: 0,
            not_before: now,
            lowered: now,
            answered: 0,
            last_answer: now,
            highest: limit,
            lowest_after_busy: None,
        };
        Self { most, state: Mutex::new(state), changed: Notify::new() }
    }

    /// Waits for a place.
    pub async fn enter(&self) -> Place<'_> {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on no change goes unheard.
            changed.as_mut().enable();
            let pause = match self.try_enter(Instant::now()) {
                Ok(place) => return place,
                Err(pause) => pause,
            };
            match pause {
                Some(until) => tokio::select! {
                    () = tokio::time::sleep_until(until) => {}
                    () = changed => {}
                },
                None => changed.await,
            }
        }
    }

    /// A place, or until when there is none for sure.
    fn try_enter(&self, now: Instant) -> Result<Place<'_>, Option<Instant>> {
        let mut state = self.state();
        if now < state.not_before {
            return Err(Some(state.not_before));
        }
        if state.under_way as f64 >= state.limit.floor() {
            return Err(None);
        }
        state.under_way += 1;
        Ok(Place { window: self, begun: now })
    }

    /// How many may be under way just now.
    pub fn limit(&self) -> usize {
        self.state().limit as usize
    }

    /// The most that were allowed, and the fewest after the node was busy.
    pub fn extremes(&self) -> (usize, Option<usize>) {
        let state = self.state();
        (state.highest as usize, state.lowest_after_busy.map(|l| l as usize))
    }

    /// How many submissions the node has answered, and when the last one.
    pub fn answered(&self) -> (u64, Instant) {
        let state = self.state();
        (state.answered, state.last_answer)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// The node has answered, whatever it said of the document.
    pub fn answered(self) {
        let mut state = self.window.state();
        state.limit = (state.limit + 1.0 / state.limit).min(self.window.most);
        state.highest = state.highest.max(state.limit);
        state.answered += 1;
        state.last_answer = Instant::now();
    }

    /// The node is overloaded or away, and wants to be left alone for a time. Those that were sent
    /// side by side tell of one overload, not of many.
    pub fn busy(self, pause: Option<Duration>) {
        let (mut state, now) = (self.window.state(), Instant::now());
        if self.begun >= state.lowered {
            state.limit = (state.limit / 2.0).max(1.0);
            state.lowered = now;
            let lowest = state.lowest_after_busy.map_or(state.limit, |l| l.min(state.limit));
            state.lowest_after_busy = Some(lowest);
        }
        let until = now + pause.unwrap_or_default().min(LONGEST_PAUSE);
        state.not_before = state.not_before.max(until);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.window.state().under_way -= 1;
        self.window.changed.notify_waiters();
    }
}

/// How many are under way at first.
const FIRST: f64 = 2.0;
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn enter(window: &Window) -> Option<Place<'_>> {
        window.enter().now_or_never()
    }

    fn fill(window: &Window) -> Vec<Place<'_>> {
        std::iter::from_fn(|| enter(window)).collect()
    }

    #[tokio::test]
    async fn there_is_one_more_for_each_round_and_half_as_many_for_an_overload() {
        let window = Window::new(8);
        let rounds: Vec<usize> = (0..12)
            .map(|_| {
                let round = fill(&window);
                let count = round.len();
                round.into_iter().for_each(Place::answered);
                count
            })
            .collect();
        assert_eq!(rounds[0], 2);
        assert!(rounds.windows(2).all(|w| w[1] == w[0] || w[1] == w[0] + 1), "{rounds:?}");
        assert_eq!(rounds.last(), Some(&8));

        fill(&window).into_iter().for_each(|place| place.busy(None));
        assert_eq!(window.limit(), 4, "a round tells of one overload");
        for expected in [2, 1, 1] {
            fill(&window).into_iter().for_each(|place| place.busy(None));
            assert_eq!(window.limit(), expected);
        }
        assert_eq!(window.extremes(), (8, Some(1)));
    }

    #[tokio::test]
    async fn a_node_that_wants_to_be_left_alone_is() {
        let window = Window::new(8);
        enter(&window).unwrap().busy(Some(Duration::from_millis(60)));
        let begun = Instant::now();

        assert!(enter(&window).is_none());
        let place = window.enter().await;

        assert!(begun.elapsed() >= Duration::from_millis(55), "{:?}", begun.elapsed());
        drop(place);
    }

    #[tokio::test]
    async fn a_place_that_is_freed_is_taken_by_who_waits() {
        let window = Window::new(1);
        let first = window.enter().await;
        let waiting = window.enter();
        let mut waiting = std::pin::pin!(waiting);
        assert!(futures_util::poll!(&mut waiting).is_pending());

        drop(first);

        assert!(futures_util::poll!(&mut waiting).is_ready());
    }
}
