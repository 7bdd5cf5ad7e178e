//! `carerecord publish` with manifests, outcomes and limits.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use carerecord_testkit::{Deployment, NODES, PATIENT, Process, Role};
use serde_json::Value;
use tempfile::TempDir;

use super::BINARY;
use super::mock_node::{MockNode, Request, Say};
use super::tool::cda;

/// Killed at any point, the tool goes on where it was: each document is there once, none is sent
/// again that was acknowledged, and each has one line that says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_back_fill_that_is_killed_goes_on_where_it_was() {
    let deployment = Deployment::one_process(BINARY);
    let files = Files::new(DOCUMENTS);
    let node = deployment.url(Role::Node(0), "/xds/repository");
    let mut random = Random(8);
    let mut killed_at = Vec::new();
    for round in 1..=KILLS {
        let until = (DOCUMENTS as u64 * round / (KILLS + 1)) + random.below(150);
        let mut tool = files.command(&node, &[]).stderr(Stdio::null()).spawn().unwrap();
        while (files.outcomes().len() as u64) < until && tool.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(random.below(40))).await;
        }
        tool.kill().unwrap();
        tool.wait().unwrap();
        killed_at.push(files.outcomes().len());
    }
    assert!(killed_at.last().unwrap() < &DOCUMENTS, "the last kill came too late: {killed_at:?}");

    let last = files.run(&node, &[]);

    assert_eq!(last.status.code(), Some(0), "{}", said(&last));
    assert!(said(&last).contains("Going on: "), "{}", said(&last));
    let outcomes = files.outcomes();
    let good = |o: &&Value| o["outcome"] == "accepted" || o["outcome"] == "already there";
    assert_eq!(outcomes.iter().filter(good).count(), DOCUMENTS, "{}", said(&last));
    let keys: BTreeSet<&str> = outcomes.iter().map(|o| o["key"].as_str().unwrap()).collect();
    assert_eq!(keys.len(), outcomes.len(), "a document was sent again that was acknowledged");
    let mut there = BTreeSet::new();
    for patient in PATIENTS {
        let (answer, ids) = deployment.registry().find_documents(patient).await.unwrap();
        assert!(answer.is_success(), "{}", answer.envelope);
        let count = ids.len();
        there.extend(ids);
        assert!(count == DOCUMENTS / PATIENTS.len(), "{count}");
    }
    let told: BTreeSet<String> =
        outcomes.iter().map(|o| o["uniqueId"].as_str().unwrap().to_owned()).collect();
    assert_eq!(there, told);
    for outcome in outcomes.iter().step_by(DOCUMENTS / 20) {
        let id = outcome["uniqueId"].as_str().unwrap();
        let given = deployment.node(0).retrieve(NODES[0].0, &[id]).await.unwrap();
        let bytes = std::fs::read(outcome["path"].as_str().unwrap()).unwrap();
        assert_eq!(given.documents[id], bytes);
    }
    println!("killed after {killed_at:?} of {DOCUMENTS} outcomes");
    let again = files.run(&node, &[]);
    assert!(said(&again).contains(&format!("0 accepted, {DOCUMENTS} done before")));
    deployment.assert_no_panic();
}

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

/// A dry run finds what is wrong with each, and sends nothing; what it found is no checkpoint.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_checks_everything_and_sends_nothing() {
    let node = MockNode::start(Duration::ZERO, |_| Say::Success).await;
    let files = Files::new(3);
    let domain = concat!(env!("CARGO_MANIFEST_DIR"), "/config/codes/uk-default.xml");
    let wrong = "path,patient,type,created\n\
                 0/0.txt,9990001006,823691000000103,20240102\n\
                 0/1.txt,9990001007,823691000000103,20240102\n\
                 0/none.txt,9990001006,823691000000103,20240102\n\
                 0/2.txt,9990001006,999,20240102\n\
                 odd.xml,9990001006,,\n\
                 0/2.txt,,823691000000103,\n\
                 half.xml,9990001006,,\n";
    std::fs::write(files.manifest(), wrong).unwrap();
    let odd = cda(1, "").replace("code=\"823691000000103\"", "code=\"5551\"");
    std::fs::write(files.folder.path().join("odd.xml"), odd).unwrap();
    std::fs::write(files.folder.path().join("half.xml"), &cda(1, "")[..300]).unwrap();
    let options = ["--dry-run", "--affinity-domain", domain];

    let output = files.run_beside(&node.url, &options).await;

    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert_eq!(node.requests().len(), 0);
    let outcomes = read_outcomes(&files.path("m.outcomes.jsonl.dry-run"));
    let by_line: BTreeMap<u64, (&str, &str)> = outcomes
        .iter()
        .map(|o| (o["line"].as_u64().unwrap(), (text(&o["outcome"]), text(&o["reason"]))))
        .collect();
    for (line, (verdict, why)) in [
        (2, ("valid", "a plain text")),
        (3, ("invalid", "check digit")),
        (4, ("invalid", "cannot be read")),
        (5, ("invalid", "type 999")),
        (6, ("invalid", "typeCode 5551")),
        (7, ("invalid", "no NHS Number")),
        (8, ("invalid", "")),
    ] {
        let (is, said) = by_line[&line];
        assert!(is == verdict && said.contains(why), "line {line}: {is}: {said}");
        assert!(!said.contains("9990001007"), "{said}");
    }
    assert!(said(&output).contains("1 valid, 6 invalid"), "{}", said(&output));
    assert!(!files.path("m.outcomes.jsonl").exists());
}

