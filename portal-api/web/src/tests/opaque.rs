//! Launches that have nothing but an id: who may open what, once, and for whom.

use std::time::{Duration, Instant};

use carerecord_testkit::{ContextFault, Contexts};
use http::StatusCode;
use serde_json::{Value, json};

use super::browser::{Browser, Page};
use super::launch::{Epr, now, opens_ada_alone, shows_nobody_else};
use crate::{LauncherConfig, WebConfig, WebError};

#[tokio::test]
async fn an_id_opens_the_patient_and_nobody_else() {
    let (mut browser, epr, contexts) = begun().await;
    contexts.gives("7f3a", &epr.sign(&json!({})));

    let left = browser.get(&by("7f3a")).await;
    assert!(left.location().contains("prompt=none"), "{}", left.location());
    assert_eq!(contexts.asked(), 0, "not before it is known who asks");
    let opened = browser.opened(&by("7f3a")).await;
    opens_ada_alone(&mut browser, &opened).await;
    assert_eq!(contexts.asked(), 1);
}

#[tokio::test]
async fn who_is_not_signed_in_at_the_provider_is_asked_there() {
    for needs in ["login_required", "interaction_required"] {
        let (mut browser, epr, contexts) = begun().await;
        contexts.gives("7f3a", &epr.sign(&json!({})));
        browser.fake.state.lock().unwrap().needs_a_page = Some(needs);

        let back = browser.begin_at(&by("7f3a")).await;
        let again = browser.get(&back).await;
        assert!(!again.location().contains("prompt="), "{}", again.location());
        let back = browser.sent_back(again.location()).await;
        assert_eq!(browser.get(&back).await.location(), "/launch/patient", "{needs}");
        let list = browser.get("/launch/patient").await.location().to_owned();
        browser.get(&list).await.shows("OKAFOR, Ada");
    }
}

#[tokio::test]
async fn a_provider_that_says_no_is_not_asked_again() {
    let (mut browser, epr, contexts) = begun().await;
    contexts.gives("7f3a", &epr.sign(&json!({})));
    browser.fake.state.lock().unwrap().needs_a_page = Some("access_denied");
    let declined = browser.opened(&by("7f3a")).await;
    assert_eq!(declined.status, StatusCode::BAD_REQUEST);
    declined.shows("The sign-in service did not sign you in.");

    let back = browser.begin().await;
    let state = back.split("state=").nth(1).unwrap();
    let error = format!("/sign-in/callback?error=login_required&state={state}");
    let declined = browser.get(&error).await;
    assert_eq!(declined.status, StatusCode::BAD_REQUEST, "it had its pages");
    assert_eq!(contexts.asked(), 0);
}

#[tokio::test]
async fn the_person_is_the_one_of_the_context_in_their_role() {
    for (change, words) in [
        (json!({"sub": "555021900999"}), "Somebody else has signed in"),
        (json!({"role_profile": "999"}), "You do not act in that role here"),
        (json!({"org": "A20047"}), "You do not act in that role here"),
    ] {
        let (mut browser, epr, contexts) = begun().await;
        contexts.gives("7f3a", &epr.sign(&change));

        let stopped = browser.opened(&by("7f3a")).await;

        assert_eq!(stopped.status, StatusCode::FORBIDDEN, "{change}");
        stopped.shows(words);
        assert!(browser.fake.state.lock().unwrap().calls.is_empty(), "{change}");
        assert_eq!(browser.get("/search").await.status, StatusCode::UNAUTHORIZED, "{change}");
    }
}

#[tokio::test]
async fn another_patient_than_the_index_has_is_stopped_at() {
    for change in [
        json!({"family_name": "Okonkwo"}),
        json!({"birth_date": "1945-07-15"}),
        json!({"nhs_number": "9990001022"}),
    ] {
        let (mut browser, epr, contexts) = begun().await;
        contexts.gives("7f3a", &epr.sign(&change));

        let stopped = browser.opened(&by("7f3a")).await;

        assert_eq!(stopped.status, StatusCode::CONFLICT, "{change}");
        stopped.shows("This may be the wrong patient");
        stopped.shows("No record has been opened.");
        assert!(!stopped.body.contains("999 000") && !stopped.body.contains("OKAFOR"), "{change}");
    }
}

