//! The record of accesses: appending, signing, exporting, verifying, proving.

use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use carerecord_audit::{
    AuditActor, AuditDecision, AuditEvent, AuditLog, DocumentRef, FileWitness, KeyRing, Sealer,
    SigningKey, SigningKeys, Verifier, Witness as _, WitnessFiles, prove_inclusion, seq_of_id,
};
use carerecord_model::{Clock as _, IdSource as _, RandomIds, SystemClock};
use carerecord_storage::{Database, StoreError};
use futures_util::future::join_all;
use uuid::Uuid;

/// Fills a log, then measures each step on it.
pub async fn run(database: &Database, folder: &Path, records: u64) -> anyhow::Result<()> {
    let key = || SigningKey::from_seed(&[7; 32]);
    let public = key()?.public().clone();
    let source = move || {
        let key = key().map_err(std::io::Error::other)?;
        let first = key.endorse(key.public(), 0);
        Ok(SigningKeys { key, endorsements: vec![first] })
    };
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(RandomIds));
    let sealer = Sealer::new(database.clone(), Arc::new(source), clock, ids, Vec::new());
    appended_alone(database, &sealer).await?;

    let (started, mut known) = (Instant::now(), Vec::new());
    for _ in 0..records / GROUP {
        let events: Vec<AuditEvent> = (0..GROUP).map(|_| event()).collect();
        known.extend(events.first().map(|e| e.id));
        append(database, events).await?;
    }
    let rate = records as f64 / started.elapsed().as_secs_f64();
    println!("appended in groups of {GROUP}: {rate:.0} records/s");
    let (started, mut sealed) = (Instant::now(), 0);
    while let Some(head) = sealer.seal().await? {
        sealed = head.head.tree_size;
    }
    println!("signed: {:.0} records/s", records as f64 / started.elapsed().as_secs_f64());
    FileWitness::new(folder, "bench").publish(database).await?;

    let path = folder.join("export.jsonl");
    let mut file = BufWriter::with_capacity(1 << 20, File::create(&path)?);
    let started = Instant::now();
    let count = carerecord_audit::export(database, SystemClock.now(), &mut |line| {
        file.write_all(line)?;
        file.write_all(b"\n")
    })
    .await?;
    file.flush()?;
    println!("exported: {:.0} records/s", count as f64 / started.elapsed().as_secs_f64());
    verified(&path, folder, &public, count)?;
    proven(database, sealed, &known).await
}

/// Records that are made durable one by one, by 64 at once, with heads signed meanwhile and without.
async fn appended_alone(database: &Database, sealer: &Sealer) -> anyhow::Result<()> {
    let log = AuditLog::new(database.clone());
    for with_heads in [false, true] {
        let (started, mut sealed) = (Instant::now(), Instant::now());
        let mut count = 0;
        while started.elapsed() < Duration::from_secs(4) {
            let done = join_all((0..64).map(|_| log.append(event()))).await;
            done.into_iter().collect::<Result<Vec<()>, StoreError>>()?;
            count += 64;
            if with_heads && sealed.elapsed() > Duration::from_secs(1) {
                sealed = Instant::now();
                sealer.seal().await?;
            }
        }
        let heads = if with_heads { "a head each second" } else { "no heads" };
        let rate = f64::from(count) / started.elapsed().as_secs_f64();
        println!("appended by 64 at once, {heads}: {rate:.0} records/s");
        while sealer.seal().await?.is_some() {}
    }
    Ok(())
}

fn verified(
    path: &Path,
    folder: &Path,
    public: &carerecord_audit::PublicKey,
    count: u64,
) -> anyhow::Result<()> {
    let mut witnesses = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let file = entry?.path();
        if file.file_name().is_some_and(|n| n.to_string_lossy().starts_with("bench-")) {
            witnesses.push(file);
        }
    }
    let mut best = 0.0f64;
    for _ in 0..3 {
        let started = Instant::now();
        let ring = KeyRing::trusting([public.clone()]);
        let mut verifier = Verifier::new(ring, WitnessFiles::read(witnesses.clone())?, u64::MAX);
        let mut reader = BufReader::with_capacity(1 << 20, File::open(path)?);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            line.pop();
            verifier.line(&line);
            line.clear();
        }
        let verdict = verifier.finish()?;
        ensure!(verdict.findings.is_empty(), "the log is not whole: {:?}", verdict.findings);
        best = best.max(count as f64 / started.elapsed().as_secs_f64());
    }
    let bytes = std::fs::metadata(path)?.len() / count.max(1);
    println!("verified offline: {best:.0} records/s of {bytes} bytes (goal: 200,000)");
    Ok(())
}

async fn proven(database: &Database, size: u64, known: &[Uuid]) -> anyhow::Result<()> {
    let mut times = Vec::new();
    for n in 0..200u64 {
        let started = Instant::now();
        prove_inclusion(database, 1 + n * (size - 1) / 200).await?;
        times.push(started.elapsed());
    }
    let mut by_id = Vec::new();
    for id in known.iter().step_by(known.len().div_ceil(50)) {
        let started = Instant::now();
        let seq = seq_of_id(database, *id).await?.context("a record is not found by its id")?;
        prove_inclusion(database, seq).await?;
        by_id.push(started.elapsed());
    }
    for (what, mut times) in [("number", times), ("id", by_id)] {
        times.sort_unstable();
        let at = |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default();
        println!(
            "inclusion proof by {what}: median {:.2?}, 99 of 100 within {:.2?} (goal: 10 ms)",
            at(50),
            at(99)
        );
    }
    Ok(())
}

async fn append(database: &Database, events: Vec<AuditEvent>) -> Result<(), StoreError> {
    database
        .write(move |c| {
            Box::pin(async move { AuditLog::append_in(c, &Vec::from_iter(&events)).await })
        })
        .await
}

/// As a search that found twenty documents.
fn event() -> AuditEvent {
    let mut event =
        AuditEvent::incoming(RandomIds.ordered(), SystemClock.now(), "registry", "soap");
    event.interaction = "ITI-18 FindDocuments".to_owned();
    event.request = "POST /xds/registry".to_owned();
    event.status = 200;
    event.subject = "9990001006".parse().ok();
    event.actor = Some(AuditActor {
        id: "555021935107".to_owned(),
        name: Some("OKAFOR, Ada".to_owned()),
        organisation: "ZEX01".to_owned(),
        role: Some("R8000".to_owned()),
        role_profile: Some("555021935108".to_owned()),
        known_by: "AAL2".to_owned(),
        client: Some("carerecord-web".to_owned()),
        user_name: None,
        assertion: None,
    });
    event.decision = Some(AuditDecision {
        outcome: "permit".to_owned(),
        rule: "direct-care".to_owned(),
        set_by: Some("programme".to_owned()),
        since: None,
        basis: vec!["DSA-EV-0001".to_owned()],
    });
    event.listed = (0..8).map(|n| format!("2.999.826.1.1.{n}.1757000000000")).collect();
    event.documents = vec![DocumentRef { id: "2.999.826.1.1.9".to_owned(), hash: None }];
    event
}

const GROUP: u64 = 1000;
