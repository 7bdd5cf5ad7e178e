//! What documents say in coded entries: seen as the documents are, with where it comes from, and
//! nothing settled.

use std::sync::{Arc, Mutex};

use super::fake::Trouble;
use super::*;

#[tokio::test]
async fn elements_come_with_their_documents_sections_and_provenance() {
    let node = states(vec![says(1, vec![penicillin()])]);
    let client = Client::with(of(&[1]), Some(person()), [node, FakeNode::default()]).await;

    let form = format!("patient.identifier={NUMBER}&_revinclude=Provenance:target");
    let answer = client.search("AllergyIntolerance", &form, &[]).await;
    let xml = client.search("AllergyIntolerance", &format!("{form}&_format=xml"), &[]).await;
    let count = client.search("AllergyIntolerance", &format!("{form}&_summary=count"), &[]).await;

    let bundle = answer.json();
    assert_eq!((answer.status, &bundle["total"]), (200, &json!(1)), "{}", answer.text);
    let id = element_id(1, 0);
    let found = &bundle["entry"][0];
    assert_eq!(found["fullUrl"], format!("{BASE}/AllergyIntolerance/{id}"));
    let resource = &found["resource"];
    assert_eq!(resource["code"]["coding"][0]["system"], "http://snomed.info/sct");
    assert_eq!(resource["patient"]["identifier"]["value"], NUMBER);
    assert_eq!(resource["clinicalStatus"]["coding"][0]["code"], "active");
    assert_eq!(
        resource["extension"][0],
        json!({"url": "urn:carerecord:element-source", "extension": [
            {"url": "document",
             "valueReference": {"reference": format!("DocumentReference/{}", document(1))}},
            {"url": "section", "valueUnsignedInt": 2},
            {"url": "title", "valueString": "Allergies"},
            {"url": "code", "valueCoding": {"system": "http://loinc.org", "code": "48765-2"}},
        ]})
    );
    let included = &bundle["entry"][1];
    assert_eq!(included["search"]["mode"], "include");
    let provenance = &included["resource"];
    assert_eq!(provenance["policy"], json!(["urn:ihe:iti:mxde:2023:document-provenance-policy"]));
    assert_eq!(provenance["target"], json!([{"reference": format!("AllergyIntolerance/{id}")}]));
    let what = format!("DocumentReference/{}", document(1));
    assert_eq!(provenance["entity"][0]["what"]["reference"], what);
    assert!(xml.text.contains("<AllergyIntolerance>"), "{}", xml.text);
    assert_eq!((count.json()["total"].as_u64(), count.matches().len()), (Some(1), 0));
    let record = &client.audited().await[0];
    assert_eq!(record.interaction, "PCC-44 AllergyIntolerance");
    assert_eq!((record.listed.len(), record.subject), (1, Some(NUMBER.parse().unwrap())));

    let read = client.get(&format!("AllergyIntolerance/{id}"), &[]).await;
    assert_eq!(read.json()["code"], resource["code"], "{}", read.text);
    let search = format!("Provenance?target=AllergyIntolerance/{id}");
    assert_eq!(client.get(&search, &[]).await.matches().len(), 1);
    let by_id = client.get(&format!("Provenance/{}", document(1)), &[]).await;
    assert_eq!(by_id.json()["recorded"], provenance["recorded"], "{}", by_id.text);
}

#[tokio::test]
async fn what_is_withheld_is_asked_of_nobody_and_changes_nothing() {
    let asked: Arc<Mutex<Vec<ElementQuestion>>> = Arc::default();
    let telling = || FakeNode {
        states: Some(ElementAnswer {
            documents: vec![says(1, vec![penicillin()]), says(2, vec![nuts(), penicillin()])],
            ..ElementAnswer::default()
        }),
        asked_elements: asked.clone(),
        ..FakeNode::default()
    };
    let registry = of_entries(vec![entry(1, "N"), entry(2, "V")]);
    let client = Client::with(registry, Some(person()), [telling(), telling()]).await;
    let alone = Client::with(of(&[1]), Some(person()), [telling(), telling()]).await;

    let form = format!("patient.identifier={NUMBER}&_revinclude=Provenance:target");
    let with = client.search("AllergyIntolerance", &form, &[]).await;
    let without = alone.search("AllergyIntolerance", &form, &[]).await;

    assert_eq!(with.matches(), without.matches());
    assert_eq!(with.json()["total"], 1);
    assert!(!with.text.contains("Nuts") && !with.text.contains(&document(2)), "{}", with.text);
    let id: UniqueId = unique_id(2).parse().unwrap();
    assert!(!asked.lock().unwrap().iter().any(|question| question.documents.contains(&id)));
    for path in [
        format!("AllergyIntolerance/{}", element_id(2, 0)),
        format!("AllergyIntolerance/{}", element_id(9, 0)),
        format!("Provenance/{}", document(2)),
    ] {
        assert_eq!(client.get(&path, &[]).await.status, 404, "{path}");
    }
    let targets = format!("Provenance?target=AllergyIntolerance/{}", element_id(2, 0));
    assert_eq!(client.get(&targets, &[]).await.json()["total"], 0);
}

