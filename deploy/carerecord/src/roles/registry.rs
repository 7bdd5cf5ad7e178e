//! The registry: here, or a client of one elsewhere.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use carerecord_access::{
    AccessDecisions, Caller, CitizenGrantStore, ConsentRecords, ConsentStore, PatientRecords,
    Policy, RelationshipStore, Right,
};
use carerecord_audit::{AuditEvent, AuditLog};
use carerecord_model::{
    Clock, DocumentRegistry, IdSource as _, PatientDirectory, RandomIds, SystemClock,
};
use carerecord_registry::{LocalRegistry, Registry, RegistryLog, Store};
use carerecord_service::DelegationMode;
use carerecord_storage::Database;

use super::{Assembly, own_role, peers_tls};
use crate::config::{Config, RegistrySection};
use crate::database::REGISTRY;
use crate::mock::{ScenarioPatients, ScenarioRegistry};
use crate::peer::{RegistryClient, role_client};
use crate::records::LocalRecords;

/// A registry, here or elsewhere, by each of its ports.
#[derive(Clone)]
pub struct RegistryPorts {
    /// Metadata.
    pub registry: Arc<dyn DocumentRegistry>,
    /// People.
    pub patients: Arc<dyn PatientDirectory>,
    /// What people have said.
    pub consents: Arc<dyn ConsentStore>,
    /// The same, for decisions.
    pub facts: Arc<dyn ConsentRecords>,
    /// Who cares for whom.
    pub relationships: Arc<dyn RelationshipStore>,
    /// Which citizens may see whose record.
    pub citizen_grants: Arc<dyn CitizenGrantStore>,
    /// All of a patient in one question.
    pub records: Option<Arc<dyn PatientRecords>>,
}

impl RegistryPorts {
    pub(super) fn of<R>(registry: R) -> Self
    where
        R: DocumentRegistry
            + PatientDirectory
            + ConsentStore
            + ConsentRecords
            + RelationshipStore
            + CitizenGrantStore
            + Clone
            + 'static,
    {
        Self {
            registry: Arc::new(registry.clone()),
            patients: Arc::new(registry.clone()),
            consents: Arc::new(registry.clone()),
            facts: Arc::new(registry.clone()),
            relationships: Arc::new(registry.clone()),
            citizen_grants: Arc::new(registry),
            records: None,
        }
    }
}

impl RegistryPorts {
    /// Those of a registry in this process.
    pub(super) fn of_local(registry: LocalRegistry) -> Self {
        let records = Arc::new(LocalRecords::new(registry.clone()));
        Self { records: Some(records), ..Self::of(registry) }
    }

    /// Those of a registry in another process.
    pub(super) fn of_remote(registry: RegistryClient) -> Self {
        Self { records: Some(Arc::new(registry.clone())), ..Self::of(registry) }
    }

    /// The same, of which requests may ask for something to go wrong.
    pub(super) fn with_scenarios(self) -> Self {
        Self {
            registry: Arc::new(ScenarioRegistry(self.registry)),
            patients: Arc::new(ScenarioPatients(self.patients)),
            records: None,
            ..self
        }
    }
}

/// The registry that a command asks, and the database that it opened for it.
pub struct AskedRegistry {
    /// The registry.
    pub ports: RegistryPorts,
    database: Option<Database>,
}

impl AskedRegistry {
    /// The registry of a configuration: its own, which may serve meanwhile, or the one elsewhere.
    ///
    /// # Errors
    /// When the configuration names none, or it cannot be opened.
    pub async fn of(config: &Config) -> anyhow::Result<Self> {
        if let Some(section) = &config.registry {
            let policy = Policy::load(&config.policy).context("the access rules cannot be used")?;
            let file = config.data.join(REGISTRY);
            let database =
                crate::database::open(section.database.as_ref(), &config.base, &file).await?;
            let registry = registry_on(&database, config, section, Arc::new(policy))?;
            let ports = RegistryPorts::of(local_registry(registry));
            return Ok(Self { ports, database: Some(database) });
        }
        let Some(remote) = &config.remote_registry else {
            bail!("the configuration has no [registry] or [remote_registry]");
        };
        let tls = peers_tls(config)?;
        let client = role_client(Duration::from_millis(config.peers.silence_ms), tls.as_ref())?;
        let ports = RegistryPorts::of(RegistryClient::new(client, &remote.url));
        Ok(Self { ports, database: None })
    }

