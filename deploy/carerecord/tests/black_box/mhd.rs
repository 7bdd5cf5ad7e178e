//! Publishing by FHIR (MHD), and that both doors have one answer.

use base64::Engine as _;
use bytes::Bytes;
use carerecord_fhir::{document_identifier, from_xml, to_xml};
use carerecord_testkit::{
    CONTENT_TYPE, Deployment, Fhir, Letter, NODES, NURSE, PATIENT, Role, cda_document,
    fhir_document, list, patient_id, provide_bundle, simplified_publish,
};
use carerecord_xml::ElementRef;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
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

/// One resource with the document inside, without a list or folder: every door has it, and both
/// doors the same set of documents.
pub async fn a_document_by_itself_is_on_every_door(deployment: Deployment) {
    let source = deployment.fhir().as_source().await;
    for (n, xml) in [(1, false), (2, true)] {
        let letter = Letter::text(PATIENT, n);
        assert!(
            deployment.node(0).publish(&Letter::text(PATIENT, 10 + n)).await.unwrap().is_success()
        );

        let (status, at, created) = create(&source, &simplified_publish(&letter), xml).await;

        assert_eq!(status, 201, "{created}");
        let id = created["id"].as_str().unwrap();
        assert!(at.ends_with(&format!("/fhir/DocumentReference/{id}")), "{at}");
        let (_, mut read) = source.resource(&at).await;
        assert!(read["meta"].as_object_mut().unwrap().remove("lastUpdated").is_some(), "{read}");
        // What a read tells of its place in the record, and why it may be seen.
        assert!(read.as_object_mut().unwrap().remove("extension").is_some(), "{read}");
        assert_eq!(read, created, "what is created is what is there");
        for reader in [&source, &deployment.fhir().as_system().await] {
            let found = reader.documents(PATIENT).await;
            assert_eq!(found[&letter.unique_id]["id"], id);
            let url = found[&letter.unique_id]["content"][0]["attachment"]["url"].as_str().unwrap();
            assert_eq!(reader.get(url).await.unwrap(), (200, letter.bytes.clone()));
        }
        let entry = over_soap(&deployment, &letter.unique_id).await.unwrap();
        assert!(entry.contains(&format!("id=urn:uuid:{id}")), "{entry}");
        let given = deployment.node(0).retrieve(NODES[0].0, &[&letter.unique_id]).await.unwrap();
        assert_eq!(given.documents[&letter.unique_id], letter.bytes);
        let (_, sets) = source.search("List", PATIENT, "status=current&code=submissionset").await;
        let member = format!("DocumentReference/{id}");
        let sets = sets["entry"].as_array().unwrap().iter();
        let mut own = sets.filter(|e| e["resource"]["entry"][0]["item"]["reference"] == *member);
        let set = &own.next().unwrap()["resource"];
        assert!(own.next().is_none());
        assert_eq!(set["extension"][1]["valueIdentifier"]["value"], "urn:oid:2.999.826.3.1");

        let again = create(&source, &simplified_publish(&letter), xml).await;
        assert_eq!((again.0, &again.1), (201, &at), "a repeat changes nothing");
        let by_fhir: std::collections::BTreeSet<String> =
            source.documents(PATIENT).await.into_keys().collect();
        let (_, by_soap) = deployment.registry().find_documents(PATIENT).await.unwrap();
        assert_eq!(by_fhir.into_iter().collect::<Vec<_>>(), by_soap);
        assert_eq!(by_soap.len() as u32, 2 * n);
        let all = everything(&deployment).await;
        assert!(all.contains(&letter.unique_id), "GetAll: {all}");
    }
    let portal = deployment.audit(Role::Portal);
    let published = portal.iter().filter(|e| e["interaction"] == "ITI-105 Simplified Publish");
    assert_eq!(published.count(), 4);
    deployment.assert_no_panic();
}

