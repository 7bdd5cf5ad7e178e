//! What is sent to others for an answer is recorded as well: where to, what came of it, and of whom.

use std::time::Duration;

use carerecord_testkit::{Browser, Deployment, GP, Letter, PATIENT, Role};
use serde_json::{Value, json};
use uuid::Uuid;

/// What a role asks another is in its own log, under the id of the request, beside what the other one
/// has recorded; also when nobody answers.
pub async fn what_is_sent_is_recorded(mut deployment: Deployment) {
    let letter = Letter::text(PATIENT, 1);
    assert!(deployment.node(0).publish(&letter).await.unwrap().is_success());
    let id = |n: u128| Uuid::from_u128(0x5eed_0002_0000_4000_8000_0000_0000_0000 + n).to_string();
    let gp =
        async |deployment: &Deployment, n| deployment.fhir().as_person(GP).await.traced(&id(n));
    let found = gp(&deployment, 1).await.documents(PATIENT).await;
    let url = found[&letter.unique_id]["content"][0]["attachment"]["url"].clone();
    let url = url.as_str().unwrap();
    assert_eq!(gp(&deployment, 2).await.get(url).await.unwrap().0, 200);
    deployment.kill(Role::Node(0));
    assert_ne!(gp(&deployment, 3).await.get(url).await.unwrap().0, 200);

    let sent = |role, n: u128| {
        let events = deployment.audit(role).into_iter();
        let sent = events.filter(|e| e["direction"] == "out" && e["request_id"] == id(n));
        sent.map(|e| (e["interaction"].as_str().unwrap().to_owned(), e)).collect::<Vec<_>>()
    };
    let of = |sent: &[(String, Value)], what: &str| {
        let found = sent.iter().find(|(interaction, _)| interaction == what);
        found.unwrap_or_else(|| panic!("{what}: {sent:?}")).1.clone()
    };
    let query = of(&sent(Role::Portal, 1), "ITI-18");
    assert_eq!((&query["status"], &query["outcome"]), (&json!(200), &json!("success")));
    assert_eq!((&query["subject"], &query["actor"]["id"]), (&json!(PATIENT), &json!(GP)));
    assert_eq!(query["request"], "POST /xds/registry");
    let retrieval = of(&sent(Role::Portal, 2), "ITI-43");
    assert_eq!(
        (&retrieval["transport"], &retrieval["outcome"]),
        (&json!("soap"), &json!("success"))
    );
    let failed = of(&sent(Role::Portal, 3), "ITI-43");
    assert_eq!((&failed["status"], &failed["outcome"]), (&json!(0), &json!("failed")));
    let registered = deployment.audit(Role::Node(0)).into_iter();
    let registered = registered.filter(|e| e["direction"] == "out" && e["interaction"] == "ITI-42");
    assert_eq!(registered.count(), 1);
}

/// What is asked of the sign-in provider is recorded beside the request because of which it is asked:
/// whereto and what came of it, and nothing that opens anything.
pub async fn questions_to_the_sign_in_provider_are_recorded(mut deployment: Deployment) {
    let mut browser = Browser::sign_in(&deployment, GP).await;
    let list = browser.find(PATIENT).await;
    assert_eq!(browser.get(&list).await.0, 200);
    deployment.kill(Role::SignIn);
    // What the provider said of itself holds for five seconds.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let id = Uuid::from_u128(0x5eed_0003_0000_4000_8000_0000_0000_0000).to_string();
    let request = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = request.get(deployment.url(Role::Portal, "/sign-in"));
    let answer = request.header("x-request-id", &id).send().await.unwrap();
    assert!(answer.status().is_server_error(), "{}", answer.status());

    let events = deployment.audit(Role::Portal);
    let sent: Vec<&Value> = events.iter().filter(|e| e["direction"] == "out").collect();
    for what in ["sign-in discovery", "sign-in keys", "sign-in code", "sign-in userinfo"] {
        let of = |e: &&&Value| e["interaction"] == what && e["outcome"] == "success";
        let event = sent.iter().find(of).unwrap_or_else(|| panic!("no record of {what}"));
        let request = event["request"].as_str().unwrap();
        assert!(request.contains(" /") && !request.contains('?'), "{event}");
        let because = |e: &&Value| e["direction"] == "in" && e["request_id"] == event["request_id"];
        assert!(events.iter().any(|e| because(&e)), "the request itself: {event}");
    }
    let failed = sent.iter().find(|e| e["request_id"] == id.as_str()).unwrap();
    assert_eq!(
        (&failed["interaction"], &failed["outcome"], &failed["status"]),
        (&json!("sign-in discovery"), &json!("failed"), &json!(0))
    );
    for event in sent {
        // Ids of documents, people and sign-ins are nowhere in what was asked.
        let path = event["request"].as_str().unwrap();
        let digits = path.bytes().filter(u8::is_ascii_digit).count();
        assert!(digits < 6 && path.len() < 80, "{path}");
    }
    deployment.assert_no_panic();
}
