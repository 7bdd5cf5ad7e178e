//! Publishing by FHIR (MHD), and that both doors have one answer.

use bytes::Bytes;
use carerecord_fhir::{from_xml, to_xml};
use carerecord_testkit::{
    Deployment, Fhir, Letter, NODES, NURSE, PATIENT, Role, list, patient_id, provide_bundle,
};
use carerecord_xml::ElementRef;
use serde_json::{Value, json};

/// In either form: what is published has the ids of the answer, on every door.
pub async fn a_bundle_is_on_every_door_with_the_same_ids(deployment: Deployment) {
    let source = deployment.fhir().as_source().await;
    for (n, xml) in [(1, false), (2, true)] {
        let letter = Letter::text(PATIENT, n);
        let bundle = provide_bundle(&format!("2.999.826.9.2.{n}"), &[&letter]);

        let (status, answer) = provide(&source, &bundle, xml).await;

        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["type"], "transaction-response");
        let [list, document, binary] = [0, 1, 2].map(|n| location(&answer, n));
        let (status, resource) = source.resource(&document).await;
        assert_eq!(status, 200, "{resource}");
        assert_eq!(resource["masterIdentifier"]["value"], format!("urn:oid:{}", letter.unique_id));
        let id = document.strip_prefix("DocumentReference/").unwrap();
        assert_eq!(resource["id"], id);
        let (status, bytes) = source.get(&binary).await.unwrap();
        assert_eq!((status, &bytes), (200, &letter.bytes));
        let (status, set) = source.resource(&list).await;
        assert_eq!((status, &set["entry"][0]["item"]["reference"]), (200, &json!(document)));

        let entry = over_soap(&deployment, &letter.unique_id).await.unwrap();
        assert!(entry.contains(&format!("id=urn:uuid:{id}")), "{entry}");
        let given = deployment.node(0).retrieve(NODES[0].0, &[&letter.unique_id]).await.unwrap();
        assert_eq!(given.documents[&letter.unique_id], letter.bytes);

        let again = provide(&source, &bundle, xml).await;
        assert_eq!(again, (200, answer), "a repeat gets the same answer");
    }
    let fhir = deployment.fhir().as_system().await;
    assert_eq!(fhir.documents(PATIENT).await.len(), 2);
    assert_eq!(deployment.stored_objects(0).len(), 2);
    let portal = deployment.audit(Role::Portal);
    let provided = portal.iter().filter(|e| e["interaction"] == "ITI-65 Provide Document Bundle");
    assert_eq!(provided.count(), 4);
    deployment.assert_no_panic();
}

/// Documents that differ in what can differ: by whichever door they come, both doors show the same.
pub async fn both_doors_have_one_answer(deployment: Deployment) {
    let source = deployment.fhir().as_source().await;
    let titles = ["Letter", "Ünïcode & <markup> \"quoted\"", "A^B|C~D\\E", "  spaced  "];
    let classes = ["823651000000106", "823691000000103"];
    for n in 0..8u32 {
        let at = n as usize;
        let letter = |number: u32| Letter {
            title: titles[at % titles.len()].trim().to_owned(),
            class: classes[at % 2].to_owned(),
            mime_type: ["text/plain", "application/pdf"][at / 4].to_owned(),
            ..Letter::text(PATIENT, number)
        };
        let (by_soap, by_fhir) = (letter(100 + n), letter(200 + n));
        // What `Letter` writes, it writes as it is.
        let escaped =
            by_soap.title.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        let in_xml = Letter { title: escaped, ..by_soap.clone() };
        let answer = deployment.node(0).publish(&in_xml).await.unwrap();
        assert!(answer.is_success(), "{}", answer.envelope);
        let bundle = provide_bundle(&format!("2.999.826.9.3.{n}"), &[&by_fhir]);
        let (status, answer) = provide(&source, &bundle, n % 2 == 0).await;
        assert_eq!(status, 200, "{answer}");

        let documents = source.documents(PATIENT).await;
        let mut seen = Vec::new();
        for letter in [&by_soap, &by_fhir] {
            let resource = &documents[&letter.unique_id];
            let id = resource["id"].as_str().unwrap();
            let entry = over_soap(&deployment, &letter.unique_id).await.unwrap();
            assert!(entry.contains(&format!("id=urn:uuid:{id}")), "{entry}");
            let (_, bytes) = source.get(&format!("Binary/{id}")).await.unwrap();
            assert_eq!(bytes, letter.bytes);
            let digest = carerecord_testkit::sha1_base64(&letter.bytes);
            seen.push((
                neutral(&entry, &[id, &letter.unique_id]),
                neutral(&resource.to_string(), &[id, &letter.unique_id, &digest]),
            ));
        }
        assert_eq!(without_bytes(&seen[0].0), without_bytes(&seen[1].0), "{n}: over SOAP");
        assert_eq!(seen[0].1, seen[1].1, "{n}: over FHIR");
    }
    // An id that came by one door is taken for the other one.
    let other = Letter { bytes: Bytes::from_static(b"other bytes"), ..Letter::text(PATIENT, 100) };
    let (status, answer) =
        provide(&source, &provide_bundle("2.999.826.9.3.99", &[&other]), false).await;
    assert_eq!((status, code(&answer)), (409, "XDSNonIdenticalHash"), "{answer}");
    let other = Letter { unique_id: "2.999.826.9.1.200".into(), ..other };
    let answer = deployment.node(0).publish(&other).await.unwrap();
    assert_eq!(answer.error_codes(), ["XDSNonIdenticalHash"]);
    deployment.assert_no_panic();
}