/// What is wrong with one is told in its own terms; who may not, may not.
pub async fn what_is_wrong_with_one_document_is_told(deployment: Deployment) {
    let source = deployment.fhir().as_source().await;
    let old = simplified_publish(&Letter::text(PATIENT, 1));
    let (_, _, created) = create(&source, &old, false).await;
    let target = format!("DocumentReference/{}", created["id"].as_str().unwrap());
    type Change = fn(&mut Value);
    let cases: [(u16, &str, &str, Change); 8] = [
        (422, "required", "DocumentReference.content[0].attachment.data", |d| {
            d["content"][0]["attachment"]["data"] = Value::Null;
        }),
        (422, "structure", "DocumentReference.content[0].attachment.url", |d| {
            d["content"][0]["attachment"]["url"] = "urn:uuid:1".into();
        }),
        (422, "invalid", "DocumentReference.content[0].attachment.data", |d| {
            d["content"][0]["attachment"]["data"] = "!".into();
        }),
        (422, "structure", "DocumentReference.identifier[0]", |d| {
            d["identifier"] = json!([{"use": "official", "system": "urn:ietf:rfc:3986",
                "value": "urn:uuid:6c1d0b52-0000-4000-8000-000000000001"}]);
        }),
        (422, "required", "DocumentReference.subject", |d| d["subject"] = Value::Null),
        (422, "required", "DocumentReference.masterIdentifier.value", |d| {
            d["masterIdentifier"] = json!({});
        }),
        (422, "XDSRepositoryMetadataError", "DocumentReference", |d| {
            d["content"][0]["attachment"]["hash"] = "Kq5sNclPz7QV2+lfQIuc6R7oRu0=".into();
        }),
        (409, "XDSNonIdenticalHash", "", |d| {
            d["masterIdentifier"]["value"] = "urn:oid:2.999.826.9.1.1".into();
        }),
    ];
    for (status, kind, at, change) in cases {
        let mut one = simplified_publish(&Letter::text(PATIENT, 2));
        change(&mut one);
        let (answered, _, outcome) = create(&source, &one, false).await;
        assert_eq!(answered, status, "{kind} {at}: {outcome}");
        let told = outcome["issue"].as_array().unwrap().iter().any(|issue| {
            let is_it = issue["code"] == kind || issue["details"]["coding"][0]["code"] == kind;
            is_it && (at.is_empty() || issue["expression"][0] == at)
        });
        assert!(told, "{kind} {at}: {outcome}");
    }
    let one = simplified_publish(&Letter::text(PATIENT, 2));
    for other in [deployment.fhir().as_system().await, deployment.fhir().as_person(NURSE).await] {
        assert_eq!(create(&other, &one, false).await.0, 403);
    }
    assert_eq!(source.documents(PATIENT).await.len(), 1, "nothing of it is published");

    let mut replacing = one;
    replacing["relatesTo"] = json!([{"code": "replaces", "target": {"reference": target}}]);
    let (status, at, created) = create(&source, &replacing, true).await;
    assert_eq!(status, 201, "{created}");
    assert_eq!(source.resource(&target).await.1["status"], "superseded");
    let (_, read) = source.resource(&at).await;
    assert_eq!(read["relatesTo"][0]["target"]["reference"], target, "a read tells it, too: {read}");
    deployment.assert_no_panic();
}

