//! Who calls by SOAP: the system that the listener knows, or the person of whom an assertion in the
//! Security header speaks. IHE XUA, ITI TF-2: 3.40.

mod callers;
mod config;
mod peer;
mod person;
mod replay;
#[cfg(test)]
mod tests;
mod trust;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use carerecord_access::{SystemCaller, UserCaller};
use carerecord_codec::saml::{Demands, SamlError, SecurityHeader, verify};
use carerecord_model::Clock;
use jiff::SignedDuration;

pub use callers::Callers;
pub use config::{Confirmed, IssuerConfig, PurposeMapping, Reuse, RoleMapping, XuaConfig, XuaMode};
pub use peer::{ClientCertificate, Peer};

pub(crate) use replay::Used;
use trust::Trust;

/// Why assertions cannot be judged with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum XuaError {
    /// Without a name of our own every assertion is meant for somebody else.
    #[error("xua.audiences names no audience")]
    NoAudience,
    /// An issuer that cannot be.
    #[error("xua.issuer {0} {1}")]
    Issuer(String, &'static str),
    /// A certificate that cannot be used.
    #[error("the certificate {} cannot be used: {what}", file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// Judges assertions for all doors of a process, so that what was used at one is used at all.
pub struct Xua {
    config: XuaConfig,
    trust: Trust,
    used: Used,
    clock: Arc<dyn Clock>,
}

impl Xua {
    /// Reads the certificates; paths are taken from `base`.
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub fn new(config: XuaConfig, base: &Path, clock: Arc<dyn Clock>) -> Result<Self, XuaError> {
        if config.audiences.iter().all(|audience| audience.trim().is_empty()) {
            return Err(XuaError::NoAudience);
        }
        for issuer in &config.issuer {
            if issuer.organisations.is_empty() && !issuer.any_organisation {
                let what = "may speak for no organisation: give it organisations";
                return Err(XuaError::Issuer(issuer.name.clone(), what));
            }
        }
        let trust = Trust::load(config.issuer.clone(), base, clock.now())?;
        Ok(Self { config, trust, used: Used::new(MOST_USED), clock })
    }

    /// The person of whom a message speaks that `system` has sent; `None` when it speaks of nobody.
    ///
    /// # Errors
    /// The first thing that is wrong with the assertion.
    pub fn person(
        &self,
        envelope: &str,
        peer: &Peer,
        system: &SystemCaller,
    ) -> Result<Option<UserCaller>, SamlError> {
        let Some(header) = SecurityHeader::find(envelope)? else { return Ok(None) };
        let now = self.clock.now();
        let skew = SignedDuration::from_secs(self.config.skew_seconds.into());
        let issuers = self.trust.issuers(now);
        let keys = |name: &str| issuers.get(name).map(|issuer| (&issuer.keys, issuer.sha1));
        let Some(assertion) = verify(&header, now, skew, keys)? else { return Ok(None) };
        let issuer = issuers.get(&assertion.issuer).ok_or(SamlError::UnknownIssuer)?;
        assertion.check(
            now,
            &Demands {
                audiences: &self.config.audiences,
                skew,
                max_lifetime: SignedDuration::from_secs(self.config.max_lifetime_seconds.into()),
                methods: &issuer.methods,
                certificate: peer.certificate.as_ref().map(|c| &*c.0),
            },
        )?;
        let person = person::person(&self.config, issuer, &assertion, system.clone())?;
        let once = assertion.conditions.one_time_use || self.config.reuse == Reuse::Never;
        // `check` has seen to it that there is an end.
        let until = assertion.conditions.not_on_or_after.ok_or(SamlError::TooLong)? + skew;
        self.used.note(&assertion.issuer, &assertion.id, once, peer, until, now)?;
        Ok(Some(person))
    }
}

/// An hour's worth of a large region, in about 40 MB.
const MOST_USED: usize = 200_000;