/// Replacement, addition and transformation, and folders that are made and added to.
pub async fn relations_and_folders_are_as_over_soap(deployment: Deployment) {
    let source = deployment.fhir().as_source().await;
    assert!(deployment.node(1).publish(&Letter::text(PATIENT, 1)).await.unwrap().is_success());
    let old = source.documents(PATIENT).await["2.999.826.9.1.1"]["id"].as_str().unwrap().to_owned();

    let mut bundle = provide_bundle("2.999.826.9.4.1", &[&Letter::text(PATIENT, 2)]);
    let target = json!({"reference": format!("DocumentReference/{old}")});
    relate(&mut bundle, 1, "replaces", &target);
    add(&mut bundle, patch(), "PATCH", &format!("DocumentReference/{old}"));
    let folder = list(
        "folder",
        "2.999.826.9.4.2",
        PATIENT,
        vec![json!({"item": {"reference": "urn:uuid:document-0"}})],
    );
    add(&mut bundle, folder.clone(), "POST", "List");
    let members = bundle["entry"][0]["resource"]["entry"].as_array_mut().unwrap();
    members.push(json!({"item": {"reference": "urn:uuid:added-4"}}));
    let (status, answer) = provide(&source, &bundle, false).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["entry"][3]["response"]["status"], "200 OK");
    assert_eq!(location(&answer, 3), format!("DocumentReference/{old}"));
    let (new, folder_at) = (location(&answer, 1), location(&answer, 4));

    let (_, replaced) = source.resource(&format!("DocumentReference/{old}")).await;
    assert_eq!(replaced["status"], "superseded");
    let documents = source.documents(PATIENT).await;
    let relation = &documents["2.999.826.9.1.2"]["relatesTo"][0];
    assert_eq!((&relation["code"], &relation["target"]), (&json!("replaces"), &target));
    let superseded = source.search("DocumentReference", PATIENT, "status=superseded").await.1;
    assert_eq!(superseded["total"], 1);

    let more = [Letter::text(PATIENT, 3), Letter::text(PATIENT, 4)];
    let mut bundle = provide_bundle("2.999.826.9.4.3", &[&more[0], &more[1]]);
    let by_id =
        json!({"identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:2.999.826.9.1.2"}});
    relate(&mut bundle, 1, "appends", &by_id);
    relate(&mut bundle, 3, "transforms", &json!({"reference": new}));
    let mut update = folder;
    update["entry"] = json!([
        {"item": {"reference": new}},
        {"item": {"reference": "urn:uuid:document-0"}},
    ]);
    add(&mut bundle, update, "PUT", &folder_at);
    let (status, answer) = provide(&source, &bundle, true).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(location(&answer, 5), folder_at);

    let documents = source.documents(PATIENT).await;
    for (id, code) in [("2.999.826.9.1.3", "appends"), ("2.999.826.9.1.4", "transforms")] {
        let relation = &documents[id]["relatesTo"][0];
        assert_eq!(relation["code"], code);
        assert_eq!(relation["target"]["reference"], new);
    }
    let (_, folders) = source.search("List", PATIENT, "status=current&code=folder").await;
    assert_eq!(folders["total"], 1, "{folders}");
    assert_eq!(folders["entry"][0]["resource"]["entry"].as_array().unwrap().len(), 2, "{folders}");
    let again = Letter::text(PATIENT, 5);
    let mut bundle = provide_bundle("2.999.826.9.4.4", &[&again]);
    relate(&mut bundle, 1, "replaces", &target);
    let (status, answer) = provide(&source, &bundle, false).await;
    assert_eq!((status, code(&answer)), (422, "XDSRegistryDeprecatedDocumentError"), "{answer}");
    deployment.assert_no_panic();
}

