//! What sources send, what is refused, and how nodes do: for who runs the programme.

use carerecord_testkit::{
    Browser, CONTENT_TYPE, Deployment, Fhir, GP, Letter, NODES, PATIENT, Role,
};
use serde_json::{Value, json};

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

/// What is done is counted for who runs the programme, and tells nothing of anybody.
pub async fn uses_are_counted_for_who_runs_the_programme(deployment: Deployment) {
    let letter = Letter::text(PATIENT, 1);
    assert!(deployment.node(0).publish(&letter).await.unwrap().is_success());
    let doctor = deployment.fhir().as_person(GP).await;
    for _ in 0..5 {
        assert_eq!(doctor.documents(PATIENT).await.len(), 1);
    }
    assert_eq!(doctor.resource("$usage").await.0, 403);

    let operator = deployment.fhir().as_person(OPERATOR).await;
    let (status, answer) = operator.resource("$usage").await;

    assert_eq!(status, 200, "{answer}");
    let used = answer["parameter"].as_array().unwrap().iter().filter(|p| p["name"] == "used");
    let counts: Vec<u64> =
        used.filter_map(|used| part(used, "records-opened")["valueUnsignedInt"].as_u64()).collect();
    assert!(counts.iter().any(|count| *count >= 5), "{answer}");
    assert!(answer.to_string().contains("fewer than 5"), "the doctor was refused once: {answer}");
    for secret in [PATIENT, GP, "Farrow", &letter.unique_id] {
        assert!(!answer.to_string().contains(secret), "{secret}: {answer}");
    }
    for bad in ["from=all", "from=2020-01-01", "colour=red"] {
        assert_eq!(operator.resource(&format!("$usage?{bad}")).await.0, 400, "{bad}");
    }
    for who in [OFFICER, DESK] {
        let person = deployment.fhir().as_person(who).await;
        assert_eq!(person.resource("$usage").await.0, 403, "{who}");
    }
    let system = deployment.fhir().as_system().await;
    assert_eq!(system.resource("$usage").await.0, 403);
    let mut browser = Browser::sign_in(&deployment, OPERATOR).await;
    let (status, page) = browser.get("/usage?days=7").await;
    assert_eq!(status, 200, "{page}");
    for words in ["By organisation and role", "<svg", "Records opened: ", "at least 1"] {
        assert!(page.contains(words), "{words}: {page}");
    }
    assert!(!page.contains(PATIENT) && !page.contains("Farrow"), "{page}");
    let mut officer = Browser::sign_in(&deployment, OFFICER).await;
    assert_eq!(officer.get("/usage").await.0, 403);
    deployment.assert_no_panic();
}

/// A letter that replaces one which nobody has sent yet is refused. The node keeps it, shows it to nobody,
/// and registers it when somebody who runs the programme has it tried again.
pub async fn what_the_registry_refused_is_tried_again(deployment: Deployment) {
    let early = Letter::text(PATIENT, 2);
    let refused = deployment.node(0).send(CONTENT_TYPE, early.replacing(LATE)).await.unwrap();
    assert_eq!(refused.error_codes(), ["UnresolvedReferenceException"], "{}", refused.envelope);
    let operator = deployment.fhir().as_person(OPERATOR).await;
    let (_, answer) = operator.resource("$feeds").await;
    let request = again(&answer).unwrap_or_else(|| panic!("{answer}"));
    let doctor = deployment.fhir().as_person(GP).await;
    let given = deployment.node(0).retrieve(NODES[0].0, &[&early.unique_id]).await.unwrap();
    assert!(given.documents.is_empty(), "it is not retrieved");

    // The reason is there as before.
    let (status, told) = try_again(&operator, &request).await;
    assert_eq!(status, 200, "{told}");
    let tried = &told["parameter"][0];
    assert_eq!(part(tried, "outcome")["valueCode"], "refused", "{told}");
    assert_eq!(text(tried, "reason"), "UnresolvedReferenceException", "{told}");
    for who in [GP, OFFICER, DESK] {
        let person = deployment.fhir().as_person(who).await;
        assert_eq!(try_again(&person, &request).await.0, 403, "{who}");
    }
    let system = deployment.fhir().as_system().await;
    assert_eq!(try_again(&system, &request).await.0, 403);
    for bad in [json!([]), json!([{"name": "request"}]), json!([{"name": "colour"}])] {
        let (status, told) = sent(&operator, &bad).await;
        assert_eq!(status, 400, "{bad}: {told}");
    }

    // It is mended: what is to be replaced has come.
    let late = Letter::text(PATIENT, 1);
    let came = deployment.node(0).send(CONTENT_TYPE, late.under(LATE)).await.unwrap();
    assert!(came.is_success(), "{}", came.envelope);
    let mut browser = Browser::sign_in(&deployment, OPERATOR).await;
    let (_, page) = browser.get("/feeds").await;
    assert!(page.contains("Try 1 again") && page.contains(&request), "{page}");
    let fields = [("requests", &*request)];
    let (status, page) = browser.submit_to("/feeds", "/feeds/again", &fields).await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("1 message taken now."), "{page}");
    assert!(!page.contains("Try 1 again"), "{page}");

    let given = deployment.node(0).retrieve(NODES[0].0, &[&early.unique_id]).await.unwrap();
    assert_eq!(given.documents[&early.unique_id], early.bytes, "as it came");
    let current = doctor.search("DocumentReference", PATIENT, "status=current").await.1;
    assert_eq!(current["total"], 1, "it replaces: {current}");
    assert!(current.to_string().contains("Letter 2"), "{current}");
    let (_, told) = try_again(&operator, &request).await;
    assert_eq!(part(&told["parameter"][0], "outcome")["valueCode"], "gone", "{told}");
    let (_, answer) = operator.resource("$feeds").await;
    assert_eq!(again(&answer), None, "{answer}");
    let role = if deployment.is_apart() { Role::Node(0) } else { Role::Portal };
    let record = deployment.audit(role).into_iter();
    let mut tried = record.filter(|e| e["interaction"].as_str().unwrap().ends_with("again"));
    assert!(tried.any(|e| e["outcome"] == "success"), "it is recorded");
    deployment.assert_no_panic();
}

/// The request whose submission can be tried again.
fn again(answer: &Value) -> Option<String> {
    let all = answer["parameter"].as_array().unwrap();
    let mut refusals = all.iter().filter(|p| p["name"] == "refusal");
    refusals.find_map(|refusal| Some(text(refusal, "again")).filter(|id| !id.is_empty()))
}

async fn try_again(person: &Fhir, request: &str) -> (u16, Value) {
    sent(person, &json!([{"name": "request", "valueString": request}])).await
}

async fn sent(person: &Fhir, parameters: &Value) -> (u16, Value) {
    let body = json!({"resourceType": "Parameters", "parameter": parameters});
    let (status, _, told) =
        person.send("/$try-again", "application/fhir+json", body.to_string()).await;
    (status, serde_json::from_str(&told).unwrap())
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

const LATE: &str = "urn:uuid:0199a1c2-9f3e-7cc1-8f8e-0e6f1d2b3c99";
const OTHER: &str = "9990001138";
const OPERATOR: &str = "555021901000";
const OFFICER: &str = "555021900500";
const DESK: &str = "555021900900";
