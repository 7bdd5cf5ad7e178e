use carerecord_testkit::{ADA, Browser, Deployment, Fhir, GP, JO, LEE, Letter, NURSE, Role};
use serde_json::{Value, json};

use crate::identity::{Feed, patient};
use crate::objections::consent_of;
use crate::routes::routes;

/// A parent's access to a child's record ends on the birthday that the rules name, is renewed case by
/// case, and ends for good on the next one; another system asks and gets the answer of each day.
pub async fn a_proxy_ends_at_a_birthday(deployment: Deployment) {
    let born = "<birthTime value=\"20200301\"/>";
    let feed = Feed(&deployment);
    assert_eq!(feed.tell("PRPA_IN201301UV02", &patient(CHILD, born)).await, "CA");
    let letter = Letter::text(CHILD, 1);
    assert!(deployment.node(0).publish(&letter).await.unwrap().is_success());
    let gp = deployment.fhir().as_person(GP).await;
    let system = deployment.fhir().as_system().await;
    let found = gp.documents(CHILD).await;
    let document = found[&letter.unique_id]["id"].as_str().unwrap();
    let ask = async |citizen: &str, at: &str| asked(&system, citizen, at, document).await;
    let denied = |rule: &str| (rule.to_owned(), rule.to_owned());

    assert_eq!(ask(PARENT, "2030-01-01T12:00:00Z").await, denied("no-proxy"));
    for (parameters, why) in [
        (vec![kind("friend")], "kind"),
        (vec![kind("proxy")], "delegate"),
        (vec![kind("proxy"), number("delegate", CHILD)], "delegate"),
        (vec![kind("proxy"), number("delegate", PARENT)], "basis"),
        (vec![kind("proxy"), number("delegate", PARENT), basis("deputy")], "evidence"),
        (vec![json!({"name": "scope", "valueCode": "all"})], "the parameters are"),
    ] {
        let (status, outcome) = record(&gp, parameters).await;
        assert_eq!(status, 400, "{outcome}");
        assert!(outcome.to_string().contains(why), "{why}: {outcome}");
    }
    let parental = vec![kind("proxy"), number("delegate", PARENT), basis("parental")];
    let clerk = deployment.fhir().as_person(CLERK).await;
    assert_eq!(record(&clerk, parental.clone()).await.0, 403);
    let (status, granted) = record(&gp, parental.clone()).await;
    assert_eq!(status, 201, "{granted}");

    let open = || ("citizen-proxy".to_owned(), "citizen-proxy".to_owned());
    assert_eq!(ask(PARENT, "2031-02-28T23:59:59Z").await, open());
    assert_eq!(ask(PARENT, "2031-03-01T00:00:00Z").await, denied("no-proxy"), "the 11th birthday");
    assert_eq!(ask(CHILD, "2031-03-01T00:00:00Z").await, denied("citizen-age"));
    let own = ("citizen-own".to_owned(), "citizen-own".to_owned());
    assert_eq!(ask(CHILD, "2036-03-01T00:00:00Z").await, own, "in their own right at 16");
    assert_eq!(ask(STRANGER, "2031-01-01T00:00:00Z").await, denied("no-proxy"));
    let renewed = json!({"name": "start", "valueInstant": "2031-03-02T09:00:00Z"});
    let (status, _) = record(&gp, [parental, vec![renewed]].concat()).await;
    assert_eq!(status, 201);
    assert_eq!(ask(PARENT, "2036-02-29T23:59:59Z").await, open(), "case by case");
    assert_eq!(ask(PARENT, "2036-03-01T00:00:00Z").await, denied("no-proxy"), "the 16th");

    let id = granted["parameter"][0]["part"][0]["valueId"].clone();
    let now = granted["parameter"][0]["part"][4]["valueInstant"].clone();
    let end =
        vec![json!({"name": "id", "valueId": id}), json!({"name": "end", "valueInstant": now})];
    let (status, ended) = record(&gp, end).await;
    assert_eq!(status, 200, "{ended}");
    assert_eq!(ask(PARENT, "2031-01-01T00:00:00Z").await, denied("no-proxy"), "it was ended");
    assert_eq!(record(&gp, vec![kind("barred")]).await.0, 201);
    assert_eq!(ask(CHILD, "2036-03-01T00:00:00Z").await, denied("citizen-barred"));
    let (status, all) = record(&gp, Vec::new()).await;
    assert_eq!((status, all["parameter"].as_array().unwrap().len()), (200, 3), "{all}");

    let nurse = deployment.fhir().as_person(NURSE).await;
    let sent = inquiry(PARENT, "2031-01-01T00:00:00Z", document);
    assert_eq!(nurse.put("Patient/$may-see", None, &sent).await.0, 403, "systems ask");
    deployment.assert_no_panic();
}

