use carerecord_testkit::{Browser, Deployment, Fhir, GP, Letter, PATIENT, Role};
use serde_json::{Value, json};

/// A record that is closed is opened with a reason, for one person and a while; those whom it
/// concerns are told and review it; the audit record has all of it.
pub async fn a_closed_record_is_opened_with_a_reason_and_reviewed(deployment: Deployment) {
    let letter = Letter::text(PATIENT, 1);
    assert!(deployment.node(0).publish(&letter).await.unwrap().is_success());
    let gp = deployment.fhir().as_person(GP).await;
    let officer = deployment.fhir().as_person(OFFICER).await;
    let (status, stored) = gp.put("Consent", None, &objection()).await;
    assert_eq!(status, 201, "{stored}");

    assert_eq!(state(&gp, "offered").await, (0, true), "offered, whatever there is");
    for (parameters, why) in [
        (asked("because", None), "reason"),
        (asked("public-interest", Some("short")), "text"),
        (asked("court-order", Some("The court has asked for it.")), "reference"),
    ] {
        let (status, outcome) = gp.put("Patient/$break-glass", None, &parameters).await;
        assert_eq!(status, 400, "{outcome}");
        assert!(outcome.to_string().contains(why), "{why}: {outcome}");
    }
    for other in [SOCIAL_WORKER, OFFICER, CLERK] {
        let other = deployment.fhir().as_person(other).await;
        let (status, _) = other.put("Patient/$break-glass", None, &asked("emergency", None)).await;
        assert_eq!(status, 403);
    }

    let (status, opened) = gp.put("Patient/$break-glass", None, &asked("emergency", None)).await;
    assert_eq!(status, 201, "{opened}");
    assert_eq!(state(&gp, "in-force").await, (1, true));
    let found = gp.documents(PATIENT).await;
    let url = found[&letter.unique_id]["content"][0]["attachment"]["url"].as_str().unwrap();
    assert_eq!(gp.get(url).await.unwrap(), (200, letter.bytes.clone()));
    let again = deployment.fhir().as_person(GP).await;
    assert_eq!(state(&again, "offered").await, (0, true), "another session of the same person");
    assert_eq!(again.get(url).await.unwrap().0, 403);
    let colleague = deployment.fhir().as_person(CONSULTANT).await;
    assert_eq!(state(&colleague, "offered").await, (0, true));

    review(&officer).await;
    let (status, _) = gp.put("Patient/$break-glass", None, &asked("emergency", None)).await;
    assert_eq!((status, gp.get(url).await.unwrap().0), (201, 200));
    page_through(&officer).await;
    // What is denied to overrides, too, none opens.
    let provision = json!({"type": "deny", "purpose": [{"code": "TREAT"}, {"code": "BTG"}]});
    let firm = crate::objections::consent(&provision);
    let (status, stored) = gp.put("Consent", None, &firm).await;
    assert_eq!((status, gp.get(url).await.unwrap().0), (201, 403), "{stored}");
    let (status, _) = gp.resource(ALERTS).await;
    assert_eq!(status, 403, "a clinician reviews nothing");
    let events = deployment.audit(Role::Portal);
    let of = |what: &str| events.iter().filter(|e| e["interaction"] == what).collect::<Vec<_>>();
    let granted: Vec<&Value> =
        of("break glass").into_iter().filter(|e| e["outcome"] == "success").collect();
    assert_eq!((granted.len(), &granted[0]["purpose"]), (2, &"BTG".into()));
    assert_eq!(of("break glass").len(), 8, "refusals and mistakes too");
    let read = of("ITI-68 read Binary");
    assert!(read.iter().any(|e| e["decision"]["rule"] == "break-glass"), "{read:?}");
    let found = of("search privacy alerts");
    assert!(found.iter().any(|e| e["subject"] == PATIENT), "whoever is shown is recorded");
    deployment.assert_no_panic();
}

/// The keeper's privacy officer finds the alert, and closes it.
async fn review(officer: &Fhir) {
    let (status, alerts) = officer.resource(ALERTS).await;
    assert_eq!((status, &alerts["total"]), (200, &json!(1)), "{alerts}");
    let alert = &alerts["entry"][0]["resource"];
    assert_eq!(alert["subtype"][0]["code"], "5");
    assert_eq!(alert["entity"][0]["what"]["identifier"]["value"], PATIENT);
    let id = alert["id"].as_str().unwrap();
    let step = |state: &str, note: &str| {
        json!({"resourceType": "Parameters", "parameter": [
            {"name": "state", "valueCode": state}, {"name": "note", "valueString": note},
        ]})
    };
    let path = format!("AuditEvent/{id}/$review");
    for (parameters, expected) in [
        (step("in-review", ""), 200),
        (step("appropriate", ""), 400),
        (step("new", "again"), 400),
        (step("appropriate", "Seen in the emergency department that night."), 200),
    ] {
        let (status, answer) = officer.put(&path, None, &parameters).await;
        assert_eq!(status, expected, "{parameters}: {answer}");
    }
    let (_, closed) = officer.resource(&format!("{ALERTS}&state=appropriate")).await;
    assert_eq!(closed["total"], 1, "{closed}");
    assert!(closed.to_string().contains("that night"), "{closed}");
    let (_, none) = officer.resource(&format!("{ALERTS}&overdue=true")).await;
    assert_eq!(none["total"], 0);
    let (status, statistics) = officer.resource("AuditEvent/$statistics").await;
    assert_eq!(status, 200);
    let part = json!([{"name": "code", "valueCode": "emergency"},
        {"name": "count", "valueUnsignedInt": 1}]);
    assert!(statistics.to_string().contains(&part.to_string()), "{statistics}");
    let unknown = "AuditEvent/00000000-0000-4000-8000-000000000000";
    assert_eq!(officer.resource(unknown).await.0, 404);
}

