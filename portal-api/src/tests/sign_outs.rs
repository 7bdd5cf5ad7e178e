//! Access tokens of sign-ins that have ended.

use carerecord_audit::AuditEvent;
use carerecord_service::{AuditDraft, SignOuts, SignedOut};
use jiff::Timestamp;

use super::*;

async fn end(client: &Client, what: SignedOut) {
    let store = SignOutStore::new(client.database.clone(), Arc::new(SystemClock));
    let event = AuditEvent::incoming(RandomIds.ordered(), SystemClock.now(), "test", "web");
    store.end(what, None, &AuditDraft::detached(event)).await.unwrap();
}

async fn status(client: &Client) -> u16 {
    client.get(&format!("/DocumentReference/{ID}"), &[]).await.status
}

#[tokio::test]
async fn tokens_of_a_session_that_has_ended_are_refused_and_recorded() {
    let mut client = Client::of(registry(), Some(person())).await;
    assert_eq!(status(&client).await, 200);
    let session_id = "session-1".to_owned();
    end(&client, SignedOut::Session { issuer: ISSUER.into(), session_id }).await;

    assert_eq!(status(&client).await, 401);
    assert_eq!(client.audited().await[0].outcome, carerecord_audit::AuditOutcome::Refused);

    client.token = client.signer.token(&json!({"sid": "session-2"}));
    assert_eq!(status(&client).await, 200, "another session");
}

#[tokio::test]
async fn tokens_of_a_person_who_is_out_everywhere_are_good_again_from_the_next_sign_in() {
    let mut client = Client::of(registry(), Some(person())).await;
    let now = SystemClock.now().as_second();
    let subject = "555021900100".to_owned();
    let until = Timestamp::from_second(now).unwrap();
    end(&client, SignedOut::Person { issuer: ISSUER.into(), subject, until }).await;

    for (changes, expected) in [
        (json!({"auth_time": now - 600, "iat": now - 600}), 401),
        (json!({"auth_time": now - 600, "iat": now + 5}), 401),
        (json!({"auth_time": now, "iat": now}), 401),
        (json!({"iat": now - 1}), 401),
        (json!({}), 401),
        (json!({"auth_time": now + 1, "iat": now + 1}), 200),
        (json!({"iat": now + 1}), 200),
        (json!({"auth_time": now - 600, "sub": "555021900101"}), 200),
    ] {
        client.token = client.signer.token(&changes);
        assert_eq!(status(&client).await, expected, "{changes}");
    }
}

#[tokio::test]
async fn a_token_that_outlasts_what_is_kept_is_refused() {
    let mut client = Client::of(registry(), Some(person())).await;
    let now = SystemClock.now().as_second();

    client.token = client.signer.token(&json!({"exp": now + 24 * 3600 + 60}));

    assert_eq!(status(&client).await, 401);
}

async fn post(client: &Client, path: &str, form: &[(&str, &str)]) -> Answer {
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    client.ask_at("POST", path, &headers, form).await
}

#[tokio::test]
async fn any_client_ends_the_sign_in_of_its_token_and_no_other() {
    for (form, other_goes_on) in
        [(&[][..], true), (&[("everywhere", "false")], true), (&[("everywhere", "true")], false)]
    {
        let mut client = Client::of(registry(), Some(person())).await;
        let (own, other) = (client.token.clone(), client.signer.token(&json!({"sid": "another"})));

        let ended = post(&client, "/oauth/sign-out", form).await;

        assert_eq!((ended.status, ended.header("cache-control")), (204, "no-store"));
        let event = client.audited().await.remove(0);
        assert_eq!(event.actor.unwrap().id, "555021900100");
        assert_eq!(event.outcome, carerecord_audit::AuditOutcome::Success);
        assert_eq!(event.listed.len(), 1, "what has ended");
        assert_eq!(status(&client).await, 401, "{form:?}");
        assert_eq!(post(&client, "/oauth/sign-out", form).await.status, 401, "it is over");
        client.token = other;
        assert_eq!(status(&client).await == 200, other_goes_on, "{form:?}");
        client.token = own;
    }
}

#[tokio::test]
async fn a_person_who_has_yet_to_choose_a_role_can_leave() {
    let mut client = Client::of(registry(), Some(person())).await;
    let role = |id: &str| json!({"person_roleid": id, "org_code": "ZEX01", "role_code": "R8000"});
    let two = json!({"selected_roleid": null, "nhsid_nrbac_roles": [role("1"), role("2")]});
    client.token = client.signer.token(&two);

    assert_eq!(post(&client, "/oauth/sign-out", &[]).await.status, 204);
}

#[tokio::test]
async fn without_a_token_or_with_a_wrong_form_nothing_ends() {
    let mut client = Client::of(registry(), Some(person())).await;
    let good = client.token.clone();
    for form in [&[("everywhere", "yes")][..], &[("everywhere", "true"), ("everywhere", "false")]] {
        assert_eq!(post(&client, "/oauth/sign-out", form).await.status, 400);
    }
    client.token = "no token".to_owned();
    assert_eq!(post(&client, "/oauth/sign-out", &[]).await.status, 401);
    for anothers in [json!({"sub": "council:1234"}), json!({"sid": "council:s1"})] {
        client.token = client.signer.token(&anothers);
        let everywhere = [("everywhere", "true")];
        assert_eq!(post(&client, "/oauth/sign-out", &everywhere).await.status, 401, "{anothers}");
    }

    client.token = good;
    assert_eq!(status(&client).await, 200);
}