/// By the portal's API a citizen reads their own record, but for what is kept from citizens; who looked
/// at it; and what they have said. Of other people, and by every other route, nothing.
pub async fn a_citizen_sees_their_own_record_and_nothing_else(deployment: Deployment) {
    let feed = Feed(&deployment);
    for (number, year) in [(OWN, "19450714"), (STRANGER, "19500101")] {
        let born = format!("<birthTime value=\"{year}\"/>");
        assert_eq!(feed.tell("PRPA_IN201301UV02", &patient(number, &born)).await, "CA");
    }
    let mut letters: Vec<Letter> = (1..=3).map(|n| Letter::text(OWN, n)).collect();
    STRANGER.clone_into(&mut letters[1].patient);
    "GUM clinic letter".clone_into(&mut letters[2].title);
    for letter in &letters {
        assert!(deployment.node(0).publish(letter).await.unwrap().is_success());
    }
    let [own, others, hidden] = &letters[..] else { unreachable!() };
    let gp = deployment.fhir().as_person(GP).await;
    let id = async |letter: &Letter| {
        gp.documents(&letter.patient).await[&letter.unique_id]["id"].as_str().unwrap().to_owned()
    };
    let [own_id, other_id, hidden_id] = [id(own).await, id(others).await, id(hidden).await];
    assert_eq!(gp.get(&format!("Binary/{own_id}")).await.unwrap().0, 200);
    let set = gp.search("List", STRANGER, "status=current&code=submissionset").await.1;
    let other_set = set["entry"][0]["resource"]["id"].as_str().unwrap().to_owned();

    let ada = deployment.citizen(ADA).await;
    let (status, mine) = ada.resource("Patient/$mine").await;
    assert_eq!(status, 200, "{mine}");
    assert_eq!(mine["parameter"].as_array().unwrap().len(), 1, "{mine}");
    assert!(mine.to_string().contains("citizen-own"), "{mine}");
    let found = ada.documents(OWN).await;
    assert_eq!(found.keys().collect::<Vec<_>>(), [&own.unique_id], "{found:?}");
    let (status, bytes) = ada.get(&format!("Binary/{own_id}")).await.unwrap();
    assert_eq!((status, &bytes), (200, &own.bytes));
    let inside = ada.search_inside(OWN, "status=current&_content=pulse").await.1;
    assert_eq!(inside["total"], 1, "{inside}");
    let (status, lists) = ada.search("List", OWN, "status=current&code=submissionset").await;
    assert_eq!((status, &lists["total"]), (200, &1.into()), "the set of the hidden one is hidden");

    let nowhere = "00000000-0000-4000-8000-000000000000";
    for kind in ["DocumentReference", "Binary"] {
        let absent = ada.get(&format!("{kind}/{nowhere}")).await.unwrap();
        for id in [&other_id, &hidden_id] {
            assert_eq!(ada.get(&format!("{kind}/{id}")).await.unwrap(), absent, "{kind}");
        }
        assert_eq!(absent.0, 404);
    }
    let absent = ada.get(&format!("List/{nowhere}")).await.unwrap();
    assert_eq!(ada.get(&format!("List/{other_set}")).await.unwrap(), absent);
    for (kind, more) in [
        ("DocumentReference", "status=current"),
        ("DocumentReference", "status=current&_content=pulse"),
        ("List", "status=current&code=submissionset"),
        ("AuditEvent", ""),
        ("Consent", ""),
    ] {
        let known = ada.search(kind, STRANGER, more).await;
        assert_eq!(known.0, 403, "{kind}: {}", known.1);
        assert_eq!(ada.search(kind, "9990001057", more).await, known, "{kind}: nobody knows them");
    }
    every_other_route_is_closed(&deployment, &ada, &[&other_id, &hidden_id, &other_set]).await;
    let purpose = reqwest::Client::new()
        .get(deployment.url(Role::Portal, &format!("/fhir/Binary/{own_id}")))
        .bearer_auth(ada.token())
        .header("x-purpose-of-use", "TREAT");
    assert_eq!(purpose.send().await.unwrap().status().as_u16(), 403, "for another purpose");

    let lee = deployment.citizen(LEE).await;
    for kind in ["DocumentReference", "AuditEvent", "Consent"] {
        let (status, told) = lee.search(kind, "9990001146", "status=current").await;
        assert_eq!(status, 403, "{told}");
        assert!(told.to_string().contains("citizen-proofing"), "{kind}: {told}");
    }
    assert_eq!(lee.resource("Patient/$mine").await.0, 403);

    who_looked(&ada, &own_id).await;
    they_object_and_take_it_back(&gp, &ada).await;
    let events = deployment.audit(Role::Portal);
    let read = events.iter().find(|e| {
        e["interaction"] == "ITI-68 read Binary"
            && e["actor"]["known_by"] == "P9"
            && e["outcome"] == "success"
    });
    let read = read.expect("the citizen's reading is recorded");
    assert_eq!(read["actor"]["id"], format!("nhs-login:{ADA}"), "{read}");
    assert_eq!(
        (&read["purpose"], &read["actor"]["organisation"]),
        (&"patient-access".into(), &"ZEX09".into())
    );
    assert_eq!(read["decision"]["rule"], "citizen-own", "{read}");
    if deployment.is_apart() {
        let events = deployment.audit(Role::Node(0));
        let read = events.iter().rfind(|e| {
            e["interaction"] == "ITI-43" && e["actor"]["id"] == format!("nhs-login:{ADA}")
        });
        let read = read.expect("the node knows for whom it gives");
        assert_eq!(read["decision"]["rule"], "citizen-own", "the node decides again: {read}");
    }
    deployment.assert_no_panic();
}

