//! TLS of listeners and of clients. TLS 1.2 and 1.3 by rustls with its suites of ECDHE and AEAD, and
//! no others. IHE ITI-19: TLS 1.2 floor with BCP 195.
//!
//! Keys, certificates, authorities and revocation lists are files. They are looked at every two
//! seconds and on SIGHUP; what cannot be used leaves those before in use. Connections that are open
//! go on with the certificate that they began with, but their clients' certificates are verified
//! again when authorities or lists have changed, and every minute.

mod client;
mod connection;
mod facts;
mod files;
mod handshake;
mod server;
mod watch;

use std::path::PathBuf;

pub use client::{ClientTls, ClientTlsConfig};
pub use connection::Recheck;
pub(crate) use connection::recheck;
pub use facts::CertificateFacts;
pub use handshake::{Handshakes, TlsConnection};
pub use server::{ServerTls, TlsConfig};

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read.
    #[error("{} cannot be read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file with something else in it.
    #[error("{} {what}", file.display())]
    Content {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Parts that do not go together.
    #[error("{0}")]
    Unusable(String),
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        Self::Unusable(error.to_string())
    }
}
