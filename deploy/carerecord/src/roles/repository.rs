//! A repository node.

use std::sync::Arc;

use anyhow::Context;
use carerecord_audit::AuditLog;
use carerecord_model::PatientDirectory;
use carerecord_repository::{
    LocalRepository, Objects, OnDemand, Repository, RepositoryParts, Retention, RetentionParts,
    Search, Synonyms,
};
use carerecord_storage::Database;

use super::registry::{RegistryPorts, draft};
use super::{Assembly, own_role};
use crate::config::{Config, RepositorySection};
use crate::peer::ProducerClient;

impl Assembly<'_> {
    pub(super) async fn repository(
        &mut self,
        section: &RepositorySection,
        ports: &RegistryPorts,
    ) -> anyhow::Result<(LocalRepository, AuditLog)> {
        let id = section.node.repository_unique_id.clone();
        let folder = self.config.node_folder(section);
        let objects = crate::storage::objects(self.config, section)
            .with_context(|| format!("node {id} cannot be started"))?;
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
            access: self.access(ports),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            on_demand: self.on_demand(section)?,
        });
        let patients = ports.patients.clone();
        self.start_background(&repository, &database, &objects, patients);
        self.check(section, &database, objects);
        for door in &section.door {
            let trail = self.trail(&database, &format!("node {id}"), "soap", None);
            let router = carerecord_repository::router(
                repository.clone(),
                self.entrance(door)?,
                self.ids.clone(),
                trail.clone(),
            );
            self.serve("repository", door, router, trail).await?;
        }
        let log = AuditLog::new(database);
        let local = LocalRepository::new(repository, own_role("carerecord"), draft);
        let local = match &self.delegations {
            Some(judge) => local.with_delegations(judge.clone()),
            None => local,
        };
        Ok((local, log))
    }

    /// What a node does by itself.
    fn start_background(
        &self,
        repository: &Repository,
        database: &Database,
        objects: &Objects,
        patients: Arc<dyn PatientDirectory>,
    ) {
        let retention = Retention::new(RetentionParts {
            database: database.clone(),
            objects: objects.clone(),
            patients,
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            recorder: format!("node {}", repository.id()),
        });
        repository.start_sweeper(self.lifecycle);
        repository.start_disposer(retention, self.lifecycle);
        repository.start_registering_kept(self.lifecycle);
        repository.start_indexer(self.lifecycle);
    }

    /// What must answer for the node to be ready.
    fn check(&mut self, section: &RepositorySection, database: &Database, objects: Objects) {
        let id = &section.node.repository_unique_id;
        let ready = database.clone();
        self.checks.register(format!("repository {id}"), move || {
            let database = ready.clone();
            async move { database.ping().await.map_err(|e| e.to_string()) }
        });
        if section.storage.is_some() {
            self.checks.register(format!("documents of repository {id}"), move || {
                let objects = objects.clone();
                async move { objects.probe().await }
            });
        }
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

/// The folder of a node's search index, below the node's own.
pub const SEARCH: &str = "search";
