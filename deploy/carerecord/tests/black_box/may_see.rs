use carerecord_testkit::{Deployment, Fhir, GP, Letter, NURSE, PATIENT, Role};
use serde_json::{Value, json};

/// "May A see B?" and "what if?" have the answer that the doors give, for whoever may know it.
pub async fn who_asks_gets_the_answer_that_the_doors_give(deployment: Deployment) {
    let mut letters: Vec<Letter> = (0..2).map(|n| Letter::text(PATIENT, n)).collect();
    for (n, letter) in letters.iter_mut().enumerate() {
        CARE_PLAN.clone_into(&mut letter.class);
        assert!(deployment.node(n).publish(letter).await.unwrap().is_success());
    }
    let gp = deployment.fhir().as_person(GP).await;
    let found = gp.documents(PATIENT).await;
    let ids: Vec<String> = letters
        .iter()
        .map(|letter| found[&letter.unique_id]["id"].as_str().unwrap().to_owned())
        .collect();

    ask_of_oneself(&gp, &ids).await;
    ask_as_a_system(&deployment, &ids).await;
    ask_as_an_officer(&deployment, &ids).await;

    let nurse = deployment.fhir().as_person(NURSE).await;
    assert_eq!(nurse.put(MAY_SEE, None, &asked(&ids, &about("ZEX02", "R8001"))).await.0, 403);
    let other = crate::objections::consent_of("9990001014", &json!({"type": "permit"}));
    let suppose = json!([{"name": "suppose", "resource": other}]);
    assert_eq!(nurse.put(MAY_SEE, None, &asked(&ids, &suppose)).await.0, 403, "whoever it is of");
    let system = deployment.fhir().as_system().await;
    assert_eq!(system.put(MAY_SEE, None, &asked(&ids, &suppose)).await.0, 400);
    for wrong in [
        json!([{"name": "wether", "valueBoolean": true}]),
        json!([{"name": "role", "valueCode": "R8001"}]),
        json!([{"name": "document", "valueId": "no id"}]),
        json!([{"name": "at", "valueDate": "2026-01-01"}]),
        json!([{"name": "suppose", "resource": {"resourceType": "Patient"}}]),
    ] {
        let (status, outcome) = gp.put(MAY_SEE, None, &asked(&[], &wrong)).await;
        assert!((400..=422).contains(&status), "{wrong}: {outcome}");
    }
    let events = deployment.audit(Role::Portal);
    let asked: Vec<&Value> = events.iter().filter(|e| e["interaction"] == "may see").collect();
    assert!(asked.iter().any(|e| e["outcome"] == "refused"), "{asked:?}");
    assert!(asked.iter().all(|e| e["subject"] == PATIENT || e["subject"].is_null()), "{asked:?}");
    let told = format!("may see {}: objection-whole-record", ids[0]);
    assert!(asked.iter().any(|e| e["listed"].to_string().contains(&told)), "{asked:?}");
    deployment.assert_no_panic();
}

async fn ask_of_oneself(gp: &Fhir, ids: &[String]) {
    let nobody = "00000000-0000-4000-8000-000000000000".to_owned();
    let all = [ids, &[nobody]].concat();
    let open = answers(gp, &all, &json!([])).await;
    assert_eq!(rules(&open), ["record-open", "agreement", "agreement", "not-found"]);
    assert!(open.to_string().contains("agreement dsa-ev-0001/1"), "{open}");

    let consent = crate::objections::consent(&json!({"type": "deny"}));
    let (status, stored) = gp.put("Consent", None, &consent).await;
    assert_eq!(status, 201, "{stored}");
    let closed = answers(gp, &all, &json!([])).await;
    let whole = "objection-whole-record";
    assert_eq!(rules(&closed), [whole, whole, whole, "not-found"]);
    assert_eq!(gp.get(&format!("Binary/{}", ids[0])).await.unwrap().0, 403, "the door says so too");
    let by = json!({"name": "set-by", "valueString": "the patient"});
    assert!(closed.to_string().contains(&by.to_string()), "{closed}");
    assert!(!closed.to_string().contains("basis"), "{closed}");
    let id = stored["id"].as_str().unwrap();
    let mut lifted = stored.clone();
    lifted["status"] = "inactive".into();
    assert_eq!(gp.put("Consent", Some(id), &lifted).await.0, 200);
}