/// Of more alerts than one answer has, the others are a link away, and counted all the same.
async fn page_through(officer: &Fhir) {
    let (_, first) = officer.resource(&format!("{ALERTS}&_count=1")).await;
    let of = |bundle: &Value| bundle["entry"][0]["resource"]["id"].clone();
    assert_eq!((&first["total"], first["entry"].as_array().unwrap().len()), (&json!(2), 1));
    let next = first["link"].as_array().unwrap().iter().find(|link| link["relation"] == "next");
    let next = next.unwrap()["url"].as_str().unwrap();
    let (_, second) = officer.resource(next).await;
    assert_ne!(of(&first), of(&second), "{second}");
    let (_, both) = officer.resource(&format!("{ALERTS}&state=new,appropriate")).await;
    assert_eq!(both["total"], 2, "{both}");
    assert_eq!(officer.resource(&format!("{ALERTS}&state=old")).await.0, 400);
}

/// How many documents are listed, and whether this is said of overrides.
async fn state(fhir: &Fhir, said: &str) -> (usize, bool) {
    let (status, bundle) = fhir.search("DocumentReference", PATIENT, "status=current").await;
    assert_eq!(status, 200, "{bundle}");
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let matches = entries.iter().filter(|e| e["search"]["mode"] == "match").count();
    let code = json!([{"system": "urn:carerecord:override", "code": said}]);
    (matches, bundle.to_string().contains(&code.to_string()))
}

fn asked(reason: &str, text: Option<&str>) -> Value {
    let mut parameters = json!([
        {"name": "patient", "valueIdentifier": {
            "system": "https://fhir.nhs.uk/Id/nhs-number", "value": PATIENT,
        }},
        {"name": "reason", "valueCode": reason},
    ]);
    if let Some(text) = text {
        let text = json!({"name": "text", "valueString": text});
        parameters.as_array_mut().unwrap().push(text);
    }
    json!({"resourceType": "Parameters", "parameter": parameters})
}

fn objection() -> Value {
    let provision = json!({"type": "deny"});
    crate::objections::consent(&provision)
}

/// The same on the web portal: the refusal offers it, the interruption asks why, the record is open,
/// and the officer finds it in the inbox.
pub async fn the_pages_ask_why_and_the_inbox_has_it(deployment: Deployment) {
    assert!(deployment.node(0).publish(&Letter::text(PATIENT, 1)).await.unwrap().is_success());
    let fhir = deployment.fhir().as_person(GP).await;
    assert_eq!(fhir.put("Consent", None, &objection()).await.0, 201);
    let mut gp = Browser::sign_in(&deployment, GP).await;
    let list = gp.find(PATIENT).await;

    let (status, refused) = gp.get(&list).await;
    assert_eq!(status, 403);
    let link = format!("{list}/restricted");
    assert!(refused.contains(&link), "{refused}");
    let (status, page) = gp.get(&link).await;
    assert_eq!(status, 200);
    assert!(page.contains("You are about to open restricted information"), "{page}");
    for (fields, mistake) in [
        (vec![], "Choose why you open the record"),
        (vec![("reason", "statute")], "Explain your reason in at least 10 characters"),
        (
            vec![("reason", "court-order"), ("words", "The judge has asked.")],
            "Enter the reference of the court order",
        ),
    ] {
        let (status, page) = gp.submit(&link, &fields).await;
        assert_eq!(status, 422);
        assert!(page.contains(mistake), "{mistake}: {page}");
    }
    let (status, _) = gp.submit(&link, &[("reason", "emergency")]).await;
    assert_eq!(status, 303);
    let (status, page) = gp.get(&list).await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("Letter 1") && page.contains("You have opened what is closed"), "{page}");
    let document = page.split("href=\"").find(|p| p.contains("/document/")).unwrap();
    let document = document.split('"').next().unwrap();
    let copy = [("purpose", "direct-care"), ("copy", "original")];
    assert_eq!(gp.submit(&format!("{document}/download"), &copy).await.0, 200);
    assert_eq!(gp.get("/alerts").await.0, 403);

    let mut officer = Browser::sign_in(&deployment, OFFICER).await;
    let (status, inbox) = officer.get("/alerts").await;
    assert_eq!(status, 200, "{inbox}");
    assert!(inbox.contains("To review (1)") && inbox.contains("Farrow"), "{inbox}");
    assert!(!inbox.contains(PATIENT), "the list names no patient");
    let link = inbox.split("href=\"").find(|p| p.starts_with("/alerts/")).unwrap();
    let link = link.split('"').next().unwrap().to_owned();
    let (status, page) = officer.submit(&link, &[("state", "appropriate")]).await;
    assert_eq!(status, 422);
    assert!(page.contains("Say what you found"), "{page}");
    let fields = [("state", "appropriate"), ("note", "Ambulance was called at 02:40.")];
    assert_eq!(officer.submit(&link, &fields).await.0, 303);
    let (_, page) = officer.get(&link).await;
    assert!(page.contains("Closed: appropriate") && page.contains("02:40"), "{page}");
    deployment.assert_no_panic();
}

const OFFICER: &str = "555021900500";
const SOCIAL_WORKER: &str = "555021900400";
const CLERK: &str = "555021900600";
const CONSULTANT: &str = "555021900200";
const ALERTS: &str = "AuditEvent?type=https://fhir.nhs.uk/CodeSystem/SCR-AlertType|2";
