use aws_lc_rs::digest::{SHA256, digest};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// What a verified certificate says of its holder.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CertificateFacts {
    /// The subject, as RFC 4514 writes it: `CN=epr,O=Example`. Empty where there is none.
    pub subject: String,
    /// The issuer, likewise.
    pub issuer: String,
    /// DNS names.
    pub dns: Vec<String>,
    /// URIs.
    pub uris: Vec<String>,
    /// SHA-256 of the certificate, in lower case hex.
    pub sha256: String,
}

impl CertificateFacts {
    /// Reads a certificate in DER. Of one that cannot be read only the hash is known.
    pub fn of(der: &[u8]) -> Self {
        let sha256 = digest(&SHA256, der).as_ref().iter().map(|b| format!("{b:02x}")).collect();
        let Ok(certificate) = Certificate::from_der(der) else {
            return Self { sha256, ..Self::default() };
        };
        let fields = certificate.tbs_certificate;
        let mut facts = Self {
            subject: fields.subject.to_string(),
            issuer: fields.issuer.to_string(),
            sha256,
            ..Self::default()
        };
        let names = fields.get::<SubjectAltName>().ok().flatten();
        for name in names.map(|(_, names)| names.0).unwrap_or_default() {
            if let GeneralName::DnsName(name) = &name {
                facts.dns.push(name.to_string().to_ascii_lowercase());
            } else if let GeneralName::UniformResourceIdentifier(uri) = &name {
                facts.uris.push(uri.to_string());
            }
        }
        facts
    }
}
