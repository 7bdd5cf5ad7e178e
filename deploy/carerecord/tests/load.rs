//! `carerecord load` as an operator runs it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::{Command, Output};

use carerecord_testkit::submission::Builder;

#[test]
fn a_file_is_loaded_once_and_what_is_refused_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("carerecord.toml");
    std::fs::write(&config, configuration()).unwrap();
    let mut b = Builder::default();
    let good: Vec<String> =
        (0..600).map(|_| serde_json::to_string(&b.document()).unwrap()).collect();
    let mut lines = good.clone();
    lines.insert(7, "{\"not\": \"a submission\"}".into());
    let file = folder.path().join("submissions.ndjson");
    std::fs::write(&file, lines.join("\n")).unwrap();

    let first = load(&config, &[file.to_str().unwrap()]);
    let again = load(&config, &[file.to_str().unwrap()]);

    let text = String::from_utf8(first.stdout).unwrap();
    assert_eq!(first.status.code(), Some(1), "{text}");
    assert!(text.contains("600 entries registered"), "{text}");
    assert!(
        text.contains("line 8 refused: XDSRegistryMetadataError: it is no submission"),
        "{text}"
    );
    let text = String::from_utf8(again.stdout).unwrap();
    assert!(text.starts_with("Going on after line 601."), "{text}");
    assert!(text.contains("0 entries registered"), "{text}");

    let whole = folder.path().join("repaired.ndjson");
    std::fs::write(&whole, good.join("\n")).unwrap();
    let repaired = load(&config, &[whole.to_str().unwrap()]);
    assert!(repaired.status.success());
    assert!(String::from_utf8(repaired.stdout).unwrap().contains("0 entries registered"));
}

#[test]
fn the_example_is_a_line_that_can_be_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("carerecord.toml");
    std::fs::write(&config, configuration()).unwrap();
    let example = load(&config, &["--example"]);
    assert!(example.status.success());
    let file = folder.path().join("example.ndjson");
    std::fs::write(&file, &example.stdout).unwrap();

    let done = load(&config, &[file.to_str().unwrap()]);

    let text = String::from_utf8(done.stdout).unwrap();
    assert!(text.contains("1 entries registered") && done.status.success(), "{text}");
}

fn load(config: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carerecord"));
    command.arg("load").arg("--config").arg(config).args(arguments).output().unwrap()
}

fn configuration() -> String {
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/config/policy");
    format!(
        "data = \"data\"
         policy = \"{policy}\"
         [registry]
         rules = {{ unknown_patients = \"accept\", number_policy = \"any\" }}
         door = []"
    )
}
