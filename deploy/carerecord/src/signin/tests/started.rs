//! A provider that listens, and a client that talks to it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};

use carerecord_service::RandomIds;
use jiff::Timestamp;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use reqwest::redirect::Policy;
use serde_json::Value;

use super::super::*;

pub(super) const NOW: i64 = 1_790_000_000;
pub(super) const GP: &str = "555021900100";
pub(super) const TWO_ROLES: &str = "555021900700";
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(super) struct TestTime(AtomicI64);

impl TestTime {
    pub(super) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestTime {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).expect("a time of this century")
    }
}

/// A provider that listens, and a client that follows no redirects.
pub(super) struct Started {
    base: String,
    pub(super) issuer: String,
    http: reqwest::Client,
    pub(super) clock: Arc<TestTime>,
    pub(super) folder: tempfile::TempDir,
    _lifecycle: Lifecycle,
}

impl Started {
    pub(super) async fn new() -> Self {
        Self::in_folder(tempfile::tempdir().expect("a folder"), None).await
    }

    /// With clients that want to be told of sign-outs there.
    pub(super) async fn telling(addresses: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::start(folder, None, addresses).await
    }

    pub(super) async fn in_folder(folder: tempfile::TempDir, issuer: Option<String>) -> Self {
        Self::start(folder, issuer, &[]).await
    }

    async fn start(
        folder: tempfile::TempDir,
        issuer: Option<String>,
        addresses: &[(&str, &str)],
    ) -> Self {
        let http = reqwest_client();
        let listener = Listener::bind(ListenerConfig::loopback(0)).await.expect("a free port");
        let base = format!("http://{}", listener.address());
        let issuer = issuer.unwrap_or_else(|| base.clone());
        let clock = test_time();
        let mut config = config(&folder, &issuer);
        for client in &mut config.clients {
            let mut its = addresses.iter().filter(|(id, _)| *id == client.client_id);
            client.logout_uri = its.next().map(|(_, uri)| (*uri).to_owned());
        }
        let routes = router(config, clock.clone(), Arc::new(RandomIds)).expect("a good set-up");
        let lifecycle = Lifecycle::new();
        listener.serve("signin", routes, Arc::new(RandomIds), &lifecycle);
        Self { base, issuer, http, clock, folder, _lifecycle: lifecycle }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        Answer::of(self.http.get(format!("{}{path}", self.base))).await
    }

    pub(super) async fn json(&self, path: &str) -> Value {
        self.get(path).await.json()
    }

    pub(super) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        Answer::of(self.form(path, form)).await
    }

    pub(super) async fn basic(&self, id: &str, secret: &str, form: &[(&str, &str)]) -> Answer {
        Answer::of(self.form("/token", form).basic_auth(id, Some(secret))).await
    }

    pub(super) fn form(&self, path: &str, form: &[(&str, &str)]) -> reqwest::RequestBuilder {
        self.http
            .post(format!("{}{path}", self.base))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(encoded(form))
    }

    pub(super) async fn userinfo(&self, token: &Value) -> Answer {
        let token = token.as_str().expect("a token");
        Answer::of(self.http.get(format!("{}/userinfo", self.base)).bearer_auth(token)).await
    }

    pub(super) async fn authorize(&self, changes: &[(&str, &str)]) -> Answer {
        self.get(&format!("/authorize?{}", authorize_query(changes))).await
    }

    /// Chooses a person on the page; returns the parameters the client is given.
    pub(super) async fn choose(&self, page: &Answer, user_id: &str) -> HashMap<String, String> {
        let form = [("transaction", &*page.transaction()), ("account", user_id)];
        self.post("/authorize", &form).await.redirect()
    }

    pub(super) async fn redeem(&self, code: &str, changes: &[(&str, &str)]) -> Answer {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", "http://localhost:8080/callback"),
            ("code_verifier", VERIFIER),
            ("client_id", "portal"),
            ("client_secret", "portal-secret"),
        ];
        self.post("/token", &changed(&form, changes)).await
    }

    pub(super) async fn refresh(&self, tokens: &Value) -> Answer {
        let refresh_token = tokens["refresh_token"].as_str().expect("a refresh token");
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
            ("client_id", "portal"),
            ("client_secret", "portal-secret"),
        ];
        self.post("/token", &form).await
    }

    pub(super) async fn sign_in(&self, user_id: &str) -> Value {
        let page = self.authorize(&[]).await;
        let back = self.choose(&page, user_id).await;
        self.redeem(&back["code"], &[]).await.json()
    }

    /// Checks a token as its receiver does, with the published keys.
    pub(super) async fn claims(&self, token: &Value, typ: &str, audience: &str) -> Value {
        let token = token.as_str().expect("a token");
        let keys: JwkSet = serde_json::from_value(self.json("/jwks").await).expect("keys");
        let header = jsonwebtoken::decode_header(token).expect("a header");
        let key = keys.find(header.kid.as_deref().expect("a key id")).expect("the key");
        assert_eq!(header.typ.as_deref(), Some(typ));
        assert_eq!(serde_json::to_value(key).expect("JSON").get("d"), None, "the private part");
        let mut validation = Validation::new(Algorithm::ES256);
        validation.validate_exp = false;
        validation.set_audience(&[audience]);
        validation.set_issuer(&[&self.issuer]);
        let key = DecodingKey::from_jwk(key).expect("a key");
        jsonwebtoken::decode::<Value>(token, &key, &validation).expect("a good token").claims
    }
}

