use carerecord_testkit::{Browser, Deployment, Fhir, GP, Letter, NODES, NURSE, PATIENT, Role};
use serde_json::{Value, json};

/// ITI-81: what was done is found by person, user, organisation, document and request, in the logs
/// of all roles; an officer of an organisation sees its part, and the service desk one request
/// without the patient.
pub async fn who_looked_is_found_by_those_who_look_after_it(deployment: Deployment) {
    let letters: Vec<Letter> = (0..2).map(|n| Letter::text(PATIENT, n)).collect();
    for (n, letter) in letters.iter().enumerate() {
        assert!(deployment.node(n).publish(letter).await.unwrap().is_success());
    }
    let gp = deployment.fhir().as_person(GP).await.traced(REQUEST);
    let found = gp.documents(PATIENT).await;
    let document = |n: usize| found[&letters[n].unique_id].clone();
    let url = document(0)["content"][0]["attachment"]["url"].as_str().unwrap().to_owned();
    assert_eq!(gp.get(&url).await.unwrap().0, 200);
    let region = deployment.fhir().as_person(REGION).await;

    let patient = format!("patient.identifier=https://fhir.nhs.uk/Id/nhs-number|{PATIENT}");
    let id = document(0)["id"].as_str().unwrap().to_owned();
    for form in [
        format!("{patient}&agent={GP}"),
        format!("agent={GP}"),
        format!("organisation=A20047&{patient}"),
        format!("entity={id}&agent={GP}"),
        format!("entity={}&agent={GP}", letters[0].unique_id),
    ] {
        let (status, bundle) = region.search_form("AuditEvent", &form).await;
        assert_eq!(status, 200, "{bundle}");
        let mut done = interactions(&bundle);
        done.retain(|(log, _)| log == "portal");
        let expected = ["ITI-68 read Binary", "search DocumentReference"];
        assert_eq!(done.iter().map(|(_, what)| what).collect::<Vec<_>>(), expected, "{form}");
        assert_eq!(bundle["total"], events(&bundle).len(), "{form}");
        let logs = logs(&bundle);
        assert!(logs.len() == 5 && logs.iter().all(|(_, state)| state == "answered"), "{logs:?}");
    }
    trace(&deployment, &region).await;

    // What the hospital's officer sees is what was done with the hospital's letter, and no more.
    let officer = deployment.fhir().as_person(OFFICER).await;
    let (_, bundle) = officer.search_form("AuditEvent", &format!("{patient}&agent={GP}")).await;
    let mut done = interactions(&bundle);
    done.retain(|(log, _)| log == "portal");
    assert_eq!(done.len(), 2, "{bundle}");
    let other = document(1)["id"].as_str().unwrap().to_owned();
    assert!(bundle.to_string().contains(&id) && !bundle.to_string().contains(&other), "{bundle}");
    let (_, bundle) = officer.search_form("AuditEvent", &format!("entity={other}")).await;
    assert!(events(&bundle).iter().all(|e| !e.to_string().contains(GP)), "{bundle}");
    deployment.assert_no_panic();
}

/// One request, in the log of every role that took part in it.
async fn trace(deployment: &Deployment, region: &Fhir) {
    let desk = deployment.fhir().as_person(DESK).await;
    let form = format!("correlation={REQUEST}");
    let (status, bundle) = desk.search_form("AuditEvent", &form).await;
    assert_eq!(status, 200, "{bundle}");
    let done = interactions(&bundle);
    let of = |log: &str| done.iter().filter(|(l, _)| l == log).count();
    let came_in = |event: &&Value| {
        let text = event.to_string();
        text.contains("{\"url\":\"direction\",\"valueCode\":\"in\"}")
            && text.contains("{\"url\":\"urn:carerecord:log\",\"valueString\":\"portal\"}")
    };
    assert_eq!(events(&bundle).iter().filter(came_in).count(), 2, "{bundle}");
    if deployment.is_apart() {
        assert!(of("registry") >= 2, "{done:?}");
        // What the portal asked stands in its own log, too.
        assert!(of("portal") > 2, "{done:?}");
        assert!(done.contains(&(NODES[0].2.to_owned(), "ITI-43".to_owned())), "{done:?}");
    }
    for secret in [PATIENT, "nhs-number", "2.999.826.9"] {
        assert!(!bundle.to_string().contains(secret), "{secret}: {bundle}");
    }
    let (_, whole) = region.search_form("AuditEvent", &form).await;
    assert_eq!(interactions(&whole), done);
    assert!(whole.to_string().contains(PATIENT));
    let with_patient = format!("{form}&patient.identifier={PATIENT}");
    assert_eq!(desk.search_form("AuditEvent", &with_patient).await.0, 403);
}

