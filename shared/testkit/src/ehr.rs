//! An electronic patient record of the tests' own: authorization server and FHIR API on one loopback
//! port, that launch by SMART App Launch 2. It is strict about what an app sends, and wrong in its
//! answers where a test wants it.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};
use axum::body::Body;
use axum::extract::{Path, Query, RawForm, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as B64};
use futures_util::stream::repeat_with;
use serde_json::{Value, json};
use url::form_urlencoded::{byte_serialize, parse};

/// A record system that launches.
pub struct Ehr(Arc<Inner>);

/// By what the app shows that it is the registered one.
pub enum EhrClient {
    /// By a secret.
    Secret(&'static str),
    /// By an assertion that is signed with one of the P-256 keys of this JWK set.
    Keys(PathBuf),
}

/// What is wrong with its answers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum EhrFault {
    /// Nothing.
    #[default]
    None,
    /// The SMART configuration is none.
    Garbage,
    /// The SMART configuration does not end.
    Endless,
    /// The SMART configuration leads to an address without TLS elsewhere.
    UnsafeEndpoint,
    /// The person, or the system, says no.
    Declines,
    /// The code comes as from another issuer.
    MixUp,
    /// There is no ID token.
    NoIdToken,
    /// The ID token is for another client.
    Audience,
    /// The ID token is of another sign-in.
    Nonce,
    /// The ID token is of another issuer.
    Issuer,
    /// The ID token is signed with a key of somebody else.
    Signature,
    /// The ID token has expired.
    Expired,
    /// The ID token does not name the person at the provider.
    NoPerson,
    /// The launch has no patient.
    NoPatient,
    /// The launch's patient would lead to another resource.
    StrangePatient,
    /// Another patient is given than asked for.
    OtherPatient,
    /// The patient is not given.
    PatientRefused,
}

struct Inner {
    base: String,
    redirect: String,
    client: EhrClient,
    key: EcdsaKeyPair,
    strange_key: EcdsaKeyPair,
    state: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    fault: EhrFault,
    no_banner: bool,
    patients: HashMap<String, Value>,
    /// Patient and person of launches that have not been authorized.
    launches: HashMap<String, (String, String)>,
    codes: HashMap<String, Authorized>,
    /// Access tokens and their patients.
    tokens: HashMap<String, String>,
    assertions: HashSet<String>,
    asked: HashMap<String, String>,
    count: u32,
}

struct Authorized {
    patient: String,
    person: String,
    challenge: String,
    nonce: String,
}

impl Ehr {
    /// Starts on a port, or on any (0), for the app with this redirect address.
    pub async fn start(port: u16, redirect: &str, client: EhrClient) -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let key = || EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let inner = Arc::new(Inner {
            base: format!("http://{}", listener.local_addr().unwrap()),
            redirect: redirect.to_owned(),
            client,
            key: key(),
            strange_key: key(),
            state: Mutex::default(),
        });
        let router = Router::new()
            .route("/fhir/.well-known/smart-configuration", get(configuration))
            .route("/jwks", get(jwks))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .route("/fhir/Patient/{id}", get(patient))
            .with_state(inner.clone());
        #[expect(clippy::disallowed_methods, reason = "a test's server ends with the test")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self(inner)
    }

    /// `iss` of its launches.
    pub fn iss(&self) -> String {
        format!("{}/fhir", self.0.base)
    }

    /// A patient, by the id of the resource.
    pub fn has(&self, patient: Value) {
        let id = patient["id"].as_str().unwrap().to_owned();
        self.0.kept(|kept| kept.patients.insert(id, patient));
    }

    /// A patient with an NHS Number.
    pub fn has_patient(&self, id: &str, number: &str, family: &str, born: &str) {
        self.has(json!({
            "resourceType": "Patient", "id": id, "birthDate": born,
            "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": number}],
            "name": [{"use": "official", "family": family, "given": ["A."]}],
        }));
    }

    /// Begins a launch for a patient and a person: the path on which the app is opened.
    pub fn launch(&self, patient: &str, person: &str) -> String {
        let launch = self.0.kept(|kept| {
            kept.count += 1;
            let launch = format!("launch-{}", kept.count);
            kept.launches.insert(launch.clone(), (patient.to_owned(), person.to_owned()));
            launch
        });
        let query = crate::fhir::form(&[("iss", &self.iss()), ("launch", &launch)]);
        format!("/launch?{query}")
    }

    /// From now on something is wrong.
    pub fn fault(&self, fault: EhrFault) {
        self.0.kept(|kept| kept.fault = fault);
    }

    /// From now on it shows who the patient is around the app.
    pub fn shows_the_patient(&self) {
        self.0.kept(|kept| kept.no_banner = true);
    }

    /// What the last authorization request asked for.
    pub fn asked(&self, name: &str) -> Option<String> {
        self.0.kept(|kept| kept.asked.get(name).cloned())
    }

    /// How often the app has been given a token.
    pub fn tokens(&self) -> usize {
        self.0.kept(|kept| kept.tokens.len())
    }
}