#[tokio::test]
async fn an_element_with_a_label_of_its_own_is_decided_by_it() {
    let mut closed = nuts();
    closed.labels = vec![ConceptCoding {
        system: Some("http://terminology.hl7.org/CodeSystem/v3-Confidentiality".into()),
        code: "V".into(),
        display: None,
    }];
    let node = states(vec![says(1, vec![closed, penicillin()])]);
    let client = Client::with(of(&[1]), Some(person()), [node, FakeNode::default()]).await;

    let form = format!("patient.identifier={NUMBER}");
    let answer = client.search("AllergyIntolerance", &form, &[]).await;

    assert_eq!(answer.json()["total"], 1, "{}", answer.text);
    assert!(!answer.text.contains("Nuts"), "{}", answer.text);
    assert_eq!(client.audited().await[0].withheld, 1);
}

#[tokio::test]
async fn an_objection_hides_the_elements_of_its_document() {
    let node = states(vec![says(1, vec![penicillin()]), says(3, vec![nuts()])]);
    let client = Client::with(of(&[1, 3]), Some(person()), [node, FakeNode::default()]).await;
    let form = format!("patient.identifier={NUMBER}");
    let before = client.search("AllergyIntolerance", &form, &[]).await;
    let provision = json!({"type": "deny", "data": [{"meaning": "instance",
        "reference": {"reference": format!("DocumentReference/{}", document(3))}}]});
    let consent = consent_of(NUMBER, &provision);

    let json = [("content-type", "application/fhir+json")];
    let stored = client.ask("POST", "Consent", &json, consent.to_string()).await;
    let after = client.search("AllergyIntolerance", &form, &[]).await;

    assert_eq!(stored.status, 201, "{}", stored.text);
    assert_eq!((before.matches().len(), after.matches().len()), (2, 1));
    assert!(!after.text.contains("Nuts"), "{}", after.text);
}