/// Whoever may not search gets the same answer whatever is there, and each attempt is recorded.
pub async fn who_may_not_look_learns_nothing(deployment: Deployment) {
    assert!(deployment.node(0).publish(&Letter::text(PATIENT, 1)).await.unwrap().is_success());
    let gp = deployment.fhir().as_person(GP).await;
    assert_eq!(gp.documents(PATIENT).await.len(), 1);
    let mut attempts = 0;
    let mut answers = Vec::new();
    for who in [GP, NURSE, CLERK] {
        let person = deployment.fhir().as_person(who).await;
        for asked in [PATIENT, "9990001014", "9990001030"] {
            let (status, outcome) = person.search("AuditEvent", asked, "").await;
            assert_eq!(status, 403, "{outcome}");
            assert!(!outcome.to_string().contains(asked) && outcome.get("total").is_none());
            attempts += 1;
            if who != CLERK {
                answers.push(outcome);
            }
        }
        assert_eq!(person.search_form("AuditEvent", "correlation=x").await.0, 403);
        assert_eq!(person.resource(&format!("AuditEvent?agent={who}")).await.0, 403, "oneself");
        attempts += 2;
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    let system = deployment.fhir().as_system().await;
    assert_eq!(system.search("AuditEvent", PATIENT, "").await.0, 403);

    let events = deployment.audit(Role::Portal);
    let searched = events.iter().filter(|e| e["interaction"] == "ITI-81 search AuditEvent");
    let searched: Vec<&Value> = searched.collect();
    assert_eq!(searched.len(), attempts + 1);
    assert!(searched.iter().all(|e| e["outcome"] == "refused"), "{searched:?}");
    assert!(searched.iter().all(|e| e["decision"]["outcome"] == "deny"), "{searched:?}");
    let about = searched.iter().filter(|e| e["subject"] == PATIENT).count();
    assert_eq!(about, 4, "of whom it would have been");
    deployment.assert_no_panic();
}

/// A log that cannot be asked is named, and nothing is counted.
pub async fn a_log_that_does_not_answer_is_told_of(mut deployment: Deployment) {
    for n in 0..2 {
        let letter = Letter::text(PATIENT, n);
        assert!(deployment.node(n as usize).publish(&letter).await.unwrap().is_success());
    }
    let region = deployment.fhir().as_person(REGION).await;
    let (_, before) = region.search("AuditEvent", PATIENT, "").await;
    assert!(before["total"].as_u64().unwrap() >= 4, "{before}");
    deployment.kill(Role::Node(1));

    let (status, bundle) = region.search("AuditEvent", PATIENT, "").await;

    assert_eq!((status, bundle.get("total")), (200, None), "{bundle}");
    let down: Vec<_> = logs(&bundle).into_iter().filter(|(_, state)| state == "down").collect();
    assert_eq!(down, [(NODES[1].2.to_owned(), "down".to_owned())]);
    assert!(events(&bundle).len() >= 3);
}

/// The same on the web portal: the form, what is found in plain words, one request followed; the
/// service desk's form, and nobody else's.
pub async fn the_pages_tell_who_looked(deployment: Deployment) {
    assert!(deployment.node(0).publish(&Letter::text(PATIENT, 1)).await.unwrap().is_success());
    let gp = deployment.fhir().as_person(GP).await.traced(REQUEST);
    let found = gp.documents(PATIENT).await;
    let url = found.values().next().unwrap()["content"][0]["attachment"]["url"].clone();
    assert_eq!(gp.get(url.as_str().unwrap()).await.unwrap().0, 200);
    let refused = deployment.fhir().as_person(CLERK).await;
    assert_eq!(refused.search("DocumentReference", PATIENT, "status=current").await.0, 403);

    let mut region = Browser::sign_in(&deployment, REGION).await;
    let (status, page) = region.submit("/looked", &[]).await;
    assert_eq!(status, 422);
    assert!(page.contains("Enter at least one thing to look for"), "{page}");
    let (status, page) = region.submit("/looked", &[("nhs_number", "9990001007")]).await;
    assert_eq!(status, 422);
    assert!(page.contains("Enter a real NHS number"), "{page}");
    let (status, page) = region.submit("/looked", &[("nhs_number", "999 000 1146")]).await;
    assert_eq!(status, 200, "{page}");
    for words in [
        "Imogen",
        "General medical practitioner",
        "Dr Legg&#39;s Surgery",
        "Opened a document",
        "An agreement between the organisations allows it",
        "Desmond",
        "Not shown: their role does not allow it",
        "The record that registry keeps",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    let link = format!("/looked/request/{REQUEST}");
    assert!(page.contains(&link), "{page}");
    let (status, page) = region.get(&link).await;
    assert!(status == 200 && page.contains("Recorded by") && page.contains("portal"), "{page}");

    let mut desk = Browser::sign_in(&deployment, DESK).await;
    let (_, page) = desk.get("/looked").await;
    assert!(page.contains("Follow one request") && !page.contains("name=\"nhs_number\""), "{page}");
    let (status, page) = desk.submit("/looked", &[("request", REQUEST)]).await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("Imogen") && page.contains("Not told here"), "{page}");
    assert!(!page.contains("999 000 1146") && !page.contains("An agreement"), "{page}");
    assert_eq!(desk.submit("/looked", &[("nhs_number", PATIENT)]).await.0, 403);
    let mut doctor = Browser::sign_in(&deployment, GP).await;
    let (_, page) = doctor.get("/search").await;
    assert!(!page.contains("Who looked"), "{page}");
    assert_eq!(doctor.submit("/looked", &[("nhs_number", PATIENT)]).await.0, 403);
    deployment.assert_no_panic();
}

/// The subject access pack: what is held, who looked, who tried; signed, recorded, and honest about a
/// node that is away.
pub async fn a_pack_has_what_is_held_and_who_looked(mut deployment: Deployment) {
    for n in 0..2 {
        let letter = Letter::text(PATIENT, n);
        assert!(deployment.node(n as usize).publish(&letter).await.unwrap().is_success());
    }
    let gp = deployment.fhir().as_person(GP).await;
    assert_eq!(gp.documents(PATIENT).await.len(), 2);
    let consent = crate::objections::consent(&json!({"type": "deny"}));
    assert_eq!(gp.put("Consent", None, &consent).await.0, 201);
    let clerk = deployment.fhir().as_person(CLERK).await;
    assert_eq!(clerk.search("DocumentReference", PATIENT, "status=current").await.0, 403);
    let folder = tempfile::tempdir().unwrap();
    let pack = |name: &str| folder.path().join(name);
    let make = |deployment: &Deployment, name: &str| {
        let place = pack(name);
        let arguments = ["access-pack", "--number", PATIENT, "--to", place.to_str().unwrap()];
        let output = deployment.run_audit(Role::Portal, &arguments);
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };

    let (code, said) = make(&deployment, "whole");
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(make(&deployment, "whole").0, Some(1), "what is there stays");
    let read = |name: &str, file: &str| std::fs::read_to_string(pack(name).join(file)).unwrap();
    let index = read("whole", "index.html");
    for words in [
        "Letter 0",
        "Letter 1",
        "Royal Example Hospital (ZEX01)",
        "Farrow Imogen Dr",
        "Oakley Desmond",
        "Example Community Trust: was searched",
        "registry: was searched",
    ] {
        assert!(index.contains(words), "{words}: {index}");
    }
    let documents: Value = serde_json::from_str(&read("whole", "documents.json")).unwrap();
    assert_eq!(documents.as_array().unwrap().len(), 2);
    assert!(read("whole", "sharing-choices.json").contains("\"deny\""));
    let accesses = read("whole", "accesses.jsonl");
    for (log, interaction) in [
        ("portal", "search DocumentReference"),
        ("registry", "ITI-42"),
        (NODES[1].2, "ITI-41"),
        ("portal", "audit access-pack"),
    ] {
        let is = |line: &str| {
            let access: Value = serde_json::from_str(line).unwrap();
            let said = access["interaction"].as_str().unwrap();
            access["log"] == log && said.starts_with(interaction)
        };
        assert!(accesses.lines().any(is), "{log} {interaction}");
    }
    let key = deployment.data(Role::Portal).join("audit.pub");
    let check = |name: &str| {
        let mut command = std::process::Command::new(crate::BINARY);
        command.args(["audit", "check-pack"]).arg(pack(name)).arg("--key").arg(&key);
        command.output().unwrap().status.code()
    };
    assert_eq!(check("whole"), Some(0));
    std::fs::write(pack("whole").join("accesses.jsonl"), "").unwrap();
    assert_eq!(check("whole"), Some(2));

    deployment.kill(Role::Node(1));
    let (code, said) = make(&deployment, "part");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("Example Community Trust: could not be searched"), "{said}");
    let index = read("part", "index.html");
    assert!(index.contains("Accesses may be missing"), "{index}");
    assert_eq!(check("part"), Some(0));
}

