//! Apps that ask people, with an API that judges them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Form, State};
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::browser::{Browser, Page};
use super::fake::Fake;
use super::launch;
use crate::apps::CONSENT;

#[tokio::test]
async fn a_person_chooses_a_patient_agrees_and_is_sent_back_by_a_page() {
    let mut browser = Browser::open().await;
    assert_eq!(browser.get(&asks("charts")).await.location(), "/sign-in");
    assert_eq!(browser.sign_in().await.location(), CONSENT);

    let page = browser.get(CONSENT).await;
    assert_eq!(
        (page.status, page.title()),
        (StatusCode::OK, "Let an app read for you? - Care Record")
    );
    page.shows("Let Growth charts read for you?");
    page.shows("Growth charts, at <span class=\"cr-break\">charts.example</span>");
    page.shows("Which patient is it for?");
    page.hides("value=\"allow\"");
    let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(!policy.contains("charts.example"), "{policy}");

    let wrong = choose(&mut browser, "9990001007").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(wrong.title(), "Error: Let an app read for you? - Care Record");
    wrong.shows("<a href=\"#nhs-number\">Enter a real NHS number; check the digits</a>");
    assert_eq!(choose(&mut browser, "9990001022").await.location(), CONSENT);
    let nobody = browser.get(CONSENT).await;
    assert_eq!(nobody.status, StatusCode::UNPROCESSABLE_ENTITY);
    nobody.shows("Nobody with this NHS number is known here");
    nobody.hides("value=\"allow\"");

    assert_eq!(choose(&mut browser, "9990001006").await.location(), CONSENT);
    let page = browser.get(CONSENT).await;
    page.shows("Allow for OKAFOR, Ada");
    let back = decide(&mut browser, &page, "allow").await;
    assert_eq!((back.status, back.title()), (StatusCode::OK, "Back to the app - Care Record"));
    assert_eq!(leads(&back), Some(format!("0; url={HOME}?code=of-9990001006&state=x")));
    back.shows(&format!("<a href=\"{HOME}?code=of-9990001006"));
    let of = |name: &str| back.headers[name].to_str().unwrap();
    assert_eq!((of("cache-control"), of("referrer-policy")), ("no-store", "no-referrer"));

    let again = browser.get(CONSENT).await;
    assert_eq!(again.status, StatusCode::GONE);
    again.shows("No app waits for your answer");
}

#[tokio::test]
async fn who_says_no_says_it_to_the_request_they_have_read() {
    let mut browser = Browser::signed_in().await;
    browser.find("9990001006").await;
    assert_eq!(browser.get(&asks("charts")).await.location(), CONSENT);
    let old = browser.get(CONSENT).await;
    old.shows("Allow for OKAFOR, Ada");
    browser.get(&asks("charts")).await;

    let late = decide(&mut browser, &old, "deny").await;
    assert_eq!((late.status, leads(&late)), (StatusCode::GONE, None), "a page of another request");
    let mut page = browser.get(CONSENT).await;
    let token = page.token();
    page.body = page.body.replace(&token, "forged");
    assert_eq!(decide(&mut browser, &page, "deny").await.status, StatusCode::FORBIDDEN);
    page.body = page.body.replace("forged", &token);
    let back = decide(&mut browser, &page, "deny").await;
    assert_eq!(leads(&back), Some(format!("0; url={HOME}?error=access_denied")));
}

#[tokio::test]
async fn an_app_is_told_what_is_wrong_if_it_is_known_and_nobody_else() {
    let mut browser = Browser::signed_in().await;
    for query in ["", &format!("client_id={}", "x".repeat(5000))] {
        let page = browser.get(&format!("/oauth/authorize?{query}")).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST);
    }

    browser.get(&asks("nobody")).await;
    let page = browser.get(CONSENT).await;
    assert_eq!((page.status, leads(&page)), (StatusCode::BAD_REQUEST, None));
    assert_eq!(page.title(), "The app cannot be let in - Care Record");
    browser.get(&asks("wrong")).await;
    let back = browser.get(CONSENT).await;
    assert_eq!(leads(&back), Some(format!("0; url={HOME}?error=invalid_request")));
}

#[tokio::test]
async fn in_a_session_for_one_patient_apps_get_that_one_and_nobody_else() {
    let (mut browser, epr) = launch::begun().await;
    browser.launch(&epr.sign(&json!({}))).await;
    browser.get(&asks("charts")).await;
    let page = browser.get(CONSENT).await;
    page.shows("Allow for OKAFOR, Ada");
    page.hides("Another patient");
    let everybody = |browser: &Browser, yes| {
        browser.fake.state.lock().unwrap().apps_need_no_patient = yes;
    };

    everybody(&browser, true);
    let refused = [browser.get(CONSENT).await, decide(&mut browser, &page, "allow").await];
    for refused in refused {
        assert_eq!((refused.status, leads(&refused)), (StatusCode::FORBIDDEN, None));
        refused.shows("This session is for one patient");
    }
    everybody(&browser, false);
    let back = decide(&mut browser, &page, "allow").await;
    assert_eq!(leads(&back), Some(format!("0; url={HOME}?code=of-9990001006&state=x")));
}

/// The API's part: it judges what the browser was sent with, and takes a decision.
pub(super) async fn authorization(
    State(fake): State<Arc<Fake>>,
    Form(form): Form<Vec<(String, String)>>,
) -> (StatusCode, Json<Value>) {
    let of = |key: &str| form.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
    let request = of("request").unwrap_or_default();
    let needs_patient = !fake.state.lock().unwrap().apps_need_no_patient;
    let told =
        |error: &str| json!({"error": error, "redirect_to": format!("{HOME}?error={error}")});
    let (status, answer) = match (of("decision"), of("nhs_number")) {
        _ if request.contains("nobody") => (400, json!({"error": "invalid_request"})),
        _ if request.contains("wrong") => (400, told("invalid_request")),
        (None, _) => (
            200,
            json!({"client_name": "Growth charts", "redirect_uri": HOME, "needs_patient": needs_patient,
                "scope": "launch/patient patient/*.rs"}),
        ),
        (Some("allow"), Some(number)) => {
            (200, json!({"redirect_to": format!("{HOME}?code=of-{number}&state=x")}))
        }
        (Some(_), _) => (400, told("access_denied")),
    };
    (StatusCode::from_u16(status).unwrap(), Json(answer))
}

/// The path at which an app asks.
pub(super) fn asks(app: &str) -> String {
    format!("/oauth/authorize?client_id={app}&state=x")
}

async fn choose(browser: &mut Browser, number: &str) -> Page {
    browser.submit(CONSENT, "/oauth/consent/patient", &[("nhs_number", number)]).await
}

/// Sends the form of a consent page.
async fn decide(browser: &mut Browser, page: &Page, decision: &str) -> Page {
    let value = |name: &str| {
        let (_, rest) = page.body.split_once(&format!("name=\"{name}\" value=\"")).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let (csrf, request, patient) = (value("csrf"), value("request"), value("patient"));
    let fields =
        [("csrf", &*csrf), ("request", &*request), ("patient", &*patient), ("decision", decision)];
    browser.post(CONSENT, &fields, &[]).await
}

/// Where the page goes on to by itself.
fn leads(page: &Page) -> Option<String> {
    page.headers.get(header::REFRESH).map(|refresh| refresh.to_str().unwrap().to_owned())
}

const HOME: &str = "https://charts.example/callback";
