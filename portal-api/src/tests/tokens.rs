//! Access tokens that are not for us, not of the provider, or not for now.

use super::*;

#[tokio::test]
async fn tokens_are_taken_only_from_the_provider_for_us_and_now() {
    let mut client = Client::of(registry(), Some(person())).await;
    let now = SystemClock.now().as_second();
    let stranger = {
        let random = aws_lc_rs::rand::SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Signer { key: EncodingKey::from_ec_der(der.as_ref()), header: client.signer.header.clone() }
    };
    let with_header = |change: fn(&mut Header)| {
        let mut header = client.signer.header.clone();
        change(&mut header);
        let changed = Signer { key: client.signer.key.clone(), header };
        changed.token(&json!({}))
    };
    let good = client.signer.token(&json!({}));
    let [head, claims, signature]: [&str; 3] =
        good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0Iiwia2lkIjoiayJ9";
    let bad = [
        ("another audience", client.signer.token(&json!({"aud": "another-api"}))),
        ("no audience", client.signer.token(&json!({"aud": null}))),
        ("another issuer", client.signer.token(&json!({"iss": "https://evil.example"}))),
        ("over", client.signer.token(&json!({"exp": now - 120}))),
        ("not yet", client.signer.token(&json!({"nbf": now + 120}))),
        ("another key", stranger.token(&json!({}))),
        ("another kind", with_header(|h| h.typ = Some("JWT".into()))),
        ("an unknown key", with_header(|h| h.kid = Some("other".into()))),
        ("no key", with_header(|h| h.kid = None)),
        ("demands", with_header(|h| h.crit = Some(vec!["b64".into()]))),
        ("unsigned", format!("{none}.{claims}.")),
        ("without its signature", format!("{head}.{claims}.")),
        ("another's claims", format!("{head}.{}.{signature}", claims.replace('e', "f"))),
        ("four parts", format!("{good}.{signature}")),
        ("nothing", String::new()),
    ];
    for (what, token) in bad {
        client.token = token;
        let answer = client.get(&format!("/DocumentReference/{ID}"), &[]).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text);
    }
    client.token = good;
    assert_eq!(client.get(&format!("/DocumentReference/{ID}"), &[]).await.status, 200);
    let events = client.audited().await;
    let refused = events.iter().filter(|e| e.outcome == carerecord_audit::AuditOutcome::Refused);
    assert_eq!(refused.count(), 15, "each is recorded");
}
