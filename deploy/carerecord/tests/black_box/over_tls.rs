//! Every role in a process of its own, all by mutual TLS.

use carerecord_testkit::{Authority, Deployment, Letter, PATIENT, Role, Xds, trusting};

use super::BINARY;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roles_and_systems_know_each_other_by_their_certificates() {
    let deployment = Deployment::apart_over_tls(BINARY);
    let letter = Letter::text(PATIENT, 1);

    let published = deployment.node(0).publish(&letter).await.unwrap();
    assert!(published.is_success(), "{}", published.envelope);
    let (answer, found) = deployment.registry().find_documents(PATIENT).await.unwrap();
    assert!(answer.is_success() && !found.is_empty(), "{}", answer.envelope);

    let at_node = record(&deployment, Role::Node(0), "ITI-41");
    assert_eq!(
        (&at_node["actor"]["id"], &at_node["actor"]["known_by"]),
        (&"epr".into(), &"certificate".into())
    );
    let at_registry = record(&deployment, Role::Registry, "ITI-42");
    assert_eq!(at_registry["actor"]["id"], "node0", "the node shows its own certificate");

    let config = deployment.file("portal.toml").display().to_string();
    let doctor = deployment.run(&["doctor", "--config", &config]);
    let said = String::from_utf8(doctor.stdout).unwrap();
    assert!(doctor.status.success() && said.contains("Nothing is wrong"), "{said}");
    assert_eq!(record(&deployment, Role::Node(1), "ITI-43")["actor"]["id"], "portal");
    deployment.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_known_is_refused_and_recorded() {
    let deployment = Deployment::apart_over_tls(BINARY);
    let (ours, url) = (deployment.authority(), deployment.url(Role::Registry, "/xds/registry"));
    let stranger = ours.issue("stranger", &["stranger.example"], 50);
    let other = Authority::new("Another authority").issue("epr", &["epr.example"], 51);
    let ask = |http| {
        let xds = Xds::new(url.clone()).by(http);
        async move { xds.find_documents(PATIENT).await }
    };

    assert!(ask(trusting(&ours.pem).build().unwrap()).await.is_err(), "without a certificate");
    assert!(ask(other.client(&ours.pem)).await.is_err(), "of another authority");
    let refused = Xds::new(url.clone()).by(stranger.client(&ours.pem));
    let refused = refused.send("application/soap+xml", "<x/>").await.unwrap();
    assert_eq!(refused.status, 403);
    assert!(refused.envelope.contains("Fault"), "{}", refused.envelope);

    let records = deployment.audit(Role::Registry);
    let all = records.iter().filter(|e| e["interaction"] == "node authentication");
    let why: Vec<_> = all.map(|e| (e["outcome"].clone(), e["error"].to_string())).collect();
    assert_eq!(why.len(), 3, "{why:?}");
    assert!(why.iter().all(|(outcome, _)| outcome == "refused"), "{why:?}");
    assert!(why.iter().any(|(_, error)| error.contains("CN=stranger")), "{why:?}");
    deployment.assert_no_panic();
}

/// The newest record of an interaction.
fn record(deployment: &Deployment, role: Role, interaction: &str) -> serde_json::Value {
    let mut all = deployment.audit(role);
    all.retain(|e| e["interaction"].as_str().is_some_and(|i| i.starts_with(interaction)));
    all.pop().unwrap_or_else(|| panic!("no record of {interaction}"))
}
