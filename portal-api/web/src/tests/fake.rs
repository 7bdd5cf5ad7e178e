use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::extract::{Form, Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as B64;
use carerecord_model::{Clock, SystemClock};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::api::sha1_base64;

/// A sign-in provider and a FHIR API on one loopback port.
pub(super) struct Fake {
    pub(super) base: String,
    key: EcdsaKeyPair,
    pub(super) state: Mutex<FakeState>,
}

#[derive(Default)]
pub(super) struct FakeState {
    /// What the last authorization request asked for.
    pub(super) asked: Vec<(String, String)>,
    /// Whether the person has two roles and none selected.
    pub(super) two_roles: bool,
    /// Whether there is one more, at the organisation of the first.
    pub(super) third_role: bool,
    /// What it answers who wants no page shown; a code unless told.
    pub(super) needs_a_page: Option<&'static str>,
    /// Whether ID tokens get another nonce than asked for.
    pub(super) wrong_nonce: bool,
    pub(super) renewals: u32,
    /// Whether it does not tell which session it is.
    pub(super) no_sid: bool,
    /// Whether what apps ask for is of every patient.
    pub(super) apps_need_no_patient: bool,
    /// How many codes were exchanged: the number in `sid`.
    pub(super) sign_ins: u32,
    /// Authorization and role of every request to the API.
    pub(super) calls: Vec<(String, Option<String>)>,
    /// The purpose of every request to the API that names one.
    pub(super) purposes: Vec<String>,
    /// Whether one document's bytes are not those that were registered.
    pub(super) damaged: bool,
    /// Whether it cannot say what documents state.
    pub(super) no_elements: bool,
    /// Whether it tells of people as a council does.
    pub(super) council: bool,
    /// Letters that have come to everybody's record since.
    pub(super) more: Vec<u128>,
    /// What was asked of sources with each search for documents: `all` unless told.
    pub(super) asked_sources: Vec<String>,
    /// Method, path and parameters of every request to the API.
    pub(super) requests: Vec<Asked>,
    /// What was asked to be ended, and whether it cannot be.
    pub(super) asked_to_end: Vec<super::sign_outs::AskedToEnd>,
    pub(super) ends_nothing: bool,
    /// Holds up the next search for documents.
    held: Option<Arc<Gate>>,
}

/// A request to the API.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: String,
    /// Below the base.
    pub(super) path: String,
    /// Names in the query.
    pub(super) parameters: Vec<String>,
}

/// Lets a test act while a request is under way.
#[derive(Default)]
pub(super) struct Gate {
    /// The request has come.
    pub(super) arrived: Notify,
    /// The request may be answered.
    pub(super) open: Notify,
}

impl Fake {
    pub(super) async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let fake = Arc::new(Self { base, key, state: Mutex::default() });
        let elements = ELEMENTS.into_iter().fold(Router::new(), |router, kind| {
            let search = post(move |fake, headers, form| stated(fake, headers, kind, form));
            router.route(&format!("/fhir/{kind}/_search"), search)
        });
        let router = elements
            .route("/oidc/.well-known/openid-configuration", get(discovery))
            .route("/oidc/jwks", get(jwks))
            .route("/oidc/authorize", get(authorize))
            .route("/oidc/token", post(token))
            .route("/oidc/userinfo", get(userinfo))
            .route("/fhir/Patient/_search", post(patients))
            .route("/fhir/EpisodeOfCare/_search", post(cared_for))
            .route("/fhir/DocumentReference/_search", post(documents))
            .route("/fhir/DocumentReference/{id}", get(document))
            .route("/fhir/Binary/{id}", get(binary))
            .route("/oauth/authorization", post(super::apps::authorization))
            .route("/oauth/sign-out", post(super::sign_outs::sign_out))
            .route("/oauth/back-channel-logout", post(super::sign_outs::back_channel_logout))
            .route("/oauth/back-channel-logout/{id}", post(super::sign_outs::back_channel_logout))
            .route("/fhir/{*rest}", any(nothing))
            .layer(axum::middleware::from_fn_with_state(fake.clone(), note_request))
            .with_state(fake.clone());
        #[expect(clippy::disallowed_methods, reason = "a test's server ends with the test")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    /// Holds up the next search for documents until the gate is opened.
    pub(super) fn hold(&self) -> Arc<Gate> {
        let gate = Arc::new(Gate::default());
        self.state.lock().unwrap().held = Some(gate.clone());
        gate
    }

    /// Signs a token as the provider.
    pub(super) fn sign(&self, claims: &Value) -> String {
        self.sign_as("JWT", claims)
    }

