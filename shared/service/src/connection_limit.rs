//! What one client may do at a listener whose connections stay, as those of MLLP do: how many it has,
//! and how fast it sends.

use std::net::SocketAddr;

use metrics::counter;

use crate::client_limit::{Client, ClientLimit, ClientLimits, Guard, TooMany};
use crate::tls::CertificateFacts;

/// The clients of one listener.
#[derive(Clone)]
pub struct ConnectionLimits {
    connections: ClientLimits,
    messages: ClientLimits,
}

/// A connection of a client, until it is dropped.
pub struct Place {
    client: Client,
    messages: ClientLimits,
    _guard: Guard,
}

impl ConnectionLimits {
    /// Nobody is there yet. Each client has at most `at_once` connections, and sends `per_second`
    /// messages over a longer time, `burst` of them at once after a rest.
    pub fn new(listener: &'static str, limit: ClientLimit) -> Self {
        let connections = ClientLimit { per_second: u32::MAX, burst: u32::MAX, ..limit };
        let messages = ClientLimit { at_once: u32::MAX, ..limit };
        Self {
            connections: ClientLimits::new(listener, connections),
            messages: ClientLimits::new(listener, messages),
        }
    }

    /// A place for a connection of whom the certificate is, else of who has the address.
    ///
    /// # Errors
    /// When it is one too many.
    pub fn place(
        &self,
        certificate: Option<&CertificateFacts>,
        peer: SocketAddr,
    ) -> Result<Place, TooMany> {
        let client = Client::known_by(certificate, Some(peer.ip()));
        let guard = self.connections.guard(client.clone()).inspect_err(|_| {
            counter!(REFUSED, "listener" => self.connections.listener()).increment(1);
        })?;
        Ok(Place { client, messages: self.messages.clone(), _guard: guard })
    }
}

impl Place {
    /// Waits until the client may send one more message. A sender of HL7 v2 waits for each
    /// acknowledgement, and gives up messages that are refused: so it is slowed down.
    pub async fn message(&self) {
        while let Err(too_many) = self.messages.guard(self.client.clone()) {
            counter!(DELAYED, "listener" => self.messages.listener()).increment(1);
            tokio::time::sleep(too_many.wait).await;
        }
    }
}

const REFUSED: &str = "connections_refused_total";
const DELAYED: &str = "messages_delayed_total";

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    const LIMIT: ClientLimit = ClientLimit { per_second: 2, burst: 2, at_once: 2 };

    fn peer(n: u8) -> SocketAddr {
        ([192, 0, 2, n], 1000).into()
    }

    fn system(name: &str) -> CertificateFacts {
        CertificateFacts { sha256: name.to_owned(), ..CertificateFacts::default() }
    }

    #[test]
    fn a_client_has_so_many_places_until_one_is_free() {
        let limits = ConnectionLimits::new("test", LIMIT);
        let first = limits.place(None, peer(1)).unwrap();
        let _second = limits.place(None, peer(1)).unwrap();

        assert!(limits.place(None, peer(1)).is_err());
        assert!(limits.place(None, peer(2)).is_ok(), "another address");
        assert!(limits.place(Some(&system("a")), peer(1)).is_ok(), "a system of that address");
        drop(first);
        assert!(limits.place(None, peer(1)).is_ok(), "one has gone");
    }

    #[test]
    fn a_system_is_one_client_wherever_it_comes_from() {
        let limits = ConnectionLimits::new("test", LIMIT);
        let _places = [1, 2].map(|n| limits.place(Some(&system("a")), peer(n)).unwrap());

        assert!(limits.place(Some(&system("a")), peer(3)).is_err());
        assert!(limits.place(Some(&system("b")), peer(1)).is_ok());
    }

    #[tokio::test]
    async fn messages_wait_for_their_turn_by_client_and_none_is_refused() {
        let limits = ConnectionLimits::new("test", LIMIT);
        let places = [(); 2].map(|()| limits.place(None, peer(1)).unwrap());
        let other = limits.place(None, peer(2)).unwrap();
        let began = Instant::now();

        places[0].message().await;
        places[1].message().await;
        other.message().await;
        assert!(began.elapsed() < Duration::from_millis(500), "a burst");
        places[0].message().await;

        assert!(began.elapsed() >= Duration::from_millis(500), "{:?}", began.elapsed());
    }
}
