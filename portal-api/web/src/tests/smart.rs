//! Launches by a record system that speaks SMART App Launch: who may open what, once, and for whom.

use std::path::Path;

use carerecord_testkit::{Ehr, EhrClient, EhrFault};
use http::StatusCode;
use serde_json::{Value, json};

use super::browser::{Browser, Page};
use super::launch::shows_nobody_else;
use crate::{EhrConfig, WebConfig, WebError};

#[tokio::test]
async fn a_record_system_opens_the_patient_and_nobody_else() {
    let (mut browser, ehr) = begun().await;
    ehr.shows_the_patient();

    let opened = browser.smart(&ehr.launch("p-1", WREN)).await;
    let list = opened.location().to_owned();
    assert!(list.starts_with("/patient/"), "{list}");
    let page = browser.get(&list).await;
    page.shows("OKAFOR, Ada (Dr)");
    page.shows("Opened from Example EPR");
    page.hides("Back to Example EPR");
    page.hides("Contact details");
    shows_nobody_else(&mut browser, &list).await;
    assert_eq!(ehr.asked("aud"), Some(ehr.iss()));
}

#[tokio::test]
async fn the_banner_is_whole_unless_the_record_system_has_one() {
    let (mut browser, ehr) = begun().await;

    let list = browser.smart(&ehr.launch("p-1", WREN)).await.location().to_owned();

    browser.get(&list).await.shows("Contact details");
}

#[tokio::test]
async fn the_portal_shows_who_it_is_by_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let (key, keys) = (folder.path().join("c.key"), folder.path().join("c.jwks.json"));
    carerecord_service::signing::make_key(&key, &keys).unwrap();
    let ehr = Ehr::start(0, BACK, EhrClient::Keys(keys.clone())).await;
    ehr.has_patient("p-1", "9990001006", "Okafor", "1945-07-14");
    let by = |key: &Path| json!({"client_secret_file": null, "client_key": key});
    let mut browser = launched(&ehr, &by(&key)).await;

    let opened = browser.smart(&ehr.launch("p-1", WREN)).await;
    assert!(opened.location().starts_with("/patient/"), "{}", opened.status);
    let again = browser.smart(&ehr.launch("p-1", WREN)).await;
    assert!(again.location().starts_with("/patient/"), "each assertion is a new one");

    let other = folder.path().join("other.key");
    carerecord_service::signing::make_key(&other, &folder.path().join("o.json")).unwrap();
    let mut browser = launched(&ehr, &by(&other)).await;
    let refused = browser.smart(&ehr.launch("p-1", WREN)).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_system_that_is_not_known_is_not_asked() {
    let (mut browser, ehr) = begun().await;
    let stranger = Ehr::start(0, BACK, EhrClient::Secret(SECRET)).await;
    let known = ehr.launch("p-1", WREN);

    for path in [
        stranger.launch("p-1", WREN).as_str(),
        "/launch",
        "/launch?iss=&launch=x",
        "/launch?iss=javascript:alert(1)&launch=x",
        &known.replace("%2Ffhir", ""),
        &known.replace("%2Ffhir", "%2Ffhir%2F..%2F"),
        &known.replace("launch=", "other="),
        &format!("{known}{}", "x".repeat(5000)),
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        page.shows("The record could not be opened from there");
    }
    assert_eq!((stranger.asked("state"), ehr.asked("state")), (None, None));
    let slash = known.replace("%2Ffhir", "%2Ffhir%2F");
    assert_eq!(browser.get(&slash).await.status, StatusCode::SEE_OTHER, "the same address");
}

#[tokio::test]
async fn a_way_back_is_taken_once_and_in_the_browser_that_left() {
    let (mut browser, ehr) = begun().await;
    let back = browser.begin_at(&ehr.launch("p-1", WREN)).await;

    let mut other = browser.second_tab();
    other.cookie = None;
    let stranger = other.get(&back).await;
    assert_eq!(stranger.status, StatusCode::GONE, "another browser");
    let mut copy = browser.second_tab();
    assert_eq!(browser.get(&back).await.status, StatusCode::SEE_OTHER);
    for tab in [&mut browser, &mut copy] {
        let again = tab.get(&back).await;
        assert_eq!(again.status, StatusCode::GONE, "state and code are used up");
        again.shows("This link has ended");
    }
    assert_eq!(ehr.tokens(), 1);

    let back = browser.begin_at(&ehr.launch("p-1", WREN)).await;
    let (path, _) = back.split_once('?').unwrap();
    let code = back.split(['?', '&']).find(|part| part.starts_with("code=")).unwrap();
    for query in [format!("{code}&state=another"), code.to_owned(), "state=".to_owned()] {
        browser.get(&ehr.launch("p-1", WREN)).await;
        let page = browser.get(&format!("{path}?{query}")).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{query}");
    }
    let back = browser.begin_at(&ehr.launch("p-1", WREN)).await;
    browser.clock.forward_minutes(11);
    assert_eq!(browser.get(&back).await.status, StatusCode::GONE, "too late");
    browser.clock.forward_minutes(-11);
    assert_eq!(ehr.tokens(), 1, "nothing of it was exchanged");
    assert!(browser.fake.state.lock().unwrap().calls.is_empty(), "the API was not asked");
}

