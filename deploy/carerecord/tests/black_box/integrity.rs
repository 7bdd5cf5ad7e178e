use bytes::Bytes;
use carerecord_testkit::{Deployment, Letter, NODES, PATIENT, Role, flip_byte};

/// A byte changes on the disk: the document is refused on every door, told of, and never given;
/// others are. Sent again, it is there again.
pub async fn a_damaged_document_is_refused_and_told_of(deployment: Deployment) {
    let node = deployment.node(0);
    let (damaged, sound) = (Letter::text(PATIENT, 1), Letter::text(PATIENT, 22));
    for letter in [&damaged, &sound] {
        assert!(node.publish(letter).await.unwrap().is_success());
    }
    let fhir = deployment.fhir().as_system().await;
    let found = fhir.documents(PATIENT).await;
    let url = found[&damaged.unique_id]["content"][0]["attachment"]["url"].as_str().unwrap();
    flip(&deployment, &damaged);

    for _ in 0..2 {
        let both = [damaged.unique_id.as_str(), sound.unique_id.as_str()];
        let given = node.retrieve(NODES[0].0, &both).await.unwrap();
        assert_eq!(given.exchange.error_codes(), ["XDSRepositoryError"]);
        assert_eq!(given.documents.len(), 1);
        assert_eq!(given.documents[&sound.unique_id], sound.bytes);
        let (status, outcome) = fhir.get(url).await.unwrap();
        assert!(status >= 500, "{status}");
        assert!(String::from_utf8_lossy(&outcome).contains("OperationOutcome"));
    }

    let audit = deployment.audit(Role::Node(0));
    let alarms: Vec<_> = audit.iter().filter(|e| e["interaction"] == "integrity alarm").collect();
    assert_eq!(alarms.len(), 1, "told of once, and refused from then on");
    assert_eq!(alarms[0]["documents"][0]["id"], damaged.unique_id);
    let said = deployment.process(Role::Node(0)).said();
    assert!(said.contains("a stored document is damaged"), "{said}");
    assert!(!said.contains(PATIENT) && !said.contains(&damaged.unique_id), "{said}");

    assert!(node.publish(&damaged).await.unwrap().is_success());
    let given = node.retrieve(NODES[0].0, &[&damaged.unique_id]).await.unwrap();
    assert_eq!(given.documents[&damaged.unique_id], damaged.bytes);

    // What has gone from the disk is likewise told of and made good.
    std::fs::remove_file(deployment.object_of(&sound)).unwrap();
    let given = node.retrieve(NODES[0].0, &[&sound.unique_id]).await.unwrap();
    assert_eq!(given.exchange.error_codes(), ["XDSRepositoryError"]);
    assert!(node.publish(&sound).await.unwrap().is_success());
    let given = node.retrieve(NODES[0].0, &[&sound.unique_id]).await.unwrap();
    assert_eq!(given.documents[&sound.unique_id], sound.bytes);
    deployment.assert_no_panic();
}

/// A long document leaves while it is checked: when it is wrong the connection ends before its
/// last bytes, whoever it goes through.
pub async fn a_damaged_long_document_is_broken_off(deployment: Deployment) {
    let node = deployment.node(0);
    let bytes: Bytes = (0..3u32 << 20).map(|n| (n % 251) as u8).collect();
    let letter = Letter { bytes, ..Letter::text(PATIENT, 1) };
    assert!(node.publish(&letter).await.unwrap().is_success());
    let fhir = deployment.fhir().as_system().await;
    let found = fhir.documents(PATIENT).await;
    let url = found[&letter.unique_id]["content"][0]["attachment"]["url"].as_str().unwrap();
    let (status, whole) = fhir.get(url).await.unwrap();
    assert_eq!((status, &whole), (200, &letter.bytes));
    flip(&deployment, &letter);

    assert!(fhir.get(url).await.is_err(), "it came whole");
    let given = node.retrieve(NODES[0].0, &[&letter.unique_id]).await.unwrap();
    assert_eq!(given.exchange.error_codes(), ["XDSRepositoryError"], "it was not taken out of use");
    deployment.assert_no_panic();
}

/// Changes one byte of the object that holds a letter.
fn flip(deployment: &Deployment, letter: &Letter) {
    flip_byte(&deployment.object_of(letter));
}