/// Whatever the API has, now or later: of other people's records a citizen gets nothing by it.
async fn every_other_route_is_closed(deployment: &Deployment, ada: &Fhir, others: &[&str]) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut asked = 0;
    for route in routes().into_iter().filter(|r| r.router == "fhir") {
        let public = ["metadata", "oauth", ".well-known", "$mine"];
        // Which packs they have asked for themselves is theirs to know.
        let own = route.method == "GET" && route.path == "/fhir/Patient/$access-pack";
        if own || public.iter().any(|part| route.path.contains(part)) {
            continue;
        }
        let method = if route.method == "ANY" { "DELETE" } else { &route.method };
        for id in others {
            let path = route.path.replace("{id}", id).replace("{*rest}", &format!("Nothing/{id}"));
            let is_document = !path.contains("Consent") && !path.contains("Episode");
            let status = if is_document { "current" } else { "active" };
            let query = format!(
                "?patient.identifier=https://fhir.nhs.uk/Id/nhs-number|{STRANGER}&status={status}\
                 &code=submissionset&identifier={STRANGER}"
            );
            let query = if method == "GET" { &query } else { "" };
            let url = deployment.url(Role::Portal, &format!("{path}{query}"));
            let mut request = http.request(method.parse().unwrap(), url).bearer_auth(ada.token());
            if route.path.ends_with("_search") {
                let form = format!(
                    "patient.identifier=https://fhir.nhs.uk/Id/nhs-number|{STRANGER}\
                     &status={status}&code=submissionset&identifier={STRANGER}"
                );
                request =
                    request.header("content-type", "application/x-www-form-urlencoded").body(form);
            } else if method != "GET" {
                let consent = consent_of(STRANGER, &json!({"type": "deny"}));
                let body = if path.contains("Consent") { consent } else { parameters(STRANGER) };
                request =
                    request.header("content-type", "application/fhir+json").body(body.to_string());
            }
            let answer = request.send().await.unwrap();
            let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
            assert!([403, 404].contains(&status), "{method} {path}: {status} {text}");
            assert!(!text.contains("Letter"), "{method} {path}: {text}");
            asked += 1;
        }
    }
    assert!(asked > 60, "{asked}");
}

