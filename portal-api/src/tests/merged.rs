//! After a merge both numbers show the same.

use super::fake::MERGED;
use super::*;

#[tokio::test]
async fn either_number_finds_the_same_documents_lists_and_person() {
    let client = Client::of(registry(), Some(person())).await;
    let search = |kind: &'static str, number: &'static str| {
        let client = &client;
        async move {
            let form = match kind {
                "Patient" => format!("identifier={number}"),
                "List" => format!("patient.identifier={number}&status=current&code=submissionset"),
                _ => format!("patient.identifier={number}&status=current"),
            };
            client.search(kind, &form, &[]).await
        }
    };
    for kind in ["DocumentReference", "List", "Patient"] {
        let by_survivor = search(kind, NUMBER).await;
        let by_merged = search(kind, MERGED).await;

        let shown = |answer: &Answer| {
            let mut matches = answer.matches();
            // The id of a person is another one each time.
            matches.iter_mut().filter(|m| m["resourceType"] == "Patient").for_each(|m| {
                assert_eq!(m["identifier"][0]["value"], NUMBER);
                m["id"] = "".into();
            });
            matches
        };
        assert_eq!(shown(&by_survivor).len(), 1, "{kind}");
        assert_eq!(shown(&by_merged), shown(&by_survivor), "{kind}");
        let records = client.audited().await;
        let subject = records[0].subject.map(|number| number.digits());
        assert_eq!(subject.as_deref(), Some(NUMBER), "the record is the survivor's");
    }

    let found = search("Patient", MERGED).await.json();
    let read = client.get(found["entry"][0]["fullUrl"].as_str().unwrap(), &[]).await;
    assert_eq!(read.json()["identifier"][0]["value"], NUMBER);
}

#[tokio::test]
async fn who_is_restricted_is_so_under_either_number() {
    let mut restricted = person();
    restricted.restricted = true;
    let client = Client::of(registry(), Some(restricted)).await;

    let [by_survivor, by_merged] = [NUMBER, MERGED].map(|number| {
        let form = format!("patient.identifier={number}&status=current");
        let client = &client;
        async move { client.search("DocumentReference", &form, &[]).await.matches() }
    });

    assert_eq!(by_merged.await, by_survivor.await);
}

#[tokio::test]
async fn what_was_said_under_either_number_is_lifted_under_the_surviving_one() {
    let client = Client::of(registry(), Some(person())).await;
    let fhir = [("content-type", "application/fhir+json")];
    let consent = consent_of(MERGED, &json!({"type": "deny"}));
    let created = client.ask("POST", "Consent", &fhir, consent.to_string()).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let url = created.header("location").to_owned();

    let mut read = client.get(&url, &[]).await.json();
    assert_eq!(read["patient"]["identifier"]["value"], NUMBER);
    read["status"] = "inactive".into();
    let lifted = client.ask("PUT", &url, &fhir, read.to_string()).await;

    assert_eq!(lifted.status, 200, "{}", lifted.text);
    assert_eq!(lifted.json()["patient"]["identifier"]["value"], NUMBER);
    let mut moved = read;
    moved["patient"]["identifier"]["value"] = "9990001022".into();
    assert_eq!(client.ask("PUT", &url, &fhir, moved.to_string()).await.status, 400);
}
