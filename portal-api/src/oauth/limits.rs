//! How often clients may ask.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// Counts of the minute, by client; of failures by address and the client that is named, so that nobody
/// can keep out a client by failing in its name elsewhere.
#[derive(Default)]
pub(super) struct Limits(Mutex<HashMap<Key, Minute>>);

#[derive(Clone, Eq, Hash, PartialEq)]
pub(super) enum Key {
    Client(String),
    Failures(Option<IpAddr>, String),
}

struct Minute {
    since: Timestamp,
    count: u32,
}

impl Limits {
    /// Counts one more; `false` when that is more than `most`.
    pub fn count(&self, key: Key, most: u32, now: Timestamp) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_KEYS {
            all.retain(|_, minute| !minute.is_over(now));
        }
        if all.len() >= MOST_KEYS && !all.contains_key(&key) {
            return false;
        }
        let minute = all.entry(key).or_insert(Minute { since: now, count: 0 });
        if minute.is_over(now) {
            *minute = Minute { since: now, count: 0 };
        }
        minute.count = minute.count.saturating_add(1);
        minute.count <= most
    }

    /// Whether there were more than `most` in this minute.
    pub fn is_over(&self, key: &Key, most: u32, now: Timestamp) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(key).is_some_and(|minute| !minute.is_over(now) && minute.count >= most)
    }
}

impl Minute {
    fn is_over(&self, now: Timestamp) -> bool {
        now.duration_since(self.since).abs() >= SignedDuration::from_mins(1)
    }
}

const MOST_KEYS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_so_many_and_the_next_one_again() {
        let limits = Limits::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        let ask = |id: &str, second| limits.count(Key::Client(id.to_owned()), 2, at(second));

        assert_eq!(
            [ask("a", 0), ask("a", 1), ask("a", 59), ask("b", 59)],
            [true, true, false, true]
        );
        assert!(ask("a", 60));
        let failed = Key::Failures(None, "a".to_owned());
        assert!(!limits.is_over(&failed, 1, at(60)));
        limits.count(failed.clone(), 1, at(60));
        assert!(limits.is_over(&failed, 1, at(60)) && !limits.is_over(&failed, 1, at(120)));
    }
}
