//! Certificates of both sides, on a real connection.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::*;

#[tokio::test]
async fn a_certificate_makes_the_portal_known_to_a_node_and_the_node_to_the_portal() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (authority(), authority());
    let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    file("theirs.pem", &theirs.pem());
    file("ours.pem", &ours.pem());
    let (certificate, key) = issued(&ours, "portal");
    file("portal.pem", &format!("{}{}", certificate.pem(), key.serialize_pem()));
    file("keyless.pem", &certificate.pem());
    let port = serve(&theirs, &ours);

    let known = ask(folder.path(), port, "theirs.pem", Some("portal.pem")).await;
    let unknown = ask(folder.path(), port, "theirs.pem", None).await;
    let stranger = ask(folder.path(), port, "ours.pem", Some("portal.pem")).await;
    let keyless = ask(folder.path(), port, "theirs.pem", Some("keyless.pem")).await;
    let no_authority = ask(folder.path(), port, "empty.pem", None).await;

    assert_eq!(known.unwrap(), "well met");
    assert!(unknown.is_err(), "the node takes nobody without a certificate");
    let stranger = stranger.unwrap_err();
    assert!(stranger.contains("invalid peer certificate"), "{stranger}");
    assert!(keyless.unwrap_err().contains("holds no certificate with its key"));
    assert!(no_authority.unwrap_err().contains("cannot read"));
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn issued(authority: &Authority, name: &str) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.signed_by(&key, authority).unwrap(), key)
}

/// A node that wants a certificate of `clients`; its port.
fn serve(authority: &Authority, clients: &Authority) -> u16 {
    let (certificate, key) = issued(authority, "localhost");
    let mut roots = RootCertStore::empty();
    roots.add(clients.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let server = ServerConnection::new(config.clone()).unwrap();
            let mut stream = StreamOwned::new(server, connection.unwrap());
            let mut request = [0; 4096];
            if stream.read(&mut request).is_ok_and(|length| length > 0) {
                let _ = stream.write_all(
                    b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\nconnection: close\r\n\r\nwell met",
                );
            }
        }
    });
    port
}

async fn ask(
    folder: &Path,
    port: u16,
    authority: &str,
    identity: Option<&str>,
) -> Result<String, String> {
    let identity = identity.map(|file| {
        format!("credentials = {{ kind = \"certificate\", identity_file = \"{file}\" }}")
    });
    let url = format!("https://localhost:{port}/");
    let text = node(&format!(
        "endpoints = [{{ url = \"{url}\" }}]\nauthority_file = \"{authority}\"\n{}",
        identity.unwrap_or_default()
    ));
    let file = folder.join("nodes.toml");
    std::fs::write(&file, text).unwrap();
    let directory = Directory::read(&file).unwrap();
    let client = client_of(&directory.nodes[0], &directory, Duration::from_secs(5));
    let client = client.map_err(|e| format!("{e:#}"))?.expect("it has an authority");
    let chain = |error: reqwest::Error| crate::peer::chain(&error);
    client.get(url).send().await.map_err(chain)?.text().await.map_err(chain)
}
