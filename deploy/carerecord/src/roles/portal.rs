//! The portal API and the web portal.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use carerecord_audit::{AuditLog, AuditSource};
use carerecord_model::{DocumentRecipient, DocumentRepository, NodeId};
use carerecord_portal_api::{
    OAuth, OverrideStore, PatientIds, Portal, PortalParts, Publisher, Publishers, RoleLog,
    SignOutStore, TokenVerifier,
};
use carerecord_repository::LocalRepository;
use carerecord_service::{ClientTls, Listener};
use carerecord_storage::Database;
use carerecord_web::WebConfig;

use super::Assembly;
use super::registry::RegistryPorts;
use crate::config::{PortalSection, PublisherConfig, RepositorySection, WebSection};
use crate::key_file::key_file;
use crate::nodes::{self, NodeClients};
use crate::peer::{PeerLog, RecipientClient, role_client};
use crate::sessions::SqlSessionRows;

impl Assembly<'_> {
    pub(super) async fn portal(
        &mut self,
        section: &PortalSection,
        ports: &RegistryPorts,
        local: &[(&RepositorySection, LocalRepository, AuditLog)],
    ) -> anyhow::Result<()> {
        let file = self.config.data.join("portal.db");
        let database = self.database("portal", section.database.as_ref(), &file).await?;
        let http = self.client()?;
        let here = |(section, node, log): &(&RepositorySection, LocalRepository, AuditLog)| {
            let node: Arc<dyn DocumentRepository> = Arc::new(node.clone());
            (section.node.repository_unique_id.clone(), node, log.clone())
        };
        let silence = Duration::from_millis(self.config.peers.silence_ms);
        let recipients: Vec<(NodeId, Arc<dyn DocumentRecipient>)> = local
            .iter()
            .map(|(section, node, _)| -> (NodeId, Arc<dyn DocumentRecipient>) {
                (section.node.repository_unique_id.clone(), Arc::new(node.clone()))
            })
            .collect();
        let publishers = publishers(section, &http, &recipients)?;
        let local = local.iter().map(here).collect();
        let delegations = crate::delegations::delegator(self.config)?;
        let clients = NodeClients { local, silence, http, delegations: delegations.clone() };
        let (clock, ids) = (self.clock.clone(), self.ids.clone());
        let federation = nodes::start(section, clients, clock, ids, &self.checks, self.lifecycle)?;
        check_providers(section)?;
        let sign_outs = SignOutStore::new(database.clone(), self.clock.clone());
        let sign_outs = Arc::new(sign_outs.with_providers(&section.sign_in));
        let clock = self.clock.clone();
        // The provider's certificate comes from the machine's authorities, not from our own.
        let asks = role_client(silence, None)?;
        let mut tokens = TokenVerifier::new(&section.api, asks, sign_outs.clone(), clock.clone());
        tokens = tokens.with_providers(&section.sign_in);
        if let Some(oauth) = &section.oauth {
            let (base, url, ids) = (&self.config.base, &section.api.base_url, self.ids.clone());
            let oauth = OAuth::new(oauth, base, url, database.clone(), clock, ids);
            tokens = tokens.with_own(oauth.context("portal.oauth cannot be used")?);
        }
        let portal = Portal::new(PortalParts {
            tokens,
            config: section.api.clone(),
            registry: ports.registry.clone(),
            patients: ports.patients.clone(),
            consents: ports.consents.clone(),
            relationships: ports.relationships.clone(),
            citizen_grants: ports.citizen_grants.clone(),
            access: self.access(ports),
            federation,
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            overrides: OverrideStore::new(database.clone()),
            delegations,
            audit_logs: self.audit_logs(&database)?,
            publishers,
            patient_ids: PatientIds::new(key_file(&self.config.data.join("patient-ids.key"))?),
        });
        let trail = self.trail(&database, "portal", "fhir", None);
        let mut router = carerecord_portal_api::router(portal, trail.clone());
        if let Some(web) = &section.web {
            router = router.merge(self.web(section, web, &database, sign_outs)?);
        }
        let listener = Listener::bind(section.listen.clone()).await?.recorded_in(trail);
        listener.serve("portal", router, self.ids.clone(), self.lifecycle);
        Ok(())
    }

    /// The logs that the portal searches besides those of nodes: its own and the registry's.
    fn audit_logs(&self, own: &Database) -> anyhow::Result<Vec<RoleLog>> {
        let log =
            |name: &str, source: Arc<dyn AuditSource>| RoleLog { name: name.to_owned(), source };
        let mut logs = vec![log("portal", Arc::new(AuditLog::new(own.clone())))];
        if let Some(registry) = &self.registry_log {
            logs.push(log("registry", Arc::new(registry.clone())));
        } else if let Some(remote) = &self.config.remote_registry {
            let url = format!("{}/peer/audit", remote.url.trim_end_matches('/'));
            logs.push(log("registry", Arc::new(PeerLog::new(self.client()?, vec![url]))));
        }
        Ok(logs)
    }

    /// The web portal: a client of the API like any other, on the same listener.
    fn web(
        &self,
        section: &PortalSection,
        web: &WebSection,
        database: &Database,
        sign_outs: Arc<SignOutStore>,
    ) -> anyhow::Result<axum::Router> {
        let api = section.api.base_url.parse().context("portal.api.base_url")?;
        let issuer = section.api.issuer.parse().context("portal.api.issuer")?;
        let mut config = WebConfig::new(web.public_url.clone(), api, issuer, &web.client_id);
        config.demo = web.demo;
        config.sign_in_name.clone_from(&web.sign_in_name);
        for provider in &section.sign_in {
            let secret = provider.client_secret_file.as_ref();
            let secret = secret.map(|file| file.read(&self.config.base)).transpose()?;
            config.more_providers.push((provider.clone(), secret));
        }
        if let Some(tls) = web.api_tls.clone() {
            let tls = ClientTls::load(tls).context("portal.web.api_tls cannot be used")?;
            self.lifecycle.spawn("certificates", tls.clone().watch(self.lifecycle.draining()));
            let silence = Duration::from_millis(config.deadline_ms);
            config.api_client = Some(role_client(silence, Some(&tls))?);
        }
        let rows = Arc::new(SqlSessionRows(database.clone()));
        let (clock, ids) = (self.clock.clone(), self.ids.clone());
        let router = carerecord_web::router(config, rows, sign_outs, clock, ids)?;
        let trail = self.trail(database, "web portal", "web", Some("/assets/"));
        Ok(router.layer(axum::middleware::from_fn_with_state(
            trail,
            carerecord_service::audit_trail::record,
        )))
    }
}

