//! What one client may ask of a listener: requests a second, and requests at once. A client is who
//! its certificate says, else its address, and besides whom an access token has been verified to name.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::Extensions;
use http_body::{Body as HttpBody, Frame, SizeHint};
use serde::Deserialize;

use crate::metrics::LIMITED;
use crate::tls::CertificateFacts;
use crate::{Refusal, RequestId};

/// What a client may ask.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct ClientLimit {
    /// Requests a second over a longer time.
    pub per_second: u32,
    /// Requests that may come at once after a rest.
    pub burst: u32,
    /// Requests whose answers have not ended.
    pub at_once: u32,
}

impl ClientLimit {
    /// What holds for listeners that others can reach, unless the configuration says otherwise.
    pub const OF_TLS: Self = Self { per_second: 1_000, burst: 2_000, at_once: 512 };

    /// The same for MLLP: messages, and connections at once.
    pub const OF_MLLP: Self = Self { per_second: 200, burst: 1_000, at_once: 16 };

    /// The key that allows nothing, if there is one.
    pub fn allows_nothing(&self) -> Option<&'static str> {
        let keys = [
            ("per_client.per_second", self.per_second),
            ("per_client.burst", self.burst),
            ("per_client.at_once", self.at_once),
        ];
        keys.into_iter().find(|(_, given)| *given == 0).map(|(key, _)| key)
    }
}

/// The clients of one listener, each with what it has left. Clones share them.
#[derive(Clone)]
pub struct ClientLimits(Arc<Limits>);

struct Limits {
    listener: &'static str,
    limit: ClientLimit,
    clients: Mutex<Clients>,
}

#[derive(Default)]
struct Clients {
    left: HashMap<Client, Left>,
    /// When those that have rested were last forgotten.
    swept: Option<Instant>,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Client {
    Certificate(String),
    Address(IpAddr),
    Named(String),
    /// Whoever comes while there are more than can be told apart.
    Others,
}

#[derive(Clone, Copy, Debug)]
struct Left {
    tokens: f64,
    at: Instant,
    at_once: u32,
    /// Refusals since there was room.
    refused: u32,
}

/// A client has asked for more than it may.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TooMany {
    /// When it may ask again.
    pub wait: Duration,
    /// How many times it has been refused since there was room.
    pub refused: u32,
}

impl TooMany {
    /// Whether the refusal is recorded: the first ones of a client are, one by one, then the 32nd, the
    /// 64th and so on, for who floods must not fill the record.
    pub fn is_recorded(&self) -> bool {
        self.refused <= ONE_BY_ONE || self.refused.is_power_of_two()
    }
}

impl ClientLimits {
    /// Nobody has asked yet.
    pub fn new(listener: &'static str, limit: ClientLimit) -> Self {
        Self(Arc::new(Limits { listener, limit, clients: Mutex::default() }))
    }

    pub(crate) fn listener(&self) -> &'static str {
        self.0.listener
    }

    /// Takes one request, or whatever else is counted, until the guard is dropped.
    pub(crate) fn guard(&self, client: Client) -> Result<Guard, TooMany> {
        self.take(&client, Instant::now())?;
        Ok(Guard { limits: self.clone(), client })
    }

    /// Takes one request of whom a token names, for the handler that has verified it.
    ///
    /// # Errors
    /// When it is one too many.
    pub fn admit_named(&self, name: &str) -> Result<(), TooMany> {
        self.take(&Client::Named(name.to_owned()), Instant::now()).map(|()| self.done(name))
    }

    /// A name has no requests under way that could be counted.
    fn done(&self, name: &str) {
        self.give_back(&Client::Named(name.to_owned()));
    }

    fn take(&self, client: &Client, now: Instant) -> Result<(), TooMany> {
        let limit = self.0.limit;
        let mut clients = self.clients();
        let known = clients.left.contains_key(client);
        let client = if known || clients.has_room(&limit, now) { client } else { &Client::Others };
        let burst = f64::from(limit.burst);
        let fresh = Left { tokens: burst, at: now, at_once: 0, refused: 0 };
        let left = clients.left.entry(client.clone()).or_insert(fresh);
        left.tokens = left.tokens_at(&limit, now);
        left.at = now;
        if left.tokens < 1.0 || left.at_once >= limit.at_once {
            left.refused = left.refused.saturating_add(1);
            let missing = (1.0 - left.tokens).max(0.0) / f64::from(limit.per_second);
            let wait = Duration::from_secs_f64(missing).max(Duration::from_secs(1));
            return Err(TooMany { wait, refused: left.refused });
        }
        left.tokens -= 1.0;
        left.at_once += 1;
        if left.tokens > burst / 2.0 {
            left.refused = 0;
        }
        Ok(())
    }

    fn give_back(&self, client: &Client) {
        let mut clients = self.clients();
        let client = if clients.left.contains_key(client) { client } else { &Client::Others };
        if let Some(left) = clients.left.get_mut(client) {
            left.at_once = left.at_once.saturating_sub(1);
        }
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        // A panic while holding the lock leaves plain numbers.
        self.0.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clients {
    /// Whether one more can be told apart; those that have rested are forgotten first, not at every
    /// question.
    fn has_room(&mut self, limit: &ClientLimit, now: Instant) -> bool {
        let lately = |swept: Instant| now.saturating_duration_since(swept) < SWEEP;
        if self.left.len() >= MAX_CLIENTS && !self.swept.is_some_and(lately) {
            self.left.retain(|_, left| left.at_once > 0 || !left.is_rested(limit, now));
            self.swept = Some(now);
        }
        self.left.len() < MAX_CLIENTS
    }
}

impl Left {
    fn tokens_at(&self, limit: &ClientLimit, now: Instant) -> f64 {
        let rested = now.saturating_duration_since(self.at).as_secs_f64();
        (self.tokens + rested * f64::from(limit.per_second)).min(f64::from(limit.burst))
    }

    /// Whether it is as one that has never asked.
    fn is_rested(&self, limit: &ClientLimit, now: Instant) -> bool {
        self.tokens_at(limit, now) >= f64::from(limit.burst)
    }
}

impl Client {
    fn of(extensions: &Extensions) -> Self {
        let facts = extensions.get::<Arc<CertificateFacts>>();
        let peer = extensions.get::<ConnectInfo<SocketAddr>>();
        Self::known_by(facts.map(|facts| &**facts), peer.map(|info| info.0.ip()))
    }

    /// Who shows a certificate, else who has an address.
    pub(crate) fn known_by(certificate: Option<&CertificateFacts>, peer: Option<IpAddr>) -> Self {
        if let Some(facts) = certificate {
            return Self::Certificate(facts.sha256.clone());
        }
        match peer {
            None => Self::Others,
            Some(IpAddr::V4(address)) => Self::Address(address.into()),
            // Whoever has one address has the whole network of it.
            Some(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
                Some(address) => Self::Address(address.into()),
                None => {
                    let network = u128::from(address) >> 64 << 64;
                    Self::Address(IpAddr::V6(network.into()))
                }
            },
        }
    }
}

/// The layer: refuses what is too much.
pub(crate) async fn limit(
    State(limits): State<ClientLimits>,
    mut request: Request,
    next: Next,
) -> Response {
    let client = Client::of(request.extensions());
    match limits.guard(client) {
        Ok(guard) => {
            request.extensions_mut().insert(limits);
            next.run(request).await.map(|body| Body::new(Guarded { body, _guard: guard }))
        }
        Err(too_many) => {
            metrics::counter!(LIMITED, "listener" => limits.0.listener).increment(1);
            let refusal = Refusal::busy(too_many.wait, too_many.refused);
            if !too_many.is_recorded() {
                let id = request.extensions().get::<RequestId>().copied();
                return refusal.answer(request.uri().path(), id, None);
            }
            request.extensions_mut().insert(refusal);
            next.run(request).await
        }
    }
}

/// A request that is under way, to the end of its answer.
pub(crate) struct Guard {
    limits: ClientLimits,
    client: Client,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.limits.give_back(&self.client);
    }
}