/// ITI-106: a document tells of itself, and is kept as it is.
pub async fn metadata_is_made_of_a_header(deployment: Deployment) {
    let source = deployment.fhir().as_source().await;
    let cda = cda_document(PATIENT, "2.999.826.9.10.1");
    let json = fhir_document(PATIENT, "2.999.826.9.10.2");
    let base64 = |bytes: &str| base64::engine::general_purpose::STANDARD.encode(bytes);
    let binary = json!({"resourceType": "Binary", "contentType": "text/xml", "data": base64(&cda)});
    let of_json = format!(
        "{{\"resourceType\": \"Parameters\", \"parameter\": [{{\"name\": \"document\", \
         \"resource\": {json}}}]}}"
    );
    let in_xml = fhir_document_xml("2.999.826.9.10.3");
    let of_xml = format!(
        "<Parameters xmlns=\"http://hl7.org/fhir\"><parameter><name value=\"document\"/>\
         <resource>{in_xml}</resource></parameter></Parameters>"
    );
    let cda_sent = parameters(binary).to_string();
    for (n, kind, sent, kept) in [
        ("1", JSON, cda_sent, cda.clone()),
        ("2", JSON, of_json, json.clone()),
        ("3", XML, of_xml, in_xml.clone()),
    ] {
        let path = "/DocumentReference/$generate-metadata";
        let (status, _, text) = source.send(path, kind, sent.clone()).await;
        assert_eq!(status, 200, "{n}: {text}");
        let unique_id = format!("2.999.826.9.10.{n}");
        let documents = source.documents(PATIENT).await;
        let document = &documents[&unique_id];
        let id = document["id"].as_str().unwrap();
        assert!(text.contains(&format!("DocumentReference/{id}")), "{text}");
        assert_eq!(document["type"]["coding"][0]["code"], "373942005", "{document}");
        assert_eq!(document["category"][0]["coding"][0]["code"], "373942005", "by the code maps");
        let attachment = &document["content"][0]["attachment"];
        assert_eq!(attachment["title"], "Discharge summary");
        assert_eq!(attachment["creation"], "2026-11-01T09:30:00Z");
        assert!(document["contained"].to_string().contains("Hill"), "its author: {document}");
        let (_, bytes) = source.get(&format!("Binary/{id}")).await.unwrap();
        assert_eq!(String::from_utf8(bytes.to_vec()).unwrap(), kept, "to the byte");
        assert!(over_soap(&deployment, &unique_id).await.unwrap().contains(id));
        let again = source.send(path, kind, sent).await;
        assert_eq!((again.0, again.2), (200, text), "a repeat");
    }
    for (what, resource) in [
        (
            "no header",
            json!({"resourceType": "Binary", "contentType": "text/plain", "data": "aGk="}),
        ),
        ("no base64", json!({"resourceType": "Binary", "contentType": "text/xml", "data": "!"})),
        (
            "another type",
            json!({"resourceType": "Binary", "contentType": "application/pdf",
            "data": base64(&cda_document(PATIENT, "2.999.826.9.10.4"))}),
        ),
        (
            "no number",
            json!({"resourceType": "Binary", "contentType": "text/xml",
            "data": base64(&cda_document("9990001007", "2.999.826.9.10.5"))}),
        ),
        ("no document", json!({"resourceType": "Patient"})),
    ] {
        let sent = parameters(resource).to_string();
        let path = "/DocumentReference/$generate-metadata";
        let (status, _, text) = source.send(path, JSON, sent).await;
        assert_eq!(status, 422, "{what}: {text}");
        assert!(text.contains("Parameters.parameter[0].resource"), "{what}: {text}");
    }
    assert_eq!(source.documents(PATIENT).await.len(), 3);
    deployment.assert_no_panic();
}

