//! Who may publish, and what becomes of the limits.

use carerecord_testkit::{Letter, provide_bundle};

use super::*;

pub(super) async fn source(claims: &Value) -> Client {
    let mut client = Client::of(FakeRegistry::default(), Some(person())).await;
    let mut system = json!({
        "nhsid_nrbac_roles": [], "selected_roleid": null, "sub": "source", "client_id": "source",
        "org_code": "ZEX01", "scope": "system/*.read system/*.write",
    });
    for (name, value) in claims.as_object().unwrap() {
        system[name] = value.clone();
    }
    client.token = client.signer.token(&system);
    client
}

pub(super) fn bundle() -> String {
    let letter = Letter { unique_id: "2.999.3.1".into(), ..Letter::text(NUMBER, 1) };
    provide_bundle("2.999.3.2", &[&letter]).to_string()
}

pub(super) async fn provide(client: &Client, body: String) -> Answer {
    client.ask("POST", "", &[("content-type", "application/fhir+json")], body).await
}

#[tokio::test]
async fn only_a_system_whose_node_is_configured_may_publish() {
    for (claims, status) in [
        (json!({}), 200),
        (json!({"scope": "system/DocumentReference.c"}), 200),
        (json!({"scope": "system/*.read"}), 403),
        (json!({"scope": "user/*.write"}), 403),
        (json!({"org_code": "ZEX02"}), 403),
        (json!({"client_id": "other"}), 403),
        (json!({"org_code": null}), 403),
    ] {
        let client = source(&claims).await;

        let answer = provide(&client, bundle()).await;

        assert_eq!(answer.status, status, "{claims}: {}", answer.text);
        let record = client.audited().await.remove(0);
        let outcome = if status == 200 { "Success" } else { "Refused" };
        assert_eq!(format!("{:?}", record.outcome), outcome, "{claims}");
    }
    let clinician = Client::of(FakeRegistry::default(), Some(person())).await;
    assert_eq!(provide(&clinician, bundle()).await.status, 403, "people publish through a system");
}

#[tokio::test]
async fn a_publication_is_recorded_with_patient_and_documents() {
    let client = source(&json!({})).await;

    let answer = provide(&client, bundle()).await.json();

    let record = client.audited().await.remove(0);
    assert_eq!(record.interaction, "ITI-65 Provide Document Bundle");
    assert_eq!(record.subject.unwrap().digits(), NUMBER);
    assert_eq!(record.documents[0].id, "2.999.3.1");
    let list = answer["entry"][0]["response"]["location"].as_str().unwrap();
    assert_eq!(record.listed, [list.replace("List/", "urn:uuid:")]);
}

#[tokio::test]
async fn ids_are_the_same_whenever_the_same_is_sent() {
    let (one, other) = (source(&json!({})).await, source(&json!({})).await);

    let answers = [provide(&one, bundle()).await.json(), provide(&other, bundle()).await.json()];
    let another = bundle().replace("2.999.3.2", "2.999.3.3");
    let another = provide(&one, another).await.json();

    assert_eq!(answers[0], answers[1]);
    assert_ne!(answers[0], another, "another submission");
}

#[tokio::test]
async fn what_cannot_be_held_is_refused() {
    let client = source(&json!({})).await;
    let long = [("content-length", "16777217"), ("content-type", "application/fhir+json")];
    let json = [("content-type", "application/fhir+json")];

    let too_long = client.ask("POST", "", &long, "{}").await;
    let longer = client.ask("POST", "", &json, "x".repeat((16 << 20) + 1)).await;
    let deep = provide(&client, format!("{}1{}", "[".repeat(500), "]".repeat(500))).await;
    let other = client.ask("POST", "", &[("content-type", "text/turtle")], "a").await;

    assert_eq!((too_long.status, longer.status), (413, 413));
    assert_eq!((deep.status, other.status), (400, 415));
}
