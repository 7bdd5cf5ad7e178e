//! The whole of a sign-in over HTTP, and what must be refused.

mod started;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use carerecord_service::{RandomIds, Stopped};
use serde_json::Value;

use started::*;

use super::*;

#[tokio::test]
async fn discovery_says_where_everything_is() {
    let provider = Started::new().await;

    let found = provider.json("/.well-known/openid-configuration").await;

    assert_eq!(found["issuer"], provider.issuer);
    assert_eq!(found["code_challenge_methods_supported"], json!(["S256"]));
    for endpoint in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
        assert!(found[endpoint].as_str().unwrap().starts_with(&provider.issuer));
    }
}

#[tokio::test]
async fn a_sign_in_from_page_to_tokens() {
    let provider = Started::new().await;

    let page = provider.authorize(&[]).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("This is a demonstration."));
    assert!(page.text.contains("Sign in as Dr Imogen Farrow"));
    assert!(page.text.contains("General Medical Practitioner, Dr Legg&#39;s Surgery (A20047)"));
    let back = provider.choose(&page, GP).await;
    assert_eq!(back["state"], "state-1");
    assert_eq!(back["iss"], provider.issuer);
    let tokens = provider.redeem(&back["code"], &[]).await.json();

    let id = provider.claims(&tokens["id_token"], "JWT", "portal").await;
    assert_eq!(id["nonce"], "nonce-1");
    assert_eq!(id["sub"], GP);
    assert_eq!(id["acr"], "AAL3_ANY");
    assert_eq!(id["exp"], NOW + 900);
    let access = provider.claims(&tokens["access_token"], "at+jwt", "carerecord-api").await;
    assert_eq!(access["iss"], provider.issuer);
    assert_eq!(access["client_id"], "portal");
    assert_eq!(access["name"], "Farrow Imogen Dr");
    assert_eq!(access["scope"], tokens["scope"]);
    assert_eq!(access["sid"], id["sid"]);
    assert_eq!(access["nhsid_nrbac_roles"][0]["role_code"], "S8000:G8000:R0260");
    assert_eq!(access["selected_roleid"], access["nhsid_nrbac_roles"][0]["person_roleid"]);
    assert_eq!(tokens["expires_in"], 900);
    let info = provider.userinfo(&tokens["access_token"]).await.json();
    assert_eq!(info["nhsid_useruid"], GP);
    assert_eq!(info["nhsid_user_orgs"][0]["org_name"], "DR LEGG'S SURGERY");
    assert_eq!(info["selected_roleid"], access["selected_roleid"]);
}

#[tokio::test]
async fn pages_run_no_script_and_load_nothing_from_elsewhere() {
    let provider = Started::new().await;

    let page = provider.authorize(&[]).await;

    let policy = &page.headers["content-security-policy"];
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    assert!(policy.contains("form-action 'self' http://localhost:8080;"), "{policy}");
    assert_eq!(page.headers["cache-control"], "no-store");
    assert_eq!(page.headers["referrer-policy"], "no-referrer");
    assert!(!page.text.contains("<script") && !page.text.contains("style="));
}

#[tokio::test]
async fn someone_with_two_roles_has_none_selected() {
    let provider = Started::new().await;

    let tokens = provider.sign_in(TWO_ROLES).await;

    let access = provider.claims(&tokens["access_token"], "at+jwt", "carerecord-api").await;
    assert_eq!(access["nhsid_nrbac_roles"].as_array().unwrap().len(), 2);
    assert_eq!(access.get("selected_roleid"), None);
}