#[tokio::test]
async fn answers_that_do_not_hold_open_nothing() {
    use StatusCode as S;
    for (fault, status, words) in [
        (EhrFault::Garbage, S::SERVICE_UNAVAILABLE, "The other system could not be asked"),
        (EhrFault::Endless, S::SERVICE_UNAVAILABLE, "The other system could not be asked"),
        (EhrFault::UnsafeEndpoint, S::SERVICE_UNAVAILABLE, "The other system could not be asked"),
        (EhrFault::Declines, S::FORBIDDEN, "The record could not be opened from there"),
        (EhrFault::MixUp, S::FORBIDDEN, "The record could not be opened from there"),
        (EhrFault::NoIdToken, S::FORBIDDEN, "The record could not be opened from there"),
        (EhrFault::Audience, S::FORBIDDEN, "The record could not be opened from there"),
        (EhrFault::Nonce, S::FORBIDDEN, "The record could not be opened from there"),
        (EhrFault::Issuer, S::FORBIDDEN, "The record could not be opened from there"),
        (EhrFault::Signature, S::FORBIDDEN, "The record could not be opened from there"),
        (EhrFault::Expired, S::FORBIDDEN, "The record could not be opened from there"),
        (EhrFault::NoPerson, S::FORBIDDEN, "The record could not be opened from there"),
        (EhrFault::NoPatient, S::FORBIDDEN, "The record could not be opened from there"),
        (EhrFault::StrangePatient, S::FORBIDDEN, "The record could not be opened from there"),
        (EhrFault::OtherPatient, S::SERVICE_UNAVAILABLE, "The other system could not be asked"),
        (EhrFault::PatientRefused, S::SERVICE_UNAVAILABLE, "The other system could not be asked"),
    ] {
        let (mut browser, ehr) = begun().await;
        ehr.fault(fault);

        let stopped = browser.smart(&ehr.launch("p-1", WREN)).await;

        assert_eq!(stopped.status, status, "{fault:?}");
        stopped.shows(words);
        assert!(browser.fake.state.lock().unwrap().asked.is_empty(), "{fault:?}: no sign-in");
        assert_ne!(browser.get("/launch/patient").await.status, S::SEE_OTHER, "{fault:?}");
    }
}

#[tokio::test]
async fn a_patient_has_to_be_told_by_one_nhs_number() {
    let (mut browser, ehr) = begun().await;
    ehr.has(json!({"resourceType": "Patient", "id": "p-2", "birthDate": "1945-07-14",
        "name": [{"family": "Okafor"}], "identifier": [{"system": "urn:mrn", "value": "7"}]}));
    ehr.has_patient("p-3", "9990001007", "Okafor", "1945-07-14");
    ehr.has_patient("p-4", "9990001006", "Okafor", "1945");

    for patient in ["p-2", "p-3", "p-4"] {
        let stopped = browser.smart(&ehr.launch(patient, WREN)).await;
        assert_eq!(stopped.status, StatusCode::FORBIDDEN, "{patient}");
        stopped.shows("It cannot be told who the patient is");
        stopped.shows("No record has been opened.");
    }
    assert!(browser.fake.state.lock().unwrap().calls.is_empty(), "the API was not asked");
}

#[tokio::test]
async fn another_patient_than_the_index_has_is_stopped_at() {
    for (number, family, born) in [
        ("9990001006", "Okonkwo", "1945-07-14"),
        ("9990001006", "Okafor", "1945-07-15"),
        ("9990001022", "Okafor", "1945-07-14"),
    ] {
        let (mut browser, ehr) = begun().await;
        ehr.has_patient("p-2", number, family, born);

        let stopped = browser.smart(&ehr.launch("p-2", WREN)).await;

        assert_eq!(stopped.status, StatusCode::CONFLICT, "{family} {born}");
        stopped.shows("This may be the wrong patient");
        stopped.hides("OKAFOR");
        stopped.hides("999 000");
    }
}

