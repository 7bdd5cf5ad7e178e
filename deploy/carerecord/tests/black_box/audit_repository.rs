//! The record of accesses reaches a repository of audit records by FHIR (ITI-20), whatever happens.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use carerecord_storage::{Database, sql};
use carerecord_testkit::{AuditRepository, Letter, NODES, PATIENT, RepositoryFault};
use serde_json::Value;

use crate::example::Example;

/// Records of each log arrive once each and in order, through outages of the repository and a kill of
/// the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_arrive_once_and_in_order() {
    let mut repository = AuditRepository::start().await;
    let mut example = start(&repository);
    work(&example, 1).await;
    arrived(&repository, &example, 1).await;
    assert!(doctor(&example).starts_with("ok     audit repository by FHIR: answers"));

    repository.go_away().await;
    work(&example, 2).await;
    assert!(doctor(&example).starts_with("WRONG  audit repository by FHIR"));
    example.kill();
    example.start_again(feeding(&repository));
    work(&example, 3).await;
    let away = repository.taken().len();
    repository.come_back().await;
    for (n, fault) in [(4, (429, Some(1))), (5, (500, None)), (6, (403, None))] {
        repository.behave(Some(RepositoryFault::Status(fault.0, fault.1)));
        work(&example, n).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(repository.taken().len(), away);
    repository.behave(None);
    arrived(&repository, &example, 6).await;
    example.kill();

    assert_eq!(ids_by_recorder(&repository), logged(&example, &[]).await);
    assert_eq!(repository.complaints(), Vec::<String>::new());
    assert!(repository.requests().iter().all(|count| *count <= MOST));
    let said = example.said();
    for secret in [PATIENT, "127.0.0.1/"] {
        assert!(!said.contains(secret), "{said}");
    }
}

/// What a kill leaves in doubt comes again under the same id; what the repository refuses is left out
/// and told of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_doubt_comes_again_and_what_is_refused_is_told() {
    let repository = AuditRepository::start().await;
    let mut example = start(&repository);
    work(&example, 1).await;
    arrived(&repository, &example, 1).await;
    repository.behave(Some(RepositoryFault::Silent));
    let before = repository.taken().len();
    work(&example, 2).await;
    let since = Instant::now();
    while repository.taken().len() == before {
        assert!(since.elapsed() < PATIENCE, "{}", example.said());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    example.kill();
    repository.behave(None);
    example.start_again(feeding(&repository));
    let refused = "5eed0005-0000-4000-8000-000000000001";
    repository.refuse(refused, Some(422));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let asked = client.get(example.url(0, "/fhir/Patient")).header("x-request-id", refused);
    assert_eq!(asked.send().await.unwrap().status(), 401);
    work(&example, 3).await;
    arrived(&repository, &example, 3).await;
    let metrics = reqwest::get(example.url(9, "/metrics")).await.unwrap().text().await.unwrap();
    for line in [
        "audit_feed_refused{log=\"portal\"} 1",
        "audit_feed_refused{log=\"registry\"} 0",
        "audit_feed_waiting{log=\"registry\"} 0",
        "audit_feed_last_success_seconds{log=\"registry\"} ",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    assert!(example.said().contains("refuses a record"), "{}", example.said());
    example.kill();

    let mut first = BTreeMap::new();
    for event in repository.taken() {
        let id = event["id"].as_str().unwrap().to_owned();
        let same = first.entry(id).or_insert_with(|| event.clone());
        assert_eq!(*same, event, "what comes twice is the same");
    }
    assert!(first.len() < repository.taken().len(), "the kill left nothing in doubt");
    let all: BTreeSet<String> =
        logged(&example, &[refused]).await.into_values().flatten().collect();
    assert_eq!(first.into_keys().collect::<BTreeSet<_>>(), all);
}

fn start(repository: &AuditRepository) -> Example {
    Example::start(feeding(repository))
}

fn feeding(repository: &AuditRepository) -> impl FnOnce(String) -> String {
    let fhir = format!(
        "[audit]\nfhir = {{ url = \"{}\", deadline_ms = 1000, max_bundle = {MOST} }}\n",
        repository.url()
    );
    move |text| text.replacen("[audit]\n", &fhir, 1)
}

/// Something for the logs of registry and node.
async fn work(example: &Example, n: u32) {
    let answer = example.node().publish(&Letter::text(PATIENT, n)).await.unwrap();
    assert!(answer.is_success(), "{}", answer.envelope);
    for _ in 0..MOST {
        example.registry().find_documents(PATIENT).await.unwrap();
    }
}

/// Waits until everything has arrived of so much work.
async fn arrived(repository: &AuditRepository, example: &Example, work: usize) {
    let since = Instant::now();
    // The gauges are those of the last look at a log, twice a second.
    let mut still = 0;
    loop {
        let queries = repository.taken().iter().filter(|e| is_query(e)).count();
        let metrics = reqwest::get(example.url(9, "/metrics")).await.unwrap().text().await.unwrap();
        let waits = metrics
            .lines()
            .any(|line| line.starts_with("audit_feed_waiting") && !line.ends_with(" 0"));
        still = if queries >= work * MOST && !waits { still + 1 } else { 0 };
        if still == 5 {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "{queries} of {work}: {metrics}{}", example.said());
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

fn is_query(event: &Value) -> bool {
    event["subtype"][0]["code"] == "ITI-18"
}

/// The ids of what arrived, for each role that recorded it in the order in which they came.
fn ids_by_recorder(repository: &AuditRepository) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in repository.taken() {
        let recorder = event["source"]["observer"]["identifier"]["value"].as_str().unwrap();
        let ids = all.entry(recorder.to_owned()).or_default();
        ids.push(event["id"].as_str().unwrap().to_owned());
    }
    all
}

/// The same of what the databases hold, without records of these requests.
async fn logged(example: &Example, without: &[&str]) -> BTreeMap<String, Vec<String>> {
    let mut places = vec!["data/registry.db".to_owned(), "data/portal.db".to_owned()];
    places.extend(NODES.iter().map(|(id, _, _)| format!("data/node-{id}/node.db")));
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for place in places {
        let database = Database::open(&example.file(&place)).await.unwrap();
        let records = sql("SELECT record FROM audit_event ORDER BY seq");
        let records: Vec<(String,)> = records.all(&database).await.unwrap();
        for (record,) in records {
            let event: Value = serde_json::from_str(&record).unwrap();
            if event["request_id"].as_str().is_some_and(|id| without.contains(&id)) {
                continue;
            }
            let ids = all.entry(event["recorder"].as_str().unwrap().to_owned()).or_default();
            ids.push(event["id"].as_str().unwrap().to_owned());
        }
        database.close().await;
    }
    all
}

/// What the doctor says of the repository.
fn doctor(example: &Example) -> String {
    let config = example.config();
    let run = || example.run(&["doctor", "--wait", "2", "--config", &config]);
    let said = String::from_utf8(tokio::task::block_in_place(run).stdout).unwrap();
    let line = said.lines().find(|line| line.contains("audit repository by FHIR"));
    line.unwrap_or_else(|| panic!("{said}")).to_owned()
}

/// Records of one Bundle, and questions of one piece of work.
const MOST: usize = 5;
const PATIENCE: Duration = Duration::from_secs(60);