#[tokio::test]
async fn only_the_same_id_and_content_is_one_and_all_else_is_named() {
    let with_id = |mut element: DataElement, status: &str| {
        let system = "2.999.5".to_owned();
        element.identifiers = vec![ElementIdentifier { system, value: Some("7".into()) }];
        element.status = Some(status.to_owned());
        element
    };
    let mut none = penicillin();
    none.assertion = Assertion::Absent;
    none.concept.codings[0].code = "716186003".into();
    let one = states(vec![
        says(1, vec![with_id(penicillin(), "active"), penicillin()]),
        says(3, vec![with_id(penicillin(), "active")]),
    ]);
    let other = FakeNode {
        states: Some(ElementAnswer {
            documents: vec![says(4, vec![with_id(penicillin(), "resolved"), none])],
            ..ElementAnswer::default()
        }),
        ..FakeNode::default()
    };
    let mut elsewhere = entry(4, "N");
    elsewhere.repository_unique_id = Some("2.999.826.1.2".parse().unwrap());
    let registry = of_entries(vec![entry(1, "N"), entry(3, "N"), elsewhere]);
    let client = Client::with(registry, Some(person()), [one, other]).await;

    let form = format!("patient.identifier={NUMBER}&_revinclude=Provenance:target");
    let answer = client.search("AllergyIntolerance", &form, &[]).await;

    let all = answer.matches();
    assert_eq!(all.len(), 4, "{}", answer.text);
    let of = |id: String| all.iter().find(|r| r["id"] == id).unwrap_or_else(|| panic!("{id}"));
    let extensions = |resource: &Value, url: &str| -> Vec<Value> {
        let all = resource["extension"].as_array().unwrap();
        all.iter().filter(|e| e["url"] == url).cloned().collect()
    };
    let merged = of(element_id(1, 0));
    assert_eq!(extensions(merged, "urn:carerecord:element-source").len(), 2, "two documents");
    let related: Vec<(String, String)> = extensions(merged, "urn:carerecord:element-relation")
        .iter()
        .map(|e| {
            let part = |n: usize, name: &str| e["extension"][n][name].clone();
            let with = part(1, "valueReference")["reference"].as_str().unwrap().to_owned();
            (part(0, "valueCode").as_str().unwrap().to_owned(), with)
        })
        .collect();
    let is = |kind: &str, id: String| {
        let with = format!("AllergyIntolerance/{id}");
        related.contains(&(kind.to_owned(), with))
    };
    assert!(is("duplicate", element_id(1, 1)), "{related:?}");
    assert!(is("conflict", element_id(4, 0)), "{related:?}");
    assert!(is("conflict", element_id(4, 1)), "none known: {related:?}");
    let bundle = answer.json();
    let provenances = bundle["entry"].as_array().unwrap().iter();
    let provenances = provenances.filter(|e| e["search"]["mode"] == "include");
    let named = format!("AllergyIntolerance/{}", element_id(1, 0));
    let naming = provenances.filter(|e| e["resource"]["target"].to_string().contains(&named));
    assert_eq!(naming.count(), 2, "one for each document");
}

#[tokio::test]
async fn replaced_documents_say_nothing() {
    let mut replaced = entry(3, "N");
    replaced.availability_status = AvailabilityStatus::Deprecated;
    let node = states(vec![says(1, vec![penicillin()]), says(3, vec![nuts()])]);
    let registry = of_entries(vec![entry(1, "N"), replaced]);
    let client = Client::with(registry, Some(person()), [node, FakeNode::default()]).await;

    let form = format!("patient.identifier={NUMBER}");
    let answer = client.search("AllergyIntolerance", &form, &[]).await;

    assert_eq!(answer.json()["total"], 1, "{}", answer.text);
    assert!(!answer.text.contains("Nuts"), "{}", answer.text);
}

#[tokio::test]
async fn parameters_narrow_and_what_is_not_known_is_refused() {
    let vital = |code: &str, day: &str, category: &str| {
        let mut element = penicillin();
        element.kind = ElementKind::Observation;
        element.concept.codings = vec![coding("2.16.840.1.113883.6.1", code)];
        let system = "http://terminology.hl7.org/CodeSystem/observation-category";
        element.categories = vec![Concept { codings: vec![coding(system, category)], text: None }];
        element.start = Some(day.parse().unwrap());
        element.status = Some("final".into());
        let value = "5.40".to_owned();
        let unit = Some("mmol/L".to_owned());
        element.value = Some(ElementValue::Quantity { value, comparator: None, unit });
        element
    };
    let node = states(vec![says(
        1,
        vec![
            vital("8867-4", "20260103", "vital-signs"),
            vital("718-7", "20250601", "laboratory"),
            penicillin(),
        ],
    )]);
    let client = Client::with(of(&[1]), Some(person()), [node, FakeNode::default()]).await;

    let system = "http://terminology.hl7.org/CodeSystem/observation-category";
    for (more, expected) in [
        ("", 2),
        (&*format!("&category={system}|vital-signs"), 1),
        ("&category=vital-signs&code=http://loinc.org|8867-4&date=ge2026", 1),
        ("&category=vital-signs&date=lt2026", 0),
        ("&date=ge2025-01-01&date=lt2026-01-01", 1),
        ("&code=718-7,8867-4", 2),
        ("&status=final", 2),
        ("&status=amended", 0),
        (&*format!("&_id={}", element_id(1, 1)), 1),
        ("&unknown=1", 2),
    ] {
        let form = format!("patient.identifier={NUMBER}{more}");
        let answer = client.search("Observation", &form, &[]).await;
        assert_eq!(answer.json()["total"], expected, "{more}: {}", answer.text);
    }
    for bad in
        ["&code:in=x", "&code:text=x", "&date=soon", "&_revinclude:iterate=Provenance:target"]
    {
        let form = format!("patient.identifier={NUMBER}{bad}");
        let answer = client.search("Observation", &form, &[]).await;
        assert_eq!(answer.status, 400, "{bad}: {}", answer.text);
    }
    let form = format!("patient.identifier={NUMBER}&unknown=1");
    let strict = client.search("Observation", &form, &[("prefer", "handling=strict")]).await;
    assert_eq!(strict.status, 400);
    assert_eq!(client.search("Observation", "code=1", &[]).await.status, 400, "whose?");
    assert_eq!(client.get("Provenance", &[]).await.status, 400, "of what?");
    let of_none = client.get("Procedure?patient=1", &[]).await;
    assert_eq!(of_none.status, 404, "what is not taken out is not there");

    // As a search for people names them.
    let people = client.search("Patient", &format!("identifier={NUMBER}"), &[]).await;
    let id = people.matches()[0]["id"].as_str().unwrap().to_owned();
    for patient in [id.clone(), format!("Patient/{id}"), format!("{BASE}/Patient/{id}")] {
        let answer = client.get(&format!("Observation?patient={patient}"), &[]).await;
        assert_eq!(answer.json()["total"], 2, "{patient}: {}", answer.text);
    }
    let nobody = client.get("Observation?patient=Patient/nobody", &[]).await;
    assert_eq!(nobody.status, 400, "{}", nobody.text);
    let form = format!("patient.identifier={NUMBER}&code=718-7");
    let exact = client.search("Observation", &form, &[]).await;
    assert!(exact.text.contains("\"valueString\":\"5.40\""), "no digit is lost: {}", exact.text);
}

