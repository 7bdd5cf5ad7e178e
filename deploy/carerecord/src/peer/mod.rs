//! Clients of roles in other processes: the same ports, over the standard's own wire.

mod registry;
mod repository;
mod soap;

pub use registry::RegistryClient;
pub use repository::RepositoryClient;
pub use soap::provide_and_register;

/// The HTTP client of all peers. No redirects: a peer's address is what the configuration says.
pub fn http_client() -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(std::time::Duration::from_secs(5))
        .no_proxy()
        .build()?)
}
