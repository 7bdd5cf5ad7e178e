use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::BINARY;

/// Tiny documents in folders, and a manifest of them.
pub struct Files {
    pub folder: TempDir,
}

impl Files {
    pub fn new(count: usize) -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        let mut manifest = String::from("path,patient,type,created,title,unique_id\n");
        for n in 0..count {
            let file = files.file(n);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, format!("Note {n}: pulse {}/min.\n", 60 + n % 40)).unwrap();
            let path = file.strip_prefix(files.folder.path()).unwrap().to_str().unwrap();
            let patient = PATIENTS[n % PATIENTS.len()];
            let id = if n % 2 == 0 { format!("2.999.88.{n}") } else { String::new() };
            writeln!(manifest, "{path},{patient},823691000000103,20240102,Note {n},{id}").unwrap();
        }
        std::fs::write(files.manifest(), manifest).unwrap();
        files
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn file(&self, n: usize) -> PathBuf {
        self.path(&format!("{}/{n}.txt", n / 500))
    }

    pub fn manifest(&self) -> PathBuf {
        self.path("m.csv")
    }

    pub fn outcomes(&self) -> Vec<Value> {
        read_outcomes(&self.path("m.outcomes.jsonl"))
    }

    pub fn command(&self, node: &str, more: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(["publish", "--node", node, "--registry", "http://127.0.0.1:9"]);
        command.arg("--manifest").arg(self.manifest()).args(more).stdout(Stdio::null());
        command
    }

    pub fn run(&self, node: &str, more: &[&str]) -> Output {
        self.command(node, more).stdout(Stdio::piped()).output().unwrap()
    }

    /// Runs it while this process answers.
    pub async fn run_beside(&self, node: &str, more: &[&str]) -> Output {
        let mut command = self.command(node, more);
        command.stdout(Stdio::piped());
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }
}

/// The whole lines behind the first one.
pub fn read_outcomes(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn said(output: &Output) -> String {
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&said).into_owned()
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Whose they are, in turn.
pub const PATIENTS: [&str; 8] = [
    "9990001006",
    "9990001022",
    "9990001057",
    "9990001065",
    "9990001111",
    "9990001138",
    "9990001154",
    "9990001162",
];