#[tokio::test]
async fn a_browser_is_never_sent_to_an_address_that_is_not_registered() {
    let provider = Started::new().await;
    let attempts = [
        ("redirect_uri", "https://evil.example/callback"),
        ("redirect_uri", "http://localhost:8080/callback/"),
        ("redirect_uri", "http://localhost:8080/callback?next=evil"),
        ("redirect_uri", "http://localhost:8080@evil.example/callback"),
        ("redirect_uri", "//evil.example"),
        ("redirect_uri", ""),
        ("client_id", "unknown"),
        ("client_id", "script"),
        ("client_id", ""),
    ];
    for attempt in attempts {
        let answer = provider.authorize(&[attempt]).await;

        assert_eq!(answer.status, 400, "{attempt:?}");
        assert!(!answer.headers.contains_key("location"), "{attempt:?}");
        assert!(!answer.text.contains("evil"), "{attempt:?}");
    }
    let twice = format!("{}&redirect_uri=https://evil.example", authorize_query(&[]));
    assert_eq!(provider.get(&format!("/authorize?{twice}")).await.status, 400);
}

#[tokio::test]
async fn faults_of_the_request_go_back_to_the_client() {
    let provider = Started::new().await;
    let long = "x".repeat(2000);
    let cases = [
        ("response_type", "token", "unsupported_response_type"),
        ("response_mode", "fragment", "invalid_request"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("state", "", "invalid_request"),
        ("nonce", &long, "invalid_request"),
        ("scope", "profile", "invalid_scope"),
        ("prompt", "none", "login_required"),
        ("request", "a.b.c", "request_not_supported"),
        ("request_uri", "http://evil.example/r", "request_uri_not_supported"),
    ];
    for (name, value, expected) in cases {
        let answer = provider.authorize(&[(name, value)]).await.redirect();

        assert_eq!(answer["error"], expected, "{name}");
        assert!(!answer.contains_key("code"), "{name}");
    }
}

#[tokio::test]
async fn a_sign_in_page_works_once_and_may_be_cancelled() {
    let provider = Started::new().await;
    let page = provider.authorize(&[]).await;

    let cancelled = provider.choose(&page, "").await;
    let again = provider.post("/authorize", &[("transaction", &page.transaction())]).await;

    assert_eq!(cancelled["error"], "access_denied");
    assert_eq!(cancelled["state"], "state-1");
    assert_eq!(again.status, 400);
    let forged = [("transaction", "made-up"), ("account", GP)];
    assert_eq!(provider.post("/authorize", &forged).await.status, 400);
    let page = provider.authorize(&[]).await;
    let stranger = [("transaction", page.transaction()), ("account", "1".to_owned())];
    let stranger = stranger.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(provider.post("/authorize", &stranger).await.status, 400);
}

#[tokio::test]
async fn a_code_is_bound_to_verifier_address_client_and_time() {
    let provider = Started::new().await;
    let other = "w".repeat(43);
    let cases: [&[(&str, &str)]; 4] = [
        &[("code_verifier", &other)],
        &[("redirect_uri", "http://localhost:8080/other")],
        &[("client_id", "second"), ("client_secret", "second-secret")],
        &[("code", "made-up")],
    ];
    for changes in cases {
        let page = provider.authorize(&[]).await;
        let back = provider.choose(&page, GP).await;

        let answer = provider.redeem(&back["code"], changes).await;

        assert_eq!((answer.status, answer.error()), (400, "invalid_grant".to_owned()));
    }
    for missing in ["code", "code_verifier", "redirect_uri", "grant_type"] {
        let answer = provider.redeem("any", &[(missing, "")]).await;

        assert_eq!(answer.error(), "invalid_request", "{missing}");
    }
    let page = provider.authorize(&[]).await;
    let back = provider.choose(&page, GP).await;
    provider.clock.advance(60);
    assert_eq!(provider.redeem(&back["code"], &[]).await.error(), "invalid_grant");
}

#[tokio::test]
async fn a_wrong_verifier_spends_the_code() {
    let provider = Started::new().await;
    let page = provider.authorize(&[]).await;
    let back = provider.choose(&page, GP).await;

    provider.redeem(&back["code"], &[("code_verifier", &"w".repeat(43))]).await;
    let second = provider.redeem(&back["code"], &[]).await;

    assert_eq!(second.error(), "invalid_grant");
}

#[tokio::test]
async fn a_replayed_code_takes_away_what_it_gave() {
    let provider = Started::new().await;
    let page = provider.authorize(&[]).await;
    let back = provider.choose(&page, GP).await;
    let tokens = provider.redeem(&back["code"], &[]).await.json();

    let replay = provider.redeem(&back["code"], &[]).await;

    assert_eq!(replay.error(), "invalid_grant");
    assert_eq!(provider.refresh(&tokens).await.error(), "invalid_grant");
    assert_eq!(provider.userinfo(&tokens["access_token"]).await.status, 401);
}

#[tokio::test]
async fn clients_must_show_that_they_are_themselves() {
    let provider = Started::new().await;
    let wrong: [&[(&str, &str)]; 4] = [
        &[("client_secret", "")],
        &[("client_secret", "wrong")],
        &[("client_id", "unknown")],
        &[("client_id", "public"), ("client_secret", "anything")],
    ];
    for changes in wrong {
        let answer = provider.redeem("any", changes).await;

        assert_eq!((answer.status, answer.error()), (401, "invalid_client".to_owned()));
        assert!(answer.headers["www-authenticate"].starts_with("Basic"));
    }
    let form = [("grant_type", "client_credentials")];
    let basic = provider.basic("script", "script-secret", &form).await;
    assert_eq!(basic.status, 200);
    assert_eq!(provider.basic("script", "wrong", &form).await.error(), "invalid_client");
    let both = [("grant_type", "client_credentials"), ("client_secret", "script-secret")];
    assert_eq!(provider.basic("script", "script-secret", &both).await.error(), "invalid_request");
}

#[tokio::test]
async fn a_public_client_signs_in_by_pkce_alone() {
    let provider = Started::new().await;
    let public = [("client_id", "public"), ("client_secret", "")];
    let page = provider.authorize(&public[..1]).await;
    let back = provider.choose(&page, GP).await;

    let tokens = provider.redeem(&back["code"], &public).await;

    assert_eq!(tokens.status, 200);
}

#[tokio::test]
async fn refresh_tokens_work_once() {
    let provider = Started::new().await;
    let first = provider.sign_in(GP).await;
    provider.clock.advance(900);

    let second = provider.refresh(&first).await.json();
    assert_eq!(provider.userinfo(&first["access_token"]).await.status, 401, "it has run out");
    assert_eq!(provider.userinfo(&second["access_token"]).await.status, 200);
    let id = provider.claims(&second["id_token"], "JWT", "portal").await;
    assert_eq!((id["auth_time"].as_i64(), id.get("nonce")), (Some(NOW), None));

    assert_eq!(provider.refresh(&first).await.error(), "invalid_grant");
    assert_eq!(provider.refresh(&second).await.error(), "invalid_grant", "one of two is a thief");
}

#[tokio::test]
async fn a_sign_in_ends_with_the_working_day() {
    let provider = Started::new().await;
    let mut tokens = provider.sign_in(GP).await;
    for _ in 0..9 {
        provider.clock.advance(3600);
        tokens = provider.refresh(&tokens).await.json();
    }
    provider.clock.advance(3600);

    assert_eq!(provider.refresh(&tokens).await.error(), "invalid_grant");
}

#[tokio::test]
async fn a_system_gets_a_token_of_its_own_and_nothing_more() {
    let provider = Started::new().await;
    let ask = async |changes: &[(&str, &str)]| {
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend_from_slice(changes);
        provider.basic("script", "script-secret", &form).await
    };

    let tokens = ask(&[]).await.json();

    let access = provider.claims(&tokens["access_token"], "at+jwt", "carerecord-api").await;
    assert_eq!(access["sub"], "script");
    assert_eq!(access["client_id"], "script");
    assert_eq!(access["org_code"], "ZEX09");
    assert_eq!(access["scope"], "system/*.read");
    assert_eq!(tokens.get("refresh_token"), None);
    assert_eq!(ask(&[("scope", "system/*.write")]).await.error(), "invalid_scope");
    assert_eq!(ask(&[("grant_type", "password")]).await.error(), "invalid_request");
    let info = provider.userinfo(&tokens["access_token"]).await;
    assert_eq!(info.status, 403, "a program is nobody to tell of");
    let form = [("grant_type", "client_credentials")];
    let portal = provider.basic("portal", "portal-secret", &form).await;
    assert_eq!(portal.error(), "unauthorized_client");
    let other = [("grant_type", "password")];
    let other = provider.basic("portal", "portal-secret", &other).await;
    assert_eq!(other.error(), "unsupported_grant_type");
}

#[tokio::test]
async fn userinfo_takes_access_tokens_only() {
    let provider = Started::new().await;
    let tokens = provider.sign_in(GP).await;

    let missing = provider.get("/userinfo").await;
    let wrong_kind = provider.userinfo(&tokens["id_token"]).await;

    assert_eq!((missing.status, missing.headers["www-authenticate"].as_str()), (401, "Bearer"));
    assert_eq!(wrong_kind.status, 401);
    assert!(wrong_kind.headers["www-authenticate"].contains("invalid_token"));
}

#[tokio::test]
async fn signing_out_ends_the_sign_in_and_goes_back_to_the_client_only() {
    let provider = Started::new().await;
    let tokens = provider.sign_in(GP).await;
    let hint = tokens["id_token"].as_str().unwrap();
    let target = ("post_logout_redirect_uri", "http://localhost:8080/signed-out");
    let evil = ("post_logout_redirect_uri", "https://evil.example/");
    let refused: [&[(&str, &str)]; 4] = [
        &[("id_token_hint", hint), evil],
        &[("client_id", "public"), ("id_token_hint", hint), target],
        &[("id_token_hint", "a.b.c"), target],
        &[target],
    ];
    for form in refused {
        let answer = provider.post("/logout", form).await;

        assert_eq!(answer.status, 400);
        assert!(!answer.headers.contains_key("location"));
    }
    assert_eq!(provider.userinfo(&tokens["access_token"]).await.status, 401);
    let tokens = provider.sign_in(GP).await;
    let hint = tokens["id_token"].as_str().unwrap();
    provider.clock.advance(3600);

    let query = encoded(&[("id_token_hint", hint), target, ("state", "bye")]);
    let answer = provider.get(&format!("/logout?{query}")).await;

    assert_eq!(answer.headers["location"], "http://localhost:8080/signed-out?state=bye");
    assert_eq!(provider.refresh(&tokens).await.error(), "invalid_grant");
    assert!(provider.get("/logout").await.text.contains("You are signed out"));
}

#[tokio::test]
async fn a_token_outlasts_a_restart() {
    let first = Started::new().await;
    let tokens = first.sign_in(GP).await;
    let Started { folder, issuer, .. } = first;

    let second = Started::in_folder(folder, Some(issuer)).await;

    assert_eq!(second.userinfo(&tokens["access_token"]).await.status, 200);
}

#[tokio::test]
async fn it_starts_on_loopback_and_stops_with_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let ids = Arc::new(RandomIds);
    let lifecycle = Lifecycle::new();
    let config = config(&folder, "http://localhost:8085");

    let address = start(config.clone(), test_time(), ids.clone(), &lifecycle).await.unwrap();
    let elsewhere = ListenerConfig { address: "0.0.0.0:0".parse().unwrap(), ..config.listen };
    let elsewhere = SignInConfig { listen: elsewhere, ..config };
    let refused = start(elsewhere, test_time(), ids, &lifecycle).await;

    let found = reqwest_client().get(format!("http://{address}/jwks")).send().await.unwrap();
    assert_eq!(found.status(), 200);
    assert!(matches!(refused, Err(SignInError::Listener(ListenerError::NotLoopback(_)))));
    assert_eq!(lifecycle.stop().await, Stopped::Drained);
}