    pub(super) fn sign_as(&self, kind: &str, claims: &Value) -> String {
        let header = json!({"alg": "ES256", "typ": kind, "kid": "k1"}).to_string();
        let signed = format!("{}.{}", B64.encode(header), B64.encode(claims.to_string()));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", B64.encode(signature))
    }
}

type SharedFake = State<Arc<Fake>>;

async fn discovery(State(fake): SharedFake) -> Json<Value> {
    let at = |path: &str| format!("{}/oidc{path}", fake.base);
    Json(json!({
        "issuer": at(""),
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "userinfo_endpoint": at("/userinfo"),
        "jwks_uri": at("/jwks"),
        "end_session_endpoint": at("/logout"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }))
}

async fn jwks(State(fake): SharedFake) -> Json<Value> {
    let point = fake.key.public_key().as_ref();
    let (x, y) = (B64.encode(&point[1..33]), B64.encode(&point[33..]));
    Json(json!({"keys": [{"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256",
        "kid": "k1", "x": x, "y": y}]}))
}

async fn authorize(
    State(fake): SharedFake,
    Query(asked): Query<Vec<(String, String)>>,
) -> Redirect {
    let find = |key: &str| asked.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
    let of = |key: &str| find(key).unwrap();
    let mut state = fake.state.lock().unwrap();
    let error = state.needs_a_page.filter(|_| find("prompt").as_deref() == Some("none"));
    let answer = error.map_or("code=code-1".to_owned(), |error| format!("error={error}"));
    let back = format!("{}?{answer}&state={}", of("redirect_uri"), of("state"));
    state.asked = asked;
    Redirect::to(&back)
}

async fn token(
    State(fake): SharedFake,
    Form(form): Form<Vec<(String, String)>>,
) -> Result<Json<Value>, StatusCode> {
    let of = |key: &str| form.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
    let mut state = fake.state.lock().unwrap();
    let asked = |key: &str| state.asked.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
    let now = SystemClock.now().as_second();
    let sid = (!state.no_sid).then(|| format!("sid-{}", state.sign_ins));
    let claims = |nonce: Option<String>| {
        json!({"iss": format!("{}/oidc", fake.base), "sub": "555021900100", "aud": "portal",
            "iat": now, "exp": now + 900, "nonce": nonce, "sid": sid})
    };
    let (access_token, id_token) = match of("grant_type") {
        Some("authorization_code") => {
            let verifier = of("code_verifier").ok_or(StatusCode::BAD_REQUEST)?;
            let challenge = B64.encode(digest(&SHA256, verifier.as_bytes()));
            if asked("code_challenge") != Some(challenge) || of("code") != Some("code-1") {
                return Err(StatusCode::BAD_REQUEST);
            }
            let nonce = asked("nonce").filter(|_| !state.wrong_nonce);
            let nonce = nonce.or(Some("another".to_owned()));
            let id_token = fake.sign(&claims(nonce));
            state.sign_ins += 1;
            ("token-0".to_owned(), id_token)
        }
        _ => {
            if of("refresh_token") != Some(&format!("refresh-{}", state.renewals)) {
                return Err(StatusCode::BAD_REQUEST);
            }
            state.renewals += 1;
            (format!("token-{}", state.renewals), fake.sign(&claims(None)))
        }
    };
    Ok(Json(json!({
        "access_token": access_token, "token_type": "Bearer", "expires_in": 300,
        "refresh_token": format!("refresh-{}", state.renewals), "id_token": id_token,
    })))
}

async fn userinfo(State(fake): SharedFake) -> Json<Value> {
    let role = |id: &str, org: &str, name: &str| {
        json!({"person_roleid": id, "org_code": org,
            "role_name": format!("\"Clinical\":\"Clinical Provision\":\"{name}\"")})
    };
    let (two, third, council) = {
        let state = fake.state.lock().unwrap();
        (state.two_roles, state.third_role, state.council)
    };
    if council {
        let groups = if two { json!(["sw", "po", "bowls"]) } else { json!(["sw", "bowls"]) };
        return Json(json!({
            "sub": "555021900100", "name": "Gareth Pennant", "groups": groups,
        }));
    }
    let mut roles = vec![role("111", "ZEX01", "Clinical Practitioner Access Role")];
    if two {
        roles.push(role("112", "A20047", "Salaried General Practitioner"));
    }
    if third {
        roles.push(role("113", "ZEX01", "Consultant"));
    }
    Json(json!({
        "sub": "555021900100", "given_name": "Tomasz", "family_name": "Wren", "title": "Dr",
        "name": "Wren Tomasz Dr", "nhsid_nrbac_roles": roles,
        "nhsid_user_orgs": [{"org_code": "ZEX01", "org_name": "ROYAL EXAMPLE HOSPITAL"}],
    }))
}

impl Fake {
    fn note(&self, headers: &HeaderMap) {
        let of = |name: &str| headers.get(name).map(|v| v.to_str().unwrap().to_owned());
        let call = (of("authorization").unwrap_or_default(), of("x-selected-role"));
        let mut state = self.state.lock().unwrap();
        state.calls.push(call);
        state.purposes.extend(of("x-purpose-of-use"));
    }
}

async fn patients(
    State(fake): SharedFake,
    headers: HeaderMap,
    Form(form): Form<Vec<(String, String)>>,
) -> Response {
    fake.note(&headers);
    if form[0].0 == "family" {
        return people(&form).into_response();
    }
    let number = form[0].1.rsplit('|').next().unwrap();
    if number == "9990001022" {
        let none = json!({"resourceType": "Bundle", "type": "searchset", "total": 0});
        return Json(none).into_response();
    }
    let number = kept_under(number);
    let mut person = json!({
        "resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1945-07-14",
        "name": [{"use": "official", "family": "Okafor", "given": ["Ada"], "prefix": ["Dr"]}],
        "identifier": [{"system": NHS, "value": number, "extension": [{"url": "x",
            "valueCodeableConcept": {"coding": [{"code": "01"}]}}]}],
        "telecom": [{"system": "phone", "value": "01632 960001"}],
    });
    if number == "9990001073" {
        person["deceasedDateTime"] = "2026-10-20".into();
    }
    Json(json!({"resourceType": "Bundle", "type": "searchset", "total": 1,
        "entry": [{"resource": person, "search": {"mode": "match"}}]}))
    .into_response()
}

/// For whom the hospital cares: two pages, with one person twice on the first.
async fn cared_for(
    State(fake): SharedFake,
    headers: HeaderMap,
    Form(form): Form<Vec<(String, String)>>,
) -> Response {
    fake.note(&headers);
    let of = |key: &str| form.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
    let page = of("_page");
    let own = Some("https://fhir.nhs.uk/Id/ods-organization-code|ZEX01");
    if page.is_none() && (of("organization.identifier") != own || of("status") != Some("active")) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let episode = |number: &str, kind: &str, since: &str| {
        json!({"search": {"mode": "match"}, "resource": {
            "resourceType": "EpisodeOfCare", "status": "active", "period": {"start": since},
            "type": [{"coding": [{"code": kind}]}],
            "patient": {"identifier": {"system": NHS, "value": number}}}})
    };
    let person = |number: &str, family: &str| {
        json!({"search": {"mode": "include"}, "resource": {
            "resourceType": "Patient", "birthDate": "1945-07-14", "name": [{"family": family}],
            "identifier": [{"system": NHS, "value": number}]}})
    };
    let next = format!("{}/fhir/EpisodeOfCare?_page=sealed-2", fake.base);
    let (links, entries) = match (of("_summary"), page) {
        (Some("count"), _) => (json!([]), json!([])),
        (_, None) => (
            json!([{"relation": "next", "url": next}]),
            json!([
                episode("9990001006", "encounter", "2026-11-20T09:30:00Z"),
                episode("9990001006", "referral", "2026-11-02T09:30:00Z"),
                person("9990001006", "Okafor"),
            ]),
        ),
        (_, Some("sealed-2")) => {
            (json!([]), json!([episode("9990001049", "caseload", "2026-10-01T09:30:00Z")]))
        }
        (_, Some(_)) => return StatusCode::NOT_FOUND.into_response(),
    };
    Json(json!({"resourceType": "Bundle", "type": "searchset", "total": 3,
        "link": links, "entry": entries}))
    .into_response()
}

/// Smiths are many, of whom nobody is told; of others there is one who is restricted, and a note.
fn people(form: &[(String, String)]) -> (StatusCode, Json<Value>) {
    let of = |key: &str| form.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
    if of("family") == Some("Smith") {
        let issue = json!({"severity": "error", "code": "too-costly"});
        let outcome = json!({"resourceType": "OperationOutcome", "issue": [issue]});
        return (StatusCode::UNPROCESSABLE_ENTITY, Json(outcome));
    }
    let person = |family: &str, number: &str, code: &str, postcode: &str| {
        json!({"resource": {
            "resourceType": "Patient", "gender": "female", "birthDate": of("birthdate"),
            "name": [{"family": family, "given": ["Ada", of("given").unwrap_or("")]}],
            "identifier": [{"system": NHS, "value": number}],
            "address": [{"use": "home", "postalCode": postcode}],
            "meta": {"security": [{"code": code}]}, "deceasedDateTime": "2026-10-20",
        }})
    };
    let note = json!({"severity": "warning", "details": {"text": "The index is being built."}});
    let entries = json!([
        person("Okafor<b>", "9990001006", "U", "XX1 1XX"),
        person(of("family").unwrap(), "9990001030", "R", "ZZ9 9ZZ"),
        {"resource": {"resourceType": "OperationOutcome", "issue": [note]}},
    ]);
    let bundle = json!({"resourceType": "Bundle", "type": "searchset", "entry": entries});
    (StatusCode::OK, Json(bundle))
}

/// One number has been merged into another.
fn kept_under(number: &str) -> &str {
    if number == "9990001014" { "9990001006" } else { number }
}

async fn documents(
    State(fake): SharedFake,
    headers: HeaderMap,
    Form(form): Form<Vec<(String, String)>>,
) -> Response {
    fake.note(&headers);
    assert!(form.contains(&("status".to_owned(), "current,superseded".to_owned())));
    let held = fake.state.lock().unwrap().held.take();
    if let Some(gate) = held {
        gate.arrived.notify_one();
        gate.open.notified().await;
    }
    let number = form[0].1.rsplit('|').next().unwrap();
    let which = form.iter().find(|(name, _)| name == "source-state").map(|(_, v)| v.as_str());
    let told = which.unwrap_or("all").to_owned();
    fake.state.lock().unwrap().asked_sources.push(told);
    if let Some(one) = which.filter(|which| *which != "none") {
        // Whoever is asked again answers by then.
        assert!(form.contains(&("_summary".to_owned(), "count".to_owned())));
        return states_of(&["answered"; 3], one);
    }
    if let Some((_, words)) = form.iter().find(|(name, _)| name == "_content") {
        let found = with(letter(30, "Found", number), |d| d["extension"] = place(words));
        return bundle(&[found], &["answered", "down"]);
    }
    match number {
        "9990001049" => refusal("objection-whole-record").into_response(),
        "9990001030" => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        "9990001057" => {
            let (_, Json(outcome)) = refusal("objection-recipient");
            let entry = json!({"resource": outcome, "search": {"mode": "outcome"}});
            Json(json!({"resourceType": "Bundle", "type": "searchset", "entry": [entry]}))
                .into_response()
        }
        // Some of it is refused, twice with the same words.
        "9990001227" => {
            let (_, Json(outcome)) = refusal("objection-class");
            let refused = json!({"resource": outcome, "search": {"mode": "outcome"}});
            let letter =
                json!({"resource": letter(23, "Letter", number), "search": {"mode": "match"}});
            Json(json!({"resourceType": "Bundle", "type": "searchset",
                "entry": [letter, refused.clone(), refused]}))
            .into_response()
        }
        "9990001146" => bundle(&[], &["answered", "answered", "answered"]),
        "9990001138" => bundle(&[], &["answered", "refused", "paused", "garbage"]),
        "9990001111" => {
            let many: Vec<Value> = (0..450).map(|n| letter(100 + n, "Letter", number)).collect();
            bundle(&many, &["answered"])
        }
        "9990001219" => bundle(&[restricted(number)], &["answered", "answered"]),
        // Two sources of one name: only their ids tell them apart.
        "9990001154" => {
            let second = with(letter(21, "Second", number), |d| {
                d["meta"]["source"] = "urn:oid:2.999.2".into();
                d["custodian"]["display"] = "Royal Example Hospital".into();
            });
            bundle(&[letter(20, "First", number), second], &["answered", "answered"])
        }
        _ if which == Some("none") => bundle(&fake.all(kept_under(number)), &[]),
        _ => bundle(&fake.all(kept_under(number)), &["answered", "late", "down", "not-connected"]),
    }
}

/// What documents say: two of an allergy that contradict each other, and a medicine; of one person
/// nothing, by one source of three.
async fn stated(
    State(fake): SharedFake,
    headers: HeaderMap,
    kind: &'static str,
    Form(form): Form<Vec<(String, String)>>,
) -> Response {
    fake.note(&headers);
    assert_eq!(form.len(), 1, "the patient, and nothing else");
    if fake.state.lock().unwrap().no_elements {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let number = form[0].1.rsplit('|').next().unwrap();
    let source = |n: u128, title: &str| {
        json!({"url": "urn:carerecord:element-source", "extension": [
            {"url": "document", "valueReference": {"reference": format!("DocumentReference/{}", uuid(n))}},
            {"url": "section", "valueUnsignedInt": 1}, {"url": "title", "valueString": title}]})
    };
    let relation = |with: &str| {
        json!({"url": "urn:carerecord:element-relation", "extension": [
            {"url": "kind", "valueCode": "conflict"},
            {"url": "with", "valueReference": {"reference": with}}]})
    };
    let status = |code: &str| json!({"coding": [{"code": code}]});
    let allergy = |id: &str, other: &str, state: &str, n: u128| {
        json!({"resourceType": "AllergyIntolerance", "id": id, "clinicalStatus": status(state),
            "code": {"text": "Penicillin <b>V</b>"}, "onsetDateTime": "1999",
            "reaction": [{"manifestation": [{"text": "Rash"}]}],
            "extension": [source(n, "Allergies"), relation(&format!("AllergyIntolerance/{other}"))]})
    };
    match (kind, number) {
        (_, "9990001049") => refusal("objection-whole-record").into_response(),
        (_, "9990001146") => bundle(&[], &["answered", "down", "down"]),
        ("AllergyIntolerance", _) => {
            let all = [allergy("a-1", "a-2", "active", 1), allergy("a-2", "a-1", "resolved", 3)];
            bundle(&all, &["answered", "answered"])
        }
        ("MedicationStatement", _) => {
            let medicine = json!({"resourceType": "MedicationStatement", "id": "m-1",
                "status": "not-taken", "medicationCodeableConcept": {"coding": [{"display": "Bisoprolol"}]},
                "dosage": [{"text": "2.5 mg once a day"}], "extension": [source(1, "Medicines")]});
            bundle(&[medicine], &["answered", "answered"])
        }
        ("Immunization", _) => {
            let vaccine = json!({"resourceType": "Immunization", "id": "i-1", "status": "not-done",
                "vaccineCode": {"text": "MMR"}, "occurrenceString": "The document does not say when.",
                "extension": [source(1, "Immunisations")]});
            bundle(&[vaccine], &["answered", "answered"])
        }
        ("Observation", _) => {
            let result = |n: usize, at: &str| {
                json!({"resourceType": "Observation", "id": format!("o-{n}"), "status": "final",
                    "code": {"text": "Sodium"}, "effectiveDateTime": at,
                    "valueQuantity": {"value": 5.4, "comparator": "<", "unit": "mmol/L", "extension": [
                        {"url": "urn:carerecord:as-written", "valueString": "5.40"}]},
                    "interpretation": [{"coding": [{"code": "L", "display": "Low"}]}],
                    "referenceRange": [{"text": "133 to 146 <b>"}],
                    "component": [{"code": {"text": "Part"}, "valueString": "clear"}],
                    "extension": [source(3, "Results")]})
            };
            let mut all: Vec<Value> = (0..204).map(|n| result(n, "2019")).collect();
            all.push(result(204, "2026-01-02"));
            let part = json!({"code": {"text": "Part"}, "valueString": "clear"});
            all[204]["component"] = vec![part; 15].into();
            all[0]["modifierExtension"] =
                json!([{"url": "urn:carerecord:negated", "valueBoolean": true}]);
            all[0]["effectiveDateTime"] = "2025".into();
            bundle(&all, &["answered", "answered"])
        }
        ("Encounter", "9990001022") => StatusCode::UNPROCESSABLE_ENTITY.into_response(),
        ("Encounter", _) => {
            let visit = |id: &str, words: &str, start: &str| {
                json!({"resourceType": "Encounter", "id": id, "status": "finished",
                    "type": [{"text": words}], "period": {"start": start, "end": "2026-03-02"},
                    "extension": [source(1, "Encounters")]})
            };
            let all =
                [visit("e-1", "Clinic", "2024-05-06"), visit("e-2", "Ward stay", "2026-03-01")];
            bundle(&all, &["answered", "answered"])
        }
        _ => bundle(&[], &["answered", "answered"]),
    }
}

/// The kinds of element that the summary asks for.
pub(super) const ELEMENTS: [&str; 7] = [
    "AllergyIntolerance",
    "MedicationStatement",
    "MedicationRequest",
    "Condition",
    "Immunization",
    "Observation",
    "Encounter",
];

/// What one source says, and no document.
fn states_of(states: &[&str], one: &str) -> Response {
    let issue = |(n, state): (usize, &&str)| {
        let id = format!("2.999.{}", n + 1);
        (id == one).then(|| {
            json!({"severity": "information", "code": "informational",
                "details": {"text": "Example Council",
                    "coding": [{"system": "urn:carerecord:source-state", "code": state}]},
                "expression": [id]})
        })
    };
    let issues: Vec<Value> = states.iter().enumerate().filter_map(issue).collect();
    let outcome = json!({"resourceType": "OperationOutcome", "issue": issues});
    let entry = json!({"resource": outcome, "search": {"mode": "outcome"}});
    Json(json!({"resourceType": "Bundle", "type": "searchset", "entry": [entry]})).into_response()
}

/// What the API has besides, and this one has not.
async fn nothing(State(fake): SharedFake, headers: HeaderMap) -> StatusCode {
    fake.note(&headers);
    StatusCode::NOT_FOUND
}

async fn note_request(
    State(fake): SharedFake,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let is_form = parts.headers.get(header::CONTENT_TYPE);
    let is_form = is_form.is_some_and(|kind| kind == "application/x-www-form-urlencoded");
    let query = parts.uri.query().unwrap_or_default().as_bytes();
    let names = |text: &[u8]| -> Vec<String> {
        url::form_urlencoded::parse(text).map(|(name, _)| name.into_owned()).collect()
    };
    let mut parameters = names(query);
    if is_form {
        parameters.extend(names(&bytes));
    }
    if let Some(path) = parts.uri.path().strip_prefix("/fhir/") {
        let (method, path) = (parts.method.to_string(), path.to_owned());
        fake.state.lock().unwrap().requests.push(Asked { method, path, parameters });
    }
    next.run(axum::extract::Request::from_parts(parts, bytes.into())).await
}

async fn document(State(fake): SharedFake, headers: HeaderMap, Path(id): Path<String>) -> Response {
    fake.note(&headers);
    if id == uuid(9) {
        return refusal("label").into_response();
    }
    let damaged = fake.state.lock().unwrap().damaged;
    let all = fake.all("9990001006").into_iter().chain(unlisted("9990001006", damaged));
    let found = all.into_iter().find(|d| d["id"] == id.as_str());
    match found {
        Some(found) => Json(found).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn binary(State(fake): SharedFake, headers: HeaderMap, Path(id): Path<String>) -> Response {
    fake.note(&headers);
    if id == uuid(6) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let issue = |issue: Value| {
        Json(json!({"resourceType": "OperationOutcome", "issue": [issue]})).into_response()
    };
    if id == uuid(19) {
        let damaged = issue(json!({"severity": "error", "code": "exception", "details": {"coding":
            [{"system": "urn:ihe:iti:xds:errorCode", "code": "XDSRepositoryError"}]}}));
        return (StatusCode::INTERNAL_SERVER_ERROR, damaged).into_response();
    }
    if id == uuid(20) {
        let another = issue(json!({"severity": "error", "code": "exception"}));
        return (StatusCode::BAD_GATEWAY, another).into_response();
    }
    if id == uuid(21) {
        return (StatusCode::BAD_GATEWAY, "<html>Bad gateway").into_response();
    }
    let bytes = match id {
        id if id == uuid(1) => CDA.as_bytes().to_vec(),
        id if id == uuid(2) => CDA.replace("2.5 mg", "1.25 mg").into_bytes(),
        id if id == uuid(11) => b"<html><script>alert(1)</script>".to_vec(),
        id if id == uuid(12) => illustrated().into_bytes(),
        id if id == uuid(13) => format!("<!DOCTYPE x [<!ENTITY a 'b'>]>{CDA}").into_bytes(),
        id if id == uuid(14) => FLOOD.to_vec(),
        id if id == uuid(18) => PIXEL.to_vec(),
        id if id == uuid(16) => b"%PDF-1.4 1 0 obj<</S/JavaScript/JS(1)>>endobj".to_vec(),
        id if id == uuid(24) => PACKED_PDF.as_bytes().to_vec(),
        id if id == uuid(3) => PDF.as_bytes().to_vec(),
        _ => b"Plain words.\n<script>alert(1)</script>".to_vec(),
    };
    ([(header::CONTENT_TYPE, "text/html")], bytes).into_response()
}

impl Fake {
    fn all(&self, number: &str) -> Vec<Value> {
        let plan = with(letter(1, "Care plan", number), |d| {
            d["category"] = concept("734163000", "Care plan");
            d["masterIdentifier"] = json!({"value": "urn:oid:2.999.5.1"});
            d["content"][0]["attachment"]["contentType"] = "text/xml".into();
            let damaged = self.state.lock().unwrap().damaged;
            let registered = if damaged { "something else" } else { CDA };
            d["content"][0]["attachment"]["hash"] = sha1_base64(registered.as_bytes()).into();
            d["relatesTo"] = json!([{"code": "replaces",
                "target": {"reference": format!("DocumentReference/{}", uuid(2))}}]);
            d["extension"] = json!([{"url": "urn:carerecord:submission", "extension": [
                {"url": "date", "valueDateTime": "2026-11-03T09:00:00Z"},
                {"url": "organisation", "valueString": "Royal Example Hospital"},
                {"url": "source", "valueUri": "urn:oid:2.999.7"}]},
                {"url": "urn:carerecord:decision", "extension": [
                {"url": "rule", "valueCode": "agreement"},
                {"url": "words", "valueString":
                    "A data sharing agreement in force covers the document."},
                {"url": "set-by", "valueString": "the regional board"},
                {"url": "since", "valueInstant": "2026-01-05T08:00:00Z"},
                {"url": "basis", "valueString": "agreement dsa-1/2"}]}]);
        });
        let old = with(letter(2, "Care plan", number), |d| {
            d["status"] = "superseded".into();
            d["content"][0]["attachment"]["contentType"] = "text/xml".into();
            d["extension"] = json!([{"url": "urn:carerecord:related-by", "extension": [
                {"url": "code", "valueCode": "replaces"},
                {"url": "document", "valueReference":
                    {"reference": format!("DocumentReference/{}", uuid(1))}}]}]);
        });
        let pdf = with(letter(3, "Discharge summary <b>", number), |d| {
            d["category"] = concept("373942005", "Discharge summary");
            d["content"][0]["attachment"]["contentType"] = "application/pdf".into();
            d["content"][0]["attachment"]["size"] = PDF.len().into();
            d["securityLabel"] = concept("R", "restricted");
        });
        let text = with(letter(4, "Outpatient letter", number), |d| {
            d["content"][0]["attachment"]["creation"] = "2026-03-02".into();
        });
        let archive = with(letter(5, "Archive", number), |d| {
            d["content"][0]["attachment"]["contentType"] = "application/zip".into();
        });
        let down = letter(6, "Letter from a source that is down", number);
        let others = with(letter(7, "Letter of another person", "9990001014"), |_| {});
        let stray = with(letter(8, "Letter elsewhere", number), |d| {
            d["content"][0]["attachment"]["url"] = "http://127.0.0.1:9/fhir/Binary/1".into();
        });
        let more = self.state.lock().unwrap().more.clone();
        let more = more.into_iter().map(|n| letter(n, "Letter that has come since", number));
        [plan, old, pdf, text, archive, down, others, stray].into_iter().chain(more).collect()
    }
}

/// Documents that no list has.
fn unlisted(number: &str, damaged: bool) -> Vec<Value> {
    let of = |n: u128, mime: &str| {
        with(letter(n, "Unlisted", number), |d| {
            d["content"][0]["attachment"]["contentType"] = mime.into();
        })
    };
    vec![
        of(11, "image/png"),
        of(12, "text/xml"),
        of(13, "text/xml"),
        of(14, "image/png"),
        of(15, "application/pdf"),
        of(16, "application/pdf"),
        of(19, "text/xml"),
        of(20, "application/pdf"),
        of(21, "text/plain"),
        of(24, "application/pdf"),
        with(letter(17, "Letter about Mrs Okafor", number), |d| {
            d["masterIdentifier"] = json!({"value": format!("urn:oid:2.999.5.{number}")});
        }),
        with(letter(18, "Scan\"><script>alert(1)</script>", number), |d| {
            d["content"][0]["attachment"]["contentType"] = "image/png".into();
            let registered = if damaged { b"something else".as_slice() } else { PIXEL };
            d["content"][0]["attachment"]["hash"] = sha1_base64(registered).into();
        }),
    ]
}

/// A document with a picture in its text and a PDF beside it.
pub(super) fn illustrated() -> String {
    let media = |id: &str, mime: &str, bytes: &[u8]| {
        let data = base64::prelude::BASE64_STANDARD.encode(bytes);
        format!(
            "<entry><observationMedia ID=\"{id}\"><value mediaType=\"{mime}\" \
             representation=\"B64\">{data}</value></observationMedia></entry>"
        )
    };
    let entries =
        media("graph", "image/png", PIXEL) + &media("scan", "application/pdf", PDF.as_bytes());
    let coded = "<entry><observation><code displayName=\"Pulse\" code=\"78564009\" \
        codeSystem=\"2.16.840.1.113883.6.96\"/><effectiveTime value=\"20261102\"/><value \
        xsi:type=\"PQ\" value=\"62\" unit=\"/min\"/></observation></entry>";
    CDA.replace("<list>", "<renderMultiMedia referencedObject=\"graph\"/><list>")
        .replace("</list></text>", &format!("</list></text>{entries}{coded}"))
}

fn letter(n: u128, title: &str, number: &str) -> Value {
    let id = uuid(n);
    json!({
        "resourceType": "DocumentReference", "id": id, "status": "current",
        "meta": {"source": "urn:oid:2.999.1"},
        "type": {"coding": [{"code": "823681000000100", "display": "Outpatient letter"}]},
        "category": concept("823751000000102", "Letter"),
        "subject": {"identifier": {"system": NHS, "value": number}},
        "contained": [{"resourceType": "Practitioner", "id": "author-0"},
            {"resourceType": "Organization", "id": "organization-0-0"}],
        "author": [{"reference": "#author-0", "display": "Dr Niamh Calloway"},
            {"reference": "#organization-0-0", "display": "Cardiology, Royal Example Hospital"}],
        "custodian": {"identifier": {"value": "ZEX01"}, "display": "Royal Example Hospital"},
        "content": [{"attachment": {"contentType": "text/plain", "title": title,
            "url": format!("Binary/{id}"), "creation": "2026-11-02T14:05:00Z"}}],
    })
}

/// As the API gives a document of a person whose places are masked.
fn restricted(number: &str) -> Value {
    with(letter(22, "Letter", number), |d| {
        d["meta"] = json!({});
        d["custodian"] = json!({"display": "Organisation withheld"});
        d["author"][1]["display"] = "Organisation withheld".into();
    })
}

fn with(mut document: Value, change: impl FnOnce(&mut Value)) -> Value {
    change(&mut document);
    document
}

fn concept(code: &str, display: &str) -> Value {
    json!([{"coding": [{"code": code, "display": display}]}])
}

fn bundle(documents: &[Value], states: &[&str]) -> Response {
    let matches =
        documents.iter().map(|document| json!({"resource": document, "search": {"mode": "match"}}));
    let names = ["Royal Example Hospital", "Example Community Trust", "Example Council", "A GP"];
    let issues: Vec<Value> = states
        .iter()
        .zip(&names)
        .map(|(state, name)| {
            json!({"severity": "information", "code": "informational",
                "details": {"text": name,
                    "coding": [{"system": "urn:carerecord:source-state", "code": state}]},
                "diagnostics": format!("The source is {state}."),
                "expression": [format!("2.999.{}", names.iter().position(|n| n == name).unwrap() + 1)],
                "extension": [{"url": "urn:carerecord:latency-ms", "valueInteger": 1234},
                    {"url": "urn:carerecord:last-good", "valueDateTime": "2025-11-02T09:00:00Z"},
                    {"url": "urn:carerecord:latest", "valueDateTime": "2026-11-02"}]})
        })
        .collect();
    let outcome = json!({"resource": {"resourceType": "OperationOutcome", "issue": issues},
        "search": {"mode": "outcome"}});
    let entries: Vec<Value> = matches.chain([outcome]).collect();
    Json(json!({"resourceType": "Bundle", "type": "searchset", "entry": entries})).into_response()
}

fn refusal(rule: &str) -> (StatusCode, Json<Value>) {
    let issue = json!({"severity": "error", "code": "forbidden",
        "details": {"coding": [{"system": "urn:carerecord:decision-rule", "code": rule}],
            "text": "The patient has objected to sharing their record."},
        "diagnostics": "Set by Leila Haddon since 01-Nov-2026."});
    (StatusCode::FORBIDDEN, Json(json!({"resourceType": "OperationOutcome", "issue": [issue]})))
}

pub(super) fn uuid(n: u128) -> String {
    uuid::Uuid::from_u128(n).to_string()
}

const NHS: &str = "https://fhir.nhs.uk/Id/nhs-number";
pub(super) const CDA: &str = r#"<?xml version="1.0"?>
<ClinicalDocument xmlns="urn:hl7-org:v3"><title>Care plan of the heart team</title>
<component><structuredBody><component><section><title>Medicines</title><text>
<paragraph>Bisoprolol 2.5 mg once a day</paragraph><table><thead><tr><th>Drug</th><th>Dose</th></tr>
</thead><tbody><tr><td>Bisoprolol</td><td>2.5 mg</td></tr></tbody></table></text></section>
</component><component><section><title>What matters to me</title><text><list>
<item>Walking the dog</item><item>Sunday lunch with family</item></list></text></section>
</component></structuredBody></component></ClinicalDocument>"#;
/// One pixel.
pub(super) const PIXEL: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";
/// A picture that says that it is very large.
const FLOOD: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xff\xff\0\0\xff\xff\x08\x06\0\0\0";
pub(super) const PDF: &str = "%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>endobj
4 0 obj<</Length 51>>stream
BT /F1 24 Tf 40 100 Td (Discharge summary) Tj ET   
endstream endobj
5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj
trailer<</Root 1 0 R>>
%%EOF";

/// Its one object is `<</S/JavaScript>>`.
const PACKED_PDF: &str = "%PDF-1.5
5 0 obj<</Type/ObjStm/N 1/First 4/Filter/ASCIIHexDecode/Length 43>>stream
372030203c3c2f532f4a6176615363726970743e3e>
endstream endobj
%%EOF";

/// A place of a text around what was looked for.
fn place(words: &str) -> Value {
    json!([{"url": "urn:carerecord:snippet", "extension": [
        {"url": "text", "valueString": "<script>known "},
        {"url": "match", "valueString": words},
        {"url": "text", "valueString": " since 1999"},
    ]}])
}
