//! Codes: who gets one, what it is worth, and to whom.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use carerecord_access::{AssertedPatient, Assurance, Caller, UserCaller};
use carerecord_model::RandomIds;
use carerecord_service::signing::make_key;
use carerecord_service::{SignIn, SignOutsUnavailable};
use jiff::SignedDuration;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::authorize::{AuthorizeError as E, NotAsked};
use super::error::{AssertionError as A, GrantError as G, OAuthFailure as F};
use super::form::OAuthForm;
use super::grants::{GrantedPatient, challenge};
use super::tests::{BASE, Hands, ISSUER, draft};
use super::*;

struct World {
    oauth: OAuth,
    clock: Arc<Hands>,
    sign_outs: Arc<Gone>,
    database: Database,
    folder: TempDir,
}

/// Whether the person has signed out.
#[derive(Debug, Default)]
struct Gone(AtomicBool);

#[async_trait]
impl EndedSignIns for Gone {
    async fn has_ended(&self, sign_in: &SignIn) -> Result<bool, SignOutsUnavailable> {
        assert_eq!((sign_in.subject.as_str(), sign_in.session_id.as_deref()), ("555", Some("s1")));
        Ok(self.0.load(Ordering::SeqCst))
    }
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        make_key(&file("oauth.key"), &file("oauth.json")).unwrap();
        make_key(&file("app.key"), &file("app.json")).unwrap();
        let clock = Arc::new(Hands(Mutex::new("2026-11-27T09:00:00Z".parse().unwrap())));
        let database = Database::open(&file("portal.db")).await.unwrap();
        let sign_outs = Arc::new(Gone::default());
        let people =
            People { page: format!("{ISSUER}/oauth/authorize"), sign_outs: sign_outs.clone() };
        let (ids, people) = (Arc::new(RandomIds), Some(people));
        let of = (&config(), folder.path());
        let kept = database.clone();
        let oauth = OAuth::new(of.0, of.1, BASE, kept, clock.clone(), ids, people).unwrap();
        Self { oauth, clock, sign_outs, database, folder }
    }

    fn wait(&self, seconds: i64) {
        *self.clock.0.lock().unwrap() += SignedDuration::from_secs(seconds);
    }

    /// The error of the right request with one parameter changed, or left out.
    fn refuses(&self, name: &str, value: &str) -> NotAsked {
        match self.oauth.asked(&query(name, value)) {
            Ok(_) => panic!("{name}={value} is asked"),
            Err(told) => told,
        }
    }

    /// A code for a request.
    async fn code(&self, query: &str) -> String {
        let now = self.clock.now();
        let asked = self.oauth.asked(query).map_err(|told| told.error).unwrap();
        let mut granted = asked.grant(&user(), &sign_in(), now);
        let number = "9990001006".parse().unwrap();
        granted.patient = Some(GrantedPatient { number, id: "sealed".to_owned() });
        self.oauth.code(RandomIds.random(), &granted, now).await.unwrap()
    }

    async fn post(&self, body: &str) -> Result<Value, F> {
        let form = OAuthForm::read("application/x-www-form-urlencoded", body).unwrap();
        self.oauth.give(&form, None, &draft(self.clock.now())).await
    }

    async fn judge(&self, answer: &Value) -> Option<OwnToken> {
        let token = answer["access_token"].as_str().unwrap();
        self.oauth.judge(token).await.unwrap()
    }

    /// An assertion of the app that has a key.
    fn assertion(&self) -> String {
        let pem = std::fs::read(self.folder.path().join("app.key")).unwrap();
        let now = self.clock.now().as_second();
        let claims = json!({
            "iss": "ward", "sub": "ward", "aud": format!("{ISSUER}/oauth/token"),
            "jti": RandomIds.random().to_string(), "exp": now + 60,
        });
        let key = EncodingKey::from_ec_pem(&pem).unwrap();
        let signed = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &key).unwrap();
        format!(
            "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
             &client_assertion={signed}"
        )
    }
}

fn config() -> OAuthConfig {
    let app = |id: &str, keys: Value| {
        json!({"id": id, "name": "Growth charts", "organisation": "ZEX09", "keys": keys,
            "redirect_uris": [HOME, "https://app.example/other?x=1"],
            "scopes": ["launch/patient", "patient/*.rs", "user/Patient.rs"]})
    };
    serde_json::from_value(json!({
        "key": "oauth.key", "keys": "oauth.json",
        "client": [app("charts", Value::Null), app("other", Value::Null), app("ward", "app.json".into()),
            {"id": "system", "organisation": "ZEX09", "keys": "app.json",
             "scopes": ["system/*.rs"], "may_introspect": true}],
    }))
    .unwrap()
}

