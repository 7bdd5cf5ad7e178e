//! The node as it is served, in this process, with its registry beside it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::Bytes;
use carerecord_access::{AccessDecisions, Caller, Policy, Right, SystemCaller};
use carerecord_audit::{AuditEvent, AuditLog};
use carerecord_codec::RetrieveDocumentSetRequest;
use carerecord_codec::name::action;
use carerecord_model::{Clock, DocumentRequest, IdSource, RandomIds, SystemClock};
use carerecord_registry::LocalRegistry;
use carerecord_repository::{
    Objects, RemoteStore, Repository, RepositoryConfig, RepositoryParts, Search, Synonyms,
};
use carerecord_service::{AuditTrail, Lifecycle, Listener, ListenerConfig};
use carerecord_storage::Database;
use carerecord_testkit::{CONTENT_TYPE, Letter, S3Server, Xds};

use super::{LARGE, LARGE_ONES, SMALL, SMALL_ONES, text};
use crate::measure::{JSON, SOAP, Target, Times};
use crate::population::number;
use crate::product::{Product, envelope};

pub struct Node {
    /// By the door of a role that has decided for its user.
    own: String,
    /// By the door of anybody else: the node decides on the registry's entry.
    others: String,
    _lifecycle: Lifecycle,
}

/// Starts a node on files, and publishes what is read later.
pub async fn start(folder: &Path, registry: &Product) -> anyhow::Result<Node> {
    let database = Database::open(&folder.join("node.db")).await?;
    let search = Search::open(&folder.join("search"), Synonyms::built_in())?;
    let node = serve(database, Objects::local(&folder.join("objects"))?, search, registry).await?;
    let xds = Xds::new(node.others.clone());
    for (kind, count, bytes) in [(1, SMALL_ONES, SMALL), (2, LARGE_ONES, LARGE)] {
        for n in 0..count {
            let answer = xds.publish(&letter(kind, n, bytes)).await?;
            ensure!(answer.is_success(), "{}", answer.envelope);
        }
    }
    Ok(node)
}

/// Starts a node whose documents are on a server of the S3 protocol.
pub async fn on_s3(folder: &Path, server: &S3Server, registry: &Product) -> anyhow::Result<Node> {
    let folder = folder.join("on-s3");
    std::fs::create_dir_all(&folder)?;
    let secret = [("access_key_id", S3Server::ACCESS_KEY), ("secret_access_key", S3Server::SECRET)];
    // As a node is configured, unless it is told otherwise.
    let objects = Objects::remote(RemoteStore {
        url: format!("s3://{}/node", S3Server::BUCKET).parse()?,
        endpoint: Some(server.endpoint().parse()?),
        region: Some("eu-west-2".to_owned()),
        path_style: true,
        certificates: None,
        options: secret.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        conditional_writes: true,
        silence: Duration::from_secs(10),
        patience: Duration::from_secs(10),
    })?;
    let database = Database::open(&folder.join("node.db")).await?;
    let search = Search::open(&folder.join("search"), Synonyms::built_in())?;
    serve(database, objects, search, registry).await
}

