//! How fast and how long `carerecord publish` sends, as a node sees it.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use carerecord_testkit::{PATIENT, Process};

use super::BINARY;
use super::files::{Files, read_outcomes, said};
use super::mock_node::{MockNode, Request, Say};

/// Overloaded, the node gets less at once; then more again. Nothing is lost over it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_busy_gets_less_at_once_and_then_more_again() {
    for busy in [
        || Say::Error("XDSRepositoryBusy"),
        || Say::Error("XDSRegistryNotAvailable"),
        || Say::Http(503, None),
    ] {
        let (from, until) = (250, 320);
        let node = MockNode::start(Duration::from_millis(10), move |r: Request| {
            if (from..until).contains(&r.number) && r.at_once > 1 { busy() } else { Say::Success }
        })
        .await;
        let files = Files::new(600);

        let output = files.run_beside(&node.url, &["--parallel", "12"]).await;

        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert!(said(&output).contains("The node was busy: "), "{}", said(&output));
        let requests = node.requests();
        let most = |from: usize, until: usize| {
            requests[from..until].iter().map(|r| r.at_once).max().unwrap()
        };
        assert!(requests[..2].iter().all(|r| r.at_once <= 2), "it begins carefully");
        assert!((8..=12).contains(&most(150, from)), "up: {}", most(150, from));
        assert!(most(until - 20, until) <= 4, "down: {}", most(until - 20, until));
        let end = requests.len();
        assert!((6..=12).contains(&most(end - 100, end)), "up again: {}", most(end - 100, end));
        let outcomes = files.outcomes();
        assert_eq!(outcomes.iter().filter(|o| o["outcome"] == "accepted").count(), 600);
        assert!(outcomes.iter().any(|o| o["attempts"].as_u64().unwrap() > 1));
    }
}

/// Retry-After is honoured, and a node that says nothing is asked again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_says_when_to_come_back() {
    let node = MockNode::start(Duration::ZERO, |r: Request| match r.number {
        0 => Say::Http(503, Some("2")),
        1 => Say::Nothing,
        _ => Say::Success,
    })
    .await;
    let files = Files::new(1);

    let output = files.run_beside(&node.url, &["--timeout", "1"]).await;

    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let requests = node.requests();
    assert_eq!(requests.len(), 3);
    let waited = requests[1].at - requests[0].at;
    assert!(waited >= Duration::from_millis(1900), "{waited:?}");
    assert_eq!(files.outcomes()[0]["attempts"], 3);
}

/// What cannot succeed is not tried for ever: not one document, and not all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_succeed_is_given_up() {
    let closed = MockNode::start(Duration::ZERO, |_| Say::Http(403, None)).await;
    let files = Files::new(200);
    let output = files.run_beside(&closed.url, &[]).await;
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("Given up") && said(&output).contains("HTTP 403"));
    assert!(closed.requests().len() < 60, "{}", closed.requests().len());

    let away = MockNode::start(Duration::ZERO, |_| Say::Http(502, None)).await;
    let files = Files::new(200);
    let begun = Instant::now();
    let output = files.run_beside(&away.url, &["--give-up", "2"]).await;
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("The same command goes on"), "{}", said(&output));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(files.outcomes().iter().all(|o| o["outcome"] == "failed"));

    let picky = MockNode::start(Duration::ZERO, |_| Say::Error("XDSRepositoryMetadataError")).await;
    let files = Files::new(30);
    let output = files.run_beside(&picky.url, &[]).await;
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert_eq!(picky.requests().len(), 30, "a refusal is an answer");
    let outcomes = files.outcomes();
    assert!(outcomes.iter().all(|o| o["outcome"] == "refused" && o["attempts"] == 1));
    assert!(outcomes[0]["reason"].as_str().unwrap().contains("XDSRepositoryMetadataError"));
}

/// Limits of documents and of bytes are kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_kept() {
    let node = MockNode::start(Duration::ZERO, |_| Say::Success).await;
    let files = Files::new(41);
    let output = files.run_beside(&node.url, &["--rate", "20"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let requests = node.requests();
    let took = requests[40].at - requests[0].at;
    assert!(took >= Duration::from_millis(1800), "{took:?}");

    let node = MockNode::start(Duration::ZERO, |_| Say::Success).await;
    let files = Files::new(4);
    for n in 0..4 {
        std::fs::write(files.file(n), "Nothing of note.\n".repeat(30_000)).unwrap();
    }
    let begun = Instant::now();
    let output = files.run_beside(&node.url, &["--bandwidth", "1M"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(begun.elapsed() >= Duration::from_millis(1800), "{:?}", begun.elapsed());
}

/// Interrupted, it ends what is under way, notes it, and says how to go on: nothing is sent twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_run_goes_on_without_sending_anything_twice() {
    let node = MockNode::start(Duration::from_millis(50), |_| Say::Success).await;
    let files = Files::new(300);
    let mut tool = files.command(&node.url, &[]);
    let tool = tool.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while files.outcomes().len() < 60 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let id = tool.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());

    let stopped = tokio::task::spawn_blocking(|| tool.wait_with_output().unwrap()).await.unwrap();

    assert_eq!(stopped.status.code(), Some(3), "{}", said(&stopped));
    assert!(said(&stopped).contains("The same command goes on"), "{}", said(&stopped));
    let before = node.requests().len();
    assert_eq!(files.outcomes().len(), before, "what was under way is noted");
    assert!(before < 300);
    let rest = files.run_beside(&node.url, &[]).await;
    assert_eq!(rest.status.code(), Some(0), "{}", said(&rest));
    assert_eq!(node.requests().len(), 300);
}

/// However long the run, the tool takes no more memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_run_takes_flat_memory() {
    let node = MockNode::start(Duration::ZERO, |_| Say::Success).await;
    let files = Files::new(10);
    for folder in 0..4 {
        std::fs::create_dir(files.path(&format!("long{folder}"))).unwrap();
        for n in 0..2500 {
            let file = files.path(&format!("long{folder}/{n}.txt"));
            std::fs::write(file, format!("Note {n} of {folder}.")).unwrap();
        }
    }
    let checkpoint = files.path("long0/c.jsonl");
    let mut tool = Command::new(BINARY);
    tool.args(["publish", "--patient", PATIENT, "--node", &node.url]);
    tool.args(["--type", "823691000000103", "--created", "2024", "--checkpoint"]).arg(&checkpoint);
    tool.args((0..4).map(|folder| files.path(&format!("long{folder}"))));
    let mut tool = tool.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut memory = Vec::new();
    while tool.try_wait().unwrap().is_none() {
        let done = node.requests().len();
        memory.extend(Process::memory_kib_of(tool.id()).map(|kib| (done, kib)));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    assert!(tool.wait().unwrap().success());
    assert_eq!(read_outcomes(&checkpoint).len(), 10_000);
    let most = |from: usize, until: usize| {
        let of = memory.iter().filter(|(done, _)| (from..until).contains(done));
        of.map(|(_, kib)| *kib).max().unwrap()
    };
    let (first, last) = (most(2000, 4000), most(8000, 10_001));
    println!("{first} KiB at first, {last} KiB at last");
    assert!(last < first + (12 << 10), "{first} KiB, then {last} KiB");
}