#[tokio::test]
async fn the_person_is_the_one_whom_the_record_system_names() {
    let (mut browser, ehr) = begun().await;

    let stopped = browser.smart(&ehr.launch("p-1", "555021900999")).await;
    assert_eq!(stopped.status, StatusCode::FORBIDDEN);
    stopped.shows("Somebody else has signed in");

    let mut browser = launched(&ehr, &json!({"organisation": "ZEX05"})).await;
    let stopped = browser.smart(&ehr.launch("p-1", WREN)).await;
    assert_eq!(stopped.status, StatusCode::FORBIDDEN);
    stopped.shows("You do not act in that role here");

    let mut browser = launched(&ehr, &json!({"person_claim": "fhirUser"})).await;
    let stopped = browser.smart(&ehr.launch("p-1", WREN)).await;
    stopped.shows("Somebody else has signed in");
    assert!(browser.fake.state.lock().unwrap().calls.is_empty(), "the API was not asked");
}

#[tokio::test]
async fn who_has_two_roles_there_chooses_and_goes_on_to_the_patient() {
    let (mut browser, ehr) = begun().await;
    {
        let mut state = browser.fake.state.lock().unwrap();
        (state.two_roles, state.third_role) = (true, true);
    }

    let asked = browser.smart(&ehr.launch("p-1", WREN)).await;
    assert_eq!(asked.location(), "/role");
    let page = browser.get("/role").await;
    page.shows("Consultant");
    page.hides("Salaried General Practitioner");
    let elsewhere = browser.submit("/role", "/role", &[("role", "112")]).await;
    elsewhere.shows("Choose the role you act in");
    let chosen = browser.submit("/role", "/role", &[("role", "113")]).await;

    assert_eq!(chosen.location(), "/launch/patient");
    let opened = browser.get("/launch/patient").await;
    assert!(opened.location().starts_with("/patient/"), "{}", opened.status);
    let calls = browser.fake.state.lock().unwrap().calls.clone();
    assert!(calls.iter().all(|(_, role)| role.as_deref() == Some("113")), "{calls:?}");
}

#[tokio::test]
async fn who_acts_elsewhere_acts_in_their_role_at_the_organisation_of_the_launch() {
    let (mut browser, ehr) = begun().await;
    browser.fake.state.lock().unwrap().two_roles = true;
    browser.sign_in().await;
    browser.submit("/role", "/role", &[("role", "112")]).await;

    let opened = browser.smart(&ehr.launch("p-1", WREN)).await;

    let list = opened.location().to_owned();
    assert!(list.starts_with("/patient/"), "{list}");
    let calls = browser.fake.state.lock().unwrap().calls.clone();
    assert_eq!(calls.last().unwrap().1.as_deref(), Some("111"));

    let mut browser = launched(&ehr, &json!({"organisation": "ZEX05"})).await;
    browser.sign_in().await;
    let stopped = browser.smart(&ehr.launch("p-1", WREN)).await;
    assert_eq!(stopped.status, StatusCode::FORBIDDEN);
    stopped.shows("You do not act in that role here");
    assert_eq!(browser.get("/search").await.status, StatusCode::OK, "nobody is locked out");
}

