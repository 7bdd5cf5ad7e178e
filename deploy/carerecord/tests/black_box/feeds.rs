//! What sources send, what is refused, and how nodes do: for who runs the programme.

use carerecord_testkit::{Browser, Deployment, GP, Letter, NODES, PATIENT};
use serde_json::Value;

/// What came in is counted by sender, role and day, refusals by reason with a request that can be traced,
/// and nothing of it is about a patient; nobody else sees it.
pub async fn what_sources_send_is_seen_by_who_runs_the_programme(deployment: Deployment) {
    for n in 0..3 {
        assert!(deployment.node(0).publish(&Letter::text(PATIENT, n)).await.unwrap().is_success());
    }
    // An id that is taken, of somebody else: the node refuses it.
    let twice = deployment.node(0).publish(&Letter::text(OTHER, 1)).await.unwrap();
    assert!(!twice.is_success());
    let operator = deployment.fhir().as_person(OPERATOR).await;

    let (status, answer) = operator.resource("$feeds").await;

    assert_eq!(status, 200, "{answer}");
    let all = answer["parameter"].as_array().unwrap();
    let named = |name: &str| all.iter().filter(|p| p["name"] == name).collect::<Vec<_>>();
    let to_node = named("feed").into_iter().find(|f| {
        text(f, "transaction") == "ITI-41"
            && (text(f, "to") == NODES[0].2 || !deployment.is_apart())
            && number(f, "taken") > 0
    });
    let to_node = to_node.unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(number(to_node, "taken"), 3, "{answer}");
    let refusals = named("refusal");
    let at_node = refusals.iter().find(|r| text(r, "transaction") == "ITI-41");
    let at_node = at_node.unwrap_or_else(|| panic!("{answer}"));
    assert!(text(at_node, "reason").starts_with("XDS"), "{answer}");
    let example = part(at_node, "example")["part"].as_array().unwrap();
    let request = example.iter().find(|p| p["name"] == "request").unwrap();
    let refused = request["valueString"].as_str().unwrap();
    assert_eq!(named("node").len(), 3, "{answer}");
    let mut nodes = named("node").into_iter();
    assert!(nodes.all(|n| part(n, "state")["valueCode"] == "answered"), "{answer}");
    let said = answer.to_string();
    for secret in [PATIENT, OTHER, "nhs-number", "2.999.826.9.1"] {
        assert!(!said.contains(secret), "{secret}: {answer}");
    }
    // One feed is expected every hour and never came.
    let late = named("feed").into_iter().filter(|f| part(f, "late")["valueBoolean"] == true);
    let late: Vec<String> = late.map(|f| text(f, "name")).collect();
    assert_eq!(late, ["Admissions and discharges"], "{answer}");
    assert_eq!(operator.resource("$feeds?days=1").await.0, 200);
    for bad in ["days=0", "days=1000", "days=all", "colour=red"] {
        assert_eq!(operator.resource(&format!("$feeds?{bad}")).await.0, 400, "{bad}");
    }

    for who in [GP, OFFICER, DESK] {
        let person = deployment.fhir().as_person(who).await;
        let (status, answer) = person.resource("$feeds").await;
        assert_eq!(status, 403, "{who}: {answer}");
    }
    // The operator has no way to a record, and can trace the request.
    assert_eq!(operator.search("DocumentReference", PATIENT, "status=current").await.0, 403);
    let mut browser = Browser::sign_in(&deployment, OPERATOR).await;
    let (status, page) = browser.get("/feeds").await;
    assert_eq!(status, 200, "{page}");
    for words in ["1 feed is late", "Admissions and discharges", "3 taken", "<svg", "Answers"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains(PATIENT) && !page.contains("999 000 1146"), "{page}");
    let link = format!("/looked/request/{refused}");
    assert!(page.contains(&link), "{page}");
    let (status, trace) = browser.get(&link).await;
    assert!(status == 200 && trace.contains("Recorded by"), "{trace}");
    let mut officer = Browser::sign_in(&deployment, OFFICER).await;
    assert_eq!(officer.get("/feeds").await.0, 403);
    let (status, page) = officer.get("/agreements").await;
    assert_eq!(status, 200, "{page}");
    for words in ["Who shares with whom", "Direct care sharing in Example Valley", "clause 1"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert_eq!(browser.get("/agreements").await.0, 200);
    let mut doctor = Browser::sign_in(&deployment, GP).await;
    assert_eq!(doctor.get("/agreements").await.0, 403);
    deployment.assert_no_panic();
}

fn part<'v>(parameter: &'v Value, name: &str) -> &'v Value {
    let parts = parameter["part"].as_array().unwrap();
    parts.iter().find(|p| p["name"] == name).unwrap_or(&Value::Null)
}

fn text(parameter: &Value, name: &str) -> String {
    part(parameter, name)["valueString"].as_str().unwrap_or_default().to_owned()
}

/// Of all days.
fn number(feed: &Value, name: &str) -> u64 {
    let days = feed["part"].as_array().unwrap().iter().filter(|p| p["name"] == "day");
    days.filter_map(|day| part(day, name)["valueUnsignedInt"].as_u64()).sum()
}

const OTHER: &str = "9990001138";
const OPERATOR: &str = "555021901000";
const OFFICER: &str = "555021900500";
const DESK: &str = "555021900900";
