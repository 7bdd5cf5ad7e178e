use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::files::{Contents, authorities, crls, identity};
use super::{TlsError, watch};

/// How our clients make themselves known to servers, and whom they believe. Paths are taken from
/// the folder of the configuration.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ClientTlsConfig {
    /// Our certificate with its chain (PEM), for servers that ask for one.
    pub certificate: Option<PathBuf>,
    /// Its key (PEM).
    pub key: Option<PathBuf>,
    /// Certificates (PEM) of the authorities that servers' certificates must come from: no others
    /// are believed.
    pub authorities: Vec<PathBuf>,
    /// Revocation lists of the authorities (PEM or DER). With any, each authority needs one.
    #[serde(default)]
    pub crls: Vec<PathBuf>,
}

impl ClientTlsConfig {
    /// The same with paths from this folder.
    pub fn resolve(&mut self, base: &Path) {
        let own = self.certificate.iter_mut().chain(&mut self.key);
        for path in own.chain(&mut self.authorities).chain(&mut self.crls) {
            *path = base.join(&path);
        }
    }

    fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let own = self.certificate.iter().chain(&self.key);
        own.chain(&self.authorities).chain(&self.crls)
    }
}

/// What clients speak TLS with, as its files have it now. Clones share it.
#[derive(Clone, Debug)]
pub struct ClientTls(Arc<Client>);

#[derive(Debug)]
struct Client {
    config: ClientTlsConfig,
    current: RwLock<Arc<Loaded>>,
    seen: Mutex<Contents>,
}

#[derive(Debug)]
struct Loaded {
    own: Option<Arc<CertifiedKey>>,
    servers: Arc<WebPkiServerVerifier>,
}

impl ClientTls {
    /// Reads the files.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn load(config: ClientTlsConfig) -> Result<Self, TlsError> {
        let seen = Mutex::new(Contents::of(config.files()));
        let current = RwLock::new(Arc::new(load(&config)?));
        Ok(Self(Arc::new(Client { config, current, seen })))
    }

    /// The settings of a client; its connections go by the files as they are when one is made.
    ///
    /// # Errors
    /// When the crypto provider does not offer what TLS 1.2 and 1.3 need.
    pub fn client_config(&self) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
        let mut config = builder
            .dangerous()
            .with_custom_certificate_verifier(self.0.clone())
            .with_client_cert_resolver(self.0.clone());
        // A session that is taken up again would bring a certificate that nobody has verified since.
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    /// Reads the files again whenever one has changed, and on SIGHUP, until the process drains. A
    /// change in two steps, as of a certificate and then its key, is taken when both have come.
    pub async fn watch(self, draining: CancellationToken) {
        watch::watch(self, draining).await;
    }
}

impl Client {
    fn current(&self) -> Arc<Loaded> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl watch::Reload for ClientTls {
    fn name(&self) -> String {
        let own = self.0.config.certificate.as_ref();
        let file = own.or(self.0.config.authorities.first());
        file.map(|file| file.display().to_string()).unwrap_or_default()
    }

    fn contents(&self) -> Contents {
        Contents::of(self.0.config.files())
    }

    fn seen(&self) -> &Mutex<Contents> {
        &self.0.seen
    }

    fn reload(&self) -> Result<(), TlsError> {
        let loaded = Arc::new(load(&self.0.config)?);
        *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(())
    }
}

fn load(config: &ClientTlsConfig) -> Result<Loaded, TlsError> {
    let own = match (&config.certificate, &config.key) {
        (Some(certificate), Some(key)) => Some(Arc::new(identity(certificate, key)?)),
        (None, None) => None,
        _ => {
            let what = "a client's certificate and its key are given together";
            return Err(TlsError::Unusable(what.to_owned()));
        }
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots = Arc::new(authorities(&config.authorities)?);
    let servers = WebPkiServerVerifier::builder_with_provider(roots, provider)
        .with_crls(crls(&config.crls)?)
        .enforce_revocation_expiration()
        .build()
        .map_err(|e| TlsError::Unusable(format!("authorities: {e}")))?;
    Ok(Loaded { own, servers })
}

/// Whatever rustls itself verifies, by the authorities of the moment.
impl ServerCertVerifier for Client {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let servers = &self.current().servers;
        servers.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.current().servers.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.current().servers.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.current().servers.supported_verify_schemes()
    }
}

impl ResolvesClientCert for Client {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.current().own.clone()
    }

    fn has_certs(&self) -> bool {
        self.current().own.is_some()
    }
}
