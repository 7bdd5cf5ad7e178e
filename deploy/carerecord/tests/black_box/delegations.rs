//! For whom the portal asks: nodes give to the person that it speaks of, and to nobody else.

use carerecord_testkit::{Deployment, GP, Letter, NODES, PATIENT, Role, Xds};
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// A person opens a document: by the portal, and with what the portal would say of them.
pub async fn a_node_gives_to_whom_the_portal_speaks_of(deployment: Deployment) {
    let letter = published(&deployment, 1).await;
    let portal = Portal::of(&deployment);

    let statement = portal.says(&letter, &json!({}));
    let given = ask(&deployment, &statement, &letter).await;

    assert_eq!(given.documents[&letter.unique_id], letter.bytes, "{}", given.exchange.envelope);
    let record = newest(&deployment, "ITI-43");
    assert_eq!(record["actor"]["id"], GP, "{record}");
    assert_eq!(record["actor"]["name"], "Farrow Imogen Dr", "{record}");
    assert_eq!(record["actor"]["organisation"], "A20047", "{record}");
    assert_eq!(record["actor"]["assertion"], "jti-of-the-test-1", "{record}");
    assert_eq!((&record["purpose"], &record["subject"]), (&"direct-care".into(), &PATIENT.into()));
    assert_eq!(record["decision"]["rule"], "agreement", "the node's own: {record}");

    let gp = deployment.fhir().as_person(GP).await;
    let (status, bytes) = read(&gp, &letter).await;
    assert_eq!((status, bytes), (200, letter.bytes.clone()));
    let (status, bundle) = gp.search("DocumentReference", PATIENT, "_content=pulse").await;
    assert_eq!((status, &bundle["total"]), (200, &1.into()), "{bundle}");
    if deployment.is_apart() {
        let record = newest(&deployment, "ITI-43");
        assert_eq!((&record["actor"]["id"], &record["outcome"]), (&GP.into(), &"success".into()));
        assert_ne!(record["actor"]["assertion"], "jti-of-the-test-1", "{record}");
        let record = newest(&deployment, "search in documents");
        assert_eq!((&record["actor"]["id"], &record["subject"]), (&GP.into(), &PATIENT.into()));
        let system = deployment.fhir().as_system().await;
        assert_eq!(read(&system, &letter).await.0, 200);
        assert_eq!(newest(&deployment, "ITI-43")["actor"]["known_by"], "delegation");
    }
    deployment.assert_no_panic();
}

/// Forged, old, used, for another document or node: a fault, and the record has the reason.
pub async fn what_does_not_show_for_whom_is_refused(deployment: Deployment) {
    let letter = published(&deployment, 1).await;
    let other = published(&deployment, 2).await;
    let portal = Portal::of(&deployment);
    let used = portal.says(&letter, &json!({}));
    assert_eq!(ask(&deployment, &used, &letter).await.documents.len(), 1);
    let now = now();
    let with = |change: Value| portal.says(&letter, &change);
    let good = with(json!({}));
    let (signed, _) = good.rsplit_once('.').unwrap();
    let (_, others) = used.rsplit_once('.').unwrap();

    let cases = [
        (used.clone(), "used before"),
        (with(json!({"iat": now - 60, "exp": now - 30})), "expired"),
        (with(json!({"iat": now + 60, "exp": now + 90})), "yet to come"),
        (with(json!({"exp": now + 600})), "too long"),
        (with(json!({"aud": NODES[1].0})), "another node"),
        (portal.says(&other, &json!({})), "other documents"),
        (format!("{signed}.{others}"), "signature"),
        (Portal::stranger().says(&letter, &json!({})), "key that is not known"),
        (with(json!({"patient": "9990001147"})), "cannot be read"),
        ("nonsense".to_owned(), "cannot be read"),
    ];
    for (statement, why) in cases {
        let exchange = refused(&node(&deployment, &statement), &letter).await;
        assert!(exchange.contains(why), "{why}: {exchange}");
        let record = newest(&deployment, "ITI-43");
        assert_eq!((&record["outcome"], &record["status"]), (&"refused".into(), &403.into()));
        assert!(record["error"].as_str().unwrap().contains(why), "{why}: {record}");
        assert!(record["documents"].as_array().unwrap().is_empty(), "{record}");
    }
    assert_eq!(ask(&deployment, &good, &letter).await.documents.len(), 1, "it was not used up");
    deployment.assert_no_panic();
}

