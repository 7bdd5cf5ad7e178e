use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use carerecord_access::{
    AccessDecisions, Caller, ConsentRecord, ConsentStatus, Grain, Policy, Provision, Right,
    SystemCaller,
};
use carerecord_audit::{AuditEvent, AuditLog};
use carerecord_codec::AdhocQueryRequest;
use carerecord_model::{
    AssociationType, Clock, DocumentEntryType, ErrorCode, FoundObjects, GetAll, IdSource, ObjectId,
    RandomIds, StoredQuery, Submission, SystemClock,
};
use carerecord_registry::{
    MllpConfig, RecordAnswer, Registry, RegistryConfig, Store, UnknownPatients, serve_mllp,
};
use carerecord_service::{AuditDraft, AuditTrail, ClientLimit, Lifecycle};
use carerecord_storage::Database;
use carerecord_testkit::submission::{OTHER_PATIENT, PATIENT};

use crate::wire::{codes, over_the_wire};

/// A registry over a fresh database, with a caller that may do everything.
pub struct World {
    pub registry: Registry,
    pub caller: Caller,
    database: Database,
    pub mllp: SocketAddr,
    lifecycle: Lifecycle,
    /// Every state of a record that was seen, with what was in it.
    states: Arc<Mutex<HashMap<String, FoundObjects>>>,
    _folder: Option<tempfile::TempDir>,
}

