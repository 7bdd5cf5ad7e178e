//! The web portal in a real browser, against the demo on its fixed ports.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

#[test]
#[expect(clippy::disallowed_methods, reason = "CI says by CI=true that nothing may be skipped")]
fn clinicians_walk_through_the_portal() {
    let ci = std::env::var("CI").is_ok_and(|v| v == "true");
    if !Path::new(CHROMIUM).exists() {
        assert!(!ci, "{CHROMIUM} is missing");
        println!("skipped: {CHROMIUM} is missing (Debian: apt-get install chromium)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let scripts = folder.path().join("browser");
    std::fs::create_dir(&scripts).unwrap();
    for file in ["package.json", "package-lock.json", ".npmrc", "walk.mjs"] {
        let from = Path::new(SOURCES).join(file);
        std::fs::copy(from, scripts.join(file)).unwrap();
    }
    let installed = Command::new("npm").arg("ci").current_dir(&scripts).status().unwrap();
    assert!(installed.success(), "npm ci failed");
    let pictures = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    std::fs::create_dir_all(&pictures).unwrap();
    let demo = start(&folder.path().join("data"));

    let walk = Command::new("node")
        .args(["walk.mjs", "http://127.0.0.1:8080", CHROMIUM])
        .arg(&pictures)
        .current_dir(&scripts)
        .status()
        .unwrap();

    drop(demo);
    assert!(walk.success(), "the walk failed; pictures are in {}", pictures.display());
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
        .args(["demo", "--data"])
        .arg(data)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let demo = Demo(child);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !data.join("samples-published").exists() {
        assert!(Instant::now() < deadline, "the demo did not start; are its ports in use?");
        std::thread::sleep(Duration::from_millis(100));
    }
    demo
}

const CHROMIUM: &str = "/usr/bin/chromium";
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/browser");
