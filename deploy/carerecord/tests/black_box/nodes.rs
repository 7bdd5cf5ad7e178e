//! The directory of nodes: changed while the portal runs, ill nodes, and the doctor.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use carerecord_testkit::foreign::{ForeignRepository, Manner};
use carerecord_testkit::{
    Browser, Deployment, Fhir, GP, Letter, NODES, PATIENT, Role, SOURCE_DEADLINE, sources,
};

/// Nodes come and go with the file; one that cannot be used changes nothing and is told of.
pub async fn the_directory_changes_without_a_restart(mut deployment: Deployment) {
    let file = deployment.file("nodes.toml");
    let ours = |numbers: &[usize]| numbers.iter().map(|n| own(&deployment, *n, "")).collect();
    let (two, three): (String, String) = (ours(&[0, 1]), ours(&[0, 1, 2]));
    use_directory(&mut deployment, &two);
    let fhir = deployment.fhir().as_system().await;
    assert_eq!(states(&fhir).await.len(), 2);
    let started = deployment.process(Role::Portal).id();

    std::fs::write(&file, &three).unwrap();
    eventually(async || states(&fhir).await.len() == 3).await;
    std::fs::write(&file, "[[node]]\nid = \"2.999.826.1.1\"\nname = 7\n").unwrap();
    eventually(async || admin(&deployment, "health/ready").await.contains("nodes.toml, line 3"))
        .await;
    let metrics = admin(&deployment, "metrics").await;
    let still = states(&fhir).await;
    std::fs::write(&file, &two).unwrap();
    let sent = Command::new("kill").args(["-HUP", &started.to_string()]).status().unwrap();
    assert!(sent.success());
    eventually(async || states(&fhir).await.len() == 2).await;

    assert_eq!(still.len(), 3, "the last good directory is asked: {still:?}");
    assert!(metrics.contains("node_directory_ok 0"), "{metrics}");
    assert!(
        metrics.contains("node_requests_total{node=\"2.999.826.1.1\",what=\"probe\""),
        "{metrics}"
    );
    let ready = admin(&deployment, "health/ready").await;
    assert!(ready.contains("\"status\":\"ready\"") && !ready.contains("problem"), "{ready}");
    assert!(admin(&deployment, "metrics").await.contains("node_directory_ok 1"));
    assert_eq!(deployment.process(Role::Portal).id(), started, "SIGHUP does not end it");
    deployment.assert_no_panic();
}

/// One node hangs, one refuses, one answers garbage: list and search answer within the deadline,
/// and the truth about each is told; one that is left alone is asked again when its time has come.
pub async fn of_ill_nodes_the_truth_is_told_within_the_deadline(mut deployment: Deployment) {
    let letter = Letter::text(PATIENT, 0);
    assert!(deployment.node(0).publish(&letter).await.unwrap().is_success());
    let mut ill = Vec::new();
    let mut directory = own(&deployment, 0, "");
    for (n, manner) in
        [Manner::Hang, Manner::Unavailable, Manner::Page, Manner::Fault].into_iter().enumerate()
    {
        let id = format!("2.999.7.{n}");
        let node = ForeignRepository::start(&id).await;
        node.behave(manner);
        let limits = "limits = { breaker_failures = 3, breaker_pause_ms = 6000 }\n";
        directory += &of_others(&id, &format!("Trust {n}"), &[node.url()], limits);
        ill.push(node);
    }
    use_directory(&mut deployment, &directory);
    let fhir = deployment.fhir().as_system().await;
    let expected: HashMap<String, String> = [
        (NODES[0].0, "answered"),
        ("2.999.7.0", "late"),
        ("2.999.7.1", "refused"),
        ("2.999.7.2", "garbage"),
        ("2.999.7.3", "refused"),
    ]
    .map(|(id, state)| (id.to_owned(), state.to_owned()))
    .into();

    for more in ["status=current", "_content=pulse"] {
        let begun = Instant::now();
        let (status, bundle) = fhir.search("DocumentReference", PATIENT, more).await;
        let took = begun.elapsed();
        assert_eq!(status, 200, "{bundle}");
        assert!(took < SOURCE_DEADLINE + SLACK, "{more}: {took:?}");
        assert_eq!(sources(&bundle), expected, "{more}");
    }
    states(&fhir).await;
    let asked = ill[0].asked();
    let begun = Instant::now();
    let paused = states(&fhir).await;
    assert!(begun.elapsed() < SLACK, "{:?}", begun.elapsed());
    assert!(ill.iter().enumerate().all(|(n, _)| paused[&format!("2.999.7.{n}")] == "paused"));
    assert_eq!(ill[0].asked(), asked, "it is left alone");

    ill.iter().for_each(|node| node.behave(Manner::Plain));
    eventually(async || states(&fhir).await.values().all(|state| state == "answered")).await;
    ill[0].behave(Manner::Unavailable);
    let mut browser = Browser::sign_in(&deployment, GP).await;
    let list = browser.find(PATIENT).await;
    let (_, page) = browser.get(&list).await;
    let (_, item) = page.split_once("cr-sources__name\">Trust 0<").unwrap();
    let item = item.split_once("</li>").unwrap().0;
    assert!(item.contains("Would not answer"), "{item}");
    assert!(item.contains("Last answered less than a minute ago."), "{item}");
    deployment.assert_no_panic();
}

