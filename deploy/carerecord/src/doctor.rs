//! `carerecord doctor`: asks everything that a configuration relies on, and says in words what is
//! wrong with it. Nothing is changed, and no patient is named.

mod nodes;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use carerecord_model::{
    Clock, DocumentRegistry, EntryRef, ErrorCode, GetDocuments, PortError, StoredQuery,
    SystemClock, TransactionError,
};
use carerecord_service::{Delegate, Delegation, Delegator};
use clap::Args;
use reqwest::RequestBuilder;

use crate::config::{Config, RepositorySection, SourceConfig};
use crate::nodes::NodeSection;
use crate::peer::{self, RegistryClient, RepositoryClient, role_client};
use crate::roles::peers_tls;

/// What to look at.
#[derive(Args)]
pub struct DoctorOptions {
    /// The configuration file (TOML)
    #[arg(long)]
    config: std::path::PathBuf,
    /// Seconds that anybody may take to answer
    #[arg(long, default_value_t = 5)]
    wait: u64,
}

/// Prints a line for each thing that was looked at; exit status 1 when something is wrong.
pub async fn run(options: DoctorOptions) -> anyhow::Result<ExitCode> {
    let config = Config::read(&options.config)?;
    let wait = Duration::from_secs(options.wait);
    let mut doctor = Doctor { wait, wrong: 0, delegations: None };
    let policy = crate::policy::agreed(&config.policy);
    let read = policy.as_ref().map(|_| "read".to_owned());
    doctor.tell("access rules", read.map_err(|e| format!("{e:#}")));
    let codes = config.codes.load(&config.base);
    doctor.tell("codes", codes.map(|_| "read".to_owned()).map_err(|e| format!("{e:#}")));
    for (what, found) in crate::audit::findings(&config) {
        doctor.tell(what, found.map_err(|e| format!("{e:#}")));
    }
    doctor.audit_repository(&config).await;
    let tls = peers_tls(&config);
    if config.peers.tls.is_some() {
        let read = tls.as_ref().map(|_| "read".to_owned());
        doctor.tell("certificates of peers.tls", read.map_err(|e| format!("{e:#}")));
    }
    if let Some(found) = crate::delegations::finding(&config) {
        doctor.tell("delegations", found.map_err(|e| format!("{e:#}")));
    }
    // What is wrong with the key has just been told.
    doctor.delegations = crate::delegations::delegator(&config).ok().flatten();
    let http = role_client(doctor.wait, tls.ok().flatten().as_ref())?;
    if let Some(admin) = &config.admin {
        let scheme = if admin.tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}/health/ready", admin.address);
        doctor.page("this process", &http, &url, "is ready").await;
    }
    for section in &config.repositories {
        doctor.storage(&config, section).await;
    }
    if let Some(remote) = &config.remote_registry {
        doctor.registry(&RegistryClient::new(http.clone(), &remote.url), &remote.url).await;
    }
    if let Some(portal) = &config.portal {
        if let Some(oauth) = &portal.oauth {
            let pages = portal.web.is_some();
            let found = oauth.check(&config.base, pages, SystemClock.now());
            let found = found.map(|()| "can be used".to_owned()).map_err(|e| e.to_string());
            doctor.tell("systems and apps (portal.oauth)", found);
        }
        let issuer = portal.api.issuer.trim_end_matches('/');
        let url = format!("{issuer}/.well-known/openid-configuration");
        let machines = role_client(doctor.wait, None)?;
        doctor.page("sign-in provider", &machines, &url, "answers").await;
        for provider in &portal.sign_in {
            let url = format!("{}/.well-known/openid-configuration", provider.issuer());
            let what = format!("sign-in provider {}", provider.name);
            doctor.page(&what, &machines, &url, "answers").await;
        }
        for source in &portal.source {
            doctor.source(source, &http).await;
        }
        if let Some(file) = &portal.nodes {
            let here = |node: &NodeSection| {
                config.repositories.iter().any(|r| r.node.repository_unique_id == node.id)
            };
            let deadline = Duration::from_millis(portal.api.source_deadline_ms);
            doctor.directory(file, policy.as_deref().ok(), &http, here, deadline).await;
        }
    }
    println!(
        "{}",
        match doctor.wrong {
            0 => "Nothing is wrong.".to_owned(),
            1 => "One thing is wrong.".to_owned(),
            n => format!("{n} things are wrong."),
        }
    );
    Ok(if doctor.wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Doctor {
    wait: Duration,
    wrong: u32,
    /// Says to nodes for whom they are asked.
    delegations: Option<Arc<Delegator>>,
}

impl Doctor {
    fn tell(&mut self, what: &str, found: Result<String, String>) {
        match found {
            Ok(good) => println!("ok     {what}: {good}"),
            Err(bad) => {
                self.wrong += 1;
                println!("WRONG  {what}: {bad}");
            }
        }
    }

    /// The repository of audit records by FHIR has a CapabilityStatement, which it shows us.
    async fn audit_repository(&mut self, config: &Config) {
        const WHAT: &str = "audit repository by FHIR";
        let repository = match crate::audit::fhir_repository(config) {
            Ok(None) => return,
            Ok(Some(repository)) => repository.port,
            Err(error) => return self.tell(WHAT, Err(format!("{error:#}"))),
        };
        match repository.metadata() {
            Ok(request) => self.asked(WHAT, request, &repository.base, "answers").await,
            Err(error) => self.tell(WHAT, Err(error.to_string())),
        }
    }

    async fn page(&mut self, what: &str, http: &reqwest::Client, url: &str, good: &str) {
        self.asked(what, http.get(url), url, good).await;
    }

    async fn asked(&mut self, what: &str, request: RequestBuilder, url: &str, good: &str) {
        let started = Instant::now();
        let found = match tokio::time::timeout(self.wait, request.send()).await {
            Err(_) => Err(self.silence(url)),
            Ok(Err(error)) => Err(unreachable(url, &error.without_url())),
            Ok(Ok(answer)) if answer.status().is_success() => {
                Ok(format!("{good} ({} ms)", started.elapsed().as_millis()))
            }
            Ok(Ok(answer)) => Err(format!("{url} answers with HTTP {}", answer.status())),
        };
        self.tell(what, found);
    }

    async fn storage(&mut self, config: &Config, section: &RepositorySection) {
        let what = format!("documents of node {}", section.node.repository_unique_id);
        if let Some(encryption) = &section.encryption {
            let read = encryption.load(&config.base).map(|_| "read".to_owned());
            self.tell(&format!("keys of {what}"), read.map_err(|e| format!("{e:#}")));
        }
        let Some(storage) = &section.storage else {
            return self.tell(&what, Ok("are files below data".to_owned()));
        };
        let objects = match storage.open(&config.base) {
            Ok(objects) => objects,
            Err(error) => return self.tell(&what, Err(format!("{error:#}"))),
        };
        let started = Instant::now();
        let found = match tokio::time::timeout(self.wait, objects.probe()).await {
            Err(_) => Err(self.silence("the object store")),
            Ok(answer) => {
                answer.map(|()| format!("the store answers ({} ms)", started.elapsed().as_millis()))
            }
        };
        self.tell(&what, found);
    }

    async fn registry(&mut self, registry: &RegistryClient, url: &str) {
        let Ok(id) = NOBODYS.parse() else { return };
        let query = GetDocuments::of(EntryRef::UniqueIds(vec![id]));
        let query = StoredQuery::GetDocuments(query);
        // With what the portal says of itself, so that its key is looked at.
        let whom = Delegation::new(self.delegations.clone(), Delegate::portal());
        let asked = registry.stored_query_for(&query, &whom);
        let started = Instant::now();
        let found = match tokio::time::timeout(self.wait, asked).await {
            Err(_) => Err(self.silence(url)),
            Ok(Ok(found)) if found.document_entries.is_empty() => {
                Ok(format!("answers queries ({} ms)", started.elapsed().as_millis()))
            }
            Ok(Ok(_)) => Err("it finds a document under an id that nobody uses".to_owned()),
            Ok(Err(error)) => Err(self.words(url, &error)),
        };
        self.tell("registry", found);
    }

    async fn source(&mut self, source: &SourceConfig, http: &reqwest::Client) {
        let what = format!("source {} ({})", source.name, source.id);
        let Some(url) = &source.url else {
            return self.tell(&what, Ok("is a node of this process".to_owned()));
        };
        if let Some(status) = &source.status_url {
            self.page(&format!("{what}, its status page"), http, status, "answers").await;
        }
        let node = RepositoryClient::new(http.clone(), source.id.clone(), url, None);
        let node = node.with_delegations(source.delegations(self.delegations.as_ref()));
        let found = self.ask_for_nothing(&node, url).await;
        self.tell(&what, found);
    }

    /// An ITI-43 for a document that nobody has.
    async fn ask_for_nothing(&self, node: &RepositoryClient, url: &str) -> Result<String, String> {
        let started = Instant::now();
        let answer = tokio::time::timeout(self.wait, node.ask_for_nothing()).await;
        let took = started.elapsed().as_millis();
        match answer {
            Err(_) => Err(self.silence(url)),
            Ok(Err(error)) => Err(self.words(url, &error)),
            Ok(Ok(None)) => Err("it gives a document under an id that nobody uses".to_owned()),
            Ok(Ok(Some(error))) => says_no(&error, took),
        }
    }

    fn silence(&self, url: &str) -> String {
        format!("{url} has not answered within {} s", self.wait.as_secs())
    }

    fn words(&self, url: &str, error: &PortError) -> String {
        match error {
            PortError::Late => self.silence(url),
            PortError::Unavailable(why) => format!("{url} cannot be reached: {why}"),
            PortError::Protocol(why) => format!("{url} does not speak XDS.b as we do: {why}"),
            PortError::Refused { with, reason } => match reason {
                Some(reason) => format!("{url} refuses with {with}: {reason}"),
                None => format!("{url} refuses with {with}"),
            },
            PortError::Transaction(error) => format!("{url} answers {}", codes(error)),
        }
    }
}

/// A node that does not have the document has to say so; anything else tells what is wrong.
fn says_no(error: &TransactionError, took: u128) -> Result<String, String> {
    let has = |code: &ErrorCode| error.0.iter().any(|e| e.code == *code);
    if has(&ErrorCode::XDSUnknownRepositoryId) {
        return Err("it answers, but says that it is not the repository of this id".to_owned());
    }
    if has(&ErrorCode::XDSDocumentUniqueIdError) {
        return Ok(format!("gives documents ({took} ms)"));
    }
    Err(format!("asked for a document that nobody has, it answers {}", codes(error)))
}

fn codes(error: &TransactionError) -> String {
    let each = error.0.iter().map(|e| format!("{} ({})", e.code.as_str(), e.context));
    each.collect::<Vec<_>>().join(", ")
}

fn unreachable(url: &str, error: &reqwest::Error) -> String {
    format!("{url} cannot be reached: {}", chain(error))
}

/// An error with what it stems from.
fn chain(error: impl std::error::Error) -> String {
    peer::chain(&error)
}

/// An id under which no document can be: it is of nobody's arc.
const NOBODYS: &str = "2.25.0";
