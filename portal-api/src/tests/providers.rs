//! Access tokens of two sign-in providers.

use serde_json::{Value, json};

use super::*;

pub(super) const COUNCIL: &str = "http://council.example";

pub(super) fn council() -> carerecord_service::SignInProvider {
    serde_json::from_value(json!({
        "id": "council", "name": "Example Council", "issuer": COUNCIL, "client_id": "carerecord",
        "organisations": ["ZEX05"],
        "claims": {"organisation": "dept", "role": "groups",
            "roles": [{"value": "sw", "code": "R8014", "name": "Social worker"},
                {"value": "po", "code": "R0001", "name": "Privacy officer"}]},
    }))
    .unwrap()
}

/// Claims of a social worker.
fn claims(change: &Value) -> Value {
    let mut claims = json!({
        "iss": COUNCIL, "dept": "ZEX05", "groups": ["sw", "bowls"], "nhsid_nrbac_roles": [],
        "selected_roleid": null,
    });
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

async fn ask(client: &mut Client, claims: &Value, headers: &[(&str, &str)]) -> u16 {
    client.token = client.signer.token(claims);
    let form = format!("identifier=https://fhir.nhs.uk/Id/nhs-number|{NUMBER}");
    client.search("Patient", &form, headers).await.status
}

#[tokio::test]
async fn a_persons_claims_mean_what_is_configured() {
    let mut client = Client::of(registry(), Some(person())).await;

    assert_eq!(ask(&mut client, &claims(&json!({})), &[]).await, 200);

    let record = &client.audited().await[0];
    let actor = record.actor.as_ref().unwrap();
    assert_eq!(actor.id, "council:555021900100", "nobody of another provider has it");
    assert_eq!((actor.organisation.as_str(), actor.role.as_deref()), ("ZEX05", Some("R8014")));
    assert_eq!(actor.role_profile.as_deref(), Some("council:sw"));
}

#[tokio::test]
async fn what_the_provider_may_not_say_is_refused() {
    let mut client = Client::of(registry(), Some(person())).await;
    let two = claims(&json!({"groups": ["po", "sw"]}));
    let officer: [(&str, &str); 1] = [("x-selected-role", "council:sw")];
    let stranger: [(&str, &str); 1] = [("x-selected-role", "council:R0001")];

    for (claims, headers, status) in [
        (claims(&json!({"dept": "ZEX01"})), &[][..], 401),
        (claims(&json!({"dept": null})), &[], 401),
        (claims(&json!({"groups": ["bowls"]})), &[], 403),
        (claims(&json!({"groups": null})), &[], 403),
        (claims(&json!({"iss": "http://nobody.example"})), &[], 401),
        (claims(&json!({"aud": "another"})), &[], 401),
        (claims(&json!({"acr": "password"})), &[], 403),
        (two.clone(), &[], 403),
        (two.clone(), &stranger, 403),
        (two, &officer, 200),
        // Somebody of the first provider who would pass for one of the second.
        (json!({"sub": "council:555021900100"}), &[], 401),
        // The first one's claims mean nothing in the second's tokens, nor the other way.
        (json!({"iss": COUNCIL}), &[], 403),
        (claims(&json!({"iss": ISSUER})), &[], 403),
    ] {
        assert_eq!(ask(&mut client, &claims, headers).await, status, "{claims}");
    }
}
