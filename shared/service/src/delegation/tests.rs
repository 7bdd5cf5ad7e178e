use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use carerecord_access::{
    AssertedPatient, Caller, Override, OverrideReason, Purpose, Right, SystemCaller, UserCaller,
};
use carerecord_model::{Clock, NodeId, OnBehalf as _, RandomIds, UniqueId};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, Header};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::signing::{SigningKey, SigningKeyError, make_key};

struct World {
    folder: TempDir,
    clock: Arc<Hands>,
    delegator: Arc<Delegator>,
    judge: Delegations,
}

/// A clock that is put.
struct Hands(Mutex<Timestamp>);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(Hands(Mutex::new("2026-11-27T09:00:00.5Z".parse().unwrap())));
        let (key, keys) = (folder.path().join("a.key"), folder.path().join("keys.json"));
        make_key(&key, &keys).unwrap();
        let delegator =
            Delegator::new("https://portal.example", &key, clock.clone(), Arc::new(RandomIds));
        let judge = Delegations::new(&keys, clock.clone()).unwrap();
        Self { folder, clock, delegator: Arc::new(delegator.unwrap()), judge }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn wait(&self, seconds: i64) {
        *self.clock.0.lock().unwrap() += SignedDuration::from_secs(seconds);
    }

    fn statement(&self, whom: Delegate) -> String {
        let said = Delegation::new(Some(self.delegator.clone()), whom);
        said.statement(&node(), &[document("1.1")]).unwrap().unwrap()
    }

    fn take(&self, statement: &str) -> Result<Asker, DelegationError> {
        self.judge.asker(statement, &portal(), node().as_str(), &[document("1.1")])
    }

    /// A statement with other claims or another header, signed with the key of the file.
    fn forged(&self, key: &str, header: impl FnOnce(&mut Header), change: &Value) -> String {
        let key = SigningKey::read(&self.file(key)).unwrap();
        let now = self.clock.now().as_second();
        let mut claims = json!({
            "iss": "https://portal.example", "aud": "2.999.1", "jti": "1", "iat": now,
            "exp": now + 30, "sub": "555021900100", "purpose": "direct-care", "rule": "agreement",
            "asker": { "kind": "system", "organisation": "ZEX09" }, "patient": "9990001146",
            "documents_sha256": digest_of(&[document("1.1")]),
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let mut head = Header::new(Algorithm::ES256);
        head.typ = Some(TYPE.to_owned());
        head.kid = Some(key.id().to_owned());
        header(&mut head);
        jsonwebtoken::encode(&head, &claims, key.secret()).unwrap()
    }
}

fn node() -> NodeId {
    "2.999.1".parse().unwrap()
}

fn document(id: &str) -> UniqueId {
    id.parse().unwrap()
}

fn portal() -> SystemCaller {
    SystemCaller {
        name: "portal".to_owned(),
        organisation: "ZEX09".parse().unwrap(),
        rights: vec![Right::Delegate],
        known_by: "certificate",
    }
}

fn clinician() -> UserCaller {
    UserCaller {
        user_id: "555021900100".to_owned(),
        name: "Wren Tomasz".to_owned(),
        organisation: "A20047".parse().unwrap(),
        role: "R8000".to_owned(),
        role_profile_id: "1".to_owned(),
        activities: vec!["B0011".to_owned()],
        assurance: carerecord_access::Assurance::Aal3,
        client_id: "web".to_owned(),
        session_id: Some("session".to_owned()),
        asserted: None,
    }
}

fn whom(caller: Option<Caller>) -> Delegate {
    let patient = caller.as_ref().map(|_| "9990001146".parse().unwrap());
    let (purpose, rule) = (Purpose::Audit, "agreement".to_owned());
    Delegate { caller, purpose, patient, rule, opened: None }
}

#[test]
fn a_node_learns_who_asks_what_for_and_about_whom() {
    let world = World::new();
    let person = clinician();
    let since = world.clock.now();
    let opened = Override {
        id: uuid::Uuid::nil(),
        patient: "9990001146".parse().unwrap(),
        user_id: person.user_id.clone(),
        role_profile_id: "1".to_owned(),
        session_id: Some("session".to_owned()),
        reason: OverrideReason::Emergency,
        since,
        until: since + SignedDuration::from_hours(1),
    };
    let asks = Delegate {
        opened: Some(opened.clone()),
        ..whom(Some(Caller::User(Box::new(person.clone()))))
    };

    let asker = world.take(&world.statement(asks)).unwrap();

    let about = AssertedPatient::Only("9990001146".parse().unwrap());
    assert_eq!((asker.purpose, asker.about), (Purpose::Audit, about));
    let Caller::User(mut user) = asker.caller else { panic!("a person asks") };
    let asserted = user.asserted.take().unwrap();
    assert_eq!(*user, person);
    assert_eq!(asserted.issuer, "https://portal.example");
    assert_eq!((asserted.purpose, asserted.patient), (Some(Purpose::Audit), about));
    assert_eq!((asserted.opened, asserted.system), (Some(opened), portal()));
}

#[test]
fn a_system_asks_with_no_more_than_a_readers_rights_and_a_portal_about_nobody() {
    let world = World::new();
    let system = SystemCaller { rights: vec![Right::Delegate, Right::Administer], ..portal() };

    let asker = world.take(&world.statement(whom(Some(Caller::System(system))))).unwrap();
    let probing = world.take(&world.statement(Delegate::portal())).unwrap();

    let Caller::System(system) = asker.caller else { panic!("a system asks") };
    assert_eq!(
        (system.rights, system.known_by),
        (vec![Right::Query, Right::Retrieve], "delegation")
    );
    assert_eq!(probing.about, AssertedPatient::Unknown);
    assert!(!probing.caller.has_right(Right::Delegate));
}

#[test]
fn it_is_taken_once_in_its_time_by_the_node_and_for_the_documents_that_it_names() {
    use DelegationError as E;
    let world = World::new();
    let fresh = || world.statement(whom(Some(Caller::User(Box::new(clinician())))));
    let used = fresh();
    let ask = |statement: &str, to: &str, ids: &[&str]| {
        let ids: Vec<UniqueId> = ids.iter().map(|id| document(id)).collect();
        world.judge.asker(statement, &portal(), to, &ids).map(drop)
    };

    assert_eq!(ask(&used, "2.999.2", &["1.1"]), Err(E::OtherNode));
    assert_eq!(ask(&used, "2.999.1", &["1.2"]), Err(E::OtherDocuments));
    assert_eq!(ask(&used, "2.999.1", &["1.1", "1.2"]), Err(E::OtherDocuments));
    assert_eq!(ask(&used, "2.999.1", &[]), Err(E::OtherDocuments));
    // What is refused is not used up.
    assert_eq!(ask(&used, "2.999.1", &["1.1", "1.1"]), Ok(()));
    assert_eq!(ask(&used, "2.999.1", &["1.1"]), Err(E::Replayed));
    let late = fresh();
    world.wait(45);
    assert_eq!(ask(&late, "2.999.1", &["1.1"]), Err(E::Expired));
    assert_eq!(ask(&used, "2.999.1", &["1.1"]), Err(E::Expired));
    let early = fresh();
    world.wait(-20);
    assert_eq!(ask(&early, "2.999.1", &["1.1"]), Err(E::NotYet));
    let stranger = SystemCaller { rights: vec![Right::Publish], ..portal() };
    let taken = world.judge.asker(&early, &stranger, node().as_str(), &[document("1.1")]);
    assert_eq!(taken.map(drop), Err(E::NotPermitted));
}

#[test]
fn what_is_forged_is_refused() {
    use DelegationError as E;
    let world = World::new();
    make_key(&world.file("other.key"), &world.file("others.json")).unwrap();
    let id = SigningKey::read(&world.file("a.key")).unwrap().id().to_owned();
    let now = world.clock.now().as_second();
    let as_is = |_: &mut Header| {};
    let forged = |change: Value| world.forged("a.key", as_is, &change);
    assert!(world.take(&forged(json!({}))).is_ok(), "but for what is changed it is right");
    let good = forged(json!({"jti": "2"}));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (head, _) = signed.split_once('.').unwrap();
    let unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiY2FyZXJlY29yZC1kZWxlZ2F0aW9uK2p3dCJ9.e30.";

    let cases = [
        (world.forged("other.key", as_is, &json!({})), E::UnknownKey),
        (world.forged("other.key", |h| h.kid = Some(id.clone()), &json!({})), E::Signature),
        (format!("{head}.e30.{signature}"), E::Signature),
        (world.forged("a.key", |h| h.kid = None, &json!({})), E::Malformed),
        (world.forged("a.key", |h| h.typ = Some("at+jwt".into()), &json!({})), E::Malformed),
        (world.forged("a.key", |h| h.crit = Some(vec!["b64".into()]), &json!({})), E::Malformed),
        (unsigned.to_owned(), E::Malformed),
        (String::new(), E::Malformed),
        ("x".repeat(20_000), E::Malformed),
        (forged(json!({"exp": now + 61})), E::TooLong),
        (forged(json!({"exp": i64::MAX})), E::Malformed),
        (forged(json!({"iat": now - 5})), E::TooOld),
        (forged(json!({"patient": "9990001147"})), E::Malformed),
        (forged(json!({"purpose": "curiosity"})), E::Malformed),
        (forged(json!({"asker": {"kind": "god"}})), E::Malformed),
        // The portal's own question is about nobody.
        (forged(json!({"asker": {"kind": "portal"}})), E::Malformed),
        (forged(json!({"jti": null})), E::Malformed),
    ];
    for (statement, error) in cases {
        assert_eq!(world.take(&statement).map(drop), Err(error), "{statement}");
    }
}

#[test]
fn keys_come_and_go_while_it_runs() {
    let world = World::new();
    let ask = |key: &str, jti: &str| {
        world.take(&world.forged(key, |_| {}, &json!({"jti": jti}))).map(drop)
    };
    make_key(&world.file("b.key"), &world.file("keys.json")).unwrap();
    world.wait(3);

    assert_eq!((ask("a.key", "1"), ask("b.key", "2")), (Ok(()), Ok(())));
    let text = std::fs::read_to_string(world.file("keys.json")).unwrap();
    let mut set: Value = serde_json::from_str(&text).unwrap();
    set["keys"].as_array_mut().unwrap().remove(0);
    std::fs::write(world.file("keys.json"), set.to_string()).unwrap();
    world.wait(3);
    assert_eq!((ask("a.key", "3"), ask("b.key", "4")), (Err(DelegationError::UnknownKey), Ok(())));
    // What cannot be read leaves what was known.
    std::fs::write(world.file("keys.json"), "{").unwrap();
    world.wait(3);
    assert_eq!(ask("b.key", "5"), Ok(()));
}

#[test]
fn files_that_are_no_keys_are_refused() {
    let world = World::new();
    let (key, keys) = (world.file("a.key"), world.file("keys.json"));
    assert!(matches!(make_key(&key, &keys), Err(SigningKeyError::Exists { .. })));
    let set = |text: &str| {
        std::fs::write(world.file("bad.json"), text).unwrap();
        Delegations::new(&world.file("bad.json"), world.clock.clone()).map(drop)
    };
    let one = std::fs::read_to_string(&keys).unwrap();
    let mut twice: Value = serde_json::from_str(&one).unwrap();
    let first = twice["keys"][0].clone();
    twice["keys"].as_array_mut().unwrap().push(first);
    let no_id = one.replace("\"kid\"", "\"kind\"");

    for text in ["", "{}", "{\"keys\":[]}", &twice.to_string(), &no_id] {
        let refused = set(text);
        assert!(matches!(refused, Err(SigningKeyError::NotAKeySet { .. })), "{text}");
    }
    let hmac = "{\"keys\":[{\"kty\":\"oct\",\"kid\":\"1\",\"k\":\"c2VjcmV0\"}]}";
    assert!(set(hmac).unwrap_err().to_string().contains("no P-256 key"));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(SigningKey::read(&key), Err(SigningKeyError::ReadByOthers { .. })));
    std::fs::write(world.file("not.key"), "key").unwrap();
    std::fs::set_permissions(world.file("not.key"), std::fs::Permissions::from_mode(0o600))
        .unwrap();
    assert!(matches!(
        SigningKey::read(&world.file("not.key")),
        Err(SigningKeyError::NotAKey { .. })
    ));
}
