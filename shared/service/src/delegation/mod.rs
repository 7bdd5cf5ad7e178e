//! For whom a role asks another one. A portal says it anew with each request to a node, in a short
//! statement that it signs: who asks, what for, about which documents of which patient, and to which
//! node. The node takes it once, decides again for that person, and names them in its record. So
//! neither an address nor a stolen statement opens anything by itself.
//!
//! The statement is a JWT (RFC 7519) in the header `carerecord-delegation`, signed with ES256.

mod claims;
mod signer;
#[cfg(test)]
mod tests;
mod verifier;

use std::path::PathBuf;

use carerecord_access::{AssertedPatient, Caller, Override, Purpose};
use carerecord_audit::AuditOutcome;
use carerecord_model::{NhsNumber, UniqueId};
use http::HeaderName;
use jiff::Timestamp;
use serde::Deserialize;

use crate::AuditDraft;

pub use signer::{Delegation, Delegator};
pub use verifier::Delegations;

/// The `[delegations]` section. Paths are taken from the folder of the configuration file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct DelegationsConfig {
    /// The key that a portal here signs with (PKCS#8 in PEM).
    pub key: Option<PathBuf>,
    /// The public keys of portals, for nodes here (a JWK set).
    pub keys: Option<PathBuf>,
}

/// What a door makes of delegations.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum DelegationMode {
    /// They are not read.
    #[default]
    Off,
    /// A request may carry one; without it the caller is the system.
    Accepted,
    /// Every request of a system with the right `delegate` carries one; others may.
    Required,
}

/// For whom a portal asks, and about whom.
#[derive(Clone, Debug)]
pub struct Delegate {
    /// Who has asked the portal; `None` where it asks for itself, and about nobody.
    pub caller: Option<Caller>,
    /// What for.
    pub purpose: Purpose,
    /// Whose documents.
    pub patient: Option<NhsNumber>,
    /// The rule by which the portal lets it be.
    pub rule: String,
    /// What the person has opened of the record.
    pub opened: Option<Override>,
}

/// Who asks a node, directly or through a portal.
#[derive(Clone, Debug, PartialEq)]
pub struct Asker {
    /// Who.
    pub caller: Caller,
    /// What for.
    pub purpose: Purpose,
    /// About whom alone.
    pub about: AssertedPatient,
    /// The delegation that says so, where one does.
    pub statement: Option<Statement>,
}

/// A delegation that was taken, by what tells it from all others.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The portal.
    pub issuer: String,
    /// Its id, of this issuer.
    pub id: String,
    /// Until when it must be remembered.
    pub until: Timestamp,
}

impl Asker {
    /// The same, unless a copy of this role has taken the delegation before: `first` is what the
    /// database says that they share. The record is told.
    ///
    /// # Errors
    /// `Replayed`, or `Forgetful` when it cannot be known.
    pub fn once<E: std::fmt::Display>(
        self,
        first: Result<bool, E>,
        draft: &AuditDraft,
    ) -> Result<Self, DelegationError> {
        let error = match first {
            Ok(true) => return Ok(self),
            Ok(false) => DelegationError::Replayed,
            Err(error) => {
                tracing::warn!(%error, "used delegations cannot be looked up");
                DelegationError::Forgetful
            }
        };
        Err(error.noted(draft))
    }
}

impl From<Caller> for Asker {
    fn from(caller: Caller) -> Self {
        let purpose = caller.purpose();
        Self { caller, purpose, about: AssertedPatient::Any, statement: None }
    }
}

/// Why a delegation is not taken. Nothing of it is about what a node holds, so the sender is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DelegationError {
    /// There is none, and there must be.
    #[error("a delegation is required here, and there is none")]
    Missing,
    /// It is not one.
    #[error("the delegation cannot be read")]
    Malformed,
    /// Nobody here knows the key.
    #[error("the delegation is signed with a key that is not known here")]
    UnknownKey,
    /// It is not signed with the key that it names.
    #[error("the signature of the delegation does not hold")]
    Signature,
    /// Its time is over.
    #[error("the delegation has expired, or the clocks differ")]
    Expired,
    /// Its time has not come.
    #[error("the delegation is of a time that is yet to come: the clocks differ")]
    NotYet,
    /// It would hold for too long.
    #[error("the delegation holds for too long")]
    TooLong,
    /// It was made before anybody here could remember which ones were used.
    #[error("the delegation is older than this process")]
    TooOld,
    /// It is meant for another node, or the registry.
    #[error("the delegation is for another node")]
    OtherNode,
    /// It is about other documents.
    #[error("the delegation is about other documents")]
    OtherDocuments,
    /// It was used before.
    #[error("the delegation has been used before")]
    Replayed,
    /// No more can be remembered.
    #[error("too many delegations are in use")]
    MemoryFull,
    /// Whether it was used before cannot be known.
    #[error("used delegations cannot be looked up just now")]
    Forgetful,
    /// Whoever brings it may not, or names a second person.
    #[error("this system may not bring a delegation")]
    NotPermitted,
}

impl DelegationError {
    /// The same, which the record knows.
    pub(crate) fn noted(self, draft: &AuditDraft) -> Self {
        tracing::warn!(error = %self, "a delegation was refused");
        draft.outcome(AuditOutcome::Refused);
        draft.fill(|event| event.error = Some(self.to_string()));
        self
    }
}

/// What stands for the documents of a request: the same for the same documents in any order.
fn digest_of(documents: &[UniqueId]) -> String {
    use aws_lc_rs::digest::{Context, SHA256};
    use base64::Engine as _;
    let mut ids: Vec<&str> = documents.iter().map(UniqueId::as_str).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut context = Context::new(&SHA256);
    for id in ids {
        context.update(id.as_bytes());
        context.update(b"\n");
    }
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(context.finish())
}

/// The header of a request that has a delegation.
pub const DELEGATION: HeaderName = HeaderName::from_static("carerecord-delegation");
/// Whom a delegation to the registry is for.
pub(crate) const REGISTRY: &str = "urn:carerecord:registry";
/// `typ` of its JWT, so that no token of another kind passes for one.
const TYPE: &str = "carerecord-delegation+jwt";