/// Whatever is wrong is told with its place, and nothing of it is published.
pub async fn what_is_wrong_is_told_and_nothing_is_published(deployment: Deployment) {
    let source = deployment.fhir().as_source().await;
    let letter = Letter::text(PATIENT, 1);
    let good = provide_bundle("2.999.826.9.5.1", &[&letter, &Letter::text(PATIENT, 2)]);
    type Change = fn(&mut Value);
    let nobody = "DocumentReference/00000000-0000-4000-8000-000000000000";
    let cases: [(u16, &str, &str, Change); 5] = [
        (422, "XDSRepositoryMetadataError", "Bundle.entry[3].resource", |b| {
            let attachment = &mut b["entry"][3]["resource"]["content"][0]["attachment"];
            attachment["hash"] = "Kq5sNclPz7QV2+lfQIuc6R7oRu0=".into();
        }),
        (422, "not-found", "Bundle.entry[3].resource.content[0].attachment.url", |b| {
            b["entry"][3]["resource"]["content"][0]["attachment"]["url"] = "urn:uuid:404".into();
        }),
        (422, "business-rule", "Bundle.entry[3].resource.subject", |b| {
            b["entry"][3]["resource"]["subject"]["identifier"]["value"] = "9990001006".into();
        }),
        (422, "duplicate", "Bundle.entry[3].fullUrl", |b| {
            b["entry"][3]["fullUrl"] = "urn:uuid:document-0".into();
        }),
        (409, "XDSRepositoryDuplicateUniqueIdInMessage", "", |b| {
            b["entry"][3]["resource"]["masterIdentifier"] =
                b["entry"][1]["resource"]["masterIdentifier"].clone();
        }),
    ];
    for (status, code_or_kind, at, change) in cases {
        let mut bundle = good.clone();
        change(&mut bundle);
        let (answered, outcome) = provide(&source, &bundle, false).await;
        assert_eq!(answered, status, "{outcome}");
        let issues = outcome["issue"].as_array().unwrap();
        let told = issues.iter().any(|issue| {
            let is_it = issue["code"] == code_or_kind
                || issue["details"]["coding"][0]["code"] == code_or_kind;
            is_it && (at.is_empty() || issue["expression"][0] == at)
        });
        assert!(told, "{code_or_kind} {at}: {outcome}");
    }
    let mut dangling = good.clone();
    relate(&mut dangling, 1, "replaces", &json!({"reference": nobody}));
    let (status, outcome) = provide(&source, &dangling, true).await;
    assert_eq!((status, code(&outcome)), (422, "UnresolvedReferenceException"), "{outcome}");

    // Who may not: a program without the scope, and a person.
    let reader = deployment.fhir().as_system().await;
    let nurse = deployment.fhir().as_person(NURSE).await;
    for other in [reader, nurse] {
        assert_eq!(provide(&other, &good, false).await.0, 403);
    }
    assert_eq!(deployment.fhir().send("", JSON, good.to_string()).await.0, 401);
    let (status, ..) = source.send("", "text/plain", good.to_string()).await;
    assert_eq!(status, 415);
    for garbage in ["", "{", "[[[[", "{\"resourceType\":\"Bundle\"}"] {
        let (status, _, text) = source.send("", JSON, garbage).await;
        assert!(status == 400 || status == 422, "{garbage}: {status} {text}");
    }

    assert!(source.documents(PATIENT).await.is_empty());
    assert!(deployment.stored_objects(0).is_empty());
    let records = deployment.audit(Role::Portal);
    let refused = records.iter().filter(|e| e["outcome"] == "refused");
    assert!(refused.count() >= 3, "those who may not are on record");
    let (status, answer) = provide(&source, &good, false).await;
    assert_eq!(status, 200, "after all that it is taken: {answer}");
    assert_eq!(source.documents(PATIENT).await.len(), 2);
    deployment.assert_no_panic();
}