/// A wrong row is told by its line and the others go; a manifest that cannot be read to its end is
/// known before anything is sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_manifest_is_told_what_is_wrong_by_its_line() {
    let node = MockNode::start(Duration::ZERO, |_| Say::Success).await;
    let files = Files::new(2);
    let rows = "path,patient,created\n0/0.txt,9990001006,2024\n\n\"0/0.txt\nx\",1,2\n\
                0/1.txt,9990001006,2024,\n0/1.txt,9990001006,2024\n";
    std::fs::write(files.manifest(), rows).unwrap();

    let output = files.run_beside(&node.url, &[]).await;

    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert_eq!(node.requests().len(), 2);
    let text = said(&output);
    assert!(text.contains("invalid\tline 4: ") && text.contains("invalid\tline 6: "), "{text}");
    assert!(text.contains("it has 4 fields, and the header row has 3"), "{text}");
    assert!(text.contains("2 accepted, 2 invalid"), "{text}");

    for (wrong, why) in [
        ("path,patient\n0/0.txt,9990001006\n0/1.txt,\"9990001006\n", "line 3: a quote"),
        ("path,pateint\n0/0.txt,9990001006\n", "line 1: \"pateint\" is no column"),
        ("", "it is empty"),
    ] {
        std::fs::write(files.manifest(), wrong).unwrap();
        let output = files.run_beside(&node.url, &[]).await;
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(said(&output).contains(why), "{}", said(&output));
        assert_eq!(node.requests().len(), 2);
    }
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
    let checkpoint = files.path("c.jsonl");
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

/// A file that was touched since is refused in words that say what differs, and what is to be done
/// can be done. The very same is told to be there already.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_touched_file_is_told_what_differs_and_can_replace() {
    let deployment = Deployment::one_process(BINARY);
    let file = deployment.file("note.txt");
    std::fs::write(&file, "Seen at home.").unwrap();
    let run = |more: &[&str]| {
        let node = deployment.url(Role::Node(0), "/xds/repository");
        let registry = deployment.url(Role::Registry, "");
        let all = ["publish", "--node", &node, "--registry", &registry, file.to_str().unwrap()];
        deployment.run(&[&all[..], &["--type", "823691000000103"], more].concat())
    };
    let first = run(&["--patient", PATIENT]);
    assert!(said(&first).starts_with("accepted\t"), "{}", said(&first));
    let id = said(&first).split('\t').nth(2).unwrap().split(' ').next().unwrap().to_owned();
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let same = run(&["--patient", PATIENT]);
    assert!(said(&same).starts_with("already there\t"), "{}", said(&same));
    let changed = std::fs::File::options().append(true).open(&file).unwrap();
    changed.set_modified(std::time::SystemTime::now() - Duration::from_secs(86_400)).unwrap();

    let touched = run(&["--patient", PATIENT, "--title", "Visit"]);

    assert_eq!(touched.status.code(), Some(2));
    let text = said(&touched);
    assert!(text.contains("with other metadata (creationTime, title)"), "{text}");
    assert!(text.contains(&format!("--replaces {id}")), "{text}");
    let whose = run(&["--patient", PATIENTS[1]]);
    let text = said(&whose);
    assert!(text.contains("registered for another patient") && !text.contains(PATIENT), "{text}");

    let replaces = ["--patient", PATIENT, "--title", "Visit", "--replaces", &id];
    let replaced = run(&replaces);
    assert_eq!(replaced.status.code(), Some(0), "{}", said(&replaced));
    let again = run(&replaces);
    assert_eq!(again.status.code(), Some(0), "{}", said(&again));
    let fhir = deployment.fhir().as_system().await;
    let (_, current) = fhir.search("DocumentReference", PATIENT, "&status=current").await;
    let (_, old) = fhir.search("DocumentReference", PATIENT, "&status=superseded").await;
    assert_eq!((&current["total"], &old["total"]), (&1.into(), &1.into()), "{current}\n{old}");
    assert!(current.to_string().contains("Visit"), "{current}");
}