/// Every node of the directory is looked at, and what is wrong is told in words.
pub async fn the_doctor_looks_at_every_node(mut deployment: Deployment) {
    let mut nodes = Vec::new();
    let mut directory = own(&deployment, 0, "");
    for (n, manner) in [
        Manner::Plain,
        Manner::Page,
        Manner::Fault,
        Manner::OtherRepository,
        Manner::Hang,
        Manner::Redirect,
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("2.999.7.{n}");
        let node = ForeignRepository::start(&id).await;
        node.behave(manner);
        directory += &of_others(&id, &format!("Trust {n}"), &[node.url()], "");
        nodes.push(node);
    }
    let secret = "credentials = { kind = \"bearer\", token_file = \"missing.token\" }\n";
    directory += &of_others("2.999.7.20", "Trust 20", &[nodes[0].url()], secret);
    directory +=
        &of_others(NODES[1].0, "Trust 21", &["http://127.0.0.1:1/"], "").replace("ZEX99", "ZEX01");
    let elsewhere = format!(", search_url = \"{}/nowhere\" }}]", origin(nodes[0].url()));
    let no_search = own(&deployment, 2, "").replace(" }]", &elsewhere);
    directory += &no_search;
    deployment.use_directory(&directory);

    let done = deployment.run(&[
        "doctor",
        "--wait",
        "2",
        "--config",
        deployment.file("portal.toml").to_str().unwrap(),
    ]);
    let text = String::from_utf8(done.stdout).unwrap();
    std::fs::write(deployment.file("nodes.toml"), "[[node]]\n").unwrap();
    let broken =
        deployment.run(&["doctor", "--config", deployment.file("portal.toml").to_str().unwrap()]);
    let broken = String::from_utf8(broken.stdout).unwrap();

    assert!(!done.status.success(), "{text}");
    let of = |state: &str, name: &str| {
        let mut lines = text.lines();
        let line = lines.find(|l| l.starts_with(state) && l.contains(name));
        line.unwrap_or_else(|| panic!("nothing {state} of {name}: {text}")).to_owned()
    };
    of("ok", NODES[0].2);
    of("ok", "Trust 0 (2.999.7.0): gives documents");
    for (name, words) in [
        ("Trust 1 ", "does not speak XDS.b as we do: HTTP 200 OK, but no SOAP message"),
        ("Trust 2 ", "refuses with a SOAP fault: no such thing"),
        ("Trust 3 ", "is not the repository of this id"),
        ("Trust 4 ", "has not answered within 2 s"),
        ("Trust 5 ", "refuses with HTTP 302"),
        ("Trust 20 ", "missing.token cannot be read"),
        ("Trust 21 ", "by the access rules"),
        ("Trust 21 (2.999.826.1.2): http", "onnection refused"),
        ("its search", "there is none at"),
    ] {
        let line = of("WRONG", name);
        assert!(line.contains(words), "{line} should contain {words}");
    }
    assert!(text.contains("9 things are wrong."), "{text}");
    assert!(broken.contains("WRONG  directory of nodes:"), "{broken}");
    assert!(broken.contains("nodes.toml, line 1"), "{broken}");
    deployment.kill(Role::Portal);
}

/// Starts the portal anew with a directory in place of its sources.
pub fn use_directory(deployment: &mut Deployment, nodes: &str) {
    deployment.use_directory(nodes);
    deployment.kill(Role::Portal);
    deployment.start(Role::Portal);
}

/// A node of the deployment, as a directory has it.
fn own(deployment: &Deployment, n: usize, more: &str) -> String {
    let (id, organisation, name) = NODES[n];
    let url = format!("http://127.0.0.1:{}/xds/repository", deployment.port_for_portal(n));
    format!(
        "[[node]]\nid = \"{id}\"\nname = \"{name}\"\norganisation = \"{organisation}\"\n\
         kind = \"care-record\"\nendpoints = [{{ url = \"{url}\" }}]\n{more}\n"
    )
}

/// A node of others.
pub fn of_others(id: &str, name: &str, urls: &[&str], more: &str) -> String {
    let mut text = format!(
        "[[node]]\nid = \"{id}\"\nname = \"{name}\"\norganisation = \"ZEX99\"\nkind = \"xds-b\"\n\
         {more}\n"
    );
    for url in urls {
        writeln!(text, "[[node.endpoints]]\nurl = \"{url}\"").unwrap();
    }
    text
}

fn origin(url: &str) -> &str {
    let (origin, _) = url.split_once("/Repository").unwrap();
    origin
}

pub async fn states(fhir: &Fhir) -> HashMap<String, String> {
    let (status, bundle) = fhir.search("DocumentReference", PATIENT, "status=current").await;
    assert_eq!(status, 200, "{bundle}");
    sources(&bundle)
}

async fn admin(deployment: &Deployment, path: &str) -> String {
    let url = format!("http://127.0.0.1:{}/{path}", deployment.admin_port(Role::Portal));
    reqwest::get(url).await.unwrap().text().await.unwrap()
}

pub async fn eventually(is: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is().await {
        assert!(Instant::now() < deadline, "it did not come to be");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// What a busy machine may add.
pub const SLACK: Duration = Duration::from_millis(1500);