/// A FHIR document as an entry: kept in the form of the message, byte for byte.
pub async fn fhir_documents_are_entries(deployment: Deployment) {
    let source = deployment.fhir().as_source().await;
    for (n, kind) in [(1, JSON), (2, XML)] {
        let letter = Letter {
            unique_id: format!("2.999.826.9.11.{n}"),
            mime_type: kind.to_owned(),
            ..Letter::text(PATIENT, n)
        };
        let document = match kind {
            JSON => fhir_document(PATIENT, &letter.unique_id),
            _ => fhir_document_xml(&letter.unique_id),
        };
        let mut bundle = provide_bundle(&format!("2.999.826.9.12.{n}"), &[&letter]);
        bundle["entry"][2]["resource"] = json!({"resourceType": "Bundle", "type": "document"});
        bundle["entry"][2]["request"]["url"] = "Bundle".into();
        let body = match kind {
            JSON => bundle
                .to_string()
                .replace("{\"resourceType\":\"Bundle\",\"type\":\"document\"}", &document)
                .replace("{\"type\":\"document\",\"resourceType\":\"Bundle\"}", &document),
            _ => String::from_utf8(to_xml(&bundle).unwrap())
                .unwrap()
                .replace("<Bundle><type value=\"document\"/></Bundle>", &document),
        };
        assert!(body.contains(&document), "{body}");

        let (status, _, text) = source.send("", kind, body.clone()).await;

        assert_eq!(status, 200, "{text}");
        let found = source.documents(PATIENT).await;
        let attachment = &found[&letter.unique_id]["content"][0]["attachment"];
        assert_eq!(attachment["contentType"], kind);
        assert_eq!(attachment["size"], document.len());
        let (_, bytes) = source.get(attachment["url"].as_str().unwrap()).await.unwrap();
        assert_eq!(String::from_utf8(bytes.to_vec()).unwrap(), document, "with all its digits");
        assert_eq!(source.send("", kind, body).await.2, text, "a repeat gets the same answer");
    }
    let mut other = provide_bundle("2.999.826.9.12.3", &[&Letter::text(PATIENT, 3)]);
    other["entry"][2]["resource"] = json!({"resourceType": "Bundle", "type": "collection"});
    other["entry"][2]["request"]["url"] = "Bundle".into();
    let (status, outcome) = provide(&source, &other, false).await;
    assert_eq!((status, &outcome["issue"][0]["code"]), (422, &json!("structure")), "{outcome}");
    deployment.assert_no_panic();
}

/// Documents with ids of every form and titles of any letters, others each time: whichever door they
/// come by, each door finds them by each of their ids, and gives the same bytes.
pub async fn whatever_comes_by_one_door_is_found_by_the_other(deployment: Deployment) {
    let source = deployment.fhir().as_source().await;
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    for n in 0..DOCUMENTS {
        // Not made smaller when it fails: what has been published stays.
        let made = published(n).new_tree(&mut runner).unwrap().current();
        let Published { unique_id, title, uuid, bytes } = made.clone();
        let by_soap = n % 2 == 0;
        let letter = Letter { unique_id, title, bytes: bytes.into(), ..Letter::text(PATIENT, n) };
        let set = format!("2.999.826.9.32.{n}");
        let what = format!("{n}, by SOAP {by_soap}: {made:?}");
        println!("{what}");
        match by_soap {
            true => publish_by_soap(&deployment, &letter, &uuid, &set).await,
            false => publish_by_fhir(&source, &letter, &uuid, &set).await,
        }

        let (status, read) = source.resource(&format!("DocumentReference/{uuid}")).await;
        assert_eq!(status, 200, "{what}: {read}");
        let id = document_identifier(&letter.unique_id.parse().unwrap());
        for key in ["system", "value"] {
            assert_eq!(read["masterIdentifier"][key], id[key], "{what}");
        }
        assert_eq!(read["content"][0]["attachment"]["title"], letter.title, "{what}");
        let token = |text: &Value| {
            let text = text.as_str().unwrap().replace('\\', "\\\\").replace('|', "\\|");
            let escaped: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
            escaped
        };
        let urn = json!(format!("urn:uuid:{uuid}"));
        for (system, value) in [(&id["system"], &id["value"]), (&id["system"], &urn)] {
            let system = if *value == urn { &json!("urn:ietf:rfc:3986") } else { system };
            let more = format!("status=current&identifier={}%7C{}", token(system), token(value));
            let (_, found) = source.search("DocumentReference", PATIENT, &more).await;
            assert_eq!(found["total"], 1, "{what} by {more}: {found}");
            assert_eq!(found["entry"][0]["resource"]["id"], uuid, "{what}");
        }
        let entry = over_soap(&deployment, &letter.unique_id).await.unwrap();
        assert!(entry.contains(&format!("id=urn:uuid:{uuid}")), "{what}: {entry}");
        let (_, bytes) = source.get(&format!("Binary/{uuid}")).await.unwrap();
        assert_eq!(bytes, letter.bytes, "{what}");
        let given = deployment.node(0).retrieve(NODES[0].0, &[&letter.unique_id]).await.unwrap();
        assert_eq!(given.documents[&letter.unique_id], letter.bytes, "{what}");
    }
    let (_, found) = source.search("DocumentReference", PATIENT, "status=current").await;
    let (_, by_soap) = deployment.registry().find_documents(PATIENT).await.unwrap();
    assert_eq!((&found["total"], by_soap.len()), (&json!(DOCUMENTS), DOCUMENTS as usize));
    deployment.assert_no_panic();
}

