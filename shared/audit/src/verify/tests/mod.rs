//! The attacks of a threat model on a log of 100,000 records, by somebody who owns the database.

mod databases;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

use super::*;
use crate::log::chain;
use crate::testing::{Log, RING, START_MS, at, event, key};
use crate::tree::{Entry, TreeHead};
use crate::{AuditLog, FileWitness, Witness as _};

const RECORDS: u64 = 100_000;

/// An export, what its witness has, and how the records begin in it.
struct Exported {
    lines: Vec<String>,
    first_record: usize,
    witness: PathBuf,
    _folder: tempfile::TempDir,
}

static LOG: OnceCell<Exported> = OnceCell::const_new();

/// The log that is attacked: a head for each thousand records, all witnessed.
async fn exported() -> &'static Exported {
    LOG.get_or_init(|| async {
        let log = Log::sqlite().await;
        let folder = tempfile::tempdir().unwrap();
        let witness = FileWitness::new(folder.path(), "registry");
        for part in 0..RECORDS / 1000 {
            log.append(part * 1000 + 1, (part + 1) * 1000).await;
            log.seal_at((part + 1) * 1000).await;
        }
        witness.publish(&log.database).await.unwrap();
        let lines = log.lines().await;
        let first_record = lines.iter().position(|l| l.starts_with("{\"seq\":")).unwrap();
        let witness = folder.path().join("registry-2027-01.jsonl");
        Exported { lines, first_record, witness, _folder: folder }
    })
    .await
}

impl Exported {
    /// The entries, for an attacker to change.
    fn entries(&self) -> Vec<String> {
        let records = self.lines[self.first_record..].iter();
        records.take_while(|l| l.starts_with("{\"seq\":")).map(|l| entry(l).to_owned()).collect()
    }

    /// The export of a database whose records were replaced, numbers and chain made anew.
    fn with(&self, entries: &[String]) -> Vec<String> {
        let mut lines = self.lines[..self.first_record].to_vec();
        lines.extend(records(entries));
        lines.push(format!("{{\"end\":{{\"records\":{}}}}}", entries.len()));
        lines
    }

    fn verify(&self, lines: &[String]) -> Verdict {
        verify(lines, std::slice::from_ref(&self.witness))
    }
}

fn entry(line: &str) -> &str {
    let (_, entry) = line.split_once(",\"entry\":").unwrap();
    entry.strip_suffix('}').unwrap()
}

fn records(entries: &[String]) -> Vec<String> {
    let mut previous = Vec::new();
    let mut lines = Vec::new();
    for (entry, seq) in entries.iter().zip(1..) {
        let parsed: Entry<'_> = serde_json::from_str(entry).unwrap();
        previous = chain(&previous, &parsed.record).to_vec();
        let hash: String = previous.iter().map(|b| format!("{b:02x}")).collect();
        lines.push(format!("{{\"seq\":{seq},\"hash\":\"{hash}\",\"entry\":{entry}}}"));
    }
    lines
}

fn verify(lines: &[String], witnesses: &[PathBuf]) -> Verdict {
    let witnesses = WitnessFiles::read(witnesses.to_vec()).unwrap();
    let mut verifier = Verifier::new(RING(), witnesses, 50_000);
    for line in lines {
        verifier.line(line.as_bytes());
    }
    verifier.finish().unwrap()
}

#[tokio::test]
async fn an_untouched_log_is_whole() {
    let log = exported().await;
    let started = Instant::now();

    let verdict = log.verify(&log.lines);

    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    assert_eq!(verdict.findings, []);
    assert_eq!(verdict.warnings, []);
    assert_eq!((verdict.records, verdict.proven), (RECORDS, RECORDS));
}

/// Attack 1: rows are altered, deleted, added and put in another order, and all hashes made anew.
#[tokio::test]
async fn changed_records_are_named() {
    let log = exported().await;
    let mut altered = log.entries();
    altered[56_788] = altered[56_788].replace("ITI-18", "ITI-43");
    let mut hidden = log.entries();
    hidden[2] = hidden[2].replace("\"nhs_number\":9990001006,", "\"nhs_number\":null,");
    let mut removed = log.entries();
    removed.drain(70_000..70_002);
    let mut inserted = log.entries();
    inserted.insert(30_000, inserted[5].replace("user 6", "user 7"));
    let mut moved = log.entries();
    let one = moved.remove(10);
    moved.insert(99_000, one);

    for (entries, expected) in [
        (altered, vec![Finding::Altered { seq: 56_789 }]),
        (hidden, vec![Finding::Altered { seq: 3 }]),
        (removed, vec![Finding::Removed { seq: 70_001 }, Finding::Removed { seq: 70_002 }]),
        (inserted, vec![Finding::Inserted { seq: 30_001 }]),
        (moved, vec![Finding::Moved { from: 11, to: 99_001 }]),
    ] {
        let started = Instant::now();
        let verdict = log.verify(&log.with(&entries));
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
        assert_eq!(verdict.findings, expected);
        assert!(verdict.proven < RECORDS);
    }
}

