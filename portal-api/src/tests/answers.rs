//! Forms, methods, limits and errors.

use std::sync::Arc;

use carerecord_fhir::to_xml;

use super::looking::{as_role, by};
use super::*;

#[tokio::test]
async fn every_route_answers_in_json_or_xml_as_it_is_asked() {
    let client = Client::of(registry(), Some(person())).await;
    let patient = format!("patient.identifier={NUMBER}&status=current");
    let lists = format!("{patient}&code=submissionset");
    let who = format!("identifier={NUMBER}");
    let xml = [("accept", "application/fhir+xml")];
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let in_url = "DocumentReference/_search?_format=xml";
    let in_url = client.ask("POST", in_url, &form, patient.clone()).await;

    for (answer, root) in [
        (client.get("metadata", &xml).await, "CapabilityStatement"),
        (client.get("metadata?_format=xml", &[]).await, "CapabilityStatement"),
        (client.get(&format!("DocumentReference?{patient}"), &xml).await, "Bundle"),
        (client.search("DocumentReference", &patient, &xml).await, "Bundle"),
        (
            client.search("DocumentReference", &format!("{patient}&_format=xml"), &[]).await,
            "Bundle",
        ),
        (in_url, "Bundle"),
        (client.get(&format!("DocumentReference/{ID}"), &xml).await, "DocumentReference"),
        (client.search("List", &lists, &xml).await, "Bundle"),
        (client.get(&format!("List/{SET}"), &xml).await, "List"),
        (client.search("Patient", &who, &xml).await, "Bundle"),
        (client.get("DocumentReference/x", &xml).await, "OperationOutcome"),
        (client.get("Nothing/x", &xml).await, "OperationOutcome"),
        (client.ask("DELETE", "metadata", &xml, "").await, "OperationOutcome"),
        (client.get("Binary/x", &xml).await, "OperationOutcome"),
        (client.search("DocumentReference", "status=current", &xml).await, "OperationOutcome"),
    ] {
        assert_eq!(answer.header("content-type"), "application/fhir+xml; charset=utf-8");
        let start = format!("<{root} xmlns=\"http://hl7.org/fhir\">");
        assert!(answer.text.starts_with(&start), "{}", answer.text);
    }
    let json = client.get("metadata", &[]).await.json();
    assert_eq!(json["format"], json!(["application/fhir+json", "application/fhir+xml"]));
}

#[tokio::test]
async fn what_is_neither_json_nor_xml_is_refused_before_anything_is_done() {
    let client = Client::of(registry(), Some(person())).await;
    let turtle = [("accept", "text/turtle")];

    let header = client.get("metadata", &turtle).await;
    let parameter = client.get("metadata?_format=ttl", &[]).await;
    let form = format!("identifier={NUMBER}&_format=ttl");
    let form = client.search("Patient", &form, &[]).await;
    let consent = client.ask("POST", "Consent", &turtle, consent().to_string()).await;

    for answer in [&header, &parameter, &form, &consent] {
        assert_eq!(answer.status, 406);
        assert_eq!(answer.json()["resourceType"], "OperationOutcome");
    }
    let kept = client.search("Consent", &format!("patient.identifier={NUMBER}"), &[]).await;
    assert_eq!(kept.json()["total"], 0, "the consent that could not be answered was not stored");
}

#[tokio::test]
async fn an_error_of_the_sign_in_is_an_outcome_in_the_form_asked_for() {
    let mut client = Client::of(registry(), Some(person())).await;
    client.token = "no-token".into();

    let answer = client.get(&format!("DocumentReference/{ID}?_format=xml"), &[]).await;

    assert_eq!(answer.status, 401);
    assert!(answer.header("www-authenticate").starts_with("Bearer"));
    assert!(answer.text.starts_with("<OperationOutcome"), "{}", answer.text);
}

#[tokio::test]
async fn a_head_has_the_headers_of_its_get_the_same_decision_and_its_own_record() {
    let client = Client::of(registry(), Some(person())).await;
    let patient = client.search("Patient", &format!("identifier={NUMBER}"), &[]).await;
    let patient = format!("Patient/{}", patient.matches()[0]["id"].as_str().unwrap());

    let paths = [
        format!("DocumentReference/{ID}"),
        format!("Binary/{ID}"),
        format!("List/{SET}"),
        patient,
        "metadata".to_owned(),
        "DocumentReference/x".to_owned(),
    ];
    for path in paths {
        let get = client.get(&path, &[]).await;
        let head = client.ask("HEAD", &path, &[], "").await;

        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.text, "", "{path}");
        for name in ["content-type", "content-length", "etag", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
        let length: usize = head.header("content-length").parse().unwrap();
        assert_eq!(length, get.text.len(), "{path}");
        let records = client.audited().await;
        assert!(records[0].request.starts_with("HEAD "), "{}", records[0].request);
        assert_eq!(records[0].interaction, records[1].interaction, "{path}");
        let [ours, before] = [0, 1].map(|n| serde_json::to_value(&records[n].decision).unwrap());
        assert_eq!(ours, before, "{path}");
        assert_eq!(records[0].outcome, records[1].outcome, "{path}");
    }
}