fn parameters(of: &str) -> Value {
    json!({"resourceType": "Parameters", "parameter": [number("patient", of)]})
}

/// A citizen reads what staff did, without their names and without the ids of documents.
async fn who_looked(ada: &Fhir, document: &str) {
    let (status, found) = ada.search("AuditEvent", OWN, "_count=200").await;
    assert_eq!(status, 200, "{found}");
    let entries = found["entry"].as_array().unwrap();
    let events: Vec<&Value> = entries
        .iter()
        .map(|entry| &entry["resource"])
        .filter(|event| event["resourceType"] == "AuditEvent")
        .collect();
    let by_gp = events.iter().find(|e| e.to_string().contains("R0260")).expect("the GP looked");
    assert!(
        by_gp.to_string().contains("A20047") && !by_gp.to_string().contains("Farrow"),
        "{by_gp}"
    );
    assert!(!found.to_string().contains(document), "which document is not told");
    assert!(found.get("total").is_none(), "what is left out is not counted");
    for more in ["agent.identifier=555021900100", "organisation=ZEX01", "entity.identifier=x"] {
        let (status, told) = ada.search("AuditEvent", OWN, more).await;
        assert_eq!(status, 403, "{more}: {told}");
    }
}

/// What a patient says of their own record holds from the next request on, until they take it back.
async fn they_object_and_take_it_back(gp: &Fhir, ada: &Fhir) {
    let recorded = consent_of(STRANGER, &json!({"type": "deny"}));
    let (_, others) = gp.put("Consent", None, &recorded).await;
    let others = others["id"].as_str().unwrap();
    assert_eq!(ada.resource(&format!("Consent/{others}")).await.0, 404, "what others have said");
    assert_eq!(ada.put("Consent", Some(others), &recorded).await.0, 404);
    assert_eq!(ada.put("Consent", None, &recorded).await.0, 403, "for others");

    let objection = consent_of(OWN, &json!({"type": "deny"}));
    let (status, stored) = ada.put("Consent", None, &objection).await;
    assert_eq!(status, 201, "{stored}");
    assert_eq!(gp.documents(OWN).await.len(), 0);
    assert_eq!(ada.documents(OWN).await.len(), 1, "they see it themselves");
    let (_, all) = ada.search("Consent", OWN, "status=active").await;
    assert_eq!(all["total"], 1, "{all}");
    let id = stored["id"].as_str().unwrap();
    let mut other = stored.clone();
    other["provision"] = json!({"type": "permit"});
    assert_eq!(ada.put("Consent", Some(id), &other).await.0, 400, "it says what it said");
    let mut lifted = stored.clone();
    lifted["status"] = "inactive".into();
    assert_eq!(ada.put("Consent", Some(id), &lifted).await.0, 200);
    assert_eq!(gp.documents(OWN).await.len(), 2);
}

