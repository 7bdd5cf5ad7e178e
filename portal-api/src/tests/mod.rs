//! The FHIR API over fakes: what clients get, by every route.

mod access_packs;
mod answers;
mod capabilities;
mod conditional;
mod content;
mod contract;
mod cross_reference;
mod detection;
mod elements;
mod fake;
mod looking;
mod merged;
mod one_patient;
mod parameters;
mod people;
mod places;
mod providers;
mod publishing;
mod related;
mod searching;
mod sign_outs;
mod tokens;
mod usage;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use carerecord_access::{AccessDecisions, Policy};
use carerecord_audit::{AuditFilter, AuditLog, SigningKey};
use carerecord_model::*;
use carerecord_sealing::{DataKey, FileKeys};
use carerecord_service::AuditTrail;
use carerecord_storage::Database;
use carerecord_testkit::consent_of;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::{
    AccessPackConfig, AccessPacks, Detection, DetectionRules, Federation, FeedRules, Node,
    OverrideStore, PackKey, PatientIds, Portal, PortalConfig, PortalParts, Publisher, Publishers,
    RoleLog, SignOutStore, TokenVerifier, router,
};
use fake::{FakeConsents, FakeNode, FakePatients, FakeRecipient, FakeRegistry};

/// A portal with a clinician who may see what it has.
struct Client {
    router: Router,
    portal: Portal,
    signer: Signer,
    token: String,
    database: Database,
    folder: TempDir,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Client {
    async fn of(registry: FakeRegistry, person: Option<Patient>) -> Self {
        Self::with(registry, person, [FakeNode::default(), FakeNode::default()]).await
    }

    async fn with(registry: FakeRegistry, person: Option<Patient>, nodes: [FakeNode; 2]) -> Self {
        Self::at(registry, person, nodes, Arc::new(SystemClock)).await
    }

    /// With a clock of its own; tokens go by the real one.
    async fn at(
        registry: FakeRegistry,
        person: Option<Patient>,
        [one, other]: [FakeNode; 2],
        clock: Arc<dyn Clock>,
    ) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("portal.db")).await.unwrap();
        let sign_outs = Arc::new(SignOutStore::new(database.clone(), Arc::new(SystemClock)));
        let (tokens, signer) = signer(sign_outs);
        let token = signer.token(&json!({}));
        let consents = Arc::new(FakeConsents::default());
        let policy = Policy::load(std::path::Path::new(POLICY)).unwrap();
        let portal = Portal::new(PortalParts {
            config: config(),
            registry: Arc::new(registry),
            patients: Arc::new(FakePatients(person)),
            consents: consents.clone(),
            relationships: consents.clone(),
            citizen_grants: consents.clone(),
            records: None,
            access: AccessDecisions::new(Arc::new(policy), consents, clock.clone()),
            federation: Federation::new(
                [
                    ("2.999.826.1.1", "Royal Example Hospital", one),
                    ("2.999.826.1.2", "Community", other),
                ]
                .map(|(id, name, node)| Node::new(id.parse().unwrap(), name, Arc::new(node)))
                .to_vec(),
                Duration::from_secs(2),
                clock.clone(),
                Arc::new(RandomIds),
            ),
            tokens,
            clock: clock.clone(),
            ids: Arc::new(RandomIds),
            patient_ids: PatientIds::new([7; 32]),
            overrides: OverrideStore::new(database.clone()),
            delegations: None,
            audit_logs: vec![RoleLog {
                name: "portal".to_owned(),
                source: Arc::new(AuditLog::new(database.clone())),
            }],
            log: AuditLog::new(database.clone()),
            publishers: publishers(),
            detection: detection(&database),
            feed_rules: FeedRules::load(std::path::Path::new(POLICY)).unwrap(),
            access_packs: Some(packs(&folder, &database, clock.clone())),
        });
        let trail = AuditTrail {
            log: AuditLog::new(database.clone()),
            recorder: Arc::from("portal"),
            transport: "fhir",
            clock,
            ids: Arc::new(RandomIds),
            static_prefix: None,
        };
        let router = router(portal.clone(), trail);
        Self { router, portal, signer, token, database, folder }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask("GET", path, headers, "").await
    }

    async fn search(&self, kind: &str, form: &str, headers: &[(&str, &str)]) -> Answer {
        let form_type = [("content-type", "application/x-www-form-urlencoded")];
        let headers = [headers, &form_type].concat();
        self.ask("POST", &format!("{kind}/_search"), &headers, form.to_owned()).await
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let path = path.strip_prefix(BASE).unwrap_or(path).trim_start_matches('/');
        self.ask_at(method, &format!("/fhir/{path}"), headers, body).await
    }

    /// The same of a path that is not below the FHIR API.
    async fn ask_at(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(body.into()).unwrap();
        let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok());
        if let Some(id) = id.and_then(|id| uuid::Uuid::try_parse(id).ok()) {
            request.extensions_mut().insert(carerecord_service::RequestId(id));
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// The record of accesses, the newest one first.
    async fn audited(&self) -> Vec<carerecord_audit::AuditEvent> {
        let log = AuditLog::new(self.database.clone());
        let records = log.read(&AuditFilter::default()).await.unwrap();
        records.into_iter().rev().map(|record| record.event).collect()
    }
}

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), "application/fhir+json; charset=utf-8");
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{}", self.text))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The resources of a Bundle.
    fn matches(&self) -> Vec<Value> {
        let bundle = self.json();
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        let matches = entries.into_iter().filter(|e| e["search"]["mode"] == "match");
        matches.map(|e| e["resource"].clone()).collect()
    }
}

