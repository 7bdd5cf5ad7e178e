//! Puts the roles of one process together: local services where the role runs here, clients where
//! it runs elsewhere.

mod portal;
mod registry;
mod repository;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use carerecord_access::{AccessDecisions, Caller, Policy, Right, SystemCaller};
use carerecord_audit::{AuditLog, FhirFeed, Sealer, keep_indexed};
use carerecord_model::{Clock, IdSource, RandomIds, SystemClock};
use carerecord_registry::{LocalRegistry, RegistryLog};
use carerecord_service::{
    AuditTrail, ClientTls, DelegationMode, Delegations, Entrance, KnownSystems, Lifecycle,
    Listener, Metrics, ReadinessChecks, TlsConfig, Xua, XuaMode,
};
use carerecord_storage::Database;

pub use registry::{AskedRegistry, registry_on};
pub use repository::{SEARCH, synonyms};

use crate::config::{CallerConfig, Config, Door, KnownCaller};
use crate::database::DatabaseConfig;
use crate::peer::{RegistryClient, role_client};
use crate::signin::{self, SignInConfig};
use registry::RegistryPorts;

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
    /// Judges for whom portals ask the nodes here.
    delegations: Option<Arc<Delegations>>,
    /// Systems that are known by their certificates.
    known: Arc<KnownSystems>,
    /// How roles here make themselves known to others.
    peers_tls: Option<ClientTls>,
    checks: ReadinessChecks,
    databases: Vec<Database>,
    sealers: Vec<Arc<Sealer>>,
    /// What holds a log that is sealed here: one database can serve several roles.
    sealed: HashSet<String>,
    /// The registry's log, where it is here.
    registry_log: Option<RegistryLog>,
}