/// A system that the policy names asks about others, other days and other facts.
async fn ask_as_a_system(deployment: &Deployment, ids: &[String]) {
    let system = deployment.fhir().as_system().await;
    let social = about("ZEX05", "R8014");
    let with = |more: Value| {
        let all = social.as_array().unwrap().iter().cloned();
        Value::Array(all.chain(more.as_array().unwrap().iter().cloned()).collect())
    };
    let permission = crate::objections::consent(&json!({"type": "permit"}));
    let suppose = json!([{"name": "suppose", "resource": permission}]);

    let now = answers(&system, ids, &social).await;
    let missing = "consent-missing";
    assert_eq!(rules(&now), [missing; 3]);
    assert!(now.to_string().contains("consent model social-care"), "the whole reason: {now}");
    let supposed = answers(&system, ids, &with(suppose.clone())).await;
    assert_eq!(rules(&supposed), ["record-open", "agreement", "agreement"]);
    let before = json!({"type": "permit", "dataPeriod": {"end": "2026-10-31"}});
    let before = crate::objections::consent(&before);
    let limited = with(json!([{"name": "suppose", "resource": before}]));
    let limited = answers(&system, ids, &limited).await;
    assert_eq!(rules(&limited), ["record-open", "consent-limits", "consent-limits"]);
    assert!(limited.to_string().contains("agreed to share a part of their record"), "{limited}");
    let on = |day: &str| {
        let mut more = suppose.as_array().unwrap().clone();
        more.push(json!({"name": "at", "valueDate": day}));
        with(Value::Array(more))
    };
    let last = answers(&system, ids, &on("2028-03-09")).await;
    assert_eq!(rules(&last), ["record-open", "agreement", "agreement"]);
    let after = answers(&system, ids, &on("2028-03-10")).await;
    assert_eq!(rules(&after), ["record-open", "no-agreement", "no-agreement"]);

    let worker = deployment.fhir().as_person(SOCIAL_WORKER).await;
    assert!(worker.documents(PATIENT).await.is_empty(), "nothing was recorded");
    let gp = deployment.fhir().as_person(GP).await;
    assert_eq!(gp.put("Consent", None, &permission).await.0, 201);
    assert_eq!(worker.documents(PATIENT).await.len(), 2, "as was foretold");
    let objection = crate::objections::consent(&json!({"type": "deny"}));
    let objection = with(json!([{"name": "suppose", "resource": objection}]));
    let objected = answers(&system, ids, &objection).await;
    assert_eq!(rules(&objected), ["objection-whole-record"; 3]);
    let unknown = json!([{"name": "lifted", "valueId": "00000000-0000-4000-8000-000000000000"}]);
    assert_eq!(system.put(MAY_SEE, None, &asked(ids, &with(unknown))).await.0, 400);
}

/// The hospital's officer: about the hospital's people, and about what the hospital keeps.
async fn ask_as_an_officer(deployment: &Deployment, ids: &[String]) {
    let officer = deployment.fhir().as_person(OFFICER).await;
    let own = answers(&officer, ids, &about("ZEX01", "R8000")).await;
    assert_eq!(rules(&own), ["record-open", "own-record", "agreement"]);
    let others = answers(&officer, ids, &about("ZEX02", "R8001")).await;
    assert_eq!(rules(&others), ["agreement", "not-found"], "of the record nothing");
}

async fn answers(fhir: &Fhir, ids: &[String], more: &Value) -> Value {
    let (status, answer) = fhir.put(MAY_SEE, None, &asked(ids, more)).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

/// Of the record, where it is there, and of the documents.
fn rules(answer: &Value) -> Vec<String> {
    let rule = |parts: &Value| {
        let mut rules = parts.as_array().unwrap().iter().filter(|p| p["name"] == "rule");
        rules.next().map(|p| p["valueCode"].as_str().unwrap().to_owned())
    };
    let all = &answer["parameter"];
    let documents = all.as_array().unwrap().iter().filter(|p| p["name"] == "document");
    rule(all).into_iter().chain(documents.filter_map(|d| rule(&d["part"]))).collect()
}

fn about(organisation: &str, role: &str) -> Value {
    let ods = "https://fhir.nhs.uk/Id/ods-organization-code";
    json!([
        {"name": "organisation", "valueIdentifier": {"system": ods, "value": organisation}},
        {"name": "role", "valueCode": role},
    ])
}

fn asked(ids: &[String], more: &Value) -> Value {
    let number = "https://fhir.nhs.uk/Id/nhs-number";
    let mut all =
        vec![json!({"name": "patient", "valueIdentifier": {"system": number, "value": PATIENT}})];
    all.extend(ids.iter().map(|id| json!({"name": "document", "valueId": id})));
    all.extend(more.as_array().unwrap().iter().cloned());
    json!({"resourceType": "Parameters", "parameter": all})
}

const MAY_SEE: &str = "Patient/$may-see";
const CARE_PLAN: &str = "734163000";
const SOCIAL_WORKER: &str = "555021900400";
const OFFICER: &str = "555021900500";
