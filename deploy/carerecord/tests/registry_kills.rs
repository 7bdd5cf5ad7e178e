//! Sixteen sources register while the registry is killed, or its database server: what was
//! acknowledged stays, nothing is there in part, and whoever follows the changes misses none.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use carerecord_codec::{AdhocQueryResponse, soap};
use carerecord_model::{FoundObjects, ObjectId, Submission};
use carerecord_testkit::submission::Builder;
use carerecord_testkit::{APPROVED, Deployment, NODES, Random, Role, Xds, patient_id, postgres};
use carerecord_xml::Decode;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_registry_keeps_what_it_acknowledged_sqlite() {
    let mut deployment = Deployment::apart(BINARY);
    run(&mut deployment, 42, kill_registry).await;
}

/// One after the other: the second test kills the server that both have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_registry_or_server_keeps_what_it_acknowledged_postgres() {
    let Some(mut deployment) = Deployment::apart_on_postgres(BINARY).await else { return };
    run(&mut deployment, 43, kill_registry).await;
    drop(deployment);
    let mut deployment = Deployment::apart_on_postgres(BINARY).await.unwrap();
    run(&mut deployment, 44, |_| postgres::kill_and_restart()).await;
}

fn kill_registry(deployment: &mut Deployment) {
    deployment.kill(Role::Registry);
    deployment.start(Role::Registry);
}

