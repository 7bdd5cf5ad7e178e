use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use carerecord_audit::AuditSource;
use carerecord_model::{Clock, DocumentRepository, IdSource, NodeId, RefusedSubmissions};
use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::breaker::Breaker;
use super::{Endpoint, Node, NodeLimits};

/// The nodes that are asked, as they are known now. Clones share them.
///
/// What has been learnt of a node (its breakers, when it was last good) stays when the directory
/// changes, as far as the node is still the same.
#[derive(Clone)]
pub struct Federation {
    members: Arc<RwLock<Arc<Vec<Arc<Member>>>>>,
    /// Of nodes that have none of their own.
    deadline: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn IdSource>,
}

/// A node, and what has been learnt of it.
pub(crate) struct Member {
    /// Its place among the nodes, from 0.
    pub(crate) place: usize,
    pub(crate) id: NodeId,
    pub(crate) name: String,
    pub(crate) log: Option<Arc<dyn AuditSource>>,
    pub(crate) refused: Option<Arc<dyn RefusedSubmissions>>,
    pub(super) limits: NodeLimits,
    pub(super) deadline: Duration,
    pub(super) lines: Vec<Line>,
    /// The place of the endpoint that answered last: it is asked first.
    pub(super) preferred: AtomicUsize,
    pub(super) room: Arc<Semaphore>,
    /// In milliseconds; 0 for never.
    last_good: Arc<AtomicI64>,
}

/// One endpoint of a node.
pub(super) struct Line {
    address: String,
    pub(super) repository: Arc<dyn DocumentRepository>,
    pub(super) breaker: Arc<Breaker>,
}

impl Federation {
    /// Asks these nodes; those without a deadline of their own have `deadline`.
    pub fn new(
        nodes: Vec<Node>,
        deadline: Duration,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        let federation = Self { members: Arc::default(), deadline, clock, ids };
        federation.replace(nodes);
        federation
    }

    /// Asks these nodes from now on. Requests that are under way end with those they began with.
    pub fn replace(&self, nodes: Vec<Node>) {
        let old = self.members();
        let known = |id: &NodeId| old.iter().find(|member| member.id == *id);
        let members = nodes
            .into_iter()
            .enumerate()
            .map(|(place, node)| {
                let old = known(&node.id).cloned();
                Arc::new(Member::new(place, node, self.deadline, old.as_deref()))
            })
            .collect();
        *self.members.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(members);
    }

    /// The nodes that are asked now.
    pub fn ids(&self) -> Vec<NodeId> {
        self.members().iter().map(|member| member.id.clone()).collect()
    }

    /// The nodes as they are now.
    pub(crate) fn members(&self) -> Arc<Vec<Arc<Member>>> {
        self.members.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Member {
    fn new(place: usize, node: Node, deadline: Duration, old: Option<&Self>) -> Self {
        let limits = node.limits;
        let same = old.filter(|old| old.limits == limits);
        let room = limits.concurrent_requests as usize;
        let line = |endpoint: Endpoint| Line {
            breaker: same
                .and_then(|old| old.lines.iter().find(|line| line.address == endpoint.address))
                .map_or_else(|| Arc::new(Breaker::new(&limits)), |line| line.breaker.clone()),
            address: endpoint.address,
            repository: endpoint.repository,
        };
        Self {
            place,
            id: node.id,
            name: node.name,
            log: node.log,
            refused: node.refused,
            deadline: limits.deadline_ms.map_or(deadline, Duration::from_millis),
            lines: node.endpoints.into_iter().map(line).collect(),
            preferred: AtomicUsize::new(0),
            room: same.map_or_else(|| Arc::new(Semaphore::new(room)), |old| old.room.clone()),
            last_good: old.map_or_else(Arc::default, |old| old.last_good.clone()),
            limits,
        }
    }

    /// When it last answered as it should, as far as this process knows.
    pub(crate) fn last_good(&self) -> Option<Timestamp> {
        let ms = self.last_good.load(Ordering::Relaxed);
        (ms > 0).then(|| Timestamp::from_millisecond(ms).ok()).flatten()
    }

    pub(super) fn was_good(&self, now: Timestamp) {
        self.last_good.store(now.as_millisecond(), Ordering::Relaxed);
    }
}

impl Line {
    /// Where it is, as far as metrics and logs may tell.
    pub(super) fn address(&self) -> &str {
        &self.address
    }
}
