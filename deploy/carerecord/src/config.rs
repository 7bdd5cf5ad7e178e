//! The configuration file of `carerecord serve`. `docs/run.md` and
//! `deploy/carerecord/config/carerecord.example.toml` describe it; a test starts the example.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use carerecord_access::Right;
use carerecord_model::{Code, NodeId, OrganisationCode, SourceId};
use carerecord_portal_api::{AccessPackConfig, NodeLimits, OAuthConfig, PortalConfig};
use carerecord_registry::{MllpConfig, RegistryConfig};
use carerecord_repository::RepositoryConfig;
use carerecord_service::{
    CertificateMatch, ClientTlsConfig, DelegationMode, DelegationsConfig, Delegator,
    ListenerConfig, LogFormat, SignInProvider, TlsConfig, XuaConfig, XuaMode,
};
use carerecord_storage::Database;
use carerecord_web::{EhrConfig, LauncherConfig, ViewConfig};
use serde::Deserialize;

use crate::audit::AuditSection;
use crate::codes::CodesSection;
use crate::database::DatabaseConfig;
use crate::encryption::EncryptionConfig;
use crate::storage::StorageConfig;

/// The whole file. A role runs in this process when its section is there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder of the file, from which paths in it are taken.
    #[serde(skip)]
    pub base: PathBuf,
    /// The folder of databases and documents.
    pub data: PathBuf,
    /// The folder of access rules.
    pub policy: PathBuf,
    /// How to log.
    #[serde(default)]
    pub log: LogConfig,
    /// Health and metrics.
    pub admin: Option<ListenerConfig>,
    /// How the record of accesses is signed, and who witnesses it.
    #[serde(default)]
    pub audit: AuditSection,
    /// The registry.
    pub registry: Option<RegistrySection>,
    /// Systems by their certificates, for listeners with mutual TLS.
    #[serde(default, rename = "caller")]
    pub callers: Vec<KnownCaller>,
    /// Whose assertions are believed, for doors that take them.
    pub xua: Option<XuaConfig>,
    /// How a portal says to nodes for whom it asks, and whose word nodes take.
    pub delegations: Option<DelegationsConfig>,
    /// The codes of the affinity domain, for the registry.
    #[serde(default)]
    pub codes: CodesSection,
    /// Repository nodes.
    #[serde(default, rename = "repository")]
    pub repositories: Vec<RepositorySection>,
    /// The portal API and the web portal.
    pub portal: Option<PortalSection>,
    /// Where a registry in another process is, for the roles here that need it.
    pub remote_registry: Option<RemoteRegistry>,
    /// What is expected of roles in other processes.
    #[serde(default)]
    pub peers: PeersConfig,
    /// The demo's sign-in provider, which asks for no password: for trials on one machine.
    pub demo_sign_in: Option<DemoSignIn>,
    /// Whether requests may ask for something to go wrong: of the mock alone, and never of a file.
    #[serde(skip)]
    pub scenarios: bool,
    /// The same for citizens, in the shape of NHS login.
    pub demo_citizen_sign_in: Option<DemoSignIn>,
}

impl Config {
    /// Reads a file.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let mut config: Self = carerecord_service::config::read_toml(file)
            .context("the configuration cannot be used")?;
        // Paths in the file are relative to it, wherever the process is started.
        if let Some(base) = file.parent() {
            config.base = base.to_owned();
            config.data = base.join(&config.data);
            config.policy = base.join(&config.policy);
            if let Some(portal) = &mut config.portal {
                portal.nodes = portal.nodes.as_ref().map(|nodes| base.join(nodes));
            }
            config.listeners_tls().for_each(|tls| tls.resolve(base));
            let web = config.portal.as_mut().and_then(|p| p.web.as_mut());
            let web = web.and_then(|web| web.api_tls.as_mut());
            config.peers.tls.iter_mut().chain(web).for_each(|tls| tls.resolve(base));
        }
        Ok(config)
    }

    /// `tls` of every listener.
    fn listeners_tls(&mut self) -> impl Iterator<Item = &mut TlsConfig> {
        let registry = self.registry.as_mut().map(|r| (&mut r.door, r.feed.as_mut()));
        let (registry_doors, feed) = registry.unzip();
        let nodes = self.repositories.iter_mut().flat_map(|node| &mut node.door);
        let doors = registry_doors.into_iter().flatten().chain(nodes).map(|door| &mut door.listen);
        let portal = self.portal.as_mut().map(|portal| &mut portal.listen);
        let sign_ins = [&mut self.demo_sign_in, &mut self.demo_citizen_sign_in];
        let sign_in = sign_ins.into_iter().flatten().map(|sign_in| &mut sign_in.listen);
        let listeners = doors.chain(portal).chain(sign_in).chain(&mut self.admin);
        let feed = feed.flatten().and_then(|feed| feed.listen.tls.as_mut());
        listeners.filter_map(|listener| listener.tls.as_mut()).chain(feed)
    }

    /// The nodes here, or the one of this id.
    pub fn nodes(&self, id: Option<&NodeId>) -> impl Iterator<Item = &RepositorySection> {
        let wanted =
            move |s: &&RepositorySection| id.is_none_or(|id| *id == s.node.repository_unique_id);
        self.repositories.iter().filter(wanted)
    }

    /// The folder of a node.
    pub fn node_folder(&self, section: &RepositorySection) -> PathBuf {
        self.data.join(format!("node-{}", section.node.repository_unique_id))
    }

    /// The database of a node that has been started before.
    pub async fn open_node_database(
        &self,
        section: &RepositorySection,
    ) -> anyhow::Result<Database> {
        let folder = self.node_folder(section);
        ensure!(folder.is_dir(), "there is no folder {}", folder.display());
        let file = folder.join("node.db");
        crate::database::open(section.database.as_ref(), &self.base, &file).await
    }

    /// The databases of roles here that are not SQLite files.
    pub fn databases(&self) -> Vec<&DatabaseConfig> {
        let registry = self.registry.as_ref().and_then(|r| r.database.as_ref());
        let portal = self.portal.as_ref().and_then(|p| p.database.as_ref());
        let nodes = self.repositories.iter().filter_map(|r| r.database.as_ref());
        registry.into_iter().chain(nodes).chain(portal).collect()
    }
}

