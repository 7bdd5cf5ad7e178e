//! The record of accesses proves itself, outside of the process and its database.

use std::process::Output;
use std::time::{Duration, Instant};

use carerecord_storage::{Database, StoreError, sql};
use carerecord_testkit::{Letter, PATIENT, postgres};

use crate::example::Example;

/// Heads reach the witness within seconds; an export is whole, also after a kill and a new key; who
/// owns the database is found out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_proves_itself_on_sqlite() {
    let example = Example::start(|text| text.replace("head_seconds = 10", "head_seconds = 1"));
    let database = example.path("data/registry.db");
    proves_itself(example, &database, "registry").await;
}

/// The same on PostgreSQL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_proves_itself_on_postgresql() {
    let Some(url) = postgres::fresh_url().await else { return };
    let example = Example::start(|text| {
        text.replace("head_seconds = 10", "head_seconds = 1").replacen(
            "[registry]\n",
            &format!("[registry]\ndatabase = \"{url}\"\n"),
            1,
        )
    });
    let name = url.split('?').next().and_then(|u| u.rsplit('/').next()).unwrap().to_owned();
    proves_itself(example, &url, &name).await;
}

async fn proves_itself(mut example: Example, database: &str, log: &str) {
    let (config, key) = (example.config(), example.path("data/audit.pub"));
    for n in 1..=5 {
        let answer = example.node().publish(&Letter::text(PATIENT, n)).await.unwrap();
        assert!(answer.is_success(), "{}", answer.envelope);
    }
    let first = witnessed(&example, 5).await;
    std::fs::copy(&key, example.file("old.pub")).unwrap();
    assert_succeeded(&example.run(&["audit", "rotate-key", "--config", &config]));
    for n in 6..=9 {
        example.registry().find_documents(PATIENT).await.unwrap();
        let answer = example.node().publish(&Letter::text(PATIENT, n)).await.unwrap();
        assert!(answer.is_success(), "{}", answer.envelope);
    }
    let last = witnessed(&example, 9).await;
    example.kill();

    let listed = example.run(&["audit", "--json", "--limit", "1000", "--config", &config]);
    assert_succeeded(&listed);
    let to = example.path("export");
    assert_succeeded(&example.run(&["audit", "export", "--config", &config, "--to", &to]));
    let (file, old) = (format!("{to}/{log}.jsonl"), example.path("old.pub"));
    let witness = witness(&example);
    let verify =
        |file: &str| example.run(&["audit", "verify", file, "--key", &old, "--witness", &witness]);
    let whole = verify(&file);
    assert_succeeded(&whole);
    assert!(text(&whole).contains(&format!("proven up to record {last}")), "{}", text(&whole));
    assert_succeeded(&example.run(&["audit", "verify", "--log", log, "--config", &config]));
    // Reading the record is in it.
    let exported = std::fs::read_to_string(&file).unwrap();
    assert!(exported.contains("\"interaction\":\"audit list\""), "the listing is recorded");
    assert!(exported.contains("\"interaction\":\"audit export\""), "the export is recorded");

    proofs(&example, log, (first, last), &exported);
    tamper(database).await.unwrap();
    let to = example.path("changed");
    assert_succeeded(&example.run(&["audit", "export", "--config", &config, "--to", &to]));
    let found = verify(&format!("{to}/{log}.jsonl"));
    assert_eq!(found.status.code(), Some(2), "{}", text(&found));
    assert!(text(&found).contains("record 3 was altered"), "{}", text(&found));
    assert!(text(&found).contains("record 4 was removed"), "{}", text(&found));
}

/// Proofs by number and id, and between heads, are checked with nothing but the key.
fn proofs(example: &Example, log: &str, (first, last): (u64, u64), exported: &str) {
    let config = example.config();
    let id = exported
        .lines()
        .find(|l| l.starts_with("{\"seq\":2,"))
        .and_then(|l| l.split_once("{\\\"id\\\":\\\""))
        .and_then(|(_, rest)| rest.split_once('\\'))
        .map(|(id, _)| id)
        .unwrap();
    let (old, new) = (first.to_string(), last.to_string());
    let by_number = ["audit", "prove", "2", "--log", log, "--config", &config];
    let by_id = ["audit", "prove", id, "--config", &config];
    let consistency = ["audit", "consistency", &old, &new, "--log", log, "--config", &config];
    for command in [by_number.as_slice(), by_id.as_slice(), consistency.as_slice()] {
        let proof = example.run(command);
        assert_succeeded(&proof);
        let file = example.path("proof.json");
        let check = |text: &[u8]| {
            std::fs::write(&file, text).unwrap();
            example.run(&["audit", "check-proof", &file, "--key", &example.path("old.pub")])
        };
        assert_succeeded(&check(&proof.stdout));
        let changed = text(&proof).replace("\"timestamp\": 1", "\"timestamp\": 2");
        assert_eq!(check(changed.as_bytes()).status.code(), Some(2));
        assert_eq!(check(b"{}").status.code(), Some(1));
    }
}

/// Alters and removes records as the owner of the database can, with all numbers made anew.
async fn tamper(place: &str) -> Result<(), StoreError> {
    let postgres = place.starts_with("postgres:");
    let database = if postgres {
        Database::connect(place).await?
    } else {
        Database::open(place.as_ref()).await?
    };
    let unguard: &[&'static str] = if postgres {
        &["DROP TRIGGER audit_event_is_kept ON audit_event"]
    } else {
        &["DROP TRIGGER audit_event_is_not_changed", "DROP TRIGGER audit_event_is_not_deleted"]
    };
    let change: &[&'static str] = &[
        "UPDATE audit_event SET actor = 'somebody else' WHERE seq = 3",
        "DELETE FROM audit_event WHERE seq = 4",
        "UPDATE audit_event SET seq = -seq WHERE seq > 4",
        "UPDATE audit_event SET seq = -seq - 1 WHERE seq < 0",
    ];
    for statement in unguard.iter().chain(change).copied() {
        database
            .write(move |c| Box::pin(async move { sql(statement).run(c).await.map(drop) }))
            .await?;
    }
    database.close().await;
    Ok(())
}

/// Waits until the witness of the registry has a head over so many registrations; its size.
async fn witnessed(example: &Example, registrations: usize) -> u64 {
    let started = Instant::now();
    loop {
        let heads = std::fs::read_to_string(witness(example)).unwrap_or_default();
        let size = heads
            .lines()
            .filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok())
            .filter_map(|l| l["head"]["tree_size"].as_u64())
            .max();
        if let Some(size) = size.filter(|size| *size >= registrations as u64) {
            // Another round, so that what was asked last is under a head too.
            tokio::time::sleep(Duration::from_millis(2500)).await;
            let again = std::fs::read_to_string(witness(example)).unwrap();
            let last = again.lines().last().unwrap();
            let last: serde_json::Value = serde_json::from_str(last).unwrap();
            return last["head"]["tree_size"].as_u64().unwrap().max(size);
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{}", example.said());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The registry's file of the one month.
fn witness(example: &Example) -> String {
    let files = std::fs::read_dir(example.file("witness")).into_iter().flatten().flatten();
    let mut files: Vec<String> = files
        .map(|f| f.path().to_string_lossy().into_owned())
        .filter(|f| f.contains("/registry-"))
        .collect();
    files.sort();
    files.pop().unwrap_or_default()
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn assert_succeeded(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
}
