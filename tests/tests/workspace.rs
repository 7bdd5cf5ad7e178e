//! The rules that hold for the workspace as a whole: which way dependencies point, and which
//! foreign crates may be in it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::Command;

use serde_json::Value;

#[test]
fn dependencies_point_one_way() {
    let metadata = metadata(&["--no-deps"]);
    for package in packages(&metadata) {
        let from = package["name"].as_str().unwrap();
        let dependencies = package["dependencies"].as_array().unwrap();
        for dependency in dependencies.iter().filter(|d| d["kind"].is_null()) {
            let to = dependency["name"].as_str().unwrap();
            if let (Some(from_layer), Some(to_layer)) = (layer(from), layer(to)) {
                assert!(allowed(from_layer, to_layer), "{from} may not depend on {to}");
            }
        }
    }
}

#[test]
fn foreign_crates_are_permitted() {
    let metadata = metadata(&["--locked"]);
    for package in packages(&metadata).filter(|p| !p["source"].is_null()) {
        let name = package["name"].as_str().unwrap();
        let version = package["version"].as_str().unwrap();
        assert!(!BANNED.contains(&name), "{name} is banned");
        let licence = package["license"].as_str().unwrap_or("");
        let fits = licence.split(" OR ").any(|l| permitted(l.trim_matches(['(', ')'])));
        assert!(
            fits || licence.is_empty() && package["license_file"].is_string(),
            "{name} {version}: licence {licence}"
        );
        if let Some((_, floor)) = FLOORS.iter().find(|(n, _)| *n == name) {
            assert!(numbers(version) >= numbers(floor), "{name} {version} is below {floor}");
        }
    }
}

fn permitted(licence: &str) -> bool {
    licence.split(" AND ").all(|l| {
        let l = l.trim_matches(['(', ')']).split(" WITH ").next().unwrap_or(l);
        l.split('/').any(|l| LICENCES.contains(&l.trim()))
    })
}

fn layer(name: &str) -> Option<u8> {
    match name {
        "carerecord-model" | "carerecord-xml" | "carerecord-migrations" => Some(0),
        "carerecord-codec"
        | "carerecord-clinical"
        | "carerecord-sealing"
        | "carerecord-storage" => Some(1),
        "carerecord-access" => Some(2),
        "carerecord-fhir" | "carerecord-audit" => Some(3),
        "carerecord-service" => Some(4),
        "carerecord-registry"
        | "carerecord-repository"
        | "carerecord-portal-api"
        | "carerecord-web" => Some(5),
        "carerecord" => Some(6),
        _ => None,
    }
}

/// Downwards only, but that XML and model lie on one floor and codecs may meet.
fn allowed(from: u8, to: u8) -> bool {
    to < from
}

fn packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    metadata["packages"].as_array().into_iter().flatten()
}

fn metadata(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1"])
        .args(arguments)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

fn numbers(version: &str) -> Vec<u64> {
    let plain = version.split(['-', '+']).next().unwrap_or(version);
    plain.split('.').filter_map(|n| n.parse().ok()).collect()
}

// `rsa` is in the graph through the OpenID Connect client, which only verifies with it; the known
// fault is in operations with private keys. Reviewed on 25 November 2026.
const BANNED: [&str; 6] = ["openssl", "openssl-sys", "native-tls", "xml-rs", "tokio-tar", "multer"];

const LICENCES: [&str; 13] = [
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "0BSD",
    "Zlib",
    "Unicode-3.0",
    "Unlicense",
    "CC0-1.0",
    "MIT-0",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
];

const FLOORS: [(&str, &str); 8] = [
    ("quick-xml", "0.41.0"),
    ("h2", "0.4.16"),
    ("hyper", "1.0.0"),
    ("rustls", "0.23.18"),
    ("rustls-webpki", "0.103.13"),
    ("aws-lc-sys", "0.39.0"),
    ("sqlx", "0.8.1"),
    ("time", "0.3.47"),
];