#[test]
fn clients_that_are_set_up_wrongly_are_refused() {
    let mut client = clients().remove(0);
    client.redirect_uris = vec!["javascript:alert(1)".to_owned()];
    assert!(matches!(check_client(&client), Err(SignInError::RedirectUri { .. })));

    let mut client = clients().remove(3);
    client.secret = None;
    assert!(matches!(check_client(&client), Err(SignInError::SecretMissing { .. })));
}

#[test]
fn tokens_are_compact_and_name_their_algorithm() {
    let folder = tempfile::tempdir().unwrap();
    let key = SigningKey::load_or_create(&folder.path().join("signin.key")).unwrap();

    let token = key.sign(keys::TokenKind::Access, &json!({ "sub": "1" })).unwrap();

    let header = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!((&header["alg"], &header["typ"]), (&json!("ES256"), &json!("at+jwt")));
}

/// An application that notes what it is told, and how to answer.
async fn application(status: u16) -> (String, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let notes = told.clone();
    let take = move |body: String| {
        notes.lock().unwrap().push(body);
        std::future::ready(axum::http::StatusCode::from_u16(status).unwrap())
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/logout", listener.local_addr().unwrap());
    let router = Router::new().route("/logout", post(take));
    #[expect(clippy::disallowed_methods, reason = "a test's server ends with the test")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    (uri, told)
}

/// The logout token of a form.
fn logout_token(body: &str) -> Value {
    let (name, token) = body.split_once('=').unwrap();
    assert_eq!(name, "logout_token");
    json!(token)
}

#[tokio::test]
async fn the_application_of_a_session_is_told_that_it_is_over() {
    let (uri, told) = application(200).await;
    let (other, others) = application(200).await;
    let provider = Started::telling(&[("portal", &uri), ("second", &other)]).await;
    let tokens = provider.sign_in(GP).await;
    let id = provider.claims(&tokens["id_token"], "JWT", "portal").await;

    let hint = tokens["id_token"].as_str().unwrap();
    assert_eq!(provider.get(&format!("/logout?id_token_hint={hint}")).await.status, 200);

    let told = told.lock().unwrap().clone();
    assert_eq!((told.len(), others.lock().unwrap().len()), (1, 0));
    let token = provider.claims(&logout_token(&told[0]), "logout+jwt", "portal").await;
    assert_eq!((&token["sid"], &token["sub"]), (&id["sid"], &json!(GP)));
    assert_eq!((&token["iat"], &token["exp"]), (&json!(NOW), &json!(NOW + 120)));
    let event = &token["events"]["http://schemas.openid.net/event/backchannel-logout"];
    assert_eq!((event, token.get("nonce")), (&json!({}), None));
    assert!(token["jti"].as_str().is_some_and(|jti| jti.len() > 20));
    assert_eq!(provider.refresh(&tokens).await.error(), "invalid_grant");
}

#[tokio::test]
async fn everywhere_means_every_session_and_application() {
    let (uri, told) = application(200).await;
    let (broken, _) = application(500).await;
    let provider = Started::telling(&[("portal", &uri), ("second", &broken)]).await;
    let (first, second) = (provider.sign_in(GP).await, provider.sign_in(GP).await);
    let other = provider.sign_in(TWO_ROLES).await;
    let page = provider.get("/sign-out-everywhere").await;
    assert!(page.text.contains("Sign out Dr Imogen Farrow"), "{}", page.text);

    let done = provider.post("/sign-out-everywhere", &[("account", GP)]).await;

    assert!(done.text.contains("Dr Imogen Farrow is signed out."), "{}", done.text);
    assert!(done.text.contains("Applications told: 1. Applications that could not be told: 1."));
    let told = told.lock().unwrap().clone();
    let token = provider.claims(&logout_token(&told[0]), "logout+jwt", "portal").await;
    assert_eq!((&token["sub"], token.get("sid")), (&json!(GP), None));
    for tokens in [first, second] {
        assert_eq!(provider.refresh(&tokens).await.error(), "invalid_grant");
        assert_eq!(provider.userinfo(&tokens["access_token"]).await.status, 401);
    }
    assert_eq!(provider.refresh(&other).await.status, 200, "another person");
    for choice in [&[][..], &[("account", "nobody")]] {
        assert_eq!(provider.post("/sign-out-everywhere", choice).await.status, 400);
    }
}
