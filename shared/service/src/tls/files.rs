use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::TlsError;

/// Files by what is in them, to see that one has changed. Nothing of a key is kept.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Contents(Vec<Option<Vec<u8>>>);

impl Contents {
    pub fn of<'a>(files: impl IntoIterator<Item = &'a PathBuf>) -> Self {
        let hash = |file: &PathBuf| read(file).ok().map(|b| digest(&SHA256, &b).as_ref().to_vec());
        Self(files.into_iter().map(hash).collect())
    }
}

/// A certificate with its chain, and its key. They are checked to belong together.
pub(super) fn identity(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let chain = certificates(certificate)?;
    let private = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|_| content(key, "holds no private key (PEM)"))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(chain, private, &provider).map_err(|error| {
        if matches!(error, rustls::Error::InconsistentKeys(_)) {
            return content(key, "is not the key of the certificate");
        }
        content(certificate, &format!("cannot be used: {error}"))
    })
}

/// The certificates of authorities.
pub(super) fn authorities(files: &[PathBuf]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for file in files {
        for certificate in certificates(file)? {
            roots
                .add(certificate)
                .map_err(|_| content(file, "holds a certificate that cannot be used"))?;
        }
    }
    Ok(roots)
}

/// Revocation lists, in PEM or DER.
pub(super) fn crls(
    files: &[PathBuf],
) -> Result<Vec<CertificateRevocationListDer<'static>>, TlsError> {
    let mut all = Vec::new();
    for file in files {
        let bytes = read(file)?;
        if !bytes.starts_with(b"-----") {
            all.push(CertificateRevocationListDer::from(bytes));
            continue;
        }
        let before = all.len();
        for list in CertificateRevocationListDer::pem_slice_iter(&bytes) {
            all.push(list.map_err(|_| content(file, "is no PEM"))?);
        }
        if all.len() == before {
            return Err(content(file, "holds no revocation list"));
        }
    }
    Ok(all)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bytes = read(file)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match read {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(content(file, "holds no certificate (PEM)")),
        Err(_) => Err(content(file, "is no PEM")),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read { file: file.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(file).map_err(failed)?.take(MAX_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn content(file: &Path, what: &str) -> TlsError {
    TlsError::Content { file: file.to_owned(), what: what.to_owned() }
}

/// A revocation list of a large authority has some megabytes.
const MAX_BYTES: u64 = 32 << 20;
