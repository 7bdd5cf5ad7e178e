//! What is in records as the registry told it last. Each is asked about again for every use, and taken
//! from here only when the registry says that it is still in this state: what is committed is in the next
//! answer, and whoever asks is decided about each time. What patients say is never kept.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use carerecord_access::{PatientRecord, PatientRecords};
use carerecord_model::{FoundObjects, NhsNumber, OnBehalf, PortError};
use carerecord_registry::{LocalRegistry, RecordAnswer};
use moka::sync::Cache;

/// Kept by the number that was asked for. Clones share them.
#[derive(Clone)]
pub(crate) struct KeptRecords(Cache<NhsNumber, Kept>);

/// A record in one state.
#[derive(Clone)]
pub(crate) struct Kept {
    /// What tells this state from every other.
    pub state: String,
    found: Arc<FoundObjects>,
    /// In MessagePack.
    bytes: usize,
}

impl KeptRecords {
    pub(crate) fn new() -> Self {
        let weight = |_: &NhsNumber, kept: &Kept| {
            u32::try_from(kept.bytes.saturating_mul(IN_MEMORY)).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(MOST_BYTES).weigher(weight).time_to_idle(IDLE).build())
    }

    pub(crate) fn get(&self, patient: NhsNumber) -> Option<Kept> {
        self.0.get(&patient)
    }

    /// The record that the registry told of, which was asked with the state of `kept`. `bytes` is how
    /// long what it tells is in MessagePack.
    ///
    /// # Errors
    /// When it takes a state for known that is not.
    pub(crate) fn taken(
        &self,
        patient: NhsNumber,
        kept: Option<Kept>,
        told: RecordAnswer,
        bytes: usize,
    ) -> Result<PatientRecord, PortError> {
        let found = match (told.found, kept) {
            (Some(found), _) => {
                let found = Arc::new(found);
                if let Some(state) = told.state {
                    self.0.insert(patient, Kept { state, found: found.clone(), bytes });
                }
                found
            }
            (None, Some(kept)) if told.state.as_ref() == Some(&kept.state) => kept.found,
            (None, _) => {
                return Err(PortError::Protocol("the state of the record was not known".into()));
            }
        };
        let (person, facts) = (told.person, told.facts);
        Ok(PatientRecord { person, facts, found: Arc::unwrap_or_clone(found) })
    }
}

/// The records of a registry in this process.
pub(crate) struct LocalRecords {
    registry: LocalRegistry,
    kept: KeptRecords,
}

impl LocalRecords {
    pub(crate) fn new(registry: LocalRegistry) -> Self {
        Self { registry, kept: KeptRecords::new() }
    }
}

#[async_trait]
impl PatientRecords for LocalRecords {
    async fn patient_record(
        &self,
        patient: NhsNumber,
        _: &dyn OnBehalf,
    ) -> Result<PatientRecord, PortError> {
        let kept = self.kept.get(patient);
        let known = kept.as_ref().map(|kept| kept.state.as_str());
        let told = self.registry.patient_record(patient, known).await?;
        let bytes = told.found.as_ref().map_or(0, carerecord_registry::packed_length);
        self.kept.taken(patient, kept, told, bytes)
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
    use carerecord_access::PatientFacts;

    use super::*;

    fn told(patient: NhsNumber, state: &str, found: Option<FoundObjects>) -> RecordAnswer {
        let facts = PatientFacts { patient, consents: Vec::new(), relationships: Vec::new() };
        RecordAnswer { person: None, facts, state: Some(state.to_owned()), found }
    }

    #[test]
    fn the_last_state_counts_and_what_is_too_large_is_not_kept() {
        let patient: NhsNumber = "9990001146".parse().unwrap();
        let records = KeptRecords::new();
        let whole = |state| told(patient, state, Some(FoundObjects::default()));
        records.taken(patient, None, whole("a"), 10).unwrap();
        records.taken(patient, None, whole("b"), 10).unwrap();

        let kept = records.get(patient);
        assert_eq!(kept.as_ref().unwrap().state, "b");
        assert!(records.taken(patient, kept.clone(), told(patient, "b", None), 0).is_ok());
        assert!(records.taken(patient, kept, told(patient, "a", None), 0).is_err());
        assert!(records.taken(patient, None, told(patient, "b", None), 0).is_err());

        records.taken(patient, None, whole("c"), 40 << 20).unwrap();
        records.0.run_pending_tasks();
        assert!(records.get(patient).is_none());
    }
}