#[tokio::test]
async fn an_id_and_what_is_signed_for_it_are_taken_once() {
    let (mut browser, epr, contexts) = begun().await;
    let signed = epr.sign(&json!({}));
    contexts.gives("7f3a", &signed);
    let list = browser.opened(&by("7f3a")).await.location().to_owned();
    assert!(list.starts_with("/patient/"), "{list}");

    let mut other = browser.second_tab();
    other.cookie = None;
    let ended = |page: &Page, why: &str| {
        assert_eq!(page.status, StatusCode::GONE, "{why}");
        page.shows("This link has ended");
    };
    ended(&other.opened(&by("7f3a")).await, "the same id");
    ended(&browser.opened(&by("7f3a")).await, "by who is signed in");
    contexts.gives("7f3a", &epr.sign(&json!({})));
    ended(&other.opened(&by("7f3a")).await, "signed anew");
    contexts.gives("8b21", &signed);
    ended(&other.opened(&by("8b21")).await, "by another id");
    let sent = other.post("/launch", &[("ctx", &signed)], &[]).await;
    ended(&sent, "as a signed launch");
    assert_eq!(other.get("/search").await.status, StatusCode::UNAUTHORIZED);
    browser.get(&list).await.shows("OKAFOR, Ada");
}

#[tokio::test]
async fn what_is_not_signed_so_opens_nothing() {
    let (mut browser, epr, contexts) = begun().await;
    let stranger = Epr::stranger();
    let now = now(&browser);
    let expired = epr.sign(&json!({"iat": now - 120, "exp": now - 60}));
    let other = browser_of_two().await;

    for (n, (answer, status)) in [
        (epr.unsigned(), StatusCode::FORBIDDEN),
        (stranger.sign(&json!({})), StatusCode::FORBIDDEN),
        (epr.sign(&json!({"iss": "nobody"})), StatusCode::FORBIDDEN),
        (epr.sign(&json!({"aud": "https://other.example"})), StatusCode::FORBIDDEN),
        (epr.sign(&json!({"exp": now + 3600})), StatusCode::FORBIDDEN),
        (epr.sign(&json!({"iat": now + 600, "exp": now + 660})), StatusCode::FORBIDDEN),
        (epr.sign(&json!({"org": "ZEX05"})), StatusCode::FORBIDDEN),
        (epr.sign(&json!({"purpose": "research"})), StatusCode::FORBIDDEN),
        (epr.sign(&json!({"nhs_number": "9990001007"})), StatusCode::FORBIDDEN),
        (epr.sign(&json!({"return_url": "https://evil.example/"})), StatusCode::FORBIDDEN),
        ("{\"nhs_number\": \"9990001006\"}".to_owned(), StatusCode::FORBIDDEN),
        (String::new(), StatusCode::FORBIDDEN),
        (expired, StatusCode::GONE),
        ("a".repeat(9000), StatusCode::SERVICE_UNAVAILABLE),
    ]
    .into_iter()
    .enumerate()
    {
        let launch = format!("launch-{n}");
        contexts.gives(&launch, &answer);
        let page = browser.opened(&by(&launch)).await;
        assert_eq!(page.status, status, "{n}");
        assert!(!page.body.contains("999000") && !page.body.contains("kafor"), "{n}");
        assert_eq!(browser.get("/search").await.status, StatusCode::UNAUTHORIZED, "{n}");
    }
    assert!(browser.fake.state.lock().unwrap().calls.is_empty(), "the API was not asked");

    let (mut browser, another, contexts) = other;
    contexts.gives("7f3a", &another.sign(&json!({"iss": "another"})));
    let page = browser.opened(&by("7f3a")).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "of another system that is known");
    page.shows("The record could not be opened from there");
    let own = browser.opened("/launch?launcher=another&launch=7f3a").await;
    assert!(own.location().starts_with("/patient/"), "{}", own.body);
}

