use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};

/// An authority for certificates of tests.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    /// Its certificate (PEM).
    pub pem: String,
}

/// A certificate with its key.
pub struct Issued {
    /// The certificate (PEM).
    pub certificate: String,
    /// The key (PEM).
    pub key: String,
    serial: u64,
}

impl Authority {
    /// A new one; `name` is its common name.
    pub fn new(name: &str) -> Self {
        let mut params = named(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let pem = issuer.pem();
        Self { issuer, pem }
    }

    /// A certificate for these DNS names and addresses. Of one authority each has its own serial.
    pub fn issue(&self, name: &str, names: &[&str], serial: u64) -> Issued {
        self.issue_until(name, names, serial, 2095)
    }

    /// The same, which ends with the beginning of a year.
    pub fn issue_until(&self, name: &str, names: &[&str], serial: u64, year: i32) -> Issued {
        let mut params = named(name, names);
        params.serial_number = Some(SerialNumber::from(serial));
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Issued { certificate, key: key.serialize_pem(), serial }
    }

    /// A list (PEM) that revokes these, and whose next one is due at the beginning of a year.
    pub fn revoke(&self, revoked: &[&Issued], next: i32) -> String {
        let one = |issued: &&Issued| RevokedCertParams {
            serial_number: SerialNumber::from(issued.serial),
            revocation_time: date_time_ymd(2021, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2021, 1, 1),
            next_update: date_time_ymd(next, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(one).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

impl Issued {
    /// Certificate and key in one text.
    pub fn pem(&self) -> String {
        format!("{}{}", self.certificate, self.key)
    }

    /// An HTTP client that has it, and believes this authority alone.
    pub fn client(&self, authority: &str) -> reqwest::Client {
        let identity = reqwest::Identity::from_pem(self.pem().as_bytes()).unwrap();
        trusting(authority).identity(identity).build().unwrap()
    }
}

/// An HTTP client without a certificate that believes this authority alone.
pub fn trusting(authority: &str) -> reqwest::ClientBuilder {
    crate::install_crypto();
    let authority = reqwest::Certificate::from_pem(authority.as_bytes()).unwrap();
    reqwest::Client::builder().no_proxy().tls_certs_only([authority])
}

fn named(name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
