use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use carerecord_audit::{AuditEvent, AuditOutcome};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{CertificateFacts, Recheck, ServerTls};
use crate::AuditTrail;
use crate::xua::ClientCertificate;

/// The handshakes of a listener. Each that is refused has an audit record.
pub struct Handshakes {
    tls: ServerTls,
    listener: &'static str,
    trail: Option<AuditTrail>,
    refused: Mutex<HashMap<IpAddr, (Instant, u32)>>,
}

/// A connection whose handshake is done.
pub struct TlsConnection {
    /// The stream.
    pub stream: TlsStream<TcpStream>,
    /// The client's certificate, where it has one, and what it says.
    pub client: Option<(ClientCertificate, Arc<CertificateFacts>)>,
    /// Whether the client is still whom it may be.
    pub recheck: Arc<Recheck>,
}

impl Handshakes {
    /// The handshakes of a listener of this name; refusals are recorded in `trail`.
    pub fn new(tls: ServerTls, listener: &'static str, trail: Option<AuditTrail>) -> Self {
        Self { tls, listener, trail, refused: Mutex::default() }
    }

    /// Shakes hands; `None` when that fails, which has been recorded then.
    pub async fn accept(&self, stream: TcpStream, peer: SocketAddr) -> Option<TlsConnection> {
        let loaded = self.tls.current();
        let shake = TlsAcceptor::from(loaded.server.clone()).accept(stream);
        let stream = match tokio::time::timeout(self.tls.handshake_timeout(), shake).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                // Whoever goes away without a word, as a probe of the port does, was refused nothing.
                let said = error.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
                if let Some(error) = said {
                    self.refuse(peer, &error.to_string()).await;
                }
                return None;
            }
            Err(_) => {
                self.refuse(peer, "the handshake took too long").await;
                return None;
            }
        };
        let chain: Vec<_> = stream.get_ref().1.peer_certificates().unwrap_or_default().to_vec();
        let client = chain.first().map(|certificate| {
            let facts = Arc::new(CertificateFacts::of(certificate));
            (ClientCertificate(Arc::from(&**certificate)), facts)
        });
        let recheck = Arc::new(Recheck::new(self.tls.clone(), chain, loaded.generation));
        Some(TlsConnection { stream, client, recheck })
    }

    /// Records that a node did not show who it is.
    pub async fn refuse(&self, peer: SocketAddr, why: &str) {
        metrics::counter!(REFUSED, "listener" => self.listener).increment(1);
        let count = self.count(peer.ip());
        // Who only knocks must not fill the record: of many refusals the 32nd, 64th, … are recorded.
        if count > ONE_BY_ONE && !count.is_power_of_two() {
            return;
        }
        tracing::warn!(listener = self.listener, %peer, why, "a node was refused");
        let Some(trail) = &self.trail else { return };
        let (id, now) = (trail.ids.ordered(), trail.clock.now());
        let mut event = AuditEvent::incoming(id, now, &trail.recorder, "tls");
        "node authentication".clone_into(&mut event.interaction);
        "TLS handshake".clone_into(&mut event.request);
        event.peer = Some(peer.to_string());
        event.status = 403;
        event.outcome = AuditOutcome::Refused;
        let why: String = why.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect();
        event.error = Some(match count {
            ..=ONE_BY_ONE => why,
            many => format!("{why}; number {many} from this address in a short time"),
        });
        if let Err(error) = trail.log.append(event).await {
            tracing::error!(%error, "an audit record could not be stored");
        }
    }

    /// How many refusals this is from an address, since it was last quiet for a minute.
    fn count(&self, address: IpAddr) -> u32 {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() >= MAX_ADDRESSES {
            refused.retain(|_, (last, _)| last.elapsed() < QUIET);
        }
        if refused.len() >= MAX_ADDRESSES && !refused.contains_key(&address) {
            return 1;
        }
        let (last, count) = refused.entry(address).or_insert((Instant::now(), 0));
        if last.elapsed() >= QUIET {
            *count = 0;
        }
        (*last, *count) = (Instant::now(), count.saturating_add(1));
        *count
    }
}

const REFUSED: &str = "tls_handshakes_refused_total";
const ONE_BY_ONE: u32 = 20;
const QUIET: Duration = Duration::from_secs(60);
const MAX_ADDRESSES: usize = 10_000;
const MAX_REASON: usize = 256;
