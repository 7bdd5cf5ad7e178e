//! Searches for people. PDQm ITI-78, ITI-119.

use super::fake::MERGED;
use super::*;

const SYSTEM: &str = "https://fhir.nhs.uk/Id/nhs-number";
const BORN: &str = "family=Okafor&birthdate=1945-07-14";

#[tokio::test]
async fn people_are_found_by_name_and_birth_date_and_each_is_recorded() {
    let client = Client::of(registry(), Some(ada())).await;

    let found = client.search("Patient", "family=oka&birthdate=1945-07-14", &[]).await;

    assert_eq!(found.status, 200, "{}", found.text);
    let bundle = found.json();
    assert_eq!(
        (&bundle["total"], &bundle["entry"][0]["search"]["score"]),
        (&1.into(), &0.5.into())
    );
    let [person] = found.matches().try_into().unwrap();
    assert_eq!(person["name"][0], json!({"use": "official", "family": "Okafor", "given": ["Ada"]}));
    assert_eq!((&person["gender"], &person["birthDate"]), (&"female".into(), &"1945-07-14".into()));
    assert_eq!(person["address"], json!([{"use": "home", "postalCode": "XX1 1XX"}]));
    assert_eq!(person["active"], true);
    let identifiers: Vec<_> = person["identifier"].as_array().unwrap().iter().collect();
    assert_eq!(
        (&identifiers[0]["system"], &identifiers[0]["value"]),
        (&SYSTEM.into(), &NUMBER.into())
    );
    assert_eq!(identifiers[1], &json!({"use": "old", "system": SYSTEM, "value": MERGED}));
    assert_eq!(identifiers[2], &json!({"system": "urn:oid:2.999.10.2", "value": "MRN-88"}));
    assert_eq!(person["link"][0]["type"], "replaces");
    let record = &client.audited().await[0];
    assert_eq!(record.subject.map(|n| n.digits()).as_deref(), Some(NUMBER));
    assert_eq!((record.interaction.as_str(), record.status), ("search Patient by name", 200));
    assert!(record.decision.is_some());
    // What is in a URL names nobody.
    for link in [&bundle["link"][0]["url"], &bundle["entry"][0]["fullUrl"]] {
        let link = link.as_str().unwrap();
        assert!(!link.contains("kafor") && !link.contains("1945") && !link.contains("999000"));
    }
    let read = client.get(bundle["entry"][0]["fullUrl"].as_str().unwrap(), &[]).await;
    assert_eq!(read.json()["identifier"], person["identifier"]);
    let by_get = client.get(&format!("Patient?{BORN}&_format=xml"), &[]).await;
    assert!(by_get.text.contains("<postalCode value=\"XX1 1XX\"/>"), "{}", by_get.text);
}

#[tokio::test]
async fn parameters_mean_what_fhir_says() {
    let client = Client::of(registry(), Some(ada())).await;
    let search = |form: &'static str| {
        let client = &client;
        async move {
            let found = client.search("Patient", form, &[]).await;
            assert_eq!(found.status, 200, "{form}: {}", found.text);
            found.json()["total"].as_u64().unwrap()
        }
    };
    for (form, total) in [
        ("family=OKÁ&birthdate=1945-07-14", 1),
        ("family:exact=Okafor&birthdate=1945", 1),
        ("family:exact=okafor&birthdate=1945", 0),
        ("family=Okafor&birthdate=ge1945-07&birthdate=lt1945-08", 1),
        ("family=Okafor&birthdate=1945-07-15", 0),
        ("family=Nobody,Okafor&birthdate=1945", 1),
        ("family=Okafor&birthdate=1945&gender=female", 1),
        ("family=Okafor&birthdate=1945&gender=male,other", 0),
        ("family=Okafor&birthdate=1945&given=A", 1),
        ("family=Okafor&birthdate=1945&given=A&given=B", 0),
        ("family=Okafor&address-postalcode=xx1", 1),
        ("family=Okafor&address-postalcode=XX2", 0),
        ("given=Ada&birthdate=1945-07-14&address-postalcode=XX11XX", 1),
        ("family=Okafor&birthdate=1945&active=true", 1),
        ("family=Okafor&birthdate=1945&active=false", 0),
        ("identifier=9990001030&family=Okafor", 1),
        ("identifier=9990001030&family=Smith", 0),
        ("identifier=urn:oid:2.999.10.2|MRN-88", 1),
        ("identifier=urn:oid:2.999.10.2|MRN-89", 0),
        ("identifier=https://example.org/ids|1", 0),
        ("_id=9990001030", 0),
    ] {
        assert_eq!(search(form).await, total, "{form}");
    }
}

