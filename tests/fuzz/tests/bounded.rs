//! Every target over its seeds and a bounded number of mutations, the same for the same seed. More of
//! them: `CARERECORD_FUZZ_RUNS=100000`; others: `CARERECORD_FUZZ_SEED=7`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use carerecord_fuzz::mutate::{Random, mutate};
use carerecord_fuzz::{seeds, target, targets};

macro_rules! bounded {
    ($($test:ident = $name:literal),+ $(,)?) => {
        $(#[test]
        fn $test() {
            run($name);
        })+
        const TESTED: &[&str] = &[$($name),+];
    };
}

bounded![
    xml = "xml",
    envelope = "envelope",
    submission = "submission",
    query = "query",
    query_answer = "query-answer",
    repository = "repository",
    saml = "saml",
    codes = "codes",
    mtom = "mtom",
    content_type = "content-type",
    hl7v2 = "hl7v2",
    mllp = "mllp",
    hl7v3 = "hl7v3",
    document = "document",
    pdf = "pdf",
    text = "text",
    fhir_json = "fhir-json",
    fhir_xml = "fhir-xml",
    search = "search",
    token = "token",
    manifest = "manifest",
    identifier = "identifier",
];

#[test]
fn every_target_is_run() {
    for target in targets() {
        assert!(TESTED.contains(&target.name), "{} is not run", target.name);
    }
    assert_eq!(TESTED.len(), targets().len());
}

/// One at a time: memory is counted for the process.
static TURN: Mutex<()> = Mutex::new(());

fn run(name: &str) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let target = target(name).unwrap();
    let seeds = seeds(&target).unwrap();
    assert!(!seeds.is_empty(), "{name} has no seeds");
    let seed = variable("CARERECORD_FUZZ_SEED").unwrap_or(SEED);
    let runs = variable("CARERECORD_FUZZ_RUNS").unwrap_or(RUNS);
    println!("{name}: {} seeds, {runs} mutations, CARERECORD_FUZZ_SEED={seed}", seeds.len());
    let before = reset_peak();
    for (n, input) in seeds.iter().enumerate() {
        one(name, target.run, input, &format!("seed {n}"));
    }
    let mut random = Random::new(seed);
    for n in 0..runs {
        let input = mutate(&mut random, &seeds, target.words);
        one(name, target.run, &input, &format!("mutation {n} of {seed}"));
    }
    if let (Some(before), Some(peak)) = (before, memory("VmHWM:")) {
        let grown = peak.saturating_sub(before);
        assert!(grown <= MOST_MEMORY_KB, "{name}: {grown} KB more than before");
    }
}

fn one(name: &str, run: fn(&[u8]), input: &[u8], what: &str) {
    let began = Instant::now();
    let done = catch_unwind(AssertUnwindSafe(|| run(input)));
    let took = began.elapsed();
    if done.is_err() || took > LONGEST {
        let file = std::env::temp_dir().join(format!("carerecord-fuzz-{name}"));
        std::fs::write(&file, input).unwrap();
        panic!(
            "{name}, {what}: {took:?}, panicked: {}; it is in {}",
            done.is_err(),
            file.display()
        );
    }
}

/// The peak of memory begins again from here, where the system can: what there is now, in KB.
fn reset_peak() -> Option<u64> {
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    memory("VmRSS:")
}

fn memory(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(field))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[expect(clippy::disallowed_methods, reason = "a test's own switch")]
fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

const SEED: u64 = 20_261_127;
/// Of each target, in an ordinary run.
const RUNS: u64 = 1_500;
/// For one input of at most 192 KiB, on a machine that does much else.
const LONGEST: Duration = Duration::from_secs(10);
const MOST_MEMORY_KB: u64 = 512 << 10;
