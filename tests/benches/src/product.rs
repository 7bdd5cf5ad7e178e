//! The registry as it is served, in this process.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use carerecord_access::{AccessDecisions, Caller, Policy, Right, SystemCaller};
use carerecord_audit::AuditLog;
use carerecord_codec::soap::{self, Headers};
use carerecord_codec::{AdhocQueryRequest, SubmitObjectsRequest, name::action};
use carerecord_model::{
    Clock, DtmRange, FindDocuments, NhsNumber, Patient, RandomIds, StoredQuery, Submission,
    SystemClock,
};
use carerecord_registry::{Registry, RegistryConfig, Store, UnknownPatients};
use carerecord_service::{AuditTrail, Lifecycle, Listener, ListenerConfig};
use carerecord_storage::Database;
use carerecord_testkit::submission::Builder;
use carerecord_xml::Encode;

use crate::load::{number, patient_cx};
use crate::measure::Target;

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
    };
    let registry = Registry::new(config, store, access, clock.clone(), Arc::new(RandomIds));
    let caller = Caller::System(SystemCaller {
        name: "bench".into(),
        organisation: "ZEX01".parse()?,
        rights: vec![Right::Publish, Right::Query, Right::Delegate],
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
    pub fn query(&self, count: u32) -> Target {
        let body = move |n: u64| {
            let patient = patient_cx(u32::try_from(n % 97).unwrap_or(0));
            let mut query = FindDocuments::approved(patient);
            if count < 100 {
                let from = crate::load::creation_time(100 - count).parse().ok();
                query.filter.creation_time = DtmRange { from, to: None };
            }
            let query = StoredQuery::FindDocuments(Box::new(query));
            envelope(action::STORED_QUERY, &AdhocQueryRequest::new(&query))
        };
        Target { url: self.url.clone(), body: Box::new(body), right: "ExtrinsicObject" }
    }

    /// A new submission of one document, about 12.5 KB.
    pub fn registration(&self) -> Target {
        Target {
            url: self.url.clone(),
            body: Box::new(|n| {
                envelope(action::REGISTER, &SubmitObjectsRequest::new(&submission(n)))
            }),
            right: "ResponseStatusType:Success",
        }
    }

    /// Makes a patient known.
    pub async fn add_patient(&self, patient: NhsNumber) -> anyhow::Result<()> {
        Ok(self.registry.put_patient(&self.caller, Patient::from_number(patient)).await?)
    }
}

/// A submission that no other is like.
pub fn submission(n: u64) -> Submission {
    let patient = number(u32::try_from(n % 1000).unwrap_or(0));
    let patient = carerecord_model::PatientId::from_nhs_number(patient).to_cx();
    let mut s = Builder::of(&patient).document();
    s.submission_set.unique_id = format!("1.2.42.21.{n}").parse().expect("an OID");
    let entry = &mut s.document_entries[0];
    entry.unique_id = format!("1.2.42.22.{n}").parse().expect("an OID");
    entry.source_patient_info = (0..40).map(|n| format!("PID-{n}|{}", "x".repeat(120))).collect();
    s
}

fn envelope<T: Encode>(action: &str, body: &T) -> Bytes {
    let headers = Headers {
        action: action.to_owned(),
        message_id: Some("urn:uuid:aaaaaaaa-0000-4000-8000-000000000001".to_owned()),
        relates_to: None,
    };
    soap::write(&headers, |xml| body.encode(xml)).expect("a built message can be written").into()
}
