//! How often clients may ask.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// Counts of the minute, by client; of failures by address and the client that is named, so that nobody
/// can keep out a client by failing in its name elsewhere. When there are more than can be told apart,
/// those who are known are let in all the same.
#[derive(Default)]
pub(super) struct Limits(Mutex<HashMap<Key, Minute>>);

#[derive(Clone, Eq, Hash, PartialEq)]
pub(super) enum Key {
    Client(String),
    /// Of a client that anybody can name, by address.
    Public(Option<IpAddr>, String),
    /// Of a person who lets apps act.
    Codes(String),
    /// In the name of a client that is known.
    Failures(Option<IpAddr>, String),
    /// In any other name: of those there is no end.
    Strangers(Option<IpAddr>),
}

struct Minute {
    since: Timestamp,
    count: u32,
}

impl Limits {
    /// Counts one more; `false` when that is more than `most`.
    pub fn count(&self, mut key: Key, most: u32, now: Timestamp) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_KEYS {
            all.retain(|_, minute| !minute.is_over(now));
        }
        if all.len() >= MOST_KEYS && !all.contains_key(&key) {
            key = match key {
                Key::Failures(..) | Key::Strangers(_) => return false,
                Key::Public(_, id) => Key::Public(None, id),
                Key::Client(_) | Key::Codes(_) => key,
            };
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

    #[test]
    fn whoever_makes_up_names_or_addresses_keeps_out_nobody_who_is_known() {
        let limits = Limits::default();
        let now = Timestamp::UNIX_EPOCH;
        let address = |n: u32| Some(IpAddr::from(n.to_be_bytes()));
        for n in 0..10_100 {
            limits.count(Key::Strangers(address(n)), 1, now);
        }

        assert_eq!(limits.0.lock().unwrap().len(), MOST_KEYS);
        let public = |n| limits.count(Key::Public(address(n), "p".to_owned()), 2, now);
        assert_eq!([public(1), public(2), public(3)], [true, true, false], "counted together");
        assert!(limits.count(Key::Client("a".to_owned()), 1, now));
        assert!(limits.count(Key::Codes("u".to_owned()), 1, now));
        assert!(!limits.count(Key::Failures(address(1), "p".to_owned()), 1, now));
        let later = Timestamp::from_second(60).unwrap();
        assert!(limits.count(Key::Strangers(address(20_000)), 1, later));
        assert_eq!(limits.0.lock().unwrap().len(), 1, "the minute is over");
    }
}