/// A good logout token's claims, with changes; `null` takes one away.
fn claims(changes: &Value) -> Value {
    let now = SystemClock.now().as_second();
    let mut claims = json!({
        "iss": ISSUER, "aud": "another-portal", "iat": now, "exp": now + 120,
        "jti": format!("j-{changes}"), "events": {EVENT: {}},
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        }
    }
    claims
}

async fn told(client: &Client, token: &str) -> Answer {
    post(client, "/oauth/back-channel-logout", &[("logout_token", token)]).await
}

#[tokio::test]
async fn the_provider_ends_one_session_or_all_of_a_person() {
    for (changes, other_goes_on) in [
        (json!({"sid": "session-1", "sub": "555021900100"}), true),
        (json!({"sub": "555021900100"}), false),
    ] {
        let mut client = Client::of(registry(), Some(person())).await;
        let token = client.signer.sign_as("logout+jwt", &claims(&changes));

        let answer = told(&client, &token).await;

        assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"));
        assert_eq!(client.audited().await[0].actor.as_ref().unwrap().id, ISSUER);
        assert_eq!(status(&client).await, 401);
        client.token = client.signer.token(&json!({"sid": "another"}));
        assert_eq!(status(&client).await == 200, other_goes_on, "{changes}");
        assert_eq!(told(&client, &token).await.status, 400, "a replay");
    }
}

#[tokio::test]
async fn another_provider_ends_what_is_its_own() {
    let mut client = Client::of(registry(), Some(person())).await;
    let (iss, aud) = (providers::COUNCIL, "carerecord");
    let token = claims(&json!({"iss": iss, "aud": aud, "sid": "session-1"}));
    let token = client.signer.sign_as("logout+jwt", &token);
    let form = [("logout_token", token.as_str())];

    assert_eq!(told(&client, &token).await.status, 400, "it is not the first one's");
    let unknown = post(&client, "/oauth/back-channel-logout/nobody", &form).await;
    assert_eq!((unknown.status, unknown.text.contains("no such provider")), (400, true));
    assert_eq!(post(&client, "/oauth/back-channel-logout/council", &form).await.status, 200);
    assert_eq!(status(&client).await, 200, "the first one's session of the same id");
    client.token = client.signer.token(&json!({"iss": iss, "dept": "ZEX05", "groups": ["sw"],
        "nhsid_nrbac_roles": [], "selected_roleid": null}));
    assert_eq!(status(&client).await, 401);
}

#[tokio::test]
async fn what_is_no_good_logout_token_ends_nothing() {
    let client = Client::of(registry(), Some(person())).await;
    let now = SystemClock.now().as_second();
    for (changes, why) in [
        (json!({"iss": "https://evil.example"}), "not right"),
        (json!({"aud": "another"}), "not right"),
        (json!({"aud": "carerecord-api"}), "not right"),
        (json!({"aud": null}), "not right"),
        (json!({"iat": now - 400}), "too old"),
        (json!({"iat": now + 60}), "time to come"),
        (json!({"exp": now - 60}), "too old"),
        (json!({"iat": null}), "no signed token"),
        (json!({"jti": null}), "no signed token"),
        (json!({"jti": ""}), "does not say"),
        (json!({"nonce": "n"}), "does not say"),
        (json!({"events": null}), "no signed token"),
        (json!({"events": {}}), "does not say"),
        (json!({"events": {EVENT: "yes"}}), "does not say"),
        (json!({"sid": null}), "does not say"),
        (json!({"sid": ""}), "does not say"),
    ] {
        let mut all = claims(&json!({"sid": "session-1"}));
        let change = claims(&changes);
        for name in changes.as_object().unwrap().keys() {
            all[name] = change[name].clone();
            if change[name].is_null() {
                all.as_object_mut().unwrap().remove(name);
            }
        }
        let answer = told(&client, &client.signer.sign_as("JWT", &all)).await;
        assert_eq!(answer.status, 400, "{changes}");
        assert!(answer.text.contains(why), "{changes}: {}", answer.text);
    }
    let good = claims(&json!({"sid": "session-1"}));
    let signed = client.signer.sign_as("logout+jwt", &good);
    let (head, _) = signed.rsplit_once('.').unwrap();
    let other = Client::of(registry(), None).await;
    for token in [
        other.signer.sign_as("JWT", &good),
        client.signer.sign_as("at+jwt", &good),
        client.token.clone(),
        format!("{head}.AAAA"),
        signed.replacen('.', ".e30", 1),
        format!("eyJhbGciOiJub25lIiwidHlwIjoibG9nb3V0K2p3dCJ9.{good}."),
        "x".repeat(9000),
        String::new(),
    ] {
        assert_eq!(told(&client, &token).await.status, 400);
    }
    assert_eq!(post(&client, "/oauth/back-channel-logout", &[]).await.status, 400);
    assert_eq!(status(&client).await, 200);
    assert_eq!(told(&client, &signed).await.status, 200);
}

#[tokio::test]
async fn a_provider_may_send_again_what_could_not_be_stored() {
    let client = Client::of(registry(), Some(person())).await;
    let token = client.signer.sign_as("JWT", &claims(&json!({"sid": "session-1"})));
    client.database.close().await;

    assert_eq!(told(&client, &token).await.status, 503);
}

const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