/// A right statement about another patient, or of somebody who may not see it, opens nothing.
pub async fn the_node_decides_again(deployment: Deployment) {
    let letter = published(&deployment, 1).await;
    let portal = Portal::of(&deployment);
    let other = portal.says(&letter, &json!({"patient": "9990001014"}));
    let system = json!({"sub": "reader", "asker": {"kind": "system", "organisation": "ZEX09"}});
    let mut of_other = system.clone();
    of_other["patient"] = "9990001014".into();

    for statement in [other, portal.says(&letter, &of_other)] {
        let given = ask(&deployment, &statement, &letter).await;
        assert_eq!(given.exchange.error_codes(), ["XDSDocumentUniqueIdError"]);
        let record = newest(&deployment, "ITI-43");
        assert_eq!(record["decision"]["rule"], "other-patient", "{record}");
    }
    let given = ask(&deployment, &portal.says(&letter, &system), &letter).await;
    assert_eq!(given.documents.len(), 1, "{}", given.exchange.envelope);
    let stranger = json!({"asker": user(json!({"role": "R9999"}))});
    let given = ask(&deployment, &portal.says(&letter, &stranger), &letter).await;
    assert_eq!(given.exchange.error_codes(), ["XDSRepositoryError"]);
    assert_eq!(newest(&deployment, "ITI-43")["decision"]["rule"], Value::Null);

    let gp = deployment.fhir().as_person(GP).await;
    let deny = crate::objections::consent(&json!({"type": "deny"}));
    assert_eq!(gp.put("Consent", None, &deny).await.0, 201);
    let given = ask(&deployment, &portal.says(&letter, &json!({})), &letter).await;
    assert!(given.documents.is_empty() && !given.exchange.is_success());
    let record = newest(&deployment, "ITI-43");
    assert_eq!(record["decision"]["rule"], "objection-whole-record", "{record}");
    assert_eq!(record["actor"]["id"], GP, "{record}");
    // What the person has opened goes with what the portal says, and holds for that person alone.
    let opened = json!({"override": {"id": uuid::Uuid::nil(), "reason": "emergency",
        "since": "2026-01-01T00:00:00Z", "until": "2999-01-01T00:00:00Z"}});
    let given = ask(&deployment, &portal.says(&letter, &opened), &letter).await;
    assert_eq!(given.documents.len(), 1, "{}", given.exchange.envelope);
    assert_eq!(newest(&deployment, "ITI-43")["decision"]["rule"], "break-glass");
    let mut over = opened;
    over["override"]["until"] = "2026-01-02T00:00:00Z".into();
    let given = ask(&deployment, &portal.says(&letter, &over), &letter).await;
    assert!(given.documents.is_empty(), "it is over");
    deployment.assert_no_panic();
}