async fn publish_by_soap(deployment: &Deployment, letter: &Letter, uuid: &str, set: &str) {
    // What `Letter` writes, it writes as it is.
    let escaped =
        |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let title = escaped(&letter.title);
    let (head, tail) = Letter { title, ..letter.clone() }.frame();
    let head = head
        .replace("\"D\"", &format!("\"urn:uuid:{uuid}\""))
        .replace(&format!("\"{}.1\"", letter.unique_id), &format!("\"{set}\""));
    let message = [head.as_bytes(), &letter.bytes, tail.as_bytes()].concat();
    let answer = deployment.node(0).send(CONTENT_TYPE, message).await.unwrap();
    assert!(answer.is_success(), "{}", answer.envelope);
}

async fn publish_by_fhir(source: &Fhir, letter: &Letter, uuid: &str, set: &str) {
    let mut bundle = provide_bundle(set, &[letter]);
    let document = &mut bundle["entry"][1]["resource"];
    document["masterIdentifier"] = document_identifier(&letter.unique_id.parse().unwrap());
    document["identifier"] = json!([{"use": "official", "system": "urn:ietf:rfc:3986",
        "value": format!("urn:uuid:{uuid}")}]);
    let (status, answer) = provide(source, &bundle, uuid.as_bytes()[0].is_multiple_of(2)).await;
    assert_eq!(status, 200, "{answer}");
}

/// What is published of a document.
#[derive(Clone, Debug)]
struct Published {
    unique_id: String,
    title: String,
    uuid: String,
    bytes: Vec<u8>,
}

