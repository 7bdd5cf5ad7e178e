use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use carerecord_testkit::{Deployment, Letter, NODES, PATIENT, Random, Role, Xds};
use tokio::task::JoinSet;

/// Whatever is killed while documents are published, and whenever: what was acknowledged is there
/// whole and once, nothing is there in part, publishing all again is the whole repair, and the
/// sweeper leaves no object that no document names.
pub async fn a_kill_at_any_point_loses_and_invents_nothing(mut deployment: Deployment) {
    let letters = letters();
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    let mut random = Random(41);
    let mut cut_short = 0;
    for round in 0..ROUNDS {
        let mut publishing = JoinSet::new();
        publishing.spawn(publish_all(deployment.node(0), letters.clone(), acknowledged.clone()));
        tokio::time::sleep(Duration::from_millis(random.below(MAX_DELAY_MS))).await;
        // In one process both are the same.
        match round % 3 {
            0 => deployment.kill(Role::Node(0)),
            1 => deployment.kill(Role::Registry),
            _ => {
                deployment.kill(Role::Registry);
                if deployment.is_apart() {
                    deployment.kill(Role::Node(0));
                }
            }
        }
        cut_short += u32::from(!publishing.join_next().await.unwrap().unwrap());
        deployment.start_all();
        let there = registered(&deployment).await;
        let lost: Vec<String> = acknowledged.lock().unwrap().difference(&there).cloned().collect();
        assert!(lost.is_empty(), "acknowledged and lost in round {round}: {lost:?}");
        check_bytes(&deployment, &letters, &there).await;
    }
    println!(
        "{cut_short} of {ROUNDS} rounds were cut short; {} of {} documents were acknowledged",
        acknowledged.lock().unwrap().len(),
        letters.len()
    );
    assert!(cut_short > 0, "no kill came while documents were published");

    let whole = publish_all(deployment.node(0), letters.clone(), acknowledged).await;

    assert!(whole, "published again, all are taken");
    let there = registered(&deployment).await;
    assert_eq!(there.len(), letters.len());
    check_bytes(&deployment, &letters, &there).await;
    let fhir = deployment.fhir().as_system().await;
    assert_eq!(fhir.documents(PATIENT).await.len(), letters.len());
    for role in [Role::Registry, Role::Node(0), Role::Portal] {
        let verified = deployment.run_audit(role, &["--verify"]);
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    }
    sweep(&mut deployment, letters.len()).await;
    check_bytes(&deployment, &letters, &there).await;
    deployment.assert_no_panic();
}

/// The demo's first start, killed again and again before its samples are there: in the end they are
/// those of a start that nobody disturbed.
pub async fn a_first_start_that_is_killed_is_made_up_for(binary: &str) {
    let whole = samples(&Deployment::with_samples(binary)).await;
    let mut deployment = Deployment::with_samples_stopped(binary);
    let mut random = Random(7);
    let mut cut_short = 0;
    for _ in 0..6 {
        deployment.start_all();
        tokio::time::sleep(Duration::from_millis(random.below(300))).await;
        cut_short += u32::from(!deployment.has_samples());
        deployment.kill(Role::Portal);
    }
    deployment.start_all();
    deployment.wait_for_samples();

    println!("{cut_short} of 6 starts were cut short");
    assert!(cut_short > 0, "no kill came before the samples were there");
    assert_eq!(samples(&deployment).await, whole);
    assert!(whole.len() > 20, "{whole:?}");
    deployment.assert_no_panic();
}

/// The uniqueIds of the person who has most samples; none twice.
async fn samples(deployment: &Deployment) -> BTreeSet<String> {
    let (_, ids) = deployment.registry().find_documents("9990001006").await.unwrap();
    let there: BTreeSet<String> = ids.iter().cloned().collect();
    assert_eq!(there.len(), ids.len(), "a sample is there twice: {ids:?}");
    there
}

/// Publishes in order, two at a time; whether every one was acknowledged.
async fn publish_all(
    node: Xds,
    letters: Arc<Vec<Letter>>,
    acknowledged: Arc<Mutex<BTreeSet<String>>>,
) -> bool {
    let mut all = true;
    for pair in letters.chunks(2) {
        let one = |letter: Letter| {
            let (node, acknowledged) = (node.clone(), acknowledged.clone());
            async move {
                let answer = node.publish(&letter).await;
                let taken = answer.is_ok_and(|answer| answer.is_success());
                if taken {
                    acknowledged.lock().unwrap().insert(letter.unique_id);
                }
                taken
            }
        };
        let (a, b) = tokio::join!(one(pair[0].clone()), one(pair[1].clone()));
        all &= a && b;
    }
    all
}

async fn registered(deployment: &Deployment) -> BTreeSet<String> {
    let (answer, ids) = deployment.registry().find_documents(PATIENT).await.unwrap();
    assert!(answer.is_success(), "{}", answer.envelope);
    let there: BTreeSet<String> = ids.iter().cloned().collect();
    assert_eq!(there.len(), ids.len(), "a document is there twice: {ids:?}");
    there
}

/// What the registry lists the node gives, byte for byte.
async fn check_bytes(deployment: &Deployment, letters: &[Letter], there: &BTreeSet<String>) {
    for letter in letters.iter().filter(|letter| there.contains(&letter.unique_id)) {
        let node = deployment.node(0);
        let given = node.retrieve(NODES[0].0, &[&letter.unique_id]).await.unwrap();
        assert!(given.exchange.is_success(), "{}", given.exchange.envelope);
        assert!(given.documents[&letter.unique_id] == letter.bytes, "{}", letter.unique_id);
    }
}

/// Makes everything stored old enough, and starts the node again: the sweeper runs at its start.
async fn sweep(deployment: &mut Deployment, documents: usize) {
    deployment.kill(Role::Node(0));
    let before = deployment.stored_objects(0);
    let old = SystemTime::now() - Duration::from_secs(2 * 3600);
    for file in &before {
        std::fs::File::options().write(true).open(file).unwrap().set_modified(old).unwrap();
    }
    deployment.start_all();
    let mut left = usize::MAX;
    for _ in 0..200 {
        left = deployment.stored_objects(0).len();
        if left == documents {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let partial = before.iter().filter(|file| file.to_string_lossy().contains('#')).count();
    println!("{} files before the sweeper, {partial} in part; {left} after", before.len());
    assert_eq!(left, documents, "{:?}", deployment.stored_objects(0));
}

/// Small ones, and some that are stored in several parts.
fn letters() -> Arc<Vec<Letter>> {
    let letter = |n: u32| {
        let mut letter = Letter::text(PATIENT, n);
        if n % 4 == 3 {
            let line = format!("Line of letter {n}.\n");
            letter.bytes = Bytes::from(line.repeat(150_000));
        }
        letter
    };
    Arc::new((0..DOCUMENTS).map(letter).collect())
}

const DOCUMENTS: u32 = 24;
const ROUNDS: u32 = 9;
/// About as long as publishing all takes on a slow machine.
const MAX_DELAY_MS: u64 = 700;
