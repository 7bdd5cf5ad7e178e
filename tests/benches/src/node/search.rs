//! Search inside documents: one patient of 500 among all that a node holds.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::ensure;
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use carerecord_model::{ContentQuestion, NhsNumber, PatientId, SystemClock, UniqueId};
use carerecord_repository::{Indexer, Objects, Search, Synonyms};
use carerecord_storage::{Database, StoreError, Value, insert_many};
use carerecord_testkit::submission::Builder;

use super::product::serve;
use crate::measure::resident_mib;
use crate::population::number;
use crate::product::Product;
use crate::report::Bench;

/// Fills a node, indexes it, and asks.
pub async fn run(
    bench: &mut Bench,
    folder: &Path,
    registry: &Product,
    documents: u32,
) -> anyhow::Result<()> {
    let folder = folder.join("searched");
    let objects = folder.join("objects");
    std::fs::create_dir_all(&objects)?;
    let database = Database::open(&folder.join("node.db")).await?;
    let search = Search::open(&folder.join("search"), Synonyms::built_in())?;
    let bytes = fill(&database, &objects, documents).await?;
    let indexer = Indexer::new(
        database.clone(),
        Objects::local(&objects)?,
        search.clone(),
        Arc::new(SystemClock),
    );
    let start = Instant::now();
    let mut indexed = 0;
    loop {
        match indexer.index_some().await? {
            0 => break,
            some => indexed += some,
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    ensure!(indexed == documents as usize, "{indexed} were indexed");
    bench.report.fact(format!(
        "{indexed} documents of {} bytes on average indexed at {:.0}/s, {:.1} MB/s; {:.2} bytes of \
         index for each byte of a document; {:.0} MiB of memory after",
        bytes / u64::from(documents),
        indexed as f64 / seconds,
        bytes as f64 / seconds / 1e6,
        size(&folder.join("search"))? as f64 / bytes as f64,
        resident_mib(std::process::id()),
    ));
    let node = serve(database, Objects::local(&objects)?, search, registry).await?;
    let asked: Vec<UniqueId> = (0..ONE_PATIENT).map(id).collect();
    for (kind, words) in [("two words", 0), ("a phrase", 1), ("a slip", 2), ("a prefix", 3)] {
        let asked = asked.clone();
        let target = node.question(move |n| question(&asked, words, n));
        for clients in [1, 8] {
            let name = format!("search inside {ONE_PATIENT} documents, {kind}");
            bench.alone(&name, clients, &target).await?;
        }
    }
    Ok(())
}

/// Puts documents into the tables and the store as a publication leaves them. Texts repeat after
/// some thousands; the index does not know.
async fn fill(database: &Database, objects: &Path, count: u32) -> anyhow::Result<u64> {
    let mut files = Vec::new();
    for n in 0..TEXTS.min(count) {
        let text = letter(u64::from(n));
        let key = format!("{:02x}/{n}", n % 256);
        std::fs::create_dir_all(objects.join(format!("{:02x}", n % 256)))?;
        std::fs::write(objects.join(&key), &text)?;
        let hash = digest(&SHA256, text.as_bytes());
        let hex = hash.as_ref().iter().map(|b| format!("{b:02x}")).collect::<String>();
        files.push((key, text.len() as i64, hex));
    }
    let entry = Builder::default().entry();
    let mut bytes = 0;
    for first in (0..count).step_by(1000) {
        let (mut stored, mut queued) = (Vec::new(), Vec::new());
        for n in first..count.min(first + 1000) {
            let (key, size, sha256) = &files[(n % TEXTS) as usize];
            let mut entry = entry.clone();
            entry.unique_id = id(n);
            entry.patient_id = PatientId::from_nhs_number(patient(n));
            bytes += size.unsigned_abs();
            let metadata = serde_json::to_vec(&entry)?;
            let row: Vec<Value> = vec![
                entry.unique_id.as_str().into(),
                key.into(),
                "text/plain".into(),
                (*size).into(),
                "0".repeat(40).into(),
                sha256.into(),
                1i64.into(),
                0i64.into(),
                metadata.into(),
            ];
            stored.push(row);
            queued.push(vec![
                entry.unique_id.as_str().into(),
                0i64.into(),
                1i64.into(),
                0i64.into(),
                Value::Text(None),
            ]);
        }
        let write = database.write(move |c| {
            Box::pin(async move {
                insert_many(c, STORED, stored).await?;
                insert_many(c, QUEUED, queued).await?;
                Ok::<_, StoreError>(())
            })
        });
        write.await?;
    }
    Ok(bytes)
}

/// The first 500 are of one patient, the others of many.
fn patient(n: u32) -> NhsNumber {
    if n < ONE_PATIENT { number(0) } else { number(1 + n / 100) }
}

fn id(n: u32) -> UniqueId {
    format!("2.999.826.9.8.{n}").parse().expect("an OID")
}

fn question(asked: &[UniqueId], kind: usize, n: u64) -> Bytes {
    let of = |n: u64| word(n % 600 + 20);
    let words = match kind {
        0 => format!("{} {}", of(n), of(n / 3)),
        1 => format!("\"{} {}\"", of(n), of(n + 1)),
        2 => format!("{}x", of(n)),
        _ => format!("{}*", &of(n)[..4]),
    };
    let question = ContentQuestion { patient: number(0), words, documents: asked.to_vec() };
    serde_json::to_vec(&question).expect("a question can be written").into()
}

/// A letter of about 2 KB whose words are as unequal in number as those of a language.
fn letter(seed: u64) -> String {
    let mut n = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = String::new();
    while text.len() < 2000 {
        n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let place = (n >> 33) as f64 / f64::from(1u32 << 31);
        // The word of rank r comes about 1/r as often as the first.
        let rank = (place * f64::from(WORDS).ln()).exp() as u64;
        text.push_str(&word(rank));
        text.push(if n.is_multiple_of(12) { '\n' } else { ' ' });
    }
    text
}

fn word(rank: u64) -> String {
    let syllables = ["ca", "ro", "mi", "ne", "tul", "sa", "ver", "lo", "pen", "di"];
    let mut n = rank + 11;
    let mut word = String::new();
    while n > 0 {
        word.push_str(syllables[(n % 10) as usize]);
        n /= 10;
    }
    word
}

fn size(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { size(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

const STORED: &str = "stored_document (unique_id, object_key, mime_type, size_bytes, sha1, sha256, \
                      registered, stored_at, metadata)";
const QUEUED: &str = "search_document (unique_id, patient, state, due_at, reason)";
const ONE_PATIENT: u32 = 500;
const TEXTS: u32 = 5_000;
const WORDS: u32 = 20_000;
