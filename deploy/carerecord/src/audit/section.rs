use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use carerecord_audit::{SealTimes, SyslogTls, SyslogTransport};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;

use super::fhir_feed::FhirFeedSection;

/// The `[audit]` section: how the log of this process's databases is signed, and who is told.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditSection {
    /// The key that signs heads, made where there is none; `audit.key` below `data` unless given.
    key: Option<PathBuf>,
    /// A head is signed at the latest so long after a record.
    head_seconds: u64,
    /// A head is signed at the latest after so many records.
    head_records: u64,
    /// A folder, best of another machine, where each head is written.
    witness_folder: Option<PathBuf>,
    /// A collector of syslog to which each head is sent.
    syslog: Option<SyslogSection>,
    /// An audit record repository to which each record is sent (ITI-20).
    atna: Option<SyslogSection>,
    /// The enterprise that its messages name.
    pub atna_site: String,
    /// An audit record repository to which each record is sent by FHIR (ITI-20).
    pub fhir: Option<FhirFeedSection>,
}

impl Default for AuditSection {
    fn default() -> Self {
        Self {
            key: None,
            head_seconds: 10,
            head_records: 10_000,
            witness_folder: None,
            syslog: None,
            atna: None,
            atna_site: String::new(),
            fhir: None,
        }
    }
}

/// `syslog` and `atna` of `[audit]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SyslogSection {
    /// `host:port`, or the path of a local socket.
    address: String,
    #[serde(default)]
    transport: Transport,
    /// The authority of the collector's certificate (PEM), for TLS.
    ca_file: Option<PathBuf>,
    /// Our certificate with its chain (PEM), where the collector asks for one.
    certificate_file: Option<PathBuf>,
    /// Its key (PEM).
    key_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Transport {
    #[default]
    Tls,
    Tcp,
    Udp,
    Unix,
}

impl AuditSection {
    /// The file of the key.
    pub fn key(&self, base: &Path, data: &Path) -> PathBuf {
        self.key.as_ref().map_or_else(|| data.join("audit.key"), |key| base.join(key))
    }

    /// When heads are signed.
    pub fn times(&self) -> anyhow::Result<SealTimes> {
        ensure!(self.head_seconds > 0, "audit.head_seconds is to be 1 at least");
        ensure!(self.head_records > 0, "audit.head_records is to be 1 at least");
        Ok(SealTimes { every: Duration::from_secs(self.head_seconds), records: self.head_records })
    }

    /// Where heads are written.
    pub fn witness_folder(&self, base: &Path) -> Option<PathBuf> {
        self.witness_folder.as_ref().map(|folder| base.join(folder))
    }

    /// Where heads are sent.
    pub fn syslog(&self, base: &Path) -> anyhow::Result<Option<SyslogTransport>> {
        self.syslog.as_ref().map(|s| s.transport(base).context("audit.syslog")).transpose()
    }

    /// Where records are sent.
    pub fn atna(&self, base: &Path) -> anyhow::Result<Option<SyslogTransport>> {
        self.atna.as_ref().map(|s| s.transport(base).context("audit.atna")).transpose()
    }
}

impl SyslogSection {
    fn transport(&self, base: &Path) -> anyhow::Result<SyslogTransport> {
        let tls = [&self.ca_file, &self.certificate_file, &self.key_file];
        if self.transport != Transport::Tls && tls.iter().any(|file| file.is_some()) {
            bail!("ca_file, certificate_file and key_file are for transport = \"tls\"");
        }
        if self.transport != Transport::Unix {
            let (host, port) = self.address.rsplit_once(':').context("address is host:port")?;
            ensure!(!host.is_empty() && port.parse::<u16>().is_ok(), "address is host:port");
        }
        Ok(match self.transport {
            Transport::Tls => SyslogTransport::Tls(self.address.clone(), self.tls(base)?),
            Transport::Tcp => SyslogTransport::Tcp(self.address.clone()),
            Transport::Udp => SyslogTransport::Udp(self.address.clone()),
            Transport::Unix => SyslogTransport::Unix(base.join(&self.address)),
        })
    }

    fn tls(&self, base: &Path) -> anyhow::Result<SyslogTls> {
        let file = self.ca_file.as_ref().context("ca_file is missing")?;
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&base.join(file))? {
            roots.add(certificate).with_context(|| format!("{} cannot be used", file.display()))?;
        }
        let config = ClientConfig::builder().with_root_certificates(roots);
        let config = match (&self.certificate_file, &self.key_file) {
            (Some(certificate), Some(key)) => {
                let key = base.join(key);
                let secret = PrivateKeyDer::from_pem_file(&key)
                    .with_context(|| format!("cannot read the key {}", key.display()))?;
                config.with_client_auth_cert(certificates(&base.join(certificate))?, secret)?
            }
            (None, None) => config.with_no_client_auth(),
            (Some(_), None) | (None, Some(_)) => bail!("give certificate_file and key_file"),
        };
        Ok(SyslogTls(Arc::new(config)))
    }
}

fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let name = || format!("cannot read the certificates of {}", file.display());
    let all = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .with_context(name)?;
    ensure!(!all.is_empty(), "{} holds no certificate", file.display());
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(text: &str) -> AuditSection {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        let base = Path::new("/nowhere");
        for (text, expected) in [
            ("syslog = { address = 'siem' , transport = 'tcp' }", "host:port"),
            ("syslog = { address = 'siem:6514' }", "ca_file is missing"),
            ("syslog = { address = 'siem:6514', ca_file = 'ca.pem' }", "/nowhere/ca.pem"),
            ("syslog = { address = 'siem:514', transport = 'udp', ca_file = 'a' }", "tls"),
        ] {
            let error = format!("{:#}", section(text).syslog(base).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
        assert!(section("head_seconds = 0").times().is_err());
        assert!(toml::from_str::<AuditSection>("witness = 'a'").is_err());
    }

    #[test]
    fn paths_are_taken_from_the_file_and_defaults_from_data() {
        let (base, data) = (Path::new("/etc/c"), Path::new("/var/c"));
        let none = section("");

        assert_eq!(none.key(base, data), Path::new("/var/c/audit.key"));
        assert_eq!(none.times().unwrap().every, Duration::from_secs(10));
        assert!(none.syslog(base).unwrap().is_none());
        let given = section("key = 'a.key'\nwitness_folder = 'w'");
        assert_eq!(given.key(base, data), Path::new("/etc/c/a.key"));
        assert_eq!(given.witness_folder(base).unwrap(), Path::new("/etc/c/w"));
    }
}