#[tokio::test]
async fn what_was_not_read_is_told_by_source() {
    let partly = || FakeNode {
        states: Some(ElementAnswer {
            documents: vec![says(1, vec![penicillin()])],
            coverage: ElementCoverage {
                waiting: 1,
                uncoded: 2,
                unreadable: 1,
                mismatched: 1,
                partly: 1,
                missing: 1,
                left_out: 1,
            },
        }),
        ..FakeNode::default()
    };
    let ill = |trouble| FakeNode { trouble, ..FakeNode::default() };
    for (nodes, codes) in [
        (
            [partly(), FakeNode::default()],
            "uncoded indexing unreadable mismatched partly missing left-out no-elements answered",
        ),
        ([ill(Trouble::Down), states(Vec::new())], "down answered"),
        ([states(Vec::new()), ill(Trouble::Late)], "late answered"),
    ] {
        let client = Client::with(of(&[1]), Some(person()), nodes).await;
        let form = format!("patient.identifier={NUMBER}");
        let answer = client.search("Condition", &form, &[]).await;
        assert_eq!((answer.status, &answer.json()["total"]), (200, &json!(0)), "{}", answer.text);
        for code in codes.split(' ') {
            assert!(
                answer.text.contains(&format!("\"code\":\"{code}\"")),
                "{code}: {}",
                answer.text
            );
        }
    }
}

#[tokio::test]
async fn of_a_restricted_person_nothing_tells_where_they_are_cared_for() {
    let mut restricted = person();
    restricted.restricted = true;
    let mut visit = penicillin();
    visit.kind = ElementKind::Encounter;
    let mut allergy = penicillin();
    let identifier = ElementIdentifier { system: "2.999.77".into(), value: Some("1".into()) };
    allergy.identifiers = vec![identifier];
    let node = states(vec![says(1, vec![visit, allergy])]);
    let client = Client::with(of(&[1]), Some(restricted), [node, FakeNode::default()]).await;

    let form = format!("patient.identifier={NUMBER}");
    let allergies = client.search("AllergyIntolerance", &form, &[]).await;
    let visits = client.search("Encounter", &form, &[]).await;
    let visit = client.get(&format!("Encounter/{}", element_id(1, 0)), &[]).await;

    assert_eq!(allergies.json()["total"], 1, "{}", allergies.text);
    assert_eq!(visits.json()["total"], 0, "{}", visits.text);
    assert!(visits.text.contains("Visits are not shown"), "{}", visits.text);
    assert_eq!(visit.status, 404);
    for telling in ["Royal", "Community", "2.999.826.1", "2.999.77", "2.999.1."] {
        assert!(!allergies.text.contains(telling), "{telling}: {}", allergies.text);
    }
}

