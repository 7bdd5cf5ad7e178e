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
