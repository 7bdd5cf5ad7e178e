use std::time::{Duration, Instant};

use bytes::Bytes;
use carerecord_testkit::{Deployment, Letter, NODES, PATIENT, Role, S3Fault};

/// Whatever the object store does, its node says so in time, loses nothing and goes on afterwards.
pub async fn a_store_that_fails_is_told_of_and_nothing_is_lost(deployment: Deployment) {
    let (node, store) = (deployment.node(0), deployment.store());
    let long: Bytes = (0..9u32 << 20).map(|n| (n % 251) as u8).collect();
    let kept = [Letter::text(PATIENT, 1), Letter { bytes: long, ..Letter::text(PATIENT, 2) }];
    for letter in &kept {
        assert!(node.publish(letter).await.unwrap().is_success());
    }
    for (n, (fault, code, words)) in [
        (S3Fault::Broken, "XDSRepositoryError", "the object store failed"),
        (S3Fault::Slow(Duration::from_secs(60)), "XDSRepositoryError", "does not answer in time"),
        (S3Fault::Full, "XDSRepositoryOutOfResources", "the object store is full"),
    ]
    .into_iter()
    .enumerate()
    {
        let letter = Letter::text(PATIENT, 10 + n as u32);
        store.fail(fault);
        let begun = Instant::now();

        let refused = node.publish(&letter).await.unwrap();

        assert_eq!(refused.error_codes(), [code], "{}", refused.envelope);
        assert!(refused.envelope.contains(words), "{}", refused.envelope);
        if fault != S3Fault::Full {
            let given = node.retrieve(NODES[0].0, &[&kept[0].unique_id]).await.unwrap();
            assert_eq!(given.exchange.error_codes(), ["XDSRepositoryError"]);
            let health = deployment.readiness(Role::Node(0)).await;
            assert!(health.contains("documents of repository"), "{health}");
            assert!(health.contains(r#""ok":false"#), "{health}");
        }
        assert!(begun.elapsed() < Duration::from_secs(25), "{fault:?}: {:?}", begun.elapsed());
        store.repair();
        let ids = [kept[0].unique_id.as_str(), kept[1].unique_id.as_str()];
        let given = node.retrieve(NODES[0].0, &ids).await.unwrap();
        assert!(kept.iter().all(|l| given.documents[&l.unique_id] == l.bytes), "{fault:?}");
        assert!(node.publish(&letter).await.unwrap().is_success());
    }
    let (_, ids) = deployment.registry().find_documents(PATIENT).await.unwrap();
    assert_eq!(ids.len(), 5, "{ids:?}");
    let said = deployment.process(Role::Node(0)).said();
    assert!(!said.contains("alarm") && !said.contains("damaged"), "{said}");
    deployment.assert_no_panic();
}

/// Answers that break off in their middle are gone on with; when they always do, the reader's does
/// too, and nobody has all of what is not whole.
pub async fn answers_that_break_off_are_gone_on_with(deployment: Deployment) {
    let (node, store) = (deployment.node(0), deployment.store());
    let bytes: Bytes = (0..9u32 << 20).map(|n| (n % 251) as u8).collect();
    let letter = Letter { bytes, ..Letter::text(PATIENT, 1) };
    assert!(node.publish(&letter).await.unwrap().is_success());

    store.fail_times(S3Fault::Cut, 2);
    let given = node.retrieve(NODES[0].0, &[&letter.unique_id]).await.unwrap();
    assert!(given.documents[&letter.unique_id] == letter.bytes);

    store.fail(S3Fault::Cut);
    assert!(node.retrieve(NODES[0].0, &[&letter.unique_id]).await.is_err(), "it came whole");
    store.repair();
    let given = node.retrieve(NODES[0].0, &[&letter.unique_id]).await.unwrap();
    assert!(given.documents[&letter.unique_id] == letter.bytes, "it was taken out of use");
    deployment.assert_no_panic();
}

/// `carerecord doctor` says what is wrong with a store.
pub async fn the_doctor_asks_the_store(deployment: Deployment) {
    let config = deployment.file("node0.toml");
    let doctor = || {
        let output = deployment.run(&["doctor", "--config", config.to_str().unwrap()]);
        String::from_utf8(output.stdout).unwrap()
    };
    let what = format!("documents of node {}", NODES[0].0);
    let said = tokio::task::block_in_place(doctor);
    assert!(said.contains(&format!("ok     {what}: the store answers")), "{said}");

    deployment.store().fail(S3Fault::Broken);
    let said = tokio::task::block_in_place(doctor);
    assert!(said.contains(&format!("WRONG  {what}: the object store failed")), "{said}");

    deployment.store().repair();
    std::fs::write(deployment.file("s3.secret"), "another").unwrap();
    let said = tokio::task::block_in_place(doctor);
    assert!(said.contains("the object store refuses the credentials"), "{said}");
    assert!(!said.contains("another"), "{said}");
}
