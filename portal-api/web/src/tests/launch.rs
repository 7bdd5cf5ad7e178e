//! Launches in context: who may open what, once, and for whom.

use http::StatusCode;
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::browser::{Browser, Page};

#[tokio::test]
async fn a_launch_opens_the_patient_and_nobody_else() {
    let (mut browser, epr) = begun().await;

    let opened = browser.launch(&epr.sign(&json!({}))).await;
    opens_ada_alone(&mut browser, &opened).await;
}

/// The record of the launch, with where it comes from, and nobody else's.
pub(super) async fn opens_ada_alone(browser: &mut Browser, opened: &Page) {
    let list = opened.location().to_owned();
    assert!(list.starts_with("/patient/"), "{list}");
    let page = browser.get(&list).await;
    page.shows("OKAFOR, Ada (Dr)");
    page.shows("Opened from Example EPR");
    page.shows("href=\"https://epr.example/ward/3\"");
    shows_nobody_else(browser, &list).await;
}

#[tokio::test]
async fn a_launch_tells_of_a_death_first_and_leads_back_to_its_system() {
    let (mut browser, epr) = begun().await;

    let opened = browser.launch(&epr.sign(&json!({"nhs_number": "9990001073"}))).await;
    let list = opened.location().to_owned();
    let died = browser.get(&list).await.location().to_owned();
    let page = browser.get(&died).await;

    assert_eq!(died, format!("{list}/died"));
    page.shows("This person has died");
    page.shows("href=\"https://epr.example/ward/3\" role=\"button\" draggable=\"false\" data-module=\"nhsuk-button\">Back to Example EPR without opening it</a>");
    page.hides("href=\"/search\" role=\"button\"");
    assert_eq!(browser.submit(&died, &died, &[]).await.location(), list);
    assert_eq!(browser.get(&list).await.status, StatusCode::OK);
}

/// The session is for the patient of this list alone, and no address has told who that is.
pub(super) async fn shows_nobody_else(browser: &mut Browser, list: &str) {
    for of_others in [
        "/search",
        "/team",
        "/role",
        "/looked",
        "/alerts",
        "/reports",
        "/reports/0199a1c2-9f3e-7cc1-8f8e-0e6f1d2b3c4d",
        "/feeds",
        "/usage",
        "/agreements",
        "/access-packs",
        "/mine",
    ] {
        let page = browser.get(of_others).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{of_others}");
        page.shows("This session is for one patient");
    }
    let found = browser.submit(list, "/patient/find", &[("nhs_number", "9990001049")]).await;
    assert_eq!(found.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.get("/").await.location(), "/launch/patient");
    browser.get(list).await.hides("href=\"/search\"");
    let nothing = browser.get("/nothing").await;
    nothing.hides("href=\"/search\"");
    nothing.shows("href=\"/launch/patient\"");
    for address in &browser.visited {
        assert!(!address.contains("999000") && !address.contains("kafor"), "{address}");
    }
}

#[tokio::test]
async fn a_system_gets_an_address_that_holds_once() {
    let (mut browser, epr) = begun().await;
    let signed = epr.sign(&json!({"need_patient_banner": false}));

    let answer =
        browser.post("/launch", &[("ctx", &signed)], &[("accept", "application/json")]).await;
    assert_eq!(answer.status, StatusCode::OK);
    let told: Value = serde_json::from_str(&answer.body).unwrap();
    let path = told["url"].as_str().unwrap().strip_prefix("http://127.0.0.1:8080").unwrap();
    assert!(path.starts_with("/launch/open?ticket="), "{path}");
    let list = browser.open_launch(path).await;
    assert!(list.location().starts_with("/patient/"), "{}", list.location());

    let again = browser.get(path).await;
    assert_eq!(again.status, StatusCode::GONE);
    again.shows("This link has ended");
    let replayed = browser.post("/launch", &[("ctx", &signed)], &[]).await;
    assert_eq!(replayed.status, StatusCode::GONE, "the launch itself is used up");
    let late = browser.post("/launch", &[("ctx", &epr.sign(&json!({})))], &[]).await;
    let ticket = late.location().to_owned();
    browser.clock.forward_minutes(2);
    assert_eq!(browser.get(&ticket).await.status, StatusCode::GONE, "after a minute");
}