/// A caller with the portal's own certificate or address gets nothing by that alone.
pub async fn without_a_delegation_the_portals_door_opens_nothing(deployment: Deployment) {
    let letter = published(&deployment, 1).await;
    let door = format!("http://127.0.0.1:{}", deployment.port_for_portal(0));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();

    let said = refused(&Xds::new(format!("{door}/xds/repository")), &letter).await;
    let question = json!({"patient": PATIENT, "words": "pulse", "documents": [letter.unique_id]});
    let search = http.post(format!("{door}/peer/search")).json(&question).send().await.unwrap();

    assert!(said.contains("a delegation is required here"), "{said}");
    assert_eq!(newest(&deployment, "ITI-43")["outcome"], "refused");
    assert_eq!(search.status().as_u16(), 403);
    let said = search.text().await.unwrap();
    assert!(said.contains("a delegation is required here"), "{said}");
    let record = newest(&deployment, "search in documents");
    assert_eq!((&record["outcome"], &record["subject"]), (&"refused".into(), &PATIENT.into()));
    // What the portal says of one person's documents finds nothing in others.
    let mut elsewhere = Portal::of(&deployment).says(&letter, &json!({"patient": "9990001014"}));
    for _ in 0..2 {
        let request = http.post(format!("{door}/peer/search")).json(&question);
        let search = request.header("carerecord-delegation", &elsewhere).send().await.unwrap();
        assert_eq!(search.status().as_u16(), 403);
        elsewhere = "nonsense".to_owned();
    }
    deployment.assert_no_panic();
}

/// Nodes know the new key before the portal signs with it; the doctor says when keys do not fit.
pub async fn keys_are_changed_while_all_runs(deployment: Deployment) {
    let letter = published(&deployment, 1).await;
    let gp = deployment.fhir().as_person(GP).await;
    let documents = gp.documents(PATIENT).await;
    let url = documents[&letter.unique_id]["content"][0]["attachment"]["url"].as_str().unwrap();
    let search = "status=current";
    let config = deployment.file("portal.toml").display().to_string();
    let doctor = || {
        let done = deployment.run(&["doctor", "--wait", "5", "--config", &config]);
        (done.status.success(), String::from_utf8(done.stdout).unwrap())
    };
    let (good, text) = doctor();
    assert!(good && text.contains("ok     delegations: read"), "{text}");

    let known = std::fs::read(deployment.file("delegation.jwks.json")).unwrap();
    deployment.make_delegation_key("next.key");
    let both = std::fs::read(deployment.file("delegation.jwks.json")).unwrap();
    std::fs::write(deployment.file("delegation.jwks.json"), known).unwrap();
    std::fs::rename(deployment.file("next.key"), deployment.delegation_key()).unwrap();
    crate::nodes::eventually(async || gp.get(url).await.unwrap().0 != 200).await;
    let (status, found) = gp.search("DocumentReference", PATIENT, search).await;
    assert!(status >= 400 && found["total"].is_null(), "nor does the registry know it: {found}");
    let (good, text) = doctor();
    assert!(!good, "{text}");
    let line = text.lines().find(|l| l.starts_with("WRONG") && l.contains(NODES[1].2)).unwrap();
    assert!(line.contains("signed with a key that is not known here"), "{text}");
    let line = text.lines().find(|l| l.starts_with("WRONG") && l.contains("registry")).unwrap();
    assert!(line.contains("signed with a key that is not known here"), "{text}");
    std::fs::write(deployment.file("delegation.jwks.json"), both).unwrap();
    crate::nodes::eventually(async || gp.get(url).await.unwrap().0 == 200).await;
    let searched = async || gp.search("DocumentReference", PATIENT, search).await.0;
    crate::nodes::eventually(async || searched().await == 200).await;
    // Each node looks for itself.
    crate::nodes::eventually(async || doctor().0).await;
    deployment.assert_no_panic();
}

/// What one process of a node has taken no other one takes, where they share a database.
pub async fn copies_of_a_node_take_a_delegation_once(deployment: Deployment) {
    let letter = published(&deployment, 1).await;
    let (_copy, url) = deployment.copy_of_node(0);
    let portal = Portal::of(&deployment);
    let ask_copy = |statement: &str| Xds::new(url.clone()).on_behalf(statement);

    let (first, second) = (portal.says(&letter, &json!({})), portal.says(&letter, &json!({})));
    assert_eq!(ask(&deployment, &first, &letter).await.documents.len(), 1);
    let said = refused(&ask_copy(&first), &letter).await;
    assert!(said.contains("used before"), "{said}");
    let record = newest(&deployment, "ITI-43");
    assert_eq!(record["outcome"], "refused", "{record}");

    let given = ask_copy(&second).retrieve(NODES[0].0, &[&letter.unique_id]).await.unwrap();
    assert_eq!(given.documents.len(), 1, "{}", given.exchange.envelope);
    let said = refused(&node(&deployment, &second), &letter).await;
    assert!(said.contains("used before"), "{said}");
    deployment.assert_no_panic();
}

