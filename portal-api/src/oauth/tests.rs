use std::sync::Mutex;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use carerecord_access::{Caller, Purpose, Right};
use carerecord_audit::AuditEvent;
use carerecord_model::RandomIds;
use carerecord_service::AuditDraft;
use carerecord_service::signing::make_key;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::error::{AssertionError as A, OAuthFailure as F};
use super::form::OAuthForm;
use super::*;

struct World {
    oauth: OAuth,
    clock: Arc<Hands>,
    /// Of the client "reader": P-256, RSA, P-384.
    signs: [(EncodingKey, &'static str); 3],
    number: std::cell::Cell<u32>,
    folder: TempDir,
}

/// A clock that is put.
pub(super) struct Hands(pub(super) Mutex<Timestamp>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        make_key(&file("oauth.key"), &file("oauth.json")).unwrap();
        make_key(&file("reader.key"), &file("spare.json")).unwrap();
        let pem = std::fs::read(file("reader.key")).unwrap();
        let rsa = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let rsa = pem_of(rsa.as_der().unwrap().as_ref());
        let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        let p384 = pem_of(p384.to_pkcs8v1().unwrap().as_ref());
        let signs = [
            (EncodingKey::from_ec_pem(&pem).unwrap(), "p256"),
            (EncodingKey::from_rsa_pem(rsa.as_bytes()).unwrap(), "rsa"),
            (EncodingKey::from_ec_pem(p384.as_bytes()).unwrap(), "p384"),
        ];
        let algorithms = [Algorithm::ES256, Algorithm::RS256, Algorithm::ES384];
        let public = |((key, id), algorithm): (&(EncodingKey, &str), Algorithm)| {
            let mut jwk = Jwk::from_encoding_key(key, algorithm).unwrap();
            jwk.common.key_id = Some((*id).to_owned());
            jwk.common.key_algorithm = None;
            serde_json::to_value(jwk).unwrap()
        };
        let set: Vec<Value> = signs.iter().zip(algorithms).map(public).collect();
        std::fs::write(file("reader.json"), json!({ "keys": set }).to_string()).unwrap();
        let clock = Arc::new(Hands(Mutex::new("2026-11-27T09:00:00.5Z".parse().unwrap())));
        let config = config(&json!({"keys": [set[0]]}));
        let database = Database::open(&file("portal.db")).await.unwrap();
        let ids = Arc::new(RandomIds);
        let oauth =
            OAuth::new(&config, folder.path(), BASE, database, clock.clone(), ids, None).unwrap();
        Self { oauth, clock, signs, number: 0.into(), folder }
    }

    fn wait(&self, seconds: i64) {
        *self.clock.0.lock().unwrap() += SignedDuration::from_secs(seconds);
    }

    fn assertion(&self, change: &Value) -> String {
        self.signed(0, Algorithm::ES256, |_| {}, change)
    }

    fn signed(
        &self,
        key: usize,
        algorithm: Algorithm,
        header: impl FnOnce(&mut Header),
        change: &Value,
    ) -> String {
        let number = self.number.get() + 1;
        self.number.set(number);
        let now = self.clock.now().as_second();
        let mut claims = json!({
            "iss": "reader", "sub": "reader", "aud": format!("{ISSUER}/oauth/token"),
            "jti": format!("jti-{number}"), "iat": now, "exp": now + 300,
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let (signing, id) = &self.signs[key];
        let mut head = Header::new(algorithm);
        head.kid = Some((*id).to_owned());
        header(&mut head);
        jsonwebtoken::encode(&head, &claims, signing).unwrap()
    }

    async fn ask(&self, assertion: &str, more: &str) -> Result<Value, F> {
        self.post(&form(assertion, more)).await
    }

    async fn post(&self, body: &str) -> Result<Value, F> {
        let form = OAuthForm::read("application/x-www-form-urlencoded", body)?;
        self.oauth.give(&form, None, &draft(self.clock.now())).await
    }

    async fn judge(&self, answer: &Value) -> OwnToken {
        let token = answer["access_token"].as_str().unwrap();
        self.oauth.judge(token).await.unwrap().unwrap()
    }

    /// The right assertion with one thing changed.
    async fn refuses(&self, change: Value) -> F {
        self.ask(&self.assertion(&change), "").await.unwrap_err()
    }
}

pub(super) fn draft(now: Timestamp) -> AuditDraft {
    AuditDraft::detached(AuditEvent::incoming(RandomIds.ordered(), now, "test", "http"))
}

fn form(assertion: &str, more: &str) -> String {
    let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
    format!(
        "grant_type=client_credentials&client_assertion_type={kind}&client_assertion={assertion}{more}"
    )
}

fn config(inline: &Value) -> OAuthConfig {
    serde_json::from_value(json!({
        "key": "oauth.key", "keys": "oauth.json",
        "client": [
            {"id": "reader", "organisation": "ZEX09", "organisation_name": "Example Region",
             "keys": "reader.json", "scopes": ["system/*.rs"],
             "purposes": ["direct-care", "audit"], "requests_per_minute": 30},
            {"id": "node", "organisation": "ZEX01", "keys": inline, "scopes": [],
             "may_introspect": true},
        ],
    }))
    .unwrap()
}

fn pem_of(der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

#[tokio::test]
async fn a_client_gets_a_token_that_says_who_it_is_and_what_for() {
    let world = World::new().await;
    let audit = json!({"extensions": {"ihe_iua": {"purpose_of_use": [{"code": "audit"}]}}});

    let more = "&scope=system/Patient.rs%20system/List.r%20system/Consent.c&client_id=reader";
    let answer = world.ask(&world.assertion(&json!({})), more).await.unwrap();
    let audited = world.ask(&world.assertion(&audit), "").await.unwrap();

    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&"Bearer".into(), &300.into()));
    assert_eq!(answer["scope"], "system/Patient.rs system/List.r", "of what there is none nothing");
    let claims = world.oauth.claims(answer["access_token"].as_str().unwrap()).unwrap();
    assert_eq!((claims.iss.as_str(), claims.aud.as_str()), (ISSUER, BASE));
    let iua = claims.extensions.ihe_iua;
    assert_eq!(iua.subject_organization.as_deref(), Some("Example Region"));
    assert!(iua.subject_organization_id.unwrap().ends_with("/ZEX09"));
    assert_eq!(iua.purpose_of_use[0].code, "TREAT");
    let own = world.judge(&answer).await;
    let Caller::System(system) = own.caller else { panic!("a system") };
    assert_eq!((system.name.as_str(), own.purpose), ("reader", Purpose::DirectCare));
    assert_eq!(system.rights, [Right::Query, Right::Retrieve]);
    let own = world.judge(&audited).await;
    assert_eq!((own.purpose, own.scopes.to_string()), (Purpose::Audit, "system/*.rs".to_owned()));
}

#[tokio::test]
async fn every_algorithm_that_is_told_of_is_taken_and_no_other() {
    let world = World::new().await;
    for algorithm in assertion::ALGORITHMS {
        let by_kind = [(Algorithm::ES256, 0), (Algorithm::ES384, 2)];
        let key = by_kind.iter().find(|(kind, _)| *kind == algorithm).map_or(1, |(_, key)| *key);
        let assertion = world.signed(key, algorithm, |_| {}, &json!({}));
        assert!(world.ask(&assertion, "").await.is_ok(), "{algorithm:?}");
    }
    let secret = EncodingKey::from_secret(b"the public key, as a secret");
    let claims = json!({"iss": "reader", "sub": "reader"});
    let hmac = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &secret).unwrap();
    let none = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJyZWFkZXIiLCJzdWIiOiJyZWFkZXIifQ.";

    assert_eq!(world.ask(&hmac, "").await, Err(A::Algorithm.into()));
    assert_eq!(world.ask(none, "").await, Err(A::Malformed.into()));
    // A key of one kind under the name of another.
    let other = world.signed(0, Algorithm::ES256, |h| h.kid = Some("rsa".into()), &json!({}));
    assert_eq!(world.ask(&other, "").await, Err(A::UnknownKey.into()));
}

#[tokio::test]
async fn what_does_not_show_the_client_gets_no_token() {
    let world = World::new().await;
    let now = world.clock.now().as_second();
    let issuer = json!({"aud": [ISSUER]});
    assert!(world.ask(&world.assertion(&issuer), "").await.is_ok());

    for (change, error) in [
        (json!({"iss": "writer", "sub": "writer"}), A::UnknownClient),
        (json!({"sub": "node"}), A::Subject),
        (json!({"aud": "https://other.example/oauth/token"}), A::Audience),
        (json!({"aud": [ISSUER, "https://other.example"]}), A::Audience),
        (json!({"aud": []}), A::Audience),
        (json!({"aud": format!("{ISSUER}/oauth/introspect")}), A::Audience),
        (json!({"exp": now - 31}), A::Time),
        (json!({"exp": now + 331}), A::TooLong),
        (json!({"exp": i64::MAX}), A::Time),
        (json!({"iat": now + 60}), A::Time),
        (json!({"nbf": now + 60}), A::Time),
        (json!({"jti": ""}), A::Malformed),
        (json!({"jti": null}), A::Malformed),
        (json!({"jti": "x".repeat(200)}), A::Malformed),
        (json!({"exp": null}), A::Malformed),
    ] {
        assert_eq!(world.refuses(change.clone()).await, error.into(), "{change}");
    }
    let good = world.assertion(&json!({}));
    let other = world.assertion(&json!({}));
    let (signed, _) = good.rsplit_once('.').unwrap();
    let (_, signature) = other.rsplit_once('.').unwrap();
    assert_eq!(world.ask(&format!("{signed}.{signature}"), "").await, Err(A::Signature.into()));
    let unknown = world.signed(0, Algorithm::ES256, |h| h.kid = Some("x".into()), &json!({}));
    assert_eq!(world.ask(&unknown, "").await, Err(A::UnknownKey.into()));
    let unnamed = world.signed(0, Algorithm::ES256, |h| h.kid = None, &json!({}));
    assert_eq!(world.ask(&unnamed, "").await, Err(A::UnknownKey.into()), "there are several");
    let typed = world.signed(0, Algorithm::ES256, |h| h.typ = Some("at+jwt".into()), &json!({}));
    assert_eq!(world.ask(&typed, "").await, Err(A::Malformed.into()));
    assert_eq!(world.ask(&good, "&client_id=node").await, Err(A::Subject.into()));
    assert!(world.ask(&good, "").await.is_ok(), "what is refused is not used up");
    assert_eq!(world.ask(&good, "").await, Err(A::Replayed.into()));
}

#[tokio::test]
async fn requests_that_are_none_are_refused_by_their_code() {
    let world = World::new().await;
    let fresh = || form(&world.assertion(&json!({})), "");
    let text = OAuthForm::read("text/plain", "grant_type=client_credentials");
    assert_eq!(text.err(), Some(F::Request));

    for (body, error) in [
        (String::new(), F::Request),
        ("grant_type=password&username=a&password=b".to_owned(), F::GrantType),
        ("grant_type=client_credentials".to_owned(), A::Missing.into()),
        (fresh() + "&scope=a&scope=b", F::Request),
        (fresh() + "&scope=system/Patient.cud", F::Scope),
        (fresh() + "&resource=https://other.example", F::Target),
        (fresh() + "&requested_token_type=urn:ietf:params:oauth:token-type:saml2", F::Request),
        (fresh().replace("jwt-bearer", "saml2-bearer"), A::Missing.into()),
    ] {
        assert_eq!(world.post(&body).await.err(), Some(error), "{body}");
    }
    assert!(world.post(&(fresh() + "&resource=" + BASE + "&scope=")).await.is_ok());
    let other = json!({"extensions": {"ihe_iua": {"purpose_of_use": [{"code": "legal"}]}}});
    assert_eq!(world.refuses(other).await, F::Purpose);
    // A resource server that may ask for nothing.
    let node = json!({"iss": "node", "sub": "node"});
    assert_eq!(world.refuses(node).await, F::Scope);
}

#[tokio::test]
async fn a_client_that_asks_too_often_waits() {
    let world = World::new().await;
    for _ in 0..30 {
        assert!(world.ask(&world.assertion(&json!({})), "").await.is_ok());
    }
    assert_eq!(world.refuses(json!({})).await, F::TooMany);
    world.wait(61);
    assert!(world.ask(&world.assertion(&json!({})), "").await.is_ok());
    for _ in 0..30 {
        assert_eq!(world.refuses(json!({"aud": "x"})).await, A::Audience.into());
    }
    assert_eq!(world.refuses(json!({"aud": "x"})).await, F::TooMany);
}

#[tokio::test]
async fn a_token_ends_and_only_those_who_may_learn_of_it() {
    let world = World::new().await;
    let answer = world.ask(&world.assertion(&json!({})), "").await.unwrap();
    let token = answer["access_token"].as_str().unwrap();
    let tell = async |sub: &str, token: &str| {
        let assertion = world.assertion(&json!({"iss": sub, "sub": sub}));
        let body = form(&assertion, &format!("&token={token}"));
        let form = OAuthForm::read("application/x-www-form-urlencoded", &body).unwrap();
        world.oauth.tell(&form, None, None, &draft(world.clock.now())).await
    };

    let told = tell("node", token).await.unwrap();
    assert_eq!((&told["active"], &told["client_id"]), (&true.into(), &"reader".into()));
    assert_eq!(told["extensions"]["ihe_iua"]["purpose_of_use"][0]["code"], "TREAT");
    assert_eq!(tell("reader", token).await, Err(F::NotPermitted));
    assert_eq!(tell("node", "x.y.z").await, Ok(json!({"active": false})));
    assert_eq!(tell("node", &world.assertion(&json!({}))).await, Ok(json!({"active": false})));
    world.wait(300);
    assert_eq!(tell("node", token).await, Ok(json!({"active": false})));
    assert!(world.oauth.judge(token).await.unwrap().is_none() && world.oauth.is_own(token));
}

#[tokio::test]
async fn keys_that_are_none_are_refused_at_the_start() {
    let world = World::new().await;
    let database = Database::open(&world.folder.path().join("other.db")).await.unwrap();
    let start = |config: &OAuthConfig| {
        let (clock, ids) = (world.clock.clone(), Arc::new(RandomIds));
        OAuth::new(config, world.folder.path(), BASE, database.clone(), clock, ids, None)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    let jwk = |jwk: Value| start(&config(&json!({ "keys": [jwk] }))).unwrap_err();

    assert!(jwk(json!({"kty": "oct", "k": "c2VjcmV0"})).contains("secret key"));
    assert!(jwk(json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"})).contains("2048 bits"));
    assert!(
        jwk(json!({"kty": "EC", "crv": "P-256", "x": "", "y": "", "d": ""})).contains("secret")
    );
    assert!(start(&config(&json!({"keys": []}))).unwrap_err().contains("no key"));
    assert!(start(&config(&json!("missing.json"))).unwrap_err().contains("missing.json"));
    let mut write = config(&json!("reader.json"));
    write.clients[0].scopes = vec!["system/Consent.c".to_owned()];
    assert!(start(&write).unwrap_err().contains("no scope that systems can have"));
    let mut misfit = config(&json!("reader.json"));
    misfit.keys = "spare.json".into();
    assert!(start(&misfit).unwrap_err().contains("not among"));
    let mut twice = config(&json!("reader.json"));
    twice.clients[1].id = "reader".to_owned();
    assert!(start(&twice).unwrap_err().contains("twice"));
}

pub(super) const ISSUER: &str = "https://portal.example";
pub(super) const BASE: &str = "https://portal.example/fhir";
