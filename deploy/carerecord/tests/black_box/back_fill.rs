//! `carerecord publish` of many documents to a node.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use carerecord_testkit::{Deployment, NODES, PATIENT, Random, Role};
use serde_json::Value;

use super::BINARY;
use super::files::{Files, PATIENTS, said};
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

/// A node that is killed while it is filled, and started again, is filled on: the tool waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_is_filled_on_when_it_is_back() {
    let mut deployment = Deployment::one_process(BINARY);
    let files = Files::new(400);
    let node = deployment.url(Role::Node(0), "/xds/repository");
    let mut tool = files.command(&node, &[]).stderr(Stdio::null()).spawn().unwrap();
    for part in [80, 200] {
        while files.outcomes().len() < part && tool.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        deployment.kill(Role::Node(0));
        tokio::time::sleep(Duration::from_millis(700)).await;
        deployment.start_all();
    }

    let ended = tokio::task::spawn_blocking(move || tool.wait().unwrap()).await.unwrap();

    assert_eq!(ended.code(), Some(0));
    let outcomes = files.outcomes();
    assert_eq!(outcomes.len(), 400);
    assert!(outcomes.iter().any(|o| o["attempts"].as_u64().unwrap() > 1), "none was sent again");
    for patient in PATIENTS {
        let (answer, ids) = deployment.registry().find_documents(patient).await.unwrap();
        assert!(answer.is_success(), "{}", answer.envelope);
        assert_eq!(ids.len(), 400 / PATIENTS.len());
    }
    deployment.assert_no_panic();
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

const DOCUMENTS: usize = 2400;
const KILLS: u64 = 5;
const LETTERS: u32 = 15;