/// Starts a node with what is there.
pub async fn serve(
    database: Database,
    objects: Objects,
    search: Search,
    registry: &Product,
) -> anyhow::Result<Node> {
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/carerecord/config/policy");
    let policy = Arc::new(Policy::load(Path::new(policy))?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let facts = Arc::new(registry.registry.store().clone());
    let local = LocalRegistry::new(
        registry.registry.clone(),
        caller(&[Right::Publish, Right::Delegate]),
        |_| AuditEvent::incoming(RandomIds.ordered(), SystemClock.now(), "registry", "process"),
    );
    let repository = Repository::new(RepositoryParts {
        config: config()?,
        database: database.clone(),
        objects,
        search,
        registry: Arc::new(local),
        access: AccessDecisions::new(policy, facts, clock.clone()),
        clock: clock.clone(),
        ids: Arc::new(RandomIds),
        on_demand: Vec::new(),
    });
    let lifecycle = Lifecycle::new();
    let mut urls = Vec::new();
    for rights in [[Right::Retrieve, Right::Delegate], [Right::Retrieve, Right::Publish]] {
        let trail = AuditTrail {
            log: AuditLog::new(database.clone()),
            recorder: Arc::from("node"),
            transport: "soap",
            clock: clock.clone(),
            ids: Arc::new(RandomIds),
            static_prefix: None,
        };
        let (repository, ids) = (repository.clone(), Arc::new(RandomIds));
        let router = carerecord_repository::router(repository, caller(&rights), ids.clone(), trail);
        let listener = Listener::bind(ListenerConfig::loopback(0)).await?;
        urls.push(format!("http://{}/xds/repository", listener.address()));
        listener.serve("repository", router, ids, &lifecycle);
    }
    let others = urls.pop().unwrap_or_default();
    let own = urls.pop().unwrap_or_default();
    Ok(Node { own, others, _lifecycle: lifecycle })
}

fn config() -> anyhow::Result<RepositoryConfig> {
    let text = format!("{{\"repository_unique_id\": \"{NODE}\", \"organisation\": \"ZEX01\"}}");
    Ok(serde_json::from_str(&text)?)
}

fn caller(rights: &[Right]) -> Caller {
    Caller::System(SystemCaller {
        name: "bench".into(),
        organisation: "ZEX01".parse().expect("an ODS code"),
        rights: rights.to_vec(),
        known_by: "bench",
    })
}

/// A document, for patients of whom there are 500.
pub fn letter(kind: u32, n: u64, bytes: usize) -> Letter {
    Letter {
        unique_id: format!("2.999.826.9.{kind}.{n}"),
        bytes: Bytes::from(text(bytes, n)),
        ..Letter::text(&number(n as u32 % 500).digits(), 1)
    }
}

impl Node {
    /// A small document, for the portal.
    pub fn small(&self) -> Target {
        retrieval(&self.own, 1, SMALL_ONES, SMALL)
    }

    /// A small document, for another system.
    pub fn small_of_others(&self) -> Target {
        retrieval(&self.others, 1, SMALL_ONES, SMALL)
    }

    /// A question about words, for the portal.
    pub fn question(&self, body: impl Fn(u64) -> Bytes + Send + Sync + 'static) -> Target {
        let url = self.own.replace("/xds/repository", "/peer/search");
        Target { content_type: JSON, ..Target::soap(url, "\"hits\"", body) }
    }

    /// A large document, for the portal.
    pub fn large(&self) -> Target {
        retrieval(&self.own, 2, LARGE_ONES, LARGE)
    }

    /// A new document of 50 KiB, with metadata of 7 KB.
    pub fn publication(&self) -> Target {
        let bytes = Bytes::from(text(SMALL, 77));
        let body = move |n: u64| {
            let mut letter = letter(3, n, 0);
            letter.bytes = bytes.clone();
            letter.message()
        };
        let target = Target::soap(self.others.clone(), SUCCESS, body);
        Target { content_type: CONTENT_TYPE, ..target }
    }
}

/// One after the other of so many documents of a kind, from a door.
pub fn retrieval(url: &str, kind: u32, count: u64, least: usize) -> Target {
    let body = move |n: u64| {
        let id = format!("2.999.826.9.{kind}.{}", n % count);
        let document = DocumentRequest {
            home_community_id: None,
            repository_unique_id: NODE.parse().expect("an OID"),
            document_unique_id: id.parse().expect("an OID"),
        };
        envelope(action::RETRIEVE, &RetrieveDocumentSetRequest { documents: vec![document] })
    };
    Target { least, ..Target::soap(url.to_owned(), SUCCESS, body) }
}

/// Milliseconds until the first bytes of a document are there: behind the envelope; the middle of
/// 50.
///
/// # Errors
/// When there is no answer.
pub async fn first_byte(target: &Target) -> anyhow::Result<f64> {
    let http = reqwest::Client::new();
    let mut times = Vec::new();
    for n in 0..50 {
        let asked = Instant::now();
        let request = http.post(&target.url).header("content-type", SOAP);
        let mut answer = request.body((target.body)(n)).send().await?;
        let mut came = 0;
        while came < ENVELOPE
            && let Some(chunk) = answer.chunk().await?
        {
            came += chunk.len();
        }
        times.push(asked.elapsed().as_secs_f64() * 1e3);
        while answer.chunk().await?.is_some() {}
    }
    Ok(Times::of(times).at(0.5))
}

const NODE: &str = carerecord_testkit::NODES[0].0;
const SUCCESS: &str = "ResponseStatusType:Success";
/// More than an envelope has.
const ENVELOPE: usize = 4 << 10;
