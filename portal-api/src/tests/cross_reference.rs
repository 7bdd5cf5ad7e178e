//! PIXm ITI-83.

use super::*;

const MRN: &str = "urn:oid:2.999.10.2|MRN-88";

#[tokio::test]
async fn other_identifiers_are_found_by_each_and_the_source_is_not_repeated() {
    let client = Client::of(registry(), Some(person())).await;

    let by_mrn = pix(&client, &format!("sourceIdentifier={MRN}")).await;
    let by_number = pix(&client, &format!("sourceIdentifier={SYSTEM}|{NUMBER}")).await;

    assert_eq!(by_mrn.status, 200, "{}", by_mrn.text);
    let (identifiers, references) = found(&by_mrn.json());
    assert_eq!(identifiers, [format!("{SYSTEM}|{NUMBER}")]);
    assert_eq!(references.len(), 1);
    assert_eq!(found(&by_number.json()).0, [MRN]);
    // The reference leads to the person, and back.
    let id = references[0].rsplit_once("/fhir/").unwrap();
    let read = client.get(id.1, &[]).await;
    assert_eq!(read.status, 200, "{}", read.text);
    let base = references[0].split("/Patient/").next().unwrap();
    let back = pix(&client, &format!("sourceIdentifier={base}|{}", id.1)).await;
    assert_eq!(found(&back.json()), (vec![MRN.to_owned()], vec![]));
    let xml = pix(&client, &format!("sourceIdentifier={MRN}&_format=xml")).await;
    assert!(xml.text.contains("<Parameters"), "{}", xml.text);
}

#[tokio::test]
async fn domains_can_be_chosen() {
    let client = Client::of(registry(), Some(person())).await;
    let of = format!("sourceIdentifier={MRN}&targetSystem=");

    let number = pix(&client, &format!("{of}{SYSTEM}")).await;
    let own = pix(&client, &format!("{of}urn:oid:2.999.10.2")).await;

    assert_eq!(found(&number.json()), (vec![format!("{SYSTEM}|{NUMBER}")], vec![]));
    assert_eq!((own.status, own.json()), (200, json!({"resourceType": "Parameters"})));
}

#[tokio::test]
async fn what_is_unknown_is_told_as_the_profile_says() {
    let client = Client::of(registry(), Some(person())).await;
    for (query, status, code) in [
        ("sourceIdentifier=urn:oid:2.999.10.2|MRN-1".to_owned(), 404, "not-found"),
        (format!("sourceIdentifier={SYSTEM}|9990001146"), 404, "not-found"),
        (format!("sourceIdentifier={SYSTEM}|1234567890"), 404, "not-found"),
        ("sourceIdentifier=urn:oid:2.999.10.9|MRN-88".to_owned(), 400, "code-invalid"),
        ("sourceIdentifier=https://example.org/ids|MRN-88".to_owned(), 400, "code-invalid"),
        (format!("sourceIdentifier={MRN}&targetSystem=urn:oid:2.999.1"), 403, "code-invalid"),
        ("sourceIdentifier=MRN-88".to_owned(), 400, "invalid"),
        ("sourceIdentifier=urn:oid:2.999.10.2|A%5EB".to_owned(), 400, "invalid"),
        (format!("sourceIdentifier={MRN}&sourceIdentifier={MRN}"), 400, "invalid"),
        (String::new(), 400, "required"),
    ] {
        let answer = pix(&client, &query).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.text);
        assert_eq!(answer.json()["issue"][0]["code"], code, "{query}");
    }
}

#[tokio::test]
async fn of_a_restricted_person_no_organisation_s_identifier_is_told() {
    let mut restricted = person();
    restricted.restricted = true;
    let client = Client::of(registry(), Some(restricted)).await;

    let answer = pix(&client, &format!("sourceIdentifier={SYSTEM}|{NUMBER}")).await;

    assert_eq!(answer.status, 200);
    assert_eq!(found(&answer.json()).0, Vec::<String>::new());
}

#[tokio::test]
async fn parameters_that_are_sent_get_the_same_answers() {
    let client = Client::of(registry(), Some(person())).await;
    let (system, value) = MRN.split_once('|').unwrap();
    let identifier = json!({"name": "sourceIdentifier",
        "valueIdentifier": {"system": system, "value": value}});
    let text = json!({"name": "sourceIdentifier", "valueString": MRN});
    let number = json!({"name": "targetSystem", "valueUri": SYSTEM});
    let unknown = json!({"name": "targetSystem", "valueUri": "urn:oid:2.999.1"});
    let sent = |parameters: Value| {
        let client = &client;
        let body = json!({"resourceType": "Parameters", "parameter": parameters}).to_string();
        let kind = [("content-type", "application/fhir+json")];
        async move { client.ask("POST", "Patient/$ihe-pix", &kind, body).await }
    };

    for source in [&identifier, &text] {
        let answer = sent(json!([source, number])).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(found(&answer.json()), (vec![format!("{SYSTEM}|{NUMBER}")], vec![]));
    }
    assert_eq!(client.audited().await[0].interaction, "ITI-83");
    for (parameters, status, code) in [
        (json!([identifier, unknown]), 403, "code-invalid"),
        (json!([identifier, identifier]), 400, "invalid"),
        (json!([]), 400, "required"),
        (json!([{"name": "sourceIdentifier"}]), 400, "invalid"),
        (json!([{"valueString": MRN}]), 400, "structure"),
    ] {
        let answer = sent(parameters.clone()).await;
        assert_eq!(answer.status, status, "{parameters}: {}", answer.text);
        assert_eq!(answer.json()["issue"][0]["code"], code, "{parameters}");
    }
}

async fn pix(client: &Client, query: &str) -> Answer {
    client.get(&format!("Patient/$ihe-pix?{query}"), &[]).await
}

fn found(parameters: &Value) -> (Vec<String>, Vec<String>) {
    let all = parameters["parameter"].as_array().cloned().unwrap_or_default();
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let identifier = |p: &Value| {
        let id = &p["valueIdentifier"];
        format!("{}|{}", text(&id["system"]), text(&id["value"]))
    };
    let of = |name: &str| all.iter().filter(|p| p["name"] == name).cloned().collect::<Vec<_>>();
    (
        of("targetIdentifier").iter().map(identifier).collect(),
        of("targetId").iter().map(|p| text(&p["valueReference"]["reference"])).collect(),
    )
}

const SYSTEM: &str = "https://fhir.nhs.uk/Id/nhs-number";