/// Without knowing each record, heads tell between which of them the change lies.
#[tokio::test]
async fn heads_alone_tell_where() {
    let log = exported().await;
    let text = std::fs::read_to_string(&log.witness).unwrap();
    let folder = tempfile::tempdir().unwrap();
    // As a collector of syslog writes them.
    let heads: Vec<String> = text
        .lines()
        .map(|l| l.split_once(",\"from\":").map_or(l.to_owned(), |(head, _)| format!("{head}}}")))
        .map(|l| format!("Jan 15 08:00:00 registry carerecord 1 AUDITHEAD - {l} [more]"))
        .collect();
    let witness = folder.path().join("syslog");
    std::fs::write(&witness, heads.join("\n")).unwrap();
    let mut altered = log.entries();
    altered[56_788] = altered[56_788].replace("success", "refused");

    let lines = log.with(&altered);

    let expected = [Finding::Damaged { from: 56_001, to: 57_000 }];
    assert_eq!(verify(&lines, std::slice::from_ref(&witness)).findings, expected);
    assert_eq!(verify(&log.lines, &[witness]).findings, []);
}

/// Attack 2: the newest records go, with the heads over them.
#[tokio::test]
async fn a_cut_end_is_found() {
    let log = exported().await;
    let mut entries = log.entries();
    entries.truncate(98_500);
    let mut lines = log.with(&entries);
    lines.retain(|l| !l.contains("\"tree_size\":99000,") && !l.contains("\"tree_size\":100000,"));

    let found = log.verify(&lines).findings;

    assert!(found.contains(&Finding::Truncated { from: 98_501, to: 100_000 }), "{found:?}");
    assert!(found.contains(&Finding::HeadRemoved { size: 99_000 }), "{found:?}");
    // The file itself was cut.
    let found = log.verify(&log.lines[..5000]).findings;
    assert!(found.iter().any(|f| matches!(f, Finding::Cut { .. })), "{found:?}");
}

/// Attack 3: the key is stolen, and the whole log made anew with it.
#[tokio::test]
async fn a_log_that_was_made_anew_is_found() {
    let log = exported().await;
    let mut entries = log.entries();
    entries[499] = entries[499].replace("success", "refused");
    let mut lines: Vec<String> = log.with(&entries);
    let mut frontier = Frontier::default();
    let heads = lines.iter().position(|l| l.starts_with("{\"head\":")).unwrap();
    let mut forged = Vec::new();
    for entry in &entries {
        frontier.push(crate::TreeHash::leaf(entry.as_bytes()), &mut |_| ());
        if frontier.size().is_multiple_of(1000) {
            let ExportLine::Head(old) = serde_json::from_str(&lines[heads + forged.len()]).unwrap()
            else {
                panic!("not a head")
            };
            let head = TreeHead { root: frontier.root(), ..old.head };
            forged.push(serde_json::to_string(&ExportLine::Head(head.sign(&key(1)))).unwrap());
        }
    }
    for (line, head) in lines[heads..].iter_mut().zip(forged) {
        *line = head;
    }

    let found = log.verify(&lines).findings;

    assert!(found.contains(&Finding::SplitView { size: 1000 }), "{found:?}");
    assert!(found.contains(&Finding::Altered { seq: 500 }), "{found:?}");
    assert!(verify(&lines, &[]).warnings.contains(&Warning::NoWitnessGiven));
}

/// Attacks 4 and 5: a record that could not be made durable is an error, for the answer to be held
/// back; and what was appended before is all there.
#[tokio::test]
async fn what_cannot_be_recorded_is_an_error() {
    for log in Log::on_each().await {
        let audit = AuditLog::new(log.database.clone());
        audit.append(event(1)).await.unwrap();
        log.run("DROP TABLE audit_event").await.unwrap();

        let refused = audit.append(event(2)).await;

        assert!(refused.is_err());
    }
}

/// Attack 6: very many records of one actor, for one to hide among.
#[tokio::test]
async fn a_flood_is_told_of() {
    let flood: Vec<String> = (1..=60_000u64)
        .map(|n| {
            let mut event = event(1);
            event.id = Log::id(n);
            entry_of(&event)
        })
        .collect();

    let lines = exported().await.with(&flood);

    let told = verify(&lines, &[]).warnings;
    assert!(told.contains(&Warning::Flood { seq: 1, count: 60_000 }), "{told:?}");
}

