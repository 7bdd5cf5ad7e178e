//! The MLLP listener: one message, one acknowledgement, each with its audit record.

mod connection;
mod exchange;

use std::net::SocketAddr;
use std::sync::Arc;

use carerecord_access::Caller;
use carerecord_service::{AuditTrail, Lifecycle};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::Registry;

/// `listen` of the `[registry.feed]` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MllpConfig {
    /// Address and port. Only loopback: the protocol has no encryption of its own.
    pub address: SocketAddr,
    /// The longest message; 1 MiB unless given.
    #[serde(default = "default_max_message_bytes")]
    pub max_message_bytes: usize,
    /// How long a connection may be silent; an hour unless given.
    #[serde(default = "default_idle_seconds")]
    pub idle_seconds: u64,
    /// The most connections at once; 64 unless given.
    #[serde(default = "default_max_connections")]
    pub max_connections: usize,
}

fn default_max_message_bytes() -> usize {
    1 << 20
}

fn default_idle_seconds() -> u64 {
    3600
}

fn default_max_connections() -> usize {
    64
}

/// What a connection needs.
struct Door {
    registry: Registry,
    caller: Caller,
    trail: AuditTrail,
    config: MllpConfig,
}

/// Listens for ADT messages until the process drains; returns where.
///
/// # Errors
/// When the address is not loopback or cannot be bound.
pub async fn serve_mllp(
    config: MllpConfig,
    registry: Registry,
    caller: Caller,
    trail: AuditTrail,
    lifecycle: &Lifecycle,
) -> std::io::Result<SocketAddr> {
    if !config.address.ip().is_loopback() {
        let what = "without TLS the MLLP listener may only bind a loopback address";
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, what));
    }
    let listener = TcpListener::bind(config.address).await?;
    let address = listener.local_addr()?;
    let draining = lifecycle.draining();
    let connections = Arc::new(Semaphore::new(config.max_connections));
    let door = Arc::new(Door { registry, caller, trail, config });
    let inner = lifecycle.clone();
    lifecycle.spawn("mllp", async move {
        loop {
            let permit = tokio::select! {
                () = draining.cancelled() => return,
                permit = connections.clone().acquire_owned() => permit,
            };
            let accepted = tokio::select! {
                () = draining.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let (Ok(permit), Ok((stream, peer))) = (permit, accepted) else { continue };
            let (door, draining) = (door.clone(), draining.clone());
            inner.spawn("mllp connection", async move {
                let talk = door.talk(stream, peer);
                tokio::select! {
                    () = draining.cancelled() => {}
                    () = talk => {}
                }
                drop(permit);
            });
        }
    });
    Ok(address)
}