#[tokio::test]
async fn a_patient_is_read_by_the_id_that_a_search_gave_and_by_no_other() {
    let client = Client::of(registry(), Some(person())).await;
    let found = client.search("Patient", &format!("identifier={NUMBER}"), &[]).await.json();
    let url = found["entry"][0]["fullUrl"].as_str().unwrap();
    let id = found["entry"][0]["resource"]["id"].as_str().unwrap();

    let read = client.get(url, &[]).await;

    assert_eq!(url, format!("{BASE}/Patient/{id}"));
    assert!(!url.contains(NUMBER), "a URL names nobody");
    assert_eq!(read.status, 200);
    assert_eq!(read.json()["identifier"][0]["value"], NUMBER);
    assert_eq!(read.json()["id"], id);
    for other in [NUMBER, "x", "urn:uuid:1"] {
        assert_eq!(client.get(&format!("Patient/{other}"), &[]).await.status, 404, "{other}");
    }
}

#[tokio::test]
async fn a_list_is_read_as_a_search_shows_it_or_is_not_there() {
    let client = Client::of(registry(), Some(person())).await;
    let mut withheld = registry();
    Arc::make_mut(&mut withheld.found.document_entries[0]).confidentiality_codes =
        vec![Code::new("V", "2.16.840.1.113883.5.25", "")];
    let withheld = Client::of(withheld, Some(person())).await;
    let search = format!("patient.identifier={NUMBER}&status=current&code=submissionset");

    let found = client.search("List", &search, &[]).await.matches();
    let read = client.get(&format!("List/{SET}"), &[]).await;
    let other = client.get(&format!("List/{ID}"), &[]).await;
    let hidden = withheld.get(&format!("List/{SET}"), &[]).await;

    assert_eq!(read.status, 200, "{}", read.text);
    assert_eq!(read.json(), found[0]);
    assert_eq!(read.json()["entry"][0]["item"]["reference"], format!("DocumentReference/{ID}"));
    assert_eq!(other.status, 404);
    assert_eq!((hidden.status, &hidden.text), (404, &other.text), "as if it were not there");
    assert_eq!(client.audited().await[1].subject, Some(NUMBER.parse().unwrap()));
}

#[tokio::test]
async fn strict_handling_is_a_preference_for_every_search() {
    let client = Client::of(registry(), Some(person())).await;
    let patient = format!("patient.identifier={NUMBER}&status=current&colour=red");
    let searches = [
        ("DocumentReference", patient.clone()),
        ("List", format!("{patient}&code=submissionset")),
        ("Patient", format!("identifier={NUMBER}&colour=red")),
        ("Consent", format!("patient.identifier={NUMBER}&colour=red")),
    ];

    for (kind, form) in searches {
        let strict = [("prefer", "return=minimal"), ("prefer", "Handling=STRICT")];
        let strict = client.search(kind, &form, &strict).await;
        let lenient = client.search(kind, &form, &[("prefer", "handling=lenient")]).await;

        assert_eq!(strict.status, 400, "{kind}");
        assert!(strict.text.contains("colour"), "{}", strict.text);
        assert_eq!(lenient.status, 200, "{kind}");
    }
}

#[tokio::test]
async fn a_count_is_the_number_of_matches_without_them() {
    let client = Client::of(registry(), Some(person())).await;
    let patient = format!("patient.identifier={NUMBER}&status=current");
    let searches = [
        ("DocumentReference", patient.clone()),
        ("List", format!("{patient}&code=submissionset")),
        ("Patient", format!("identifier={NUMBER}")),
    ];

    for (kind, form) in searches {
        for count in ["_summary=count", "_count=0"] {
            let answer = client.search(kind, &format!("{form}&{count}"), &[]).await;

            assert_eq!(answer.json()["total"], 1, "{kind} {count}");
            assert!(answer.matches().is_empty(), "{kind} {count}");
        }
    }
}

#[tokio::test]
async fn addresses_methods_and_lengths_are_refused_with_an_outcome() {
    let client = Client::of(registry(), Some(person())).await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let xml = [("content-type", "application/fhir+xml")];
    let long = "x".repeat(2 << 20);

    let unknown = client.get("Observation/1", &[]).await;
    let bare = client.get("", &[]).await;
    let method = client.ask("DELETE", &format!("DocumentReference/{ID}"), &[], "").await;
    let url = client.get(&format!("DocumentReference?{}", "x".repeat(10_000)), &[]).await;
    let body = client.ask("POST", "DocumentReference/_search", &form, long).await;
    let text = [("content-type", "text/plain")];
    let consent = client.ask("POST", "Consent", &text, "<Consent/>").await;
    let search = client.ask("POST", "List/_search", &xml, "<x/>").await;

    for (answer, status) in [
        (&unknown, 404),
        (&bare, 405),
        (&method, 405),
        (&url, 414),
        (&body, 413),
        (&consent, 415),
        (&search, 415),
    ] {
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(answer.json()["resourceType"], "OperationOutcome");
    }
    assert_eq!(method.header("allow"), "GET,HEAD");
    for kind in ["fhir+json", "fhir+xml"] {
        assert!(consent.text.contains(kind), "it says what to send: {}", consent.text);
    }
}

