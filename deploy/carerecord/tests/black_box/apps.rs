//! Small apps on the shared record: SMART App Launch, standalone. The person signs in as always, chooses a
//! patient and agrees; the app reads as that person, of that patient, as far as its scopes go.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use carerecord_testkit::{Browser, Deployment, GP, Letter, PATIENT, Role};
use serde_json::{Value, json};

/// From the app through sign-in, patient and consent to a token, which reads that patient as far as its
/// scopes go, nobody else, and nothing any more once its code was shown again.
pub async fn an_app_reads_for_a_person_and_no_more(deployment: Deployment) {
    let (letter, other) = (Letter::text(PATIENT, 1), Letter::text(OTHER, 2));
    begun(&deployment, &[&letter, &other]).await;
    let app = App::of(&deployment).await;
    let mut browser = Browser::new(&deployment);

    assert_eq!(browser.get(&app.asks("patient/*.rs user/*.rs openid")).await.0, 303);
    assert_eq!(browser.signed_in(&deployment, "/sign-in", GP).await, CONSENT);
    let (_, page) = browser.get(CONSENT).await;
    assert!(page.contains("Let Example app read for you?") && page.contains("127.0.0.1"), "{page}");
    assert!(!page.contains("value=\"allow\""), "no patient has been chosen: {page}");
    let (status, page) = choose(&mut browser, "9990001147").await;
    assert!(status == 422 && page.contains("check the digits"), "{status} {page}");
    assert_eq!(choose(&mut browser, PATIENT).await.0, 303);
    let (_, page) = browser.get(CONSENT).await;
    assert!(page.contains("Allow for OKAFOR, Ngozi"), "{page}");
    assert!(page.contains("of this one patient"), "{page}");
    let back = decide(&mut browser, &page, "allow").await;
    assert!(!back.contains(PATIENT) && back.starts_with(HOME), "{back}");
    let sent = app.answer(&back);
    let (status, given) = app.redeem(&sent["code"]).await;

    assert_eq!((status, &given["token_type"]), (200, &json!("Bearer")), "{given}");
    assert_eq!(given["scope"], "launch/patient patient/*.rs user/*.rs", "{given}");
    let token = given["access_token"].as_str().unwrap();
    let whole = format!("{given}{}", decoded(token));
    assert!(!whole.contains(PATIENT), "{whole}");
    let (status, read) =
        app.get(token, &format!("Patient/{}", given["patient"].as_str().unwrap())).await;
    assert_eq!((status, &read["name"][0]["family"]), (200, &json!("Okafor")), "{read}");
    let (status, found) = app.search(token, "DocumentReference", PATIENT).await;
    assert_eq!((status, &found["total"]), (200, &json!(1)), "{found}");
    let url = found["entry"][0]["resource"]["content"][0]["attachment"]["url"].as_str().unwrap();
    let binary = app.http.get(url).bearer_auth(token).send().await.unwrap();
    assert_eq!(binary.bytes().await.unwrap(), letter.bytes);
    nobody_else(&deployment, &app, token, &other).await;
    recorded(&deployment);

    assert_eq!(browser.get(CONSENT).await.0, 410, "it has been answered");
    let (status, told) = app.redeem(&sent["code"]).await;
    assert_eq!((status, &told["error"]), (400, &json!("invalid_grant")), "{told}");
    assert_eq!(app.search(token, "DocumentReference", PATIENT).await.0, 401, "it is taken back");
    deployment.assert_no_panic();
}