/// Attacks 7, 8 and 11: what a client sends stands within the JSON of its record, whatever it is.
#[tokio::test]
async fn what_a_client_sends_makes_no_line_of_its_own() {
    for log in Log::on_each().await {
        let mut event = event(1);
        let evil =
            "x\"}}\n{\"end\":{\"records\":1}}\r\n<109>1 - - - - - {\"head\":{}}\u{0}\u{2028}";
        event.error = Some(evil.replace('\u{0}', "\u{1}"));
        event.purpose = Some(evil.replace('\u{0}', "\u{7f}"));
        AuditLog::new(log.database.clone()).append(event).await.unwrap();
        log.seal_at(1).await;
        let folder = tempfile::tempdir().unwrap();
        FileWitness::new(folder.path(), "a").publish(&log.database).await.unwrap();

        let lines = log.lines().await;

        assert_eq!(lines.len(), 5, "{lines:#?}");
        assert!(lines.iter().all(|l| !l.contains(['\n', '\r'])));
        let verdict = verify(&lines, &[folder.path().join("a-2027-01.jsonl")]);
        assert_eq!(verdict.findings, []);
        let told = std::fs::read_to_string(folder.path().join("a-2027-01.jsonl")).unwrap();
        assert!(!told.contains("user") && !told.contains("999000"), "{told}");
    }
}

/// Attack 9: the clock is put back. Numbers go on; the place is told.
#[tokio::test]
async fn a_clock_that_was_put_back_is_told_of() {
    let log = exported().await;
    let mut entries = log.entries();
    let late = at(50_000).as_millisecond();
    entries[50_000] = entries[50_000].replace(&late.to_string(), &(late + 1).to_string());
    for entry in &mut entries[50_000..] {
        let parsed: Entry<'_> = serde_json::from_str(entry).unwrap();
        let early = parsed.recorded_at - 3_600_000;
        *entry = entry.replacen(&parsed.recorded_at.to_string(), &early.to_string(), 1);
    }

    let told = verify(&log.with(&entries), &[]).warnings;

    let expected = Warning::ClockWentBack { seq: 50_001, by_ms: 3_599_990 };
    assert!(told.contains(&expected), "{told:?}");
}

/// Attack 10 is shown with the witness that sends syslog. Attack 12: a head that a witness has is
/// missing, as is a witness that knows nothing of the log.
#[tokio::test]
async fn witnesses_that_do_not_fit_are_found() {
    let log = exported().await;
    let without: Vec<String> =
        log.lines.iter().filter(|l| !l.contains("\"tree_size\":7000,")).cloned().collect();
    assert_eq!(log.verify(&without).findings, [Finding::HeadRemoved { size: 7000 }]);

    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.jsonl");
    let text = std::fs::read_to_string(&log.witness).unwrap();
    let id = log_id(&log.lines);
    std::fs::write(&other, text.replace(&id, &Uuid::nil().to_string())).unwrap();
    assert_eq!(verify(&log.lines, &[other]).findings, [Finding::NoWitness]);
}

/// A head that was signed while the export was being read is none that was removed; its root counts.
#[tokio::test]
async fn a_head_that_is_just_being_signed_is_not_missed() {
    let log = exported().await;
    let mut header: ExportHeader = serde_json::from_str(&log.lines[0]).unwrap();
    header.exported_at = head_of(&log.lines, 7000).head.timestamp + 100;
    let mut lines = log.lines.clone();
    lines[0] = serde_json::to_string(&header).unwrap();
    lines.retain(|l| !l.contains("\"tree_size\":7000,"));

    assert_eq!(log.verify(&lines).findings, []);
    let mut entries = log.entries();
    entries[6_400] = entries[6_400].replace("success", "refused");
    let changed = log.with(&entries)[log.first_record..].to_vec();
    lines.truncate(log.first_record - 1);
    lines.retain(|l| !l.contains("\"head\""));
    lines.extend(changed);
    assert_eq!(log.verify(&lines).findings, [Finding::Altered { seq: 6401 }]);
}

/// Attack 13: two readers were shown different logs, each well signed.
#[tokio::test]
async fn a_split_view_is_found() {
    let log = exported().await;
    let folder = tempfile::tempdir().unwrap();
    let second = folder.path().join("second.jsonl");
    let head = head_of(&log.lines, 5000);
    let other = TreeHead { root: crate::TreeHash([9; 32]), ..head.head }.sign(&key(1));
    std::fs::write(&second, serde_json::to_string(&ExportLine::Head(other)).unwrap()).unwrap();

    let found = verify(&log.lines, &[log.witness.clone(), second]).findings;

    assert!(found.contains(&Finding::SplitView { size: 5000 }), "{found:?}");
}

