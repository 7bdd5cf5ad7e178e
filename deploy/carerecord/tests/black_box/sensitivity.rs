use carerecord_testkit::{
    APPROVED, Deployment, Fhir, GP, Letter, NODES, NURSE, PATIENT, Role, patient_id,
};

/// A rule raises a label and another withholds: on every door, for documents whose sources say that
/// they are normal.
pub async fn rules_label_and_withhold_on_every_door(deployment: Deployment) {
    let mut letters: Vec<Letter> = (0..3).map(|n| Letter::text(PATIENT, n)).collect();
    "GUM clinic letter".clone_into(&mut letters[1].title);
    "Termination of pregnancy: letter".clone_into(&mut letters[2].title);
    for letter in &letters {
        assert!(deployment.node(0).publish(letter).await.unwrap().is_success());
    }
    let [plain, restricted, withheld] = &letters[..] else { unreachable!() };
    let gp = deployment.fhir().as_person(GP).await;
    let nurse = deployment.fhir().as_person(NURSE).await;
    let system = deployment.fhir().as_system().await;

    let seen = gp.documents(PATIENT).await;
    assert_eq!(titles(&gp, "").await, [&*plain.title, &restricted.title]);
    let labels = &seen[&restricted.unique_id]["securityLabel"];
    assert!(labels.to_string().contains("\"R\"") && labels.to_string().contains("SEXHLTH"));
    assert!(!labels.to_string().contains("\"N\""), "{labels}");
    assert_eq!(titles(&gp, "&security-label=R").await, [&*restricted.title]);
    assert_eq!(titles(&gp, "&security-label=N").await, [&*plain.title]);
    assert_eq!(titles(&gp, "&_content=pulse").await, [&*plain.title, &restricted.title]);
    for caller in [&nurse, &system] {
        assert_eq!(titles(caller, "").await, [&*plain.title]);
        assert_eq!(titles(caller, "&_content=pulse").await, [&*plain.title]);
    }
    let id = seen[&restricted.unique_id]["id"].as_str().unwrap();
    for path in [format!("DocumentReference/{id}"), format!("Binary/{id}")] {
        assert_eq!(gp.get(&path).await.unwrap().0, 200);
        assert_eq!(nurse.get(&path).await.unwrap().0, 404, "as if it were not there");
    }

    ask_the_registry(&deployment, &letters).await;
    let node = deployment.node(0);
    for (letter, given) in [(plain, true), (restricted, false), (withheld, false)] {
        let answer = node.retrieve(NODES[0].0, &[&letter.unique_id]).await.unwrap();
        assert_eq!(answer.documents.len(), usize::from(given), "{}", answer.exchange.envelope);
        let unknown = answer.exchange.envelope.contains("XDSDocumentUniqueIdError");
        assert_eq!(unknown, !given, "{}", answer.exchange.envelope);
    }
    let events = deployment.audit(Role::Portal);
    let counted = |n: u64| events.iter().any(|e| e["withheld"] == n);
    assert!(counted(1) || counted(2), "what is held back is counted in the record");
    deployment.assert_no_panic();
}

/// The registry's door is one of a system that sees what is normal.
async fn ask_the_registry(deployment: &Deployment, letters: &[Letter]) {
    let ids: Vec<String> = letters.iter().map(|l| format!("'{}'", l.unique_id)).collect();
    let find = |more: &[(&'static str, String)]| {
        let mut parameters = vec![
            ("$XDSDocumentEntryPatientId", patient_id(PATIENT)),
            ("$XDSDocumentEntryStatus", APPROVED.to_owned()),
        ];
        parameters.extend_from_slice(more);
        ("urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d", parameters)
    };
    let labelled = |code: &str| {
        let value = format!("('{code}^^2.16.840.1.113883.5.25')");
        find(&[("$XDSDocumentEntryConfidentialityCode", value)])
    };
    let by_id = (
        "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4",
        vec![("$XDSDocumentEntryUniqueId", format!("({})", ids.join(",")))],
    );
    for ((query, parameters), found) in
        [(find(&[]), 1), (by_id, 1), (labelled("N"), 1), (labelled("R"), 0)]
    {
        let answer = deployment.registry().stored_query(query, "LeafClass", &parameters).await;
        let answer = answer.unwrap();
        assert!(answer.is_success(), "{}", answer.envelope);
        let entries = answer.envelope.matches("ExtrinsicObject ").count();
        assert_eq!(entries, found, "{query}: {}", answer.envelope);
        for letter in &letters[1..] {
            assert!(!answer.envelope.contains(&letter.title), "{}", answer.envelope);
        }
    }
}

async fn titles(fhir: &Fhir, more: &str) -> Vec<String> {
    let more = format!("status=current{more}");
    let (status, bundle) = fhir.search_inside(PATIENT, &more).await;
    assert_eq!(status, 200, "{bundle}");
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let matches = entries.iter().filter(|entry| entry["search"]["mode"] == "match");
    let title = |e: &serde_json::Value| e["resource"]["content"][0]["attachment"]["title"].clone();
    let mut titles: Vec<String> =
        matches.map(|e| title(e).as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(bundle["total"], titles.len());
    titles.sort_by_key(|title| !title.starts_with("Letter"));
    titles
}