/// The rules of the demo.
fn detection(database: &Database) -> Option<Detection> {
    let rules = DetectionRules::load(std::path::Path::new(POLICY)).unwrap();
    rules.map(|rules| Detection::new(rules, database.clone()))
}

/// Packs that are small, in a small folder.
fn packs(folder: &TempDir, database: &Database, clock: Arc<dyn Clock>) -> AccessPacks {
    let config = AccessPackConfig { max_mib: 1, max_total_mib: 2, ..AccessPackConfig::default() };
    let key: PackKey = Arc::new(|| SigningKey::from_seed(&[7; 32]).map_err(|e| e.to_string()));
    let log = AuditLog::new(database.clone());
    let sealing = DataKey::from_slice(&[9; 32]).map(|key| ("portal".to_owned(), key));
    let sealing = Arc::new(FileKeys::new(Some("portal".to_owned()), sealing).unwrap());
    AccessPacks::open(config, &folder.path().join("packs"), sealing, key, log, clock).unwrap()
}

/// One system, whose node takes everything.
fn publishers() -> Publishers {
    Publishers::new(vec![Publisher {
        client_id: "source".into(),
        organisation: "ZEX01".parse().unwrap(),
        node: "2.999.826.1.1".parse().unwrap(),
        source_id: "2.999.826.3.1".parse().unwrap(),
        recipient: Arc::new(FakeRecipient),
    }])
}

fn config() -> PortalConfig {
    serde_json::from_value(json!({
        "base_url": BASE, "issuer": ISSUER, "sign_in_clients": ["another-portal"],
    }))
    .unwrap()
}

/// The sign-in provider's key.
struct Signer {
    key: EncodingKey,
    header: Header,
}