    /// Closes what was opened.
    pub async fn close(self) {
        if let Some(database) = self.database {
            database.close().await;
        }
    }
}

/// The registry's service over its database, with the rules of the configuration.
pub fn registry_on(
    database: &Database,
    config: &Config,
    section: &RegistrySection,
    policy: Arc<Policy>,
) -> anyhow::Result<Registry> {
    let codes = config.codes.load(&config.base).context("the codes cannot be used")?;
    let store = Store::new(database.clone());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let access = AccessDecisions::new(policy, Arc::new(store.clone()), clock.clone())
        .with_relationships(Arc::new(store.clone()));
    let registry = Registry::new(section.rules, store, access, clock, Arc::new(RandomIds));
    Ok(registry.with_codes(codes))
}

/// The registry for the other roles of this process. Nodes have entries taken out at the end of
/// retention.
pub fn local_registry(registry: Registry) -> LocalRegistry {
    let mut caller = own_role("carerecord");
    if let Caller::System(system) = &mut caller {
        system.rights.push(Right::Administer);
    }
    LocalRegistry::new(registry, caller, draft)
}

/// The audit record of a write that another role of this process asks for; the role itself says
/// which.
pub(super) fn draft(caller: &Caller) -> AuditEvent {
    let (clock, ids) = (SystemClock, RandomIds);
    let mut event = AuditEvent::incoming(ids.ordered(), clock.now(), "registry", "process");
    event.actor = Some(caller.into());
    event
}

impl Assembly<'_> {
    pub(super) async fn registry(
        &mut self,
        section: &RegistrySection,
    ) -> anyhow::Result<LocalRegistry> {
        let file = self.config.data.join(REGISTRY);
        let database = self.database("registry", section.database.as_ref(), &file).await?;
        let log = AuditLog::new(database.clone());
        let registry = registry_on(&database, self.config, section, self.policy.clone())?;
        self.registry_log = Some(RegistryLog::new(log, registry.store().clone()));
        self.lifecycle.spawn("code index", complete_code_index(registry.store().clone()));
        self.lifecycle.spawn("patient index", complete_patient_index(registry.store().clone()));
        let ready = database.clone();
        self.checks.register("registry", move || {
            let database = ready.clone();
            async move { database.ping().await.map_err(|e| e.to_string()) }
        });
        for door in &section.door {
            let required = door.delegations == DelegationMode::Required;
            ensure!(!required, "nodes ask the registry for themselves: take \"accepted\"");
            let trail = self.trail(&database, "registry", "soap", None);
            let router = carerecord_registry::router(
                registry.clone(),
                self.entrance(door)?,
                self.ids.clone(),
                trail.clone(),
            );
            self.serve("registry", door, router, trail).await?;
        }
        if let Some(feed) = &section.feed {
            let trail = self.trail(&database, "registry", "mllp", None);
            let listen = feed.listen.clone();
            let tls = listen.tls.as_ref();
            let who = self.known_by(&listen.address, tls, feed.caller.as_ref())?;
            carerecord_registry::serve_mllp(listen, registry.clone(), who, trail, self.lifecycle)
                .await
                .with_context(|| {
                    format!("the identity feed cannot listen on {}", feed.listen.address)
                })?;
        }
        Ok(local_registry(registry))
    }
}

/// Until it is done, queries over all patients look at every object.
async fn complete_code_index(store: Store) {
    if let Err(error) = store.complete_code_index().await {
        tracing::warn!(%error, "the index of codes is not complete; the next start goes on");
    }
}

/// Until it is done, searches for people by name or date of birth say that they cannot tell.
async fn complete_patient_index(store: Store) {
    if let Err(error) = store.complete_patient_index().await {
        tracing::warn!(%error, "the index of people is not complete; the next start goes on");
    }
}