/// The registry decides again whether whom the portal speaks of may ask about the patient, and its
/// record names them; what is wrong with a statement is told.
pub async fn the_registry_is_told_for_whom_the_portal_asks(deployment: Deployment) {
    published(&deployment, 1).await;
    let gp = deployment.fhir().as_person(GP).await;
    assert_eq!(gp.documents(PATIENT).await.len(), 1);
    let record = at_registry(&deployment);
    assert_eq!((&record["actor"]["id"], &record["subject"]), (&GP.into(), &PATIENT.into()));
    assert_eq!(record["purpose"], "direct-care", "{record}");
    assert!(record["actor"]["assertion"].is_string(), "by a delegation: {record}");

    let portal = Portal::of(&deployment);
    let none = base64::Engine::encode(
        &base64::prelude::BASE64_URL_SAFE_NO_PAD,
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b""),
    );
    let letter = Letter::text(PATIENT, 1);
    let with = |portal: &Portal, change: Value| {
        let mut all = json!({"aud": "urn:carerecord:registry", "documents_sha256": none});
        for (name, value) in change.as_object().unwrap() {
            all[name] = value.clone();
        }
        portal.says(&letter, &all)
    };
    let url = format!("http://127.0.0.1:{}/xds/registry", deployment.port_for_peers());
    let ask = async |statement: &str| {
        let registry = Xds::new(url.clone()).on_behalf(statement);
        registry.find_documents(PATIENT).await.unwrap()
    };

    let good = with(&portal, json!({}));
    assert_eq!(ask(&good).await.1.len(), 1);
    for (statement, why) in [
        (good, "used before"),
        (with(&portal, json!({"aud": NODES[0].0})), "another node"),
        (portal.says(&letter, &json!({"aud": "urn:carerecord:registry"})), "other documents"),
        (with(&Portal::stranger(), json!({})), "key that is not known"),
        ("nonsense".to_owned(), "cannot be read"),
    ] {
        let (answer, ids) = ask(&statement).await;
        assert_eq!((answer.status, ids.len()), (403, 0), "{why}: {}", answer.envelope);
        assert!(answer.envelope.contains(why), "{why}: {}", answer.envelope);
        let record = at_registry(&deployment);
        assert_eq!(record["outcome"], "refused", "{record}");
        assert!(record["error"].as_str().unwrap().contains(why), "{record}");
    }
    for (change, rule) in [
        (json!({"patient": "9990001014"}), "other-patient"),
        (json!({"asker": user(json!({"role": "R9999"}))}), "role-unknown"),
        (json!({"asker": user(json!({"assurance": "AAL1"}))}), "assurance-too-low"),
    ] {
        let (answer, ids) = ask(&with(&portal, change)).await;
        assert!(!answer.is_success() && ids.is_empty(), "{rule}: {}", answer.envelope);
        let record = at_registry(&deployment);
        assert_eq!(record["decision"]["rule"], rule, "{record}");
        assert_eq!((&record["outcome"], &record["actor"]["id"]), (&"refused".into(), &GP.into()));
    }
    deployment.assert_no_panic();
}

/// The newest record of a query at the registry.
fn at_registry(deployment: &Deployment) -> Value {
    let mut all = deployment.audit(Role::Registry);
    all.retain(|e| e["interaction"].as_str().is_some_and(|i| i.starts_with("ITI-18")));
    all.retain(|e| e["direction"] != "out");
    all.pop().expect("a record")
}