#[tokio::test]
async fn a_system_that_does_not_answer_so_is_told_as_that() {
    let (mut browser, epr, contexts) = begun_with(|config| config.deadline_ms = 3000).await;
    contexts.gives("7f3a", &epr.sign(&json!({})));
    for fault in
        [ContextFault::Broken, ContextFault::Leads, ContextFault::Endless, ContextFault::Silent]
    {
        contexts.fault(fault);
        let asked_at = Instant::now();
        let page = browser.opened(&by("7f3a")).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{fault:?}");
        page.shows("The other system could not be asked");
        page.shows("No record has been opened.");
        assert!(asked_at.elapsed() < Duration::from_secs(20), "{fault:?}");
        assert_eq!(browser.get("/search").await.status, StatusCode::UNAUTHORIZED, "{fault:?}");
    }
    assert_eq!((contexts.asked(), contexts.asked_elsewhere()), (4, 0));
    contexts.fault(ContextFault::None);
    let gone = browser.opened(&by("0000")).await;
    assert_eq!(gone.status, StatusCode::GONE, "an id that the system does not know");
    let opened = browser.opened(&by("7f3a")).await;
    assert!(opened.location().starts_with("/patient/"), "nothing was used up: {}", opened.body);
}

#[tokio::test]
async fn the_portal_shows_who_it_is_by_its_key() {
    let (mut browser, epr, contexts) = begun_with(|config| {
        let file = config.launchers[0].client_key.as_mut().unwrap();
        let other = file.with_file_name("other.key");
        carerecord_service::signing::make_key(&other, &file.with_file_name("o.json")).unwrap();
        *file = other;
    })
    .await;
    contexts.gives("7f3a", &epr.sign(&json!({})));

    let page = browser.opened(&by("7f3a")).await;

    assert_eq!((page.status, contexts.asked()), (StatusCode::SERVICE_UNAVAILABLE, 1));
    page.shows("The other system could not be asked");
}

#[tokio::test]
async fn who_is_signed_in_here_goes_on_and_is_asked_about_another_patient() {
    let (mut browser, epr, contexts) = begun().await;
    browser.sign_in().await;
    contexts.gives("1", &epr.sign(&json!({"nhs_number": "9990001049"})));
    contexts.gives("2", &epr.sign(&json!({})));

    assert_eq!(browser.get(&by("1")).await.location(), "/launch/patient");
    let list = browser.get("/launch/patient").await.location().to_owned();
    browser.get(&list).await.shows("Opened from Example EPR");
    let asked = browser.get(&by("2")).await;
    asked.shows("Another patient is open here");
    let went_on = browser.post("/launch/open", &[("csrf", &asked.token())], &[]).await;
    assert_eq!(went_on.location(), "/launch/patient");
    let list = browser.get("/launch/patient").await.location().to_owned();
    shows_nobody_else(&mut browser, &list).await;
    assert_eq!(browser.fake.state.lock().unwrap().sign_ins, 1, "no more than at the start");
}

