//! A document of 1 GiB goes in by ITI-41 and out by ITI-43, and memory hardly grows.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};

#[tokio::test]
#[ignore = "peak memory varies from run to run near the limit; not steady enough for the gate yet"]
async fn a_gigabyte_passes_in_flat_memory() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let demo = start(&folder.path().join("data"));
    let http = reqwest::Client::new();
    let before = memory(&demo);

    let head = format!(
        "--B\r\nContent-Type: application/xop+xml; charset=UTF-8; type=\"application/soap+xml\"\r\n\
         Content-ID: <r@x>\r\n\r\n{}\r\n--B\r\nContent-ID: <d@x>\r\n\r\n",
        include_str!("fixtures/iti41.xml")
    );
    let chunk = bytes::Bytes::from(vec![b'x'; CHUNK]);
    let body = stream::iter([bytes::Bytes::from(head)])
        .chain(stream::iter((0..CHUNKS).map(move |_| chunk.clone())))
        .chain(stream::iter([bytes::Bytes::from_static(b"\r\n--B--\r\n")]))
        .map(Ok::<_, std::io::Error>);
    let answer = http
        .post(NODE)
        .header("content-type", "multipart/related; boundary=B; start=\"<r@x>\"")
        .body(reqwest::Body::wrap_stream(body))
        .send()
        .await
        .unwrap();
    let answer = answer.text().await.unwrap();
    assert!(answer.contains("ResponseStatusType:Success"), "{answer}");
    let fetched = http
        .post(NODE)
        .header("content-type", "application/soap+xml")
        .body(include_str!("fixtures/iti43.xml"))
        .send()
        .await
        .unwrap();
    let mut received = 0;
    let mut parts = fetched.bytes_stream();
    while let Some(part) = parts.next().await {
        received += part.unwrap().len();
    }

    assert!(received > CHUNK * CHUNKS);
    let grown = memory(&demo) - before;
    println!("memory grew by {grown} KiB");
    assert!(grown < 64 << 10, "memory grew by {grown} KiB");
}

/// The most memory that the process has had, in KiB.
fn memory(demo: &Demo) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", demo.0.id())).unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(data: &Path) -> Demo {
    let child = Command::new(env!("CARGO_BIN_EXE_carerecord"))
        .args(["demo", "--empty", "--data"])
        .arg(data)
        .stdout(Stdio::null())
        .spawn();
    let demo = Demo(child.unwrap());
    let deadline = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(("127.0.0.1", 8089)).is_err() {
        assert!(Instant::now() < deadline, "the demo did not start; are its ports in use?");
        std::thread::sleep(Duration::from_millis(100));
    }
    demo
}

const NODE: &str = "http://127.0.0.1:8082/xds/repository";
const CHUNK: usize = 1 << 16;
const CHUNKS: usize = 1 << 14;
