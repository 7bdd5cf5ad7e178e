//! Messages of syslog (RFC 5424) over TLS, TCP, UDP or a local socket.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::witness::WitnessError;

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

impl std::fmt::Display for SyslogTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tls(address, _) => write!(f, "tls {address}"),
            Self::Tcp(address) => write!(f, "tcp {address}"),
            Self::Udp(address) => write!(f, "udp {address}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A sender to one collector, with its connection while it has one.
pub(crate) struct Syslog {
    transport: SyslogTransport,
    hostname: String,
    connection: Option<Connection>,
    /// Whether there has been a connection.
    connected: bool,
}

/// How a connection came to be there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Connected {
    /// It has been there.
    Still,
    /// It is the first one of this process.
    First,
    /// It is in place of one that broke, which may have lost what went over it last.
    Again,
}

/// What stands before the text of a message. RFC 5424, 6.2.
pub(crate) struct Header {
    /// Facility × 8 + severity.
    pub priority: u8,
    /// Milliseconds since 1970, UTC.
    pub at: i64,
    /// The kind of message.
    pub message_id: &'static str,
}

impl Syslog {
    /// A sender; `hostname` is this machine's.
    pub(crate) fn new(transport: SyslogTransport, hostname: &str) -> Self {
        let mut hostname: String =
            hostname.chars().filter(char::is_ascii_graphic).take(255).collect();
        if hostname.is_empty() {
            hostname.push('-');
        }
        Self { transport, hostname, connection: None, connected: false }
    }

    /// Makes sure that there is a connection.
    pub(crate) fn connect(&mut self) -> Result<Connected, WitnessError> {
        if self.connection.as_mut().is_some_and(Connection::is_alive) {
            return Ok(Connected::Still);
        }
        self.connection = None;
        self.connection = Some(Connection::open(&self.transport)?);
        let before = std::mem::replace(&mut self.connected, true);
        Ok(if before { Connected::Again } else { Connected::First })
    }

    /// Gives the connection up.
    pub(crate) fn disconnect(&mut self) {
        self.connection = None;
    }

    /// Sends a message, whole.
    pub(crate) fn send(&mut self, header: &Header, text: &[u8]) -> Result<(), WitnessError> {
        let at = Timestamp::from_millisecond(header.at).unwrap_or_default();
        let at = at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ");
        let (host, process) = (&self.hostname, std::process::id());
        let Header { priority, message_id, .. } = header;
        let mut message =
            format!("<{priority}>1 {at} {host} carerecord {process} {message_id} - ").into_bytes();
        message.extend(text);
        let connection = self.connection.as_mut().ok_or(WitnessError::Stopping)?;
        connection.write(&message).map_err(WitnessError::Io)
    }
}

enum Connection {
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Tcp(TcpStream),
    Udp(UdpSocket),
    Unix(UnixDatagram),
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

    /// Whether the peer has not closed it, as far as can be told. What it says is nothing to us.
    fn is_alive(&mut self) -> bool {
        match self {
            Self::Tls(stream) => {
                let StreamOwned { conn, sock } = stream.as_mut();
                without_waiting(sock, |sock| {
                    let count = conn.read_tls(sock)?;
                    let state = conn.process_new_packets().map_err(io::Error::other)?;
                    io::copy(&mut conn.reader(), &mut io::sink()).ok();
                    Ok(if state.peer_has_closed() { 0 } else { count })
                })
            }
            Self::Tcp(stream) => without_waiting(stream, |stream| stream.read(&mut [0; 256])),
            Self::Udp(_) | Self::Unix(_) => true,
        }
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

/// Reads until nothing more is there; whether the end has not come.
fn without_waiting(
    stream: &mut TcpStream,
    mut read: impl FnMut(&mut TcpStream) -> io::Result<usize>,
) -> bool {
    if stream.set_nonblocking(true).is_err() {
        return false;
    }
    let open = loop {
        match read(stream) {
            Ok(0) => break false,
            Ok(_) => {}
            Err(error) => break error.kind() == io::ErrorKind::WouldBlock,
        }
    };
    stream.set_nonblocking(false).is_ok() && open
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

const PATIENCE: Duration = Duration::from_secs(5);