#[tokio::test]
async fn somebody_else_who_is_signed_in_here_is_signed_out_and_refused() {
    let (mut browser, epr, contexts) = begun().await;
    browser.sign_in().await;
    contexts.gives("7f3a", &epr.sign(&json!({"sub": "555021900999"})));

    let stopped = browser.opened(&by("7f3a")).await;

    assert_eq!(stopped.status, StatusCode::FORBIDDEN);
    stopped.shows("Somebody else has signed in");
    assert_eq!(browser.get("/search").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_launch_that_was_given_up_does_not_come_with_another_sign_in() {
    let (mut browser, epr, contexts) = begun().await;
    contexts.gives("7f3a", &epr.sign(&json!({})));
    browser.get(&by("7f3a")).await;

    assert_eq!(browser.sign_in().await.location(), "/search");
    assert_eq!(contexts.asked(), 0);
}

#[tokio::test]
async fn who_is_not_asked_is_sent_nobody() {
    let (mut browser, epr, contexts) = begun_with(|config| {
        let mut signs_only = config.launchers[0].clone();
        "signs-only".clone_into(&mut signs_only.id);
        (signs_only.context_url, signs_only.client_id, signs_only.client_key) = (None, None, None);
        config.launchers.push(signs_only);
    })
    .await;
    contexts.gives("7f3a", &epr.sign(&json!({})));

    for path in [
        "/launch?launcher=nobody&launch=7f3a",
        "/launch?launcher=&launch=7f3a",
        "/launch?launcher=signs-only&launch=7f3a",
        "/launch?launcher=epr",
        "/launch?launcher=epr&launch=",
        "/launch?launcher=epr&launch=7f3a&iss=https%3A%2F%2Fehr.example%2Ffhir",
        &format!("/launch?launcher=epr&launch={}", "x".repeat(5000)),
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
        page.shows("The record could not be opened from there");
    }
    assert_eq!(contexts.asked(), 0);
}

#[tokio::test]
async fn systems_that_make_no_sense_are_refused_at_the_start() {
    let (_, epr, contexts) = begun().await;
    let refused = |change: Value| {
        let mut launcher = launcher(&epr, &contexts);
        for (name, value) in change.as_object().unwrap() {
            launcher[name] = value.clone();
        }
        let url = |text: &str| text.parse().unwrap();
        let (portal, issuer) = ("http://127.0.0.1:8080", "http://127.0.0.1:8085");
        let api = url("http://127.0.0.1:8080/fhir");
        let mut web = WebConfig::new(url(portal), api, url(issuer), "portal");
        web.launchers = vec![serde_json::from_value(launcher).unwrap()];
        let http = reqwest::Client::new();
        let providers = crate::sign_in::Providers::new(&web, &http).unwrap();
        let start = jiff::Timestamp::UNIX_EPOCH;
        match crate::launch::Launchers::new(&web, &providers, &http, start) {
            Err(WebError::Launcher(_, why)) => why,
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("taken: {change}"),
        }
    };

    for (change, words) in [
        (json!({"context_url": "http://epr.example/context"}), "neither https"),
        (json!({"context_url": "ftp://127.0.0.1/context"}), "neither https"),
        (json!({"context_url": "https://epr.example/context?of=1"}), "more than"),
        (json!({"context_url": "https://a:b@epr.example/context"}), "more than"),
        (json!({"context_url": null}), "needs client_id"),
        (json!({"client_id": null}), "needs client_id"),
        (json!({"client_key": null}), "needs client_id"),
        (json!({"client_id": ""}), "empty"),
        (json!({"client_key": "missing"}), "missing"),
        (json!({"sign_in": "nobody"}), "sign_in"),
    ] {
        let why = refused(change.clone());
        assert!(why.contains(words), "{change}: {why}");
    }
}

/// A portal that knows a launching system which it asks.
async fn begun() -> (Browser, Epr, Contexts) {
    begun_with(|_| {}).await
}

async fn begun_with(change: impl FnOnce(&mut WebConfig)) -> (Browser, Epr, Contexts) {
    let epr = Epr::stranger();
    let file = |name: &str| epr.folder.path().join(name);
    let (key, keys) = (file("client.key"), file("client.jwks.json"));
    carerecord_service::signing::make_key(&key, &keys).unwrap();
    let contexts = Contexts::start(0, keys).await;
    let known = serde_json::from_value(launcher(&epr, &contexts)).unwrap();
    let browser = Browser::open_with(None, |config| {
        config.launchers.push(known);
        change(config);
    });
    (browser.await, epr, contexts)
}

/// One that knows `another`, too, which has the same keys and is asked at the same place.
async fn browser_of_two() -> (Browser, Epr, Contexts) {
    begun_with(|config| {
        let mut another: LauncherConfig = config.launchers[0].clone();
        "another".clone_into(&mut another.id);
        config.launchers.push(another);
    })
    .await
}

fn launcher(epr: &Epr, contexts: &Contexts) -> Value {
    let file = |name: &str| epr.folder.path().join(name);
    json!({
        "id": "epr", "name": "Example EPR", "keys": file("epr.jwks.json"),
        "organisations": ["ZEX01", "A20047"], "return_origins": ["https://epr.example"],
        "context_url": contexts.url(), "client_id": "carerecord",
        "client_key": file("client.key"),
    })
}

fn by(launch: &str) -> String {
    format!("/launch?launcher=epr&launch={launch}")
}

impl Browser {
    /// Comes with the id of a launch, and goes as far as it leads: the last answer.
    async fn opened(&mut self, path: &str) -> Page {
        let mut page = self.get(path).await;
        while page.status == StatusCode::SEE_OTHER && !page.location().starts_with('/') {
            let back = self.sent_back(page.location()).await;
            page = self.get(&back).await;
        }
        match page.status {
            StatusCode::SEE_OTHER if page.location() == "/launch/patient" => {
                self.get("/launch/patient").await
            }
            _ => page,
        }
    }
}
