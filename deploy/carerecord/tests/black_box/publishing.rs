use bytes::Bytes;
use carerecord_testkit::{
    Browser, Deployment, GP, Letter, NODES, PATIENT, Role, sha1_base64, sources,
};

/// Three letters at three nodes: FHIR, ITI-18, ITI-43 and the web page have them at once.
pub async fn what_is_published_is_in_the_next_answer_on_every_door(deployment: Deployment) {
    let fhir = deployment.fhir().as_system().await;
    let mut browser = Browser::sign_in(&deployment, GP).await;
    let list = browser.find(PATIENT).await;
    for n in 0..3 {
        let letter = Letter::text(PATIENT, n);
        let answer = deployment.node(n as usize).publish(&letter).await.unwrap();
        assert!(answer.is_success(), "{}", answer.envelope);

        let found = fhir.documents(PATIENT).await;
        assert_eq!(found.len() as u32, n + 1);
        let attachment = &found[&letter.unique_id]["content"][0]["attachment"];
        assert_eq!(attachment["hash"], sha1_base64(&letter.bytes));
        assert_eq!(attachment["size"], letter.bytes.len());
        let (status, bytes) = fhir.get(attachment["url"].as_str().unwrap()).await.unwrap();
        assert_eq!((status, &bytes), (200, &letter.bytes));

        let (answer, ids) = deployment.registry().find_documents(PATIENT).await.unwrap();
        assert!(answer.is_success(), "{}", answer.envelope);
        assert!(ids.contains(&letter.unique_id) && ids.len() as u32 == n + 1, "{ids:?}");

        let node = deployment.node(n as usize);
        let given = node.retrieve(NODES[n as usize].0, &[&letter.unique_id]).await.unwrap();
        assert!(given.exchange.is_success(), "{}", given.exchange.envelope);
        assert_eq!(given.documents[&letter.unique_id], letter.bytes);

        let (status, page) = browser.get(&list).await;
        assert_eq!(status, 200);
        assert!(page.contains(&letter.title), "{page}");
    }
    let (_, bundle) = fhir.search("DocumentReference", PATIENT, "status=current").await;
    let states = sources(&bundle);
    assert_eq!(states.len(), 3, "{bundle}");
    assert!(states.values().all(|state| state == "answered"), "{states:?}");
    deployment.assert_no_panic();
}

/// The same message again is taken and changes nothing; other bytes under the same id are refused
/// and nothing of them stays.
pub async fn a_repeat_changes_nothing_and_other_bytes_are_refused(deployment: Deployment) {
    let letter = Letter::text(PATIENT, 1);
    let node = deployment.node(0);
    for _ in 0..3 {
        let answer = node.publish(&letter).await.unwrap();
        assert!(answer.is_success(), "{}", answer.envelope);
    }
    let other = Letter { bytes: Bytes::from_static(b"something else"), ..letter.clone() };

    let refused = node.publish(&other).await.unwrap();

    assert_eq!(refused.status, 200);
    assert!(!refused.error_codes().is_empty(), "{}", refused.envelope);
    assert!(!refused.is_success());
    let (_, ids) = deployment.registry().find_documents(PATIENT).await.unwrap();
    assert_eq!(ids, [letter.unique_id.as_str()]);
    let given = node.retrieve(NODES[0].0, &[&letter.unique_id]).await.unwrap();
    assert_eq!(given.documents[&letter.unique_id], letter.bytes);
    assert_eq!(deployment.stored_objects(0).len(), 1);
    deployment.assert_no_panic();
}

/// The source system's tool, a node that is killed, and the tool again.
pub async fn published_documents_survive_a_kill(mut deployment: Deployment) {
    let file = deployment.file("note.txt");
    std::fs::write(&file, "Blood pressure 120/80 mmHg, pulse 64/min.").unwrap();
    let node = deployment.url(Role::Node(0), "/xds/repository");
    let arguments = [
        ["publish", "--patient", "9990001006", "--give-up", "0", "--node", &node].as_slice(),
        &[file.to_str().unwrap()],
    ]
    .concat();

    let first = deployment.run(&arguments);
    deployment.kill(Role::Node(0));
    let while_down = deployment.run(&arguments);
    deployment.start_all();
    let again = deployment.run(&arguments);

    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(first.status.success(), "{}", text(&first.stdout));
    assert_eq!(while_down.status.code(), Some(2), "{}", text(&while_down.stdout));
    assert!(again.status.success(), "{}", text(&again.stdout));
    let fhir = deployment.fhir().as_system().await;
    assert_eq!(fhir.documents("9990001006").await.len(), 1);
    let recorded = |role: Role, interaction: &str| {
        deployment.audit(role).iter().any(|event| event["interaction"] == interaction)
    };
    assert!(recorded(Role::Registry, "ITI-42"));
    assert!(recorded(Role::Node(0), "ITI-41"));
}

/// Two submissions under one id at the same time: one is taken when the bytes differ, both when
/// they are the same, and what is given back is what was taken.
pub async fn submissions_that_meet_never_mix(deployment: Deployment) {
    let node = deployment.node(0);
    for n in 0..MEETINGS {
        let one = Letter::text(PATIENT, n);
        let other = match n % 2 {
            0 => Letter { bytes: Bytes::from(format!("Other letter {n}.\n")), ..one.clone() },
            _ => one.clone(),
        };

        let (a, b) = tokio::join!(node.publish(&one), node.publish(&other));

        let (a, b) = (a.unwrap(), b.unwrap());
        let taken = match (a.is_success(), b.is_success()) {
            (true, false) if n % 2 == 0 => &one,
            (false, true) if n % 2 == 0 => &other,
            (true, true) if n % 2 == 1 => &one,
            _ => panic!("meeting {n}: {}\n{}", a.envelope, b.envelope),
        };
        let given = node.retrieve(NODES[0].0, &[&one.unique_id]).await.unwrap();
        assert!(given.exchange.is_success(), "meeting {n}: {}", given.exchange.envelope);
        assert_eq!(given.documents[&one.unique_id], taken.bytes, "meeting {n}");
    }
    let fhir = deployment.fhir().as_system().await;
    let found = fhir.documents(PATIENT).await;
    assert_eq!(found.len() as u32, MEETINGS);
    for (id, resource) in &found {
        let attachment = &resource["content"][0]["attachment"];
        let (status, bytes) = fhir.get(attachment["url"].as_str().unwrap()).await.unwrap();
        assert_eq!((status, &attachment["hash"]), (200, &sha1_base64(&bytes).into()), "{id}");
    }
    assert_eq!(deployment.stored_objects(0).len() as u32, MEETINGS, "spare objects stay");
    deployment.assert_no_panic();
}

const MEETINGS: u32 = 40;
