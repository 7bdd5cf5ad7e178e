use std::time::{Duration, Instant};

use bytes::Bytes;
use carerecord_testkit::{Deployment, Letter, NODES, PATIENT, Role};
use serde_json::Value;

/// The sender learns what became of each submission; nobody else learns that there is one.
pub async fn a_sender_can_look_up_what_became_of_it(deployment: Deployment) {
    let letter = Letter::text(PATIENT, 1);
    let node = deployment.node(0);
    let unknown = state(&deployment, 0, &letter).await;
    assert_eq!(unknown.0, 404);

    assert!(node.publish(&letter).await.unwrap().is_success());
    let (status, registered) = state(&deployment, 0, &letter).await;

    assert_eq!((status, registered["state"].as_str()), (200, Some("registered")), "{registered}");
    assert_eq!(registered["errors"].as_array().map(Vec::len), Some(0));
    let other = Letter {
        unique_id: "2.999.826.9.1.2".into(),
        bytes: Bytes::from_static(b"something else"),
        ..letter.clone()
    };
    // Another document under the id of the first one's submission is refused; that it is
    // registered stays true.
    let mixed = Letter { bytes: other.bytes.clone(), ..letter.clone() };
    assert!(!node.publish(&mixed).await.unwrap().is_success());
    assert_eq!(state(&deployment, 0, &letter).await.1["state"], "registered");
    deployment.assert_no_panic();
}

/// A node that keeps submissions while the registry is away: nothing is lost, in their order, over
/// a kill of the node.
pub async fn what_is_kept_is_registered_when_the_registry_is_back(mut deployment: Deployment) {
    let letters: Vec<Letter> = (1..=4).map(|n| Letter::text(PATIENT, n)).collect();
    let before = Letter::text(PATIENT, 9);
    assert!(deployment.node(KEEPS).publish(&before).await.unwrap().is_success());
    deployment.kill(Role::Registry);
    // Under an id that is registered nothing is kept: what is not kept is not acknowledged.
    let again = deployment.node(KEEPS).publish(&before).await.unwrap();
    assert_eq!(again.error_codes(), ["XDSRegistryNotAvailable"]);
    assert!(!again.is_success(), "{}", again.envelope);
    assert_eq!(state(&deployment, KEEPS, &before).await.1["state"], "registered");
    let refused = deployment.node(0).publish(&letters[0]).await.unwrap();
    assert_eq!(refused.error_codes(), ["XDSRegistryNotAvailable"]);
    assert!(!refused.is_success());

    for letter in &letters {
        for _ in 0..2 {
            let kept = deployment.node(KEEPS).publish(letter).await.unwrap();
            assert!(kept.is_success(), "{}", kept.envelope);
            assert_eq!(kept.error_codes(), ["XDSRegistryNotAvailable"], "a warning");
        }
        assert_eq!(state(&deployment, KEEPS, letter).await.1["state"], "kept");
    }
    let other = Letter { bytes: Bytes::from_static(b"something else"), ..letters[0].clone() };
    let mixed = deployment.node(KEEPS).publish(&other).await.unwrap();
    assert_eq!(mixed.error_codes(), ["XDSDuplicateUniqueIdInRegistry"]);
    deployment.kill(Role::Node(KEEPS));
    deployment.start(Role::Node(KEEPS));
    assert_eq!(state(&deployment, KEEPS, &letters[0]).await.1["state"], "kept");
    deployment.start(Role::Registry);

    for letter in &letters {
        let deadline = Instant::now() + Duration::from_secs(90);
        while state(&deployment, KEEPS, letter).await.1["state"] != "registered" {
            assert!(Instant::now() < deadline, "it waits still");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    let (_, mut ids) = deployment.registry().find_documents(PATIENT).await.unwrap();
    ids.sort_unstable();
    let expected: Vec<&str> =
        letters.iter().chain([&before]).map(|l| l.unique_id.as_str()).collect();
    assert_eq!(ids, expected);
    for letter in &letters {
        let node = deployment.node(KEEPS);
        let given = node.retrieve(NODES[KEEPS].0, &[&letter.unique_id]).await.unwrap();
        assert_eq!(given.documents[&letter.unique_id], letter.bytes);
    }
    assert_eq!(deployment.stored_objects(KEEPS).len(), letters.len() + 1);
    deployment.assert_no_panic();
}

async fn state(deployment: &Deployment, node: usize, letter: &Letter) -> (u16, Value) {
    let path = format!("/submissions/{}.1", letter.unique_id);
    let answer = reqwest::get(deployment.url(Role::Node(node), &path)).await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap())
}

/// The node of the deployment that keeps.
const KEEPS: usize = 2;
