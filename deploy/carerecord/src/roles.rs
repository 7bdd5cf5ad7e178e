//! Puts the roles of one process together: local services where the role runs here, clients where
//! it runs elsewhere.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use carerecord_access::{
    AccessDecisions, Caller, ConsentRecords, ConsentStore, Policy, Right, SystemCaller,
};
use carerecord_audit::{AuditEvent, AuditLog, Sealer};
use carerecord_model::{
    Clock, DocumentRegistry, DocumentRepository, IdSource, PatientDirectory, RandomIds, SystemClock,
};
use carerecord_portal_api::{OverrideStore, PatientIds, Portal, PortalParts, TokenVerifier};
use carerecord_registry::{LocalRegistry, Registry, Store};
use carerecord_repository::{
    LocalRepository, OnDemand, Repository, RepositoryParts, Retention, RetentionParts, Search,
    Synonyms,
};
use carerecord_service::{
    AuditTrail, Callers, Lifecycle, Listener, Metrics, ReadinessChecks, Xua, XuaMode,
};
use carerecord_storage::Database;

use crate::config::{
    CallerConfig, Config, DemoSignIn, Door, PortalSection, RegistrySection, RepositorySection,
    WebSection,
};
use carerecord_web::WebConfig;

use crate::database::{DatabaseConfig, REGISTRY};
use crate::key_file::key_file;
use crate::nodes::{self, NodeClients};
use crate::peer::{ProducerClient, RegistryClient, role_client};
use crate::sessions::SqlSessionRows;
use crate::signin;

/// The roles of this process, running.
pub struct Roles {
    /// The registry as other roles see it.
    pub registry: Option<LocalRegistry>,
    databases: Vec<Database>,
    sealers: Vec<Arc<Sealer>>,
}

/// What every role needs.
struct Assembly<'a> {
    config: &'a Config,
    lifecycle: &'a Lifecycle,
    policy: Arc<Policy>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    xua: Option<Arc<Xua>>,
    checks: ReadinessChecks,
    databases: Vec<Database>,
    sealers: Vec<Arc<Sealer>>,
    /// What holds a log that is sealed here: one database can serve several roles.
    sealed: HashSet<String>,
}

/// A registry, here or elsewhere, by each of its ports.
#[derive(Clone)]
struct RegistryPorts {
    registry: Arc<dyn DocumentRegistry>,
    patients: Arc<dyn PatientDirectory>,
    consents: Arc<dyn ConsentStore>,
    facts: Arc<dyn ConsentRecords>,
}

impl RegistryPorts {
    fn of<R>(registry: R) -> Self
    where
        R: DocumentRegistry + PatientDirectory + ConsentStore + ConsentRecords + Clone + 'static,
    {
        Self {
            registry: Arc::new(registry.clone()),
            patients: Arc::new(registry.clone()),
            consents: Arc::new(registry.clone()),
            facts: Arc::new(registry),
        }
    }
}

/// Starts every role that the configuration names.
pub async fn start(config: &Config, lifecycle: &Lifecycle) -> anyhow::Result<Roles> {
    std::fs::create_dir_all(&config.data)
        .with_context(|| format!("cannot make {}", config.data.display()))?;
    let policy = Policy::load(&config.policy).context("the access rules cannot be used")?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let xua = config.xua.clone().map(|xua| Xua::new(xua, &config.base, clock.clone()));
    let xua = xua.transpose().context("assertions cannot be judged")?.map(Arc::new);
    let mut assembly = Assembly {
        config,
        lifecycle,
        policy: Arc::new(policy),
        clock,
        ids: Arc::new(RandomIds),
        xua,
        checks: ReadinessChecks::new(),
        databases: Vec::new(),
        sealers: Vec::new(),
        sealed: HashSet::new(),
    };
    if let Some(section) = &config.demo_sign_in {
        assembly.sign_in(section).await.context("the sign-in provider cannot be started")?;
    }
    let local = match &config.registry {
        Some(section) => Some(assembly.registry(section).await?),
        None => None,
    };
    let ports = match (&local, &config.remote_registry) {
        (Some(local), _) => Some(RegistryPorts::of(local.clone())),
        (None, Some(remote)) => {
            Some(RegistryPorts::of(RegistryClient::new(assembly.client()?, &remote.url)))
        }
        (None, None) => None,
    };
    let needs = !config.repositories.is_empty() || config.portal.is_some();
    match ports {
        Some(ports) => assembly.clients_of(&ports).await?,
        None if needs => bail!("a repository or portal needs [registry] or [remote_registry]"),
        None if config.demo_sign_in.is_some() => {}
        None => bail!("the configuration names no role"),
    }
    if let Some(admin) = &config.admin {
        let metrics = Metrics::install()?;
        let listener = Listener::bind(admin.clone()).await?;
        let router = carerecord_service::admin::router(assembly.checks.clone(), metrics, lifecycle);
        listener.serve("admin", router, assembly.ids.clone(), lifecycle);
    }
    Ok(Roles { registry: local, databases: assembly.databases, sealers: assembly.sealers })
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
    let access = AccessDecisions::new(policy, Arc::new(store.clone()), clock.clone());
    let registry = Registry::new(section.rules, store, access, clock, Arc::new(RandomIds));
    Ok(registry.with_codes(codes))
}

