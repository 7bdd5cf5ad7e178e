//! The NIST testplans, run as data against a registry and a repository of this binary. A step that
//! fails must be in `conformance-failures.txt` with its reason, and a step that is there must fail.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use carerecord_conformance::{CLIENTS, Config, Runner, Tests, Verdict};
use carerecord_testkit::{Process, corpus, free_ports};

#[tokio::test(flavor = "multi_thread")]
async fn nist_testplans_pass_on_sqlite() {
    run("sqlite", "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nist_testplans_pass_on_postgresql() {
    let Some(url) = carerecord_testkit::postgres::fresh_url().await else { return };
    run("postgresql", &format!("database = \"{url}\"\n")).await;
}

async fn run(name: &str, database: &str) {
    let Some(corpus) = corpus() else { return };
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let tests = Tests::read(&corpus.join("xds/nist-testkit")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ports = free_ports(4);
    let _server = start(folder.path(), &ports, database);
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("conformance-{name}"));
    let _ = std::fs::remove_dir_all(&out);
    let config = Config {
        registry: format!("http://127.0.0.1:{}/xds/registry", ports[0]),
        repository: format!("http://127.0.0.1:{}/xds/repository", ports[1]),
        mllp: Some(format!("127.0.0.1:{}", ports[3])),
        peer_patient: None,
        authority: "2.16.840.1.113883.2.1.4.1".into(),
        home: "urn:oid:2.999.40".into(),
        repository_id: REPOSITORY.into(),
        out: Some(out.clone()),
    };

    let report = Runner::new(config, &tests).run(|t| !NOT_OURS.contains(&t.group.as_str())).await;

    println!("\n{report}\nexchanges of failures: {}", out.display());
    let expected = expected_failures();
    let mut wrong = Vec::new();
    for outcome in &report.outcomes {
        let listed = expected.get(outcome.step.as_str());
        match (&outcome.verdict, listed) {
            (Verdict::Failed(why), None) => wrong.push(format!("{}: {why}", outcome.step)),
            (Verdict::Passed, Some(_)) => wrong.push(format!("{}: passes now", outcome.step)),
            (Verdict::Failed(_), Some(_)) | (Verdict::Passed | Verdict::NotRun(_), _) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn start(folder: &Path, ports: &[u16], database: &str) -> Process {
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/config/policy");
    let door = |table: &str, port: u16| {
        format!(
            "[[{table}.door]]\nlisten = {{ address = \"127.0.0.1:{port}\" }}\n\
             caller = {{ name = \"loopback\", organisation = \"ZEX09\", rights = [\"publish\", \
             \"query\", \"retrieve\", \"administer\", \"delegate\"] }}\n"
        )
    };
    let text = format!(
        "data = \"data\"\npolicy = \"{policy}\"\nlog = {{ filter = \"warn\" }}\n\
         admin = {{ address = \"127.0.0.1:{}\" }}\n\
         [registry]\n{database}rules = {{ unknown_patients = \"reject\", number_policy = \"any\" }}\n\
         [registry.feed]\nlisten = {{ address = \"127.0.0.1:{}\" }}\n\
         caller = {{ name = \"feed\", organisation = \"ZEX09\", rights = [\"publish\"] }}\n\
         {}[[repository]]\nnode = {{ repository_unique_id = \"{REPOSITORY}\", organisation = \
         \"ZEX01\" }}\n{}",
        ports[2],
        ports[3],
        door("registry", ports[0]),
        door("repository", ports[1]),
    );
    let file = folder.join("carerecord.toml");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_carerecord"));
    command.args(["serve", "--config"]).arg(&file);
    Process::start(command, &folder.join("log"), ports[1])
}

/// Steps that fail, with the reason, argued from the specification.
fn expected_failures() -> BTreeMap<&'static str, &'static str> {
    include_str!("conformance-failures.txt")
        .lines()
        .filter(|l| !l.trim().is_empty() && !l.starts_with('#'))
        .filter_map(|l| l.split_once('\t'))
        .collect()
}

/// Actors that a registry with a repository is not.
const NOT_OURS: [&str; 3] = ["gateway and FHIR", "recipient", CLIENTS];

const REPOSITORY: &str = "2.999.826.1.1";
