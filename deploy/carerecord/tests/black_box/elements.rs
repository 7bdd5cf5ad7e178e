use std::time::{Duration, Instant};

use bytes::Bytes;
use carerecord_testkit::{Browser, Deployment, Fhir, GP, Letter, NODES, PATIENT, Role};
use serde_json::{Value, json};

/// A discharge summary, a patient summary and a letter at three nodes: what they say in coded
/// entries, together, with where it comes from, until a document is objected to or removed.
pub async fn what_documents_say_is_seen_as_they_are(mut deployment: Deployment) {
    let gp = deployment.fhir().as_person(GP).await;
    publish(&deployment, 0, 1, "text/xml", cda(PATIENT)).await;
    publish(&deployment, 1, 2, "application/fhir+json", summary()).await;
    publish(&deployment, 2, 3, "text/plain", "Penicillin makes her ill.".to_owned()).await;
    let bundle = wait_for(&gp, "AllergyIntolerance", 2).await;

    let stated = matches(&bundle);
    let by_status = |status: &str| {
        let is = |r: &&Value| r["clinicalStatus"]["coding"][0]["code"] == *status;
        stated.iter().find(is).unwrap_or_else(|| panic!("{status}: {bundle}")).clone()
    };
    let (active, resolved) = (by_status("active"), by_status("resolved"));
    assert_eq!(active["code"]["coding"][0]["code"], "764146007");
    assert_eq!(active["reaction"][0]["manifestation"][0]["text"], "Rash");
    assert_eq!(section(&active), "Allergies and adverse reactions");
    assert_eq!(section(&resolved), "Allergies");
    assert!(relates(&active, "conflict", &resolved), "{active}");
    assert!(relates(&resolved, "conflict", &active), "{resolved}");
    let told = bundle.to_string();
    for (node, code) in [(NODES[2].2, "uncoded"), (NODES[0].2, "answered")] {
        assert!(told.contains(node) && told.contains(&format!("\"code\":\"{code}\"")), "{told}");
    }

    let (_, medicines) =
        gp.search("MedicationStatement", PATIENT, "_revinclude=Provenance:target").await;
    assert_eq!(medicines["total"], 1, "{medicines}");
    let mut included = medicines["entry"].as_array().unwrap().iter();
    let provenance = included.find(|e| e["search"]["mode"] == "include").unwrap();
    let what = provenance["resource"]["entity"][0]["what"]["reference"].as_str().unwrap();
    let (status, document) = gp.resource(what).await;
    assert_eq!(
        (status, &document["resourceType"]),
        (200, &json!("DocumentReference")),
        "{document}"
    );
    let id = active["id"].as_str().unwrap();
    let (status, read) = gp.resource(&format!("AllergyIntolerance/{id}")).await;
    assert_eq!((status, &read["code"]), (200, &active["code"]), "{read}");

    let mut browser = Browser::sign_in(&deployment, GP).await;
    let list = browser.find(PATIENT).await;
    let (status, page) = browser.get(&format!("{list}/summary")).await;
    assert_eq!(status, 200, "{page}");
    for words in [
        "Allergy to penicillin",
        "Contradicted",
        "Reaction: Rash",
        "Amlodipine",
        "Allergies and adverse reactions",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }

    let letter = source(&active);
    let objection = crate::objections::consent(&json!({"type": "deny", "data": [
        {"meaning": "instance", "reference": {"reference": letter}}]}));
    let (status, stored) = gp.put("Consent", None, &objection).await;
    assert_eq!(status, 201, "{stored}");
    let (_, left) = gp.search("AllergyIntolerance", PATIENT, "").await;
    assert_eq!(left["total"], 1, "{left}");
    assert!(!left.to_string().contains("Rash") && !left.to_string().contains(&letter), "{left}");
    assert!(gp.resource(&format!("AllergyIntolerance/{id}")).await.0 >= 400);
    let (_, page) = browser.get(&format!("{list}/summary")).await;
    assert!(!page.contains("Rash") && !page.contains("Contradicted"), "{page}");
    let mut lifted = objection;
    lifted["status"] = "inactive".into();
    assert_eq!(gp.put("Consent", stored["id"].as_str(), &lifted).await.0, 200);
    assert_eq!(gp.search("AllergyIntolerance", PATIENT, "").await.1["total"], 2);

    // Another's document under this number: nothing is taken out of it.
    publish(&deployment, 0, 4, "text/xml", cda("9990001014")).await;
    let started = Instant::now();
    while !gp.search("AllergyIntolerance", PATIENT, "").await.1.to_string().contains("mismatched") {
        assert!(started.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (_, mismatched) = gp.search("AllergyIntolerance", PATIENT, "").await;
    assert_eq!(mismatched["total"], 2, "{mismatched}");

    deployment.kill(Role::Node(0));
    deployment.start_all();
    let gp = deployment.fhir().as_person(GP).await;
    assert_eq!(gp.search("AllergyIntolerance", PATIENT, "").await.1["total"], 2, "after a kill");
    // Where the roles are apart nobody comes in who may remove.
    if !deployment.is_apart() {
        let node = deployment.node(0);
        let answer = node.remove(NODES[0].0, &[&Letter::text(PATIENT, 1).unique_id]).await.unwrap();
        assert!(answer.is_success(), "{}", answer.envelope);
        let (_, left) = gp.search("AllergyIntolerance", PATIENT, "").await;
        assert_eq!(left["total"], 1, "gone at once: {left}");
    }
    deployment.assert_no_panic();
}

/// `carerecord reindex` takes everything out again.
pub async fn elements_are_taken_out_again(deployment: Deployment) {
    let gp = deployment.fhir().as_person(GP).await;
    publish(&deployment, 0, 1, "text/xml", cda(PATIENT)).await;
    let before = wait_for(&gp, "AllergyIntolerance", 1).await;
    let recorded = |answer: &Value| {
        let mut entries = answer["entry"].as_array().unwrap().iter();
        let found = entries.find(|e| e["resource"]["resourceType"] == "Provenance");
        found.unwrap()["resource"]["recorded"].as_str().unwrap().to_owned()
    };
    let with = "_revinclude=Provenance:target";
    let first = recorded(&gp.search("AllergyIntolerance", PATIENT, with).await.1);

    let config = deployment.file("node0.toml");
    let done = deployment.run(&["reindex", "--config", config.to_str().unwrap()]);

    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let (_, after) = gp.search("AllergyIntolerance", PATIENT, with).await;
    assert_eq!(matches(&after), matches(&before));
    assert_ne!(recorded(&after), first, "anew");
    deployment.assert_no_panic();
}

async fn publish(deployment: &Deployment, node: usize, n: u32, mime: &str, text: String) {
    let letter =
        Letter { mime_type: mime.to_owned(), bytes: Bytes::from(text), ..Letter::text(PATIENT, n) };
    let answer = deployment.node(node).publish(&letter).await.unwrap();
    assert!(answer.is_success(), "{}: {}", NODES[node].2, answer.envelope);
}

/// What is found, once it is so many elements.
async fn wait_for(gp: &Fhir, kind: &str, count: u64) -> Value {
    let started = Instant::now();
    loop {
        let (_, bundle) = gp.search(kind, PATIENT, "").await;
        if bundle["total"] == count && !bundle.to_string().contains("\"code\":\"indexing\"") {
            return bundle;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{kind}: {bundle}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn matches(bundle: &Value) -> Vec<Value> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let matches = entries.into_iter().filter(|e| e["search"]["mode"] == "match");
    matches.map(|e| e["resource"].clone()).collect()
}

fn extension<'v>(resource: &'v Value, url: &str) -> &'v Value {
    resource["extension"].as_array().unwrap().iter().find(|e| e["url"] == *url).unwrap()
}

fn section(resource: &Value) -> &str {
    let source = extension(resource, "urn:carerecord:element-source");
    extension(source, "title")["valueString"].as_str().unwrap()
}

fn source(resource: &Value) -> String {
    let source = extension(resource, "urn:carerecord:element-source");
    extension(source, "document")["valueReference"]["reference"].as_str().unwrap().to_owned()
}

fn relates(one: &Value, kind: &str, other: &Value) -> bool {
    let with = format!("AllergyIntolerance/{}", other["id"].as_str().unwrap());
    one["extension"].as_array().unwrap().iter().any(|e| {
        e["url"] == "urn:carerecord:element-relation"
            && extension(e, "kind")["valueCode"] == *kind
            && extension(e, "with")["valueReference"]["reference"] == *with
    })
}

/// A discharge summary as C-CDA has it: an allergy that is there.
fn cda(number: &str) -> String {
    format!(
        "<ClinicalDocument xmlns='urn:hl7-org:v3'>
         <recordTarget><patientRole>
           <id root='2.16.840.1.113883.2.1.4.1' extension='{number}'/></patientRole></recordTarget>
         <component><structuredBody>
         <component><section><title>Reason for admission</title><text>Fever.</text></section></component>
         <component><section>
           <code code='48765-2' codeSystem='2.16.840.1.113883.6.1'/>
           <title>Allergies and adverse reactions</title><text>Penicillin: rash.</text>
           <entry><act><statusCode code='active'/><entryRelationship typeCode='SUBJ'><observation>
             <id root='2.999.7' extension='1'/><effectiveTime><low value='199001'/></effectiveTime>
             <value code='419199007' codeSystem='2.16.840.1.113883.6.96'/>
             <participant typeCode='CSM'><participantRole><playingEntity>
               <code code='764146007' codeSystem='2.16.840.1.113883.6.96'
                     displayName='Penicillin'><originalText>Allergy to penicillin</originalText></code>
             </playingEntity></participantRole></participant>
             <entryRelationship typeCode='MFST'><observation>
               <value nullFlavor='OTH'><originalText>Rash</originalText></value>
             </observation></entryRelationship>
           </observation></entryRelationship></act></entry>
         </section></component></structuredBody></component></ClinicalDocument>"
    )
}

/// A patient summary: the same allergy, resolved, and a medicine.
fn summary() -> String {
    let section = |title: &str, code: &str, entry: &str| {
        json!({"title": title, "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
            "entry": [{"reference": entry}]})
    };
    let patient = json!({"reference": "urn:uuid:p"});
    json!({
        "resourceType": "Bundle", "type": "document",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:6c1d0b52-1111-4000-8000-00000000000a"},
        "entry": [
            {"fullUrl": "urn:uuid:c", "resource": {"resourceType": "Composition", "status": "final",
                "title": "Patient summary", "subject": patient, "section": [
                section("Allergies", "48765-2", "urn:uuid:a"),
                section("Medicines", "10160-0", "urn:uuid:m")]}},
            {"fullUrl": "urn:uuid:p", "resource": {"resourceType": "Patient", "identifier": [
                {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": PATIENT}]}},
            {"fullUrl": "urn:uuid:a", "resource": {"resourceType": "AllergyIntolerance",
                "clinicalStatus": {"coding": [{"code": "resolved"}]}, "patient": patient,
                "code": {"coding": [{"system": "http://snomed.info/sct", "code": "764146007",
                    "display": "Penicillin"}]}}},
            {"fullUrl": "urn:uuid:m", "resource": {"resourceType": "MedicationStatement",
                "status": "active", "subject": patient,
                "medicationCodeableConcept": {"text": "Amlodipine"},
                "dosage": [{"text": "5 mg daily"}]}},
        ],
    })
    .to_string()
}
