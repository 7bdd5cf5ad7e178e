use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use http::request::Parts;

/// The certificate, in DER, with which a peer has proved itself on its connection. A listener with
/// mutual TLS puts it into the extensions of each request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientCertificate(pub Arc<[u8]>);

/// Who is at the other end of the connection.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Peer {
    /// Its network address.
    pub address: Option<IpAddr>,
    /// Its certificate.
    pub certificate: Option<ClientCertificate>,
}

impl Peer {
    /// Whether both are one: by their certificates where one has one, else by their addresses.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (&self.certificate, &other.certificate) {
            (None, None) => self.address.is_some() && self.address == other.address,
            (mine, theirs) => mine == theirs,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        Ok(Self { address, certificate: parts.extensions.get().cloned() })
    }
}
