use std::io::{self, Write};
use std::net::{TcpStream, ToSocketAddrs as _, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use carerecord_storage::{Database, StoreError};
use jiff::Timestamp;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::{Line, Witness, WitnessError, blocking, next, note};
use crate::store;
use crate::tree::{Endorsement, SignedHead};

/// Sends heads to a collector of syslog: RFC 5424, one message for each head, which is JSON.
pub struct SyslogWitness {
    name: String,
    state: Arc<Mutex<State>>,
}

/// How messages travel.
#[derive(Clone, Debug)]
pub enum SyslogTransport {
    /// RFC 5425, to `host:port`.
    Tls(String, SyslogTls),
    /// RFC 6587 with counted octets, to `host:port`.
    Tcp(String),
    /// RFC 5426, to `host:port`. Messages can get lost.
    Udp(String),
    /// A socket of this machine, e.g. `/dev/log`.
    Unix(PathBuf),
}

/// The settings of TLS, made once.
#[derive(Clone)]
pub struct SyslogTls(pub Arc<ClientConfig>);

impl std::fmt::Debug for SyslogTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SyslogTls")
    }
}

struct State {
    transport: SyslogTransport,
    hostname: String,
    connection: Option<Connection>,
}

enum Connection {
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Tcp(TcpStream),
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

impl SyslogWitness {
    /// A witness by this transport; `hostname` is this machine's, for the head of messages.
    pub fn new(transport: SyslogTransport, hostname: &str) -> Self {
        let name = match &transport {
            SyslogTransport::Tls(address, _) => format!("syslog tls {address}"),
            SyslogTransport::Tcp(address) => format!("syslog tcp {address}"),
            SyslogTransport::Udp(address) => format!("syslog udp {address}"),
            SyslogTransport::Unix(path) => format!("syslog {}", path.display()),
        };
        let hostname = hostname.chars().filter(char::is_ascii_graphic).take(255).collect();
        let state = State { transport, hostname, connection: None };
        Self { name, state: Arc::new(Mutex::new(state)) }
    }
}

#[async_trait]
impl Witness for SyslogWitness {
    fn name(&self) -> &str {
        &self.name
    }

    async fn publish(&self, database: &Database) -> Result<(), WitnessError> {
        loop {
            let (heads, keys) = next(database, &self.name, false).await?;
            let Some(size) = heads.last().map(|t| t.head.head.tree_size) else { return Ok(()) };
            let before = sent_before(database, &self.name).await?;
            let heads: Vec<SignedHead> = heads.into_iter().map(|told| told.head).collect();
            blocking(&self.state, move |state| {
                state.send(&before, &keys, &heads).inspect_err(|_| state.connection = None)
            })
            .await?;
            note(database, &self.name, size).await?;
        }
    }
}

/// The heads that were sent last. A connection that broke may have lost them though they were sent:
/// the next one begins with them again. A head that comes twice does no harm.
async fn sent_before(database: &Database, name: &str) -> Result<Vec<SignedHead>, StoreError> {
    let mut c = database.snapshot().await?;
    let sent = store::witnessed(&mut c, name).await?;
    let sizes = store::sizes_before(&mut c, sent.saturating_add(1), REPEATED).await?;
    let Some(first) = sizes.last().filter(|_| sent > 0) else { return Ok(Vec::new()) };
    let mut heads = store::heads_after(&mut c, first - 1, REPEATED).await?;
    heads.retain(|h| h.head.tree_size <= sent);
    Ok(heads)
}

impl State {
    fn send(
        &mut self,
        before: &[SignedHead],
        keys: &[Endorsement],
        heads: &[SignedHead],
    ) -> Result<(), WitnessError> {
        let alive = self.connection.as_ref().is_some_and(Connection::is_alive);
        if !alive {
            self.connection = Some(Connection::open(&self.transport)?);
            for key in keys {
                self.message(key.made_at, &Line::Key(key))?;
            }
            for head in before {
                self.message(head.head.timestamp, &Line::Head(head))?;
            }
        }
        for head in heads {
            self.message(head.head.timestamp, &Line::Head(head))?;
        }
        Ok(())
    }

    fn message(&mut self, at: i64, line: &Line<'_>) -> Result<(), WitnessError> {
        let at = Timestamp::from_millisecond(at).unwrap_or_default();
        let at = at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ");
        let host = if self.hostname.is_empty() { "-" } else { self.hostname.as_str() };
        let process = std::process::id();
        let json = serde_json::to_string(line).map_err(io::Error::from)?;
        let text = format!("<{PRIORITY}>1 {at} {host} carerecord {process} AUDITHEAD - {json}");
        let connection = self.connection.as_mut().ok_or(WitnessError::Stopping)?;
        connection.write(text.as_bytes()).map_err(WitnessError::Io)
    }
}

impl Connection {
    fn open(transport: &SyslogTransport) -> Result<Self, WitnessError> {
        Ok(match transport {
            SyslogTransport::Tls(address, SyslogTls(config)) => {
                let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
                let host = host.trim_matches(['[', ']']).to_owned();
                let tls = |e: &dyn std::fmt::Display| WitnessError::Tls(e.to_string());
                let name = ServerName::try_from(host).map_err(|e| tls(&e))?;
                let client = ClientConnection::new(config.clone(), name).map_err(|e| tls(&e))?;
                let mut stream = StreamOwned::new(client, tcp(address)?);
                while stream.conn.is_handshaking() {
                    stream.conn.complete_io(&mut stream.sock)?;
                }
                Self::Tls(Box::new(stream))
            }
            SyslogTransport::Tcp(address) => Self::Tcp(tcp(address)?),
            SyslogTransport::Udp(address) => {
                let peer = resolve(address)?;
                let local = if peer.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(local)?;
                socket.connect(peer)?;
                Self::Udp(socket)
            }
            SyslogTransport::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                Self::Unix(socket)
            }
        })
    }

