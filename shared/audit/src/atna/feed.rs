use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use carerecord_storage::{Database, StoreError};
use tokio_util::sync::CancellationToken;

use super::{audit_message, is_normal};
use crate::syslog::{Connected, Header, Syslog, SyslogTransport};
use crate::witness::{WitnessError, blocking, note};
use crate::{AuditEvent, store};

/// Sends every record to an audit record repository: ITI-20 over syslog. The log itself is the queue: what
/// the repository has not been sent yet waits in it, however long that takes.
pub struct AtnaFeed {
    database: Database,
    name: String,
    site: Arc<str>,
    syslog: Arc<Mutex<Syslog>>,
    /// Up to where others had sent before this process: it sends none of that again.
    floor: OnceLock<u64>,
}

impl AtnaFeed {
    /// A feed from the log of this database, from the first record on that is made after the feed was
    /// set up. `site` names the enterprise in messages.
    pub fn new(database: Database, transport: SyslogTransport, hostname: &str, site: &str) -> Self {
        let name = format!("atna {transport}");
        let syslog = Arc::new(Mutex::new(Syslog::new(transport, hostname)));
        Self { database, name, site: Arc::from(site), syslog, floor: OnceLock::new() }
    }

    /// Sends records until `draining`, soon after they are made.
    pub async fn run(&self, draining: CancellationToken) {
        let (mut wait, mut away) = (LEAST_WAIT, false);
        loop {
            tokio::select! {
                () = draining.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
            }
            match self.send_new().await {
                Ok(()) => {
                    if std::mem::take(&mut away) {
                        tracing::info!(feed = self.name, "audit records are sent again");
                    }
                    wait = LEAST_WAIT;
                }
                Err(error) => {
                    // Told once, and not each time that it is tried again.
                    if !std::mem::replace(&mut away, true) {
                        let name = &self.name;
                        tracing::error!(%error, feed = name, "audit records wait to be sent");
                    }
                    wait = (wait * 2).min(MOST_WAIT);
                }
            }
        }
    }

    /// Sends what has not been sent.
    ///
    /// # Errors
    /// Why the repository did not take it all; the next call goes on.
    pub async fn send_new(&self) -> Result<(), WitnessError> {
        loop {
            let Some(sent) = self.sent().await? else { continue };
            self.floor.get_or_init(|| sent);
            let rows = {
                let mut c = self.database.reader().await?;
                store::records_after(&mut c, sent, BATCH).await?
            };
            let Some(last) = rows.last().and_then(|(seq, _)| u64::try_from(*seq).ok()) else {
                return Ok(());
            };
            if blocking(&self.syslog, Syslog::connect).await? == Connected::Again {
                // What the broken one may have lost goes again: twice is better than never.
                let floor = self.floor.get().copied().unwrap_or(sent);
                let from = sent.saturating_sub(u64::from(REPEATED)).max(floor);
                let mut again = {
                    let mut c = self.database.reader().await?;
                    store::records_after(&mut c, from, REPEATED).await?
                };
                again.retain(|(seq, _)| u64::try_from(*seq).is_ok_and(|seq| seq <= sent));
                self.send(again).await?;
            }
            self.send(rows).await?;
            note(&self.database, &self.name, last).await?;
        }
    }

    async fn send(&self, rows: Vec<(i64, String)>) -> Result<(), WitnessError> {
        let messages = messages(rows, &self.site)?;
        blocking(&self.syslog, move |syslog| {
            messages
                .iter()
                .try_for_each(|(header, text)| syslog.send(header, text))
                .inspect_err(|_| syslog.disconnect())
        })
        .await
    }

    /// Up to which record has been sent; `None` when the feed has just been set up.
    async fn sent(&self) -> Result<Option<u64>, StoreError> {
        let (sent, last) = {
            let mut c = self.database.reader().await?;
            (store::told(&mut c, &self.name).await?, store::last_seq(&mut c).await?)
        };
        if sent.is_none() {
            note(&self.database, &self.name, u64::try_from(last).unwrap_or_default()).await?;
        }
        Ok(sent)
    }
}