/// A person who says no, an app that is not what it says, and a token without the person.
pub async fn an_app_gets_nothing_without_the_person(deployment: Deployment) {
    begun(&deployment, &[&Letter::text(PATIENT, 1)]).await;
    let app = App::of(&deployment).await;
    let mut browser = Browser::sign_in(&deployment, GP).await;
    browser.find(PATIENT).await;

    for wrong in [
        app.asks("patient/*.rs").replace("demo-app", "nobody"),
        app.asks("patient/*.rs").replace("%2Fcallback", "%2Fcallback%2Fevil"),
    ] {
        assert_eq!(browser.get(&wrong).await.0, 303);
        let (status, page) = browser.get(CONSENT).await;
        assert!(status == 400 && page.contains("The app cannot be let in"), "{status} {page}");
    }
    browser.get(&app.asks("patient/*.rs").replace("=S256", "=plain")).await;
    let told = app.answer(&browser.led(CONSENT).await);
    assert_eq!(told["error"], "invalid_request", "{told}");

    browser.get(&app.asks("patient/*.rs")).await;
    let (_, old) = browser.get(CONSENT).await;
    assert!(old.contains("Allow for OKAFOR"), "whoever is open is chosen: {old}");
    browser.get(&app.asks("patient/Patient.r")).await;
    let fields = fields(&old, "allow");
    let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
    assert_eq!(browser.submit(CONSENT, &fields).await.0, 410, "a page of another request");
    let (_, page) = browser.get(CONSENT).await;
    let forged: Vec<(&str, &str)> = [&[("csrf", "x")], &fields[..]].concat();
    assert_eq!(browser.post(CONSENT, &forged).await.0, 403);
    let told = app.answer(&decide(&mut browser, &page, "deny").await);
    assert_eq!((&told["error"], told.get("code")), (&json!("access_denied"), None), "{told}");
    let events = deployment.audit(Role::Portal);
    let refused = events.iter().rfind(|e| e["interaction"] == "refuse an app").unwrap();
    assert_eq!((&refused["outcome"], &refused["actor"]["id"]), (&json!("refused"), &json!(GP)));

    browser.get(&app.asks("launch/patient patient/Patient.rs")).await;
    let (_, page) = browser.get(CONSENT).await;
    let sent = app.answer(&decide(&mut browser, &page, "allow").await);
    let given = app.redeem(&sent["code"]).await.1;
    let token = given["access_token"].as_str().unwrap();
    assert_eq!(app.search(token, "Patient", PATIENT).await.0, 200);
    let (status, told) = app.search(token, "DocumentReference", PATIENT).await;
    assert_eq!(status, 403, "without the scope: {told}");
    let again = format!("{}/oauth/authorization", app.portal);
    let asked = app.http.post(again).bearer_auth(token).body("request=x&decision=allow");
    let form = asked.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(form.send().await.unwrap().status().as_u16(), 403, "apps let no apps in");
    browser.submit_to("/account", "/sign-out/everywhere", &[]).await;
    assert_eq!(app.search(token, "Patient", PATIENT).await.0, 401, "it ends with the sign-in");
    deployment.assert_no_panic();
}

/// Of another patient, of accesses and of the programme the token tells nothing.
async fn nobody_else(deployment: &Deployment, app: &App, token: &str, letter: &Letter) {
    let own = deployment.fhir().as_person(GP).await;
    let documents = own.documents(OTHER).await;
    let id = documents[&letter.unique_id]["id"].as_str().unwrap();
    let person = own.resource(&format!("Patient?identifier={OTHER}")).await.1;
    let person = person["entry"][0]["resource"]["id"].as_str().unwrap();

    for path in [
        format!("DocumentReference/{id}"),
        format!("Binary/{id}"),
        format!("Patient/{person}"),
        format!("Patient/$ihe-pix?sourceIdentifier={NHS}|{OTHER}"),
        format!("DocumentReference?patient=Patient/{person}&status=current"),
        "AuditEvent".to_owned(),
        "Consent".to_owned(),
        "EpisodeOfCare".to_owned(),
        "Contract".to_owned(),
        "$feeds".to_owned(),
        "Patient/$mine".to_owned(),
    ] {
        let (status, told) = app.get(token, &path).await;
        let empty = status == 200 && told["total"] == 0;
        assert!([403, 404].contains(&status) || empty, "{path}: {status} {told}");
        assert!(!told.to_string().contains("Quiet"), "{path}: {told}");
    }
    for kind in ["DocumentReference", "List", "Condition", "Patient"] {
        let (status, told) = app.search(token, kind, OTHER).await;
        let empty = status == 200 && told["total"] == 0;
        assert!(status == 403 || empty, "{kind}: {status} {told}");
    }
    let named = "family=Quiet&birthdate=1945-07-14";
    let (status, told) = app.form(token, "Patient/_search", named.to_owned()).await;
    assert_eq!((status, &told["total"]), (200, &json!(0)), "{told}");
    let pix = |number: &str| format!("Patient/$ihe-pix?sourceIdentifier={NHS}|{number}");
    let known = app.get(token, &pix(OTHER)).await;
    assert_eq!(known, app.get(token, &pix(NOBODY)).await, "whether there is anybody is not told");
    let events = deployment.audit(Role::Portal);
    for interaction in ["ITI-83", "read Patient", "search Patient", "search Patient by name"] {
        let refused = events.iter().any(|e| {
            e["interaction"] == interaction
                && (&e["outcome"], &e["subject"]) == (&json!("refused"), &json!(OTHER))
                && e["decision"]["rule"] == "other-patient"
        });
        assert!(refused, "no record of a refused {interaction}");
    }
    let (status, told) = app.form(token, "Patient/$may-see", String::new()).await;
    assert_eq!(status, 403, "{told}");
}

