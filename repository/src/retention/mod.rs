//! How long documents are kept, what is held, and the way to destruction: due by a rule, approved by
//! a person, taken away from everybody, and after a grace destroyed with a certificate.
//! `docs/retention.md`.

mod disposal;
mod facts;
mod hold;
mod purge;
mod review;
mod rules;
#[cfg(test)]
mod tests;
mod withdraw;

use std::sync::Arc;

use carerecord_audit::{AuditActor, AuditEvent};
use carerecord_model::{Clock, IdSource, PatientDirectory, PortError};
use carerecord_storage::{Database, StoreError};

use crate::objects::{ObjectError, Objects};

pub use disposal::Certificate;
pub(crate) use disposal::{Disposal, remove_in};
pub use hold::{HoldScope, LegalHold};
pub use purge::Purged;
pub use review::{Approval, Assessment};
pub use rules::{Due, RetentionRules, RetentionRulesError};

/// The retention of one node: for its operators, and for the node itself.
#[derive(Clone)]
pub struct Retention {
    database: Database,
    objects: Objects,
    patients: Arc<dyn PatientDirectory>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    recorder: String,
}

/// What retention works on.
pub struct RetentionParts {
    /// The node's database.
    pub database: Database,
    /// The node's bytes.
    pub objects: Objects,
    /// Births, deaths and merges.
    pub patients: Arc<dyn PatientDirectory>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids of audit records.
    pub ids: Arc<dyn IdSource>,
    /// The node's name in audit records.
    pub recorder: String,
}

/// Why something was not done. What is not done is kept.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// The node's database failed.
    #[error("the node's database failed")]
    Store(#[from] StoreError),
    /// The object store failed.
    #[error("bytes could not be removed: {0}")]
    Objects(String),
    /// The registry could not be asked, or refused.
    #[error("the registry could not be asked")]
    Registry(#[from] PortError),
}

impl From<ObjectError> for RetentionError {
    fn from(error: ObjectError) -> Self {
        Self::Objects(error.to_string())
    }
}

impl Retention {
    /// The retention of a node.
    pub fn new(parts: RetentionParts) -> Self {
        Self {
            database: parts.database,
            objects: parts.objects,
            patients: parts.patients,
            clock: parts.clock,
            ids: parts.ids,
            recorder: parts.recorder,
        }
    }

    /// Every legal hold, the oldest first, lifted ones too.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn holds(&self) -> Result<Vec<LegalHold>, RetentionError> {
        Ok(hold::list(&self.database).await?)
    }

    /// Sets a legal hold. `false`: another has its id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_hold(
        &self,
        id: &str,
        scope: HoldScope,
        reason: &str,
        by: &str,
    ) -> Result<bool, RetentionError> {
        let mut audit = self.audit("legal hold", by);
        if let HoldScope::Patient(number) = &scope {
            audit.subject = Some(*number);
        }
        let hold = LegalHold {
            id: id.to_owned(),
            scope,
            reason: reason.to_owned(),
            set_by: by.to_owned(),
            set_at: self.clock.now(),
            lifted: None,
        };
        Ok(hold::set(&self.database, hold, audit).await?)
    }

    /// Lifts a legal hold. `false`: none in force has the id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lift_hold(&self, id: &str, by: &str) -> Result<bool, RetentionError> {
        let (audit, now) = (self.audit("legal hold lifted", by), self.clock.now());
        Ok(hold::lift(&self.database, id.to_owned(), by.to_owned(), now, audit).await?)
    }

    /// What was removed, the oldest first, after the last of an earlier answer. Empty at the end.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn certificates(
        &self,
        after: Option<&Certificate>,
    ) -> Result<Vec<Certificate>, RetentionError> {
        let place =
            after.map_or((i64::MIN, ""), |c| (c.removed_at.as_millisecond(), c.unique_id.as_str()));
        Ok(disposal::certificates(&self.database, place).await?)
    }

    /// The record of something that a person did from the command line, or the node by itself.
    fn audit(&self, what: &str, by: &str) -> AuditEvent {
        let now = self.clock.now();
        let mut event = AuditEvent::incoming(self.ids.ordered(), now, &self.recorder, "command");
        what.clone_into(&mut event.interaction);
        event.actor = Some(AuditActor {
            id: by.to_owned(),
            name: None,
            organisation: String::new(),
            role: None,
            role_profile: None,
            known_by: "command line".to_owned(),
            client: None,
            user_name: None,
            assertion: None,
        });
        event
    }
}
