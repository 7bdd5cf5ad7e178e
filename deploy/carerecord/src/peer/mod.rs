//! Clients of roles in other processes: the same ports, over the standard's own wire.

mod producer;
mod registry;
mod repository;
mod soap;

pub use producer::ProducerClient;
pub use registry::RegistryClient;
pub use repository::RepositoryClient;
pub use soap::{chain, provide_and_register};

/// The HTTP client of all peers. No redirects: a peer's address is what the configuration says.
pub fn http_client() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(std::time::Duration::from_secs(5))
        .no_proxy()
        .build()?)
}

/// The HTTP client of a role to others: a peer that takes a request and then says nothing for
/// `silence`, or stops in the middle, is given up. The questions themselves are short, so the wait is the peer's.
pub fn role_client(silence: std::time::Duration) -> anyhow::Result<reqwest::Client> {
    Ok(role_client_builder(silence).build()?)
}

/// The same, for credentials to be added.
pub fn role_client_builder(silence: std::time::Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(std::time::Duration::from_secs(5))
        .read_timeout(silence)
        .no_proxy()
}
