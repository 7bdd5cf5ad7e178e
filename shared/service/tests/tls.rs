//! TLS as a peer meets it, over real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use carerecord_audit::{AuditEvent, AuditFilter, AuditLog};
use carerecord_service::{
    AuditTrail, Lifecycle, Listener, ListenerConfig, Peer, RandomIds, SystemClock, TlsConfig,
    audit_trail,
};
use carerecord_storage::Database;
use carerecord_testkit::{Authority, Issued, trusting};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A listener whose clients come from `authority`.
struct World {
    folder: TempDir,
    authority: Authority,
    log: AuditLog,
    address: SocketAddr,
    _lifecycle: Lifecycle,
}

impl World {
    async fn new(change: impl FnOnce(&Authority, &mut TlsConfig, &TempDir)) -> Self {
        carerecord_testkit::install_crypto();
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("Authority");
        let file = |name: &str| folder.path().join(name);
        std::fs::write(file("ca.pem"), &authority.pem).unwrap();
        let server = authority.issue("server", &["127.0.0.1"], 1);
        std::fs::write(file("own.pem"), &server.certificate).unwrap();
        std::fs::write(file("own.key"), &server.key).unwrap();
        let mut tls = TlsConfig {
            certificate: file("own.pem"),
            key: file("own.key"),
            client_authorities: vec![file("ca.pem")],
            client_required: true,
            crls: Vec::new(),
            overdue_crls: false,
            handshake_timeout_ms: 500,
        };
        change(&authority, &mut tls, &folder);
        let log = AuditLog::new(Database::open(&file("audit.db")).await.unwrap());
        let trail = AuditTrail {
            log: log.clone(),
            recorder: Arc::from("test"),
            transport: "http",
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds),
            static_prefix: None,
        };
        let router = Router::new()
            .route("/", get(|peer: Peer| async move { peer.certificate.is_some().to_string() }))
            .layer(axum::middleware::from_fn_with_state(trail.clone(), audit_trail::record));
        let config = ListenerConfig { tls: Some(tls), ..ListenerConfig::loopback(0) };
        let lifecycle = Lifecycle::new();
        let listener = Listener::bind(config).await.unwrap().recorded_in(trail);
        let address = listener.address();
        listener.serve("test", router, Arc::new(RandomIds), &lifecycle);
        Self { folder, authority, log, address, _lifecycle: lifecycle }
    }

    fn url(&self) -> String {
        format!("https://{}/", self.address)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn ask(&self, client: &reqwest::Client) -> Result<(u16, String), reqwest::Error> {
        let answer = client.get(self.url()).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// With a certificate, on a connection of its own.
    async fn ask_as(&self, issued: &Issued) -> Result<(u16, String), reqwest::Error> {
        self.ask(&issued.client(&self.authority.pem)).await
    }

    /// What was refused, once there are so many.
    async fn refused(&self, count: usize) -> Vec<AuditEvent> {
        for _ in 0..100 {
            let all = self.log.read(&AuditFilter::default()).await.unwrap();
            let events = all.into_iter().map(|stored| stored.event);
            let refused: Vec<_> =
                events.filter(|e| e.interaction == "node authentication").collect();
            if refused.len() >= count {
                assert_eq!(refused.len(), count);
                return refused;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("there are no {count} records of refusals");
    }

    /// Puts a file in the place of another at once.
    fn put(&self, name: &str, text: &str) {
        std::fs::write(self.file("new"), text).unwrap();
        std::fs::rename(self.file("new"), self.file(name)).unwrap();
    }
}

#[tokio::test]
async fn who_is_not_of_the_authority_does_not_come_in_and_is_recorded() {
    let revoked = |authority: &Authority| authority.issue("revoked", &["a"], 3);
    let world = World::new(|authority, tls, folder| {
        let list = folder.path().join("crl.pem");
        std::fs::write(&list, authority.revoke(&[&revoked(authority)], 2095)).unwrap();
        tls.crls = vec![list];
    })
    .await;
    let good = world.authority.issue("good", &["a"], 2);
    let other = Authority::new("Authority");

    let answer = world.ask_as(&good).await.unwrap();

    assert_eq!(answer, (200, "true".to_owned()), "its certificate is known to handlers");
    let nobody = trusting(&world.authority.pem).build().unwrap();
    let cases = [
        ("peer sent no certificates", world.ask(&nobody).await),
        ("Revoked", world.ask_as(&revoked(&world.authority)).await),
        ("xpired", world.ask_as(&world.authority.issue_until("old", &["a"], 4, 2021)).await),
        ("UnknownIssuer|BadSignature", world.ask_as(&other.issue("good", &["a"], 2)).await),
    ];
    let records = world.refused(cases.len()).await;
    for (n, (why, answer)) in cases.into_iter().enumerate() {
        assert!(answer.is_err(), "{why}");
        let record = &records[n];
        let error = record.error.as_deref().unwrap();
        assert!(why.split('|').any(|why| error.contains(why)), "{error}, not {why}");
        assert_eq!((record.status, record.outcome.as_str()), (403, "refused"));
        assert!(record.subject.is_none() && record.peer.is_some());
    }
}

#[tokio::test]
async fn a_list_that_is_overdue_lets_nobody_in_unless_it_is_said_to_count() {
    for (counts, comes_in) in [(false, false), (true, true)] {
        let world = World::new(|authority, tls, folder| {
            let list = folder.path().join("crl.pem");
            std::fs::write(&list, authority.revoke(&[], 2022)).unwrap();
            (tls.crls, tls.overdue_crls) = (vec![list], counts);
        })
        .await;

        let answer = world.ask_as(&world.authority.issue("good", &["a"], 2)).await;

        assert_eq!(answer.is_ok(), comes_in);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_changed_under_load_without_a_failed_request() {
    let world = Arc::new(World::new(|_, _, _| {}).await);
    let next = Authority::new("Next authority");
    let both = format!("{}{}", world.authority.pem, next.pem);
    let old = world.authority.issue("old", &["a"], 2);
    let new = next.issue("new", &["a"], 2);
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut load = tokio::task::JoinSet::new();
    for kept in [true, true, false, false] {
        let authorities = [&world.authority.pem, &next.pem];
        let authorities =
            authorities.map(|a| reqwest::Certificate::from_pem(a.as_bytes()).unwrap());
        let identity = reqwest::Identity::from_pem(old.pem().as_bytes()).unwrap();
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only(authorities)
            .identity(identity)
            .pool_max_idle_per_host(if kept { 8 } else { 0 })
            .build()
            .unwrap();
        let (world, stop, asked) = (world.clone(), stop.clone(), asked.clone());
        load.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(world.ask(&client).await.unwrap().0, 200);
                asked.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
    }
    let changed = || tokio::time::sleep(Duration::from_millis(2500));
    assert!(world.ask(&new.client(&both)).await.is_err());

    // The authorities of both, then a certificate of the new one, in two steps.
    world.put("ca.pem", &both);
    changed().await;
    assert_eq!(world.ask_as(&new).await.unwrap().0, 200);
    let own = next.issue("server", &["127.0.0.1"], 1);
    world.put("own.pem", &own.certificate);
    changed().await;
    assert_eq!(world.ask_as(&new).await.unwrap().0, 200, "the old one until its key is there");
    world.put("own.key", &own.key);
    changed().await;
    assert!(world.ask_as(&new).await.is_err(), "it is of another authority now");
    assert_eq!(world.ask(&new.client(&next.pem)).await.unwrap().0, 200);
    stop.store(true, Ordering::Relaxed);
    while let Some(done) = load.join_next().await {
        done.unwrap();
    }
    assert!(asked.load(Ordering::Relaxed) > 500, "{asked:?} were asked meanwhile");

    // Without the old authority its client is let go, also on a connection that is open.
    let kept = old.client(&next.pem);
    assert_eq!(world.ask(&kept).await.unwrap().0, 200);
    world.put("ca.pem", &next.pem);
    changed().await;
    assert_eq!(world.ask(&kept).await.unwrap().0, 403);
    assert!(world.ask(&kept).await.is_err(), "the connection was closed");
    assert_eq!(world.ask(&new.client(&next.pem)).await.unwrap().0, 200);
}

#[tokio::test]
async fn who_is_revoked_is_told_on_an_open_connection() {
    let world = World::new(|authority, tls, folder| {
        let list = folder.path().join("crl.pem");
        std::fs::write(&list, authority.revoke(&[], 2095)).unwrap();
        tls.crls = vec![list];
    })
    .await;
    let issued = world.authority.issue("soon revoked", &["a"], 7);
    let client = issued.client(&world.authority.pem);
    assert_eq!(world.ask(&client).await.unwrap().0, 200);

    world.put("crl.pem", "no list");
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(world.ask(&client).await.unwrap().0, 200, "the list before stays in use");
    world.put("crl.pem", &world.authority.revoke(&[&issued], 2095));
    tokio::time::sleep(Duration::from_millis(2500)).await;

    let (status, told) = world.ask(&client).await.unwrap();
    assert_eq!(status, 403);
    assert!(!told.contains("evoked"), "why stands in the record only: {told}");
    assert!(world.refused(1).await[0].error.as_deref().unwrap().contains("Revoked"));
}

/// What a scan by a tool would ask: old versions and suites of CBC, RC4, 3DES and RSA key exchange.
#[tokio::test]
async fn old_versions_and_weak_suites_get_an_alert() {
    let world = World::new(|_, _, _| {}).await;
    let weak: [u16; 9] = [0x0005, 0x000a, 0x002f, 0x0035, 0x003c, 0x009c, 0x009d, 0xc013, 0xc014];
    let strong: [u16; 3] = [0xc02b, 0xc02c, 0xcca9];

    for version in [0x0300, 0x0301, 0x0302] {
        let told = hello(world.address, version, &[&weak[..], &strong].concat()).await;
        assert_eq!(told, Told::Alert(PROTOCOL_VERSION), "{version:#x}");
    }
    for suite in weak {
        let told = hello(world.address, 0x0303, &[suite]).await;
        assert_eq!(told, Told::Alert(HANDSHAKE_FAILURE), "{suite:#06x}");
    }
    for suite in strong {
        assert_eq!(hello(world.address, 0x0303, &[suite]).await, Told::Hello, "{suite:#06x}");
    }
    let plain = ask_plainly(world.address, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert_ne!(plain.first(), Some(&b'H'), "nothing is said without TLS");
}

#[tokio::test]
async fn who_says_nothing_is_cut_and_who_only_looks_is_not_recorded() {
    let world = World::new(|_, _, _| {}).await;
    drop(TcpStream::connect(world.address).await.unwrap());

    let mut silent = TcpStream::connect(world.address).await.unwrap();
    let mut nothing = Vec::new();
    let cut = tokio::time::timeout(Duration::from_secs(5), silent.read_to_end(&mut nothing)).await;

    assert!(cut.is_ok(), "the connection is still open");
    let record = &world.refused(1).await[0];
    assert_eq!(record.error.as_deref(), Some("the handshake took too long"));
}

#[tokio::test]
async fn what_does_not_go_together_is_told_at_the_start() {
    let world = World::new(|_, _, _| {}).await;
    let other = world.authority.issue("other", &["127.0.0.1"], 9);
    world.put("other.key", &other.key);
    let listen = |change: fn(&mut TlsConfig, &World)| {
        let mut tls = TlsConfig {
            certificate: world.file("own.pem"),
            key: world.file("own.key"),
            client_authorities: vec![world.file("ca.pem")],
            client_required: true,
            crls: Vec::new(),
            overdue_crls: false,
            handshake_timeout_ms: 500,
        };
        change(&mut tls, &world);
        let config = ListenerConfig { tls: Some(tls), ..ListenerConfig::loopback(0) };
        async { Listener::bind(config).await.map(drop).map_err(told) }
    };

    assert_eq!(listen(|_, _| {}).await, Ok(()));
    let wrong_key = listen(|tls, world| tls.key = world.file("other.key")).await.unwrap_err();
    assert!(wrong_key.contains("other.key is not the key"), "{wrong_key}");
    let missing = listen(|tls, world| tls.key = world.file("missing.key")).await.unwrap_err();
    assert!(missing.contains("missing.key cannot be read"), "{missing}");
    let no_certificate = listen(|tls, world| tls.certificate = world.file("own.key")).await;
    assert!(no_certificate.unwrap_err().contains("holds no certificate"));
    let lists = listen(|tls, world| {
        (tls.client_authorities, tls.crls) = (Vec::new(), vec![world.file("ca.pem")]);
    });
    assert!(lists.await.unwrap_err().contains("tls.crls without"));
    let slow = listen(|tls, _| tls.handshake_timeout_ms = 0).await.unwrap_err();
    assert!(slow.contains("handshake_timeout_ms"), "{slow}");
}

fn told(error: carerecord_service::ListenerError) -> String {
    let source = std::error::Error::source(&error).map(ToString::to_string);
    format!("{error}: {}", source.unwrap_or_default())
}

#[derive(Debug, PartialEq)]
enum Told {
    Alert(u8),
    Hello,
    Else(Vec<u8>),
}

/// What a server says to a ClientHello of this version with these suites.
async fn hello(address: SocketAddr, version: u16, suites: &[u16]) -> Told {
    let mut extensions = Vec::new();
    let mut extension = |kind: u16, content: &[u8]| {
        extensions.extend(kind.to_be_bytes());
        extensions.extend((content.len() as u16).to_be_bytes());
        extensions.extend(content);
    };
    // X25519 and P-256; points as they are; ECDSA and RSA with SHA-256.
    extension(10, &[0, 4, 0, 0x1d, 0, 0x17]);
    extension(11, &[1, 0]);
    extension(13, &[0, 4, 4, 3, 8, 4]);
    extension(23, &[]);
    let mut body = version.to_be_bytes().to_vec();
    body.extend([7; 32]);
    body.push(0);
    body.extend((suites.len() as u16 * 2).to_be_bytes());
    body.extend(suites.iter().flat_map(|suite| suite.to_be_bytes()));
    body.extend([1, 0]);
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let mut handshake = vec![1, 0];
    handshake.extend((body.len() as u16).to_be_bytes());
    handshake.extend(body);
    let mut record = vec![22, 3, 1];
    record.extend((handshake.len() as u16).to_be_bytes());
    record.extend(handshake);
    let answer = ask_plainly(address, &record).await;
    match answer.as_slice() {
        [21, _, _, 0, 2, 2, alert, ..] => Told::Alert(*alert),
        [22, 3, 3, _, _, 2, ..] => Told::Hello,
        other => Told::Else(other.to_vec()),
    }
}

async fn ask_plainly(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).await.unwrap_or_default();
    answer.truncate(length);
    answer
}

const HANDSHAKE_FAILURE: u8 = 40;
const PROTOCOL_VERSION: u8 = 70;
