use std::path::PathBuf;
use std::process::{Command, Output};

use carerecord_testkit::{Process, Xds};
use tempfile::TempDir;

/// `carerecord serve` by the example configuration, on other ports, with changes.
pub struct Example {
    process: Option<Process>,
    folder: TempDir,
    first_port: u16,
}

impl Example {
    pub fn start(change: impl FnOnce(String) -> String) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let first_port = carerecord_testkit::ten_ports();
        let mut example = Self { process: None, folder, first_port };
        example.start_again(change);
        example
    }

    /// Stops it, as kill -9 does.
    pub fn kill(&mut self) {
        self.process.take().expect("it runs");
    }

    /// Starts it by the example with other changes.
    pub fn start_again(&mut self, change: impl FnOnce(String) -> String) {
        let config = concat!("\"", env!("CARGO_MANIFEST_DIR"), "/config/");
        let mut text = include_str!("../../config/carerecord.example.toml")
            .replace("\"./policy", &format!("{config}policy"))
            .replace("\"./codes", &format!("{config}codes"));
        for n in (0..10).rev() {
            let to = format!("127.0.0.1:{}", self.first_port + n);
            text = text.replace(&format!("127.0.0.1:{}", 8080 + n), &to);
        }
        std::fs::write(self.config(), change(text)).unwrap();
        let mut command = Command::new(super::BINARY);
        command.args(["serve", "--config", &self.config()]);
        let process = Process::start(command, &self.file("log"), self.first_port + 9);
        self.process = Some(process);
    }

    /// What it has logged.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.file("log")).unwrap()
    }

    /// The path of the configuration.
    pub fn config(&self) -> String {
        self.path("carerecord.toml")
    }

    /// A file beside the configuration.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as an argument.
    pub fn path(&self, name: &str) -> String {
        self.file(name).to_str().unwrap().to_owned()
    }

    /// An address by the example's port, 8080 and `n`.
    pub fn url(&self, n: u16, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.first_port + n)
    }

    pub fn registry(&self) -> Xds {
        Xds::new(self.url(1, "/xds/registry"))
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
