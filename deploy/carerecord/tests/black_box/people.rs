use carerecord_testkit::{Deployment, GP, Role};
use serde_json::{Value, json};

use crate::identity::{Feed, patient, prior};

/// What the feed tells of people is what searches and matches find them by, at once; nobody browses,
/// and everybody who is shown is recorded.
pub async fn people_are_found_by_what_is_told_of_them(deployment: Deployment) {
    let feed = Feed(&deployment);
    for (number, given, born, more) in [
        (ZOE, "Zo\u{eb}", "19450714", ""),
        (ZOE_BEFORE, "Zoe", "19450714", ""),
        (ZAC, "Zac", "19450715", ""),
        (HIDDEN, "Zelda", "19450716", "<confidentialityCode code=\"R\"/>"),
    ] {
        let described = format!(
            "<name><given>{given}</given><family>O'Neill</family></name>\
             <administrativeGenderCode code=\"F\"/><birthTime value=\"{born}\"/>\
             <addr use=\"HP\"><postalCode>xx11xx</postalCode></addr>"
        );
        let told = patient(number, &described).replace(
            "<statusCode code=\"active\"/>",
            &format!("<statusCode code=\"active\"/>{more}"),
        );
        assert_eq!(feed.tell("PRPA_IN201301UV02", &told).await, "CA");
    }
    let merge = format!("{}{}", patient(ZOE, ""), prior(ZOE_BEFORE));
    assert_eq!(feed.tell("PRPA_IN201304UV02", &merge).await, "CA");
    let gp = deployment.fhir().as_person(GP).await;
    let before = portal_records(&deployment).len();

    for (form, expected) in [
        ("family=oneill&birthdate=1945-07-14", &[ZOE][..]),
        ("family=O%27N&given=zoe&birthdate=1945", &[ZOE]),
        ("family=oneill&birthdate=ge1945-07-15&birthdate=le1945-07-16", &[ZAC, HIDDEN]),
        ("family=oneill&birthdate=1945&address-postalcode=XX1", &[ZAC, ZOE]),
        ("family=oneill&address-postalcode=XX2", &[]),
        ("family:exact=oneill&birthdate=1945", &[]),
        ("identifier=9990001138&family=oneill", &[ZOE]),
    ] {
        let (status, bundle) = gp.search_form("Patient", form).await;
        assert_eq!(status, 200, "{form}: {bundle}");
        assert_eq!(numbers(&bundle), expected, "{form}");
        assert_eq!(bundle["total"], expected.len(), "{form}");
    }

    let records = portal_records(&deployment).split_off(before);
    let of = |number: &str| records.iter().filter(|r| r["subject"] == number).count();
    assert_eq!((of(ZOE), of(ZAC), of(HIDDEN)), (4, 2, 1), "{records:?}");
    let (status, refused) = gp.search_form("Patient", "family=oneill&gender=female").await;
    assert_eq!((status, &refused["issue"][0]["code"]), (400, &json!("required")));
    pages(&gp).await;
    matches(&gp).await;
    deployment.assert_no_panic();
}

/// Pages are links that tell nothing, and together they are everybody.
async fn pages(gp: &carerecord_testkit::Fhir) {
    let (_, mut page) = gp.search_form("Patient", "family=oneill&birthdate=1945&_count=2").await;
    let mut all = numbers(&page);
    assert_eq!((all.len(), &page["total"]), (2, &json!(3)));
    let links = page["link"].as_array().unwrap();
    let next = links.iter().find(|link| link["relation"] == "next").unwrap()["url"].clone();
    let next = next.as_str().unwrap();
    assert!(!next.contains("neill") && !next.contains("1945"), "{next}");
    page = gp.resource(next).await.1;
    all.extend(numbers(&page));
    all.sort_unstable();
    assert_eq!(
        (all.as_slice(), &page["total"]),
        (&[ZOE, HIDDEN, ZAC].map(str::to_owned)[..], &json!(3))
    );
    assert_eq!(page["link"].as_array().unwrap().len(), 1, "that was the last one");
}

async fn matches(gp: &carerecord_testkit::Fhir) {
    let told = |number: &str, born: &str| {
        json!({"resourceType": "Patient", "birthDate": born,
            "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": number}],
            "name": [{"family": "ONEILL", "given": ["Zoe"]}]})
    };
    for (patient, first, grade, total) in [
        (told(ZOE, "1945-07-14"), ZOE, "certain", 1),
        (told(ZOE_BEFORE, "1945-07-14"), ZOE, "certain", 1),
        (told(ZAC, "1945-07-14"), ZOE, "probable", 2),
    ] {
        let (status, bundle) = gp.put("Patient/$match", None, &patient).await;
        assert_eq!(status, 200, "{bundle}");
        let found = numbers(&bundle);
        let at = found.iter().position(|number| number == first).unwrap();
        assert_eq!(found.len(), total, "{bundle}");
        assert_eq!(bundle["entry"][at]["search"]["extension"][0]["valueCode"], grade, "{bundle}");
    }
    let source = json!({"resourceType": "Parameters", "parameter": [{"name": "sourceIdentifier",
        "valueIdentifier": {"system": "https://fhir.nhs.uk/Id/nhs-number", "value": ZOE_BEFORE}}]});
    let (status, pix) = gp.put("Patient/$ihe-pix", None, &source).await;
    assert_eq!((status, &pix["parameter"][0]["valueIdentifier"]["value"]), (200, &json!(ZOE)));
}

/// The numbers of a Bundle's people, in order.
fn numbers(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let people = entries.iter().filter(|entry| entry["resource"]["resourceType"] == "Patient");
    let number =
        |entry: &Value| entry["resource"]["identifier"][0]["value"].as_str().map(str::to_owned);
    people.filter_map(number).collect()
}

fn portal_records(deployment: &Deployment) -> Vec<Value> {
    let mut records = deployment.audit(Role::Portal);
    records.retain(|record| {
        let interaction = record["interaction"].as_str().unwrap_or_default();
        record["recorder"] == "portal" && interaction.starts_with("search Patient")
    });
    records
}

const ZOE: &str = "9990001111";
const ZOE_BEFORE: &str = "9990001138";
const ZAC: &str = "9990001162";
const HIDDEN: &str = "9990001154";
