//! The rules on disk while roles run, and at their next start.

use std::time::Duration;

use carerecord_testkit::{Deployment, Fhir, GP, Letter, NODES, PATIENT, Role};

/// Rules that are being changed count for nobody, half as they are; a start with half of them fails;
/// whole, they count from the next start of each role, and until then it goes by those that it has.
pub async fn rules_on_disk_count_whole_at_the_next_start(mut deployment: Deployment) {
    deployment.add_rules("");
    deployment.start_all();
    let title = "Termination of pregnancy: letter".to_owned();
    let withheld = Letter { title, ..Letter::text(PATIENT, 1) };
    let open = Letter::text(PATIENT, 2);
    for letter in [&withheld, &open] {
        assert!(deployment.node(0).publish(letter).await.unwrap().is_success());
    }
    let gp = deployment.fhir().as_person(GP).await;
    assert_eq!(doors(&deployment, &gp, &open).await, [true; 3]);
    assert_eq!(doors(&deployment, &gp, &withheld).await, [false; 3]);

    let (access, sensitivity) =
        (deployment.file("policy/access.toml"), deployment.file("policy/sensitivity.toml"));
    let whole = std::fs::read_to_string(&access).unwrap();
    std::fs::remove_file(&sensitivity).unwrap();
    std::fs::write(&access, &whole[..whole.len() / 2]).unwrap();
    // Other files are looked at every two seconds.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(doors(&deployment, &gp, &open).await, [true; 3], "half changed");
    assert_eq!(doors(&deployment, &gp, &withheld).await, [false; 3], "half changed");
    for role in ["registry", "node0", "portal"] {
        let config = deployment.file(&format!("{role}.toml")).display().to_string();
        let output = deployment.run(&["serve", "--config", &config]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("access.toml"), "{role}: {said}");
    }

    std::fs::write(&access, &whole).unwrap();
    let mut expected = [false; 3];
    for (n, role) in [Role::Registry, Role::Node(0), Role::Portal].into_iter().enumerate() {
        deployment.kill(role);
        deployment.start(role);
        expected[n] = true;
        assert_eq!(
            doors(&deployment, &gp, &withheld).await,
            expected,
            "{role:?} has the new rules"
        );
    }
    deployment.assert_no_panic();
}

/// Whether a letter is given by ITI-18 at the registry, ITI-43 at its node, and FHIR at the portal.
async fn doors(deployment: &Deployment, gp: &Fhir, letter: &Letter) -> [bool; 3] {
    let (_, ids) = deployment.registry().find_documents(PATIENT).await.unwrap();
    let given = deployment.node(0).retrieve(NODES[0].0, &[&letter.unique_id]).await.unwrap();
    let found = gp.documents(PATIENT).await;
    [
        ids.contains(&letter.unique_id),
        given.documents.contains_key(&letter.unique_id),
        found.contains_key(&letter.unique_id),
    ]
}