fn recorded(deployment: &Deployment) {
    let events = deployment.audit(Role::Portal);
    let of = |interaction: &str| {
        let found = events.iter().find(|e| e["interaction"] == interaction);
        found.unwrap_or_else(|| panic!("no record of {interaction}"))
    };
    let allowed = of("let an app act");
    assert_eq!((&allowed["actor"]["id"], &allowed["subject"]), (&json!(GP), &json!(PATIENT)));
    assert!(allowed["listed"].to_string().contains("app demo-app"), "{allowed}");
    let given = of("ITI-71 get access token");
    assert_eq!((&given["actor"]["id"], &given["subject"]), (&json!(GP), &json!(PATIENT)));
    let read = of("ITI-68 read Binary");
    assert_eq!((&read["actor"]["id"], &read["actor"]["client"]), (&json!(GP), &json!("demo-app")));
    assert!(given["listed"].to_string().contains(read["actor"]["assertion"].as_str().unwrap()));
}

/// Two patients who are known, and their letters.
async fn begun(deployment: &Deployment, letters: &[&Letter]) {
    let feed = crate::identity::Feed(deployment);
    for (number, given, family) in [(PATIENT, "Ngozi", "Okafor"), (OTHER, "Jo", "Quiet")] {
        let person = format!(
            "<name><given>{given}</given><family>{family}</family></name>\
             <birthTime value=\"19450714\"/>"
        );
        let told = crate::identity::patient(number, &person);
        assert_eq!(feed.tell("PRPA_IN201301UV02", &told).await, "CA");
    }
    for letter in letters {
        assert!(deployment.node(0).publish(letter).await.unwrap().is_success());
    }
}

async fn choose(browser: &mut Browser, number: &str) -> (u16, String) {
    let to = "/oauth/consent/patient";
    // The form of the patient stands before that of the decision; they have one token.
    browser.submit_to(CONSENT, to, &[("nhs_number", number)]).await
}

/// Sends the form of a consent page: where the browser is led.
async fn decide(browser: &mut Browser, page: &str, decision: &str) -> String {
    let fields = fields(page, decision);
    let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
    browser.led_by(CONSENT, &fields).await
}