/// The `[log]` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `text` or `json`.
    pub format: LogFormat,
    /// What to log, e.g. `info`.
    pub filter: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

/// The `[peers]` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PeersConfig {
    /// How long a peer that took a question, or has begun to answer, may say nothing before it is
    /// given up.
    pub silence_ms: u64,
    /// How roles make themselves known to others, and whom they believe; the authorities of the
    /// machine unless given.
    pub tls: Option<ClientTlsConfig>,
}

impl Default for PeersConfig {
    fn default() -> Self {
        Self { silence_ms: 30_000, tls: None }
    }
}

/// Who comes in by a listener: known by the listener, on loopback only.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallerConfig {
    /// What the system is called in the audit record.
    pub name: String,
    /// The organisation it acts for.
    pub organisation: OrganisationCode,
    /// What it may do.
    pub rights: Vec<Right>,
}

/// A `[[caller]]`: a system that is known by its certificate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownCaller {
    /// What the system is called in the audit record.
    pub name: String,
    /// The organisation it acts for.
    pub organisation: OrganisationCode,
    /// What it may do.
    pub rights: Vec<Right>,
    /// Its certificate.
    pub certificate: CertificateMatch,
}

/// A listener with who comes in by it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Door {
    /// Where it is bound.
    pub listen: ListenerConfig,
    /// Who comes in, without TLS; with it systems are known by their certificates.
    pub caller: Option<CallerConfig>,
    /// Whether SOAP messages carry an assertion of the person behind them.
    #[serde(default)]
    pub xua: XuaMode,
    /// Whether requests say for whom a portal asks; a door of the registry may accept them.
    #[serde(default)]
    pub delegations: DelegationMode,
}

/// The `[registry]` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegistrySection {
    /// Rules of registration.
    #[serde(default)]
    pub rules: RegistryConfig,
    /// PostgreSQL; a SQLite file below `data` unless given.
    pub database: Option<DatabaseConfig>,
    /// The patient identity feed over MLLP.
    pub feed: Option<FeedDoor>,
    /// One for each kind of caller.
    pub door: Vec<Door>,
}

/// The `[registry.feed]` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedDoor {
    /// Where it listens, and its limits.
    pub listen: MllpConfig,
    /// Who comes in here, without TLS; with it systems are known by their certificates.
    pub caller: Option<CallerConfig>,
}

/// A `[[repository]]` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepositorySection {
    /// The node.
    pub node: RepositoryConfig,
    /// PostgreSQL; a SQLite file below `data` unless given.
    pub database: Option<DatabaseConfig>,
    /// An object store elsewhere; files below `data` unless given.
    pub storage: Option<StorageConfig>,
    /// The keys that its documents are encrypted with; stored as they come unless given.
    pub encryption: Option<EncryptionConfig>,
    /// The search inside its documents.
    #[serde(default)]
    pub search: SearchSection,
    /// How long its documents are kept.
    #[serde(default)]
    pub retention: RetentionSection,
    /// Who makes documents on demand.
    #[serde(default)]
    pub on_demand: Vec<OnDemandSection>,
    /// One for each kind of caller.
    pub door: Vec<Door>,
}

/// `search` of a `[[repository]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchSection {
    /// A list of words that mean the same, in place of the one that is built in.
    pub synonyms: Option<PathBuf>,
}

