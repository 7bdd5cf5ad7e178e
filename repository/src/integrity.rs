//! What can be wrong with a stored document, and the alarm when something is.

use std::sync::Arc;

use carerecord_audit::{AuditEvent, AuditOutcome, DocumentRef};
use carerecord_model::{Clock, IdSource, RepositoryUniqueId};

use crate::Repository;
use crate::index::{Holding, Index};

/// What is wrong with a document of a node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The object is not in the store.
    Missing,
    /// The bytes are not those that were stored.
    Differs,
    /// The key that the object is encrypted with cannot be had.
    NoKey,
    /// The store failed while the object was read.
    Unreadable,
    /// The registry has no entry for the document at this node.
    NotRegistered,
    /// The registry's entry has another hash.
    RegisteredHash,
    /// The registry's entry has another size.
    RegisteredSize,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 7] = [
        Self::Missing,
        Self::Differs,
        Self::NoKey,
        Self::Unreadable,
        Self::NotRegistered,
        Self::RegisteredHash,
        Self::RegisteredSize,
    ];

    /// The word in tables, metrics and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Differs => "differs",
            Self::NoKey => "no-key",
            Self::Unreadable => "unreadable",
            Self::NotRegistered => "not-registered",
            Self::RegisteredHash => "registered-hash",
            Self::RegisteredSize => "registered-size",
        }
    }

    /// The fault with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.as_str() == word)
    }

    /// In words, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Missing => "the object is not in the store",
            Self::Differs => "the bytes are not those that were stored",
            Self::NoKey => "the key of the object cannot be had",
            Self::Unreadable => "the object store failed while the object was read",
            Self::NotRegistered => "the registry has no entry for it",
            Self::RegisteredHash => "the registry's entry has another hash",
            Self::RegisteredSize => "the registry's entry has another size",
        }
    }

    /// Whether these are other bytes than were stored or registered, so that nobody may be given
    /// them.
    pub(crate) fn quarantines(self) -> bool {
        matches!(self, Self::Differs | Self::RegisteredHash | Self::RegisteredSize)
    }
}

/// Tells of a damaged document: a metric, an audit record and a line of the log, none of them with
/// anything of the patient but the record.
#[derive(Clone)]
pub(crate) struct Alarm {
    index: Index,
    holding: Arc<Holding>,
    recorder: String,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl Alarm {
    pub(crate) fn new(
        node: &RepositoryUniqueId,
        index: Index,
        holding: &Holding,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        let recorder = format!("node {node}");
        Self { index, holding: Arc::new(holding.clone()), recorder, clock, ids }
    }

    /// Tells of it and takes damaged bytes out of use. A database that fails is told of as well;
    /// the document is refused in any case.
    pub(crate) async fn raise(&self, fault: Fault, found_by: &'static str) {
        let holding = &self.holding;
        let object = holding.object.key.as_str();
        tracing::error!(fault = fault.as_str(), object, found_by, "a stored document is damaged");
        metrics::counter!(FAULTS, "fault" => fault.as_str()).increment(1);
        let now = self.clock.now();
        let mut event = AuditEvent::incoming(self.ids.ordered(), now, &self.recorder, "process");
        event.interaction = "integrity alarm".to_owned();
        event.request = found_by.to_owned();
        event.outcome = AuditOutcome::Failed;
        event.subject = holding.entry.patient_id.nhs_number();
        event.documents = vec![DocumentRef {
            id: holding.unique_id.to_string(),
            hash: Some(holding.object.sha1.clone()),
        }];
        event.error = Some(fault.words().to_owned());
        let quarantine = fault.quarantines();
        if let Err(error) = self.index.note_fault(holding, quarantine, now, event).await {
            tracing::error!(%error, object, "a damaged document could not be noted");
        }
    }
}

impl Repository {
    pub(crate) fn alarm(&self, holding: &Holding) -> Alarm {
        let (clock, ids) = (self.clock.clone(), self.ids.clone());
        Alarm::new(&self.config.repository_unique_id, self.index.clone(), holding, clock, ids)
    }
}

/// Damaged documents that were found, by `fault`.
const FAULTS: &str = "repository_integrity_faults_total";
