use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use carerecord_testkit::{Deployment, Exchange, Fhir, Letter, NODES, PATIENT, Role, SmallDisk};

/// The disk of a role fills up while documents are published: whoever is not served is told so in
/// their own protocol, what was acknowledged stays, and when there is room again all goes on by
/// itself.
pub async fn a_full_disk(mut deployment: Deployment, of: Role) {
    let Some(disk) = SmallDisk::at(&deployment.data(of), MIB) else { return };
    deployment.start_all();
    let fhir = deployment.fhir().as_system().await;
    let mut acknowledged = BTreeSet::new();
    let before: Vec<Letter> = (0..4).map(letter).collect();
    for letter in &before {
        publish(&deployment, letter).await.unwrap();
        acknowledged.insert(letter.unique_id.clone());
    }

    disk.fill();

    let meanwhile: Vec<Letter> = (4..4 + WHILE_FULL).map(letter).collect();
    let mut refused = Vec::new();
    for letter in &meanwhile {
        match publish(&deployment, letter).await {
            Ok(()) => drop(acknowledged.insert(letter.unique_id.clone())),
            Err(refusal) => refused.push(refusal),
        }
        read(&deployment, &fhir, &acknowledged).await;
    }
    println!("{} of {WHILE_FULL} were refused: {:?}", refused.len(), refused.last());
    assert!(refused.len() > 3, "the disk was not full: {refused:?}");

    disk.free();

    for letter in &meanwhile {
        publish(&deployment, letter).await.unwrap();
    }
    let all: Vec<&Letter> = before.iter().chain(&meanwhile).collect();
    let (answer, ids) = deployment.registry().find_documents(PATIENT).await.unwrap();
    assert!(answer.is_success(), "{}", answer.envelope);
    let ids: BTreeSet<String> = ids.into_iter().collect();
    assert_eq!(ids, all.iter().map(|letter| letter.unique_id.clone()).collect());
    assert_eq!(fhir.documents(PATIENT).await.len(), all.len());
    for letter in all {
        let given = deployment.node(0).retrieve(NODES[0].0, &[&letter.unique_id]).await.unwrap();
        assert!(given.exchange.is_success(), "{}", given.exchange.envelope);
        assert!(given.documents[&letter.unique_id] == letter.bytes, "{}", letter.unique_id);
    }
    found_inside(&fhir, u64::from(4 + WHILE_FULL)).await;
    for role in [Role::Registry, Role::Node(0), Role::Portal] {
        let verified = deployment.run_audit(role, &["--verify"]);
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    }
    deployment.assert_no_panic();
}

/// Publishes; a refusal must be one that its sender can read.
async fn publish(deployment: &Deployment, letter: &Letter) -> Result<(), String> {
    let answer = deployment.node(0).publish(letter).await.unwrap();
    if answer.is_success() {
        return Ok(());
    }
    Err(refusal(&answer))
}

/// The XDS error, or the fault of a service that cannot record.
fn refusal(answer: &Exchange) -> String {
    if answer.status == 200 {
        let codes = answer.error_codes().join(", ");
        assert!(!codes.is_empty(), "{}", answer.envelope);
        return codes;
    }
    assert_eq!(answer.status, 503, "{}", answer.envelope);
    let fault = answer.fault().unwrap_or_else(|| panic!("no fault: {}", answer.envelope));
    assert!(answer.envelope.contains("cannot record accesses"), "{}", answer.envelope);
    fault
}

/// By SOAP and by FHIR: what was acknowledged is there, or it is said why nothing is answered.
async fn read(deployment: &Deployment, fhir: &Fhir, acknowledged: &BTreeSet<String>) {
    let (answer, ids) = deployment.registry().find_documents(PATIENT).await.unwrap();
    if answer.is_success() {
        let ids: BTreeSet<String> = ids.into_iter().collect();
        assert!(ids.is_superset(acknowledged), "{ids:?} {acknowledged:?}");
    } else {
        refusal(&answer);
    }
    let (status, found) = fhir.search("DocumentReference", PATIENT, "status=current").await;
    assert_eq!(found["resourceType"], if status == 200 { "Bundle" } else { "OperationOutcome" });
    if status == 200 {
        assert!(found["total"].as_u64().unwrap() >= acknowledged.len() as u64, "{found}");
    } else {
        // What cannot be recorded; or what cannot be decided, since the registry cannot be asked.
        let rule = &found["issue"][0]["details"]["coding"][0]["code"];
        assert!(status >= 500 || rule == "facts-unavailable", "{status} {found}");
        let words = found.to_string();
        let said = words.contains("just now") || words.contains("could not be asked");
        assert!(said, "{status} {found}");
    }
}

/// The index of the node has gone on too.
async fn found_inside(fhir: &Fhir, count: u64) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let (status, found) = fhir.search("DocumentReference", PATIENT, "_content=disk").await;
        if status == 200 && found["total"] == count {
            return;
        }
        assert!(Instant::now() < deadline, "{status} {found}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Long enough that a few of them are more than what a disk keeps in reserve.
fn letter(number: u32) -> Letter {
    let mut letter = Letter::text(PATIENT, number);
    // Few words: what is measured is room, not how fast a debug build finds them.
    let line = format!("A letter about a disk, number {number}.\n");
    letter.bytes = Bytes::from(format!("{line}{}", ".".repeat(320_000)));
    letter
}

/// Room for each role's database and a few documents.
const MIB: u32 = 96;
const WHILE_FULL: u32 = 24;
