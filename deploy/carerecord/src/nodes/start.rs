use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use carerecord_model::{Clock, IdSource};
use carerecord_portal_api::{Federation, Node};
use carerecord_service::{Lifecycle, ReadinessChecks};

use super::NodeClients;
use super::watch::{WatchedDirectory, watch};
use crate::config::PortalSection;

/// The nodes that a portal asks: those of its section, and those of its directory, which is watched
/// from now on.
pub fn start(
    section: &PortalSection,
    clients: NodeClients,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    checks: &ReadinessChecks,
    lifecycle: &Lifecycle,
) -> anyhow::Result<Federation> {
    let deadline = Duration::from_millis(section.api.source_deadline_ms);
    let sources = section.source.iter().map(|source| clients.source(source));
    let sources: Vec<Node> = sources.collect::<anyhow::Result<_>>()?;
    let Some(file) = &section.nodes else {
        return Ok(Federation::new(sources, deadline, clock, ids));
    };
    let (watched, nodes) = WatchedDirectory::open(file.clone(), clients, sources)
        .context("the directory of nodes cannot be used")?;
    let federation = Federation::new(nodes, deadline, clock, ids);
    let state = watched.state();
    checks.register_notice("node directory", move || {
        let state = state.clone();
        async move { state.problem().map_or(Ok(()), Err) }
    });
    let watching = watch(watched, federation.clone(), lifecycle.draining());
    lifecycle.spawn("node directory", watching);
    Ok(federation)
}