/// Starts every role that the configuration names.
pub async fn start(config: &Config, lifecycle: &Lifecycle) -> anyhow::Result<Roles> {
    std::fs::create_dir_all(&config.data)
        .with_context(|| format!("cannot make {}", config.data.display()))?;
    let policy =
        crate::policy::agreed(&config.policy).context("the access rules cannot be used")?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let xua = config.xua.clone().map(|xua| Xua::new(xua, &config.base, clock.clone()));
    let xua = xua.transpose().context("assertions cannot be judged")?.map(Arc::new);
    let peers_tls = peers_tls(config)?;
    if let Some(tls) = peers_tls.clone() {
        lifecycle.spawn("certificates", tls.watch(lifecycle.draining()));
    }
    let mut assembly = Assembly {
        config,
        lifecycle,
        policy,
        clock,
        ids: Arc::new(RandomIds),
        xua,
        delegations: crate::delegations::judge(config)?,
        known: Arc::new(known_systems(&config.callers)?),
        peers_tls,
        checks: ReadinessChecks::new(),
        databases: Vec::new(),
        sealers: Vec::new(),
        sealed: HashSet::new(),
        registry_log: None,
    };
    if let Some(section) = &config.demo_sign_in {
        let provider = signin::demo_provider(section, &config.data)?;
        assembly.sign_in(provider).await.context("the sign-in provider cannot be started")?;
    }
    if let Some(section) = &config.demo_citizen_sign_in {
        let provider = signin::demo_citizen_provider(section, &config.data)?;
        let started = assembly.sign_in(provider).await;
        started.context("the sign-in provider of citizens cannot be started")?;
    }
    let local = match &config.registry {
        Some(section) => Some(assembly.registry(section).await?),
        None => None,
    };
    let ports = match (&local, &config.remote_registry) {
        (Some(local), _) => Some(RegistryPorts::of_local(local.clone())),
        (None, Some(remote)) => {
            crate::nodes::is_safe(&remote.url.parse()?).context("remote_registry.url")?;
            Some(RegistryPorts::of_remote(RegistryClient::new(assembly.client()?, &remote.url)))
        }
        (None, None) => None,
    };
    let ports = ports.map(|ports| if config.scenarios { ports.with_scenarios() } else { ports });
    let needs = !config.repositories.is_empty() || config.portal.is_some();
    match ports {
        Some(ports) => assembly.clients_of(&ports).await?,
        None if needs => bail!("a repository or portal needs [registry] or [remote_registry]"),
        None if config.demo_sign_in.is_some() || config.demo_citizen_sign_in.is_some() => {}
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
            let (node, log) = self.repository(section, ports).await?;
            nodes.push((section, node, log));
        }
        if let Some(section) = &config.portal {
            self.portal(section, ports, &nodes).await?;
        }
        Ok(())
    }

    fn client(&self) -> anyhow::Result<reqwest::Client> {
        role_client(Duration::from_millis(self.config.peers.silence_ms), self.peers_tls.as_ref())
    }

    async fn sign_in(&self, provider: SignInConfig) -> anyhow::Result<()> {
        signin::start(provider, self.clock.clone(), self.ids.clone(), self.lifecycle).await?;
        Ok(())
    }

    /// Who comes in by a door.
    fn entrance(&self, door: &Door) -> anyhow::Result<Entrance> {
        let address = &door.listen.address;
        let entrance = self.known_by(address, door.listen.tls.as_ref(), door.caller.as_ref())?;
        let entrance = match (&self.delegations, door.delegations) {
            (_, DelegationMode::Off) => entrance,
            (Some(judge), mode) => entrance.with_delegations(judge, mode),
            (None, _) => bail!("the door at {address} needs delegations.keys"),
        };
        match (&self.xua, door.xua) {
            (_, XuaMode::Off) => Ok(entrance),
            (Some(xua), mode) => Ok(entrance.with_xua(xua, mode)),
            (None, _) => bail!("the door at {address} needs [xua]"),
        }
    }

    /// How systems are known at a listener: all are the same one, or by their certificates.
    fn known_by(
        &self,
        address: &SocketAddr,
        tls: Option<&TlsConfig>,
        all: Option<&CallerConfig>,
    ) -> anyhow::Result<Entrance> {
        match (tls, all) {
            (None, Some(all)) => Ok(caller(all).into()),
            (None, None) => bail!("the listener at {address} needs caller, or tls"),
            (Some(_), Some(_)) => {
                bail!("with tls a listener, as {address}, has no caller: systems are [[caller]]")
            }
            (Some(tls), None) => {
                let ours = "systems are known by their certificates";
                ensure!(tls.knows_clients(), "tls at {address} needs client_authorities: {ours}");
                Ok(Entrance::Certificates(self.known.clone(), own_role("nobody").into()))
            }
        }
    }

    async fn serve(
        &self,
        name: &'static str,
        door: &Door,
        router: axum::Router,
        trail: AuditTrail,
    ) -> anyhow::Result<()> {
        let router = self.with_scenarios(router);
        let listener = Listener::bind(door.listen.clone()).await?.recorded_in(trail);
        listener.serve(name, router, self.ids.clone(), self.lifecycle);
        Ok(())
    }

    fn with_scenarios(&self, router: axum::Router) -> axum::Router {
        if self.config.scenarios { crate::mock::layers(router) } else { router }
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
            let (indexed, draining) = (database.clone(), self.lifecycle.draining());
            self.lifecycle.spawn("audit index", keep_indexed(indexed, draining));
            if let Some(feed) = crate::audit::feed(self.config, database.clone())? {
                let draining = self.lifecycle.draining();
                self.lifecycle.spawn("audit feed", async move { feed.run(draining).await });
            }
            self.fhir_feed(name, &database)?;
        }
        Ok(database)
    }

    /// Sends the records of a database to an audit record repository by FHIR, where there is one.
    fn fhir_feed(&self, name: &str, database: &Database) -> anyhow::Result<()> {
        let Some(repository) = crate::audit::fhir_repository(self.config)? else { return Ok(()) };
        if let Some(tls) = repository.tls {
            self.lifecycle.spawn("certificates", tls.watch(self.lifecycle.draining()));
        }
        let settings = (name, self.ids.random(), repository.max_bundle);
        let feed = FhirFeed::new(database.clone(), repository.port, settings, self.clock.clone());
        self.lifecycle.spawn("audit feed by FHIR", feed.run(self.lifecycle.draining()));
        Ok(())
    }

    fn access(&self, ports: &RegistryPorts) -> AccessDecisions {
        AccessDecisions::new(self.policy.clone(), ports.facts.clone(), self.clock.clone())
            .with_relationships(ports.relationships.clone())
            .with_citizen_grants(ports.citizen_grants.clone())
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

/// How roles of this configuration make themselves known to others.
pub fn peers_tls(config: &Config) -> anyhow::Result<Option<ClientTls>> {
    let tls = config.peers.tls.clone().map(ClientTls::load).transpose();
    tls.context("peers.tls cannot be used")
}

fn known_systems(callers: &[KnownCaller]) -> anyhow::Result<KnownSystems> {
    let system = |caller: &KnownCaller| {
        let wrong = |what| anyhow::anyhow!("certificate of caller {} {what}", caller.name);
        caller.certificate.validate().map_err(wrong)?;
        let system = Caller::System(SystemCaller {
            name: caller.name.clone(),
            organisation: caller.organisation.clone(),
            rights: caller.rights.clone(),
            known_by: "certificate",
        });
        Ok((caller.certificate.clone(), system))
    };
    let systems: anyhow::Result<Vec<_>> = callers.iter().map(system).collect();
    Ok(KnownSystems::new(systems?))
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

/// The organisation that runs the roles of a deployment; only named in records of its own calls.
const REGION: &str = "ZEX09";
