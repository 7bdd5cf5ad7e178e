use std::process::Output;
use std::time::{Duration, Instant};

use carerecord_testkit::{Deployment, Letter, NODES, PATIENT, Role};

/// From the report over holds and approval to destruction: what is held stays, what is removed is
/// gone on every door and in the registry, and its bytes after the grace.
pub async fn what_is_due_goes_and_what_is_held_stays(mut deployment: Deployment) {
    let letters: [Letter; 4] =
        std::array::from_fn(|n| Letter::text(if n == 1 { OTHER } else { PATIENT }, n as u32 + 1));
    for letter in &letters {
        assert!(deployment.node(0).publish(letter).await.unwrap().is_success());
    }
    restart_with_rules(&mut deployment);
    let tool = |arguments: &[&str]| tool(&deployment, arguments);
    let person = deployment.file("person.txt");
    std::fs::write(&person, format!("{OTHER}\n")).unwrap();
    let by = ["--by", "records manager", "--reason", "inquiry 7"];
    let hold = |more: &[&str]| said(tool(&[&["hold"], more, &by].concat()));

    let first = said(tool(&["report"]));
    hold(&["h-person", "--patient-file", person.to_str().unwrap()]);
    hold(&["h-letter", "--document", &letters[2].unique_id]);
    let again = tool(&[&["hold", "h-letter", "--all"], &by[..]].concat());
    let second = said(tool(&["report"]));
    let would = said(tool(&["approve", "--by", "R. M.", "--reason", "review 1"]));

    assert!(first.contains("4 due") && first.contains("gone: Everything at once"), "{first}");
    assert!(!again.status.success(), "a name for two holds");
    assert!(second.contains("2 due,") && second.contains("2 due, but held"), "{second}");
    assert!(would.contains("2 due") && would.contains("--remove"), "{would}");
    assert_eq!(deployment.registry().find_documents(PATIENT).await.unwrap().1.len(), 3);

    let before = deployment.stored_objects(0).len();
    let approve = ["approve", "--by", "R. M.", "--reason", "review 1", "--remove"];
    let removed = said(tool(&approve));
    assert!(removed.contains("2 documents removed"), "{removed}");
    let ids: Vec<&str> = letters.iter().map(|l| l.unique_id.as_str()).collect();
    let given = deployment.node(0).retrieve(NODES[0].0, &ids).await.unwrap();
    assert_eq!(given.exchange.error_codes(), ["XDSDocumentUniqueIdError"; 2]);
    assert_eq!(given.documents.len(), 2);
    let certificates = wait_for_destruction(&deployment, 2).await;
    assert_eq!(before - deployment.stored_objects(0).len(), 2);
    for c in &certificates {
        assert!([ids[0], ids[3]].contains(&c["uniqueId"].as_str().unwrap()), "{c}");
        assert_eq!((&c["rule"], &c["approvedBy"]), (&"gone".into(), &"R. M.".into()), "{c}");
        assert_eq!(c["registryOwed"], false, "{c}");
    }
    for (patient, left) in [(PATIENT, &ids[2]), (OTHER, &ids[1])] {
        assert_eq!(deployment.registry().find_documents(patient).await.unwrap().1, [*left]);
    }

    said(tool(&["lift", "h-person", "--by", "records manager"]));
    assert!(!tool(&["lift", "h-person", "--by", "records manager"]).status.success());
    let holds = said(tool(&["holds"]));
    assert!(holds.contains("h-letter") && holds.contains("lifted"), "{holds}");
    assert!(!holds.contains(OTHER), "{holds}");
    let removed = said(tool(&approve));
    assert!(removed.contains("1 documents removed"), "{removed}");
    let audit = deployment.audit(Role::Node(0));
    for what in ["legal hold", "legal hold lifted", "removal at the end of retention"] {
        assert!(audit.iter().any(|e| e["interaction"] == what), "{what}");
    }
    assert_eq!(audit.iter().filter(|e| e["interaction"] == "destruction").count(), 2);
    let everything = said(deployment.run_audit(Role::Node(0), &["--json", "--limit", "100000"]));
    for list in ["report", "certificates", "holds"] {
        assert!(everything.contains(&format!("\"retention {list}\"")), "{list}");
    }
    deployment.assert_no_panic();
}

/// A node whose rules let everything go at once, and whose grace is over at once.
fn restart_with_rules(deployment: &mut Deployment) {
    let file = deployment.file("node0.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let (node, more) = ("[[repository]]\n", "retention = { rules = \"gone.toml\" }\n");
    let config = config.replace(node, &format!("{node}{more}"));
    let (id, more) = ("node = { repository_unique_id", "node = { grace_days = 0, ");
    let config = config.replace(id, &format!("{more}repository_unique_id"));
    std::fs::write(&file, config).unwrap();
    let rules =
        "version = \"t\"\n[[rule]]\nid = \"gone\"\ntitle = \"Everything at once\"\nyears = 0\n";
    std::fs::write(deployment.file("gone.toml"), rules).unwrap();
    deployment.kill(Role::Node(0));
    deployment.start(Role::Node(0));
}

async fn wait_for_destruction(deployment: &Deployment, count: usize) -> Vec<serde_json::Value> {
    let started = Instant::now();
    loop {
        let lines = said(tool(deployment, &["certificates", "--json"]));
        let all: Vec<serde_json::Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        if all.iter().filter(|c| !c["destroyedAt"].is_null()).count() == count {
            return all;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{lines}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn tool(deployment: &Deployment, arguments: &[&str]) -> Output {
    let config = deployment.file("node0.toml");
    let config = ["--config", config.to_str().unwrap()];
    deployment.run(&[&["retention"], arguments, &config].concat())
}

fn said(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const OTHER: &str = "9990001138";
