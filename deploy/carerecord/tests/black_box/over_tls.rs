//! Every role in a process of its own, all by mutual TLS.

use std::io::{Read as _, Write as _};

use carerecord_codec::hl7v2::frame;
use carerecord_testkit::{Authority, Deployment, Letter, PATIENT, Role, Xds, trusting};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{BINARY, tls_scan};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_and_systems_know_each_other_by_their_certificates() {
    let deployment = Deployment::apart_over_tls(BINARY);
    let letter = Letter::text(PATIENT, 1);

    let published = deployment.node(0).publish(&letter).await.unwrap();
    assert!(published.is_success(), "{}", published.envelope);
    let (answer, found) = deployment.registry().find_documents(PATIENT).await.unwrap();
    assert!(answer.is_success() && !found.is_empty(), "{}", answer.envelope);

    let at_node = record(&deployment, Role::Node(0), "ITI-41");
    assert_eq!(
        (&at_node["actor"]["id"], &at_node["actor"]["known_by"]),
        (&"epr".into(), &"certificate".into())
    );
    let at_registry = record(&deployment, Role::Registry, "ITI-42");
    assert_eq!(at_registry["actor"]["id"], "node0", "the node shows its own certificate");

    let config = deployment.file("portal.toml").display().to_string();
    let doctor = deployment.run(&["doctor", "--config", &config]);
    let said = String::from_utf8(doctor.stdout).unwrap();
    assert!(doctor.status.success() && said.contains("Nothing is wrong"), "{said}");
    assert_eq!(record(&deployment, Role::Node(1), "ITI-43")["actor"]["id"], "portal");
    deployment.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_known_is_refused_and_recorded() {
    let deployment = Deployment::apart_over_tls(BINARY);
    let (ours, url) = (deployment.authority(), deployment.url(Role::Registry, "/xds/registry"));
    let stranger = ours.issue("stranger", &["stranger.example"], 50);
    let other = Authority::new("Another authority").issue("epr", &["epr.example"], 51);
    let ask = |http| {
        let xds = Xds::new(url.clone()).by(http);
        async move { xds.find_documents(PATIENT).await }
    };

    assert!(ask(trusting(&ours.pem).build().unwrap()).await.is_err(), "without a certificate");
    assert!(ask(other.client(&ours.pem)).await.is_err(), "of another authority");
    let refused = Xds::new(url.clone()).by(stranger.client(&ours.pem));
    let refused = refused.send("application/soap+xml", "<x/>").await.unwrap();
    assert_eq!(refused.status, 403);
    assert!(refused.envelope.contains("Fault"), "{}", refused.envelope);

    let records = deployment.audit(Role::Registry);
    let all = records.iter().filter(|e| e["interaction"] == "node authentication");
    let why: Vec<_> = all.map(|e| (e["outcome"].clone(), e["error"].to_string())).collect();
    assert_eq!(why.len(), 3, "{why:?}");
    assert!(why.iter().all(|(outcome, _)| outcome == "refused"), "{why:?}");
    assert!(why.iter().any(|(_, error)| error.contains("CN=stranger")), "{why:?}");
    deployment.assert_no_panic();
}

#[test]
fn a_scanner_finds_nothing_weak_at_any_listener() {
    if !tls_scan::is_installed() {
        return;
    }
    let deployment = Deployment::apart_over_tls(BINARY);

    let deployment = &deployment;
    let listeners = [
        ("portal", deployment.port(Role::Portal)),
        ("registry", deployment.port(Role::Registry)),
        ("registry for roles", deployment.port_for_peers()),
        ("MLLP", deployment.mllp_port()),
        ("node", deployment.port(Role::Node(0))),
        ("node for the portal", deployment.port_for_portal(0)),
    ];
    // The scanner waits more than it works.
    std::thread::scope(|scope| {
        for (kind, port) in listeners {
            scope.spawn(move || tls_scan::finds_nothing_weak(deployment, kind, port));
        }
    });
    deployment.assert_no_panic();
}

/// Connections of the feed are counted by certificate, and one too many is told so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_has_so_many_connections_of_the_feed() {
    let deployment = Deployment::apart_over_tls(BINARY);
    let mut open: Vec<Feed> = (0..PLACES).map(|_| feed(&deployment)).collect();
    for (n, stream) in open.iter_mut().enumerate() {
        assert!(sent(stream).contains("MSA|AA"), "{n}");
    }

    let told = sent(&mut feed(&deployment));

    assert!(told.contains("MSA|AR") && told.contains("too many connections"), "{told}");
    assert!(sent(&mut open[0]).contains("MSA|AA"), "the others stay");
    let last = record(&deployment, Role::Registry, "ITI-8");
    assert_eq!((&last["outcome"], &last["actor"]["id"]), (&"success".into(), &"epr".into()));
    let mut all = deployment.audit(Role::Registry);
    all.retain(|e| e["error"].as_str().is_some_and(|e| e.starts_with("too many connections")));
    assert_eq!(all.len(), 1);
    assert_eq!((&all[0]["outcome"], &all[0]["actor"]["id"]), (&"refused".into(), &"epr".into()));
    drop(open.pop());
    let since = std::time::Instant::now();
    while !sent(&mut feed(&deployment)).contains("MSA|AA") {
        assert!(since.elapsed() < std::time::Duration::from_secs(10), "a place is free again");
    }
    deployment.assert_no_panic();
}

type Feed = rustls::StreamOwned<rustls::ClientConnection, std::net::TcpStream>;

/// A connection of the system `epr` to the identity feed.
fn feed(deployment: &Deployment) -> Feed {
    let pem = |name: &str| std::fs::read(deployment.file(name)).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem("ca.pem")).unwrap()).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(&pem("epr.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(&pem("epr.key")).unwrap();
    let config = rustls::ClientConfig::builder().with_root_certificates(roots);
    let config = config.with_client_auth_cert(chain, key).unwrap();
    let name = "127.0.0.1".try_into().unwrap();
    let client = rustls::ClientConnection::new(config.into(), name).unwrap();
    let stream = std::net::TcpStream::connect(("127.0.0.1", deployment.mllp_port())).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    rustls::StreamOwned::new(client, stream)
}

/// Sends a message; the acknowledgement, or nothing.
fn sent(feed: &mut Feed) -> String {
    let message = format!(
        "MSH|^~\\&|PAS|T|REG|S|2026||ADT^A08|M1|P|2.3.1\rEVN|A08|2026\r\
         PID|||{PATIENT}^^^NHS||Okafor^Ada||19450714|F\r"
    );
    // Who is turned away may be so before all is sent.
    let _ = feed.write_all(&frame(&message));
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\x1c\r") && matches!(feed.read(&mut byte), Ok(1)) {
        answer.push(byte[0]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Of each client, as MLLP over TLS has it unless configured.
const PLACES: usize = 16;

/// The newest record of an interaction.
fn record(deployment: &Deployment, role: Role, interaction: &str) -> serde_json::Value {
    let mut all = deployment.audit(role);
    all.retain(|e| e["interaction"].as_str().is_some_and(|i| i.starts_with(interaction)));
    all.pop().unwrap_or_else(|| panic!("no record of {interaction}"))
}
