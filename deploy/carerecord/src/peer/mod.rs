//! Clients of roles in other processes: the same ports, over the standard's own wire.

mod audit;
mod one_probe;
mod producer;
mod recipient;
mod registry;
mod repository;
mod soap;

use carerecord_service::ClientTls;

pub use audit::PeerLog;
pub use producer::ProducerClient;
pub use recipient::RecipientClient;
pub use registry::RegistryClient;
pub use repository::RepositoryClient;
pub use soap::{Sent, chain, provide_and_register};

/// The HTTP client of all peers, with our own certificate and authorities where there are any. No redirects: a peer's address is what the configuration says.
pub fn http_client(tls: Option<&ClientTls>) -> anyhow::Result<reqwest::Client> {
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(std::time::Duration::from_secs(5))
        .no_proxy();
    Ok(with_tls(builder, tls)?.build()?)
}

/// The HTTP client of a role to others: a peer that takes a request and then says nothing for
/// `silence`, or stops in the middle, is given up. The questions themselves are short, so the wait is the peer's.
pub fn role_client(
    silence: std::time::Duration,
    tls: Option<&ClientTls>,
) -> anyhow::Result<reqwest::Client> {
    Ok(with_tls(role_client_builder(silence), tls)?.build()?)
}

/// The same with our own certificate and authorities, where there are any.
fn with_tls(
    builder: reqwest::ClientBuilder,
    tls: Option<&ClientTls>,
) -> anyhow::Result<reqwest::ClientBuilder> {
    let Some(tls) = tls else { return Ok(builder) };
    Ok(builder.tls_backend_preconfigured(tls.client_config()?))
}

/// The same, for credentials to be added.
pub fn role_client_builder(silence: std::time::Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(std::time::Duration::from_secs(5))
        .read_timeout(silence)
        .no_proxy()
}
