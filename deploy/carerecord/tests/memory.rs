//! A document of 1 GiB goes in by ITI-41 and out by ITI-43, and memory hardly grows, wherever it is
//! stored; nor does it where eight long documents go in and come out at once.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bytes::Bytes;
use carerecord_testkit::{Deployment, Letter, NODES, PATIENT, PEER_SILENCE, Role};
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};

#[tokio::test]
async fn a_gigabyte_passes_in_flat_memory() {
    pass(Deployment::one_process(BINARY), 1 << 10, LIMIT_KIB).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_to_an_object_store_passes_in_flat_memory() {
    let mut deployment = Deployment::apart_on_s3(BINARY).await;
    wait_long_for(&mut deployment, "silence_ms = 1500");
    pass(deployment, 1 << 8, S3_LIMIT_KIB).await;
}

/// Publishes and reads back a document of so many MiB.
async fn pass(deployment: Deployment, chunks: usize, limit_kib: u64) {
    let process = deployment.process(Role::Node(0));
    // What the first publication needs, whatever its size, is not growth by the document.
    let first = deployment.node(0).publish(&Letter::text(PATIENT, 0)).await.unwrap();
    assert!(first.is_success(), "{}", first.envelope);
    let before = process.peak_memory_kib();

    let letter = Letter::text(PATIENT, 1);
    publish(&deployment, &letter, chunks).await;
    let stored = process.peak_memory_kib();
    let received = deployment.node(0).retrieve_length(NODES[0].0, &letter.unique_id).await;

    assert!(received > CHUNK * chunks, "{received} bytes came back");
    let grown = |peak: u64| peak.saturating_sub(before);
    let (into, all) = (grown(stored), grown(process.peak_memory_kib()));
    println!("memory grew by {into} KiB on the way in, {all} KiB in all");
    assert!(all < limit_kib, "memory grew by {all} KiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_long_documents_in_and_out_at_once_need_little_memory() {
    let mut deployment = Deployment::apart(BINARY);
    let silence = format!("silence_ms = {}", PEER_SILENCE.as_millis());
    wait_long_for(&mut deployment, &silence);
    let letters: Vec<Letter> = (1..=CLIENTS).map(|n| Letter::text(PATIENT, n)).collect();
    join_all(letters.iter().map(|letter| publish(&deployment, letter, EACH))).await;

    let more: Vec<Letter> = (1..=CLIENTS).map(|n| Letter::text(PATIENT, n + CLIENTS)).collect();
    let publishing = join_all(more.iter().map(|letter| publish(&deployment, letter, EACH)));
    let node = deployment.node(0);
    let retrieving =
        join_all(letters.iter().map(|l| node.retrieve_length(NODES[0].0, &l.unique_id)));
    let (_, received) = tokio::join!(publishing, retrieving);

    assert!(received.iter().all(|bytes| *bytes > CHUNK * EACH), "{received:?}");
    let peak = deployment.process(Role::Node(0)).peak_memory_kib();
    println!("the node's memory was {peak} KiB at most");
    assert!(peak < ALL_KIB, "{peak} KiB");
    deployment.assert_no_panic();
}

/// One answer may have very many documents, of which each by itself would fit into memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_many_documents_needs_little_memory() {
    for deployment in [Deployment::apart(BINARY), Deployment::apart_on_s3(BINARY).await] {
        let node = deployment.node(0);
        let (short, long) = (Letter::text(PATIENT, 1), Letter::text(PATIENT, 2));
        for (letter, bytes) in [(&short, CHUNK - 1), (&long, 2 * CHUNK)] {
            let letter = Letter { bytes: Bytes::from(vec![b'x'; bytes]), ..letter.clone() };
            assert!(node.publish(&letter).await.unwrap().is_success());
        }
        let before = deployment.process(Role::Node(0)).peak_memory_kib();
        let both = [short.unique_id.as_str(), long.unique_id.as_str()];
        let all: Vec<&str> = both.iter().copied().cycle().take(MANY).collect();

        let received = node.retrieve_lengths(NODES[0].0, &all).await;

        assert!(received > MANY * CHUNK, "{received} bytes came back");
        let grown = deployment.process(Role::Node(0)).peak_memory_kib() - before;
        println!("memory grew by {grown} KiB for {MANY} documents of {received} bytes");
        assert!(grown < MANY_KIB, "memory grew by {grown} KiB");
    }
}

/// Lets the first node wait longer for others: here it is memory that counts, and a busy disk or the
/// store of the tests, which puts parts together slowly, may hold an answer up.
fn wait_long_for(deployment: &mut Deployment, silence: &str) {
    deployment.kill(Role::Node(0));
    let file = deployment.file("node0.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(silence), "{text}");
    std::fs::write(&file, text.replace(silence, "silence_ms = 60000")).unwrap();
    deployment.start(Role::Node(0));
}

/// ITI-41 of a document of so many chunks, which nobody holds whole.
async fn publish(deployment: &Deployment, letter: &Letter, chunks: usize) {
    let (head, tail) = letter.frame();
    let chunk = Bytes::from(vec![b'x'; CHUNK]);
    let body = stream::iter([Bytes::from(head)])
        .chain(stream::iter((0..chunks).map(move |_| chunk.clone())))
        .chain(stream::iter([Bytes::from_static(tail.as_bytes())]))
        .map(Ok::<_, std::io::Error>);
    let answer = deployment.node(0).publish_stream(reqwest::Body::wrap_stream(body)).await;
    let answer = answer.unwrap();
    assert!(answer.is_success(), "{}", answer.envelope);
}

const CHUNK: usize = 1 << 20;
const BINARY: &str = env!("CARGO_BIN_EXE_carerecord");
/// What is promised is 64 MiB; 6 to 15 MiB were measured.
const LIMIT_KIB: u64 = 40 << 10;
const CLIENTS: u32 = 8;
/// Chunks of each of the long documents: 200 MiB.
const EACH: usize = 200;
/// What is promised of a node, in all.
const ALL_KIB: u64 = 256 << 10;
const MANY: usize = 200;
/// A part of what they have together.
const MANY_KIB: u64 = 80 << 10;
/// Parts are longer there.
const S3_LIMIT_KIB: u64 = 64 << 10;
