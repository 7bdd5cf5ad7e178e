use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use carerecord_model::IdSource;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::audit_trail::AuditTrail;
use crate::client_limit::ClientLimit;
use crate::lifecycle::Lifecycle;
use crate::metrics::CONNECTIONS;
use crate::stall::StallGuard;
use crate::tls::{Handshakes, ServerTls, TlsConfig, TlsConnection, TlsError};

/// Where a listener is bound and what it allows. Every field but the address has a default.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ListenerConfig {
    /// Address and port; port 0 takes a free one.
    pub address: SocketAddr,
    /// The longest body of a request; 16 MiB unless given.
    #[serde(default = "default_max_body_bytes")]
    pub max_body_bytes: usize,
    /// The longest head of a request, line and headers, at least 8 KiB; 64 KiB unless given.
    #[serde(default = "default_max_header_bytes")]
    pub max_header_bytes: usize,
    /// The most headers in a request; 100 unless given.
    #[serde(default = "default_max_headers")]
    pub max_headers: usize,
    /// How long a head may take to arrive, also the wait for the next one; 10 s unless given.
    #[serde(default = "default_header_timeout_ms")]
    pub header_timeout_ms: u64,
    /// How long a handler may take to begin its answer, reading the body included; 60 s unless
    /// given.
    #[serde(default = "default_request_timeout_ms")]
    pub request_timeout_ms: u64,
    /// How long the body of a request may pause; 30 s unless given.
    #[serde(default = "default_idle_timeout_ms")]
    pub body_idle_timeout_ms: u64,
    /// How long the peer may take nothing of an answer; 30 s unless given.
    #[serde(default = "default_idle_timeout_ms")]
    pub write_stall_timeout_ms: u64,
    /// The most connections at once, further ones wait; 1,024 unless given.
    #[serde(default = "default_max_connections")]
    pub max_connections: usize,
    /// What one client may ask: by its certificate, else its address, and besides whom its access
    /// token names. Unless given, none without TLS, and [`ClientLimit::OF_TLS`] with it.
    #[serde(default)]
    pub per_client: Option<ClientLimit>,
    /// TLS; without it the address is a loopback one.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
}

/// Why a listener cannot be.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    /// Without TLS what is said could be heard and changed on the way.
    #[error("without TLS this listener may only bind a loopback address, and {0} is not one")]
    NotLoopback(SocketAddr),
    /// Keys or certificates that cannot be used.
    #[error("TLS cannot be set up at {0}")]
    Tls(SocketAddr, #[source] TlsError),
    /// A limit of nothing, or too small to work with.
    #[error("{key} must be at least {least}")]
    TooSmall {
        /// The key in the configuration.
        key: &'static str,
        /// The least that works.
        least: u64,
    },
    /// The system refused the address.
    #[error("{address} cannot be bound")]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

impl ListenerConfig {
    /// The defaults, on 127.0.0.1 and this port.
    pub fn loopback(port: u16) -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, port).into(),
            max_body_bytes: default_max_body_bytes(),
            max_header_bytes: default_max_header_bytes(),
            max_headers: default_max_headers(),
            header_timeout_ms: default_header_timeout_ms(),
            request_timeout_ms: default_request_timeout_ms(),
            body_idle_timeout_ms: default_idle_timeout_ms(),
            write_stall_timeout_ms: default_idle_timeout_ms(),
            max_connections: default_max_connections(),
            per_client: None,
            tls: None,
        }
    }

    /// What one client may ask, if that is limited.
    pub fn client_limit(&self) -> Option<ClientLimit> {
        self.per_client.or(self.tls.is_some().then_some(ClientLimit::OF_TLS))
    }

    /// Checks the address and the limits.
    ///
    /// # Errors
    /// Names the first thing that cannot be.
    pub fn validate(&self) -> Result<(), ListenerError> {
        if self.tls.is_none() && !self.address.ip().is_loopback() {
            return Err(ListenerError::NotLoopback(self.address));
        }
        let least = [
            ("max_body_bytes", self.max_body_bytes as u64, 1),
            ("max_header_bytes", self.max_header_bytes as u64, 8192),
            ("max_headers", self.max_headers as u64, 1),
            ("header_timeout_ms", self.header_timeout_ms, 1),
            ("request_timeout_ms", self.request_timeout_ms, 1),
            ("body_idle_timeout_ms", self.body_idle_timeout_ms, 1),
            ("write_stall_timeout_ms", self.write_stall_timeout_ms, 1),
            ("max_connections", self.max_connections as u64, 1),
        ];
        let handshake =
            self.tls.iter().map(|t| ("tls.handshake_timeout_ms", t.handshake_timeout_ms, 1));
        let client = self.per_client.iter().filter_map(ClientLimit::allows_nothing);
        let client = client.map(|key| (key, 0, 1));
        match least
            .into_iter()
            .chain(handshake)
            .chain(client)
            .find(|(_, given, least)| given < least)
        {
            Some((key, _, least)) => Err(ListenerError::TooSmall { key, least }),
            None => Ok(()),
        }
    }
}

