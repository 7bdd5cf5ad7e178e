//! A clinical system opens a patient's record in the web portal by an id alone, and is asked by the portal
//! what that stands for.

use carerecord_model::{Clock, SystemClock};
use carerecord_testkit::{Browser, ContextFault, Deployment, GP, PATIENT, Role};
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use crate::smart::{known_patient, of};

/// From the id into the record, as the person of the context: once, and recorded with whose it is and
/// without the id. The provider does not sign anybody in without a page, so they are asked there.
pub async fn a_system_is_asked_for_whom_it_opens_a_record(deployment: Deployment) {
    known_patient(&deployment).await;
    let system = deployment.contexts().await;
    system.gives(ID, &signed(&deployment, 1));
    let mut browser = Browser::new(&deployment);
    let launch = format!("/launch?launcher=demo-epr&launch={ID}");

    let back = browser.launched(&launch).await;
    assert!(back.contains("error=login_required"), "{back}");
    assert_eq!(system.asked(), 0, "not before it is known who asks");
    let list = browser.opened(&deployment, &back, GP).await;

    let (status, page) = browser.get(&list).await;
    assert!(status == 200 && page.contains("OKAFOR"), "{page}");
    assert!(page.contains("Opened from Example EPR"), "{page}");
    assert_eq!(browser.get("/search").await.0, 403);
    system.gives(ID, &signed(&deployment, 2));
    assert_eq!(browser.get(&launch).await.0, 410, "once");
    system.fault(ContextFault::Broken);
    let (status, page) = browser.get(&launch).await;
    assert!(status == 503 && page.contains("The other system could not be asked"), "{page}");

    let events = deployment.audit(Role::Portal);
    let by_id: Vec<&Value> =
        events.iter().filter(|e| e["interaction"] == "launch by an id").collect();
    let [left, came, again, broken] = by_id.as_slice() else { panic!("{by_id:?}") };
    let told =
        |event: &Value| [&event["request"], &event["outcome"], &event["subject"]].map(Value::clone);
    assert_eq!(told(left), [json!("GET /launch"), json!("success"), Value::Null]);
    assert_eq!(told(came), [json!("GET /sign-in/callback"), json!("success"), json!(PATIENT)]);
    assert_eq!(told(again), [json!("GET /launch"), json!("refused"), json!(PATIENT)]);
    assert_eq!(told(broken), [json!("GET /launch"), json!("failed"), Value::Null]);
    let actor = &came["actor"];
    assert_eq!((&actor["id"], &actor["known_by"]), (&json!("demo-epr"), &json!("launch")));
    assert_eq!(actor["organisation"], "A20047");
    assert_eq!(again["error"], "the launch has been used before");
    assert_eq!(broken["error"], "the launching system did not give the context");
    let sent = of(&events, "launch context");
    assert_eq!((&sent["direction"], &sent["request"]), (&json!("out"), &json!("POST /context")));
    assert!(!Value::from(events).to_string().contains(ID), "no id is kept");
    deployment.assert_no_panic();
}

/// The context of the patient for the GP, as `demo-epr` signs it.
fn signed(deployment: &Deployment, n: u32) -> String {
    let key = std::fs::read(deployment.launcher_key()).unwrap();
    let key = EncodingKey::from_ec_pem(&key).unwrap();
    let jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(jwk.thumbprint(ThumbprintHash::SHA256).unwrap());
    let now = SystemClock.now().as_second();
    let claims = json!({
        "iss": "demo-epr", "aud": deployment.url(Role::Portal, ""), "iat": now, "exp": now + 60,
        "jti": format!("context-{n}"), "sub": GP, "org": "A20047", "nhs_number": PATIENT,
        "birth_date": "1945-07-14", "family_name": "Okafor",
    });
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}

const ID: &str = "5d0c7c1e-opaque";