fn messages(rows: Vec<(i64, String)>, site: &str) -> Result<Vec<(Header, Vec<u8>)>, StoreError> {
    let process = std::process::id();
    let mut all = Vec::with_capacity(rows.len());
    for (seq, record) in rows {
        let Ok(event) = serde_json::from_str::<AuditEvent>(&record) else {
            // Somebody has changed it: the others are sent all the same.
            tracing::error!(seq, "an audit record cannot be read: run `carerecord audit verify`");
            continue;
        };
        let text = audit_message(&event, site, process)
            .map_err(|e| StoreError::Row("audit_event", "record", e.to_string()))?;
        // Facility 10 (security), severity 5 (notice) or 4 (warning). ITI TF-2: 3.20.4.1.2.
        let priority = 10 * 8 + if is_normal(&event) { 5 } else { 4 };
        let at = event.recorded_at.as_millisecond();
        all.push((Header { priority, at, message_id: "IHE+RFC-3881" }, text));
    }
    Ok(all)
}

const BATCH: u32 = 200;
const REPEATED: u32 = 50;
const LEAST_WAIT: Duration = Duration::from_millis(500);
const MOST_WAIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection, StreamOwned};

    use super::*;
    use crate::SyslogTls;
    use crate::testing::Log;

    /// A collector's settings, and ours that trust it.
    fn tls() -> (Arc<ServerConfig>, SyslogTls) {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let certificate = made.cert.der().clone();
        let server = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate).unwrap();
        let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        (Arc::new(server), SyslogTls(Arc::new(client)))
    }

    /// Reads one message with counted octets.
    fn message(stream: &mut impl Read) -> String {
        let (mut length, mut byte) = (String::new(), [0]);
        loop {
            stream.read_exact(&mut byte).unwrap();
            if byte == *b" " {
                break;
            }
            length.push(char::from(byte[0]));
        }
        let mut text = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_record_reaches_a_repository_by_tls_that_was_away() {
        let (server, client) = tls();
        for log in Log::on_each().await {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = format!("localhost:{}", listener.local_addr().unwrap().port());
            let local = listener.local_addr().unwrap();
            drop(listener);
            log.append(1, 3).await;
            let transport = SyslogTransport::Tls(address, client.clone());
            let feed = AtnaFeed::new(log.database.clone(), transport, "host", "ICB-99");
            // From now on; what waits is in the log.
            feed.send_new().await.unwrap();
            log.append(4, 9).await;
            assert!(feed.send_new().await.is_err());

            let listener = TcpListener::bind(local).unwrap();
            let server = server.clone();
            let collector = std::thread::spawn(move || {
                let mut all = Vec::new();
                for count in [6, 8] {
                    let (socket, _) = listener.accept().unwrap();
                    let connection = ServerConnection::new(server.clone()).unwrap();
                    let mut stream = StreamOwned::new(connection, socket);
                    all.push((0..count).map(|_| message(&mut stream)).collect::<Vec<_>>());
                }
                all
            });
            feed.send_new().await.unwrap();
            // The collector has hung up: what it got last comes again.
            tokio::time::sleep(Duration::from_millis(300)).await;
            log.append(10, 11).await;
            feed.send_new().await.unwrap();

            let all = tokio::task::spawn_blocking(|| collector.join().unwrap()).await.unwrap();
            let users = |texts: &[String]| -> Vec<u64> {
                texts
                    .iter()
                    .map(|text| {
                        let (_, rest) = text.split_once("UserID=\"user ").unwrap();
                        rest.split_once('"').unwrap().0.parse().unwrap()
                    })
                    .collect()
            };
            assert!(all[0][0].starts_with("<85>1 2027-01-15T08:00:00.040Z host carerecord "));
            assert!(all[0][0].contains(" IHE+RFC-3881 - <?xml version=\"1.0\""), "{}", all[0][0]);
            assert_eq!(users(&all[0]), [4, 5, 6, 7, 8, 9]);
            // Those from before the feed was set up are not among them.
            assert_eq!(users(&all[1]), [4, 5, 6, 7, 8, 9, 10, 11]);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_repository_that_nobody_vouches_for_gets_nothing() {
        let ((server, _), (_, other)) = (tls(), tls());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("localhost:{}", listener.local_addr().unwrap().port());
        let collector = std::thread::spawn(move || {
            let (socket, _) = listener.accept().unwrap();
            let connection = ServerConnection::new(server).unwrap();
            StreamOwned::new(connection, socket).read(&mut [0]).is_err()
        });
        let log = Log::sqlite().await;
        let transport = SyslogTransport::Tls(address, other);
        let feed = AtnaFeed::new(log.database.clone(), transport, "host", "");
        feed.send_new().await.unwrap();
        log.append(1, 2).await;

        assert!(feed.send_new().await.is_err());
        assert!(tokio::task::spawn_blocking(|| collector.join().unwrap()).await.unwrap());
    }
}
