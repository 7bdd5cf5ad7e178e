//! `carerecord policy` as whoever answers for the rules uses it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::Command;

/// The rules of the demo are what their examples say, and an example that is wrong is told of.
#[test]
fn examples_are_held_against_the_rules() {
    let (good, said) = policy(&["check", POLICY, "--on", "2026-11-25"]);
    assert!(good && said.contains(", 0 of them decided otherwise"), "{said}");
    assert!(!said.contains("warning"), "{said}");

    let folder = tempfile::tempdir().unwrap();
    copy(Path::new(POLICY), folder.path());
    let wrong = "[[example]]\nsays = \"Clerks see everything\"\non = \"2026-11-25\"\n\
                 who = { organisation = \"ZEX01\", role = \"R8010\" }\n\
                 document = { source = \"ZEX01\" }\nexpect = \"own-record\"\n";
    std::fs::write(folder.path().join("examples/wrong.toml"), wrong).unwrap();
    let folder = folder.path().to_str().unwrap();
    let (good, said) = policy(&["check", folder, "--on", "2027-03-02"]);
    assert!(!good && said.contains("1 of them decided otherwise"), "{said}");
    assert!(said.contains("Clerks see everything: expected own-record, decided by role-unknown"));
    assert!(said.contains("warning: agreement dsa-ev-0001/1: was to be reviewed by 2027-03-01"));

    let unknown = wrong.replace("own-record", "no-such-rule");
    std::fs::write(Path::new(folder).join("examples/wrong.toml"), unknown).unwrap();
    let (good, said) = policy(&["check", folder]);
    assert!(!good && said.contains("no-such-rule is not a rule"), "{said}");
}

#[test]
fn agreements_are_asked_about() {
    let ask = |more: &[&str]| {
        let first = ["agreements", POLICY, "--on", "2026-11-25"];
        policy(&[&first[..], more].concat())
    };

    let (_, list) = ask(&[]);
    assert!(list.contains("dsa-ev-0001/1\tin force\t2026-03-10 to 2028-03-09"), "{list}");
    let (_, matrix) = ask(&["--matrix"]);
    assert!(matrix.contains("ZEX01\tZEX05\tdsa-ev-0001/1 clause 2\n"), "{matrix}");
    assert!(matrix.contains("A20047\tZEX01\tnothing\n"), "{matrix}");
    assert_eq!(matrix.lines().count(), 20, "each of five with each other: {matrix}");
    assert_eq!(ask(&["--stops-before", "2028-03-09"]), (true, String::new()));
    let (_, stops) = ask(&["--stops-before", "2028-03-10"]);
    assert!(stops.starts_with("dsa-ev-0001/1\tends 2028-03-09"), "{stops}");

    let flow = ["--from", "ZEX01", "--to", "ZEX05", "--role", "R8014", "--type", "1"];
    let asked = |more: &[&str]| ask(&[&flow[..], more].concat());
    assert_eq!(asked(&["--class", "734163000"]).1, "yes\tdsa-ev-0001/1\tclause 2\n");
    for no in [
        &["--class", "823651000000106"][..],
        &["--class", "734163000", "--label", "R"],
        &["--class", "734163000", "--purpose", "audit"],
        &[],
    ] {
        assert!(!asked(no).0, "{no:?}");
    }
}

fn policy(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(BINARY).arg("policy").args(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, to) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if path.is_dir() {
            copy(&path, &to);
        } else {
            std::fs::copy(path, to).unwrap();
        }
    }
}

const BINARY: &str = env!("CARGO_BIN_EXE_carerecord");
const POLICY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/policy");