#[tokio::test]
async fn what_is_not_signed_so_opens_nothing() {
    let (mut browser, epr) = begun().await;
    let stranger = Epr::stranger();
    let now = now(&browser);
    let signed = epr.sign(&json!({}));
    let mut forged: Vec<String> = signed.split('.').map(str::to_owned).collect();
    forged[1] =
        epr.sign(&json!({"nhs_number": "9990001049"})).split('.').nth(1).unwrap().to_owned();

    for (sent, why) in [
        (forged.join("."), "other claims under the signature"),
        (stranger.sign(&json!({})), "another key"),
        (epr.sign(&json!({"iss": "nobody"})), "a system that is not known"),
        (epr.sign(&json!({"aud": "https://other.example"})), "another portal"),
        (epr.sign(&json!({"exp": now + 3600})), "for an hour"),
        (epr.sign(&json!({"iat": now + 600, "exp": now + 660})), "in ten minutes"),
        (epr.sign(&json!({"org": "ZEX05"})), "an organisation that is not the system's"),
        (epr.sign(&json!({"purpose": "research"})), "another purpose"),
        (epr.sign(&json!({"nhs_number": "9990001007"})), "no NHS Number"),
        (epr.sign(&json!({"birth_date": "14/07/1945"})), "no date"),
        (epr.sign(&json!({"return_url": "https://evil.example/"})), "back to elsewhere"),
        (epr.sign(&json!({"return_url": "javascript:alert(1)"})), "back to a script"),
        (epr.sign(&json!({"jti": ""})), "without an id"),
        (epr.sign(&json!({"sub": null})), "for nobody"),
        (epr.unsigned(), "without a signature"),
        ("x.y.z".to_owned(), "nonsense"),
        (String::new(), "nothing"),
        ("a".repeat(9000), "too much"),
    ] {
        let page = browser.post("/launch", &[("ctx", &sent)], &[]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{why}");
        page.shows("The record could not be opened from there");
    }
    let expired = epr.sign(&json!({"iat": now - 120, "exp": now - 60}));
    assert_eq!(browser.post("/launch", &[("ctx", &expired)], &[]).await.status, StatusCode::GONE);
    for made_up in ["x", "", &"0".repeat(64), &"a".repeat(500)] {
        let page = browser.get(&format!("/launch/open?ticket={made_up}")).await;
        assert_eq!(page.status, StatusCode::GONE, "{made_up}");
    }
    assert!(browser.fake.state.lock().unwrap().calls.is_empty(), "the API was not asked");
}

#[tokio::test]
async fn the_person_is_the_one_who_was_named_in_their_role() {
    for (change, words) in [
        (json!({"sub": "555021900999"}), "Somebody else has signed in"),
        (json!({"role_profile": "999"}), "You do not act in that role here"),
        (json!({"role_profile": "111", "org": "A20047"}), "You do not act in that role here"),
        (json!({"org": "A20047"}), "You do not act in that role here"),
    ] {
        let (mut browser, epr) = begun().await;

        let stopped = browser.launch(&epr.sign(&change)).await;

        assert_eq!(stopped.status, StatusCode::FORBIDDEN, "{change}");
        stopped.shows(words);
        assert!(browser.fake.state.lock().unwrap().calls.is_empty(), "{change}");
    }
}

#[tokio::test]
async fn another_patient_than_the_index_has_is_stopped_at() {
    for change in [
        json!({"family_name": "Okonkwo"}),
        json!({"birth_date": "1945-07-15"}),
        json!({"nhs_number": "9990001022"}),
    ] {
        let (mut browser, epr) = begun().await;

        let stopped = browser.launch(&epr.sign(&change)).await;

        assert_eq!(stopped.status, StatusCode::CONFLICT, "{change}");
        stopped.shows("This may be the wrong patient");
        stopped.shows("No record has been opened.");
        assert!(!stopped.body.contains("999 000") && !stopped.body.contains("OKAFOR"), "{change}");
    }
    let (mut browser, epr) = begun().await;
    let same = browser.launch(&epr.sign(&json!({"family_name": " OKAFOR"}))).await;
    assert!(same.location().starts_with("/patient/"), "{}", same.status);
}

#[tokio::test]
async fn who_has_another_patient_open_is_asked() {
    let (mut browser, epr) = begun().await;
    browser.sign_in().await;
    let open = browser.find("9990001049").await;

    let sent = browser.post("/launch", &[("ctx", &epr.sign(&json!({})))], &[]).await;
    let ticket = sent.location().to_owned();
    let asked = browser.get(&ticket).await;
    asked.shows("Another patient is open here");
    asked.shows("Example EPR");
    asked.shows(&format!("href=\"{open}\">Stay with the patient who is open"));
    let csrf = asked.token();
    let forged = browser.post("/launch/open", &[("csrf", "x")], &[]).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    let went_on = browser.post("/launch/open", &[("csrf", &csrf)], &[]).await;
    assert_eq!(went_on.location(), "/launch/patient");
    let list = browser.get("/launch/patient").await.location().to_owned();
    browser.get(&list).await.shows("OKAFOR, Ada");
    assert_eq!(browser.get("/search").await.status, StatusCode::FORBIDDEN);
}

/// A portal that knows a launching system.
pub(super) async fn begun() -> (Browser, Epr) {
    let epr = Epr::stranger();
    let browser = Browser::launched_by(&epr.folder.path().join("epr.jwks.json")).await;
    (browser, epr)
}

pub(super) fn now(browser: &Browser) -> i64 {
    carerecord_model::Clock::now(&browser.clock).as_second()
}

/// A system with a key of its own.
pub(super) struct Epr {
    pub(super) folder: tempfile::TempDir,
    key: EncodingKey,
    id: String,
    number: std::cell::Cell<u32>,
}

impl Epr {
    pub(super) fn stranger() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("epr.key");
        carerecord_service::signing::make_key(&file, &folder.path().join("epr.jwks.json")).unwrap();
        let key = EncodingKey::from_ec_pem(&std::fs::read(file).unwrap()).unwrap();
        let jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
        let id = jwk.thumbprint(ThumbprintHash::SHA256).unwrap();
        Self { folder, key, id, number: 0.into() }
    }

    fn claims(&self, change: &Value) -> Value {
        use carerecord_model::Clock as _;
        self.number.set(self.number.get() + 1);
        let now = carerecord_model::SystemClock.now().as_second();
        let mut claims = json!({
            "iss": "epr", "aud": "http://127.0.0.1:8080", "iat": now, "exp": now + 60,
            "jti": format!("launch-{}", self.number.get()), "sub": "555021900100",
            "role_profile": "111", "org": "ZEX01", "nhs_number": "9990001006",
            "birth_date": "1945-07-14", "family_name": "Okafor", "purpose": "directcare",
            "return_url": "https://epr.example/ward/3",
        });
        if change.get("org").is_some() && change.get("role_profile").is_none() {
            claims.as_object_mut().unwrap().remove("role_profile");
        }
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    pub(super) fn sign(&self, change: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.id.clone());
        jsonwebtoken::encode(&header, &self.claims(change), &self.key).unwrap()
    }

    pub(super) fn unsigned(&self) -> String {
        use base64::Engine as _;
        let encode = |text: &str| base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(text);
        let claims = encode(&self.claims(&json!({})).to_string());
        format!("{}.{claims}.", encode("{\"alg\":\"none\",\"typ\":\"JWT\"}"))
    }
}

impl Browser {
    /// Sends a launch by form and follows it as far as it goes: the last answer.
    pub(super) async fn launch(&mut self, signed: &str) -> Page {
        let sent = self.post("/launch", &[("ctx", signed)], &[]).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.body);
        let path = sent.location().to_owned();
        self.open_launch(&path).await
    }

    /// Opens the address of a launch and signs in.
    async fn open_launch(&mut self, path: &str) -> Page {
        let back = self.begin_at(path).await;
        let after = self.get(&back).await;
        if after.status != StatusCode::SEE_OTHER {
            return after;
        }
        assert_eq!(after.location(), "/launch/patient");
        self.get("/launch/patient").await
    }
}
