//! Sign-outs that the provider tells of.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Json;
use axum::extract::{Form, Path};
use carerecord_service::{EndedSignIns, SignIn, SignOutsUnavailable, SignedOut};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::apps::asks;
use super::browser::{Browser, Page};
use super::fake::Fake;
use crate::apps::CONSENT;

/// What has ended, in memory.
#[derive(Debug, Default)]
pub(super) struct MemorySignOuts(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    ended: Vec<SignedOut>,
    /// Whether the store cannot be asked.
    down: bool,
}

impl MemorySignOuts {
    fn end(&self, what: SignedOut) {
        self.0.lock().unwrap().ended.push(what);
    }
}

#[async_trait]
impl EndedSignIns for MemorySignOuts {
    async fn has_ended(&self, sign_in: &SignIn) -> Result<bool, SignOutsUnavailable> {
        let state = self.0.lock().unwrap();
        if state.down {
            return Err(SignOutsUnavailable("it is down".into()));
        }
        Ok(state.ended.iter().any(|what| match what {
            SignedOut::Session { issuer, session_id } => {
                *issuer == sign_in.issuer && sign_in.session_id.as_ref() == Some(session_id)
            }
            SignedOut::Person { issuer, subject, until } => {
                *issuer == sign_in.issuer && *subject == sign_in.subject && sign_in.since <= *until
            }
        }))
    }
}

/// What the API was asked to end: by whose token and whether everywhere, or by which logout token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum AskedToEnd {
    Person(String, bool),
    Provider(Option<String>, String),
}

pub(super) async fn sign_out(
    axum::extract::State(fake): axum::extract::State<Arc<Fake>>,
    headers: HeaderMap,
    Form(form): Form<Vec<(String, String)>>,
) -> StatusCode {
    let token = headers["authorization"].to_str().unwrap().to_owned();
    let everywhere = form == [("everywhere".to_owned(), "true".to_owned())];
    let mut state = fake.state.lock().unwrap();
    state.asked_to_end.push(AskedToEnd::Person(token, everywhere));
    if state.ends_nothing { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::NO_CONTENT }
}

pub(super) async fn back_channel_logout(
    axum::extract::State(fake): axum::extract::State<Arc<Fake>>,
    provider: Option<Path<String>>,
    Form(form): Form<Vec<(String, String)>>,
) -> (StatusCode, Json<Value>) {
    let mut state = fake.state.lock().unwrap();
    let (name, token) = form[0].clone();
    assert_eq!((name.as_str(), form.len()), ("logout_token", 1));
    state.asked_to_end.push(AskedToEnd::Provider(provider.map(|Path(id)| id), token.clone()));
    let status = match token.as_str() {
        "good" => StatusCode::OK,
        _ => StatusCode::BAD_REQUEST,
    };
    (status, Json(json!({"error": "invalid_request", "error_description": "no such thing"})))
}

/// Sends it as the provider does: without cookie, from no page.
async fn send(browser: &Browser, token: &str) -> Page {
    let mut provider = browser.second_tab();
    provider.cookie = None;
    provider.post("/sign-in/back-channel-logout", &[("logout_token", token)], &[]).await
}

async fn is_signed_in(browser: &mut Browser) -> bool {
    browser.get("/search").await.status == StatusCode::OK
}

impl Browser {
    /// Ends the first session of this provider.
    pub(super) fn end_session_at(&self, provider: &Fake) {
        let issuer = format!("{}/oidc", provider.base);
        self.sign_outs.end(SignedOut::Session { issuer, session_id: "sid-0".to_owned() });
    }
}

#[tokio::test]
async fn a_session_that_has_ended_shows_nothing_more_and_no_other_ends() {
    let mut browser = Browser::signed_in().await;
    let mut other = browser.second_tab();
    other.cookie = None;
    other.sign_in().await;
    assert!(is_signed_in(&mut browser).await && is_signed_in(&mut other).await);

    browser.end_session_at(&browser.fake);

    let page = browser.get("/search").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    page.shows("Your session has ended");
    assert!(is_signed_in(&mut other).await, "another session of the same person");
    assert_eq!(browser.rows.0.lock().unwrap().len(), 1, "its tokens are gone");
}

#[tokio::test]
async fn what_a_provider_says_is_passed_on_to_the_api() {
    let browser = Browser::signed_in().await;

    let told = send(&browser, "good").await;
    let refused = send(&browser, "no.such.token").await;
    let nothing = send(&browser, "").await;

    assert_eq!(told.status, StatusCode::OK);
    assert_eq!(told.headers["cache-control"], "no-store");
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.body.contains("no such thing"), "{}", refused.body);
    assert_eq!(nothing.status, StatusCode::BAD_REQUEST);
    let asked = browser.fake.state.lock().unwrap().asked_to_end.clone();
    let passed_on = ["good", "no.such.token", ""].map(|t| AskedToEnd::Provider(None, t.to_owned()));
    assert_eq!(asked, passed_on);
}

#[tokio::test]
async fn the_api_ends_what_a_person_signs_out_of() {
    for (path, everywhere) in [("/sign-out", false), ("/sign-out/everywhere", true)] {
        let mut browser = Browser::signed_in().await;

        let out = browser.submit("/account", path, &[]).await;

        assert_eq!(out.status, StatusCode::SEE_OTHER);
        let asked = browser.fake.state.lock().unwrap().asked_to_end.clone();
        assert_eq!(asked, [AskedToEnd::Person("Bearer token-0".to_owned(), everywhere)]);
        assert!(browser.rows.0.lock().unwrap().is_empty(), "the session here is gone");
    }
}

#[tokio::test]
async fn who_leaves_leaves_and_nobody_is_told_of_an_end_that_is_none() {
    let mut browser = Browser::signed_in().await;
    browser.fake.state.lock().unwrap().ends_nothing = true;

    let everywhere = browser.submit("/account", "/sign-out/everywhere", &[]).await;
    assert_eq!(everywhere.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(is_signed_in(&mut browser).await, "it can be tried again");

    let here = browser.submit("/search", "/sign-out", &[]).await;
    assert_eq!(here.status, StatusCode::SEE_OTHER);
    assert!(!is_signed_in(&mut browser).await);
}

#[tokio::test]
async fn an_app_that_asks_in_a_session_that_is_over_waits_for_the_next_sign_in() {
    let mut browser = Browser::signed_in().await;
    browser.end_session_at(&browser.fake);

    assert_eq!(browser.get(&asks("charts")).await.location(), "/sign-in");

    assert_eq!(browser.sign_in().await.location(), CONSENT);
}

#[tokio::test]
async fn without_the_store_nobody_is_signed_in() {
    let mut browser = Browser::signed_in().await;
    browser.sign_outs.0.lock().unwrap().down = true;

    assert_eq!(browser.get("/search").await.status, StatusCode::INTERNAL_SERVER_ERROR);

    browser.sign_outs.0.lock().unwrap().down = false;
    assert!(is_signed_in(&mut browser).await);
}