impl Inner {
    fn kept<T>(&self, with: impl FnOnce(&mut Kept) -> T) -> T {
        with(&mut self.state.lock().unwrap())
    }

    fn has(&self, fault: EhrFault) -> bool {
        self.kept(|kept| kept.fault == fault)
    }

    fn sign(&self, key: &EcdsaKeyPair, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": "ehr-1"}).to_string();
        let signed = format!("{}.{}", B64.encode(header), B64.encode(claims.to_string()));
        let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", B64.encode(signature))
    }

    /// Whether it is the registered app.
    fn is_client(&self, headers: &HeaderMap, form: &HashMap<String, String>) -> bool {
        match &self.client {
            EhrClient::Secret(secret) => {
                // RFC 6749: 2.3.1.
                let secret: String = byte_serialize(secret.as_bytes()).collect();
                let basic = BASE64_STANDARD.encode(format!("{CLIENT}:{secret}"));
                headers.get(header::AUTHORIZATION).is_some_and(|h| *h == format!("Basic {basic}"))
            }
            EhrClient::Keys(file) => {
                let shown = asserted(form, file, &format!("{}/token", self.base));
                shown.is_some_and(|id| self.kept(|kept| kept.assertions.insert(id)))
            }
        }
    }
}

type Shared = State<Arc<Inner>>;

