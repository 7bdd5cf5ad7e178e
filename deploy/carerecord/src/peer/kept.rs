//! What is in records as the registry told it last. Each is asked about again for every use, and taken
//! from here only when the registry says that it is still in this state: what is committed is in the next
//! answer, and whoever asks is decided about, and noted in the registry's log, each time. What patients say
//! is never kept.

use std::sync::Arc;
use std::time::Duration;

use carerecord_model::{FoundObjects, NhsNumber};
use moka::sync::Cache;

/// Kept by the number that was asked for. Clones share them.
#[derive(Clone)]
pub(super) struct KeptRecords(Cache<NhsNumber, Kept>);

/// A record in one state.
#[derive(Clone)]
pub(super) struct Kept {
    /// What tells this state from every other.
    pub state: String,
    pub found: Arc<FoundObjects>,
    /// In MessagePack.
    pub bytes: usize,
}

impl KeptRecords {
    pub(super) fn new() -> Self {
        let weight = |_: &NhsNumber, kept: &Kept| {
            u32::try_from(kept.bytes.saturating_mul(IN_MEMORY)).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(MOST_BYTES).weigher(weight).time_to_idle(IDLE).build())
    }

    pub(super) fn get(&self, patient: NhsNumber) -> Option<Kept> {
        self.0.get(&patient)
    }

    pub(super) fn keep(&self, patient: NhsNumber, kept: Kept) {
        self.0.insert(patient, kept);
    }
}

/// How much more a record takes as objects than in MessagePack, about.
const IN_MEMORY: usize = 3;
/// Of all records.
const MOST_BYTES: u64 = 96 << 20;
/// Nobody has asked for it so long.
const IDLE: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(state: &str, bytes: usize) -> Kept {
        Kept { state: state.to_owned(), found: Arc::default(), bytes }
    }

    #[test]
    fn the_last_state_counts_and_what_is_too_large_is_not_kept() {
        let patient: NhsNumber = "9990001146".parse().unwrap();
        let records = KeptRecords::new();
        records.keep(patient, kept("a", 10));
        records.keep(patient, kept("b", 10));

        assert_eq!(records.get(patient).unwrap().state, "b");

        records.keep(patient, kept("c", 40 << 20));
        records.0.run_pending_tasks();
        assert!(records.get(patient).is_none());
    }
}