async fn run(deployment: &mut Deployment, seed: u64, kill: fn(&mut Deployment)) {
    for role in [Role::Portal, Role::SignIn, Role::Node(0), Role::Node(1), Role::Node(2)] {
        deployment.kill(role);
    }
    let mut random = Random(seed);
    let (go, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let sources: Vec<Arc<Source>> = (0..PATIENTS.len()).map(|n| Arc::new(Source::new(n))).collect();
    let feed = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    for source in &sources {
        tasks.spawn(source.clone().register(deployment.registry(), go.clone(), stop.clone()));
    }
    tasks.spawn(follow(feed_url(deployment), feed.clone(), stop.clone()));
    let mut counts = Vec::new();
    for round in 0..ROUNDS {
        go.store(true, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(random.below(MAX_DELAY_MS))).await;
        let cut = sources.iter().filter(|s| s.waits.load(Ordering::SeqCst)).count();
        let begun = Instant::now();
        tokio::task::block_in_place(|| kill(deployment));
        let back = first_answer(&deployment.registry()).await;
        println!(
            "round {round}: {cut} under way; back after {:?}, {back} refused",
            begun.elapsed()
        );
        counts.push(cut);
        // What was cut off is sent again, and then nothing more, to look at what is there.
        go.store(false, Ordering::SeqCst);
        while sources.iter().any(|s| s.waits.load(Ordering::SeqCst)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for source in &sources {
            source.check(&deployment.registry()).await;
        }
    }
    stop.store(true, Ordering::SeqCst);
    tasks.join_all().await;

    let followed = feed.lock().unwrap().clone();
    check_feed(&followed, &feed_url(deployment), &sources, &deployment.registry()).await;
    let acknowledged: usize = sources.iter().map(|s| s.acknowledged.lock().unwrap().len()).sum();
    let failed: usize = sources.iter().map(|s| *s.failed.lock().unwrap()).sum();
    println!("seed {seed}: {acknowledged} acknowledged, {failed} failed and sent again");
    assert!(counts.iter().sum::<usize>() > ROUNDS, "hardly anything was cut off: {counts:?}");
    assert!(acknowledged > 100, "{acknowledged} only");
    deployment.assert_no_panic();
}

/// Asks until there is an answer; how many questions were refused. Back is back: within the limit.
async fn first_answer(registry: &Xds) -> usize {
    let begun = Instant::now();
    for refused in 0.. {
        let answer = registry.find_documents_status(PATIENTS[0]).await;
        if answer {
            return refused;
        }
        assert!(begun.elapsed() < BACK, "no answer for {:?}", begun.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    unreachable!("it asks until there is an answer or too much time has passed")
}

trait Asks {
    fn find_documents_status(&self, patient: &str) -> impl Future<Output = bool> + Send;
}

impl Asks for Xds {
    async fn find_documents_status(&self, patient: &str) -> bool {
        let parameters = all_of(patient);
        let asked = self.stored_query(GET_ALL, "ObjectRef", &parameters).await;
        asked.is_ok_and(|answer| answer.is_success())
    }
}

/// One source with a patient of its own.
struct Source {
    patient: &'static str,
    /// By the set's uniqueId.
    sent: Mutex<BTreeMap<String, Submission>>,
    acknowledged: Mutex<BTreeSet<String>>,
    failed: Mutex<usize>,
    waits: AtomicBool,
}

impl Source {
    fn new(n: usize) -> Self {
        Self {
            patient: PATIENTS[n],
            sent: Mutex::default(),
            acknowledged: Mutex::default(),
            failed: Mutex::default(),
            waits: AtomicBool::new(false),
        }
    }

    /// Registers one document in a folder after the other, each until it is acknowledged.
    async fn register(self: Arc<Self>, registry: Xds, go: Arc<AtomicBool>, stop: Arc<AtomicBool>) {
        let mut b = Builder::of(&cx(self.patient));
        while !stop.load(Ordering::SeqCst) {
            if !go.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            }
            let s = submission(&mut b);
            let id = s.submission_set.unique_id.to_string();
            self.sent.lock().unwrap().insert(id.clone(), s.clone());
            self.waits.store(true, Ordering::SeqCst);
            loop {
                let answer = registry.register(&s).await;
                match answer {
                    Ok(answer) if answer.is_success() => break,
                    // Only what may be sent again is said of a failure that is not the source's.
                    Ok(answer) if answer.status == 200 => {
                        assert_eq!(
                            answer.error_codes(),
                            ["XDSRegistryError"],
                            "{}",
                            answer.envelope
                        );
                    }
                    Ok(_) | Err(_) => {}
                }
                *self.failed.lock().unwrap() += 1;
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            self.acknowledged.lock().unwrap().insert(id);
            self.waits.store(false, Ordering::SeqCst);
        }
    }

    /// What was acknowledged is there, and whatever is there is there whole and once.
    async fn check(&self, registry: &Xds) {
        let acknowledged = self.acknowledged.lock().unwrap().clone();
        let found = all(registry, self.patient).await;
        let sent = self.sent.lock().unwrap().clone();
        let sets: HashMap<String, &ObjectId> = found
            .submission_sets
            .iter()
            .map(|s| (s.unique_id.to_string(), &s.entry_uuid))
            .collect();
        assert_eq!(sets.len(), found.submission_sets.len(), "a set is there twice");
        let lost: Vec<_> = acknowledged.iter().filter(|id| !sets.contains_key(*id)).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        assert_eq!(found.document_entries.len(), sets.len(), "entries and sets");
        assert_eq!(found.folders.len(), sets.len(), "folders and sets");
        assert_eq!(found.associations.len(), 4 * sets.len(), "associations and sets");
        for (id, set) in sets {
            let s = &sent[&id];
            let entry = &s.document_entries[0].unique_id;
            let entry = found.document_entries.iter().find(|e| e.unique_id == *entry).unwrap();
            let folder = &s.folders[0].unique_id;
            let folder = found.folders.iter().find(|f| f.unique_id == *folder).unwrap();
            let tie = |source: &ObjectId, target: &ObjectId| {
                let mut all = found.associations.iter();
                let tie = all.find(|a| a.source == *source && a.target == *target);
                tie.unwrap_or_else(|| panic!("{id}: a tie is missing")).entry_uuid.clone()
            };
            tie(set, &entry.entry_uuid);
            tie(set, &folder.entry_uuid);
            tie(set, &tie(&folder.entry_uuid, &entry.entry_uuid));
        }
    }
}

fn submission(b: &mut Builder) -> Submission {
    let mut s = b.document();
    // One that the caller may see.
    s.document_entries[0].repository_unique_id = Some(NODES[0].0.parse().unwrap());
    let document = s.document_entries[0].entry_uuid.clone();
    let folder = b.add_folder(&mut s);
    b.add_to_folder(&mut s, &folder, &document);
    s
}

async fn all(registry: &Xds, patient: &str) -> FoundObjects {
    let answer = registry.stored_query(GET_ALL, "LeafClass", &all_of(patient)).await.unwrap();
    assert!(answer.is_success(), "HTTP {}: {}", answer.status, answer.envelope);
    let read =
        soap::read(&answer.envelope, |_, start, xml| Ok(AdhocQueryResponse::decode(start, xml)?));
    read.unwrap_or_else(|(error, _)| panic!("{error}")).1.into_found().unwrap()
}

fn all_of(patient: &str) -> [(&'static str, String); 4] {
    [
        ("$patientId", patient_id(patient)),
        ("$XDSDocumentEntryStatus", APPROVED.to_owned()),
        ("$XDSSubmissionSetStatus", APPROVED.to_owned()),
        ("$XDSFolderStatus", APPROVED.to_owned()),
    ]
}

type Change = (i64, String, String);

/// Reads the changes as a role does: from its own place on, through every kill.
async fn follow(url: String, seen: Arc<Mutex<Vec<Change>>>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::SeqCst) {
        let since = seen.lock().unwrap().last().map_or(0, |c: &Change| c.0);
        match page(&url, since).await {
            Some(changes) if !changes.is_empty() => seen.lock().unwrap().extend(changes),
            Some(_) | None => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// `None` while there is no answer.
async fn page(url: &str, since: i64) -> Option<Vec<Change>> {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = http.get(format!("{url}?since={since}&limit=50")).send().await.ok()?;
    let page: serde_json::Value = answer.error_for_status().ok()?.json().await.ok()?;
    let text = |change: &serde_json::Value, name: &str| change[name].as_str().unwrap().to_owned();
    let changes = page["changes"].as_array().unwrap().iter();
    Some(changes.map(|c| (c["seq"].as_i64().unwrap(), text(c, "verb"), text(c, "id"))).collect())
}

/// Who followed through the kills has what one has who reads it all now, and that is exactly what
/// is registered.
async fn check_feed(followed: &[Change], url: &str, sources: &[Arc<Source>], registry: &Xds) {
    let mut whole: Vec<Change> = Vec::new();
    loop {
        let more = page(url, whole.last().map_or(0, |c| c.0)).await.expect("it runs");
        if more.is_empty() {
            break;
        }
        whole.extend(more);
    }
    assert!(whole.is_sorted_by(|a, b| a.0 < b.0));
    assert!(followed.len() > 100, "{} changes were followed", followed.len());
    assert!(followed == &whole[..followed.len()], "who followed missed or repeated something");
    let told: BTreeSet<&str> = whole.iter().map(|(_, _, id)| id.as_str()).collect();
    assert_eq!(told.len(), whole.len(), "an object was registered twice");
    let mut there = 0;
    for source in sources {
        let found = all(registry, source.patient).await;
        let ids = found.document_entries.iter().map(|e| &e.entry_uuid);
        let ids = ids.chain(found.submission_sets.iter().map(|s| &s.entry_uuid));
        let ids = ids.chain(found.folders.iter().map(|f| &f.entry_uuid));
        for id in ids.chain(found.associations.iter().map(|a| &a.entry_uuid)) {
            assert!(told.contains(id.to_string().as_str()), "the changes do not tell of {id}");
            there += 1;
        }
    }
    assert_eq!(there, whole.len(), "the changes tell of something that is not there");
}

fn feed_url(deployment: &Deployment) -> String {
    format!("http://127.0.0.1:{}/changes", deployment.port_for_peers())
}

fn cx(number: &str) -> String {
    format!("{number}^^^&2.16.840.1.113883.2.1.4.1&ISO")
}

const BINARY: &str = env!("CARGO_BIN_EXE_carerecord");
const GET_ALL: &str = "urn:uuid:10b545ea-725c-446d-9b95-8aeb444eddf3";
const ROUNDS: usize = 6;
const MAX_DELAY_MS: u64 = 600;
/// From the kill to the first answer.
const BACK: Duration = Duration::from_secs(10);

/// Synthetic numbers, one for each source.
const PATIENTS: [&str; 16] = [
    "9990001006",
    "9990001014",
    "9990001022",
    "9990001030",
    "9990001049",
    "9990001057",
    "9990001065",
    "9990001073",
    "9990001081",
    "9990001103",
    "9990001111",
    "9990001138",
    "9990001154",
    "9990001162",
    "9990001170",
    "9990001189",
];
