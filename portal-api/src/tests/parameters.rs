//! What searches do with parameters that they cannot heed, or not as they are written.

use super::looking::{as_role, by};
use super::*;

async fn officer() -> Client {
    let mut client = Client::of(registry(), Some(person())).await;
    by(&mut client, &as_role("officer", "ZEX01", "R0001")).await;
    client
}

fn outcomes(answer: &Answer) -> String {
    let bundle = answer.json();
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    entries.iter().filter(|e| e["search"]["mode"] == "outcome").map(Value::to_string).collect()
}

#[tokio::test]
async fn what_is_left_out_of_a_search_is_told() {
    let mut client = officer().await;
    let patient = format!("patient={NUMBER}");
    let organisation = format!("status=active&organization.identifier={ODS}|ZEX01");
    let alerts = format!("type={ALERTS}|1");
    for (role, kind, needed) in [
        ("R0001", "Consent", patient.as_str()),
        ("R0001", "EpisodeOfCare", &patient),
        ("R8000", "EpisodeOfCare", &organisation),
        ("R0001", "Contract", "x=1"),
        ("R0001", "AuditEvent", &alerts),
        ("R0001", "AuditEvent", "type=urn:carerecord:detection|"),
        ("R8000", "Condition", &patient),
        ("R8000", "Provenance", "target=AllergyIntolerance/6c1d0b52000040008000000000000001-0"),
    ] {
        by(&mut client, &as_role("somebody", "ZEX01", role)).await;
        let answer =
            client.get(&format!("{kind}?{needed}&colour=chartreuse&colour=blue"), &[]).await;
        assert_eq!(answer.status, 200, "{kind}?{needed}: {}", answer.text);
        let told = outcomes(&answer);
        assert_eq!(told.matches("colour is not supported here").count(), 1, "{kind}: {told}");
        assert!(!told.contains("chartreuse"), "{kind}: {told}");
        let strict = [("prefer", "handling=strict")];
        let answer = client.get(&format!("{kind}?{needed}&colour=red"), &strict).await;
        assert_eq!(answer.status, 400, "{kind}?{needed}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_status_is_one_of_its_value_set() {
    let client = officer().await;
    for (kind, system) in [
        ("Consent", "http://hl7.org/fhir/consent-state-codes"),
        ("EpisodeOfCare", "http://hl7.org/fhir/episode-of-care-status"),
    ] {
        for (status, taken) in [
            ("active".to_owned(), 200),
            (format!("{system}|active"), 200),
            ("entered-in-error, active".to_owned(), 200),
            (String::new(), 400),
            ("activ".to_owned(), 400),
            ("active,".to_owned(), 400),
            ("urn:x|active".to_owned(), 400),
        ] {
            let form = format!("patient={NUMBER}&status={status}");
            let answer = client.search(kind, &form, &[]).await;
            assert_eq!(answer.status, taken, "{kind} {status}: {}", answer.text);
        }
    }
    assert_eq!(client.get("Contract?_id=", &[]).await.status, 400);
}

#[tokio::test]
async fn who_is_in_care_is_searched_by_one_organisation_and_nothing_else() {
    let mut client = officer().await;
    by(&mut client, &as_role("doctor", "ZEX01", "R8000")).await;
    let own = format!("organization.identifier={ODS}|ZEX01");
    let system = "http://hl7.org/fhir/episode-of-care-status";
    for (form, status) in [
        (format!("{own}&status=active"), 200),
        (format!("{own}&status={system}|active&status=active"), 200),
        ("organization=Organization/ZEX01&status=active".to_owned(), 200),
        (format!("organization={BASE}/Organization/ZEX01&status=active"), 200),
        ("organization=ZEX01&status=active".to_owned(), 200),
        ("organization=Patient/ZEX01&status=active".to_owned(), 400),
        ("organization.identifier=ZEX01&status=active".to_owned(), 400),
        (format!("{own}&status=active&patient.identifier={NUMBER}"), 400),
        (format!("{own}&status=active&subject={NUMBER}"), 400),
        (format!("{own}&status=active&organization.identifier={ODS}|ZEX02"), 400),
        (format!("{own}&status=active&organization=Organization/ZEX02"), 400),
        (format!("{own}&status=active&status=finished"), 400),
        (format!("{own}&status=active,finished"), 400),
        (
            format!(
                "{own}&status=active&_include=EpisodeOfCare:patient&_include=EpisodeOfCare:team"
            ),
            400,
        ),
    ] {
        let answer = client.search("EpisodeOfCare", &form, &[]).await;
        assert_eq!(answer.status, status, "{form}: {}", answer.text);
    }
}

/// An answer that heeds half of a question would be about others, too.
#[tokio::test]
async fn alerts_and_findings_are_not_searched_by_what_other_records_are() {
    let client = officer().await;
    let types = [format!("{ALERTS}|1,{ALERTS}|2"), "urn:carerecord:detection|".to_owned()];
    for kind in types {
        for more in [
            format!("patient.identifier={NUMBER}"),
            "date=2026".to_owned(),
            "agent=somebody".to_owned(),
            "outcome=0".to_owned(),
            "state=new&state=appropriate".to_owned(),
            "state=".to_owned(),
        ] {
            let answer = client.search("AuditEvent", &format!("type={kind}&{more}"), &[]).await;
            assert_eq!(answer.status, 400, "{kind} {more}: {}", answer.text);
            assert!(!answer.text.contains(NUMBER), "{}", answer.text);
        }
        let answer = client.search("AuditEvent", &format!("type={kind}&state=new"), &[]).await;
        assert_eq!(answer.status, 200, "{kind}: {}", answer.text);
    }
}

/// The form that a search names is that of all its pages.
#[tokio::test]
async fn links_to_pages_keep_the_form_of_the_answer() {
    let mut client = officer().await;
    for _ in 0..2 {
        client.search("AuditEvent", &format!("patient.identifier={NUMBER}"), &[]).await;
    }
    let audit = format!("patient.identifier={NUMBER}&_count=1");
    let care = format!("organization.identifier={ODS}|ZEX01&status=active");
    for (role, kind, form) in [("R0001", "AuditEvent", audit), ("R8000", "EpisodeOfCare", care)] {
        by(&mut client, &as_role("officer", "ZEX01", role)).await;
        let plain = client.search(kind, &form, &[]).await;
        let next = next(&plain.text);
        assert!(!next.contains("_format"), "{next}");
        let mut page = client.search(kind, &format!("{form}&_format=xml"), &[]).await;
        for _ in 0..2 {
            assert!(page.text.starts_with('<'), "{kind}: {}", page.text);
            let next = self::next(&page.text);
            assert!(next.ends_with("&_format=xml"), "{next}");
            page = client.get(&next, &[]).await;
        }
    }
}

/// The address behind a link, in either form.
fn next(text: &str) -> String {
    let at = text.find("_page=").unwrap_or_else(|| panic!("{text}"));
    let start = text[..at].rfind('"').unwrap() + 1;
    let end = at + text[at..].find('"').unwrap();
    text[start..end].replace("&amp;", "&")
}

#[tokio::test]
async fn a_person_is_an_entity_by_the_id_that_a_search_gave() {
    let mut client = officer().await;
    by(&mut client, &as_role("doctor", "ZEX01", "R8000")).await;
    let patient = format!("patient.identifier={NUMBER}&status=current");
    assert_eq!(client.search("DocumentReference", &patient, &[]).await.status, 200);
    by(&mut client, &as_role("officer", "ZEX01", "R8000")).await;
    let people = client.search("Patient", &format!("identifier={NUMBER}"), &[]).await;
    let id = people.matches()[0]["id"].as_str().unwrap().to_owned();
    by(&mut client, &as_role("officer", "ZEX01", "R0001")).await;

    for (form, status, any) in [
        (format!("entity=Patient/{id}&agent=Practitioner/doctor"), 200, true),
        (format!("entity={BASE}/Patient/{id}&agent={BASE}/Practitioner/doctor"), 200, true),
        (format!("entity=DocumentReference/{ID}&agent=doctor"), 200, false),
        ("entity=Patient/x".to_owned(), 400, false),
        ("agent=Patient/doctor".to_owned(), 400, false),
        ("agent=Organization/ZEX01".to_owned(), 400, false),
    ] {
        let answer = client.search("AuditEvent", &form, &[]).await;
        assert_eq!(answer.status, status, "{form}: {}", answer.text);
        let found = status == 200 && !answer.matches().is_empty();
        assert!(found || !any, "{form}: {}", answer.text);
    }
}

const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";
const ALERTS: &str = "https://fhir.nhs.uk/CodeSystem/SCR-AlertType";