    /// Whether the peer has not closed it, as far as can be told.
    fn is_alive(&self) -> bool {
        let stream = match self {
            Self::Tls(stream) => &stream.sock,
            Self::Tcp(stream) => stream,
            Self::Udp(_) | Self::Unix(_) => return true,
        };
        let peeked = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
        let back = stream.set_nonblocking(false);
        let open = match peeked {
            Ok(count) => count > 0,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        };
        open && back.is_ok()
    }

    fn write(&mut self, message: &[u8]) -> io::Result<()> {
        let framed = || [message.len().to_string().as_bytes(), b" ", message].concat();
        match self {
            Self::Tls(stream) => stream.write_all(&framed()).and_then(|()| stream.flush()),
            Self::Tcp(stream) => stream.write_all(&framed()),
            Self::Udp(socket) => socket.send(message).map(drop),
            Self::Unix(socket) => socket.send(message).map(drop),
        }
    }
}

fn tcp(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&resolve(address)?, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn resolve(address: &str) -> io::Result<std::net::SocketAddr> {
    let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    address.to_socket_addrs()?.next().ok_or_else(none)
}

/// Facility 13 (log audit), severity 5 (notice). RFC 5424, 6.2.1.
const PRIORITY: u8 = 13 * 8 + 5;
const PATIENCE: Duration = Duration::from_secs(5);
const REPEATED: u32 = 10;

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::TcpListener;

    use super::*;
    use crate::testing::Log;

    /// Reads messages with counted octets until the connection ends or `count` have come.
    fn messages(stream: &mut TcpStream, count: usize) -> Vec<String> {
        let mut all = Vec::new();
        let mut length = String::new();
        let mut byte = [0];
        while all.len() < count && stream.read(&mut byte).unwrap() == 1 {
            if byte != *b" " {
                length.push(char::from(byte[0]));
                continue;
            }
            let mut text = vec![0; std::mem::take(&mut length).parse().unwrap()];
            stream.read_exact(&mut text).unwrap();
            all.push(String::from_utf8(text).unwrap());
        }
        all
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn heads_reach_a_collector_that_was_away() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let log = Log::sqlite().await;
        let transport = SyslogTransport::Tcp(address.to_string());
        let witness = SyslogWitness::new(transport, "test host");
        log.append(1, 9).await;
        log.seal_at(3).await;
        log.seal_at(9).await;
        assert!(witness.publish(&log.database).await.is_err());

        let listener = TcpListener::bind(address).unwrap();
        witness.publish(&log.database).await.unwrap();
        let (mut first, _) = listener.accept().unwrap();
        let texts = messages(&mut first, 3);
        assert!(texts[0].starts_with("<109>1 2027-01-"), "{texts:?}");
        assert!(texts[0].contains(" testhost carerecord "), "{texts:?}");
        assert!(texts[0].contains(" AUDITHEAD - {\"key\":{"), "{texts:?}");
        assert!(texts[2].contains("\"tree_size\":9"), "{texts:?}");

        // The collector goes away with what it got: the next connection repeats it.
        drop(first);
        tokio::time::sleep(Duration::from_millis(50)).await;
        log.append(10, 11).await;
        log.seal_at(11).await;
        witness.publish(&log.database).await.unwrap();
        let (mut second, _) = listener.accept().unwrap();
        let sizes: Vec<bool> = messages(&mut second, 4)
            .iter()
            .zip(["\"key\"", "\"tree_size\":3,", "\"tree_size\":9,", "\"tree_size\":11,"])
            .map(|(text, part)| text.contains(part))
            .collect();
        assert_eq!(sizes, [true; 4]);
    }

    #[tokio::test]
    async fn local_sockets_and_udp_take_heads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let local = UnixDatagram::bind(&path).unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = udp.local_addr().unwrap().to_string();
        let log = Log::sqlite().await;
        log.append(1, 2).await;
        log.seal_at(2).await;

        for transport in [SyslogTransport::Unix(path.clone()), SyslogTransport::Udp(address)] {
            SyslogWitness::new(transport, "").publish(&log.database).await.unwrap();
        }

        let mut buffer = [0; 4096];
        for _ in 0..2 {
            let n = local.recv(&mut buffer).unwrap();
            assert!(std::str::from_utf8(&buffer[..n]).unwrap().contains("Z - carerecord "));
            let n = udp.recv(&mut buffer).unwrap();
            assert!(std::str::from_utf8(&buffer[..n]).unwrap().contains(" AUDITHEAD - {\""));
        }
    }
}