fn events(bundle: &Value) -> Vec<Value> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let matches = entries.into_iter().filter(|e| e["search"]["mode"] == "match");
    matches.map(|e| e["resource"].clone()).collect()
}

/// Log and interaction, the newest first.
fn interactions(bundle: &Value) -> Vec<(String, String)> {
    let said = |event: &Value, url: &str| {
        let all = event["extension"].as_array().unwrap();
        let one = all.iter().find(|e| e["url"] == url).unwrap_or_else(|| panic!("{event}"));
        one["valueString"].as_str().unwrap().to_owned()
    };
    let of = |event: &Value| {
        (said(event, "urn:carerecord:log"), said(event, "urn:carerecord:interaction"))
    };
    events(bundle).iter().map(of).collect()
}

/// Each log with what became of asking it.
fn logs(bundle: &Value) -> Vec<(String, String)> {
    let entries = bundle["entry"].as_array().unwrap();
    let outcome = entries.iter().find(|e| e["search"]["mode"] == "outcome").unwrap();
    let issues = outcome["resource"]["issue"].as_array().unwrap().iter();
    let states =
        issues.filter(|i| i["details"]["coding"][0]["system"] == json!("urn:carerecord:log-state"));
    states
        .map(|issue| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            (text(&issue["details"]["text"]), text(&issue["details"]["coding"][0]["code"]))
        })
        .collect()
}

const REQUEST: &str = "0199a1c2-9f3e-7cc1-8f8e-0e6f1d2b3c4d";
const OFFICER: &str = "555021900500";
const CLERK: &str = "555021900600";
const REGION: &str = "555021900800";
const DESK: &str = "555021900900";
