//! The MLLP listener: one message, one acknowledgement, each with its audit record.

mod connection;
mod exchange;

use std::net::SocketAddr;
use std::sync::Arc;

use carerecord_access::Caller;
use carerecord_service::{
    AuditTrail, Entrance, Handshakes, Lifecycle, Recheck, ServerTls, TlsConfig, TlsConnection,
};
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::Registry;

/// `listen` of the `[registry.feed]` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MllpConfig {
    /// Address and port. Without TLS only loopback: the protocol has no encryption of its own.
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
    /// TLS; systems are known by their certificates then.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
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
    config: Arc<MllpConfig>,
    /// Whether the peer's certificate is still good.
    recheck: Option<Arc<Recheck>>,
}

/// What the connections share.
struct Hall {
    registry: Registry,
    entrance: Entrance,
    trail: AuditTrail,
    config: Arc<MllpConfig>,
    handshakes: Option<Handshakes>,
}

impl Hall {
    async fn connection(&self, stream: TcpStream, peer: SocketAddr) {
        let Some(handshakes) = &self.handshakes else {
            if let Ok(callers) = self.entrance.of_connection(None) {
                self.door(callers.listener(), None).talk(stream, peer).await;
            }
            return;
        };
        let Some(connection) = handshakes.accept(stream, peer).await else { return };
        let TlsConnection { stream, client, recheck } = connection;
        let facts = client.as_ref().map(|(_, facts)| &**facts);
        match self.entrance.of_connection(facts) {
            Ok(callers) => {
                self.door(callers.listener(), Some(recheck)).talk(stream, peer).await;
            }
            Err(why) => handshakes.refuse(peer, &why).await,
        }
    }

    fn door(&self, caller: &Caller, recheck: Option<Arc<Recheck>>) -> Door {
        Door {
            registry: self.registry.clone(),
            caller: caller.clone(),
            trail: self.trail.clone(),
            config: self.config.clone(),
            recheck,
        }
    }
}

/// Listens for ADT messages until the process drains; returns where.
///
/// # Errors
/// When the address is not loopback without TLS or cannot be bound, or TLS cannot be set up.
pub async fn serve_mllp(
    config: MllpConfig,
    registry: Registry,
    entrance: impl Into<Entrance>,
    trail: AuditTrail,
    lifecycle: &Lifecycle,
) -> std::io::Result<SocketAddr> {
    if config.tls.is_none() && !config.address.ip().is_loopback() {
        let what = "without TLS the MLLP listener may only bind a loopback address";
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, what));
    }
    let tls = config.tls.clone().map(ServerTls::load).transpose();
    let tls = tls.map_err(std::io::Error::other)?;
    let listener = TcpListener::bind(config.address).await?;
    let address = listener.local_addr()?;
    let draining = lifecycle.draining();
    let connections = Arc::new(Semaphore::new(config.max_connections));
    if let Some(tls) = tls.clone() {
        lifecycle.spawn("certificates", tls.watch(lifecycle.draining()));
    }
    let handshakes = tls.map(|tls| Handshakes::new(tls, "mllp", Some(trail.clone())));
    let (entrance, config) = (entrance.into(), Arc::new(config));
    let hall = Arc::new(Hall { registry, entrance, trail, config, handshakes });
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
            let (hall, draining) = (hall.clone(), draining.clone());
            inner.spawn("mllp connection", async move {
                let talk = hall.connection(stream, peer);
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
