use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine as _;
use carerecord_audit::{AuditLog, AuditSource};
use carerecord_model::{DocumentRepository, NodeId, RefusedSubmissions};
use carerecord_portal_api::{Endpoint, Node, NodeLimits};
use carerecord_service::{Delegator, SecretFile};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Certificate, Identity};
use url::Url;

use super::{Credentials, Directory, Kind, NodeSection};
use crate::config::SourceConfig;
use crate::peer::{PeerLog, RepositoryClient, role_client_builder};

/// A node of this process.
#[derive(Clone)]
pub struct LocalNode {
    /// Its repositoryUniqueId.
    pub id: NodeId,
    /// Who is asked for documents.
    pub repository: Arc<dyn DocumentRepository>,
    /// Who is asked for refused submissions.
    pub refused: Arc<dyn RefusedSubmissions>,
    /// Its log.
    pub log: AuditLog,
}

/// Makes nodes out of what the configuration says of them.
#[derive(Clone)]
pub struct NodeClients {
    /// The nodes of this process.
    pub local: Vec<LocalNode>,
    /// How long a node may say nothing.
    pub silence: Duration,
    /// Of nodes that need no credentials.
    pub http: reqwest::Client,
    /// Who says to Care Record nodes for whom the portal asks.
    pub delegations: Option<Arc<Delegator>>,
}

impl NodeClients {
    /// A `[[portal.source]]`.
    pub fn source(&self, source: &SourceConfig) -> anyhow::Result<Node> {
        source
            .limits
            .validate()
            .map_err(|e| anyhow::anyhow!("portal.source {}: {e}", source.id))?;
        let Some(url) = &source.url else {
            return self
                .here(&source.id, &source.name, source.limits)
                .with_context(|| format!("portal.source {}: url is missing", source.id));
        };
        let (id, status) = (source.id.clone(), source.status_url.clone());
        let client = RepositoryClient::new(self.http.clone(), id, url, status);
        let client = client.with_delegations(source.delegations(self.delegations.as_ref()));
        let repository = Arc::new(client.with_search(source.search_url.clone()));
        let endpoints = vec![Endpoint { address: url.clone(), repository }];
        let (id, name) = (source.id.clone(), source.name.clone());
        let log = log(&self.http, source.search_url.iter().filter_map(|url| url.parse().ok()));
        let (log, refused) = of_peer(log);
        Ok(Node { id, name, limits: source.limits, endpoints, log, refused })
    }

    /// Every node of a directory.
    pub fn nodes(&self, directory: &Directory) -> anyhow::Result<Vec<Node>> {
        directory
            .nodes
            .iter()
            .map(|node| self.node(node, directory).with_context(|| format!("node {}", node.id)))
            .collect()
    }

    fn node(&self, node: &NodeSection, directory: &Directory) -> anyhow::Result<Node> {
        if node.endpoints.is_empty() {
            return self
                .here(&node.id, &node.name, node.limits)
                .context("it has no endpoints, and is no node of this process");
        }
        let http = match client_of(node, directory, self.silence)? {
            Some(http) => http,
            None => self.http.clone(),
        };
        let delegations = self.delegations.as_ref().filter(|_| node.kind == Kind::CareRecord);
        let log = log(&http, node.endpoints.iter().filter_map(|e| e.search(node.kind)));
        let endpoints = node.endpoints.iter().map(|endpoint| {
            let status = endpoint.status_url.clone().map(String::from);
            let url = endpoint.url.as_str();
            let client = RepositoryClient::new(http.clone(), node.id.clone(), url, status);
            let client = client.with_delegations(delegations.cloned());
            let search = endpoint.search(node.kind).map(String::from);
            Endpoint { address: url.to_owned(), repository: Arc::new(client.with_search(search)) }
        });
        let (id, name) = (node.id.clone(), node.name.clone());
        let endpoints = endpoints.collect();
        let (log, refused) = of_peer(log);
        Ok(Node { id, name, limits: node.limits, endpoints, log, refused })
    }

    fn here(&self, id: &NodeId, name: &str, limits: NodeLimits) -> Option<Node> {
        let local = self.local.iter().find(|local| local.id == *id)?;
        let log: Option<Arc<dyn AuditSource>> = Some(Arc::new(local.log.clone()));
        let refused = Some(local.refused.clone());
        Some(Node { limits, log, refused, ..Node::new(id.clone(), name, local.repository.clone()) })
    }
}

type Beside = (Option<Arc<dyn AuditSource>>, Option<Arc<dyn RefusedSubmissions>>);

fn of_peer(peer: Option<Arc<PeerLog>>) -> Beside {
    match peer {
        Some(peer) => (Some(peer.clone()), Some(peer)),
        None => (None, None),
    }
}

/// The log of a node that is one of ours, which is searched beside where it is searched inside;
/// others have no such address.
fn log(http: &reqwest::Client, search: impl Iterator<Item = Url>) -> Option<Arc<PeerLog>> {
    let urls = search.filter_map(|url| url.join("/peer/audit").ok()).map(String::from);
    let urls: Vec<String> = urls.collect();
    if urls.is_empty() { None } else { Some(Arc::new(PeerLog::new(http.clone(), urls))) }
}

/// The HTTP client of a node that has credentials or an authority of its own; `None` for others.
pub fn client_of(
    node: &NodeSection,
    directory: &Directory,
    silence: Duration,
) -> anyhow::Result<Option<reqwest::Client>> {
    if node.credentials.is_none() && node.authority_file.is_none() {
        return Ok(None);
    }
    let mut builder = role_client_builder(silence);
    if let Some(file) = &node.authority_file {
        let file = directory.base.join(file);
        let pem =
            std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let certificates = Certificate::from_pem_bundle(&pem);
        let certificates = certificates.ok().filter(|certificates| !certificates.is_empty());
        let Some(certificates) = certificates else {
            bail!("{} holds no certificate", file.display());
        };
        builder = builder.tls_certs_only(certificates);
    }
    let secret = |file: &std::path::Path| SecretFile::new(file).read(&directory.base);
    match &node.credentials {
        None => {}
        Some(Credentials::Basic { user, password_file }) => {
            let pair = format!("{user}:{}", secret(password_file)?.expose());
            let pair = base64::engine::general_purpose::STANDARD.encode(pair);
            builder = builder.default_headers(authorization(&format!("Basic {pair}"))?);
        }
        Some(Credentials::Bearer { token_file }) => {
            let token = secret(token_file)?;
            builder = builder.default_headers(
                authorization(&format!("Bearer {}", token.expose()))
                    .with_context(|| format!("{}", directory.base.join(token_file).display()))?,
            );
        }
        Some(Credentials::Certificate { identity_file }) => {
            let pem = secret(identity_file)?;
            let identity = Identity::from_pem(pem.expose().as_bytes()).map_err(|_| {
                let file = directory.base.join(identity_file);
                anyhow::anyhow!("{} holds no certificate with its key", file.display())
            })?;
            builder = builder.identity(identity);
        }
    }
    Ok(Some(builder.build().context("the HTTP client cannot be set up")?))
}

fn authorization(value: &str) -> anyhow::Result<HeaderMap> {
    let mut value = HeaderValue::from_str(value).ok().context("it holds what no header can")?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(AUTHORIZATION, value)]))
}
