//! The certificates of issuers, read again when their files change.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use carerecord_codec::saml::{SubjectMethod, TrustedKeys};
use carerecord_model::OrganisationCode;
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::XuaError;
use super::config::IssuerConfig;

/// What an issuer is believed.
pub(super) struct Issuer {
    pub keys: TrustedKeys,
    pub sha1: bool,
    pub methods: Vec<SubjectMethod>,
    organisations: Vec<OrganisationCode>,
    any_organisation: bool,
}

impl Issuer {
    /// Whether it may speak for an organisation.
    pub fn may_speak_for(&self, organisation: &OrganisationCode) -> bool {
        self.any_organisation || self.organisations.contains(organisation)
    }

    /// The organisation that is meant when none is named.
    pub fn only_organisation(&self) -> Option<&OrganisationCode> {
        match self.organisations.as_slice() {
            [only] if !self.any_organisation => Some(only),
            _ => None,
        }
    }
}

pub(super) type Issuers = HashMap<String, Issuer>;

/// The issuers of a deployment.
pub(super) struct Trust {
    configs: Vec<IssuerConfig>,
    base: PathBuf,
    state: Mutex<State>,
}

struct State {
    issuers: Arc<Issuers>,
    seen: Vec<Seen>,
    looked_at: Timestamp,
}

/// What shows that a file has changed.
#[derive(PartialEq)]
struct Seen {
    modified: Option<SystemTime>,
    length: u64,
}

impl Trust {
    pub fn load(configs: Vec<IssuerConfig>, base: &Path, now: Timestamp) -> Result<Self, XuaError> {
        let seen = look(&configs, base);
        let issuers = Arc::new(read(&configs, base)?);
        let state = Mutex::new(State { issuers, seen, looked_at: now });
        Ok(Self { configs, base: base.to_owned(), state })
    }

    /// The issuers as the files have them. What cannot be read leaves what was known.
    pub fn issuers(&self, now: Timestamp) -> Arc<Issuers> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Also where the clock was put back.
        if now.duration_since(state.looked_at).abs() >= LOOK_EVERY {
            state.looked_at = now;
            let seen = look(&self.configs, &self.base);
            if seen != state.seen {
                match read(&self.configs, &self.base) {
                    Ok(issuers) => {
                        tracing::info!("certificates of issuers were read again");
                        state.issuers = Arc::new(issuers);
                        state.seen = seen;
                    }
                    Err(error) => {
                        tracing::error!(%error, "the certificates before stay in use");
                    }
                }
            }
        }
        state.issuers.clone()
    }
}

fn look(configs: &[IssuerConfig], base: &Path) -> Vec<Seen> {
    let files = configs.iter().flat_map(|c| &c.certificates);
    files
        .map(|file| match std::fs::metadata(base.join(file)) {
            Ok(found) => Seen { modified: found.modified().ok(), length: found.len() },
            Err(_) => Seen { modified: None, length: 0 },
        })
        .collect()
}

fn read(configs: &[IssuerConfig], base: &Path) -> Result<Issuers, XuaError> {
    let mut issuers = Issuers::new();
    for config in configs {
        let mut certificates = Vec::new();
        for file in &config.certificates {
            let file = base.join(file);
            let unusable = |what: String| XuaError::Certificate { file: file.clone(), what };
            let bytes = std::fs::read(&file).map_err(|e| unusable(e.to_string()))?;
            let before = certificates.len();
            for certificate in CertificateDer::pem_slice_iter(&bytes) {
                certificates.push(certificate.map_err(|e| unusable(e.to_string()))?);
            }
            let found = certificates[before..].iter().map(|c| &**c);
            TrustedKeys::new(found).map_err(|e| unusable(e.to_string()))?;
            if certificates.len() == before {
                return Err(unusable("there is no certificate in it".to_owned()));
            }
        }
        if certificates.is_empty() {
            return Err(XuaError::Issuer(config.name.clone(), "has no certificates"));
        }
        let issuer = Issuer {
            keys: TrustedKeys::new(certificates.iter().map(|c| &**c))
                .map_err(|_| XuaError::Issuer(config.name.clone(), "has an unusable key"))?,
            sha1: config.sha1,
            methods: config.confirmation.iter().copied().map(SubjectMethod::from).collect(),
            organisations: config.organisations.clone(),
            any_organisation: config.any_organisation,
        };
        if issuers.insert(config.name.clone(), issuer).is_some() {
            return Err(XuaError::Issuer(config.name.clone(), "is there twice"));
        }
    }
    Ok(issuers)
}

const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(10);