#[tokio::test]
async fn resources_have_the_etag_of_what_they_say_and_documents_that_of_their_bytes() {
    let client = Client::of(registry(), Some(person())).await;

    let reference = client.get(&format!("DocumentReference/{ID}"), &[]).await;
    let document = client.get(&format!("Binary/{ID}"), &[("accept", "text/*")]).await;
    let other = client.get(&format!("Binary/{ID}"), &[("accept", "application/pdf")]).await;

    let tag = reference.header("etag");
    assert!(tag.starts_with("W/\"") && tag.len() == 44, "{tag}");
    assert_eq!(document.header("etag"), format!("\"{}\"", fake::hash()));
    assert_eq!(other.status, 406);
    assert_eq!(other.json()["resourceType"], "OperationOutcome");
}

#[tokio::test]
async fn an_error_of_the_registry_keeps_its_code_and_loses_its_context() {
    let refuses = |code: ErrorCode| FakeRegistry { refuses: Some(code), ..registry() };

    for (code, status) in [(ErrorCode::XDSRegistryError, 500), (ErrorCode::XDSRegistryBusy, 503)] {
        let name = code.as_str().to_owned();
        let client = Client::of(refuses(code), Some(person())).await;
        let answer = client.get(&format!("DocumentReference/{ID}"), &[]).await;

        assert_eq!(answer.status, status);
        let issue = &answer.json()["issue"][0];
        assert_eq!(issue["details"]["coding"][0]["code"], name);
        assert!(!answer.text.contains("9990001006"), "{}", answer.text);
    }
}

/// A body in XML says what one in JSON says, and what is not known is refused in both.
#[tokio::test]
async fn what_is_sent_is_taken_as_json_and_as_xml() {
    let mut client = Client::of(registry(), Some(person())).await;
    by(&mut client, &as_role("officer", "ZEX01", "R0001")).await;
    let xml = [("content-type", "application/fhir+xml"), ("accept", "application/fhir+json")];
    let json = [("content-type", "application/fhir+json")];
    let as_xml = |value: &Value| String::from_utf8(to_xml(value).unwrap()).unwrap();
    let mut sent = consent();
    sent["scope"] = json!({"coding": [{
        "system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy",
    }]});

    let by_json = client.ask("POST", "Consent", &json, sent.to_string()).await;
    let by_xml = client.ask("POST", "Consent", &xml, as_xml(&sent)).await;

    assert_eq!((by_json.status, by_xml.status), (201, 201), "{} {}", by_json.text, by_xml.text);
    assert_eq!(by_json.json()["provision"], by_xml.json()["provision"]);
    // Exceptions have none of their own.
    let nested = "<provision><type value=\"permit\"/><provision><type value=\"deny\"/></provision>\
        </provision></provision>";
    for (what, unknown) in [
        ("provision.provision.provision", as_xml(&sent).replace("</provision>", nested)),
        ("verification", as_xml(&sent).replace("<provision>", "<verification/><provision>")),
        (
            "_status",
            as_xml(&sent).replace(
                "<status value=\"active\"/>",
                "<status value=\"active\"><extension url=\"urn:x\"/></status>",
            ),
        ),
    ] {
        let answer = client.ask("POST", "Consent", &xml, unknown).await;
        assert_eq!(answer.status, 422, "{what}: {}", answer.text);
        assert!(answer.text.contains(what), "{what}: {}", answer.text);
    }
    let broken = client.ask("POST", "Consent", &xml, "<Consent").await;
    assert_eq!(broken.status, 400, "{}", broken.text);
    let found = client.search("Consent", &format!("patient={NUMBER}&status=active"), &[]).await;
    assert_eq!(found.json()["total"], 2, "{}", found.text);
    let found = client.search("Consent", &format!("patient={NUMBER}&status=inactive"), &[]).await;
    assert_eq!(found.json()["total"], 0, "{}", found.text);

    let asked = json!({"resourceType": "Parameters", "parameter": [
        {"name": "patient", "valueIdentifier": {
            "system": "https://fhir.nhs.uk/Id/nhs-number", "value": NUMBER,
        }},
    ]});
    let answers = [
        client.ask("POST", "Patient/$may-see", &json, asked.to_string()).await,
        client.ask("POST", "Patient/$may-see", &xml, as_xml(&asked)).await,
    ];
    assert_eq!(answers[0].status, 200, "{}", answers[0].text);
    assert_eq!(answers[0].json(), answers[1].json());
}

fn consent() -> Value {
    json!({
        "resourceType": "Consent", "status": "active",
        "patient": {"identifier": {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": NUMBER}},
        "provision": {"type": "deny"},
    })
}
