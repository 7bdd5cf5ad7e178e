//! What `carerecord publish` finds wrong by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use super::files::{Files, read_outcomes, said, text};
use super::mock_node::{MockNode, Say};
use super::tool::cda;

/// A dry run finds what is wrong with each, and sends nothing; what it found is no checkpoint.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_checks_everything_and_sends_nothing() {
    let node = MockNode::start(Duration::ZERO, |_| Say::Success).await;
    let files = Files::new(3);
    let domain = concat!(env!("CARGO_MANIFEST_DIR"), "/config/codes/uk-default.xml");
    let wrong = "path,patient,type,created\n\
                 0/0.txt,9990001006,823691000000103,20240102\n\
                 0/1.txt,9990001007,823691000000103,20240102\n\
                 0/none.txt,9990001006,823691000000103,20240102\n\
                 0/2.txt,9990001006,999,20240102\n\
                 odd.xml,9990001006,,\n\
                 0/2.txt,,823691000000103,\n\
                 half.xml,9990001006,,\n";
    std::fs::write(files.manifest(), wrong).unwrap();
    let odd = cda(1, "").replace("code=\"823691000000103\"", "code=\"5551\"");
    std::fs::write(files.folder.path().join("odd.xml"), odd).unwrap();
    std::fs::write(files.folder.path().join("half.xml"), &cda(1, "")[..300]).unwrap();
    let options = ["--dry-run", "--affinity-domain", domain];

    let output = files.run_beside(&node.url, &options).await;

    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert_eq!(node.requests().len(), 0);
    let outcomes = read_outcomes(&files.path("m.outcomes.jsonl.dry-run"));
    let by_line: BTreeMap<u64, (&str, &str)> = outcomes
        .iter()
        .map(|o| (o["line"].as_u64().unwrap(), (text(&o["outcome"]), text(&o["reason"]))))
        .collect();
    for (line, (verdict, why)) in [
        (2, ("valid", "a plain text")),
        (3, ("invalid", "check digit")),
        (4, ("invalid", "cannot be read")),
        (5, ("invalid", "type 999")),
        (6, ("invalid", "typeCode 5551")),
        (7, ("invalid", "no NHS Number")),
        (8, ("invalid", "")),
    ] {
        let (is, said) = by_line[&line];
        assert!(is == verdict && said.contains(why), "line {line}: {is}: {said}");
        assert!(!said.contains("9990001007"), "{said}");
    }
    assert!(said(&output).contains("1 valid, 6 invalid"), "{}", said(&output));
    assert!(!files.path("m.outcomes.jsonl").exists());
}

/// A wrong row is told by its line and the others go; a manifest that cannot be read to its end is
/// known before anything is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_is_told_what_is_wrong_by_its_line() {
    let node = MockNode::start(Duration::ZERO, |_| Say::Success).await;
    let files = Files::new(2);
    let rows = "path,patient,created\n0/0.txt,9990001006,2024\n\n\"0/0.txt\nx\",1,2\n\
                0/1.txt,9990001006,2024,\n0/1.txt,9990001006,2024\n";
    std::fs::write(files.manifest(), rows).unwrap();

    let output = files.run_beside(&node.url, &[]).await;

    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert_eq!(node.requests().len(), 2);
    let text = said(&output);
    assert!(text.contains("invalid\tline 4: ") && text.contains("invalid\tline 6: "), "{text}");
    assert!(text.contains("it has 4 fields, and the header row has 3"), "{text}");
    assert!(text.contains("2 accepted, 2 invalid"), "{text}");

    for (wrong, why) in [
        ("path,patient\n0/0.txt,9990001006\n0/1.txt,\"9990001006\n", "line 3: a quote"),
        ("path,pateint\n0/0.txt,9990001006\n", "line 1: \"pateint\" is no column"),
        ("", "it is empty"),
    ] {
        std::fs::write(files.manifest(), wrong).unwrap();
        let output = files.run_beside(&node.url, &[]).await;
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains(why), "{}", said(&output));
        assert_eq!(node.requests().len(), 2);
    }
}