#[tokio::test]
async fn nobody_browses() {
    let client = Client::of(registry(), Some(ada())).await;
    for form in ["", "family=Okafor", "family=Okafor&gender=female", "family=O&birthdate=1945"] {
        let refused = client.search("Patient", form, &[]).await;
        assert_eq!(refused.status, 400, "{form}: {}", refused.text);
        let issue = refused.json()["issue"][0].clone();
        assert_eq!(issue["code"], "required", "{form}");
        assert!(issue["details"]["text"].as_str().unwrap().contains("with birthdate"), "{form}");
    }
    let crowd = client.search("Patient", "family=Smith&birthdate=1970-01-01", &[]).await;
    assert_eq!((crowd.status, &crowd.json()["issue"][0]["code"]), (422, &"too-costly".into()));
    assert!(!crowd.text.contains("Smith"), "{}", crowd.text);
    let record = &client.audited().await[0];
    assert_eq!((record.subject, record.status), (None, 422), "nobody was shown");
    let contains = client.get("Patient?family:contains=kaf&birthdate=1945", &[]).await;
    assert_eq!(contains.status, 400, "{}", contains.text);
    assert!(contains.text.contains("family:contains"), "{}", contains.text);
}

#[tokio::test]
async fn what_is_left_out_is_told() {
    let client = Client::of(registry(), Some(ada())).await;

    let lenient = client.search("Patient", &format!("{BORN}&telecom=1"), &[]).await.json();
    let strict = [("prefer", "handling=strict")];
    let strict = client.search("Patient", &format!("{BORN}&telecom=1"), &strict).await;

    let issue = &lenient["entry"][1]["resource"]["issue"][0];
    assert_eq!((&issue["severity"], &issue["code"]), (&"warning".into(), &"not-supported".into()));
    assert!(issue["details"]["text"].as_str().unwrap().contains("telecom"));
    assert_eq!(strict.status, 400);
}

#[tokio::test]
async fn domains_restrict_identifiers_and_unknown_ones_are_told() {
    let client = Client::of(registry(), Some(ada())).await;

    let of = |domain: &str| {
        let (client, form) = (&client, format!("{BORN}&identifier={domain}|"));
        async move { client.search("Patient", &form, &[]).await }
    };

    let local = of("urn:oid:2.999.10.2").await.matches();
    let unknown = of("urn:oid:2.999.3").await;
    let foreign = of("https://x.example").await;

    let expected = json!([{"system": "urn:oid:2.999.10.2", "value": "MRN-88"}]);
    assert_eq!(local[0]["identifier"], expected);
    assert!(local[0].get("link").is_none());
    let issue = unknown.json()["issue"][0].clone();
    assert_eq!((unknown.status, &issue["code"]), (404, &"not-found".into()));
    assert_eq!(issue["severity"], "warning");
    assert_eq!(foreign.status, 404);
}

#[tokio::test]
async fn a_number_that_was_merged_is_told_to_be_old() {
    let client = Client::of(registry(), Some(ada())).await;

    let old = client.search("Patient", &format!("identifier={SYSTEM}|{MERGED}"), &[]).await.json();
    let own = client.search("Patient", &format!("identifier={SYSTEM}|{NUMBER}"), &[]).await.json();

    assert_eq!(old["entry"][0]["resource"]["identifier"][0]["value"], NUMBER);
    let issue = &old["entry"][1]["resource"]["issue"][0];
    assert!(issue["details"]["text"].as_str().unwrap().contains("no longer in use"), "{old}");
    assert_eq!(own["entry"].as_array().unwrap().len(), 1, "{own}");
}

#[tokio::test]
async fn of_a_restricted_person_no_place_is_told_and_none_finds_them() {
    let mut restricted = ada();
    restricted.restricted = true;
    restricted.deceased = true;
    let client = Client::of(registry(), Some(restricted)).await;

    let by_name = client.search("Patient", BORN, &[]).await;
    let by_place = client.search("Patient", &format!("{BORN}&address-postalcode=XX1"), &[]).await;

    let person = &by_name.matches()[0];
    assert_eq!(person["meta"]["security"][0]["code"], "R");
    assert_eq!(person["deceasedBoolean"], true);
    assert!(person.get("address").is_none() && !by_name.text.contains("2.999.10.2"));
    assert_eq!(by_place.json()["total"], 0);
}

#[tokio::test]
async fn pages_are_links_that_name_nobody_and_are_the_callers_own() {
    let client = Client::of(registry(), Some(ada())).await;

    let count = client.search("Patient", &format!("{BORN}&_summary=count"), &[]).await.json();
    let none = client.search("Patient", &format!("{BORN}&_count=0"), &[]).await.json();
    let one = client.search("Patient", &format!("{BORN}&_count=1"), &[]).await.json();
    let wrong = client.get("Patient?_page=AAAA", &[]).await;

    for counted in [&count, &none] {
        assert_eq!((&counted["total"], counted.get("entry")), (&1.into(), None));
    }
    assert_eq!(one["link"].as_array().unwrap().len(), 1, "that was all");
    assert_eq!(wrong.status, 404);
}

