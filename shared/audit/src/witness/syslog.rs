use std::io;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use carerecord_storage::{Database, StoreError};

use super::{Line, Witness, WitnessError, blocking, next, note};
use crate::store;
use crate::syslog::{Connected, Header, Syslog, SyslogTransport};
use crate::tree::{Endorsement, SignedHead};

/// Sends heads to a collector of syslog: RFC 5424, one message for each head, which is JSON.
pub struct SyslogWitness {
    name: String,
    syslog: Arc<Mutex<Syslog>>,
}

impl SyslogWitness {
    /// A witness by this transport; `hostname` is this machine's, for the head of messages.
    pub fn new(transport: SyslogTransport, hostname: &str) -> Self {
        let name = format!("syslog {transport}");
        Self { name, syslog: Arc::new(Mutex::new(Syslog::new(transport, hostname))) }
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
            blocking(&self.syslog, move |syslog| {
                send(syslog, &before, &keys, &heads).inspect_err(|_| syslog.disconnect())
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

fn send(
    syslog: &mut Syslog,
    before: &[SignedHead],
    keys: &[Endorsement],
    heads: &[SignedHead],
) -> Result<(), WitnessError> {
    if syslog.connect()? != Connected::Still {
        for key in keys {
            message(syslog, key.made_at, &Line::Key(key))?;
        }
        for head in before {
            message(syslog, head.head.timestamp, &Line::Head(head))?;
        }
    }
    for head in heads {
        message(syslog, head.head.timestamp, &Line::Head(head))?;
    }
    Ok(())
}

fn message(syslog: &mut Syslog, at: i64, line: &Line<'_>) -> Result<(), WitnessError> {
    let json = serde_json::to_vec(line).map_err(io::Error::from)?;
    syslog.send(&Header { priority: PRIORITY, at, message_id: "AUDITHEAD" }, &json)
}

/// Facility 13 (log audit), severity 5 (notice). RFC 5424, 6.2.1.
const PRIORITY: u8 = 13 * 8 + 5;
const REPEATED: u32 = 10;

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::UnixDatagram;
    use std::time::Duration;

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
