use std::path::PathBuf;
use std::process::{Command, Output};

use carerecord_testkit::{Process, Xds};
use tempfile::TempDir;

/// `carerecord serve` by the example configuration, on other ports, with changes.
pub struct Example {
    pub process: Process,
    folder: TempDir,
    first_port: u16,
}

impl Example {
    pub fn start(change: impl FnOnce(String) -> String) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let first_port = carerecord_testkit::ten_ports();
        let config = concat!("\"", env!("CARGO_MANIFEST_DIR"), "/config/");
        let mut text = include_str!("../../config/carerecord.example.toml")
            .replace("\"./policy", &format!("{config}policy"))
            .replace("\"./codes", &format!("{config}codes"));
        for n in (0..10).rev() {
            let to = format!("127.0.0.1:{}", first_port + n);
            text = text.replace(&format!("127.0.0.1:{}", 8080 + n), &to);
        }
        let file = folder.path().join("carerecord.toml");
        std::fs::write(&file, change(text)).unwrap();
        let mut command = Command::new(super::BINARY);
        command.args(["serve", "--config"]).arg(&file);
        let process = Process::start(command, &folder.path().join("log"), first_port + 9);
        Self { process, folder, first_port }
    }

    /// A file beside the configuration.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An address by the example's port, 8080 and `n`.
    pub fn url(&self, n: u16, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.first_port + n)
    }

    /// The first node.
    pub fn node(&self) -> Xds {
        Xds::new(self.url(2, "/xds/repository"))
    }

    /// Runs another command of the binary.
    pub fn run(&self, arguments: &[&str]) -> Output {
        Command::new(super::BINARY).args(arguments).output().unwrap()
    }
}
