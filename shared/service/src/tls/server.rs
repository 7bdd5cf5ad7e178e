use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::SingleCertAndKey;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::files::{Contents, authorities, crls, identity};
use super::{TlsError, watch};

/// `tls` of a listener. Paths are taken from the folder of the configuration.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// Our certificate with its chain (PEM).
    pub certificate: PathBuf,
    /// Its key (PEM).
    pub key: PathBuf,
    /// Certificates (PEM) of the authorities that clients' certificates must come from; a self-signed
    /// certificate stands for itself. Without any, clients are asked for none.
    #[serde(default)]
    pub client_authorities: Vec<PathBuf>,
    /// Whether a client must have a certificate, where there are authorities; yes unless given.
    #[serde(default = "yes")]
    pub client_required: bool,
    /// Revocation lists of the authorities (PEM or DER). With any, each authority needs one.
    #[serde(default)]
    pub crls: Vec<PathBuf>,
    /// Whether a list counts whose next update is overdue. No unless given: then nobody whom such a
    /// list speaks of comes in.
    #[serde(default)]
    pub overdue_crls: bool,
    /// How long a handshake may take; 10 s unless given.
    #[serde(default = "handshake_timeout_ms")]
    pub handshake_timeout_ms: u64,
}

impl TlsConfig {
    /// The same with paths from this folder.
    pub fn resolve(&mut self, base: &Path) {
        let all = [&mut self.certificate, &mut self.key];
        let lists = self.client_authorities.iter_mut().chain(&mut self.crls);
        for path in all.into_iter().chain(lists) {
            *path = base.join(&path);
        }
    }

    /// Whether every client has a certificate.
    pub fn knows_clients(&self) -> bool {
        self.client_required && !self.client_authorities.is_empty()
    }

    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let own = [&self.certificate, &self.key];
        own.into_iter().chain(&self.client_authorities).chain(&self.crls)
    }
}

/// What a listener speaks TLS with, as its files have it now. Clones share it.
#[derive(Clone, Debug)]
pub struct ServerTls {
    config: Arc<TlsConfig>,
    current: Arc<RwLock<Arc<Loaded>>>,
    seen: Arc<Mutex<Contents>>,
}

/// What was read at one time.
#[derive(Debug)]
pub(super) struct Loaded {
    pub server: Arc<ServerConfig>,
    /// Where clients have certificates.
    pub clients: Option<Arc<dyn ClientCertVerifier>>,
    /// How often it was read.
    pub generation: u64,
}

impl ServerTls {
    /// Reads the files.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn load(config: TlsConfig) -> Result<Self, TlsError> {
        let seen = Contents::of(config.files());
        let loaded = Arc::new(load(&config, 0)?);
        Ok(Self {
            config: Arc::new(config),
            current: Arc::new(RwLock::new(loaded)),
            seen: Arc::new(Mutex::new(seen)),
        })
    }

    /// How long a handshake may take.
    pub fn handshake_timeout(&self) -> std::time::Duration {
        std::time::Duration::from_millis(self.config.handshake_timeout_ms)
    }

    /// Reads the files again whenever one has changed, and on SIGHUP, until the process drains. A
    /// change in two steps, as of a certificate and then its key, is taken when both have come.
    pub async fn watch(self, draining: CancellationToken) {
        watch::watch(self, draining).await;
    }

    pub(super) fn current(&self) -> Arc<Loaded> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl watch::Reload for ServerTls {
    fn name(&self) -> String {
        self.config.certificate.display().to_string()
    }

    fn contents(&self) -> Contents {
        Contents::of(self.config.files())
    }

    fn seen(&self) -> &Mutex<Contents> {
        &self.seen
    }

    fn reload(&self) -> Result<(), TlsError> {
        let generation = self.current().generation + 1;
        let loaded = Arc::new(load(&self.config, generation)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(())
    }
}

fn load(config: &TlsConfig, generation: u64) -> Result<Loaded, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let own = identity(&config.certificate, &config.key)?;
    let clients = clients(config, provider.clone())?;
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let builder = match &clients {
        Some(verifier) => builder.with_client_cert_verifier(verifier.clone()),
        None => builder.with_no_client_auth(),
    };
    let mut server = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(own)));
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    if clients.is_some() {
        // A session that is taken up again would bring a certificate that nobody has verified since.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
    }
    Ok(Loaded { server: Arc::new(server), clients, generation })
}

fn clients(
    config: &TlsConfig,
    provider: Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, TlsError> {
    if config.client_authorities.is_empty() {
        if !config.crls.is_empty() {
            return Err(TlsError::Unusable("tls.crls without tls.client_authorities".to_owned()));
        }
        return Ok(None);
    }
    let roots = Arc::new(authorities(&config.client_authorities)?);
    let mut builder =
        WebPkiClientVerifier::builder_with_provider(roots, provider).with_crls(crls(&config.crls)?);
    if !config.overdue_crls {
        builder = builder.enforce_revocation_expiration();
    }
    if !config.client_required {
        builder = builder.allow_unauthenticated();
    }
    let built = builder.build();
    Ok(Some(built.map_err(|e| TlsError::Unusable(format!("tls.client_authorities: {e}")))?))
}

impl Loaded {
    /// Whether a chain that was good is so still.
    pub fn verify(
        &self,
        chain: &[CertificateDer<'static>],
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        match (&self.clients, chain.split_first()) {
            (Some(verifier), Some((own, between))) => {
                verifier.verify_client_cert(own, between, now).map(drop)
            }
            (Some(verifier), None) if verifier.client_auth_mandatory() => {
                Err(rustls::Error::NoCertificatesPresented)
            }
            (Some(_) | None, _) => Ok(()),
        }
    }
}

fn yes() -> bool {
    true
}

fn handshake_timeout_ms() -> u64 {
    10_000
}
