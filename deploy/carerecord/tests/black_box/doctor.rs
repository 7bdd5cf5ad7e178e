use carerecord_testkit::{Deployment, NODES, Role};

/// What is well is said to be; what is stopped, silent or another node is told in words.
pub async fn the_doctor_says_what_is_wrong(mut deployment: Deployment) {
    let (good, text) = doctor(&deployment, "portal.toml");
    assert!(good, "{text}");
    assert!(text.contains("Nothing is wrong."), "{text}");
    assert!(text.contains("registry: answers queries"), "{text}");
    for (_, _, name) in NODES {
        assert!(text.contains(&format!("ok     source {name}")), "{text}");
    }

    deployment.kill(Role::Node(1));
    deployment.process(Role::Node(2)).freeze();
    let portal = std::fs::read_to_string(deployment.file("portal.toml")).unwrap();
    let mistaken = portal.replace(NODES[0].0, "2.999.826.1.77");
    std::fs::write(deployment.file("mistaken.toml"), mistaken).unwrap();
    let (good, text) = doctor(&deployment, "mistaken.toml");
    deployment.process(Role::Node(2)).thaw();

    assert!(!good, "{text}");
    assert!(text.contains("3 things are wrong."), "{text}");
    let of = |name: &str| {
        let line = text.lines().find(|l| l.contains(name) && l.starts_with("WRONG"));
        line.unwrap_or_else(|| panic!("nothing of {name}: {text}")).to_owned()
    };
    assert!(of(NODES[0].2).contains("the delegation is for another node"), "{text}");
    assert!(of(NODES[1].2).contains("cannot be reached"), "{text}");
    assert!(of(NODES[2].2).contains("has not answered within 2 s"), "{text}");
    deployment.assert_no_panic();
}

fn doctor(deployment: &Deployment, file: &str) -> (bool, String) {
    let file = deployment.file(file);
    let done = deployment.run(&["doctor", "--wait", "2", "--config", file.to_str().unwrap()]);
    (done.status.success(), String::from_utf8(done.stdout).unwrap())
}
