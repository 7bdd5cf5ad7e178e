//! The binary from outside: a registry and a node in separate processes, a publisher, a kill.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

#[test]
fn published_documents_survive_a_kill_and_repeats_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let ports: Vec<u16> = (0..5).map(|_| free_port()).collect();
    write_configurations(folder.path(), &ports);
    let document = folder.path().join("note.txt");
    std::fs::write(&document, "Blood pressure 120/80 mmHg, pulse 64/min.").unwrap();
    let node = format!("http://127.0.0.1:{}/xds/repository", ports[2]);

    let registry = start(folder.path(), "registry.toml", ports[3]);
    let mut repository = start(folder.path(), "node.toml", ports[4]);
    let first = publish(&document, &node);
    assert!(first.status.success(), "{}", text(&first));
    repository.0.kill().unwrap();
    repository.0.wait().unwrap();
    let while_down = publish(&document, &node);
    assert_eq!(while_down.status.code(), Some(2), "{}", text(&while_down));
    let repository = start(folder.path(), "node.toml", ports[4]);
    let again = publish(&document, &node);

    assert!(again.status.success(), "{}", text(&again));
    let count = |database: &str| audit(&folder.path().join(database));
    assert!(count("registry").contains("ITI-42"));
    assert!(count("node").contains("ITI-41"));
    drop(repository);
    drop(registry);
}

#[test]
fn a_listener_that_others_could_reach_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ports: Vec<u16> = (0..5).map(|_| free_port()).collect();
    write_configurations(folder.path(), &ports);
    let file = folder.path().join("registry.toml");
    let open = std::fs::read_to_string(&file).unwrap().replace("127.0.0.1", "0.0.0.0");
    std::fs::write(&file, open).unwrap();

    let output = binary().args(["serve", "--config"]).arg(&file).output().unwrap();

    assert!(!output.status.success());
    assert!(text(&output).contains("loopback"), "{}", text(&output));
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn binary() -> Command {
    Command::new(env!("CARGO_BIN_EXE_carerecord"))
}

fn start(folder: &Path, file: &str, admin: u16) -> Process {
    let child = binary().args(["serve", "--config"]).arg(folder.join(file)).spawn().unwrap();
    let process = Process(child);
    let deadline = Instant::now() + Duration::from_secs(30);
    while std::net::TcpStream::connect(("127.0.0.1", admin)).is_err() {
        assert!(Instant::now() < deadline, "{file} did not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    process
}

fn publish(document: &Path, node: &str) -> Output {
    binary()
        .args(["publish", "--patient", "9990001006", "--node", node])
        .arg(document)
        .output()
        .unwrap()
}

fn audit(data: &Path) -> String {
    text(&binary().args(["audit", "--data"]).arg(data).output().unwrap())
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn write_configurations(folder: &Path, ports: &[u16]) {
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/config/policy");
    let door = |table: &str, port: u16, rights: &str| {
        format!(
            "[[{table}.door]]\nlisten = {{ address = \"127.0.0.1:{port}\" }}\n\
             caller = {{ name = \"test\", organisation = \"ZEX09\", rights = [{rights}] }}\n"
        )
    };
    let registry = format!(
        "data = \"registry\"\npolicy = \"{policy}\"\nadmin = {{ address = \"127.0.0.1:{}\" }}\n\
         [registry]\nrules = {{ unknown_patients = \"accept\" }}\n{}{}",
        ports[3],
        door("registry", ports[0], "\"query\""),
        door("registry", ports[1], "\"publish\", \"delegate\""),
    );
    let node = format!(
        "data = \"node\"\npolicy = \"{policy}\"\nadmin = {{ address = \"127.0.0.1:{}\" }}\n\
         [remote_registry]\nurl = \"http://127.0.0.1:{}\"\n[[repository]]\n\
         node = {{ repository_unique_id = \"2.999.826.1.1\", organisation = \"ZEX01\" }}\n{}",
        ports[4],
        ports[1],
        door("repository", ports[2], "\"publish\", \"retrieve\""),
    );
    std::fs::write(folder.join("registry.toml"), registry).unwrap();
    std::fs::write(folder.join("node.toml"), node).unwrap();
}
