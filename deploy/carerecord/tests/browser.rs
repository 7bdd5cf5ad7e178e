//! The web portal in a real browser.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bytes::Bytes;
use carerecord_testkit::{Deployment, Letter, PATIENT, Role, must_not_skip};

/// Sign-in, search, list, CDA, PDF and text documents, refusal, sign-out; and that the demo is
/// there soon enough.
#[tokio::test]
async fn clinicians_walk_through_the_portal() {
    let begun = Instant::now();
    let demo = Deployment::with_samples(BINARY);
    let found = demo.fhir().as_system().await.documents("9990001006").await;
    let took = begun.elapsed();
    println!("the demo answered its first query {} ms after its start", took.as_millis());
    assert!(found.len() >= 20, "{} samples", found.len());
    // What is promised is 10 s of a release build on a machine of its own.
    assert!(took < Duration::from_secs(60), "{took:?}");
    let Some(scripts) = Scripts::installed() else { return };
    let mut pdf = Letter::text(PATIENT, 1);
    pdf.title = "Clinic letter in PDF".to_owned();
    pdf.mime_type = "application/pdf".to_owned();
    pdf.bytes = Bytes::from_static(include_bytes!("fixtures/letter.pdf"));
    let mut text = Letter::text(PATIENT, 2);
    text.title = "Note in plain text".to_owned();
    for letter in [pdf, text] {
        assert!(demo.node(0).publish(&letter).await.unwrap().is_success());
    }

    scripts.walk("walk.mjs", &demo);
}

/// The list while one source is stopped and one is frozen.
#[tokio::test]
async fn clinicians_see_which_sources_are_silent() {
    let Some(scripts) = Scripts::installed() else { return };
    let mut deployment = Deployment::apart(BINARY);
    for n in 0..3 {
        let letter = Letter::text(PATIENT, n);
        assert!(deployment.node(n as usize).publish(&letter).await.unwrap().is_success());
    }
    deployment.kill(Role::Node(1));
    deployment.process(Role::Node(2)).freeze();

    scripts.walk("silent.mjs", &deployment);
}

/// Who looked: the form with its mistakes, what is found, one request followed, and the service
/// desk's part of it.
#[tokio::test]
async fn officers_see_who_looked() {
    let Some(scripts) = Scripts::installed() else { return };
    let deployment = Deployment::one_process(BINARY);
    assert!(deployment.node(0).publish(&Letter::text(PATIENT, 1)).await.unwrap().is_success());

    scripts.walk("looked.mjs", &deployment);
}

/// A record of a person whom nothing says to be cared for by the reader.
#[tokio::test]
async fn clinicians_say_that_they_care_for_a_patient() {
    let Some(scripts) = Scripts::installed() else { return };
    let mut deployment = Deployment::one_process_stopped(BINARY);
    deployment.add_rules(
        "[[relationships.rule]]\nname = \"trusts\"\napplies_to = { org_role = [\"RO197\"] }\n\
         from = \"2020-01-01\"\n",
    );
    deployment.start_all();
    assert!(deployment.node(0).publish(&Letter::text(PATIENT, 1)).await.unwrap().is_success());

    scripts.walk("claim.mjs", &deployment);
}

/// A folder of the scripts with what they need.
struct Scripts {
    folder: tempfile::TempDir,
}

impl Scripts {
    fn installed() -> Option<Self> {
        if !Path::new(CHROMIUM).exists() {
            must_not_skip("/usr/bin/chromium is missing (Debian: apt-get install chromium)");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let files = [
            "package.json",
            "package-lock.json",
            ".npmrc",
            "look.mjs",
            "walk.mjs",
            "silent.mjs",
            "looked.mjs",
            "claim.mjs",
        ];
        for file in files {
            std::fs::copy(Path::new(SOURCES).join(file), folder.path().join(file)).unwrap();
        }
        let installed = Command::new("npm").arg("ci").current_dir(folder.path()).status().unwrap();
        assert!(installed.success(), "npm ci failed");
        Some(Self { folder })
    }

    fn walk(&self, script: &str, deployment: &Deployment) {
        let pictures: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        std::fs::create_dir_all(&pictures).unwrap();
        let walk = Command::new("node")
            .args([script, &deployment.url(Role::Portal, ""), CHROMIUM])
            .arg(&pictures)
            .current_dir(self.folder.path())
            .status()
            .unwrap();
        assert!(walk.success(), "{script} failed; pictures are in {}", pictures.display());
        deployment.assert_no_panic();
    }
}

const BINARY: &str = env!("CARGO_BIN_EXE_carerecord");
const CHROMIUM: &str = "/usr/bin/chromium";
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/browser");