impl Signer {
    /// A token of a clinician, with these claims in place of its own.
    fn token(&self, changes: &Value) -> String {
        let mut claims = json!({
            "iss": ISSUER, "aud": "carerecord-api", "sub": "555021900100", "name": "Wren Tomasz Dr",
            "acr": "AAL3_ANY", "client_id": "test", "sid": "session-1", "selected_roleid": "1",
            "exp": SystemClock.now().as_second() + 600,
            "nhsid_nrbac_roles": [{"person_roleid": "1", "org_code": "ZEX01",
                "role_code": "S8000:G8000:R8000"}],
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        encode(&self.header, &claims, &self.key).unwrap()
    }

    /// A token of another type.
    fn sign_as(&self, kind: &str, claims: &Value) -> String {
        let header = Header { typ: Some(kind.to_owned()), ..self.header.clone() };
        encode(&header, claims, &self.key).unwrap()
    }
}

fn signer(sign_outs: Arc<SignOutStore>) -> (TokenVerifier, Signer) {
    let random = aws_lc_rs::rand::SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let key = EncodingKey::from_ec_der(der.as_ref());
    let mut jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
    jwk.common.key_id = Some("k".into());
    let mut header = Header::new(Algorithm::ES256);
    header.typ = Some("at+jwt".into());
    header.kid = Some("k".into());
    let set = jsonwebtoken::jwk::JwkSet { keys: vec![jwk] };
    let verifier = TokenVerifier::with_keys(&config(), set.clone(), sign_outs);
    let verifier = verifier.with_providers(&[providers::council()]).knowing(set);
    (verifier, Signer { key, header })
}

fn person() -> Patient {
    let mut person = Patient::from_number(NUMBER.parse().unwrap());
    person.family_name = Some("Okafor".into());
    person
}

/// A letter of the hospital, as its own staff may see it.
fn letter() -> DocumentEntry {
    let code = |c: &str| Code::new(c, "2.16.840.1.113883.2.1.3.2.4.15", "");
    DocumentEntry {
        entry_uuid: format!("urn:uuid:{ID}").parse().unwrap(),
        logical_id: None,
        version: 3,
        entry_type: DocumentEntryType::Stable,
        availability_status: AvailabilityStatus::Approved,
        patient_id: PatientId::from_nhs_number(NUMBER.parse().unwrap()),
        unique_id: "2.999.1.1".parse().unwrap(),
        repository_unique_id: Some("2.999.826.1.1".parse().unwrap()),
        home_community_id: None,
        mime_type: "text/plain".parse().unwrap(),
        hash: Some(fake::hash()),
        size: Some(fake::BYTES.len() as u64),
        creation_time: Some("20260114095800".parse().unwrap()),
        service_start_time: None,
        service_stop_time: None,
        language_code: "en-GB".into(),
        class_code: code("823651000000106"),
        type_code: code("373942005"),
        format_code: code("1"),
        healthcare_facility_type_code: code("22232009"),
        practice_setting_code: code("394802001"),
        confidentiality_codes: vec![Code::new("N", "2.16.840.1.113883.5.25", "normal")],
        event_codes: Vec::new(),
        authors: vec![Author {
            person: Some("^Hill^Grace".parse().unwrap()),
            institutions: vec!["Hamlet Surgery^^^^^&2.999.77&ISO^^^^HAM01".parse().unwrap()],
            ..Author::default()
        }],
        legal_authenticator: None,
        source_patient_id: Some("H-1^^^&2.999.77.1&ISO".into()),
        source_patient_info: vec!["PID-11|1 The Street^^^^XX1 1XX".into()],
        reference_ids: Vec::new(),
        title: vec![LocalizedString::new("Letter")],
        comments: Vec::new(),
        uri: None,
        online: true,
        extra: ExtraMetadata::default(),
    }
}

fn set() -> SubmissionSet {
    SubmissionSet {
        entry_uuid: format!("urn:uuid:{SET}").parse().unwrap(),
        availability_status: AvailabilityStatus::Approved,
        patient_id: letter().patient_id,
        unique_id: "2.999.2.1".parse().unwrap(),
        source_id: "2.999.77.2".parse().unwrap(),
        submission_time: "20260114102231".parse().unwrap(),
        content_type_code: letter().type_code,
        authors: letter().authors,
        intended_recipients: vec!["Hamlet Practice^^^^^^^^^2.999.77.3".into()],
        title: Vec::new(),
        comments: Vec::new(),
        home_community_id: None,
        extra: ExtraMetadata::default(),
    }
}

fn registry() -> FakeRegistry {
    let member = Association {
        entry_uuid: "urn:uuid:6c1d0b52-0000-4000-8000-00000000000c".parse().unwrap(),
        association_type: AssociationType::HasMember,
        source: set().entry_uuid,
        target: letter().entry_uuid,
        availability_status: AvailabilityStatus::Approved,
        submission_set_status: None,
        documentation: None,
        extra: ExtraMetadata::default(),
    };
    let found = FoundObjects {
        document_entries: vec![letter().into()],
        submission_sets: vec![set()],
        associations: vec![member],
        ..FoundObjects::default()
    };
    FakeRegistry { found, ..FakeRegistry::default() }
}

const BASE: &str = "http://portal.example/fhir";
const ISSUER: &str = "http://sign-in.example";
const NUMBER: &str = "9990001030";
const ID: &str = "6c1d0b52-0000-4000-8000-000000000001";
const SET: &str = "6c1d0b52-0000-4000-8000-00000000000a";
const POLICY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/carerecord/config/policy");
