use carerecord_testkit::{Deployment, Fhir, GP, Letter, NURSE};
use serde_json::{Value, json};

use crate::identity::{Feed, patient};

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
const PARENT: &str = "9990001006";
const STRANGER: &str = "9990001014";
const CLERK: &str = "555021900600";