/// Providers that cannot be told apart are none.
fn check_providers(section: &PortalSection) -> anyhow::Result<()> {
    let mut issuers = vec![section.api.issuer.trim_end_matches('/')];
    let mut ids = Vec::new();
    for provider in &section.sign_in {
        let wrong = |what: String| anyhow::anyhow!("portal.sign_in {}: {what}", provider.id);
        provider.validate().map_err(wrong)?;
        ensure!(!ids.contains(&&provider.id), "portal.sign_in {} is there twice", provider.id);
        ensure!(
            !issuers.contains(&provider.issuer()),
            "portal.sign_in {}: its issuer is that of another one",
            provider.id
        );
        crate::nodes::is_safe(&provider.issuer.parse()?).map_err(|e| wrong(e.to_string()))?;
        ids.push(&provider.id);
        issuers.push(provider.issuer());
    }
    Ok(())
}

/// The systems that may publish by the API, each with the way to its node.
fn publishers(
    section: &PortalSection,
    http: &reqwest::Client,
    local: &[(NodeId, Arc<dyn DocumentRecipient>)],
) -> anyhow::Result<Publishers> {
    let recipient = |config: &PublisherConfig| -> anyhow::Result<Arc<dyn DocumentRecipient>> {
        let name = format!("portal.publisher {}", config.client_id);
        if let Some(url) = &config.url {
            nodes::is_safe(&url.parse().with_context(|| name.clone())?).context(name)?;
            return Ok(Arc::new(RecipientClient::new(http.clone(), url)));
        }
        let here = local.iter().find(|(here, _)| *here == config.node);
        let (_, node) = here.with_context(|| {
            format!("{name}: node {} is not in this process, so it needs url", config.node)
        })?;
        Ok(node.clone())
    };
    let publisher = |config: &PublisherConfig| {
        Ok(Publisher {
            client_id: config.client_id.clone(),
            organisation: config.organisation.clone(),
            node: config.node.clone(),
            source_id: config.source_id.clone(),
            recipient: recipient(config)?,
        })
    };
    let all: anyhow::Result<Vec<Publisher>> = section.publisher.iter().map(publisher).collect();
    Ok(Publishers::new(all?))
}
