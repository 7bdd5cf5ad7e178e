//! Systems get access tokens of the portal, and read by them.

use base64::Engine as _;
use carerecord_testkit::{
    Deployment, Letter, NODES, PATIENT, Role, cda_document, provide_bundle, simplified_publish,
};
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// By what the portal tells of itself, a system gets a token, reads by it as far as its scopes go,
/// and a resource server learns what the token is worth.
pub async fn a_system_reads_by_a_token_of_its_own(deployment: Deployment) {
    let letter = Letter::text(PATIENT, 1);
    assert!(deployment.node(0).publish(&letter).await.unwrap().is_success());
    let system = System::of(&deployment).await;

    let token = system.token("&scope=system%2FDocumentReference.rs%20system%2FBinary.r").await;
    let (status, bundle) = system.search(&token, "DocumentReference", &[]).await;
    assert_eq!(status, 200, "{bundle}");
    let url = bundle["entry"][0]["resource"]["content"][0]["attachment"]["url"].as_str().unwrap();
    let read = system.http.get(url).bearer_auth(&token).send().await.unwrap();
    assert_eq!((read.status().as_u16(), read.bytes().await.unwrap()), (200, letter.bytes.clone()));
    let (status, told) = system.search(&token, "List", &[]).await;
    assert_eq!(status, 403, "{told}");
    let (status, told) =
        system.search(&token, "DocumentReference", &[("x-purpose-of-use", "audit")]).await;
    assert_eq!(status, 403, "{told}");
    let (status, _) = system.search("x.y.z", "DocumentReference", &[]).await;
    assert_eq!(status, 401);

    let told = system.post("introspection_endpoint", &format!("&token={token}")).await.1;
    assert_eq!((&told["active"], &told["client_id"]), (&true.into(), &"demo-reader".into()));
    let told = system.post("introspection_endpoint", "&token=nonsense").await.1;
    assert_eq!(told, json!({"active": false}));

    let events = deployment.audit(Role::Portal);
    let of = |interaction: &str| {
        let found = events.iter().find(|e| e["interaction"] == interaction);
        found.unwrap_or_else(|| panic!("no record of {interaction}"))
    };
    let given = of("ITI-71 get access token");
    assert_eq!(
        (&given["actor"]["id"], &given["outcome"]),
        (&"demo-reader".into(), &"success".into())
    );
    assert_eq!(given["actor"]["known_by"], "client assertion", "{given}");
    assert!(given["listed"].to_string().contains("system/DocumentReference.rs"), "{given}");
    assert_eq!(of("ITI-102 introspect token")["actor"]["organisation"], "ZEX09");
    let read = of("ITI-68 read Binary");
    assert_eq!(
        (&read["actor"]["id"], &read["actor"]["known_by"]),
        (&"demo-reader".into(), &"token".into())
    );
    if deployment.is_apart() {
        let events = deployment.audit(Role::Node(0));
        let read = events.iter().rfind(|e| e["interaction"] == "ITI-43").unwrap();
        assert_eq!(read["actor"]["id"], "demo-reader", "{read}");
    }
    assert_eq!(NODES[0].1, "ZEX01", "the letter is of another organisation than the system");
    deployment.assert_no_panic();
}

/// A system publishes by FHIR with a token of its own that has the scope for it, and only so.
pub async fn a_system_publishes_by_a_token_of_its_own(deployment: Deployment) {
    let publisher = System { client: "demo-publisher", ..System::of(&deployment).await };
    let letter = Letter::text(PATIENT, 1);
    let bundle = provide_bundle("2.999.826.9.8.1", &[&letter]);

    let reads = publisher.token("&scope=system%2F*.rs").await;
    let (status, told) = publisher.provide(&reads, &bundle).await;
    assert_eq!(status, 403, "without the scope: {told}");
    let publishes = publisher.token("&scope=system%2FDocumentReference.c").await;
    let (status, told) = publisher.search(&publishes, "DocumentReference", &[]).await;
    assert_eq!(status, 403, "who publishes does not read by it: {told}");
    let (status, answer) = publisher.provide(&publishes, &bundle).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(publisher.provide(&publishes, &bundle).await, (200, answer), "a repeat");
    let both = publisher.token("").await;
    let (status, found) = publisher.search(&both, "DocumentReference", &[]).await;
    assert_eq!((status, &found["total"]), (200, &1.into()), "{found}");

    let reader = System::of(&deployment).await;
    let (status, told) = reader.post("token_endpoint", "&scope=system%2F*.write").await;
    assert_eq!((status, &told["error"]), (400, &"invalid_scope".into()), "{told}");
    let token = reader.token("").await;
    assert_eq!(reader.provide(&token, &bundle).await.0, 403);
    let events = deployment.audit(Role::Portal);
    let provided: Vec<&Value> =
        events.iter().filter(|e| e["interaction"] == "ITI-65 Provide Document Bundle").collect();
    assert_eq!(provided.len(), 2, "{provided:?}");
    assert!(provided.iter().all(|e| e["actor"]["id"] == "demo-publisher"), "{provided:?}");
    deployment.assert_no_panic();
}