/// One of `on_demand` of a `[[repository]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnDemandSection {
    /// Where the producer is asked.
    pub url: url::Url,
    /// Of which types it makes documents, by the code of typeCode; of all unless given.
    #[serde(default)]
    pub types: Vec<String>,
    /// Whether what was given is kept and registered as a snapshot.
    #[serde(default)]
    pub persist: bool,
    /// contentTypeCode of snapshots' submissions; the entry's classCode unless given.
    pub content_type_code: Option<Code>,
}

/// `retention` of a `[[repository]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionSection {
    /// Rules in place of those that are built in.
    pub rules: Option<PathBuf>,
}

/// The `[portal]` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortalSection {
    /// Where it is bound.
    pub listen: ListenerConfig,
    /// The API.
    pub api: PortalConfig,
    /// Sign-in providers beside the first one.
    #[serde(default)]
    pub sign_in: Vec<SignInProvider>,
    /// Access tokens for systems; given by the sign-in provider alone unless there.
    pub oauth: Option<OAuthConfig>,
    /// PostgreSQL; a SQLite file below `data` unless given.
    pub database: Option<DatabaseConfig>,
    /// The sources that never change while it runs.
    #[serde(default)]
    pub source: Vec<SourceConfig>,
    /// A directory of nodes, read again when it changes.
    pub nodes: Option<PathBuf>,
    /// The systems that may publish by the API.
    #[serde(default)]
    pub publisher: Vec<PublisherConfig>,
    /// Systems that open records in context.
    #[serde(default)]
    pub launcher: Vec<LauncherConfig>,
    /// Electronic patient records that open records by SMART App Launch.
    #[serde(default)]
    pub ehr: Vec<EhrConfig>,
    /// Who gets which view of a record; the first that fits, else by the code of the role.
    #[serde(default)]
    pub view: Vec<ViewConfig>,
    /// Codes for metadata that are made of a document's header, as `carerecord publish --codes`
    /// takes them; the built-in ones unless given.
    pub code_maps: Option<PathBuf>,
    /// Subject access packs that are asked for by the API.
    #[serde(default)]
    pub access_packs: AccessPackConfig,
    /// The web portal; without it only the API runs.
    pub web: Option<WebSection>,
}

/// A `[[portal.publisher]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublisherConfig {
    /// The client that the sign-in provider gives tokens to.
    pub client_id: String,
    /// The organisation that the tokens must be for.
    pub organisation: OrganisationCode,
    /// The repositoryUniqueId of the node that keeps what it publishes.
    pub node: NodeId,
    /// The node's ITI-41 address; not needed for a node of this process.
    pub url: Option<String>,
    /// The sourceId of submissions that are made for it, an OID.
    pub source_id: SourceId,
}

/// The `[portal.web]` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebSection {
    /// Where browsers reach it, e.g. `http://127.0.0.1:8080`.
    pub public_url: url::Url,
    /// The name under which the sign-in provider knows it.
    pub client_id: String,
    /// The name of that provider on the sign-in page, where there are several.
    #[serde(default = "first_name")]
    pub sign_in_name: String,
    /// How it speaks TLS with the API; the authorities of the machine unless given.
    pub api_tls: Option<ClientTlsConfig>,
    /// Whether the start page says that everything is invented.
    #[serde(default)]
    pub demo: bool,
}

fn first_name() -> String {
    "NHS staff account".to_owned()
}

/// A source of the portal's directory.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// Its repositoryUniqueId.
    pub id: NodeId,
    /// Its name for people.
    pub name: String,
    /// Its ITI-43 address; not needed for a node of this process.
    pub url: Option<String>,
    /// An address that answers 200 while the node can serve; without it an ITI-43 for a document
    /// that nobody has is the probe.
    pub status_url: Option<String>,
    /// Where it can be searched inside: `/peer/search` at a door of that node whose caller has the
    /// right `delegate`. Without it documents of a node elsewhere are not found by what is in them.
    pub search_url: Option<String>,
    /// What it may cost.
    #[serde(default)]
    pub limits: NodeLimits,
}

impl SourceConfig {
    /// Who says to it for whom the portal asks: only Care Record nodes, which are those that can be
    /// searched inside, are told.
    pub fn delegations(&self, all: Option<&Arc<Delegator>>) -> Option<Arc<Delegator>> {
        all.filter(|_| self.search_url.is_some()).cloned()
    }
}

/// The `[remote_registry]` section: a door of that registry whose caller has the right `delegate`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoteRegistry {
    /// The address without a path, e.g. `http://127.0.0.1:9081`.
    pub url: String,
}

/// The `[demo_sign_in]` section, and `[demo_citizen_sign_in]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DemoSignIn {
    /// Where it is bound: a loopback address.
    pub listen: ListenerConfig,
    /// Where browsers and the portal reach it: `issuer` of the portal, or of its `[[portal.sign_in]]`.
    pub issuer: url::Url,
    /// Where browsers reach the web portal, whose people sign in here.
    pub portal: url::Url,
}
