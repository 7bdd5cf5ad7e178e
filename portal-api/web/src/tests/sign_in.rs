use http::StatusCode;

use super::browser::Browser;

#[tokio::test]
async fn signing_in_uses_pkce_state_nonce_and_the_scopes() {
    let mut browser = Browser::open().await;

    let page = browser.sign_in().await;

    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/search"));
    let asked = browser.fake.state.lock().unwrap().asked.clone();
    let of = |key: &str| asked.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
    assert_eq!(of("code_challenge_method"), Some("S256"));
    assert_eq!(of("acr_values"), Some("AAL2_OR_AAL3_ANY"));
    assert_eq!(
        of("scope"),
        Some("openid profile nhsperson nationalrbacaccess associatedorgs selectedrole")
    );
    assert_eq!(of("redirect_uri"), Some("http://127.0.0.1:8080/sign-in/callback"));
    assert!(of("state").is_some() && of("nonce").is_some());
    let search = browser.get("/search").await;
    search.shows("Dr Tomasz Wren");
    search.shows("Clinical Practitioner Access Role, Royal Example Hospital");
    search.shows("Direct care");
}

#[tokio::test]
async fn the_cookie_is_guarded_changes_at_sign_in_and_holds_no_token() {
    let mut browser = Browser::open().await;
    let back = browser.begin().await;
    let before = browser.cookie.clone();

    browser.get(&back).await;

    assert_ne!(browser.cookie, before);
    for part in ["__Host-carerecord=", "HttpOnly", "SameSite=Lax", "Secure", "Path=/"] {
        assert!(browser.set_cookie.contains(part), "{part} in {}", browser.set_cookie);
    }
    let rows = browser.rows.0.lock().unwrap();
    assert_eq!(rows.len(), 1, "the session from before sign-in is gone");
    let kept = rows.values().next().unwrap().data.clone();
    assert!(!kept.windows(7).any(|w| w == b"token-0"), "tokens are encrypted at rest");
}

#[tokio::test]
async fn a_return_that_does_not_belong_here_signs_nobody_in() {
    let mut browser = Browser::open().await;
    let back = browser.begin().await;
    let cookie = browser.cookie.take();

    let stranger = browser.get(&back).await;
    browser.cookie = cookie;
    let forged = browser.get("/sign-in/callback?code=code-1&state=guess").await;
    let second_try = browser.get(&back).await;

    for page in [stranger, forged, second_try] {
        assert_eq!(page.status, StatusCode::BAD_REQUEST);
        page.shows("You have not been signed in.");
    }
    assert_eq!(browser.get("/search").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_id_token_with_another_nonce_is_refused() {
    let mut browser = Browser::open().await;
    browser.fake.state.lock().unwrap().wrong_nonce = true;

    let page = browser.sign_in().await;

    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    page.shows("could not be trusted");
}

#[tokio::test]
async fn who_has_several_roles_chooses_one() {
    let mut browser = Browser::open().await;
    browser.fake.state.lock().unwrap().two_roles = true;
    browser.sign_in().await;

    let search = browser.get("/search").await;
    assert_eq!((search.status, search.location()), (StatusCode::SEE_OTHER, "/role"));
    let picker = browser.get("/role").await;
    picker.shows("Salaried General Practitioner");
    picker.shows("A20047");
    picker.hides(" checked");
    let missing = browser.submit("/role", "/role", &[]).await;
    missing.shows("Choose the role you act in");
    let strange = browser.submit("/role", "/role", &[("role", "999")]).await;
    strange.shows("Choose the role you act in");
    let chosen = browser.submit("/role", "/role", &[("role", "112")]).await;
    assert_eq!(chosen.location(), "/search");

    let patient = browser.find("9990001006").await;
    browser.get(&patient).await;
    let calls = browser.fake.state.lock().unwrap().calls.clone();
    assert!(calls.iter().all(|call| *call == ("Bearer token-0".into(), Some("112".into()))));
    // The first page's count of the team, whether the patient lives, the patient, the documents, and
    // their allergies.
    assert_eq!(calls.len(), 5);
}

#[tokio::test]
async fn a_session_ends_without_use_and_at_its_longest() {
    let mut browser = Browser::signed_in().await;
    browser.clock.forward_minutes(14);
    assert_eq!(browser.get("/search").await.status, StatusCode::OK);

    browser.clock.forward_minutes(16);
    let idle = browser.get("/search").await;

    assert_eq!(idle.status, StatusCode::UNAUTHORIZED);
    idle.shows("Your session has ended");
    idle.hides("Dr Tomasz Wren");
}

#[tokio::test]
async fn tokens_are_renewed_before_they_end() {
    let mut browser = Browser::signed_in().await;
    let patient = browser.find("9990001006").await;

    browser.clock.forward_minutes(5);
    browser.get(&patient).await;
    browser.clock.forward_minutes(5);
    browser.get(&patient).await;

    let state = browser.fake.state.lock().unwrap();
    assert_eq!(state.renewals, 2);
    assert_eq!(state.calls.last().unwrap().0, "Bearer token-2");
}

#[tokio::test]
async fn signing_out_ends_the_session_here_and_at_the_provider() {
    let mut browser = Browser::signed_in().await;

    let out = browser.submit("/search", "/sign-out", &[]).await;

    assert!(out.location().starts_with(&format!("{}/oidc/logout?", browser.fake.base)));
    assert!(out.location().contains("signed-out"));
    assert!(browser.rows.0.lock().unwrap().is_empty());
    assert_eq!(browser.get("/search").await.status, StatusCode::UNAUTHORIZED);
    browser.get("/signed-out").await.shows("You have signed out");
}

#[tokio::test]
async fn forms_of_other_sites_are_refused() {
    let mut browser = Browser::signed_in().await;
    let token = browser.get("/search").await.token();
    let good = [("csrf", token.as_str()), ("nhs_number", "9990001006")];
    let bad = [("csrf", "0".repeat(64)), ("nhs_number", "9990001006".to_owned())];
    let bad = bad.each_ref().map(|(k, v)| (*k, v.as_str()));

    let cross = browser.post("/patient/find", &good, &[("sec-fetch-site", "cross-site")]).await;
    let origin = browser.post("/patient/find", &good, &[("origin", "http://evil.example")]).await;
    let sibling = browser.post("/patient/find", &good, &[("sec-fetch-site", "same-site")]).await;
    let guessed = browser.post("/patient/find", &bad, &[("sec-fetch-site", "same-origin")]).await;
    let missing = browser.post("/patient/find", &good[1..], &[]).await;

    for page in [cross, origin, sibling, guessed] {
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        page.shows("The form was not accepted");
    }
    assert_eq!(missing.status, StatusCode::BAD_REQUEST);
    let own = [("origin", "http://127.0.0.1:8080")];
    assert_eq!(browser.post("/patient/find", &good, &own).await.status, StatusCode::SEE_OTHER);
}