/// Each way of publishing asks for the same: the scope to publish, and no other.
pub async fn each_way_of_publishing_goes_by_one_scope(deployment: Deployment) {
    let publisher = System { client: "demo-publisher", ..System::of(&deployment).await };
    let cda = cda_document(PATIENT, "2.999.826.9.8.5");
    let data = base64::engine::general_purpose::STANDARD.encode(cda);
    let binary = json!({"resourceType": "Binary", "contentType": "text/xml", "data": data});
    let document = json!({"name": "document", "resource": binary});
    let ways = [
        ("", provide_bundle("2.999.826.9.8.1", &[&Letter::text(PATIENT, 1)]), 200),
        ("/DocumentReference", simplified_publish(&Letter::text(PATIENT, 2)), 201),
        (
            "/DocumentReference/$generate-metadata",
            json!({"resourceType": "Parameters", "parameter": [document]}),
            200,
        ),
    ];
    let scopes = [
        ("system/DocumentReference.rs", false),
        ("system/*.rs", false),
        ("system/DocumentReference.c", true),
        ("system/*.crs", true),
    ];
    for (scope, may) in scopes {
        let token = publisher.token(&format!("&scope={}", scope.replace('/', "%2F"))).await;
        for (way, resource, created) in &ways {
            let (status, answer) = publisher.post_to(&token, way, resource).await;
            let expected = if may { *created } else { 403 };
            assert_eq!(status, expected, "{scope} at {way:?}: {answer}");
        }
        // What else is written there is not published.
        for other in ["/Consent", "/EpisodeOfCare", "/List", "/DocumentReference/$other"] {
            let (status, answer) = publisher.post_to(&token, other, &json!({})).await;
            assert!([403, 404, 405].contains(&status), "{scope} at {other}: {status} {answer}");
        }
    }
    let token = publisher.token("&scope=system%2F*.rs").await;
    let (_, found) = publisher.search(&token, "DocumentReference", &[]).await;
    assert_eq!(found["total"], 3, "{found}");
    deployment.assert_no_panic();
}

/// What stands beside what matches needs the scope of its own type.
pub async fn scopes_hold_for_what_is_included(deployment: Deployment) {
    let letter = Letter::text(PATIENT, 1);
    assert!(deployment.node(0).publish(&letter).await.unwrap().is_success());
    let system = System::of(&deployment).await;
    let with = |kind: &str, more: &str| (kind.to_owned(), more.to_owned());
    let relates = "status=current&_include=DocumentReference:relatesto&_revinclude=DocumentReference:relatesto";
    let lists = with("DocumentReference", "status=current&_revinclude=List:item");
    let related = with("DocumentReference", relates);
    let items = with("List", "status=current&code=submissionset&_include=List:item");
    let origins = with("Observation", "_revinclude=Provenance:target");
    for (scope, asked, expected) in [
        ("system/DocumentReference.rs", &lists, 403),
        ("system/DocumentReference.rs", &related, 200),
        ("system/DocumentReference.rs system/List.r", &lists, 403),
        ("system/DocumentReference.rs system/List.rs", &lists, 200),
        ("system/List.rs", &items, 403),
        ("system/List.rs system/DocumentReference.s", &items, 200),
        ("system/Observation.rs", &origins, 403),
        ("system/Observation.rs system/Provenance.rs", &origins, 200),
        ("system/*.rs", &lists, 200),
    ] {
        let form = scope.replace('/', "%2F").replace(' ', "%20");
        let token = system.token(&format!("&scope={form}")).await;
        let (kind, more) = asked;
        let (status, answer) = system.search_with(&token, kind, more, &[]).await;
        assert_eq!(status, expected, "{scope}, {kind}?{more}: {answer}");
        let text = answer.to_string();
        assert!(status == 200 || !text.contains("\"entry\""), "{scope}: {answer}");
        if status == 200 && *asked == lists {
            assert!(text.contains("\"include\"") && text.contains("\"List\""), "{answer}");
        }
    }
    deployment.assert_no_panic();
}

/// Without a right assertion there is no token, and there is a record.
pub async fn who_does_not_show_itself_gets_no_token(deployment: Deployment) {
    let system = System::of(&deployment).await;
    let stranger = System { key: stranger(), ..System::of(&deployment).await };
    let used = system.assertion(&json!({}));
    assert_eq!(system.send("token_endpoint", &used, "").await.0, 200);
    let now = now();

    let cases = [
        (used, "used before"),
        (stranger.assertion(&json!({})), "signature"),
        (system.assertion(&json!({"exp": now - 60})), "expired"),
        (system.assertion(&json!({"exp": now + 3600})), "five minutes"),
        (system.assertion(&json!({"aud": "https://other.example"})), "somebody else"),
        (system.assertion(&json!({"iss": "nobody", "sub": "nobody"})), "not known"),
        ("eyJhbGciOiJub25lIn0.e30.".to_owned(), "no JWT"),
        (String::new(), "client_assertion"),
    ];
    let mut expected = 1;
    for (assertion, why) in cases {
        let (status, told) = system.send("token_endpoint", &assertion, "").await;
        assert_eq!((status, &told["error"]), (401, &"invalid_client".into()), "{why}: {told}");
        assert!(told["error_description"].as_str().unwrap().contains(why), "{told}");
        expected += 1;
    }
    let (status, told) = system.post("token_endpoint", "&scope=system%2FPatient.cud").await;
    assert_eq!((status, &told["error"]), (400, &"invalid_scope".into()), "{told}");

    let events = deployment.audit(Role::Portal);
    let all: Vec<&Value> =
        events.iter().filter(|e| e["interaction"] == "ITI-71 get access token").collect();
    assert_eq!(all.len(), expected + 1, "{all:?}");
    let refused = all.iter().filter(|e| e["outcome"] == "refused");
    assert_eq!(refused.count(), expected, "{all:?}");
    assert!(
        all.iter().any(|e| e["actor"]["id"] == "nobody" && e["actor"]["known_by"] == "not shown")
    );
    deployment.assert_no_panic();
}