/// Any document, with ids of its own.
fn published(n: u32) -> impl Strategy<Value = Published> {
    let uuid = || {
        prop::array::uniform16(any::<u8>())
            .prop_map(|bytes| uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
    };
    let unique_id = prop_oneof![
        (0..1000u32).prop_map(move |m| format!("2.999.826.9.30.{n}.{m}")),
        "[A-Za-z0-9/ ._-]{0,6}b".prop_map(move |tail| format!("2.999.826.9.31^A{n}/{tail}")),
        uuid().prop_map(|uuid| format!("urn:uuid:{uuid}")),
        "[A-Za-z0-9._~-]{1,12}"
            .prop_map(move |tail| format!("https://x.example/documents/{n}?v={tail}")),
    ];
    // Of all scripts, and what means something in XML, HL7 v2 and URLs.
    let title = "a([aZ9é ßŁ&<>\"'^|~\\\\#%+漢]|[\\p{L}\\p{N}\\p{S}\\p{P}]){1,20}b";
    let bytes = prop::collection::vec(any::<u8>(), 1..=300);
    (unique_id, title, uuid(), bytes).prop_map(|(unique_id, title, uuid, bytes)| Published {
        unique_id,
        title,
        uuid,
        bytes,
    })
}

const DOCUMENTS: u32 = 24;

/// Replacement, addition and transformation, and folders that are made and added to.
pub async fn relations_and_folders_are_as_over_soap(deployment: Deployment) {
    let source = deployment.fhir().as_source().await;
    assert!(deployment.node(1).publish(&Letter::text(PATIENT, 1)).await.unwrap().is_success());
    let old = source.documents(PATIENT).await["2.999.826.9.1.1"]["id"].as_str().unwrap().to_owned();
    let (_, registered) = source.resource(&format!("DocumentReference/{old}")).await;
    let registered: jiff::Timestamp =
        registered["meta"]["lastUpdated"].as_str().unwrap().parse().unwrap();
    let after = registered + jiff::SignedDuration::from_millis(1);
    let since = async |at: jiff::Timestamp, status: &str| {
        let more = format!("status={status}&_since={at}");
        source.search("DocumentReference", PATIENT, &more).await.1["total"].clone()
    };
    assert_eq!(since(registered, "current,superseded").await, 1);
    assert_eq!(since(after, "current,superseded").await, 0, "nothing has happened since then");

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
    assert_eq!(since(after, "superseded").await, 1, "that it was replaced is a change of it");
    assert_eq!(since(after, "current").await, 1, "and the one that replaces it is new");

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
    assert!(deployment.stored_objects(0).is_empty());
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
    // Only what the registry alone had against it is kept, for another try (`keep_refused_days`).
    assert_eq!(deployment.stored_objects(0).len(), 2);
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

/// ITI-105. Gives the status, the location and what is answered.
async fn create(fhir: &Fhir, resource: &Value, xml: bool) -> (u16, String, Value) {
    if xml {
        let body = to_xml(resource).unwrap();
        let sent = fhir.send("/DocumentReference?_format=xml", XML, body).await;
        return (sent.0, sent.1, from_xml(sent.2.as_bytes(), 1 << 20).unwrap());
    }
    let (status, location, text) =
        fhir.send("/DocumentReference", JSON, resource.to_string()).await;
    (status, location, serde_json::from_str(&text).unwrap_or_default())
}

fn parameters(document: Value) -> Value {
    json!({"resourceType": "Parameters", "parameter": [{"name": "document", "resource": document}]})
}

/// What GetAll answers.
async fn everything(deployment: &Deployment) -> String {
    let parameters = [
        ("$patientId", patient_id(PATIENT)),
        ("$XDSDocumentEntryStatus", APPROVED.to_owned()),
        ("$XDSSubmissionSetStatus", APPROVED.to_owned()),
        ("$XDSFolderStatus", APPROVED.to_owned()),
    ];
    let registry = deployment.registry();
    let exchange = registry.stored_query(GET_ALL, "LeafClass", &parameters).await.unwrap();
    assert!(exchange.is_success(), "{}", exchange.envelope);
    exchange.envelope
}

/// A FHIR document in XML, with a narrative that nothing here reads.
fn fhir_document_xml(unique_id: &str) -> String {
    format!(
        "<Bundle xmlns=\"http://hl7.org/fhir\"><!-- as it was written --><identifier>\
         <system value=\"urn:ietf:rfc:3986\"/><value value=\"urn:oid:{unique_id}\"/></identifier>\
         <type value=\"document\"/><timestamp value=\"2026-11-01T09:30:00Z\"/><entry>\
         <fullUrl value=\"urn:uuid:c\"/><resource><Composition><text><status value=\"generated\"/>\
         <div xmlns=\"http://www.w3.org/1999/xhtml\">Rest, <b>then</b> walk.</div></text>\
         <status value=\"final\"/><type><coding><system value=\"http://snomed.info/sct\"/>\
         <code value=\"373942005\"/><display value=\"Discharge summary\"/></coding></type>\
         <subject><reference value=\"urn:uuid:p\"/></subject><date value=\"2026-11-01T09:30:00Z\"/>\
         <author><reference value=\"urn:uuid:a\"/></author><title value=\"Discharge summary\"/>\
         </Composition></resource></entry><entry><fullUrl value=\"urn:uuid:p\"/><resource><Patient>\
         <identifier><system value=\"https://fhir.nhs.uk/Id/nhs-number\"/><value \
         value=\"{PATIENT}\"/></identifier></Patient></resource></entry><entry>\
         <fullUrl value=\"urn:uuid:a\"/><resource><Practitioner><name><family value=\"Hill\"/>\
         <given value=\"Grace\"/></name></Practitioner></resource></entry></Bundle>"
    )
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
const GET_ALL: &str = "urn:uuid:10b545ea-725c-446d-9b95-8aeb444eddf3";
const APPROVED: &str = "('urn:oasis:names:tc:ebxml-regrep:StatusType:Approved')";