/// Somebody who acts for a child sees the record from the grant on, until it ends or a birthday ends
/// it; the child's own looking is not told to them.
pub async fn a_proxy_sees_the_record_as_long_as_the_grant_holds(deployment: Deployment) {
    let feed = Feed(&deployment);
    let today = today();
    let years_ago = |years: i32| today.checked_sub(jiff::Span::new().years(years)).unwrap();
    let told =
        |date: jiff::civil::Date| format!("<birthTime value=\"{}\"/>", date.strftime("%Y%m%d"));
    // One of six years, and one whose eleventh birthday is today.
    for (number, born) in [(CHILD, years_ago(6)), (STRANGER, years_ago(11)), (QUIET, years_ago(30))]
    {
        let told = patient(number, &told(born));
        assert_eq!(feed.tell("PRPA_IN201301UV02", &told).await, "CA");
    }
    let letters = [Letter::text(CHILD, 1), Letter::text(STRANGER, 2)];
    for letter in &letters {
        assert!(deployment.node(0).publish(letter).await.unwrap().is_success());
    }
    let gp = deployment.fhir().as_person(GP).await;
    let jo = deployment.citizen(JO).await;
    let people = async || {
        let (status, mine) = jo.resource("Patient/$mine").await;
        assert_eq!(status, 200, "{mine}");
        mine["parameter"].as_array().unwrap().len()
    };
    assert_eq!(
        (people().await, jo.search("DocumentReference", CHILD, "status=current").await.0),
        (1, 403)
    );

    let yesterday = json!({"name": "start", "valueInstant": format!("{}T12:00:00Z", today.yesterday().unwrap())});
    let mut granted = Vec::new();
    for child in [CHILD, STRANGER] {
        let sent = json!({"resourceType": "Parameters", "parameter": [
            number("patient", child), kind("proxy"), number("delegate", QUIET), basis("parental"),
            yesterday,
        ]});
        let (status, answer) = gp.put("Patient/$citizen-access", None, &sent).await;
        assert_eq!(status, 201, "{answer}");
        granted.push(answer);
    }
    assert_eq!(people().await, 2, "the birthday has ended the other one");
    let found = jo.documents(CHILD).await;
    let url = found[&letters[0].unique_id]["content"][0]["attachment"]["url"].as_str().unwrap();
    assert_eq!(jo.get(url).await.unwrap(), (200, letters[0].bytes.clone()));
    let (status, told) = jo.search("DocumentReference", STRANGER, "status=current").await;
    assert_eq!(status, 403, "{told}");
    assert!(told.to_string().contains("no-proxy"), "{told}");
    assert_eq!(jo.search("AuditEvent", CHILD, "").await.0, 200);
    let objection = consent_of(CHILD, &json!({"type": "deny"}));
    assert_eq!(jo.put("Consent", None, &objection).await.0, 403, "not theirs to say");

    let id = granted[0]["parameter"][0]["part"][0]["valueId"].clone();
    let since = granted[0]["parameter"][0]["part"][4]["valueInstant"].clone();
    let end = json!({"resourceType": "Parameters", "parameter": [
        number("patient", CHILD), {"name": "id", "valueId": id}, {"name": "end", "valueInstant": since},
    ]});
    assert_eq!(gp.put("Patient/$citizen-access", None, &end).await.0, 200);
    assert_eq!(people().await, 1);
    assert_eq!(jo.get(url).await.unwrap().0, 404);
    assert_eq!(jo.search("AuditEvent", CHILD, "").await.0, 403);
    deployment.assert_no_panic();
}

