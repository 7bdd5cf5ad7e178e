//! Limits of documents and of bytes a second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Something that may happen so often a second, evenly.
pub struct Pace {
    per_second: Option<f64>,
    /// When the next one may happen.
    next: Mutex<Instant>,
}

impl Pace {
    /// Without a rate there is no limit.
    pub fn new(per_second: Option<f64>) -> Self {
        Self { per_second, next: Mutex::new(Instant::now()) }
    }

    /// Takes so much of what may happen; when that is.
    pub fn take(&self, amount: u64) -> Instant {
        let now = Instant::now();
        let Some(per_second) = self.per_second else { return now };
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let then = (*next).max(now);
        let took = Duration::try_from_secs_f64(amount as f64 / per_second);
        *next = then + took.unwrap_or(LONGEST).min(LONGEST);
        then
    }
}

const LONGEST: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_limit_happens_evenly() {
        let pace = Pace::new(Some(50.0));
        let first = pace.take(1);

        let last = (0..100).map(|_| pace.take(1)).last().unwrap();

        assert_eq!(last - first, Duration::from_secs(2));
        let heavy = Pace::new(Some(1000.0));
        let begun = heavy.take(5000);
        assert_eq!(heavy.take(1) - begun, Duration::from_secs(5));
    }

    #[test]
    fn without_a_rate_there_is_no_limit() {
        let pace = Pace::new(None);

        assert!((0..1000).all(|_| pace.take(u64::MAX) <= Instant::now()));
    }
}
