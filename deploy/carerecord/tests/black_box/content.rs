use std::time::{Duration, Instant};

use bytes::Bytes;
use carerecord_testkit::{Deployment, Fhir, GP, Letter, NODES, PATIENT, Role, consent_of};
use serde_json::{Value, json};

/// Three letters at three nodes, by what is in them, until they are removed or
/// objected to, and after a kill and a rebuild.
pub async fn what_is_inside_is_found_until_it_may_not_be(mut deployment: Deployment) {
    let gp = deployment.fhir().as_person(GP).await;
    let texts = [
        "Known asthma since childhood. Fractured left ankle in 2019.",
        "Seen for astma review; peak flow 430.",
        "Social care plan: needs help with stairs. Asthma <b>pump</b> at hand.",
    ];
    for (n, text) in texts.into_iter().enumerate() {
        publish(&deployment, n, text).await;
        wait_for(&gp, PATIENT, "asthma", n + 1).await;
    }

    let (bundle, all) = found(&gp, "asthma").await;
    assert_eq!((all.len(), &bundle["total"]), (3, &json!(3)), "{bundle}");
    assert_eq!(all[2], id(1), "a slip counts least: {bundle}");
    assert_eq!(bundle["entry"][0]["search"]["score"], 1.0, "{bundle}");
    let text = bundle.to_string();
    assert!(text.contains("{\"url\":\"match\",\"valueString\":\"astma\"}"), "{text}");
    for (words, expected) in [
        ("asthma fracture", vec![id(0)]),
        ("%22left ankle%22", vec![id(0)]),
        ("broken ankle", vec![id(0)]),
        ("stair*", vec![id(2)]),
        ("asthma -ankle -review", vec![id(2)]),
        ("pneumonia", vec![]),
        ("asthma&type=1", vec![]),
    ] {
        assert_eq!(found(&gp, words).await.1, expected, "{words}");
    }

    let objection = object_to(&gp, &all[0], &bundle).await;
    let (bundle, left) = found(&gp, "asthma").await;
    assert_eq!((left.len(), &bundle["total"]), (2, &json!(2)), "{bundle}");
    assert!(!left.contains(&all[0]), "{bundle}");
    lift(&gp, &objection).await;
    assert_eq!(found(&gp, "asthma").await.1, all);

    deployment.kill(Role::Node(0));
    deployment.start_all();
    let gp = deployment.fhir().as_person(GP).await;
    assert_eq!(found(&gp, "asthma").await.1, all, "after a kill");
    publish_late(&deployment, &gp).await;
    deployment.assert_no_panic();
}

/// The tool builds an index again while the node serves, where it does not, and what is lost or
/// broken comes back by itself.
pub async fn an_index_is_built_again(mut deployment: Deployment) {
    let gp = deployment.fhir().as_person(GP).await;
    publish(&deployment, 0, "Known asthma.").await;
    wait_for(&gp, PATIENT, "asthma", 1).await;
    let config = deployment.file("node0.toml");
    let config = config.to_str().unwrap();
    let folder = deployment.data(Role::Node(0)).join(format!("node-{}/search", NODES[0].0));
    let said = |arguments: &[&str]| {
        let output = deployment.run(arguments);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.success(), text(&output.stdout), text(&output.stderr))
    };

    let serving = said(&["reindex", "--config", config, "--node", NODES[0].0]);
    let nobody = said(&["reindex", "--config", config, "--node", "2.999.9"]);

    let words = format!("Node {}: 1 indexed, by the node itself.\n", NODES[0].0);
    assert_eq!((serving.0, serving.1), (true, words), "{}", serving.2);
    assert!(!nobody.0 && nobody.2.contains("no such [[repository]]"), "{}", nobody.2);
    assert_eq!(found(&gp, "asthma").await.1, [id(0)]);

    deployment.kill(Role::Node(0));
    std::fs::remove_dir_all(&folder).unwrap();
    let stopped = deployment.run(&["reindex", "--config", config]);
    assert!(stopped.status.success(), "{}", String::from_utf8_lossy(&stopped.stderr));
    deployment.start(Role::Node(0));
    assert_eq!(found(&gp, "asthma").await.1, [id(0)], "there before the node was");

    deployment.kill(Role::Node(0));
    std::fs::write(folder.join("v1/meta.json"), "nonsense").unwrap();
    deployment.start(Role::Node(0));
    wait_for(&gp, PATIENT, "asthma", 1).await;
    deployment.assert_no_panic();
}

