//! The portal API and the web portal.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use aws_lc_rs::hmac;
use carerecord_audit::{AuditLog, AuditSource};
use carerecord_model::{DocumentRecipient, DocumentRepository, NodeId};
use carerecord_portal_api::{
    AccessPacks, Detection, DetectionRules, FeedRules, OAuth, OverrideStore, PackKey, PatientIds,
    People, Portal, PortalParts, Publisher, Publishers, RoleLog, SignOutStore, TokenVerifier,
};
use carerecord_repository::LocalRepository;
use carerecord_sealing::{DataKey, FileKeys};
use carerecord_service::{ClientTls, Listener};
use carerecord_storage::Database;
use carerecord_web::{Looks, WebConfig};

use super::Assembly;
use super::registry::RegistryPorts;
use crate::config::{PortalSection, PublisherConfig, RepositorySection, WebSection};
use crate::key_file::key_file;
use crate::looks::SqlLookRows;
use crate::mock::ScenarioNode;
use crate::nodes::{self, LocalNode, NodeClients};
use crate::peer::{PeerLog, RecipientClient, role_client};
use crate::publish::CodeMaps;
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
        let silence = Duration::from_millis(self.config.peers.silence_ms);
        let recipients: Vec<(NodeId, Arc<dyn DocumentRecipient>)> = local
            .iter()
            .map(|(section, node, _)| -> (NodeId, Arc<dyn DocumentRecipient>) {
                (section.node.repository_unique_id.clone(), Arc::new(node.clone()))
            })
            .collect();
        let code_maps = section.code_maps.as_ref().map(|file| self.config.base.join(file));
        let codes = CodeMaps::load(code_maps.as_deref())?.for_portal();
        let publishers = publishers(section, &http, &recipients)?.with_codes(codes);
        let local = local.iter().map(|(section, node, log)| {
            let id = section.node.repository_unique_id.clone();
            LocalNode {
                repository: self.local_node(id.clone(), node),
                id,
                refused: Arc::new(node.clone()),
                log: log.clone(),
            }
        });
        let local = local.collect();
        let delegations = crate::delegations::delegator(self.config)?;
        let clients = NodeClients { local, silence, http, delegations: delegations.clone() };
        let (clock, ids) = (self.clock.clone(), self.ids.clone());
        let federation = nodes::start(section, clients, clock, ids, &self.checks, self.lifecycle)?;
        check_providers(section)?;
        let sign_outs = SignOutStore::new(database.clone(), self.clock.clone());
        let sign_outs = Arc::new(sign_outs.with_providers(&section.sign_in));
        let tokens = self.tokens(section, silence, &database, sign_outs.clone())?;
        let detection = DetectionRules::load(&self.config.policy)
            .context("the detection rules cannot be used")?;
        let detection = detection.map(|rules| Detection::new(rules, database.clone()));
        let feed_rules = FeedRules::load(&self.config.policy)
            .context("what is expected of feeds cannot be read")?;
        let secret = key_file(&self.config.data.join("patient-ids.key"))?;
        let access_packs = self.access_packs(section, &database, &secret)?;
        let portal = Portal::new(PortalParts {
            detection,
            feed_rules,
            access_packs: Some(access_packs),
            tokens,
            config: section.api.clone(),
            registry: ports.registry.clone(),
            patients: ports.patients.clone(),
            consents: ports.consents.clone(),
            relationships: ports.relationships.clone(),
            citizen_grants: ports.citizen_grants.clone(),
            records: ports.records.clone(),
            access: self.access(ports),
            federation,
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            overrides: OverrideStore::new(database.clone()),
            delegations,
            audit_logs: self.audit_logs(&database)?,
            log: AuditLog::new(database.clone()),
            publishers,
            patient_ids: PatientIds::new(secret),
        });
        let detecting = portal.clone().keep_detecting(self.lifecycle.draining());
        self.lifecycle.spawn("detection", detecting);
        let packing = portal.clone().keep_making_packs(self.lifecycle.draining());
        self.lifecycle.spawn("access packs", packing);
        let trail = self.trail(&database, "portal", "fhir", None);
        let mut router = carerecord_portal_api::router(portal, trail.clone());
        if let Some(web) = &section.web {
            let looks = Looks::new(
                Arc::new(SqlLookRows(database.clone())),
                derived(&secret, b"carerecord web looks"),
            );
            router = router.merge(self.web(section, web, &database, looks, sign_outs)?);
        }
        let router = router.merge(crate::docs::router(&section.api.base_url));
        let router = self.with_scenarios(router);
        let listener = Listener::bind(section.listen.clone()).await?.recorded_in(trail);
        listener.serve("portal", router, self.ids.clone(), self.lifecycle);
        Ok(())
    }

    /// A node of this process, as the portal asks it.
    fn local_node(&self, id: NodeId, node: &LocalRepository) -> Arc<dyn DocumentRepository> {
        let node: Arc<dyn DocumentRepository> = Arc::new(node.clone());
        if self.config.scenarios { Arc::new(ScenarioNode(id, node)) } else { node }
    }

    /// Whose access tokens are believed: the providers', and the portal's own.
    fn tokens(
        &self,
        section: &PortalSection,
        silence: Duration,
        database: &Database,
        sign_outs: Arc<SignOutStore>,
    ) -> anyhow::Result<TokenVerifier> {
        // The provider's certificate comes from the machine's authorities, not from our own.
        let asks = role_client(silence, None)?;
        let people = section.web.as_ref().map(|web| People {
            page: format!("{}/oauth/authorize", web.public_url.as_str().trim_end_matches('/')),
            sign_outs: sign_outs.clone(),
        });
        let tokens = TokenVerifier::new(&section.api, asks, sign_outs, self.clock.clone());
        let tokens = tokens.with_providers(&section.sign_in);
        let web = section.web.as_ref().map(|web| web.client_id.as_str());
        let tokens = web.map_or_else(|| tokens.clone(), |id| tokens.clone().with_client(id));
        let Some(oauth) = &section.oauth else { return Ok(tokens) };
        let (clock, ids) = (self.clock.clone(), self.ids.clone());
        let (base, url) = (&self.config.base, &section.api.base_url);
        let own = OAuth::new(oauth, base, url, database.clone(), clock, ids, people);
        Ok(tokens.with_own(own.context("portal.oauth cannot be used")?))
    }

    /// The packs that people ask for, signed with the key of the log as it is when each is made, and
    /// encrypted on the disk.
    fn access_packs(
        &self,
        section: &PortalSection,
        database: &Database,
        secret: &[u8; 32],
    ) -> anyhow::Result<AccessPacks> {
        let config = self.config;
        let (file, clock) = (config.audit.key(&config.base, &config.data), self.clock.clone());
        let key: PackKey = Arc::new(move || {
            let keys = crate::audit::keys::read(&file, clock.as_ref());
            keys.map(|keys| keys.key).map_err(|error| format!("{error:#}"))
        });
        let (log, clock) = (AuditLog::new(database.clone()), self.clock.clone());
        let folder = config.data.join("access-packs");
        let sealing = DataKey::from_slice(&derived(secret, b"carerecord access packs"));
        let sealing = FileKeys::new(
            Some("portal".to_owned()),
            sealing.map(|key| ("portal".to_owned(), key)),
        )?;
        let packs = AccessPacks::open(
            section.access_packs.clone(),
            &folder,
            Arc::new(sealing),
            key,
            log,
            clock,
        );
        packs.context("the folder of access packs cannot be used")
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
        looks: Looks,
        sign_outs: Arc<SignOutStore>,
    ) -> anyhow::Result<axum::Router> {
        let api = section.api.base_url.parse().context("portal.api.base_url")?;
        let issuer = section.api.issuer.parse().context("portal.api.issuer")?;
        let mut config = WebConfig::new(web.public_url.clone(), api, issuer, &web.client_id);
        config.demo = web.demo;
        config.sign_in_name.clone_from(&web.sign_in_name);
        config.launchers.clone_from(&section.launcher);
        config.ehrs.clone_from(&section.ehr);
        config.views.clone_from(&section.view);
        config.base.clone_from(&self.config.base);
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
        let router = carerecord_web::router(config, rows, looks, sign_outs, clock, ids)?;
        let trail = self.trail(database, "web portal", "web", Some("/assets/"));
        Ok(router.layer(axum::middleware::from_fn_with_state(
            trail,
            carerecord_service::audit_trail::record,
        )))
    }
}

/// A secret for one use of its own, out of the one that all copies of a portal share.
fn derived(secret: &[u8; 32], usage: &[u8]) -> [u8; 32] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let mut out = [0; 32];
    out.copy_from_slice(hmac::sign(&key, usage).as_ref());
    out
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
