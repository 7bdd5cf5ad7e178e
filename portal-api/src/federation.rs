use std::sync::Arc;
use std::time::{Duration, Instant};

use carerecord_fhir::SourceState;
use carerecord_model::{DocumentRepository, NodeId, PortError};
use futures_util::future::join_all;

/// A source of documents.
#[derive(Clone)]
pub struct Node {
    /// Its repositoryUniqueId.
    pub id: NodeId,
    /// Its name for people.
    pub name: String,
    /// The way to it.
    pub repository: Arc<dyn DocumentRepository>,
}

/// What became of asking a source.
pub(crate) struct NodeState {
    pub id: NodeId,
    pub name: String,
    pub state: SourceState,
    pub latency_ms: u64,
}

/// Asks all sources at once whether they can serve; none may take longer than the deadline.
pub(crate) async fn ask_all(nodes: &[Node], deadline: Duration) -> Vec<NodeState> {
    join_all(nodes.iter().map(|node| ask(node, deadline))).await
}

async fn ask(node: &Node, deadline: Duration) -> NodeState {
    answer_of(node, deadline, node.repository.probe()).await.0
}

/// Waits for what a source answers, and says what became of it.
pub(crate) async fn answer_of<T>(
    node: &Node,
    deadline: Duration,
    asked: impl Future<Output = Result<T, PortError>>,
) -> (NodeState, Option<T>) {
    let started = Instant::now();
    let (state, answer) = match tokio::time::timeout(deadline, asked).await {
        Ok(Ok(answer)) => (SourceState::Answered, Some(answer)),
        Ok(Err(error)) => {
            tracing::warn!(node = %node.id, %error, "a source cannot serve");
            (SourceState::Down, None)
        }
        Err(_) => (SourceState::Late, None),
    };
    let latency_ms = started.elapsed().as_millis() as u64;
    (NodeState { id: node.id.clone(), name: node.name.clone(), state, latency_ms }, answer)
}