impl Roles {
    /// Signs what was recorded last and closes the databases, after everything that uses them has
    /// stopped.
    pub async fn close(self) {
        for sealer in self.sealers {
            sealer.finish().await;
        }
        for database in self.databases {
            database.close().await;
        }
    }
}

impl Assembly<'_> {
    /// The roles that ask the registry.
    async fn clients_of(&mut self, ports: &RegistryPorts) -> anyhow::Result<()> {
        let config = self.config;
        let mut nodes = Vec::new();
        for section in &config.repositories {
            nodes.push((section, self.repository(section, ports).await?));
        }
        if let Some(section) = &config.portal {
            self.portal(section, ports, &nodes).await?;
        }
        Ok(())
    }

    fn client(&self) -> anyhow::Result<reqwest::Client> {
        role_client(Duration::from_millis(self.config.peers.silence_ms))
    }

    async fn sign_in(&self, section: &DemoSignIn) -> anyhow::Result<()> {
        let provider = signin::demo_provider(section, &self.config.data)?;
        signin::start(provider, self.clock.clone(), self.ids.clone(), self.lifecycle).await?;
        Ok(())
    }

    async fn registry(&mut self, section: &RegistrySection) -> anyhow::Result<LocalRegistry> {
        let file = self.config.data.join(REGISTRY);
        let database = self.database("registry", section.database.as_ref(), &file).await?;
        let registry = registry_on(&database, self.config, section, self.policy.clone())?;
        self.lifecycle.spawn("code index", complete_code_index(registry.store().clone()));
        self.lifecycle.spawn("patient index", complete_patient_index(registry.store().clone()));
        let ready = database.clone();
        self.checks.register("registry", move || {
            let database = ready.clone();
            async move { database.ping().await.map_err(|e| e.to_string()) }
        });
        for door in &section.door {
            let trail = self.trail(&database, "registry", "soap", None);
            let router = carerecord_registry::router(
                registry.clone(),
                self.callers(door)?,
                self.ids.clone(),
                trail,
            );
            self.serve("registry", door, router).await?;
        }
        if let Some(feed) = &section.feed {
            let trail = self.trail(&database, "registry", "mllp", None);
            let (listen, who) = (feed.listen.clone(), caller(&feed.caller));
            carerecord_registry::serve_mllp(listen, registry.clone(), who, trail, self.lifecycle)
                .await
                .with_context(|| {
                    format!("the identity feed cannot listen on {}", feed.listen.address)
                })?;
        }
        Ok(local_registry(registry))
    }

    async fn repository(
        &mut self,
        section: &RepositorySection,
        ports: &RegistryPorts,
    ) -> anyhow::Result<LocalRepository> {
        let id = section.node.repository_unique_id.clone();
        let folder = self.config.node_folder(section);
        let objects = crate::storage::objects(self.config, section)
            .with_context(|| format!("node {id} cannot be started"))?;
        let store = objects.clone();
        let (name, file) = (format!("node-{id}"), folder.join("node.db"));
        let database = self.database(&name, section.database.as_ref(), &file).await?;
        warn_of_missing_keys(&database, section).await?;
        let search = Search::open(&folder.join(SEARCH), synonyms(self.config, section)?)
            .with_context(|| format!("the search index of node {id} cannot be opened"))?;
        // Rules that cannot be used are told now, not on the day when they are needed.
        crate::retention::rules(self.config, section)?;
        let repository = Repository::new(RepositoryParts {
            config: section.node.clone(),
            database: database.clone(),
            objects: objects.clone(),
            search,
            registry: ports.registry.clone(),
            access: self.access(ports.facts.clone()),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            on_demand: self.on_demand(section)?,
        });
        repository.start_sweeper(self.lifecycle);
        repository.start_disposer(
            Retention::new(RetentionParts {
                database: database.clone(),
                objects: objects.clone(),
                patients: ports.patients.clone(),
                clock: self.clock.clone(),
                ids: self.ids.clone(),
                recorder: format!("node {id}"),
            }),
            self.lifecycle,
        );
        repository.start_registering_kept(self.lifecycle);
        repository.start_indexer(self.lifecycle);
        let ready = database.clone();
        self.checks.register(format!("repository {id}"), move || {
            let database = ready.clone();
            async move { database.ping().await.map_err(|e| e.to_string()) }
        });
        if section.storage.is_some() {
            self.checks.register(format!("documents of repository {id}"), move || {
                let store = store.clone();
                async move { store.probe().await }
            });
        }
        for door in &section.door {
            let trail = self.trail(&database, &format!("node {id}"), "soap", None);
            let router = carerecord_repository::router(
                repository.clone(),
                self.callers(door)?,
                self.ids.clone(),
                trail,
            );
            self.serve("repository", door, router).await?;
        }
        Ok(LocalRepository::new(repository, own_role("carerecord"), draft))
    }

    fn on_demand(&self, section: &RepositorySection) -> anyhow::Result<Vec<OnDemand>> {
        let http = self.client()?;
        let made = section.on_demand.iter().map(|producer| OnDemand {
            producer: Arc::new(ProducerClient::new(http.clone(), producer.url.as_str())),
            types: producer.types.clone(),
            persist: producer.persist,
            content_type_code: producer.content_type_code.clone(),
        });
        Ok(made.collect())
    }

    async fn portal(
        &mut self,
        section: &PortalSection,
        ports: &RegistryPorts,
        local: &[(&RepositorySection, LocalRepository)],
    ) -> anyhow::Result<()> {
        let file = self.config.data.join("portal.db");
        let database = self.database("portal", section.database.as_ref(), &file).await?;
        let http = self.client()?;
        let here = |(section, node): &(&RepositorySection, LocalRepository)| {
            let node: Arc<dyn DocumentRepository> = Arc::new(node.clone());
            (section.node.repository_unique_id.clone(), node)
        };
        let silence = Duration::from_millis(self.config.peers.silence_ms);
        let local = local.iter().map(here).collect();
        let clients = NodeClients { local, silence, http: http.clone() };
        let (clock, ids) = (self.clock.clone(), self.ids.clone());
        let federation = nodes::start(section, clients, clock, ids, &self.checks, self.lifecycle)?;
        let portal = Portal::new(PortalParts {
            tokens: TokenVerifier::new(&section.api, http),
            config: section.api.clone(),
            registry: ports.registry.clone(),
            patients: ports.patients.clone(),
            consents: ports.consents.clone(),
            access: self.access(ports.facts.clone()),
            federation,
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            overrides: OverrideStore::new(database.clone()),
            patient_ids: PatientIds::new(key_file(&self.config.data.join("patient-ids.key"))?),
        });
        let trail = self.trail(&database, "portal", "fhir", None);
        let mut router = carerecord_portal_api::router(portal, trail);
        if let Some(web) = &section.web {
            router = router.merge(self.web(section, web, &database)?);
        }
        let listener = Listener::bind(section.listen.clone()).await?;
        listener.serve("portal", router, self.ids.clone(), self.lifecycle);
        Ok(())
    }

    /// The web portal: a client of the API like any other, on the same listener.
    fn web(
        &self,
        section: &PortalSection,
        web: &WebSection,
        database: &Database,
    ) -> anyhow::Result<axum::Router> {
        let api = section.api.base_url.parse().context("portal.api.base_url")?;
        let issuer = section.api.issuer.parse().context("portal.api.issuer")?;
        let mut config = WebConfig::new(web.public_url.clone(), api, issuer, &web.client_id);
        config.demo = web.demo;
        let rows = Arc::new(SqlSessionRows(database.clone()));
        let router = carerecord_web::router(config, rows, self.clock.clone(), self.ids.clone())?;
        let trail = self.trail(database, "web portal", "web", Some("/assets/"));
        Ok(router.layer(axum::middleware::from_fn_with_state(
            trail,
            carerecord_service::audit_trail::record,
        )))
    }

    /// Who comes in by a door.
    fn callers(&self, door: &Door) -> anyhow::Result<Callers> {
        let callers = Callers::from(caller(&door.caller));
        match (&self.xua, door.xua) {
            (_, XuaMode::Off) => Ok(callers),
            (Some(xua), mode) => Ok(callers.with_xua(xua.clone(), mode)),
            (None, _) => bail!("the door at {} needs [xua]", door.listen.address),
        }
    }

    async fn serve(
        &self,
        name: &'static str,
        door: &Door,
        router: axum::Router,
    ) -> anyhow::Result<()> {
        let listener = Listener::bind(door.listen.clone()).await?;
        listener.serve(name, router, self.ids.clone(), self.lifecycle);
        Ok(())
    }

    /// A role's database, whose log is signed from now on.
    async fn database(
        &mut self,
        name: &str,
        config: Option<&DatabaseConfig>,
        file: &Path,
    ) -> anyhow::Result<Database> {
        let database = crate::database::open(config, &self.config.base, file).await?;
        self.databases.push(database.clone());
        let place = match config {
            Some(config) => config.address(&self.config.base)?.expose().to_owned(),
            None => file.display().to_string(),
        };
        if self.sealed.insert(place) {
            let (clock, ids) = (self.clock.clone(), self.ids.clone());
            let sealer = crate::audit::sealer(self.config, database.clone(), name, clock, ids);
            let sealer = Arc::new(sealer.context("the record of accesses cannot be signed")?);
            self.sealers.push(sealer.clone());
            let (times, draining) = (self.config.audit.times()?, self.lifecycle.draining());
            self.lifecycle.spawn("audit heads", async move { sealer.run(times, draining).await });
            if let Some(feed) = crate::audit::feed(self.config, database.clone())? {
                let draining = self.lifecycle.draining();
                self.lifecycle.spawn("audit feed", async move { feed.run(draining).await });
            }
        }
        Ok(database)
    }

    fn access(&self, facts: Arc<dyn ConsentRecords>) -> AccessDecisions {
        AccessDecisions::new(self.policy.clone(), facts, self.clock.clone())
    }

    fn trail(
        &self,
        database: &Database,
        recorder: &str,
        transport: &'static str,
        static_prefix: Option<&'static str>,
    ) -> AuditTrail {
        AuditTrail {
            log: AuditLog::new(database.clone()),
            recorder: Arc::from(recorder),
            transport,
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            static_prefix,
        }
    }
}