/// A node that is down keeps nothing and is told of; the same again is then taken.
pub async fn a_node_that_is_down_is_told_of(mut deployment: Deployment) {
    let source = deployment.fhir().as_source().await;
    let bundle = provide_bundle("2.999.826.9.6.1", &[&Letter::text(PATIENT, 1)]);
    deployment.kill(Role::Node(0));
    let (status, outcome) = provide(&source, &bundle, false).await;
    assert_eq!(status, 503, "{outcome}");
    assert_eq!(outcome["issue"][0]["code"], "transient", "{outcome}");
    deployment.start_all();
    deployment.kill(Role::Registry);
    let (status, outcome) = provide(&source, &bundle, false).await;
    assert_eq!((status, code(&outcome)), (503, "XDSRegistryNotAvailable"), "{outcome}");
    deployment.start_all();

    let (status, answer) = provide(&source, &bundle, false).await;

    assert_eq!(status, 200, "{answer}");
    assert_eq!(source.documents(PATIENT).await.len(), 1);
    deployment.assert_no_panic();
}

async fn provide(fhir: &Fhir, bundle: &Value, xml: bool) -> (u16, Value) {
    if xml {
        let body = to_xml(bundle).unwrap();
        let (status, _, text) = fhir.send("?_format=xml", XML, body).await;
        return (status, from_xml(text.as_bytes(), 1 << 20).unwrap());
    }
    let (status, _, text) = fhir.send("", JSON, bundle.to_string()).await;
    (status, serde_json::from_str(&text).unwrap_or_default())
}

fn location(answer: &Value, n: usize) -> String {
    answer["entry"][n]["response"]["location"].as_str().unwrap_or_else(|| panic!("{answer}")).into()
}

/// The code of the first issue's registry error.
fn code(outcome: &Value) -> &str {
    outcome["issue"][0]["details"]["coding"][0]["code"].as_str().unwrap_or_default()
}

fn relate(bundle: &mut Value, entry: usize, code: &str, target: &Value) {
    bundle["entry"][entry]["resource"]["relatesTo"] = json!([{"code": code, "target": target}]);
}

/// Adds an entry, known by its place.
fn add(bundle: &mut Value, resource: Value, method: &str, url: &str) {
    let entries = bundle["entry"].as_array_mut().unwrap();
    let full_url = format!("urn:uuid:added-{}", entries.len());
    let request = json!({"method": method, "url": url});
    entries.push(json!({"fullUrl": full_url, "resource": resource, "request": request}));
}

fn patch() -> Value {
    json!({"resourceType": "Parameters", "parameter": [{"name": "operation", "part": [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": "DocumentReference.status"},
        {"name": "value", "valueCode": "superseded"}]}]})
}

/// An entry as ITI-18 shows it: every element, attribute and text in their order.
async fn over_soap(deployment: &Deployment, unique_id: &str) -> Option<String> {
    let parameters = [
        ("$XDSDocumentEntryPatientId", patient_id(PATIENT)),
        ("$XDSDocumentEntryStatus", APPROVED.to_owned()),
    ];
    let registry = deployment.registry();
    let exchange = registry.stored_query(FIND_DOCUMENTS, "LeafClass", &parameters).await.unwrap();
    let tree = exchange.tree();
    let mut entries = tree.root().descendants().filter(|e| e.local() == "ExtrinsicObject");
    let entry = entries.find(|e| e.descendants().any(|d| d.attr("value") == Some(unique_id)))?;
    let mut lines: Vec<String> =
        std::iter::once(entry).chain(entry.descendants()).map(line).collect();
    // Slots and classifications have no order of their own.
    lines.sort();
    Some(lines.join("\n"))
}

fn line(element: ElementRef<'_>) -> String {
    let mut attributes: Vec<String> = element
        .attributes()
        .filter(|(_, name, _)| {
            !["id", "lid", "registryObject", "classifiedObject"].contains(name)
                || element.local() == "ExtrinsicObject"
        })
        .map(|(_, name, value)| format!("{name}={value}"))
        .collect();
    attributes.sort();
    let leaf = element.descendants().next().is_none();
    let text = if leaf { element.text() } else { String::new() };
    format!("{} {} {text}", element.local(), attributes.join(" "))
}

fn neutral(text: &str, own: &[&str]) -> String {
    own.iter().fold(text.to_owned(), |text, own| text.replace(own, "OWN"))
}

/// Without hash and size, which are the documents' own.
fn without_bytes(entry: &str) -> Vec<&str> {
    let is_hash = |line: &&str| line.starts_with("Value  ") && line.len() == "Value  ".len() + 40;
    entry.lines().filter(|line| !is_hash(line)).collect()
}

const JSON: &str = "application/fhir+json";
const XML: &str = "application/fhir+xml";
const FIND_DOCUMENTS: &str = "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d";
const APPROVED: &str = "('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved')";
