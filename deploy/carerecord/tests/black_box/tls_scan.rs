//! What sslscan, a scanner that others use, finds at a listener.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;

use carerecord_testkit::{Deployment, must_not_skip};
use carerecord_xml::{ElementRef, Limits, Tree};

/// Whether it is there; without it tests say that they skip.
pub fn is_installed() -> bool {
    let there = Command::new("sslscan").arg("--version").output().is_ok();
    if !there {
        must_not_skip("sslscan is not installed (Debian: sslscan)");
    }
    there
}

/// Scans a listener, as the system `epr`, and finds nothing that is weak.
pub fn finds_nothing_weak(deployment: &Deployment, kind: &str, port: u16) {
    let mut command = Command::new("sslscan");
    command.args(["--xml=-", "--no-colour", "--show-sigs"]);
    command.arg(format!("--certs={}", deployment.file("epr.pem").display()));
    command.arg(format!("--pk={}", deployment.file("epr.key").display()));
    let output = command.arg(format!("127.0.0.1:{port}")).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{kind}: {said}");
    let tree = Tree::read(&said, Limits::document()).unwrap();
    let found = tree.root().child("ssltest").unwrap_or_else(|| panic!("{kind}: {said}"));

    let enabled = found.all("protocol").filter(|p| p.attr("enabled") == Some("1"));
    let enabled: BTreeSet<_> = enabled.filter_map(|p| p.attr("version")).collect();
    assert_eq!(enabled, BTreeSet::from(["1.2", "1.3"]), "{kind}: {said}");
    assert!(found.all("protocol").count() >= 6, "SSL 2 and 3, TLS 1.0 to 1.3: {said}");
    let suites = values(found, "cipher", "cipher");
    assert!(suites.is_subset(&STRONG.into()), "{kind}: {suites:?}");
    assert!(suites.len() >= 6, "of both versions: {kind}: {suites:?}");
    let curves = values(found, "cipher", "curve");
    assert!(!curves.is_empty() && curves.is_subset(&CURVES.into()), "{kind}: {curves:?}");
    let weak = found.all("group").filter(|group| number(*group, "bits") < 128).count();
    assert!(found.all("group").count() >= 3 && weak == 0, "{kind}: {said}");
    let signatures = values(found, "connection-signature-algorithm", "name");
    let old =
        |name: &&str| name.contains("sha1") || name.contains("md5") || name.contains("sha224");
    assert!(!signatures.is_empty() && !signatures.iter().any(old), "{kind}: {signatures:?}");

    let bleeding = found.all("heartbleed").filter(|h| h.attr("vulnerable") != Some("0")).count();
    assert!(found.all("heartbleed").count() >= 2 && bleeding == 0, "{kind}: {said}");
    let renegotiation = found.child("renegotiation").and_then(|r| r.attr("supported"));
    assert_eq!(renegotiation, Some("0"), "{kind}: {said}");
    // A scanner without zlib says nothing of compression.
    let compression = found.child("compression").and_then(|c| c.attr("supported"));
    assert_ne!(compression, Some("1"), "{kind}: {said}");
    assert_eq!(compression_taken(port), 0, "{kind}: of DEFLATE and none it takes none");

    let certificate = found.at(&["certificates", "certificate"]).unwrap();
    let signature = certificate.child("signature-algorithm").unwrap().text();
    assert_eq!(signature, "ecdsa-with-SHA256", "{kind}");
    let key = certificate.child("pk").unwrap();
    assert!(key.attr("type") == Some("EC") && number(key, "bits") >= 128, "{kind}: {said}");
}

/// What all elements of a name have in an attribute.
fn values<'t>(found: ElementRef<'t>, name: &str, attribute: &str) -> BTreeSet<&'t str> {
    found.all(name).filter_map(|element| element.attr(attribute)).collect()
}

fn number(element: ElementRef<'_>, attribute: &str) -> u32 {
    element.attr(attribute).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Which way of compression the server takes of a TLS 1.2 client that offers DEFLATE first.
fn compression_taken(port: u16) -> u8 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
    stream.write_all(&hello()).unwrap();
    let mut answer = [0; 128];
    stream.read_exact(&mut answer[..64]).unwrap();
    assert_eq!((answer[0], answer[5]), (22, 2), "a ServerHello: {answer:?}");
    let session = usize::from(answer[43]);
    if session > 0 {
        stream.read_exact(&mut answer[64..]).unwrap();
    }
    answer[44 + session + 2]
}

/// A ClientHello of TLS 1.2 with one suite, one group and one signature algorithm.
fn hello() -> Vec<u8> {
    let extensions = [
        &[0, 0x0a, 0, 4, 0, 2, 0, 0x17][..], // supported_groups: secp256r1
        &[0, 0x0b, 0, 2, 1, 0],              // ec_point_formats: uncompressed
        &[0, 0x0d, 0, 4, 0, 2, 4, 3],        // signature_algorithms: ecdsa_secp256r1_sha256
    ]
    .concat();
    let suites_and_compression = [0, 0, 2, 0xc0, 0x2b, 2, 1, 0];
    let length = u8::try_from(extensions.len()).unwrap();
    let body = [&[3, 3][..], &[7; 32], &suites_and_compression, &[0, length], &extensions].concat();
    let length = u8::try_from(body.len()).unwrap();
    [&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &body].concat()
}

/// AEAD with ephemeral keys, by the scanner's names.
const STRONG: [&str; 9] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305",
];
const CURVES: [&str; 3] = ["25519", "P-256", "P-384"];