impl World {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("registry.db")).await.unwrap();
        Self::over(database, Some(folder)).await
    }

    pub async fn postgres() -> Option<Self> {
        Some(Self::over(carerecord_testkit::postgres::fresh().await?, None).await)
    }

    /// Over a SQLite file.
    pub async fn at(file: &std::path::Path) -> Self {
        Self::over(Database::open(file).await.unwrap(), None).await
    }

    pub async fn of(database: Database) -> Self {
        Self::over(database, None).await
    }

    pub fn audit(&self) -> carerecord_audit::AuditLog {
        carerecord_audit::AuditLog::new(self.database.clone())
    }

    async fn over(database: Database, folder: Option<tempfile::TempDir>) -> Self {
        let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/carerecord/config/policy");
        let policy = Arc::new(Policy::load(std::path::Path::new(policy)).unwrap());
        let store = Store::new(database.clone());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let access = AccessDecisions::new(policy, Arc::new(store.clone()), clock.clone())
            .with_relationships(Arc::new(store.clone()));
        let config = RegistryConfig {
            unknown_patients: UnknownPatients::Reject,
            number_policy: carerecord_model::NumberPolicy::Any,
            limited_metadata: false,
        };
        let registry = Registry::new(config, store, access, clock, Arc::new(RandomIds));
        let caller = Caller::System(SystemCaller {
            name: "test".into(),
            organisation: "ZEX09".parse().unwrap(),
            rights: vec![Right::Publish, Right::Query, Right::Administer, Right::Delegate],
            known_by: "test",
        });
        let lifecycle = Lifecycle::new();
        let mllp = ([0; 4], 0).into();
        let states = Arc::default();
        let mut world =
            Self { registry, caller, database, mllp, lifecycle, states, _folder: folder };
        world.mllp = world.serve_mllp(None).await.unwrap();
        for patient in [PATIENT, OTHER_PATIENT] {
            let id: carerecord_model::PatientId = patient.parse().unwrap();
            let person = carerecord_model::Patient::from_number(id.nhs_number().unwrap());
            world.registry.put_patient(&world.caller, person).await.unwrap();
        }
        world
    }

    /// One more listener for the feed, with a limit for each client.
    pub async fn serve_mllp(&self, per_client: Option<ClientLimit>) -> std::io::Result<SocketAddr> {
        let trail = AuditTrail {
            log: AuditLog::new(self.database.clone()),
            recorder: Arc::from("registry"),
            transport: "mllp",
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds),
            static_prefix: None,
        };
        let config = MllpConfig {
            tls: None,
            address: "127.0.0.1:0".parse().unwrap(),
            max_message_bytes: 1 << 20,
            idle_seconds: 10,
            max_connections: 4,
            per_client,
        };
        serve_mllp(config, self.registry.clone(), self.caller.clone(), trail, &self.lifecycle).await
    }

    pub async fn close(self) {
        self.lifecycle.shutdown();
        self.database.close().await;
    }

    /// A number that the database tells.
    pub async fn number(&self, query: &'static str) -> i64 {
        carerecord_storage::sql(query).number(&self.database).await.unwrap()
    }

    pub async fn is_postgres(&self) -> bool {
        self.database.snapshot().await.unwrap().is_postgres()
    }

    /// The same database behind a registry with other rules.
    pub fn with(&self, registry: Registry) -> Self {
        Self {
            registry,
            caller: self.caller.clone(),
            database: self.database.clone(),
            mllp: self.mllp,
            lifecycle: self.lifecycle.clone(),
            states: self.states.clone(),
            _folder: None,
        }
    }

    /// What a refusal says.
    pub async fn refusal(&self, s: &Submission) -> Vec<carerecord_model::RegistryError> {
        let s = over_the_wire(s).unwrap();
        let stable = DocumentEntryType::Stable;
        let done =
            self.registry.register_document_set(&self.caller, s, stable, &self.draft()).await;
        done.unwrap_err().into_transaction_error().0
    }

    pub fn draft(&self) -> AuditDraft {
        let ids = RandomIds;
        AuditDraft::detached(AuditEvent::incoming(ids.ordered(), SystemClock.now(), "test", "soap"))
    }

    /// Registers, by the wire form and back; the codes of a refusal.
    pub async fn register(&self, s: &Submission) -> Result<(), Vec<ErrorCode>> {
        self.register_as(s, DocumentEntryType::Stable).await
    }

    pub async fn register_as(
        &self,
        s: &Submission,
        entry_type: DocumentEntryType,
    ) -> Result<(), Vec<ErrorCode>> {
        let s = over_the_wire(s)?;
        let draft = self.draft();
        let done = self.registry.register_document_set(&self.caller, s, entry_type, &draft).await;
        self.note_states().await;
        done.map(drop).map_err(codes)
    }

    /// Runs a statement.
    pub async fn run(&self, statement: &'static str) {
        let job = self.database.write(move |c| {
            Box::pin(async move { carerecord_storage::sql(statement).run(c).await })
        });
        job.await.unwrap();
    }

    /// Takes every connection for reading.
    pub async fn exhaust(&self) -> Vec<carerecord_storage::Connection> {
        let mut all = Vec::new();
        for _ in 0..8 {
            all.push(self.database.snapshot().await.unwrap());
        }
        all
    }

    pub async fn update(&self, s: &Submission) -> Result<(), Vec<ErrorCode>> {
        let done =
            self.registry.update_metadata(&self.caller, over_the_wire(s)?, &self.draft()).await;
        self.note_states().await;
        done.map(drop).map_err(codes)
    }

    pub async fn restricted_update(&self, s: &Submission) -> Result<(), Vec<ErrorCode>> {
        let done =
            self.registry.restricted_update(&self.caller, over_the_wire(s)?, &self.draft()).await;
        self.note_states().await;
        done.map(drop).map_err(codes)
    }

    /// The patient objects to sharing the whole record.
    pub async fn object(&self, patient: &str) {
        self.say(patient, Provision::Objection(Grain::WholeRecord)).await;
    }

    /// The patient says this, and nothing else.
    pub async fn say(&self, patient: &str, provision: Provision) {
        let id: carerecord_model::PatientId = patient.parse().unwrap();
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let record = ConsentRecord {
            id: uuid::Uuid::from_u128(7),
            version: 1,
            patient: id.nhs_number().unwrap(),
            status: ConsentStatus::Active,
            provision,
            set_by: "the patient".into(),
            organisation: "ZEX09".parse().unwrap(),
            since: now,
            until: None,
            policy_uri: None,
            recorded_at: now,
            recorded_by: "test".into(),
        };
        self.registry.put_consent(&self.caller, record).await.unwrap();
        self.note_states().await;
    }

    /// A caller for whom the registry takes the decisions.
    pub fn without_delegation(&self) -> Caller {
        Caller::System(SystemCaller {
            name: "decided for".into(),
            organisation: "ZEX01".parse().unwrap(),
            rights: vec![Right::Query],
            known_by: "test",
        })
    }

    pub async fn remove(&self, ids: &[&ObjectId]) -> Result<(), Vec<ErrorCode>> {
        let ids = ids.iter().filter_map(|id| id.uuid()).collect();
        let done = self.registry.remove_metadata(&self.caller, ids, &self.draft()).await;
        self.note_states().await;
        done.map_err(codes)
    }

    /// The usual records, for a role that keeps them: in one state there is always the same.
    pub async fn note_states(&self) {
        for patient in [PATIENT, OTHER_PATIENT] {
            let query = GetAll::of(patient.parse().unwrap());
            let number = query.patient_id.nhs_number().unwrap();
            let ask = async |known: Option<&str>| {
                let (draft, question) = (self.draft(), (&query, number));
                let told =
                    self.registry.patient_record(&self.caller, None, question, known, &draft);
                told.await.unwrap()
            };
            let RecordAnswer { person, facts, state: Some(state), found: Some(found) } =
                ask(None).await
            else {
                panic!("everybody here is known");
            };
            assert_eq!(person, self.person(&number.digits()).await);
            assert_eq!(Some(facts.patient), person.as_ref().map(|person| person.nhs_number));
            assert_eq!(found, self.ask(StoredQuery::GetAll(Box::new(query.clone()))).await);
            let again = ask(Some(&state)).await;
            assert!(again.found.is_none(), "it is the same");
            let told = |facts| serde_json::to_value(facts).unwrap();
            assert_eq!((again.person, told(again.facts)), (person, told(facts)));
            assert!(ask(Some("another")).await.found.is_some());
            let before = self.states.lock().unwrap().insert(state, found.clone());
            assert!(before.is_none_or(|before| before == found), "it changed, but not its state");
        }
    }

    /// Asks by the wire form of the query.
    pub async fn ask(&self, query: StoredQuery) -> FoundObjects {
        self.try_ask(query, true).await.unwrap()
    }

    pub async fn try_ask(
        &self,
        query: StoredQuery,
        whole: bool,
    ) -> Result<FoundObjects, Vec<ErrorCode>> {
        let sent = AdhocQueryRequest::new(&query).stored_query().unwrap();
        assert_eq!(sent, query, "the query changes on the wire");
        let draft = self.draft();
        let found = self.registry.stored_query(&self.caller, &sent, whole, &draft).await;
        found.map(carerecord_access::Released::into_value).map_err(codes)
    }

    /// Everything of the usual patient.
    pub async fn all(&self) -> FoundObjects {
        self.all_of(PATIENT).await
    }

    pub async fn all_of(&self, patient: &str) -> FoundObjects {
        let mut all = carerecord_model::GetAll::of(patient.parse().unwrap());
        all.scope.level = carerecord_model::MetadataLevel::Two;
        self.ask(StoredQuery::GetAll(Box::new(all))).await
    }
}

/// How many associations of a type there are.
pub fn count(found: &FoundObjects, kind: AssociationType) -> usize {
    found.associations.iter().filter(|a| a.association_type == kind).count()
}
