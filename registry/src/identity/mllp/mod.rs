//! The MLLP listener: one message, one acknowledgement, each with its audit record.

mod connection;
mod exchange;

use std::net::SocketAddr;
use std::sync::Arc;

use carerecord_access::Caller;
use carerecord_service::tls::CertificateFacts;
use carerecord_service::{
    AuditTrail, ClientLimit, ConnectionLimits, Entrance, Handshakes, Lifecycle, Recheck, ServerTls,
    TlsConfig, TlsConnection,
};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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
    /// What one client may do, by its certificate, else its address: connections `at_once`, and
    /// messages. Unless given, none without TLS, and [`ClientLimit::OF_MLLP`] with it.
    #[serde(default)]
    pub per_client: Option<ClientLimit>,
    /// TLS; systems are known by their certificates then.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
}

impl MllpConfig {
    /// What one client may do, if that is limited.
    fn client_limit(&self) -> Option<ClientLimit> {
        self.per_client.or(self.tls.is_some().then_some(ClientLimit::OF_MLLP))
    }

    fn validate(&self) -> std::io::Result<()> {
        let wrong = |what: String| std::io::Error::new(std::io::ErrorKind::InvalidInput, what);
        if self.tls.is_none() && !self.address.ip().is_loopback() {
            let what = "without TLS the MLLP listener may only bind a loopback address";
            return Err(wrong(what.to_owned()));
        }
        match self.per_client.and_then(|limit| limit.allows_nothing()) {
            Some(key) => Err(wrong(format!("{key} must be at least 1"))),
            None => Ok(()),
        }
    }
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
    limits: Option<ConnectionLimits>,
    /// Places for those who are told that they have too many connections.
    telling: Semaphore,
}

impl Hall {
    /// What comes by a connection, which has a place of the listener.
    async fn connection(&self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        let Some(handshakes) = &self.handshakes else {
            if let Ok(callers) = self.entrance.of_connection(None) {
                self.enter(stream, (peer, None), self.door(callers.listener(), None), place).await;
            }
            return;
        };
        // Who has not shown a certificate yet is who has the address: nobody keeps others out by
        // handshakes that do not end.
        let shaking = self.limits.as_ref().map(|limits| limits.place(None, peer)).transpose();
        let Ok(shaking) = shaking else {
            return handshakes.refuse(peer, "too many handshakes at once of this address").await;
        };
        let Some(connection) = handshakes.accept(stream, peer).await else { return };
        drop(shaking);
        let TlsConnection { stream, client, recheck } = connection;
        let facts = client.as_ref().map(|(_, facts)| &**facts);
        match self.entrance.of_connection(facts) {
            Ok(callers) => {
                let door = self.door(callers.listener(), Some(recheck));
                self.enter(stream, (peer, facts), door, place).await;
            }
            Err(why) => handshakes.refuse(peer, &why).await,
        }
    }

    /// Talks, if the client may have one more connection. Who is turned away keeps no place of the
    /// listener while it is told; where too many are told, it is only hung up on.
    async fn enter<S>(
        &self,
        stream: S,
        (peer, certificate): (SocketAddr, Option<&CertificateFacts>),
        door: Door,
        of_listener: OwnedSemaphorePermit,
    ) where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let place = self.limits.as_ref().map(|limits| limits.place(certificate, peer));
        let too_many = match place.transpose() {
            Ok(place) => return door.talk(stream, peer, place.as_ref()).await,
            Err(too_many) => too_many,
        };
        drop(of_listener);
        if let Ok(_told) = self.telling.try_acquire() {
            return door.turn_away(stream, peer, too_many).await;
        }
        drop(stream);
        door.too_many(peer, too_many).await;
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
/// When the address is not loopback without TLS or cannot be bound, a limit allows nothing, or TLS
/// cannot be set up.
pub async fn serve_mllp(
    config: MllpConfig,
    registry: Registry,
    entrance: impl Into<Entrance>,
    trail: AuditTrail,
    lifecycle: &Lifecycle,
) -> std::io::Result<SocketAddr> {
    config.validate()?;
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
    let limits = config.client_limit().map(|limit| ConnectionLimits::new("mllp", limit));
    let (entrance, config) = (entrance.into(), Arc::new(config));
    let telling = Semaphore::new(TOLD_AT_ONCE);
    let hall = Arc::new(Hall { registry, entrance, trail, config, handshakes, limits, telling });
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
                let talk = hall.connection(stream, peer, permit);
                tokio::select! {
                    () = draining.cancelled() => {}
                    () = talk => {}
                }
            });
        }
    });
    Ok(address)
}

/// How many are told at once that they have too many connections.
const TOLD_AT_ONCE: usize = 16;