fn user() -> UserCaller {
    UserCaller {
        user_id: "555".to_owned(),
        name: "Gee Pea".to_owned(),
        organisation: "A20047".parse().unwrap(),
        role: "R8000".to_owned(),
        role_profile_id: "p1".to_owned(),
        activities: Vec::new(),
        assurance: Assurance::Aal3,
        client_id: "web".to_owned(),
        session_id: Some("s1".to_owned()),
        asserted: None,
    }
}

fn sign_in() -> SignIn {
    SignIn {
        issuer: "https://idp.example".to_owned(),
        subject: "555".to_owned(),
        session_id: Some("s1".to_owned()),
        since: "2026-11-27T08:00:00Z".parse().unwrap(),
    }
}

/// The right request, with one parameter changed; one that is empty is absent.
fn query(name: &str, value: &str) -> String {
    let challenge = challenge(VERIFIER).unwrap();
    let right = [
        ("response_type", "code"),
        ("client_id", "charts"),
        ("redirect_uri", HOME),
        ("scope", "launch/patient patient/*.rs openid fhirUser"),
        ("state", "s t&te"),
        ("aud", BASE),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(right.iter().filter(|(of, _)| *of != name));
    if !value.is_empty() {
        query.append_pair(name, value);
    }
    query.finish()
}

fn shown(code: &str) -> String {
    format!(
        "grant_type=authorization_code&client_id=charts&redirect_uri={HOME}&code={code}\
         &code_verifier={VERIFIER}"
    )
}

#[tokio::test]
async fn who_is_not_known_is_told_nothing_and_who_is_learns_what_is_wrong() {
    let world = World::new().await;

    for (name, value, error) in [
        ("client_id", "", E::UnknownApp),
        ("client_id", "nobody", E::UnknownApp),
        ("client_id", "system", E::UnknownApp),
        ("redirect_uri", "", E::RedirectUri),
        ("redirect_uri", "https://app.example/callback/", E::RedirectUri),
        ("redirect_uri", "https://app.example/callback/../evil", E::RedirectUri),
        ("redirect_uri", "https://app.example/callback?x=1", E::RedirectUri),
        ("redirect_uri", "https://app.example/callback#x", E::RedirectUri),
        ("redirect_uri", "https://app.example.evil.example/callback", E::RedirectUri),
        ("redirect_uri", "https://app.example@evil.example/callback", E::RedirectUri),
        ("redirect_uri", "HTTPS://app.example/callback", E::RedirectUri),
    ] {
        assert_eq!(world.refuses(name, value), NotAsked::from(error), "{name}={value}");
    }
    let twice = query("", "") + "&client_id=charts";
    assert!(world.oauth.asked(&twice).is_err_and(|told| told.back.is_none()));

    let plain = VERIFIER;
    for (name, value, error) in [
        ("response_type", "token", E::ResponseType),
        ("response_type", "", E::ResponseType),
        ("response_mode", "fragment", E::ResponseMode),
        ("request", "e30.e30.", E::RequestObject),
        ("code_challenge", "", E::Challenge),
        ("code_challenge", "short", E::Challenge),
        ("code_challenge_method", "", E::Challenge),
        ("code_challenge_method", "plain", E::Challenge),
        ("aud", "", E::Audience),
        ("aud", "https://other.example/fhir", E::Audience),
        ("aud", "https://portal.example/fhir/../evil", E::Audience),
        ("resource", "https://other.example/fhir", E::Audience),
        ("scope", "", E::Scope),
        ("scope", "user/*.rs", E::Scope),
        ("scope", "launch/patient", E::Scope),
        ("scope", "patient/DocumentReference.crs", E::Scope),
    ] {
        let told = world.refuses(name, value);
        assert_eq!(told.error, error, "{name}={value}");
        let back = url::Url::parse(&told.back.unwrap()).unwrap();
        assert!(back.as_str().starts_with("https://app.example/callback?error="), "{back}");
        let sent =
            |of: &str| back.query_pairs().find(|(n, _)| n == of).map(|(_, v)| v.into_owned());
        assert_eq!(sent("error").as_deref(), Some(error.code()));
        assert_eq!(sent("state").as_deref(), Some("s t&te"), "it comes back as it was");
        assert_eq!(sent("iss").as_deref(), Some(ISSUER));
        assert_eq!(sent("code"), None);
    }
    let told = world.refuses("state", "");
    assert_eq!((told.error, told.back.unwrap().contains("state=")), (E::State, false));
    assert_eq!(world.refuses("code_challenge", &format!("{plain}=")).error, E::Challenge);
}

#[tokio::test]
async fn a_code_gives_the_persons_token_as_far_as_the_app_is_registered() {
    let world = World::new().await;
    let asked = query("scope", "launch/patient patient/*.read user/*.rs system/*.rs openid");

    let code = world.code(&asked).await;
    let answer = world.post(&shown(&code)).await.unwrap();

    assert_eq!(answer["scope"], "launch/patient patient/*.rs", "no more than is registered");
    assert_eq!((&answer["patient"], &answer["expires_in"]), (&"sealed".into(), &300.into()));
    let claims = world.oauth.claims(answer["access_token"].as_str().unwrap()).unwrap();
    assert_eq!((claims.sub.as_str(), claims.client_id.as_str()), ("555", "charts"));
    let organisation = claims.extensions.ihe_iua.subject_organization_id.unwrap();
    assert!(organisation.ends_with("/A20047"), "the person's: {organisation}");
    let own = world.judge(&answer).await.unwrap();
    assert!(own.scopes.permit("Condition", Permission::Read));
    assert!(!own.scopes.permit("Consent", Permission::Search));
    let Caller::User(person) = own.caller else { panic!("a person") };
    let asserted = person.asserted.unwrap();
    assert_eq!(person.client_id, "charts");
    assert_eq!(asserted.patient, AssertedPatient::Only("9990001006".parse().unwrap()));
    assert_eq!((asserted.assertion_id, asserted.system.name), (claims.jti, "charts".to_owned()));
    let system = world.post(&format!("grant_type=client_credentials{}", world.assertion())).await;
    assert_eq!(system, Err(F::NotForClient), "an app has nothing of its own");
}

#[tokio::test]
async fn a_code_is_its_clients_once_and_for_a_minute() {
    let world = World::new().await;
    let right = query("", "");
    let other = VERIFIER.replace('a', "b");
    for (changed, error) in [
        (("code_verifier", other.as_str()), F::Grant(G::Verifier)),
        (("code_verifier", "short"), F::Grant(G::Verifier)),
        (("code_verifier", ""), F::Request),
        (("client_id", "other"), F::Grant(G::OtherClient)),
        (("client_id", "nobody"), F::Client(A::UnknownClient)),
        (("client_id", "ward"), F::Client(A::Missing)),
        (("client_id", "system"), F::Client(A::Missing)),
        (("redirect_uri", "https://app.example/other?x=1"), F::Grant(G::OtherRedirectUri)),
        (("redirect_uri", ""), F::Request),
        (("code", "made-up"), F::Grant(G::Unknown)),
        (("resource", "https://other.example/fhir"), F::Target),
    ] {
        let code = world.code(&right).await;
        let form = shown(&code);
        let pairs = url::form_urlencoded::parse(form.as_bytes()).filter(|(n, _)| *n != changed.0);
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        let body = body.extend_pairs(pairs).append_pair(changed.0, changed.1).finish();
        assert_eq!(world.post(&body).await, Err(error), "{changed:?}");
    }
    let code = world.code(&right).await;
    world.wait(61);
    assert_eq!(world.post(&shown(&code)).await, Err(F::Grant(G::Expired)));
    let code = world.code(&right).await;
    world.wait(60);
    let answer = world.post(&shown(&code)).await.unwrap();
    assert!(world.judge(&answer).await.is_some());

    assert_eq!(world.post(&shown(&code)).await, Err(F::Grant(G::Replayed)));
    assert!(world.judge(&answer).await.is_none(), "what it gave is taken back");
    assert_eq!(world.post(&shown(&code)).await, Err(F::Grant(G::Replayed)), "and stays so");
}

#[tokio::test]
async fn a_code_that_was_shown_wrongly_is_used_up() {
    let world = World::new().await;
    let code = world.code(&query("", "")).await;
    let wrong = shown(&code).replace("client_id=charts", "client_id=other");

    assert_eq!(world.post(&wrong).await, Err(F::Grant(G::OtherClient)));
    assert_eq!(world.post(&shown(&code)).await, Err(F::Grant(G::Replayed)));
}

#[tokio::test]
async fn what_is_over_is_swept_whenever_a_code_comes() {
    let world = World::new().await;
    let grants = async || {
        let count = carerecord_storage::sql("SELECT count(*) FROM app_grant");
        count.number(&world.database).await.unwrap()
    };
    world.code(&query("", "")).await;

    world.wait(360);
    assert_eq!(world.post(&shown("made-up")).await, Err(F::Grant(G::Unknown)));
    assert_eq!(grants().await, 1, "a token of it may be in use for a moment still");
    world.wait(1);
    assert_eq!(world.post(&shown("made-up")).await, Err(F::Grant(G::Unknown)));
    assert_eq!(grants().await, 0);
}

#[tokio::test]
async fn an_app_with_a_key_has_to_show_it() {
    let world = World::new().await;
    let right = query("client_id", "ward");
    let form = |code: &str| shown(code).replace("client_id=charts", "client_id=ward");

    let code = world.code(&right).await;
    assert_eq!(world.post(&form(&code)).await, Err(A::Missing.into()));
    assert!(world.post(&(form(&code) + &world.assertion())).await.is_ok(), "it is not used up");
    let code = world.code(&query("", "")).await;
    let stolen = shown(&code).replace("client_id=charts", "client_id=ward") + &world.assertion();
    assert_eq!(world.post(&stolen).await, Err(F::Grant(G::OtherClient)));
}

#[tokio::test]
async fn a_token_ends_with_the_sign_in_and_its_time() {
    let world = World::new().await;
    let code = world.code(&query("", "")).await;
    let answer = world.post(&shown(&code)).await.unwrap();
    let token = answer["access_token"].as_str().unwrap().to_owned();
    let tell = async || {
        let assertion = world.assertion();
        let form = OAuthForm::parse(&format!("token={token}{assertion}")).unwrap();
        world.oauth.tell(&form, None, None, &draft(world.clock.now())).await
    };
    assert_eq!(tell().await, Err(F::NotPermitted), "apps are told nothing of tokens");
    let form = OAuthForm::parse(&format!("token={token}")).unwrap();
    let as_app = world.oauth.tell(&form, Some(&token), None, &draft(world.clock.now())).await;
    assert_eq!(as_app, Err(A::Malformed.into()), "nor can they ask by what people gave them");

    world.sign_outs.0.store(true, Ordering::SeqCst);
    assert!(world.judge(&answer).await.is_none());
    world.sign_outs.0.store(false, Ordering::SeqCst);
    assert!(world.judge(&answer).await.is_some());
    world.wait(300);
    assert!(world.judge(&answer).await.is_none());
}

#[tokio::test]
async fn who_guesses_waits_and_nobody_else() {
    let world = World::new().await;
    for _ in 0..30 {
        assert_eq!(world.post(&shown("made-up")).await, Err(F::Grant(G::Unknown)));
    }
    assert_eq!(world.post(&shown("made-up")).await, Err(F::TooMany));
    let elsewhere = Some("192.0.2.7".parse().unwrap());
    let code = world.code(&query("", "")).await;
    let form = OAuthForm::parse(&shown(&code)).unwrap();
    let given = world.oauth.give(&form, elsewhere, &draft(world.clock.now())).await;
    assert!(given.is_ok(), "{given:?}");
}

#[tokio::test]
async fn names_that_nobody_has_are_counted_together() {
    let world = World::new().await;
    let made_up = |n: u32| shown("x").replace("client_id=charts", &format!("client_id=app-{n}"));
    for n in 0..30 {
        assert_eq!(world.post(&made_up(n)).await, Err(A::UnknownClient.into()));
    }

    assert_eq!(world.post(&made_up(30)).await, Err(F::TooMany));
    let code = world.code(&query("", "")).await;
    assert!(world.post(&shown(&code)).await.is_ok(), "who is known is not kept out");
}

#[tokio::test]
async fn what_is_told_of_apps_is_there_and_an_app_needs_somewhere_to_ask() {
    let world = World::new().await;
    let told = world.oauth.described();

    assert_eq!(told["authorization_endpoint"], format!("{ISSUER}/oauth/authorize"));
    assert_eq!(told["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(told["response_types_supported"], json!(["code"]));
    let check = |change: fn(&mut ClientConfig)| {
        let mut config = config();
        change(&mut config.clients[0]);
        let checked = config.check(world.folder.path(), true, world.clock.now());
        checked.map_err(|error| error.to_string())
    };
    assert_eq!(check(|_| {}), Ok(()));
    assert!(config().check(world.folder.path(), false, world.clock.now()).is_err());
    for (change, why) in [
        (
            (|c| c.redirect_uris[0] = "http://app.example/x".into()) as fn(&mut ClientConfig),
            "https",
        ),
        (|c| c.redirect_uris[0] += "#x", "fragment"),
        (|c| c.name = None, "which app"),
        (|c| c.scopes.push("system/*.rs".into()), "those of systems"),
        (|c| c.scopes = vec!["launch/patient".into()], "names none"),
        (|c| c.scopes.push("patient/Consent.rs".into()), "no scope"),
        (|c| c.may_introspect = true, "resource servers"),
        (|c| c.redirect_uris.clear(), "those of systems"),
    ] {
        let told = check(change).unwrap_err();
        assert!(told.contains(why) && told.contains("charts"), "{why}: {told}");
    }
    let mut system = config();
    system.clients[3].keys = None;
    let told = system.check(world.folder.path(), true, world.clock.now()).unwrap_err();
    assert!(told.to_string().contains("has to show who it is"), "{told}");
}

const HOME: &str = "https://app.example/callback";
const VERIFIER: &str = "a-verifier-of-forty-three-characters-or-more";
