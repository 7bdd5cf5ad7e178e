use std::path::Path;
use std::sync::Arc;

use carerecord_model::{Clock, IdSource, NodeId, OnBehalf, PortError, UniqueId};

use super::claims::{AskerClaim, Claims, OverrideClaim};
use super::{Delegate, REGISTRY, TYPE, digest_of};
use crate::signing::{SigningKey, SigningKeyError, Watched};

/// Says for whom a portal asks.
pub struct Delegator {
    issuer: String,
    key: Watched<SigningKey>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl Delegator {
    /// Signs with the key of this file; `issuer` is the portal.
    ///
    /// # Errors
    /// When the key cannot be used.
    pub fn new(
        issuer: &str,
        key: &Path,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Result<Self, SigningKeyError> {
        let key = Watched::open(key, SigningKey::read, clock.now())?;
        Ok(Self { issuer: issuer.to_owned(), key, clock, ids })
    }

    /// The id of the key that is signed with now.
    pub fn key_id(&self) -> String {
        self.key.now(self.clock.now()).id().to_owned()
    }

    /// A statement for one request to a node, by its id, or to [`REGISTRY`].
    ///
    /// # Errors
    /// When the cryptography library fails.
    pub fn sign(
        &self,
        whom: &Delegate,
        to: &str,
        documents: &[UniqueId],
    ) -> Result<String, PortError> {
        let now = self.clock.now();
        let key = self.key.now(now);
        let (sub, asker) = AskerClaim::of(whom.caller.as_ref());
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: to.to_owned(),
            jti: self.ids.random().to_string(),
            iat: now.as_second(),
            exp: now.as_second() + SECONDS,
            sub,
            asker,
            purpose: whom.purpose,
            patient: whom.patient,
            documents_sha256: digest_of(documents),
            rule: whom.rule.clone(),
            opened: whom.opened.as_ref().map(OverrideClaim::of),
        };
        key.sign(TYPE, &claims)
            .map_err(|_| PortError::Unavailable("a delegation could not be signed".to_owned()))
    }
}

/// What a portal says of one question of somebody's, to each node that it asks.
pub struct Delegation {
    delegator: Option<Arc<Delegator>>,
    whom: Delegate,
}

impl Delegation {
    /// On behalf of `whom`; without a `delegator` nothing is said.
    pub fn new(delegator: Option<Arc<Delegator>>, whom: Delegate) -> Self {
        Self { delegator, whom }
    }
}

impl OnBehalf for Delegation {
    fn statement(&self, to: &NodeId, documents: &[UniqueId]) -> Result<Option<String>, PortError> {
        let Some(delegator) = &self.delegator else { return Ok(None) };
        delegator.sign(&self.whom, to.as_str(), documents).map(Some)
    }

    fn to_registry(&self) -> Result<Option<String>, PortError> {
        let Some(delegator) = &self.delegator else { return Ok(None) };
        delegator.sign(&self.whom, REGISTRY, &[]).map(Some)
    }
}

/// How long a statement holds: it is made when the request is sent.
const SECONDS: i64 = 30;
