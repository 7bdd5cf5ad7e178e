use std::path::Path;
use std::sync::Arc;

use carerecord_access::{Right, SystemCaller};
use carerecord_codec::saml::SamlError;
use carerecord_model::{Clock, UniqueId};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};

use super::claims::Claims;
use super::{Asker, DelegationError, Statement, TYPE, digest_of};
use crate::Peer;
use crate::signing::{PublicKeys, SigningKeyError, Watched};
use crate::xua::Used;

/// Judges delegations for all doors of a process, so that what was used at one is used at all.
pub struct Delegations {
    keys: Watched<PublicKeys>,
    used: Used,
    started: Timestamp,
    clock: Arc<dyn Clock>,
}

impl Delegations {
    /// Believes portals with the keys of this file.
    ///
    /// # Errors
    /// When the keys cannot be used.
    pub fn new(keys: &Path, clock: Arc<dyn Clock>) -> Result<Self, SigningKeyError> {
        let keys = Watched::open(keys, PublicKeys::read, clock.now())?;
        let started = clock.now();
        Ok(Self { keys, used: Used::new(MOST_USED), started, clock })
    }

    /// Whether it knows a key, by its id.
    pub fn knows(&self, key_id: &str) -> bool {
        self.keys.now(self.clock.now()).find(key_id).is_some()
    }

    /// Who asks the node `to`, or the registry, about these documents, in a statement that `system` has brought.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn asker(
        &self,
        statement: &str,
        system: &SystemCaller,
        to: &str,
        documents: &[UniqueId],
    ) -> Result<Asker, DelegationError> {
        let may = [Right::Delegate, Right::Retrieve].iter().any(|r| system.rights.contains(r));
        if !may {
            return Err(DelegationError::NotPermitted);
        }
        let now = self.clock.now();
        let claims = self.read(statement, now)?;
        self.in_time(&claims, now)?;
        if claims.aud != to {
            return Err(DelegationError::OtherNode);
        }
        if claims.documents_sha256 != digest_of(documents) {
            return Err(DelegationError::OtherDocuments);
        }
        let until = Timestamp::from_second(claims.exp).map_err(|_| DelegationError::TooLong)?;
        let (issuer, id) = (claims.iss.clone(), claims.jti.clone());
        let asker = claims.asker(system).ok_or(DelegationError::Malformed)?;
        let until = until + SKEW;
        let noted = self.used.note(&issuer, &id, true, &Peer::default(), until, now);
        match noted {
            Ok(()) => Ok(Asker { statement: Some(Statement { issuer, id, until }), ..asker }),
            Err(SamlError::Replayed) => Err(DelegationError::Replayed),
            Err(_) => Err(DelegationError::MemoryFull),
        }
    }

    /// The claims, when the signature holds.
    fn read(&self, statement: &str, now: Timestamp) -> Result<Claims, DelegationError> {
        if statement.len() > MAX_BYTES {
            return Err(DelegationError::Malformed);
        }
        let header = decode_header(statement).map_err(|_| DelegationError::Malformed)?;
        let is_one = header.alg == Algorithm::ES256
            && header.typ.as_deref() == Some(TYPE)
            && header.crit.is_none();
        let id = header.kid.filter(|_| is_one).ok_or(DelegationError::Malformed)?;
        let keys = self.keys.now(now);
        let key = keys.find(&id).ok_or(DelegationError::UnknownKey)?;
        let mut validation = Validation::new(Algorithm::ES256);
        // Times are judged by our own clock, and the audience by who is asked.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        match decode::<Claims>(statement, key, &validation) {
            Ok(token) => Ok(token.claims),
            Err(error) if matches!(error.kind(), ErrorKind::InvalidSignature) => {
                Err(DelegationError::Signature)
            }
            Err(_) => Err(DelegationError::Malformed),
        }
    }

    fn in_time(&self, claims: &Claims, now: Timestamp) -> Result<(), DelegationError> {
        let at = |second| Timestamp::from_second(second).map_err(|_| DelegationError::Malformed);
        let (made, ends) = (at(claims.iat)?, at(claims.exp)?);
        if ends.duration_since(made) > LONGEST {
            return Err(DelegationError::TooLong);
        }
        if now >= ends + SKEW {
            return Err(DelegationError::Expired);
        }
        if made > now + SKEW {
            return Err(DelegationError::NotYet);
        }
        // Which ones were used before the start nobody knows any more.
        if claims.iat < self.started.as_second() {
            return Err(DelegationError::TooOld);
        }
        Ok(())
    }
}

/// How far the clocks of portals and nodes may differ.
const SKEW: SignedDuration = SignedDuration::from_secs(10);
const LONGEST: SignedDuration = SignedDuration::from_secs(60);
const MAX_BYTES: usize = 16 << 10;
/// At 30 seconds each, more than 10,000 documents a second.
const MOST_USED: usize = 400_000;