pub(super) fn test_time() -> Arc<TestTime> {
    Arc::new(TestTime(AtomicI64::new(NOW)))
}

pub(super) fn reqwest_client() -> reqwest::Client {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder().redirect(Policy::none()).build().expect("a client")
}

pub(super) fn config(folder: &tempfile::TempDir, issuer: &str) -> SignInConfig {
    SignInConfig {
        issuer: Url::parse(issuer).expect("a URL"),
        listen: ListenerConfig::loopback(0),
        clients: clients(),
        accounts: demo_accounts(),
        api_audience: "carerecord-api".to_owned(),
        key_path: folder.path().join("signin.key"),
        access_token_seconds: 900,
    }
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HashMap<String, String>,
    pub(super) text: String,
}

impl Answer {
    pub(super) async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        let headers = response.headers().iter().map(|(name, value)| {
            (name.as_str().to_owned(), value.to_str().expect("text").to_owned())
        });
        let (status, headers) = (response.status().as_u16(), headers.collect());
        Self { status, headers, text: response.text().await.expect("text") }
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("JSON")
    }

    pub(super) fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    pub(super) fn transaction(&self) -> String {
        let (_, rest) = self.text.split_once("name=\"transaction\" value=\"").expect("a form");
        rest.split('"').next().expect("a value").to_owned()
    }

    /// The parameters of a redirect to the portal.
    pub(super) fn redirect(&self) -> HashMap<String, String> {
        assert_eq!(self.status, 303, "{}", self.text);
        let url = Url::parse(&self.headers["location"]).expect("a URL");
        assert!(url.as_str().starts_with("http://localhost:8080/callback?"), "{url}");
        url.query_pairs().into_owned().collect()
    }
}

pub(super) fn authorize_query(changes: &[(&str, &str)]) -> String {
    let query = [
        ("client_id", "portal"),
        ("redirect_uri", "http://localhost:8080/callback"),
        ("response_type", "code"),
        (
            "scope",
            "openid profile nhsperson nationalrbacaccess associatedorgs selectedrole user/*.read \
             something-else",
        ),
        ("state", "state-1"),
        ("nonce", "nonce-1"),
        ("acr_values", "AAL2_OR_AAL3_ANY"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    encoded(&changed(&query, changes))
}

/// The pairs, with those of the same name replaced and others added.
pub(super) fn changed<'a>(
    pairs: &[(&'a str, &'a str)],
    changes: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let is_changed = |name: &str| changes.iter().any(|(changed, _)| *changed == name);
    let kept = pairs.iter().filter(|(name, _)| !is_changed(name));
    kept.chain(changes).copied().collect()
}

pub(super) fn encoded(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

pub(super) fn clients() -> Vec<Client> {
    let person = |client_id: &str, secret: Option<&str>| Client {
        client_id: client_id.to_owned(),
        secret: secret.map(Secret::new),
        redirect_uris: vec![
            "http://localhost:8080/callback".to_owned(),
            "http://localhost:8080/other".to_owned(),
        ],
        post_logout_redirect_uris: vec!["http://localhost:8080/signed-out".to_owned()],
        logout_uri: None,
        kind: ClientKind::Portal,
    };
    let system = ClientKind::System {
        organisation: "ZEX09".to_owned(),
        scopes: vec!["system/*.read".to_owned()],
    };
    vec![
        person("portal", Some("portal-secret")),
        person("second", Some("second-secret")),
        person("public", None),
        Client {
            kind: system,
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            ..person("script", Some("script-secret"))
        },
    ]
}
