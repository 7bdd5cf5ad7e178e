//! What changes the registry, each transaction in one database transaction: registration (ITI-42,
//! ITI-61), update (ITI-57, ITI-92), removal of metadata (ITI-62).

mod extra;
mod ids;
mod register;
mod remove;
mod update;
pub(crate) mod validate;

use std::sync::Arc;

use carerecord_audit::AuditEvent;
use carerecord_model::{IdSource, RegistryErrors, Submission};
use carerecord_storage::StoreError;
use jiff::Timestamp;

pub(crate) use register::{Prepared, register_all};
pub(crate) use update::UpdateKind;

use crate::codes::Findings;

/// A submission with what its transaction needs around it.
pub(crate) struct Request {
    pub submission: Submission,
    pub now: Timestamp,
    pub ids: Arc<dyn IdSource>,
    pub accept_unknown: bool,
    /// Codes that the affinity domain has not. A repeat is answered whatever they are.
    pub codes: Findings,
    /// Committed with it; `None` where one record tells of many.
    pub audit: Option<AuditEvent>,
}

/// Why nothing was changed.
#[derive(Debug)]
pub(crate) enum SubmitError {
    Refused(RegistryErrors),
    Store(StoreError),
}

impl From<StoreError> for SubmitError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