/// Says what the portal would.
struct Portal {
    key: EncodingKey,
    id: String,
    said: std::cell::Cell<u32>,
}

impl Portal {
    fn of(deployment: &Deployment) -> Self {
        Self::with(&std::fs::read(deployment.delegation_key()).unwrap())
    }

    /// With a key of its own making.
    fn stranger() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        Self::with(key.serialize_pem().as_bytes())
    }

    fn with(pem: &[u8]) -> Self {
        let key = EncodingKey::from_ec_pem(pem).unwrap();
        let jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
        let id = jwk.thumbprint(ThumbprintHash::SHA256).unwrap();
        Self { key, id, said: 0.into() }
    }

    /// The GP asks for this letter; with these claims in place of others.
    fn says(&self, letter: &Letter, change: &Value) -> String {
        let number = self.said.get() + 1;
        self.said.set(number);
        let now = now();
        let digest = aws_lc_rs::digest::digest(
            &aws_lc_rs::digest::SHA256,
            format!("{}\n", letter.unique_id).as_bytes(),
        );
        let mut claims = json!({
            "iss": "https://portal.example", "aud": NODES[0].0, "sub": GP, "iat": now,
            "exp": now + 30, "jti": format!("jti-of-the-test-{number}"), "asker": user(json!({})),
            "purpose": "direct-care", "patient": PATIENT, "rule": "agreement",
            "documents_sha256":
                base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, digest),
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("carerecord-delegation+jwt".to_owned());
        header.kid = Some(self.id.clone());
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap()
    }
}

/// The GP, with what is changed.
fn user(change: Value) -> Value {
    let mut user = json!({
        "kind": "user", "name": "Farrow Imogen Dr", "organisation": "A20047", "role": "R0260",
        "role_profile_id": "1", "activities": [], "assurance": "AAL3", "client_id": "web",
        "session_id": null,
    });
    for (name, value) in change.as_object().unwrap() {
        user[name] = value.clone();
    }
    user
}

async fn published(deployment: &Deployment, n: u32) -> Letter {
    let letter = Letter::text(PATIENT, n);
    let answer = deployment.node(0).publish(&letter).await.unwrap();
    assert!(answer.is_success(), "{}", answer.envelope);
    letter
}

fn node(deployment: &Deployment, statement: &str) -> Xds {
    deployment.node(0).on_behalf(statement)
}

async fn ask(
    deployment: &Deployment,
    statement: &str,
    letter: &Letter,
) -> carerecord_testkit::Retrieved {
    let node = node(deployment, statement);
    node.retrieve(NODES[0].0, &[&letter.unique_id]).await.unwrap()
}

/// The fault that a node answers with.
async fn refused(node: &Xds, letter: &Letter) -> String {
    let given = node.retrieve(NODES[0].0, &[&letter.unique_id]).await.unwrap();
    assert_eq!(given.exchange.status, 403, "{}", given.exchange.envelope);
    assert!(given.exchange.envelope.contains("Fault") && given.documents.is_empty());
    given.exchange.envelope
}

/// A document by the FHIR API.
async fn read(fhir: &carerecord_testkit::Fhir, letter: &Letter) -> (u16, bytes::Bytes) {
    let documents = fhir.documents(PATIENT).await;
    let url = documents[&letter.unique_id]["content"][0]["attachment"]["url"].as_str().unwrap();
    let (status, bytes) = fhir.get(url).await.unwrap();
    (status, bytes)
}

/// The newest record of an interaction at the first node.
fn newest(deployment: &Deployment, interaction: &str) -> Value {
    let mut all = deployment.audit(Role::Node(0));
    all.retain(|e| e["interaction"] == interaction);
    all.pop().unwrap_or_else(|| panic!("no record of {interaction}"))
}

#[expect(clippy::disallowed_methods, reason = "the processes go by the real clock")]
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