/// The document is of the contact that the patient shares; that it is, is masked in what is released.
#[tokio::test]
async fn a_label_of_an_element_is_decided_on_what_is_registered() {
    let mut restricted = person();
    restricted.restricted = true;
    let mut labelled = nuts();
    labelled.labels = vec![coding("http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "N")];
    let node = states(vec![says(1, vec![labelled])]);
    let encounter = "E1^^^&2.999.5&ISO^urn:ihe:iti:xds:2015:encounterId".to_owned();
    let shared = DocumentEntry { reference_ids: vec![encounter], ..entry(1, "N") };
    let registry = of_entries(vec![shared]);
    let client = Client::with(registry, Some(restricted), [node, FakeNode::default()]).await;
    let provision = json!({"type": "permit", "data": [{"meaning": "related", "reference": {
        "type": "Encounter", "identifier": {"system": "urn:oid:2.999.5", "value": "E1"}}}]});
    let consent = consent_of(NUMBER, &provision);

    let json = [("content-type", "application/fhir+json")];
    let stored = client.ask("POST", "Consent", &json, consent.to_string()).await;
    let form = format!("patient.identifier={NUMBER}");
    let answer = client.search("AllergyIntolerance", &form, &[]).await;

    assert_eq!(stored.status, 201, "{}", stored.text);
    assert_eq!(answer.json()["total"], 1, "{}", answer.text);
    assert!(answer.text.contains("Nuts") && !answer.text.contains("E1"), "{}", answer.text);
}

fn document(n: u32) -> String {
    format!("6c1d0b52-0000-4000-8000-{n:012}")
}

fn unique_id(n: u32) -> String {
    format!("2.999.1.{n}")
}

fn element_id(n: u32, place: usize) -> String {
    format!("{}-{place}", document(n).replace('-', ""))
}

fn entry(n: u32, label: &str) -> DocumentEntry {
    DocumentEntry {
        entry_uuid: format!("urn:uuid:{}", document(n)).parse().unwrap(),
        unique_id: unique_id(n).parse().unwrap(),
        confidentiality_codes: vec![Code::new(label, "2.16.840.1.113883.5.25", "")],
        ..letter()
    }
}

fn of(numbers: &[u32]) -> FakeRegistry {
    of_entries(numbers.iter().map(|n| entry(*n, "N")).collect())
}

fn of_entries(entries: Vec<DocumentEntry>) -> FakeRegistry {
    let document_entries = entries.into_iter().map(Arc::new).collect();
    let found = FoundObjects { document_entries, ..FoundObjects::default() };
    FakeRegistry { found, ..FakeRegistry::default() }
}

fn states(documents: Vec<DocumentElements>) -> FakeNode {
    let states = Some(ElementAnswer { documents, ..ElementAnswer::default() });
    FakeNode { states, ..FakeNode::default() }
}

fn says(n: u32, elements: Vec<DataElement>) -> DocumentElements {
    let placed = |(place, element)| PlacedElement { place, element };
    DocumentElements {
        unique_id: unique_id(n).parse().unwrap(),
        extracted_at_ms: 1_764_230_400_000,
        rules: "1".into(),
        elements: elements.into_iter().enumerate().map(placed).collect(),
    }
}

fn coding(system: &str, code: &str) -> ConceptCoding {
    ConceptCoding { system: Some(system.to_owned()), code: code.to_owned(), display: None }
}

fn nuts() -> DataElement {
    let mut element = penicillin();
    element.concept = Concept { codings: Vec::new(), text: Some("Nuts".into()) };
    element
}

fn penicillin() -> DataElement {
    serde_json::from_value(json!({
        "kind": "AllergyIntolerance",
        "concept": {
            "codings": [{"system": "2.16.840.1.113883.6.96", "code": "91936005"}],
            "text": "Allergy to penicillin",
        },
        "assertion": "Present",
        "status": "active",
        "section": {
            "place": 2, "title": "Allergies",
            "code": {"system": "2.16.840.1.113883.6.1", "code": "48765-2"},
        },
    }))
    .unwrap()
}
