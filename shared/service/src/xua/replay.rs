//! Which assertions were used, until they end.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use carerecord_codec::saml::SamlError;
use jiff::{SignedDuration, Timestamp};

use super::Peer;

/// The assertions in use, by issuer and id. Kept by the process: one that restarts has forgotten.
pub(crate) struct Used {
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    all: HashMap<(String, String), Use>,
    swept_at: Option<Timestamp>,
}

struct Use {
    until: Timestamp,
    /// Whose it is from now on; `None` when it may not be used again.
    by: Option<Peer>,
}

impl Used {
    pub fn new(most: usize) -> Self {
        Self { most, state: Mutex::default() }
    }

    /// Notes that `peer` uses an assertion that is remembered `until` then.
    ///
    /// # Errors
    /// `Replayed` when it may not; `MemoryFull`.
    pub fn note(
        &self,
        issuer: &str,
        id: &str,
        once: bool,
        peer: &Peer,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), SamlError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (issuer.to_owned(), id.to_owned());
        if let Some(earlier) = state.all.get(&key).filter(|u| u.until > now) {
            let same = !once && earlier.by.as_ref().is_some_and(|by| by.is_same(peer));
            return if same { Ok(()) } else { Err(SamlError::Replayed) };
        }
        let due = state.swept_at.is_none_or(|at| now.duration_since(at).abs() >= SWEEP_EVERY);
        if due || state.all.len() >= self.most {
            state.all.retain(|_, u| u.until > now);
            state.swept_at = Some(now);
        }
        if state.all.len() >= self.most {
            return Err(SamlError::MemoryFull);
        }
        let by = (!once).then(|| peer.clone());
        state.all.insert(key, Use { until, by });
        Ok(())
    }
}

const SWEEP_EVERY: SignedDuration = SignedDuration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> Peer {
        Peer { address: address.parse().ok(), certificate: None }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn an_assertion_belongs_to_who_used_it_first() {
        let used = Used::new(10);
        let note = |id, once, who, now| used.note("i", id, once, &peer(who), at(100), at(now));

        assert_eq!(note("a", false, "10.0.0.1", 1), Ok(()));
        assert_eq!(note("a", false, "10.0.0.1", 2), Ok(()));
        assert_eq!(note("a", false, "10.0.0.2", 2), Err(SamlError::Replayed));
        assert_eq!(note("b", true, "10.0.0.1", 1), Ok(()));
        assert_eq!(note("b", true, "10.0.0.1", 2), Err(SamlError::Replayed));
        assert_eq!(note("b", false, "10.0.0.1", 2), Err(SamlError::Replayed));
        assert_eq!(used.note("j", "b", true, &peer("10.0.0.1"), at(100), at(2)), Ok(()));
    }

    #[test]
    fn nobody_is_the_same_as_a_peer_that_cannot_be_told() {
        let used = Used::new(10);
        let unknown = Peer { address: None, certificate: None };
        let note = |peer: &Peer| used.note("i", "a", false, peer, at(100), at(1));

        assert_eq!(note(&unknown), Ok(()));
        assert_eq!(note(&unknown), Err(SamlError::Replayed));
    }

    #[test]
    fn what_has_ended_makes_room() {
        let used = Used::new(2);
        let note = |id, until, now| used.note("i", id, true, &peer("10.0.0.1"), at(until), at(now));

        assert_eq!(note("a", 100, 1), Ok(()));
        assert_eq!(note("b", 50, 1), Ok(()));
        assert_eq!(note("c", 100, 2), Err(SamlError::MemoryFull));
        assert_eq!(note("c", 100, 50), Ok(()));
        assert_eq!(note("a", 100, 60), Err(SamlError::Replayed));
    }
}
