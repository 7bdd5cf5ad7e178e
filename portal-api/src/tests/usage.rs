//! How the portal is used, told to who runs the programme.

use super::looking::{as_role, by};
use super::*;

#[tokio::test]
async fn uses_are_told_to_who_runs_the_programme_and_to_nobody_else() {
    let mut client = Client::of(registry(), Some(person())).await;
    let search =
        format!("patient.identifier=https://fhir.nhs.uk/Id/nhs-number|{NUMBER}&status=current");
    for _ in 0..6 {
        let found = client.search("DocumentReference", &search, &[]).await;
        assert_eq!(found.status, 200, "{}", found.text);
    }
    assert_eq!(client.get("$usage", &[]).await.status, 403);
    by(&mut client, &as_role("operator", "ZEX09", "R8013")).await;

    let told = client.get("$usage", &[]).await;

    assert_eq!(told.status, 200, "{}", told.text);
    let answer = told.json();
    let used = answer["parameter"].as_array().unwrap();
    let used: Vec<&Value> = used.iter().filter(|p| p["name"] == "used").collect();
    let part = |name: &str| {
        let parts = used[0]["part"].as_array().unwrap();
        parts.iter().find(|part| part["name"] == name).cloned().unwrap_or_default()
    };
    assert_eq!(used.len(), 1, "{answer}");
    assert_eq!(part("records-opened")["valueUnsignedInt"], 6, "{answer}");
    assert_eq!(part("refusals")["valueString"], "fewer than 5", "{answer}");
    assert_eq!(part("documents-opened"), Value::Null, "{answer}");
    assert!(part("role-name")["valueString"].is_string(), "{answer}");
    assert!(!told.text.contains(NUMBER) && !told.text.contains("nhs-number"), "{answer}");
    let record = &client.audited().await[0];
    assert_eq!(record.decision.as_ref().unwrap().rule, "programme-duty");
    let before = client.get("$usage?from=2020-01-01&to=2020-03-31", &[]).await;
    assert_eq!(before.json()["parameter"].as_array().unwrap().len(), 2, "{}", before.text);
    for wrong in
        ["from=2020-01-01", "from=x", "to=2020-13-01", "days=7", "from=2020-01-02&to=2020-01-01"]
    {
        let refused = client.get(&format!("$usage?{wrong}"), &[]).await;
        assert_eq!(refused.status, 400, "{wrong}: {}", refused.text);
    }
}