struct Guarded {
    body: Body,
    _guard: Guard,
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

const ONE_BY_ONE: u32 = 20;
/// Clients that are told apart at once: some megabytes.
const MAX_CLIENTS: usize = 50_000;
const SWEEP: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: ClientLimit = ClientLimit { per_second: 10, burst: 3, at_once: 5 };

    fn limits() -> ClientLimits {
        ClientLimits::new("test", LIMIT)
    }

    fn client(n: u8) -> Client {
        Client::Address([192, 0, 2, n].into())
    }

    fn ask(limits: &ClientLimits, client: &Client, at: Instant) -> bool {
        let taken = limits.take(client, at).is_ok();
        if taken {
            limits.give_back(client);
        }
        taken
    }

    #[test]
    fn a_burst_then_so_many_a_second_for_each_client() {
        let (limits, start) = (limits(), Instant::now());
        let after = |ms| start + Duration::from_millis(ms);

        let burst: Vec<bool> = (0..5).map(|_| ask(&limits, &client(1), start)).collect();

        assert_eq!(burst, [true, true, true, false, false]);
        assert!(ask(&limits, &client(2), start), "another client");
        assert!(!ask(&limits, &client(1), after(50)));
        assert!(ask(&limits, &client(1), after(150)));
        assert!(!ask(&limits, &client(1), after(150)));
        let rested: Vec<bool> = (0..4).map(|_| ask(&limits, &client(1), after(9_000))).collect();
        assert_eq!(rested, [true, true, true, false], "no more than a burst, after any rest");
    }

    #[test]
    fn so_many_at_once_whatever_the_rate() {
        let limits =
            ClientLimits::new("test", ClientLimit { per_second: 1_000, burst: 1_000, at_once: 2 });
        let now = Instant::now();

        assert!(limits.take(&client(1), now).is_ok() && limits.take(&client(1), now).is_ok());
        let third = limits.take(&client(1), now).unwrap_err();
        limits.give_back(&client(1));

        assert_eq!(third.wait, Duration::from_secs(1));
        assert!(limits.take(&client(1), now).is_ok(), "one has ended");
    }

    #[test]
    fn whoever_comes_under_many_names_shares_what_is_left() {
        let (limits, now) = (limits(), Instant::now());
        for n in 0..MAX_CLIENTS {
            limits.take(&Client::Named(n.to_string()), now).unwrap();
        }

        let strangers: Vec<bool> =
            (0..5).map(|n| ask(&limits, &Client::Named(format!("new-{n}")), now)).collect();

        assert_eq!(strangers, [true, true, true, false, false]);
        assert!(limits.clients().left.len() <= MAX_CLIENTS + 1);
    }

    #[test]
    fn addresses_of_one_network_are_one_client() {
        let of = |address: &str| {
            let mut extensions = Extensions::new();
            let address = SocketAddr::new(address.parse().unwrap(), 1);
            extensions.insert(ConnectInfo(address));
            Client::of(&extensions)
        };

        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), client(1));
        assert_ne!(of("192.0.2.2"), client(1));
    }
}
