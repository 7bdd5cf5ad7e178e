//! What a process with two nodes says of its health.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

#[test]
fn each_node_of_a_process_is_ready_under_its_own_name() {
    let folder = tempfile::tempdir().unwrap();
    let ports: Vec<u16> = (0..4).map(|_| free_port()).collect();
    let file = folder.path().join("carerecord.toml");
    std::fs::write(&file, configuration(&ports)).unwrap();
    let _process = start(&file);

    let answer = ready(ports[3]);

    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let body: serde_json::Value =
        serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let checks = body["checks"].as_array().unwrap();
    let names: Vec<&str> = checks.iter().map(|c| c["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["registry", "repository 2.999.826.1.1", "repository 2.999.826.1.2"]);
}

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(file: &Path) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_carerecord"));
    Process(command.args(["serve", "--config"]).arg(file).spawn().unwrap())
}

/// Asks until the listener is there.
fn ready(port: u16) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
            let ask = "GET /health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            stream.write_all(ask.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            return answer;
        }
        assert!(Instant::now() < deadline, "it did not start");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn configuration(ports: &[u16]) -> String {
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/config/policy");
    let door = |table: &str, port: u16| {
        format!(
            "[[{table}.door]]\nlisten = {{ address = \"127.0.0.1:{port}\" }}\n\
             caller = {{ name = \"test\", organisation = \"ZEX09\", rights = [\"query\"] }}\n"
        )
    };
    let node = |n: u16, organisation: &str| {
        format!(
            "[[repository]]\nnode = {{ repository_unique_id = \"2.999.826.1.{n}\", \
             organisation = \"{organisation}\" }}\n{}",
            door("repository", ports[usize::from(n)])
        )
    };
    format!(
        "data = \"data\"\npolicy = \"{policy}\"\nadmin = {{ address = \"127.0.0.1:{}\" }}\n\
         [registry]\n{}{}{}",
        ports[3],
        door("registry", ports[0]),
        node(1, "ZEX01"),
        node(2, "ZEX02"),
    )
}