/// The pages show a citizen what the API gives them, and lead staff nowhere.
pub async fn the_pages_of_citizens_show_their_own(deployment: Deployment) {
    let feed = Feed(&deployment);
    let name =
        "<name><given>Ada</given><family>Okafor</family></name><birthTime value=\"19450714\"/>";
    assert_eq!(feed.tell("PRPA_IN201301UV02", &patient(OWN, name)).await, "CA");
    let mut letters = [Letter::text(OWN, 1), Letter::text(OWN, 2)];
    "GUM clinic letter".clone_into(&mut letters[1].title);
    for letter in &letters {
        assert!(deployment.node(0).publish(letter).await.unwrap().is_success());
    }
    let gp = deployment.fhir().as_person(GP).await;
    gp.documents(OWN).await;

    let mut ada = Browser::sign_in_citizen(&deployment, ADA).await;
    let (status, page) = ada.get("/mine").await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("Ada Okafor") && page.contains("999 000 1006"), "{page}");
    assert!(!page.contains("/search"), "staff look people up");
    let path = page.split("href=\"/mine/").nth(1).unwrap().split('"').next().unwrap();
    let path = format!("/mine/{path}");
    let (status, page) = ada.get(&path).await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("Letter 1") && !page.contains("GUM clinic"), "{page}");
    let document = page.split("href=\"/patient/").nth(1).unwrap().split('"').next().unwrap();
    let document = format!("/patient/{document}");
    let (status, page) = ada.get(&document).await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("pulse"), "{page}");
    let copy = [("purpose", "patient-access"), ("copy", "original")];
    let (status, text) = ada.submit(&format!("{document}/download"), &copy).await;
    assert_eq!((status, text.as_bytes()), (200, &letters[0].bytes[..]));
    let (status, page) = ada.get(&format!("{path}/looked")).await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("Dr Legg&#39;s Surgery") && page.contains("You<br>"), "{page}");
    assert!(page.contains("An agreement between the organisations allows it"), "{page}");
    assert!(!page.contains("Farrow"), "{page}");

    let sharing = format!("{path}/sharing");
    assert!(ada.get(&sharing).await.1.contains("You have not objected"));
    let (status, page) = ada.submit(&sharing, &[("object", "")]).await;
    assert_eq!(status, 422, "{page}");
    assert_eq!(ada.submit(&sharing, &[("object", "everything")]).await.0, 303);
    assert_eq!(gp.documents(OWN).await.len(), 0);
    let (_, page) = ada.get(&sharing).await;
    assert!(page.contains("Nothing of your record is shared"), "{page}");
    let id = page.split("name=\"take_back\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let id = id.to_owned();
    assert_eq!(ada.submit(&sharing, &[("take_back", &id)]).await.0, 303);
    assert_eq!(gp.documents(OWN).await.len(), 2);

    for staff_only in ["/search", "/looked", "/alerts"] {
        let (_, page) = ada.get(staff_only).await;
        assert!(!page.contains("999 000"), "{staff_only}: {page}");
    }
    let other = format!("/mine/{}/looked", "00000000-0000-4000-8000-000000000000");
    assert_eq!(ada.get(&other).await.0, 303, "nobody's");
    let mut staff = Browser::sign_in(&deployment, GP).await;
    assert_eq!(staff.get("/mine").await.0, 404);
    let mut lee = Browser::sign_in_citizen(&deployment, LEE).await;
    let (status, page) = lee.get("/mine").await;
    assert_eq!(status, 403, "{page}");
    assert!(page.contains("you need to have proved who you are"), "{page}");
    deployment.assert_no_panic();
}

#[expect(clippy::disallowed_methods, reason = "the processes go by the real clock")]
fn today() -> jiff::civil::Date {
    jiff::Timestamp::now().in_tz("Europe/London").unwrap().date()
}

/// The rules by which a citizen may see, or not, the record and a document.
async fn asked(system: &Fhir, citizen: &str, at: &str, document: &str) -> (String, String) {
    let (status, told) =
        system.put("Patient/$may-see", None, &inquiry(citizen, at, document)).await;
    assert_eq!(status, 200, "{told}");
    let rule = |parts: &Value| {
        let parts = parts.as_array().unwrap();
        let rule = parts.iter().find(|p| p["name"] == "rule").unwrap();
        rule["valueCode"].as_str().unwrap().to_owned()
    };
    let all = &told["parameter"];
    let of_document = all.as_array().unwrap().iter().find(|p| p["name"] == "document").unwrap();
    (rule(all), rule(&of_document["part"]))
}

fn inquiry(citizen: &str, at: &str, document: &str) -> Value {
    json!({"resourceType": "Parameters", "parameter": [
        number("patient", CHILD),
        number("citizen", citizen),
        {"name": "at", "valueDateTime": at},
        {"name": "document", "valueId": document},
    ]})
}

async fn record(fhir: &Fhir, more: Vec<Value>) -> (u16, Value) {
    let parameter = [vec![number("patient", CHILD)], more].concat();
    let sent = json!({"resourceType": "Parameters", "parameter": parameter});
    fhir.put("Patient/$citizen-access", None, &sent).await
}

fn number(name: &str, number: &str) -> Value {
    json!({"name": name, "valueIdentifier": {
        "system": "https://fhir.nhs.uk/Id/nhs-number", "value": number,
    }})
}

fn kind(code: &str) -> Value {
    json!({"name": "kind", "valueCode": code})
}

fn basis(code: &str) -> Value {
    json!({"name": "basis", "valueCode": code})
}

const CHILD: &str = "9990001065";
/// The number of the citizen Ada Okafor.
const OWN: &str = "9990001006";
/// The number of the citizen Jo Quiet.
const QUIET: &str = "9990001103";
const PARENT: &str = "9990001006";
const STRANGER: &str = "9990001014";
const CLERK: &str = "555021900600";
