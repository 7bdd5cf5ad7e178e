//! The product: its registry as it is served, in this process, or each role in a process of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use carerecord_access::{AccessDecisions, Caller, Policy, Right, SystemCaller};
use carerecord_audit::AuditLog;
use carerecord_codec::soap::{self, Headers};
use carerecord_codec::{AdhocQueryRequest, SubmittedObjects, name::action};
use carerecord_model::{
    Clock, DtmRange, EntryRef, FindDocuments, GetDocuments, RandomIds, StoredQuery, SystemClock,
};
use carerecord_registry::{Registry, RegistryConfig, Store, UnknownPatients};
use carerecord_service::{AuditTrail, Lifecycle, Listener, ListenerConfig};
use carerecord_storage::Database;
use carerecord_testkit::Deployment;
use carerecord_xml::Encode;

use crate::measure::Target;
use crate::population::{
    ORDINARY, Population, creation_time, document_id, patient_cx, submission_for,
};

pub struct Product {
    pub registry: Registry,
    pub caller: Caller,
    url: String,
    _lifecycle: Lifecycle,
}

/// Starts the registry on a free port of loopback.
pub async fn start(database: &Database) -> anyhow::Result<Product> {
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/carerecord/config/policy");
    let policy = Arc::new(Policy::load(Path::new(policy))?);
    let store = Store::new(database.clone());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let access = AccessDecisions::new(policy, Arc::new(store.clone()), clock.clone());
    let config = RegistryConfig {
        unknown_patients: UnknownPatients::Accept,
        number_policy: carerecord_model::NumberPolicy::Any,
        limited_metadata: false,
    };
    let registry = Registry::new(config, store, access, clock.clone(), Arc::new(RandomIds));
    let caller = Caller::System(SystemCaller {
        name: "bench".into(),
        organisation: "ZEX01".parse()?,
        rights: vec![Right::Publish, Right::Query],
        known_by: "bench",
    });
    let trail = AuditTrail {
        log: AuditLog::new(database.clone()),
        recorder: Arc::from("registry"),
        transport: "soap",
        clock,
        ids: Arc::new(RandomIds),
        static_prefix: None,
    };
    let router =
        carerecord_registry::router(registry.clone(), caller.clone(), Arc::new(RandomIds), trail);
    let lifecycle = Lifecycle::new();
    let listener = Listener::bind(ListenerConfig::loopback(0)).await?;
    let url = format!("http://{}/xds/registry", listener.address());
    listener.serve("registry", router, Arc::new(RandomIds), &lifecycle);
    Ok(Product { registry, caller, url, _lifecycle: lifecycle })
}

impl Product {
    /// FindDocuments of a patient with a hundred entries; the newest 20 by their creation time.
    pub fn query(&self, population: Population, count: u32) -> Target {
        list(self.url.clone(), move |n| population.ordinary(n), count)
    }

    /// FindDocuments of the patient with thousands of entries.
    pub fn heavy_query(&self, place: u32) -> Target {
        let query =
            StoredQuery::FindDocuments(Box::new(FindDocuments::approved(patient_cx(place))));
        self.target(move |_| envelope_of(&query), "ExtrinsicObject", Some(5000))
    }

    /// GetDocuments by a uniqueId.
    pub fn by_id(&self, submissions: u64) -> Target {
        let body = move |n: u64| {
            let id = document_id(n.wrapping_mul(7_919) % submissions, 0);
            let id = id.parse().expect("an OID");
            envelope_of(&StoredQuery::GetDocuments(GetDocuments::of(EntryRef::UniqueIds(vec![id]))))
        };
        self.target(body, "ExtrinsicObject", Some(1))
    }

    /// A new submission of one document, about 12.5 KB.
    pub fn registration(&self, population: Population) -> Target {
        let body = move |n: u64| {
            let s = submission_for(population.ordinary(n), n);
            envelope(action::REGISTER, &SubmittedObjects(&s))
        };
        self.target(body, "ResponseStatusType:Success", None)
    }

    fn target(
        &self,
        body: impl Fn(u64) -> Bytes + Send + Sync + 'static,
        right: &'static str,
        times: Option<u32>,
    ) -> Target {
        Target { times, ..Target::soap(self.url.clone(), right, body) }
    }
}

/// FindDocuments at a registry, of the nth patient with a hundred entries: all of them, or so many
/// of the newest by their creation time.
pub fn list(url: String, place: impl Fn(u64) -> u32 + Send + Sync + 'static, count: u32) -> Target {
    let body = move |n: u64| {
        let mut query = FindDocuments::approved(patient_cx(place(n)));
        if count < ORDINARY {
            let from = creation_time(ORDINARY - count).parse().ok();
            query.filter.creation_time = DtmRange { from, to: None };
        }
        envelope_of(&StoredQuery::FindDocuments(Box::new(query)))
    };
    Target { times: Some(count), ..Target::soap(url, "ExtrinsicObject", body) }
}

fn envelope_of(query: &StoredQuery) -> Bytes {
    envelope(action::STORED_QUERY, &AdhocQueryRequest::new(query))
}

pub fn envelope<T: Encode>(action: &str, body: &T) -> Bytes {
    let headers = Headers {
        action: action.to_owned(),
        message_id: Some("urn:uuid:aaaaaaaa-0000-4000-8000-000000000001".to_owned()),
        relates_to: None,
    };
    soap::write(&headers, |xml| body.encode(xml)).expect("a built message can be written").into()
}

/// The product as operators run it: each role a process of its own.
#[derive(clap::Args)]
pub struct Processes {
    /// The `carerecord` to measure, built for release
    #[arg(long, default_value = "target/release/carerecord")]
    binary: PathBuf,
    /// On PostgreSQL, started from installed programs, instead of SQLite
    #[arg(long)]
    pub postgres: bool,
}

impl Processes {
    /// All of them, started.
    ///
    /// # Errors
    /// When there is no such file, or no PostgreSQL where it is asked for.
    pub async fn start(&self) -> anyhow::Result<Deployment> {
        let mut deployment = self.stopped().await?;
        deployment.start_all();
        Ok(deployment)
    }

    /// As `start`, yet to be started.
    ///
    /// # Errors
    /// As `start`.
    pub async fn stopped(&self) -> anyhow::Result<Deployment> {
        let binary = self.binary.canonicalize().context("no such carerecord: build it first")?;
        let binary = binary.to_str().context("its path is not text")?;
        let mut deployment = Deployment::apart_stopped(binary);
        if self.postgres {
            let mut urls = Vec::new();
            for _ in 0..5 {
                let url = carerecord_testkit::postgres::durable_url().await;
                urls.push(url.context("PostgreSQL is not installed")?);
            }
            deployment.use_databases(urls);
        }
        Ok(deployment)
    }

    /// What the databases are.
    pub fn engine(&self) -> &'static str {
        if self.postgres { "PostgreSQL" } else { "SQLite" }
    }
}