/// Documents whose key is gone cannot be given, whatever else runs: that is said at the start.
async fn warn_of_missing_keys(
    database: &Database,
    section: &RepositorySection,
) -> anyhow::Result<()> {
    for key in carerecord_repository::keys_in_use(database).await? {
        if !section.encryption.as_ref().is_some_and(|e| e.has(&key)) {
            let node = section.node.repository_unique_id.to_string();
            tracing::error!(key, node, "documents are encrypted with a key that is not configured");
        }
    }
    Ok(())
}

/// The words that mean the same at a node.
pub fn synonyms(config: &Config, section: &RepositorySection) -> anyhow::Result<Synonyms> {
    let Some(file) = &section.search.synonyms else { return Ok(Synonyms::built_in()) };
    let file = config.base.join(file);
    Synonyms::load(&file).with_context(|| format!("{} cannot be used", file.display()))
}

fn caller(config: &CallerConfig) -> Caller {
    Caller::System(SystemCaller {
        name: config.name.clone(),
        organisation: config.organisation.clone(),
        rights: config.rights.clone(),
        known_by: "listener",
    })
}

/// A role of this process towards another one: it takes the decision for its users itself.
pub fn own_role(name: &str) -> Caller {
    Caller::System(SystemCaller {
        name: name.to_owned(),
        organisation: REGION.parse().expect("the constant is an ODS code"),
        rights: vec![Right::Publish, Right::Delegate],
        known_by: "process",
    })
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

/// The audit record of a write that another role of this process asks for.
fn draft(caller: &Caller) -> AuditEvent {
    let (clock, ids) = (SystemClock, RandomIds);
    let mut event = AuditEvent::incoming(ids.ordered(), clock.now(), "registry", "process");
    event.actor = Some(caller.into());
    event.interaction = "ITI-42".to_owned();
    event
}

/// The folder of a node's search index, below the node's own.
pub const SEARCH: &str = "search";

/// The organisation that runs the roles of a deployment; only named in records of its own calls.
const REGION: &str = "ZEX09";

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
