use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use bytes::Bytes;
use carerecord_testkit::{Deployment, Letter, NODES, PATIENT, Role, flip_byte};

/// What has changed or gone on the disk is found, told of and taken out of use while the node
/// serves; what is whole again is given again.
pub async fn a_scrub_finds_what_differs(deployment: Deployment) {
    let letters = publish(&deployment, 60).await;
    let (code, report) = scrub(&deployment, &[]);
    assert_eq!((code, &report["findings"]), (0, &serde_json::json!([])), "{report}");
    assert_eq!((&report["documents"], &report["finished"]), (&60.into(), &true.into()));
    let bytes: usize = letters.iter().map(|l| l.bytes.len()).sum();
    assert_eq!(report["bytes"], bytes);

    let (damaged, missing) = (&letters[7], &letters[55]);
    flip_byte(&deployment.object_of(damaged));
    let gone = deployment.object_of(missing);
    let copy = std::fs::read(&gone).unwrap();
    std::fs::remove_file(&gone).unwrap();
    let (code, report) = scrub(&deployment, &[]);
    assert_eq!(code, 1, "{report}");
    let found = |report: &serde_json::Value| {
        let findings = report["findings"].as_array().unwrap().iter();
        let pair = |f: &serde_json::Value| format!("{} {}", f["uniqueId"], f["fault"]);
        let mut found: Vec<String> = findings.map(pair).collect();
        found.sort();
        found
    };
    let pair = |letter: &Letter, fault: &str| format!("\"{}\" \"{fault}\"", letter.unique_id);
    let mut expected = vec![pair(damaged, "differs"), pair(missing, "missing")];
    expected.sort();
    assert_eq!(found(&report), expected);
    let audit = deployment.audit(Role::Node(0));
    let alarms: Vec<_> = audit.iter().filter(|e| e["interaction"] == "integrity alarm").collect();
    assert!(alarms.len() == 2 && alarms.iter().all(|e| e["request"] == "scrub"), "{alarms:?}");

    // It is out of use, although nobody has asked for it yet.
    let node = deployment.node(0);
    flip_byte(&deployment.object_of(damaged));
    std::fs::write(&gone, copy).unwrap();
    let given = node.retrieve(NODES[0].0, &[&damaged.unique_id]).await.unwrap();
    assert_eq!(given.exchange.error_codes(), ["XDSRepositoryError"]);
    let (code, report) = scrub(&deployment, &[]);
    assert_eq!((code, &report["givenAgain"]), (0, &1.into()), "{report}");
    for letter in [damaged, missing] {
        let given = node.retrieve(NODES[0].0, &[&letter.unique_id]).await.unwrap();
        assert_eq!(given.documents[&letter.unique_id], letter.bytes);
    }
    let output = command(&deployment, &[]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("Nothing is wrong."), "{text}");
    deployment.assert_no_panic();
}

/// A scrub goes no faster than it may, and one that is stopped or killed is gone on with; what it
/// found before is in the report.
pub async fn a_scrub_that_is_stopped_goes_on(deployment: Deployment) {
    let letters = publish(&deployment, 130).await;
    // The first one in the order in which it walks.
    let first = letters.iter().min_by_key(|l| &l.unique_id).unwrap();
    flip_byte(&deployment.object_of(first));

    // 130 documents take it some 13 seconds.
    let running = spawn(&deployment, &["--max-mib-per-second", "0.04"]);
    tokio::time::sleep(Duration::from_millis(7500)).await;
    let stopped = interrupt(running);
    let report = json(&stopped);
    assert_eq!(stopped.status.code(), Some(2), "{report}");
    assert_eq!(report["finished"], false);
    let done = report["documents"].as_u64().unwrap();
    assert!((50..130).contains(&done), "{report}");

    let mut killed = spawn(&deployment, &["--max-mib-per-second", "0.04"]);
    tokio::time::sleep(Duration::from_millis(500)).await;
    killed.kill().unwrap();
    killed.wait().unwrap();

    let (code, report) = scrub(&deployment, &[]);
    assert_eq!((code, &report["documents"]), (1, &130.into()), "{report}");
    assert_eq!(report["findings"][0]["uniqueId"], first.unique_id.as_str());
    let bytes: usize = letters.iter().map(|l| l.bytes.len()).sum();
    let read = report["bytes"].as_u64().unwrap() as usize;
    assert!(read <= bytes, "something was counted twice: {read} of {bytes}");
    deployment.assert_no_panic();
}

/// What could not be asked is not told as found; without the registry bytes can be checked.
pub async fn without_a_registry_a_scrub_says_so(mut deployment: Deployment) {
    publish(&deployment, 3).await;
    deployment.kill(Role::Registry);

    let output = command(&deployment, &["--json"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("the registry could not be asked"), "{said}");

    let (code, report) = scrub(&deployment, &["--bytes-only"]);
    assert_eq!((code, &report["documents"]), (0, &3.into()), "{report}");
}

/// Letters of different lengths, some 4 KiB each.
async fn publish(deployment: &Deployment, count: u32) -> Vec<Letter> {
    let mut letters = Vec::new();
    for n in 0..count {
        let bytes = Bytes::from("x".repeat(4000 + n as usize));
        let letter = Letter { bytes, ..Letter::text(PATIENT, n) };
        let answer = deployment.node(0).publish(&letter).await.unwrap();
        assert!(answer.is_success(), "{}", answer.envelope);
        letters.push(letter);
    }
    letters
}

fn scrub(deployment: &Deployment, arguments: &[&str]) -> (i32, serde_json::Value) {
    let mut command = command(deployment, arguments);
    let output = tokio::task::block_in_place(|| command.arg("--json").output().unwrap());
    (output.status.code().unwrap(), json(&output))
}

fn command(deployment: &Deployment, arguments: &[&str]) -> Command {
    let mut command = Command::new(crate::BINARY);
    command.args(["scrub", "--config"]).arg(deployment.file("node0.toml")).args(arguments);
    command
}

fn spawn(deployment: &Deployment, arguments: &[&str]) -> Child {
    let mut command = command(deployment, arguments);
    command.arg("--json").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn interrupt(child: Child) -> Output {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    child.wait_with_output().unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    let errors = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {errors}"))
}
