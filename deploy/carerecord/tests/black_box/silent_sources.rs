use std::collections::HashMap;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use bytes::Bytes;
use carerecord_testkit::{
    Browser, Deployment, Fhir, GP, Letter, NODES, PATIENT, PEER_SILENCE, Role, SOURCE_DEADLINE,
    sources,
};

/// A node's process is gone: found down at once, the rest is all there, and back after a restart.
pub async fn a_stopped_node_is_told_of_and_others_answer(mut deployment: Deployment) {
    let letters = publish(&deployment).await;
    let fhir = deployment.fhir().as_system().await;
    // Each of the two ways of asking a node whether it can serve.
    for silent in [0, 1] {
        deployment.kill(Role::Node(silent));

        check_without(&deployment, &fhir, &letters, silent, "down").await;

        deployment.start(Role::Node(silent));
        check_whole(&fhir, &letters).await;
    }
    deployment.assert_no_panic();
}

/// A node's process takes connections and is frozen: late by the deadline, never later.
pub async fn a_frozen_node_is_told_of_within_the_deadline(deployment: Deployment) {
    let letters = publish(&deployment).await;
    let fhir = deployment.fhir().as_system().await;
    for silent in [0, 2] {
        deployment.process(Role::Node(silent)).freeze();

        check_without(&deployment, &fhir, &letters, silent, "late").await;

        deployment.process(Role::Node(silent)).thaw();
        check_whole(&fhir, &letters).await;
    }
    deployment.assert_no_panic();
}

/// Something else has the node's port and says nothing.
pub async fn a_listener_that_never_answers_is_late(mut deployment: Deployment) {
    let letters = publish(&deployment).await;
    let fhir = deployment.fhir().as_system().await;
    deployment.kill(Role::Node(1));
    let dumb = TcpListener::bind(("127.0.0.1", deployment.port_for_portal(1))).unwrap();

    check_without(&deployment, &fhir, &letters, 1, "late").await;

    drop(dumb);
    deployment.start(Role::Node(1));
    check_whole(&fhir, &letters).await;
}

/// The registry is gone, or frozen: no door answers with an empty list, and none waits for long.
pub async fn without_a_registry_nothing_looks_empty(mut deployment: Deployment) {
    let letters = publish(&deployment).await;
    let fhir = deployment.fhir().as_system().await;
    let mut browser = Browser::sign_in(&deployment, GP).await;
    let list = browser.find(PATIENT).await;
    for frozen in [true, false] {
        match frozen {
            true => deployment.process(Role::Registry).freeze(),
            false => deployment.kill(Role::Registry),
        }

        let begun = Instant::now();
        let (status, outcome) = fhir.search("DocumentReference", PATIENT, "status=current").await;
        assert!(begun.elapsed() < 2 * SOURCE_DEADLINE + SLACK, "{:?}", begun.elapsed());
        assert!(status >= 400, "{outcome}");
        assert_eq!(outcome["resourceType"], "OperationOutcome");
        let (status, page) = browser.get(&list).await;
        assert_ne!(status, 200);
        assert!(!page.contains("No documents"), "{page}");

        match frozen {
            true => deployment.process(Role::Registry).thaw(),
            false => deployment.start(Role::Registry),
        }
        check_whole(&fhir, &letters).await;
    }
}

/// The registry takes a submission and is frozen: the source is told in time, and sends again.
pub async fn a_frozen_registry_does_not_hold_a_source(deployment: Deployment) {
    let letter = Letter::text(PATIENT, 1);
    deployment.process(Role::Registry).freeze();

    let begun = Instant::now();
    let answer = deployment.node(0).publish(&letter).await.unwrap();
    assert!(begun.elapsed() < PEER_SILENCE + SLACK, "{:?}", begun.elapsed());
    assert_eq!(answer.error_codes(), ["XDSRegistryNotAvailable"], "{}", answer.envelope);

    deployment.process(Role::Registry).thaw();
    let again = deployment.node(0).publish(&letter).await.unwrap();
    assert!(again.is_success(), "{}", again.envelope);
    let fhir = deployment.fhir().as_system().await;
    check_bytes(&fhir, &[letter], None).await;
}

/// A node is frozen while it gives a long document: the reader's connection breaks, in time and
/// before the document's length is reached.
pub async fn a_node_frozen_in_a_document_breaks_it_off(deployment: Deployment) {
    let mut letter = Letter::text(PATIENT, 1);
    letter.bytes = Bytes::from(vec![b'x'; 64 << 20]);
    let answer = deployment.node(1).publish(&letter).await.unwrap();
    assert!(answer.is_success(), "{}", answer.envelope);
    let fhir = deployment.fhir().as_system().await;
    let found = fhir.documents(PATIENT).await;
    let url = found[&letter.unique_id]["content"][0]["attachment"]["url"].as_str().unwrap();

    let mut document = fhir.begin(url).await.unwrap();
    assert_eq!(document.status(), 200);
    let mut received = document.chunk().await.unwrap().unwrap().len();
    deployment.process(Role::Node(1)).freeze();
    let begun = Instant::now();
    let ended = loop {
        match document.chunk().await {
            Ok(Some(chunk)) => received += chunk.len(),
            ended => break ended,
        }
    };

    assert!(ended.is_err(), "it ended as if it were whole, after {received} bytes");
    assert!(received < letter.bytes.len(), "{received}");
    assert!(begun.elapsed() < PEER_SILENCE + 2 * SLACK, "{:?}", begun.elapsed());
    deployment.process(Role::Node(1)).thaw();
    check_bytes(&fhir, &[letter], None).await;
}