#[tokio::test]
async fn heads_of_others_are_not_believed() {
    let log = exported().await;
    let head = head_of(&log.lines, 5000);
    let line = |head: SignedHead| serde_json::to_string(&ExportLine::Head(head)).unwrap();
    let with = |head: SignedHead| {
        let mut lines = log.lines.clone();
        let place = lines.iter().position(|l| l.contains("\"tree_size\":5000,")).unwrap();
        lines[place] = line(head);
        log.verify(&lines).findings
    };
    let mut changed = head.clone();
    changed.head.timestamp += 1;

    let removed = Finding::HeadRemoved { size: 5000 };
    assert_eq!(with(changed), [Finding::ForgedHead { size: 5000 }, removed.clone()]);
    let found = with(head.head.sign(&key(2)));
    let unknown = Finding::UnknownKey { size: 5000, key: key(2).public().id() };
    assert_eq!(found, [unknown, removed]);
    let all: Vec<String> = log.lines.iter().filter(|l| !l.contains("\"head\"")).cloned().collect();
    assert_eq!(verify(&all, &[]).findings, [Finding::NoHead]);
    assert_eq!(verify(&["{}".to_owned()], &[]).findings[0], Finding::NotAnExport);
}

/// Whatever records there are and wherever heads are made, a log is whole until it is changed.
#[test]
fn any_change_of_any_entry_is_found() {
    use proptest::prelude::*;
    let config = ProptestConfig { cases: 64, ..ProptestConfig::default() };
    proptest!(config, |(count in 1usize..400, cut in 1usize..50, at in 0usize..400, bit in 0u8..7)| {
        let entries: Vec<String> =
            (0..count as u64).map(|n| entry_of(&event(n))).collect();
        let lines = signed(&entries, cut);
        prop_assert!(verify(&lines, &[]).findings.is_empty());
        let mut changed = lines.clone();
        let place = changed.len() - 1 - count + at % count;
        let mut bytes = changed[place].clone().into_bytes();
        let spot = bytes.len() - 20 - at % 200;
        bytes[spot] ^= 1 << bit;
        if let Ok(text) = String::from_utf8(bytes) {
            changed[place] = text;
            prop_assert!(!verify(&changed, &[]).findings.is_empty());
        }
    });
}

/// An export with a head after each `cut` records and over all.
fn signed(entries: &[String], cut: usize) -> Vec<String> {
    let log = Uuid::from_u128(1);
    let header = ExportHeader {
        carerecord_audit_export: 1,
        log: Some(log),
        exported_at: START_MS,
        records: entries.len() as u64,
    };
    let mut lines = vec![serde_json::to_string(&header).unwrap()];
    let mut frontier = Frontier::default();
    for entry in entries {
        frontier.push(crate::TreeHash::leaf(entry.as_bytes()), &mut |_| ());
        let size = frontier.size();
        if size.is_multiple_of(cut as u64) || size == entries.len() as u64 {
            let head =
                TreeHead { log, tree_size: size, timestamp: START_MS, root: frontier.root() };
            lines.push(serde_json::to_string(&ExportLine::Head(head.sign(&key(1)))).unwrap());
        }
    }
    lines.extend(records(entries));
    lines.push(format!("{{\"end\":{{\"records\":{}}}}}", entries.len()));
    lines
}

fn entry_of(event: &crate::AuditEvent) -> String {
    let actor = event.actor.as_ref().unwrap();
    let entry = Entry {
        recorded_at: event.recorded_at.as_millisecond(),
        nhs_number: event.subject.map(|s| s.as_i64()),
        actor: Some(actor.id.as_str().into()),
        organisation: Some(actor.organisation.as_str().into()),
        interaction: event.interaction.as_str().into(),
        outcome: event.outcome.as_str().into(),
        record: serde_json::to_string(event).unwrap().into(),
    };
    String::from_utf8(entry.to_bytes().unwrap()).unwrap()
}

fn log_id(lines: &[String]) -> String {
    let header: ExportHeader = serde_json::from_str(&lines[0]).unwrap();
    header.log.unwrap().to_string()
}

fn head_of(lines: &[String], size: u64) -> SignedHead {
    let heads = lines.iter().filter_map(|l| match serde_json::from_str(l) {
        Ok(ExportLine::Head(head)) => Some(head),
        Ok(ExportLine::Key(_) | ExportLine::End { .. }) | Err(_) => None,
    });
    heads.into_iter().find(|h: &SignedHead| h.head.tree_size == size).unwrap()
}

/// What stands in a witness's folder is there once for each head.
#[tokio::test]
async fn a_witness_has_each_head_once() {
    let log = exported().await;
    let text = std::fs::read_to_string(Path::new(&log.witness)).unwrap();
    let heads: Vec<&str> = text.lines().filter(|l| l.starts_with("{\"head\"")).collect();

    assert_eq!(heads.len(), 100);
    assert_eq!(heads.iter().collect::<HashSet<_>>().len(), 100);
}
