//! The guide's own commands, run as they stand but for the ports.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use carerecord_testkit::ten_ports;

use crate::BINARY;
use crate::routes::root;

/// From nothing to a published document: every command of `docs/guide.md`, in one shell, stopping at
/// the first that fails. Whoever has no curl is told so.
#[test]
fn the_commands_of_the_guide_work() {
    if Command::new("curl").arg("--version").output().is_err() {
        carerecord_testkit::must_not_skip("there is no curl");
        return;
    }
    let guide = std::fs::read_to_string(root().join("docs/guide.md")).unwrap();
    let commands: Vec<&str> =
        guide.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    assert!(commands.len() >= 8, "the guide has {} commands", commands.len());
    let (first, rest) = commands.split_first().unwrap();
    assert_eq!(first.trim(), "carerecord mock", "the guide starts the mock first");

    let folder = tempfile::tempdir().unwrap();
    let port = ten_ports();
    let mut mock = Command::new(BINARY)
        .args(["mock", "--port", &port.to_string()])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let ready = wait(&mut mock);
    let script = format!("set -euo pipefail\n{}", moved(&rest.join("\n"), port));
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", path())
        .env("NO_PROXY", "127.0.0.1")
        .output();
    let _ = Command::new("kill").arg(mock.id().to_string()).status();
    let ended = mock.wait();

    assert!(ready, "the mock does not get ready");
    assert!(ended.unwrap().success(), "the mock did not end well");
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    // What the guide shows is what comes.
    for shown in guide.split("```text\n").skip(1).map(|block| block.split("```").next().unwrap()) {
        for line in shown.lines().filter(|line| !line.trim().is_empty()) {
            assert!(
                said.contains(line.trim()),
                "the guide shows {line:?}, and what comes is\n{said}"
            );
        }
    }
}

/// The commands with the ports of this test.
fn moved(commands: &str, first: u16) -> String {
    let mut text = commands.to_owned();
    for offset in 0..10 {
        let (from, to) = (8080 + offset, first + offset);
        text = text.replace(&format!("127.0.0.1:{from}"), &format!("127.0.0.1:@{to}"));
    }
    text.replace("127.0.0.1:@", "127.0.0.1:")
}

fn path() -> String {
    let folder = std::path::Path::new(BINARY).parent().unwrap();
    #[expect(clippy::disallowed_methods, reason = "the shell is to find curl as this test does")]
    let before = std::env::var("PATH").unwrap_or_default();
    format!("{}:{before}", folder.display())
}

/// Reads until the mock says that it is there; what it says later is read as well.
fn wait(mock: &mut Child) -> bool {
    let mut lines = BufReader::new(mock.stdout.take().unwrap()).lines();
    let there = lines.any(|line| line.is_ok_and(|line| line.contains("Ctrl-C stops")));
    std::thread::spawn(move || lines.for_each(drop));
    there
}
