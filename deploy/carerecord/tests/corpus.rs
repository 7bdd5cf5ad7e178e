//! Real documents through the whole of it: published by the source system's tool, found over FHIR,
//! and given back byte for byte.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

#[tokio::test]
async fn published_documents_come_back_byte_for_byte() {
    let Some(corpus) = corpus() else { return };
    let folder = tempfile::tempdir().unwrap();
    let _demo = start(&folder.path().join("data"));

    let output = binary()
        .args(["publish", "--patient", PATIENT])
        .args([corpus.join("cda"), corpus.join("fhir")])
        .output()
        .unwrap();

    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let published = published(&lines);
    assert!(published.len() > 100, "{lines}");
    assert!(!lines.contains("could not be asked"), "{lines}");
    let compared = compare(&published).await;
    println!("{} accepted, {} refused", published.len(), lines.matches("refused\t").count());
    println!("{compared} of the accepted are visible to the test's system and equal");
    assert!(compared > 100);
}

/// Files by the hash and length that metadata should have.
fn published(lines: &str) -> HashMap<(String, u64), Vec<u8>> {
    lines
        .lines()
        .filter_map(|l| l.strip_prefix("accepted\t")?.split('\t').next())
        .map(|path| {
            let bytes = std::fs::read(path).unwrap();
            ((sha1(&bytes), bytes.len() as u64), bytes)
        })
        .collect()
}

/// Fetches what a search finds, and compares it with metadata and file.
async fn compare(published: &HashMap<(String, u64), Vec<u8>>) -> usize {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let http = reqwest::Client::new();
    let form = "grant_type=client_credentials&scope=system/*.read";
    let token: Value = http
        .post("http://127.0.0.1:8085/token")
        .basic_auth("demo-system", Some("demo-secret"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let token = token["access_token"].as_str().unwrap();
    let search =
        format!("patient.identifier=https://fhir.nhs.uk/Id/nhs-number|{PATIENT}&status=current");
    let bundle: Value = http
        .post("http://127.0.0.1:8080/fhir/DocumentReference/_search")
        .bearer_auth(token)
        .body(search)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let mut compared = 0;
    for entry in bundle["entry"].as_array().unwrap() {
        let attachment = &entry["resource"]["content"][0]["attachment"];
        let Some(url) = attachment["url"].as_str() else { continue };
        let answer = http.get(url).bearer_auth(token).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        let bytes = answer.bytes().await.unwrap();
        let hash = attachment["hash"].as_str().unwrap().to_owned();
        let key = (hash, attachment["size"].as_u64().unwrap());
        assert_eq!(published.get(&key).unwrap().as_slice(), &bytes[..]);
        compared += 1;
    }
    compared
}

/// As FHIR writes it: base64 of the digest.
fn sha1(bytes: &[u8]) -> String {
    use base64::Engine as _;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
    base64::engine::general_purpose::STANDARD.encode(digest)
}

#[expect(clippy::disallowed_methods, reason = "where the corpus is, and that CI must have it")]
fn corpus() -> Option<PathBuf> {
    let given = std::env::var("CARERECORD_CORPUS").ok().map(PathBuf::from);
    let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let folder = given.unwrap_or(usual);
    if folder.join("cda").is_dir() {
        return Some(folder);
    }
    let ci = std::env::var("CI").is_ok_and(|v| v == "true");
    assert!(!ci, "the corpus is missing");
    println!("skipped: no corpus; set CARERECORD_CORPUS");
    None
}

struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn binary() -> Command {
    Command::new(env!("CARGO_BIN_EXE_carerecord"))
}

fn start(data: &Path) -> Demo {
    let child =
        binary().args(["demo", "--empty", "--data"]).arg(data).stdout(Stdio::null()).spawn();
    let demo = Demo(child.unwrap());
    let deadline = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(("127.0.0.1", 8089)).is_err() {
        assert!(Instant::now() < deadline, "the demo did not start; are its ports in use?");
        std::thread::sleep(Duration::from_millis(100));
    }
    demo
}

const PATIENT: &str = "9990001146";