#[tokio::test]
async fn the_session_stays_with_the_patient_until_the_person_signs_out() {
    let (mut browser, ehr) = begun().await;
    browser.sign_in().await;
    let begun_before = browser.begin().await;
    let list = browser.smart(&ehr.launch("p-1", WREN)).await.location().to_owned();
    assert!(list.starts_with("/patient/"), "{list}");

    for path in [begun_before.as_str(), "/sign-in", "/sign-in?with=staff"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        page.shows("This session is for one patient");
        assert_eq!(browser.get("/search").await.status, StatusCode::FORBIDDEN, "{path}");
    }

    assert_eq!(browser.submit(&list, "/sign-out", &[]).await.status, StatusCode::SEE_OTHER);
    let again = browser.sign_in().await;
    assert_eq!(again.location(), "/search");
    assert_eq!(browser.get("/search").await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_is_signed_in_and_has_another_patient_open_is_asked() {
    let (mut browser, ehr) = begun().await;
    browser.sign_in().await;
    browser.find("9990001049").await;

    let back = browser.begin_at(&ehr.launch("p-1", WREN)).await;
    let asked = browser.get(&back).await;
    asked.shows("Another patient is open here");
    let csrf = asked.token();
    let went_on = browser.post("/launch/open", &[("csrf", &csrf)], &[]).await;
    assert_eq!(went_on.location(), "/launch/patient");
    let list = browser.get("/launch/patient").await.location().to_owned();
    browser.get(&list).await.shows("OKAFOR, Ada");
    assert_eq!(browser.get("/search").await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn systems_that_make_no_sense_are_refused_at_the_start() {
    carerecord_testkit::install_crypto();
    let ehr = Ehr::start(0, BACK, EhrClient::Secret(SECRET)).await;
    let folder = tempfile::tempdir().unwrap();
    let refused = |change: Value| {
        let mut web = web();
        web.ehrs = vec![config(&ehr, folder.path(), &change)];
        let http = reqwest::Client::new();
        let providers = crate::sign_in::Providers::new(&web, &http).unwrap();
        match crate::launch::Ehrs::new(&web, &providers, &http, jiff::Timestamp::UNIX_EPOCH) {
            Err(WebError::Ehr(_, why)) => why,
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("taken: {change}"),
        }
    };
    for (change, words) in [
        (json!({"iss": "http://ehr.example/fhir"}), "neither https"),
        (json!({"iss": "ftp://127.0.0.1/fhir"}), "neither https"),
        (json!({"iss": "https://ehr.example/fhir?tenant=1"}), "more than"),
        (json!({"iss": "https://a:b@ehr.example/fhir"}), "more than"),
        (json!({"name": " "}), "empty"),
        (json!({"client_id": ""}), "empty"),
        (json!({"person_claim": ""}), "empty"),
        (json!({"sign_in": "nobody"}), "sign_in"),
        (json!({"client_secret_file": "missing"}), "missing"),
        (json!({"client_secret_file": null}), "needs either"),
        (json!({"client_key": "epr.key"}), "needs either"),
        (json!({"client_secret_file": null, "client_key": "missing"}), "missing"),
    ] {
        let why = refused(change.clone());
        assert!(why.contains(words), "{change}: {why}");
    }
    let mut twice = web();
    twice.ehrs = vec![config(&ehr, folder.path(), &json!({})); 2];
    let http = reqwest::Client::new();
    let providers = crate::sign_in::Providers::new(&twice, &http).unwrap();
    let taken = crate::launch::Ehrs::new(&twice, &providers, &http, jiff::Timestamp::UNIX_EPOCH);
    assert!(matches!(taken, Err(WebError::Ehr(_, why)) if why.contains("twice")));
}

/// A portal that knows a record system, which knows a patient.
async fn begun() -> (Browser, Ehr) {
    let ehr = Ehr::start(0, BACK, EhrClient::Secret(SECRET)).await;
    ehr.has_patient("p-1", "9990001006", "Okafor", "1945-07-14");
    let browser = launched(&ehr, &json!({})).await;
    (browser, ehr)
}

fn web() -> WebConfig {
    let url = |text: &str| text.parse().unwrap();
    let (portal, issuer) = ("http://127.0.0.1:8080", "http://127.0.0.1:8085");
    WebConfig::new(url(portal), url("http://127.0.0.1:8080/fhir"), url(issuer), "portal")
}

/// A portal that knows the record system so.
async fn launched(ehr: &Ehr, change: &Value) -> Browser {
    let folder = tempfile::tempdir().unwrap();
    Browser::launched_by_ehr(config(ehr, folder.path(), change)).await
}

fn config(ehr: &Ehr, folder: &Path, change: &Value) -> EhrConfig {
    let secret = folder.join("ehr.secret");
    std::fs::write(&secret, SECRET).unwrap();
    let mut config = json!({
        "iss": ehr.iss(), "name": "Example EPR", "client_id": "carerecord",
        "organisation": "ZEX01", "person_claim": "nhsid_useruid",
        "client_secret_file": secret,
    });
    for (name, value) in change.as_object().unwrap() {
        config[name] = value.clone();
    }
    serde_json::from_value(config).unwrap()
}

impl Browser {
    /// Opens the portal as the record system does, and follows it as far as it goes: the last answer.
    async fn smart(&mut self, path: &str) -> Page {
        let left = self.get(path).await;
        if left.status != StatusCode::SEE_OTHER {
            return left;
        }
        let back = self.sent_back(left.location()).await;
        let after = self.get(&back).await;
        if after.status != StatusCode::SEE_OTHER {
            return after;
        }
        if after.location() != "/launch/patient" {
            let back = self.sent_back(after.location()).await;
            let signed_in = self.get(&back).await;
            if signed_in.status != StatusCode::SEE_OTHER {
                return signed_in;
            }
            assert_eq!(signed_in.location(), "/launch/patient");
        }
        self.get("/launch/patient").await
    }
}

const WREN: &str = "555021900100";
const BACK: &str = "http://127.0.0.1:8080/launch/callback";
const SECRET: &str = "a secret of the tests";
