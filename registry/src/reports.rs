//! What sources have sent to the registry: counted out of its record of messages, with what its store
//! knows of their codes and entries.

use async_trait::async_trait;
use carerecord_audit::{
    AuditLog, AuditPage, AuditQuestion, AuditSource, FeedQuestion, FeedReport, UnmappedUse,
};
use carerecord_model::PortError;
use carerecord_storage::StoreError;

use crate::{Store, UnmappedCode};

/// The registry's log, for the portal in the same process or behind a door.
#[derive(Clone)]
pub struct RegistryLog {
    log: AuditLog,
    store: Store,
}

impl RegistryLog {
    /// The log and the store of one registry.
    pub fn new(log: AuditLog, store: Store) -> Self {
        Self { log, store }
    }

    pub(crate) async fn report(&self, question: &FeedQuestion) -> Result<FeedReport, StoreError> {
        let mut report = self.log.feeds(question).await?;
        let unmapped = self.store.unmapped_codes().await?;
        report.unmapped = unmapped.into_iter().take(MOST_CODES).map(used).collect();
        report.missing = self.store.missing_attributes().await?;
        Ok(report)
    }
}

fn used(code: UnmappedCode) -> UnmappedUse {
    let UnmappedCode { source_id, attribute, code, scheme, uses, last_used } = code;
    UnmappedUse { source_id, attribute, code, scheme, uses, last_used }
}

#[async_trait]
impl AuditSource for RegistryLog {
    async fn look(&self, question: &AuditQuestion) -> Result<AuditPage, PortError> {
        self.log.look(question).await
    }

    async fn feeds(&self, question: &FeedQuestion) -> Result<FeedReport, PortError> {
        self.report(question).await.map_err(|error| PortError::Unavailable(error.to_string()))
    }
}

/// Of one report: enough to see what to map first.
const MOST_CODES: usize = 1_000;