/// A document that a node has taken is searchable after a kill, too, and until it is removed.
async fn publish_late(deployment: &Deployment, gp: &Fhir) {
    let letter = Letter { bytes: Bytes::from("Eczema."), ..Letter::text(PATIENT, 9) };
    let answer = deployment.node(0).publish(&letter).await.unwrap();
    assert!(answer.is_success(), "{}", answer.envelope);
    wait_for(gp, PATIENT, "eczema", 1).await;
    // Where the roles are apart nobody comes in who may remove.
    if !deployment.is_apart() {
        let node = deployment.node(0);
        let answer = node.remove(NODES[0].0, &[&letter.unique_id]).await.unwrap();
        assert!(answer.is_success(), "{}", answer.envelope);
        assert!(found(gp, "eczema").await.1.is_empty(), "gone at once");
    }
}

async fn publish(deployment: &Deployment, n: usize, text: &'static str) {
    let letter = Letter { bytes: Bytes::from(text), ..Letter::text(PATIENT, n as u32) };
    let answer = deployment.node(n).publish(&letter).await.unwrap();
    assert!(answer.is_success(), "{}: {}", NODES[n].2, answer.envelope);
}

/// What is found, once it is so many documents.
pub async fn wait_for(gp: &Fhir, patient: &str, words: &str, count: usize) -> Vec<String> {
    let started = Instant::now();
    loop {
        let (bundle, ids) = found_of(gp, patient, words).await;
        if ids.len() == count {
            return ids;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{words}: {bundle}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The uniqueIds of what is found, in order.
async fn found(fhir: &Fhir, words: &str) -> (Value, Vec<String>) {
    found_of(fhir, PATIENT, words).await
}

async fn found_of(fhir: &Fhir, patient: &str, words: &str) -> (Value, Vec<String>) {
    let more = format!("_content={words}");
    let (status, bundle) = fhir.search("DocumentReference", patient, &more).await;
    assert_eq!(status, 200, "{bundle}");
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let matches = entries.iter().filter(|entry| entry["search"]["mode"] == "match");
    let ids = matches.map(|entry| {
        let value = entry["resource"]["masterIdentifier"]["value"].as_str().unwrap();
        value.trim_start_matches("urn:oid:").to_owned()
    });
    let ids = ids.collect();
    (bundle, ids)
}

fn id(n: u32) -> String {
    Letter::text(PATIENT, n).unique_id
}

async fn object_to(gp: &Fhir, unique_id: &str, bundle: &Value) -> (Value, String) {
    let entries = bundle["entry"].as_array().unwrap();
    let is_it = |entry: &&Value| {
        entry["resource"]["masterIdentifier"]["value"]
            .as_str()
            .is_some_and(|v| v.ends_with(unique_id))
    };
    let resource = &entries.iter().find(is_it).unwrap()["resource"];
    let document = format!("DocumentReference/{}", resource["id"].as_str().unwrap());
    let consent = consent_of(
        PATIENT,
        &json!({"type": "deny", "data": [
            {"meaning": "instance", "reference": {"reference": document}}]}),
    );
    let (status, stored) = gp.put("Consent", None, &consent).await;
    assert_eq!(status, 201, "{stored}");
    (consent, stored["id"].as_str().unwrap().to_owned())
}

async fn lift(gp: &Fhir, (consent, id): &(Value, String)) {
    let mut lifted = consent.clone();
    lifted["status"] = "inactive".into();
    let (status, answer) = gp.put("Consent", Some(id), &lifted).await;
    assert_eq!(status, 200, "{answer}");
}