#[tokio::test]
async fn a_match_has_score_and_grade_and_is_certain_only_with_all_three() {
    let client = Client::of(registry(), Some(ada())).await;
    let whole = json!({
        "resourceType": "Patient",
        "identifier": [{"system": SYSTEM, "value": NUMBER}],
        "name": [{"family": "Okafor", "given": ["Ada"]}], "birthDate": "1945-07-14",
    });

    let certain = matched(&client, &whole, json!([])).await.json();

    let entry = &certain["entry"][0];
    assert_eq!((&certain["type"], &certain["total"]), (&"searchset".into(), &1.into()));
    assert_eq!(
        (&entry["search"]["mode"], &entry["search"]["score"]),
        (&"match".into(), &1.0.into())
    );
    assert_eq!(entry["search"]["extension"][0], grade("certain"));
    assert_eq!(entry["resource"]["identifier"][0]["value"], NUMBER);
    let record = &client.audited().await[0];
    assert_eq!(
        (record.interaction.as_str(), record.subject.map(|n| n.digits())),
        ("ITI-119", Some(NUMBER.to_owned()))
    );
    let only = json!([{"name": "onlyCertainMatches", "valueBoolean": true}]);
    assert_eq!(matched(&client, &whole, only.clone()).await.json()["total"], 1);
    for (without, expected) in
        [("identifier", "probable"), ("birthDate", "probable"), ("name", "probable")]
    {
        let mut part = whole.clone();
        part.as_object_mut().unwrap().remove(without);
        let found = matched(&client, &part, json!([])).await.json();
        assert_eq!(found["entry"][0]["search"]["extension"][0], grade(expected), "{without}");
        let none = matched(&client, &part, only.clone()).await.json();
        assert_eq!(none["total"], 0, "{without}");
        assert_eq!(none["entry"][0]["search"]["mode"], "outcome");
    }
    let xml = client.ask("POST", "Patient/$match?_format=xml", &FHIR, whole.to_string()).await;
    assert!(xml.text.contains("<valueCode value=\"certain\"/>"), "{}", xml.text);
}

#[tokio::test]
async fn matches_find_what_is_nearly_right_and_nobody_else() {
    let client = Client::of(registry(), Some(ada())).await;
    let told = |family: &str, born: &str| {
        json!({
            "resourceType": "Patient", "name": [{"family": family, "given": ["Ada"]}],
            "birthDate": born, "address": [{"postalCode": "XX1 1XX"}],
        })
    };
    let mut turned = ada();
    turned.birth_date = Some("1945-07-08".parse().unwrap());
    let other = Client::of(registry(), Some(turned)).await;

    let misspelt = matched(&client, &told("Okaphor", "1945-07-14"), json!([])).await.json();
    let turned = matched(&other, &told("Okafor", "1945-08-07"), json!([])).await.json();
    let nobody = matched(&client, &told("Jones", "1990-01-01"), json!([])).await.json();
    let crowd = matched(&client, &told("Smith", "1970-01-01"), json!([])).await.json();

    assert_eq!(misspelt["entry"][0]["search"]["extension"][0], grade("possible"));
    assert_eq!(turned["entry"][0]["search"]["extension"][0], grade("possible"));
    assert_eq!((&nobody["total"], nobody.get("entry")), (&0.into(), None));
    assert_eq!(crowd["total"], 0);
    assert_eq!(crowd["entry"][0]["resource"]["issue"][0]["code"], "too-costly");
    for (sent, status) in [
        (json!({"resourceType": "Patient", "name": [{"family": "Okafor"}]}), 400),
        (json!({"resourceType": "Consent"}), 400),
        (json!({"resourceType": "Patient", "birthDate": "yesterday"}), 400),
    ] {
        let answer = client.ask("POST", "Patient/$match", &FHIR, sent.to_string()).await;
        assert_eq!(
            (answer.status, &answer.json()["resourceType"]),
            (status, &"OperationOutcome".into())
        );
    }
}

async fn matched(client: &Client, patient: &Value, more: Value) -> Answer {
    let mut parameter = vec![json!({"name": "resource", "resource": patient})];
    parameter.extend(more.as_array().unwrap().iter().cloned());
    let sent = json!({"resourceType": "Parameters", "parameter": parameter});
    let answer = client.ask("POST", "Patient/$match", &FHIR, sent.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer
}

fn grade(code: &str) -> Value {
    json!({"url": "http://hl7.org/fhir/StructureDefinition/match-grade", "valueCode": code})
}

fn ada() -> Patient {
    let mut ada = person();
    ada.given_names = vec!["Ada".into()];
    ada.birth_date = Some("1945-07-14".parse().unwrap());
    ada.gender = Gender::Female;
    ada.postcode = Some("XX1 1XX".into());
    ada
}

const FHIR: [(&str, &str); 1] = [("content-type", "application/fhir+json")];