/// The system that may read, with what the portal tells of itself.
struct System {
    client: &'static str,
    http: reqwest::Client,
    portal: String,
    described: Value,
    key: EncodingKey,
    id: String,
    number: std::cell::Cell<u32>,
}

impl System {
    async fn of(deployment: &Deployment) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let portal = deployment.url(Role::Portal, "");
        let get = async |path: &str| -> Value {
            let answer = http.get(format!("{portal}{path}")).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), 200, "{path}");
            answer.json().await.unwrap()
        };
        let described = get("/.well-known/oauth-authorization-server").await;
        let smart = get("/fhir/.well-known/smart-configuration").await;
        assert_eq!(described["issuer"], portal);
        assert_eq!(smart["token_endpoint"], described["token_endpoint"]);
        assert_eq!(
            smart["grant_types_supported"],
            json!(["authorization_code", "client_credentials"])
        );
        let keys = get("/oauth/jwks").await;
        assert_eq!(keys["keys"].as_array().unwrap().len(), 1, "{keys}");
        assert!(keys["keys"][0].get("d").is_none(), "the public half alone");
        let key = EncodingKey::from_ec_pem(&std::fs::read(deployment.client_key()).unwrap());
        let key = key.unwrap();
        let jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
        let id = jwk.thumbprint(ThumbprintHash::SHA256).unwrap();
        Self { client: "demo-reader", http, portal, described, key, id, number: 0.into() }
    }

    fn assertion(&self, change: &Value) -> String {
        let number = self.number.get() + 1;
        self.number.set(number);
        let now = now();
        let mut claims = json!({
            "iss": self.client, "sub": self.client, "aud": self.described["token_endpoint"],
            "jti": format!("{:p}-{number}", &raw const *self), "iat": now, "exp": now + 60,
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.id.clone());
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap()
    }

    async fn send(&self, endpoint: &str, assertion: &str, more: &str) -> (u16, Value) {
        let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        let body = format!(
            "grant_type=client_credentials&client_assertion_type={kind}\
             &client_assertion={assertion}{more}"
        );
        let request = self.http.post(self.described[endpoint].as_str().unwrap()).body(body);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["cache-control"], "no-store");
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn post(&self, endpoint: &str, more: &str) -> (u16, Value) {
        self.send(endpoint, &self.assertion(&json!({})), more).await
    }

    async fn token(&self, more: &str) -> String {
        let (status, answer) = self.post("token_endpoint", more).await;
        assert_eq!((status, &answer["token_type"]), (200, &"Bearer".into()), "{answer}");
        answer["access_token"].as_str().unwrap().to_owned()
    }

    async fn provide(&self, token: &str, bundle: &Value) -> (u16, Value) {
        self.post_to(token, "", bundle).await
    }

    async fn post_to(&self, token: &str, path: &str, resource: &Value) -> (u16, Value) {
        let request = self.http.post(format!("{}/fhir{path}", self.portal)).bearer_auth(token);
        let request = request.header("content-type", "application/fhir+json");
        let answer = request.body(resource.to_string()).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn search(&self, token: &str, kind: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        self.search_with(token, kind, "status=current", headers).await
    }

    async fn search_with(
        &self,
        token: &str,
        kind: &str,
        more: &str,
        headers: &[(&str, &str)],
    ) -> (u16, Value) {
        let patient = format!("https://fhir.nhs.uk/Id/nhs-number|{PATIENT}");
        let form = format!("patient.identifier={patient}&{more}");
        let request = self.http.post(format!("{}/fhir/{kind}/_search", self.portal)).body(form);
        let mut request =
            request.header("content-type", "application/x-www-form-urlencoded").bearer_auth(token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        if status == 403 {
            let told = answer.headers()["www-authenticate"].to_str().unwrap();
            assert!(told.contains("insufficient_scope"), "{told}");
        }
        (status, answer.json().await.unwrap())
    }
}

fn stranger() -> EncodingKey {
    EncodingKey::from_ec_pem(rcgen::KeyPair::generate().unwrap().serialize_pem().as_bytes())
        .unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the processes go by the real clock")]
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