async fn configuration(State(ehr): Shared) -> Response {
    let at = |path: &str| format!("{}{path}", ehr.base);
    let mut told = json!({
        "issuer": ehr.base, "jwks_uri": at("/jwks"),
        "authorization_endpoint": at("/authorize"), "token_endpoint": at("/token"),
        "grant_types_supported": ["authorization_code"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
        "scopes_supported": ["openid", "fhirUser", "launch", "patient/Patient.read"],
        "response_types_supported": ["code"],
        "capabilities": ["launch-ehr", "client-confidential-symmetric",
            "client-confidential-asymmetric", "sso-openid-connect", "context-ehr-patient",
            "context-banner", "permission-v1"],
        "code_challenge_methods_supported": ["S256"],
    });
    if ehr.has(EhrFault::Garbage) {
        return "<html>Please sign in</html>".into_response();
    }
    if ehr.has(EhrFault::Endless) {
        return endless();
    }
    if ehr.has(EhrFault::UnsafeEndpoint) {
        told["token_endpoint"] = "http://ehr.example/token".into();
    }
    Json(told).into_response()
}

async fn jwks(State(ehr): Shared) -> Json<Value> {
    let point = ehr.key.public_key().as_ref();
    let (x, y) = (B64.encode(&point[1..33]), B64.encode(&point[33..]));
    Json(json!({"keys": [{"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256",
        "kid": "ehr-1", "x": x, "y": y}]}))
}

async fn authorize(
    State(ehr): Shared,
    Query(asked): Query<HashMap<String, String>>,
) -> Result<Redirect, StatusCode> {
    let of = |name: &str| asked.get(name).cloned().unwrap_or_default();
    let scopes = of("scope");
    let scopes: HashSet<&str> = scopes.split(' ').collect();
    let wanted = HashSet::from(["openid", "fhirUser", "launch", "patient/Patient.read"]);
    let good = of("response_type") == "code"
        && of("client_id") == CLIENT
        && of("redirect_uri") == ehr.redirect
        && of("aud") == format!("{}/fhir", ehr.base)
        && of("code_challenge_method") == "S256"
        && of("code_challenge").len() == 43
        && !of("state").is_empty()
        && !of("nonce").is_empty()
        && scopes == wanted;
    let launched = ehr.kept(|kept| {
        kept.asked.clone_from(&asked);
        kept.launches.remove(&of("launch"))
    });
    let (patient, person) = launched.filter(|_| good).ok_or(StatusCode::BAD_REQUEST)?;
    let code = ehr.kept(|kept| {
        let code = format!("code-{}", kept.codes.len());
        let (challenge, nonce) = (of("code_challenge"), of("nonce"));
        kept.codes.insert(code.clone(), Authorized { patient, person, challenge, nonce });
        code
    });
    let state = of("state");
    let issuer = if ehr.has(EhrFault::MixUp) { "https://other.example" } else { &ehr.base };
    let fields = match ehr.has(EhrFault::Declines) {
        true => vec![("error", "access_denied"), ("state", &state)],
        false => vec![("code", code.as_str()), ("state", &state), ("iss", issuer)],
    };
    Ok(Redirect::to(&format!("{}?{}", ehr.redirect, crate::fhir::form(&fields))))
}

async fn token(
    State(ehr): Shared,
    headers: HeaderMap,
    RawForm(form): RawForm,
) -> Result<Json<Value>, StatusCode> {
    let form: HashMap<String, String> = parse(&form).into_owned().collect();
    let of = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if !ehr.is_client(&headers, &form) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let good = of("grant_type") == "authorization_code" && of("redirect_uri") == ehr.redirect;
    // Once.
    let code = ehr.kept(|kept| kept.codes.remove(of("code")));
    let code = code.filter(|_| good).ok_or(StatusCode::BAD_REQUEST)?;
    if B64.encode(digest(&SHA256, of("code_verifier").as_bytes())) != code.challenge {
        return Err(StatusCode::BAD_REQUEST);
    }
    let access_token = ehr.kept(|kept| {
        let token = format!("token-{}", kept.tokens.len());
        kept.tokens.insert(token.clone(), code.patient.clone());
        token
    });
    let mut claims = json!({
        "iss": ehr.base, "aud": CLIENT, "sub": "user-7", "iat": now(), "exp": now() + 300,
        "nonce": code.nonce, "fhirUser": format!("{}/fhir/Practitioner/7", ehr.base),
        "nhsid_useruid": code.person,
    });
    let fault = ehr.kept(|kept| kept.fault);
    for (of, name, value) in [
        (EhrFault::Audience, "aud", json!("another-app")),
        (EhrFault::Nonce, "nonce", json!("another")),
        (EhrFault::Issuer, "iss", json!("https://other.example")),
        (EhrFault::Expired, "exp", json!(now() - 600)),
        (EhrFault::NoPerson, "nhsid_useruid", Value::Null),
    ] {
        if of == fault {
            claims[name] = value;
        }
    }
    let key = if fault == EhrFault::Signature { &ehr.strange_key } else { &ehr.key };
    let mut answer = json!({
        "access_token": access_token, "token_type": "Bearer", "expires_in": 300,
        "scope": "openid fhirUser launch patient/Patient.read", "patient": code.patient,
        "need_patient_banner": !ehr.kept(|kept| kept.no_banner),
        "id_token": ehr.sign(key, &claims),
    });
    for (of, name) in [(EhrFault::NoPatient, "patient"), (EhrFault::NoIdToken, "id_token")] {
        if of == fault {
            answer.as_object_mut().unwrap().remove(name);
        }
    }
    if fault == EhrFault::StrangePatient {
        answer["patient"] = "../Practitioner/7".into();
    }
    Ok(Json(answer))
}

async fn patient(
    State(ehr): Shared,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Value>, StatusCode> {
    let sent = headers.get(header::AUTHORIZATION).and_then(|h| h.to_str().ok());
    let token = sent.and_then(|sent| sent.strip_prefix("Bearer ")).unwrap_or_default();
    let (fault, may, found) = ehr.kept(|kept| {
        let may = kept.tokens.get(token) == Some(&id);
        (kept.fault, may, kept.patients.get(&id).cloned())
    });
    if !may || fault == EhrFault::PatientRefused {
        return Err(StatusCode::FORBIDDEN);
    }
    let mut found = found.ok_or(StatusCode::NOT_FOUND)?;
    if fault == EhrFault::OtherPatient {
        found["id"] = "another".into();
    }
    Ok(Json(found))
}

/// Checks by what an app shows that it is the registered one, by one of the P-256 keys of a JWK set, for
/// an address: the id of the assertion. SMART App Launch 2: client-confidential-asymmetric.
pub(crate) fn asserted(
    form: &HashMap<String, String>,
    keys: &std::path::Path,
    audience: &str,
) -> Option<String> {
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let assertion = form.get("client_assertion")?;
    let part = |n: usize| B64.decode(assertion.split('.').nth(n).unwrap()).unwrap();
    let json = |n: usize| -> Value { serde_json::from_slice(&part(n)).unwrap() };
    let (head, claims) = (json(0), json(1));
    let keys: Value = serde_json::from_slice(&std::fs::read(keys).unwrap()).unwrap();
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == head["kid"])?;
    let half = |name: &str| B64.decode(key[name].as_str().unwrap()).unwrap();
    let point = [vec![4], half("x"), half("y")].concat();
    let (signed, _) = assertion.rsplit_once('.').unwrap();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
    let good = key.verify(signed.as_bytes(), &part(2)).is_ok()
        && form.get("client_assertion_type").is_some_and(|sent| sent == kind)
        && claims["iss"] == CLIENT
        && claims["sub"] == CLIENT
        && claims["aud"] == audience
        && (now()..=now() + 300).contains(&claims["exp"].as_i64().unwrap());
    good.then(|| claims["jti"].as_str().unwrap().to_owned())
}

/// An answer that does not end.
pub(crate) fn endless() -> Response {
    let part = axum::body::Bytes::from(vec![b' '; 1 << 16]);
    let parts = repeat_with(move || Ok::<_, std::io::Error>(part.clone()));
    Body::from_stream(parts).into_response()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// The app's client_id.
const CLIENT: &str = "carerecord";
