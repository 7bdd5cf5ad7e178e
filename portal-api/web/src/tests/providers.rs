//! Two sign-in providers: one as the national one, one of a council.

use http::StatusCode;

use super::browser::Browser;
use super::sign_outs::AskedToEnd;

#[tokio::test]
async fn the_page_offers_both_and_each_signs_in_its_own_people() {
    let mut browser = Browser::with_council().await;

    let page = browser.get("/sign-in").await;
    page.shows("NHS staff account");
    page.shows("Example Council account");
    page.shows("href=\"/sign-in?with=council\"");
    let back = browser.begin_at("/sign-in?with=council").await;
    let asked = browser.council().state.lock().unwrap().asked.clone();
    browser.get(&back).await;
    let search = browser.get("/search").await;

    let of = |key: &str| asked.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
    assert_eq!((of("scope"), of("acr_values")), (Some("openid groups"), None));
    assert_eq!(of("redirect_uri"), Some("http://127.0.0.1:8080/sign-in/callback"));
    search.shows("Gareth Pennant");
    search.shows("Social worker, ZEX05");
    assert!(browser.fake.state.lock().unwrap().asked.is_empty(), "the other was not asked");
    let out = browser.submit("/search", "/sign-out", &[]).await;
    let end = format!("{}/oidc/logout?", browser.council().base);
    assert!(out.location().starts_with(&end), "{}", out.location());

    let back = browser.begin_at("/sign-in?with=staff").await;
    browser.get(&back).await;
    browser.get("/search").await.shows("Dr Tomasz Wren");
    assert_eq!(browser.get("/sign-in?with=nobody").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_role_is_chosen_and_renewed_at_the_provider_that_gave_it() {
    let mut browser = Browser::with_council().await;
    browser.council().state.lock().unwrap().two_roles = true;
    let back = browser.begin_at("/sign-in?with=council").await;
    browser.get(&back).await;

    let search = browser.get("/search").await;
    assert_eq!(search.location(), "/role");
    browser.get("/role").await.shows("Privacy officer");
    browser.submit("/role", "/role", &[("role", "council:po")]).await;
    browser.clock.forward_minutes(5);
    browser.find("9990001006").await;

    assert_eq!(browser.council().state.lock().unwrap().renewals, 1);
    assert_eq!(browser.fake.state.lock().unwrap().renewals, 0);
}

#[tokio::test]
async fn a_code_of_one_is_not_taken_to_the_other() {
    let mut browser = Browser::with_council().await;
    let back = browser.begin_at("/sign-in?with=council").await;
    let first = format!("{}/oidc", browser.fake.base);

    let mixed = browser.get(&format!("{back}&iss={first}")).await;

    assert_eq!(mixed.status, StatusCode::BAD_REQUEST);
    mixed.shows("You have not been signed in.");
    let back = browser.begin_at("/sign-in?with=council").await;
    let own = format!("{}/oidc", browser.council().base);
    let page = browser.get(&format!("{back}&iss={own}")).await;
    assert_eq!(page.location(), "/search");
}

#[tokio::test]
async fn each_provider_ends_its_own_sessions_at_its_own_address() {
    let mut browser = Browser::with_council().await;
    let back = browser.begin_at("/sign-in?with=council").await;
    browser.get(&back).await;
    // The same session id at the other provider is another session.
    browser.end_session_at(&browser.fake);
    assert_eq!(browser.get("/search").await.status, StatusCode::OK);

    let path = "/sign-in/back-channel-logout/council";
    let told = browser.post(path, &[("logout_token", "good")], &[]).await;
    assert_eq!(told.status, StatusCode::OK);
    let asked = browser.fake.state.lock().unwrap().asked_to_end.clone();
    assert_eq!(asked, [AskedToEnd::Provider(Some("council".into()), "good".into())]);

    browser.end_session_at(&browser.council());
    assert_eq!(browser.get("/search").await.status, StatusCode::UNAUTHORIZED);
}