/// Who asks for a page of a list need not wait for the sources, and asks one again by itself.
pub async fn one_source_is_asked_and_no_other(deployment: Deployment) {
    let letters = publish(&deployment).await;
    let fhir = deployment.fhir().as_system().await;
    let ask = |more: &str| {
        let more = format!("status=current&_summary=count&source-state={more}");
        let fhir = &fhir;
        async move { fhir.search("DocumentReference", PATIENT, &more).await }
    };

    let (_, none) = ask("none").await;
    let (_, one) = ask(NODES[1].0).await;
    let (_, two) = ask(&format!("{},{}", NODES[0].0, NODES[2].0)).await;
    let (_, unknown) = ask("2.999.404").await;

    for answer in [&none, &one, &two, &unknown] {
        assert_eq!(answer["total"], letters.len(), "it is no filter: {answer}");
    }
    let asked = |answer: &serde_json::Value| {
        let mut ids: Vec<String> = sources(answer).into_keys().collect();
        ids.sort();
        ids
    };
    assert_eq!(asked(&none), [] as [&str; 0]);
    assert_eq!(asked(&one), [NODES[1].0]);
    assert_eq!(asked(&two), [NODES[0].0, NODES[2].0]);
    assert_eq!(asked(&unknown), [] as [&str; 0]);
    assert!(sources(&one).values().all(|state| state == "answered"));
    deployment.assert_no_panic();
}

async fn publish(deployment: &Deployment) -> Vec<Letter> {
    let letters: Vec<Letter> = (0..3).map(|n| Letter::text(PATIENT, n)).collect();
    for (n, letter) in letters.iter().enumerate() {
        let answer = deployment.node(n).publish(letter).await.unwrap();
        assert!(answer.is_success(), "{}", answer.envelope);
    }
    letters
}

/// The list is whole and names the silent source; its document is refused with a reason, the
/// others are given.
async fn check_without(
    deployment: &Deployment,
    fhir: &Fhir,
    letters: &[Letter],
    silent: usize,
    state: &str,
) {
    let begun = Instant::now();
    let (status, bundle) = fhir.search("DocumentReference", PATIENT, "status=current").await;
    let took = begun.elapsed();
    assert!(took < SOURCE_DEADLINE + SLACK, "the search took {took:?}");
    assert_eq!((status, &bundle["total"]), (200, &letters.len().into()), "{bundle}");
    let states = sources(&bundle);
    let expected: HashMap<String, String> = NODES
        .iter()
        .enumerate()
        .map(|(n, (id, ..))| {
            ((*id).to_owned(), if n == silent { state } else { "answered" }.to_owned())
        })
        .collect();
    assert_eq!(states, expected);
    check_bytes(fhir, letters, Some(silent)).await;
    check_pages(deployment, &letters[silent], NODES[silent].2, state).await;
}

async fn check_whole(fhir: &Fhir, letters: &[Letter]) {
    let (_, bundle) = fhir.search("DocumentReference", PATIENT, "status=current").await;
    assert!(sources(&bundle).values().all(|state| state == "answered"), "{bundle}");
    check_bytes(fhir, letters, None).await;
}

async fn check_bytes(fhir: &Fhir, letters: &[Letter], silent: Option<usize>) {
    let found = fhir.documents(PATIENT).await;
    for (n, letter) in letters.iter().enumerate() {
        let attachment = &found[&letter.unique_id]["content"][0]["attachment"];
        let begun = Instant::now();
        let (status, bytes) = fhir.get(attachment["url"].as_str().unwrap()).await.unwrap();
        if silent == Some(n) {
            assert!(begun.elapsed() < SOURCE_DEADLINE + SLACK, "{:?}", begun.elapsed());
            assert_eq!(status, 503);
            let outcome = String::from_utf8(bytes.to_vec()).unwrap();
            assert!(outcome.contains("could not be asked"), "{outcome}");
        } else {
            assert_eq!((status, &bytes), (200, &letter.bytes));
        }
    }
}

/// As a clinician sees it.
async fn check_pages(deployment: &Deployment, silent: &Letter, source: &str, state: &str) {
    let mut browser = Browser::sign_in(deployment, GP).await;
    let list = browser.find(PATIENT).await;
    let begun = Instant::now();
    let (status, page) = browser.get(&list).await;
    assert!(begun.elapsed() < SOURCE_DEADLINE + SLACK, "{:?}", begun.elapsed());
    assert_eq!(status, 200);
    for n in 0..3 {
        assert!(page.contains(&Letter::text(PATIENT, n).title), "{page}");
    }
    let told = if state == "late" { "Did not answer in time" } else { "Could not be asked" };
    let (_, after) = page.split_once(&format!("cr-sources__name\">{source}<")).unwrap();
    let item = after.split_once("</li>").unwrap().0;
    assert!(item.contains(told), "{item}");
    assert!(page.contains("1 source did not answer: documents may be missing"), "{page}");
    let document = document_path(&page, &list, &silent.title);
    let (status, page) = browser.get(&document).await;
    assert_eq!(status, 200);
    let words = format!("The document could not be had from {source}");
    assert!(page.contains(&words), "{page}");
}

/// The link of the list that has this title.
fn document_path(page: &str, list: &str, title: &str) -> String {
    let start = format!("href=\"{list}/document/");
    let mut links = page.split(&start).skip(1);
    let link = links.find(|link| link.split("</a>").next().unwrap().contains(title)).unwrap();
    format!("{list}/document/{}", link.split('"').next().unwrap())
}

/// What a busy machine may add.
const SLACK: Duration = Duration::from_millis(1500);
