use std::time::{Duration, Instant};

use carerecord_model::{Clock, SystemClock};
use carerecord_testkit::{Browser, Deployment, Fhir, GP, Letter, NURSE, PATIENT, Role};
use serde_json::{Value, json};

/// Whoever is signed out at the provider is out everywhere within two seconds: pages, access tokens,
/// and what was opened by an override. Others stay.
pub async fn signing_out_at_the_provider_ends_everything_at_once(deployment: Deployment) {
    let letter = Letter::text(PATIENT, 1);
    assert!(deployment.node(0).publish(&letter).await.unwrap().is_success());
    let gp = deployment.fhir().as_person(GP).await;
    let objection = crate::objections::consent(&json!({"type": "deny"}));
    assert_eq!(gp.put("Consent", None, &objection).await.0, 201);
    let (status, opened) = gp.put("Patient/$break-glass", None, &emergency()).await;
    assert_eq!(status, 201, "{opened}");
    let found = gp.documents(PATIENT).await;
    let url = found[&letter.unique_id]["content"][0]["attachment"]["url"].as_str().unwrap();
    assert_eq!(gp.get(url).await.unwrap().0, 200, "the keeper's officers are told");
    let mut page = Browser::sign_in(&deployment, GP).await;
    let mut nurse = Browser::sign_in(&deployment, NURSE).await;
    assert_eq!((status_of(&gp).await, page.get("/search").await.0), (200, 200));

    let began = Instant::now();
    let told = sign_out_everywhere(&deployment, GP).await;
    assert!(told.contains("Applications told: 1.") && !told.contains("could not"), "{told}");
    assert_eq!((status_of(&gp).await, page.get("/search").await.0), (401, 401));
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");

    assert_eq!(nurse.get("/search").await.0, 200, "another person");
    let officer = deployment.fhir().as_person(OFFICER).await;
    let (_, alerts) =
        officer.resource("AuditEvent?type=https://fhir.nhs.uk/CodeSystem/SCR-AlertType|2").await;
    let until = find(&alerts, "until").unwrap_or_else(|| panic!("until when? {alerts}"));
    let until: jiff::Timestamp = until["valueInstant"].as_str().unwrap().parse().unwrap();
    assert!(until <= SystemClock.now(), "the override has ended: {until}");

    // The provider tells times in whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let again = deployment.fhir().as_person(GP).await;
    assert_eq!(status_of(&again).await, 200, "a later sign-in is a new one");
    let events = deployment.audit(Role::Portal);
    let told: Vec<&Value> =
        events.iter().filter(|e| e["interaction"] == "back-channel logout").collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["outcome"], "success");
    assert_eq!(told[0]["listed"][0], format!("every session of {GP}"));
    assert_eq!(told[0]["actor"]["id"], deployment.url(Role::SignIn, ""));
    deployment.assert_no_panic();
}

/// By one's own account: pages and access tokens of all computers, and what was opened; others stay.
pub async fn a_person_signs_out_everywhere(deployment: Deployment) {
    let gp = deployment.fhir().as_person(GP).await;
    let mut here = Browser::sign_in(&deployment, GP).await;
    let mut elsewhere = Browser::sign_in(&deployment, GP).await;
    let mut nurse = Browser::sign_in(&deployment, NURSE).await;
    assert_eq!(status_of(&gp).await, 200);

    let (status, page) = here.submit_to("/account", "/sign-out/everywhere", &[]).await;

    assert_eq!(status, 303, "{page}");
    assert_eq!((here.get("/search").await.0, elsewhere.get("/search").await.0), (401, 401));
    assert_eq!(status_of(&gp).await, 401);
    assert_eq!(nurse.get("/search").await.0, 200, "another person");
    let events = deployment.audit(Role::Portal);
    let ended: Vec<&Value> =
        events.iter().filter(|e| e["interaction"] == "sign out everywhere").collect();
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert_eq!(ended[0]["listed"][0], format!("every session of {GP}"));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let mut again = Browser::sign_in(&deployment, GP).await;
    assert_eq!(again.get("/search").await.0, 200, "a later sign-in is a new one");
    deployment.assert_no_panic();
}

/// Messages that the provider has not signed end nothing, and are recorded.
pub async fn what_the_provider_has_not_signed_ends_nothing(deployment: Deployment) {
    let gp = deployment.fhir().as_person(GP).await;
    let url = deployment.url(Role::Portal, "/sign-in/back-channel-logout");
    let access_token = gp.token().to_owned();
    for token in ["", "a.b.c", &access_token] {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("logout_token", token)
            .finish();
        let answer = reqwest::Client::new()
            .post(&url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 400);
        assert!(!answer.text().await.unwrap().contains(GP));
    }
    assert_eq!(status_of(&gp).await, 200);
    let events = deployment.audit(Role::Portal);
    let refused = events.iter().filter(|e| e["interaction"] == "back-channel logout");
    let refused: Vec<&Value> = refused.filter(|e| e["outcome"] == "rejected").collect();
    assert_eq!(refused.len(), 3, "{refused:?}");
    assert!(refused.iter().all(|e| e["error"].as_str().unwrap().starts_with("logout token: ")));
    deployment.assert_no_panic();
}

async fn status_of(fhir: &Fhir) -> u16 {
    fhir.search("DocumentReference", PATIENT, "status=current").await.0
}

async fn sign_out_everywhere(deployment: &Deployment, account: &str) -> String {
    let url = deployment.url(Role::SignIn, "/sign-out-everywhere");
    let page = reqwest::get(&url).await.unwrap().text().await.unwrap();
    assert!(page.contains(&format!("value=\"{account}\"")), "{page}");
    let request = reqwest::Client::new().post(&url).body(format!("account={account}"));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    request.send().await.unwrap().text().await.unwrap()
}

fn emergency() -> Value {
    json!({"resourceType": "Parameters", "parameter": [
        {"name": "patient", "valueIdentifier": {
            "system": "https://fhir.nhs.uk/Id/nhs-number", "value": PATIENT,
        }},
        {"name": "reason", "valueCode": "emergency"},
    ]})
}

/// The first extension of this name, anywhere.
fn find<'v>(value: &'v Value, url: &str) -> Option<&'v Value> {
    if value["url"] == url {
        return Some(value);
    }
    let fields = value.as_object().into_iter().flat_map(|fields| fields.values());
    let items = value.as_array().into_iter().flatten();
    fields.chain(items).find_map(|inner| find(inner, url))
}

const OFFICER: &str = "555021900500";
