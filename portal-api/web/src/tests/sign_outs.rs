//! Sign-outs that the provider tells of.

use std::sync::Mutex;

use async_trait::async_trait;
use carerecord_model::{Clock, SystemClock};
use carerecord_service::{AuditDraft, Ended, SignIn, SignOuts, SignOutsUnavailable, SignedOut};
use http::StatusCode;
use serde_json::{Value, json};

use super::apps::asks;
use super::browser::{Browser, Page};
use crate::apps::CONSENT;

/// What has ended, in memory.
#[derive(Debug, Default)]
pub(super) struct MemorySignOuts(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    ended: Vec<SignedOut>,
    messages: Vec<String>,
    /// Whether the store cannot be asked.
    down: bool,
}

#[async_trait]
impl SignOuts for MemorySignOuts {
    async fn end(
        &self,
        what: SignedOut,
        message_id: Option<String>,
        _: &AuditDraft,
    ) -> Result<Ended, SignOutsUnavailable> {
        let mut state = self.0.lock().unwrap();
        if state.down {
            return Err(SignOutsUnavailable("it is down".into()));
        }
        if let Some(id) = message_id {
            if state.messages.contains(&id) {
                return Ok(Ended::Replayed);
            }
            state.messages.push(id);
        }
        state.ended.push(what);
        Ok(Ended::Now)
    }

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

/// A good logout token's claims, with changes; `null` takes one away.
fn claims(browser: &Browser, changes: &Value) -> Value {
    let now = SystemClock.now().as_second();
    let mut claims = json!({
        "iss": format!("{}/oidc", browser.fake.base), "aud": "portal", "iat": now,
        "exp": now + 120, "jti": format!("j-{changes}"),
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        }
    }
    claims
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

#[tokio::test]
async fn the_provider_ends_one_session_and_no_other() {
    let mut browser = Browser::signed_in().await;
    let mut other = browser.second_tab();
    other.cookie = None;
    other.sign_in().await;
    assert!(is_signed_in(&mut browser).await && is_signed_in(&mut other).await);

    let token = claims(&browser, &json!({"sid": "sid-0", "sub": "555021900100"}));
    let told = send(&browser, &browser.fake.sign_as("logout+jwt", &token)).await;

    assert_eq!(told.status, StatusCode::OK);
    assert_eq!(told.headers["cache-control"], "no-store");
    let page = browser.get("/search").await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    page.shows("Your session has ended");
    assert!(is_signed_in(&mut other).await, "another session of the same person");
    assert_eq!(browser.rows.0.lock().unwrap().len(), 1, "its tokens are gone");
}

#[tokio::test]
async fn the_provider_ends_all_sessions_of_a_person() {
    let mut browser = Browser::signed_in().await;
    let mut other = browser.second_tab();
    other.cookie = None;
    other.sign_in().await;

    let token = claims(&browser, &json!({"sub": "555021900100"}));
    let told = send(&browser, &browser.fake.sign(&token)).await;

    assert_eq!(told.status, StatusCode::OK);
    assert!(!is_signed_in(&mut browser).await && !is_signed_in(&mut other).await);
}

#[tokio::test]
async fn signing_out_ends_the_session_or_all_of_the_person_where_none_is_named() {
    for no_sid in [false, true] {
        let mut browser = Browser::open().await;
        browser.fake.state.lock().unwrap().no_sid = no_sid;
        browser.sign_in().await;
        let mut other = browser.second_tab();
        other.cookie = None;
        other.sign_in().await;
        // As it stands in the person's access tokens, and in what they have let apps do.
        let (issuer, subject) = (format!("{}/oidc", browser.fake.base), "555021900100".to_owned());
        let session_id = (!no_sid).then(|| "sid-0".to_owned());
        let since = jiff::Timestamp::from_second(SystemClock.now().as_second()).unwrap();
        let sign_in = SignIn { issuer, subject, session_id, since };
        assert!(!browser.sign_outs.has_ended(&sign_in).await.unwrap());

        let out = browser.submit("/search", "/sign-out", &[]).await;

        assert_eq!(out.status, StatusCode::SEE_OTHER);
        assert!(browser.sign_outs.has_ended(&sign_in).await.unwrap(), "no sid: {no_sid}");
        assert_eq!(is_signed_in(&mut other).await, !no_sid);
    }
}

#[tokio::test]
async fn an_app_that_asks_in_a_session_that_is_over_waits_for_the_next_sign_in() {
    let mut browser = Browser::signed_in().await;
    let token = claims(&browser, &json!({"sid": "sid-0"}));
    send(&browser, &browser.fake.sign(&token)).await;

    assert_eq!(browser.get(&asks("charts")).await.location(), "/sign-in");

    assert_eq!(browser.sign_in().await.location(), CONSENT);
}

#[tokio::test]
async fn what_is_no_good_logout_token_ends_nothing() {
    let mut browser = Browser::signed_in().await;
    let now = SystemClock.now().as_second();
    for (changes, why) in [
        (json!({"sid": "sid-0", "iss": "https://evil.example"}), "not right"),
        (json!({"sid": "sid-0", "aud": "another"}), "not right"),
        (json!({"sid": "sid-0", "aud": null}), "not right"),
        (json!({"sid": "sid-0", "iat": now - 400}), "too old"),
        (json!({"sid": "sid-0", "iat": now + 60}), "time to come"),
        (json!({"sid": "sid-0", "exp": now - 60}), "too old"),
        (json!({"sid": "sid-0", "iat": null}), "no signed token"),
        (json!({"sid": "sid-0", "jti": null}), "no signed token"),
        (json!({"sid": "sid-0", "jti": ""}), "does not say"),
        (json!({"sid": "sid-0", "nonce": "n"}), "does not say"),
        (json!({"sid": "sid-0", "events": null}), "no signed token"),
        (json!({"sid": "sid-0", "events": {}}), "does not say"),
        (json!({"sid": "sid-0", "events": {EVENT: "yes"}}), "does not say"),
        (json!({}), "does not say"),
        (json!({"sid": ""}), "does not say"),
    ] {
        let answer = send(&browser, &browser.fake.sign(&claims(&browser, &changes))).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{changes}");
        assert!(answer.body.contains(why), "{changes}: {}", answer.body);
    }
    let good = claims(&browser, &json!({"sid": "sid-0"}));
    let signed = browser.fake.sign(&good);
    let other = super::fake::Fake::start().await;
    let (head, _) = signed.rsplit_once('.').unwrap();
    let tampered = signed.replacen('.', ".e30", 1);
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoibG9nb3V0K2p3dCJ9.{}.", &good);
    for token in [
        other.sign(&good),
        browser.fake.sign_as("at+jwt", &good),
        format!("{head}.AAAA"),
        tampered,
        unsigned,
        "x".repeat(9000),
        String::new(),
    ] {
        assert_eq!(send(&browser, &token).await.status, StatusCode::BAD_REQUEST);
    }
    let mut provider = browser.second_tab();
    let nothing = provider.post("/sign-in/back-channel-logout", &[], &[]).await;
    assert_eq!(nothing.status, StatusCode::BAD_REQUEST);
    assert!(is_signed_in(&mut browser).await);

    assert_eq!(send(&browser, &signed).await.status, StatusCode::OK);
    assert_eq!(send(&browser, &signed).await.status, StatusCode::BAD_REQUEST, "a replay");
}

#[tokio::test]
async fn without_the_store_nobody_is_signed_in() {
    let mut browser = Browser::signed_in().await;
    browser.sign_outs.0.lock().unwrap().down = true;

    assert_eq!(browser.get("/search").await.status, StatusCode::INTERNAL_SERVER_ERROR);
    let token = browser.fake.sign(&claims(&browser, &json!({"sid": "sid-0"})));
    assert_eq!(send(&browser, &token).await.status, StatusCode::SERVICE_UNAVAILABLE);

    browser.sign_outs.0.lock().unwrap().down = false;
    assert!(is_signed_in(&mut browser).await);
    assert_eq!(send(&browser, &token).await.status, StatusCode::OK, "it was not used up");
}

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