/// Versions that come right behind each other replace each other, however many are sent at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn versions_are_published_in_their_order() {
    let deployment = Deployment::one_process(BINARY);
    let folder = deployment.file("versions");
    std::fs::create_dir(&folder).unwrap();
    for letter in 0..LETTERS {
        for version in 0..3 {
            let id = 1000 + 10 * letter + version;
            let related = match version {
                0 => String::new(),
                _ => format!(
                    "<relatedDocument typeCode=\"RPLC\"><parentDocument><id \
                     root=\"2.999.77.{}\"/></parentDocument></relatedDocument>",
                    id - 1
                ),
            };
            std::fs::write(folder.join(format!("{id}.xml")), cda(id, &related)).unwrap();
        }
    }
    let node = deployment.url(Role::Node(0), "/xds/repository");
    let registry = deployment.url(Role::Registry, "");
    let all = ["publish", "--node", &node, "--registry", &registry, folder.to_str().unwrap()];

    let output = deployment.run(&all);

    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(!said(&output).contains("not registered"), "{}", said(&output));
    let (_, ids) = deployment.registry().find_documents(PATIENT).await.unwrap();
    let expected: BTreeSet<String> =
        (0..LETTERS).map(|letter| format!("2.999.77.{}", 1002 + 10 * letter)).collect();
    assert_eq!(ids.into_iter().collect::<BTreeSet<String>>(), expected);
}

/// Tiny documents in folders, and a manifest of them.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new(count: usize) -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        let mut manifest = String::from("path,patient,type,created,title,unique_id\n");
        for n in 0..count {
            let file = files.file(n);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, format!("Note {n}: pulse {}/min.\n", 60 + n % 40)).unwrap();
            let path = file.strip_prefix(files.folder.path()).unwrap().to_str().unwrap();
            let patient = PATIENTS[n % PATIENTS.len()];
            let id = if n % 2 == 0 { format!("2.999.88.{n}") } else { String::new() };
            writeln!(manifest, "{path},{patient},823691000000103,20240102,Note {n},{id}").unwrap();
        }
        std::fs::write(files.manifest(), manifest).unwrap();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, n: usize) -> PathBuf {
        self.path(&format!("{}/{n}.txt", n / 500))
    }

    fn manifest(&self) -> PathBuf {
        self.path("m.csv")
    }

    fn outcomes(&self) -> Vec<Value> {
        read_outcomes(&self.path("m.outcomes.jsonl"))
    }

    fn command(&self, node: &str, more: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(["publish", "--node", node, "--registry", "http://127.0.0.1:9"]);
        command.arg("--manifest").arg(self.manifest()).args(more).stdout(Stdio::null());
        command
    }

    fn run(&self, node: &str, more: &[&str]) -> Output {
        self.command(node, more).stdout(Stdio::piped()).output().unwrap()
    }

    /// Runs it while this process answers.
    async fn run_beside(&self, node: &str, more: &[&str]) -> Output {
        let mut command = self.command(node, more);
        command.stdout(Stdio::piped());
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }
}

/// The whole lines behind the first one.
fn read_outcomes(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn said(output: &Output) -> String {
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&said).into_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Numbers that look like chance and are the same in every run. Steele, Lea and Flood: SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

const PATIENTS: [&str; 8] = [
    "9990001006",
    "9990001022",
    "9990001057",
    "9990001065",
    "9990001111",
    "9990001138",
    "9990001154",
    "9990001162",
];
const DOCUMENTS: usize = 2400;
const KILLS: u64 = 5;
const LETTERS: u32 = 15;