/// A bound address that does not answer yet: connections queue until [`Listener::serve`].
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    config: ListenerConfig,
    tls: Option<ServerTls>,
    trail: Option<AuditTrail>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Listener").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Listener {
    /// Checks the configuration and binds the address.
    ///
    /// # Errors
    /// When the configuration is not valid, or the system refuses the address.
    pub async fn bind(config: ListenerConfig) -> Result<Self, ListenerError> {
        config.validate()?;
        let tls = config.tls.clone().map(ServerTls::load).transpose();
        let tls = tls.map_err(|e| ListenerError::Tls(config.address, e))?;
        let refused = |source| ListenerError::Bind { address: config.address, source };
        let socket = TcpListener::bind(config.address).await.map_err(refused)?;
        let address = socket.local_addr().map_err(refused)?;
        Ok(Self { socket, address, config, tls, trail: None })
    }

    /// The same, whose refused handshakes are recorded.
    #[must_use]
    pub fn recorded_in(self, trail: AuditTrail) -> Self {
        Self { trail: Some(trail), ..self }
    }

    /// The bound address, with the port that was taken if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests with these routes, inside the layers of [`crate::layers::standard`], until
    /// the process drains. `name` is the door's name in the log and the metrics.
    ///
    /// Handlers find the peer's address as `ConnectInfo<SocketAddr>`.
    pub fn serve(
        self,
        name: &'static str,
        router: Router,
        ids: Arc<dyn IdSource>,
        lifecycle: &Lifecycle,
    ) {
        let router = crate::layers::standard(router, name, &self.config, ids);
        tracing::info!(listener = name, address = %self.address, "listening");
        if let Some(tls) = self.tls.clone() {
            lifecycle.spawn("certificates", tls.watch(lifecycle.draining()));
        }
        let accept = accept(self, name, router, lifecycle.clone());
        lifecycle.spawn_essential(name, accept);
    }
}

async fn accept(listener: Listener, name: &'static str, router: Router, lifecycle: Lifecycle) {
    let handshakes = listener.tls.map(|tls| Handshakes::new(tls, name, listener.trail));
    let door = Arc::new(Door { name, config: listener.config, handshakes });
    let room = Arc::new(Semaphore::new(door.config.max_connections.min(Semaphore::MAX_PERMITS)));
    let draining = lifecycle.draining();
    loop {
        let (stream, peer, permit) = tokio::select! {
            () = draining.cancelled() => return,
            accepted = next_connection(&listener.socket, &room) => match accepted {
                Some(accepted) => accepted,
                None => continue,
            },
        };
        let connection =
            connection(stream, peer, door.clone(), router.clone(), lifecycle.draining());
        lifecycle.spawn("connection", async move {
            connection.await;
            drop(permit);
        });
    }
}

/// Waits for room, then for a connection; `None` after a failure that passes.
async fn next_connection(
    socket: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.ok()?;
    match socket.accept().await {
        Ok((stream, peer)) => {
            // Without this, Nagle's algorithm and delayed acknowledgements hold the last part of
            // every streamed answer back for 40 ms.
            stream.set_nodelay(true).ok()?;
            Some((stream, peer, permit))
        }
        Err(error) => {
            // Out of file handles, most likely: nothing is gained by asking again at once.
            tracing::warn!(kind = ?error.kind(), "a connection could not be accepted");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// What the connections of a listener share.
struct Door {
    name: &'static str,
    config: ListenerConfig,
    handshakes: Option<Handshakes>,
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    door: Arc<Door>,
    router: Router,
    draining: CancellationToken,
) {
    let open = metrics::gauge!(CONNECTIONS, "listener" => door.name);
    open.increment(1.0);
    let router = router.layer(Extension(ConnectInfo(peer)));
    match &door.handshakes {
        None => talk(stream, router, &door, &draining).await,
        Some(handshakes) => {
            let shaken = tokio::select! {
                shaken = handshakes.accept(stream, peer) => shaken,
                () = draining.cancelled() => None,
            };
            if let Some(TlsConnection { stream, client, recheck }) = shaken {
                // From the outside in: whether the certificate is still good, then whose it is.
                let router = match client {
                    Some((certificate, facts)) => {
                        router.layer(Extension(certificate)).layer(Extension(facts))
                    }
                    None => router,
                };
                let checked = axum::middleware::from_fn_with_state(recheck, crate::tls::recheck);
                talk(stream, router.layer(checked), &door, &draining).await;
            }
        }
    }
    open.decrement(1.0);
}

/// Answers the requests of one connection.
async fn talk<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    router: Router,
    door: &Door,
    draining: &CancellationToken,
) {
    let limit = Duration::from_millis(door.config.write_stall_timeout_ms);
    let stream = StallGuard::new(stream, limit);
    let service = TowerToHyperService::new(router);
    let builder = http1(&door.config);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if ended.is_err() {
        // What the error says may quote the peer's bytes.
        tracing::debug!(listener = door.name, "a connection ended with an error");
    }
}

/// HTTP/1.1 only, which is also what ALPN offers. To guess HTTP/2 from the first bytes would leave a
/// peer that sends none of them without a time limit.
fn http1(config: &ListenerConfig) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(config.header_timeout_ms))
        .max_buf_size(config.max_header_bytes)
        .max_headers(config.max_headers);
    builder
}

fn default_max_body_bytes() -> usize {
    16 << 20
}

fn default_max_header_bytes() -> usize {
    64 << 10
}

fn default_max_headers() -> usize {
    100
}

fn default_header_timeout_ms() -> u64 {
    10_000
}

fn default_request_timeout_ms() -> u64 {
    60_000
}

fn default_idle_timeout_ms() -> u64 {
    30_000
}

fn default_max_connections() -> usize {
    1024
}

const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