fn fields(page: &str, decision: &str) -> Vec<(&'static str, String)> {
    let value = |name: &str| {
        let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let mut fields =
        vec![("request", value("request").unwrap()), ("decision", decision.to_owned())];
    fields.extend(value("patient").map(|patient| ("patient", patient)));
    fields
}

fn decoded(token: &str) -> String {
    let claims = token.split('.').nth(1).unwrap();
    String::from_utf8(URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

/// An app that knows what the portal tells of itself.
struct App {
    http: reqwest::Client,
    portal: String,
    told: Value,
}

impl App {
    async fn of(deployment: &Deployment) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let portal = deployment.url(Role::Portal, "");
        let url = format!("{portal}/fhir/.well-known/smart-configuration");
        let told: Value = http.get(url).send().await.unwrap().json().await.unwrap();
        assert_eq!(told["code_challenge_methods_supported"], json!(["S256"]));
        for there in ["launch-standalone", "client-public", "context-standalone-patient"] {
            assert!(told["capabilities"].as_array().unwrap().contains(&json!(there)), "{told}");
        }
        let url = format!("{portal}/fhir/metadata");
        let metadata: Value = http.get(url).send().await.unwrap().json().await.unwrap();
        let uris = &metadata["rest"][0]["security"]["extension"][0]["extension"];
        let endpoint = |name: &str| told[format!("{name}_endpoint")].clone();
        let authorize = json!({"url": "authorize", "valueUri": endpoint("authorization")});
        assert_eq!(*uris, json!([authorize, {"url": "token", "valueUri": endpoint("token")}]));
        Self { http, portal, told }
    }

    /// The path at which it asks, for scopes besides the patient.
    fn asks(&self, scope: &str) -> String {
        let page = self.told["authorization_endpoint"].as_str().unwrap();
        let path = page.strip_prefix(&self.portal).unwrap();
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, VERIFIER.as_bytes()));
        let (scope, aud) = (format!("launch/patient {scope}"), format!("{}/fhir", self.portal));
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("response_type", "code"),
                ("client_id", "demo-app"),
                ("redirect_uri", HOME),
                ("scope", scope.as_str()),
                ("state", STATE),
                ("aud", aud.as_str()),
                ("code_challenge", challenge.as_str()),
                ("code_challenge_method", "S256"),
            ])
            .finish();
        format!("{path}?{query}")
    }

    /// What the browser brings back: of this portal, and for this request.
    fn answer(&self, back: &str) -> Value {
        assert!(back.starts_with(&format!("{HOME}?")), "{back}");
        let url = url::Url::parse(back).unwrap();
        let told: Value =
            url.query_pairs().map(|(n, v)| (n.into_owned(), Value::from(v.into_owned()))).collect();
        assert_eq!((&told["state"], &told["iss"]), (&json!(STATE), &self.told["issuer"]), "{back}");
        told
    }

    async fn redeem(&self, code: &Value) -> (u16, Value) {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("grant_type", "authorization_code"),
                ("client_id", "demo-app"),
                ("redirect_uri", HOME),
                ("code", code.as_str().unwrap()),
                ("code_verifier", VERIFIER),
            ])
            .finish();
        let request = self.http.post(self.told["token_endpoint"].as_str().unwrap()).body(form);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.headers()["cache-control"], "no-store");
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn get(&self, token: &str, path: &str) -> (u16, Value) {
        let url = format!("{}/fhir/{path}", self.portal);
        let answer = self.http.get(url).bearer_auth(token).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn search(&self, token: &str, kind: &str, patient: &str) -> (u16, Value) {
        let form = match kind {
            "Patient" => format!("identifier={NHS}|{patient}"),
            "List" => {
                format!("patient.identifier={NHS}|{patient}&status=current&code=submissionset")
            }
            "DocumentReference" => format!("patient.identifier={NHS}|{patient}&status=current"),
            _ => format!("patient.identifier={NHS}|{patient}"),
        };
        self.form(token, &format!("{kind}/_search"), form).await
    }

    async fn form(&self, token: &str, path: &str, form: String) -> (u16, Value) {
        let request = self.http.post(format!("{}/fhir/{path}", self.portal)).body(form);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.bearer_auth(token).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

const HOME: &str = "http://127.0.0.1:9000/callback";
const CONSENT: &str = "/oauth/consent";
const STATE: &str = "a state & more";
const VERIFIER: &str = "a-verifier-of-forty-three-characters-or-more";
const OTHER: &str = "9990001138";
const NOBODY: &str = "9990001219";
const NHS: &str = "https://fhir.nhs.uk/Id/nhs-number";
