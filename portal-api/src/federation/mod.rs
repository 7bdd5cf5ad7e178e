//! Asking the nodes: all at once, each within its deadline, and what became of each is told.
//!
//! Nodes are run by different organisations and differ in health. So each has limits of its own,
//! an endpoint that fails again and again is left alone for a while, and of two endpoints the second
//! is asked when the first is slow. Only reads go to nodes: asking twice does no harm.

mod body;
mod breaker;
mod call;
mod limits;
mod member;
mod metrics;
mod settle;
mod state;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use carerecord_audit::AuditSource;
use carerecord_model::{DocumentRepository, NodeId, RefusedSubmissions};
use futures_util::future::join_all;

pub(crate) use body::{Expected, begun};
pub(crate) use call::{Failure, Reading};
pub use limits::NodeLimits;
pub use member::Federation;
pub(crate) use member::Member;
pub(crate) use state::NodeState;

/// A source of documents.
#[derive(Clone)]
pub struct Node {
    /// Its repositoryUniqueId.
    pub id: NodeId,
    /// Its name for people.
    pub name: String,
    /// What it may cost.
    pub limits: NodeLimits,
    /// The ways to it, at least one; the first is asked first.
    pub endpoints: Vec<Endpoint>,
    /// Its log of accesses, where that can be searched from here.
    pub log: Option<Arc<dyn AuditSource>>,
    /// What it keeps of refused submissions, where that can be asked from here.
    pub refused: Option<Arc<dyn RefusedSubmissions>>,
}

/// A way to a node.
#[derive(Clone)]
pub struct Endpoint {
    /// Where it is, without anything secret.
    pub address: String,
    /// Who asks there.
    pub repository: Arc<dyn DocumentRepository>,
}

impl Node {
    /// A node with one way to it, and the limits of any.
    pub fn new(id: NodeId, name: &str, repository: Arc<dyn DocumentRepository>) -> Self {
        let endpoints = vec![Endpoint { address: "here".to_owned(), repository }];
        let (name, limits) = (name.to_owned(), NodeLimits::default());
        Self { id, name, limits, endpoints, log: None, refused: None }
    }
}

impl Federation {
    /// Asks these sources at once whether they can serve; none may take longer than its deadline.
    pub(crate) async fn probe(&self, which: impl Fn(&Member) -> bool) -> Vec<NodeState> {
        let members = self.members();
        let asked = members.iter().filter(|member| which(member));
        let probes = asked.map(|member| async {
            let ask = |repository: Arc<dyn DocumentRepository>| -> Reading<'_, ()> {
                Box::pin(async move { Ok(repository.probe().await?) })
            };
            self.ask(member, "probe", ask).await.state
        });
        join_all(probes).await
    }

    /// Asks all of them.
    pub(crate) async fn probe_all(&self) -> Vec<NodeState> {
        self.probe(|_| true).await
    }
}
