//! What a node removes at the end of retention, its registry takes out too: ITI-62 with the entry in
//! all its versions, every relation of it, and the SubmissionSets that held nothing else.

use std::collections::HashSet;
use std::time::Duration;

use carerecord_model::{
    DocumentRegistry, EntryRef, EntryUuid, FoundObjects, Get, MetadataLevel, PortError,
    RepositoryUniqueId, Scope, StoredQuery, UniqueId,
};
use carerecord_service::Lifecycle;

use super::{Retention, RetentionError, disposal};
use crate::Repository;

impl Repository {
    /// Tells the registry of what was removed, and destroys bytes after their grace.
    pub fn start_disposer(&self, retention: Retention, lifecycle: &Lifecycle) {
        let (node, draining) = (self.clone(), lifecycle.draining());
        lifecycle.spawn("disposer", async move {
            let mut pause = SHORTEST;
            loop {
                tokio::select! {
                    () = draining.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = match node.dispose(&retention).await {
                    Ok(()) => SHORTEST,
                    Err(error) => {
                        tracing::warn!(%error, "removed documents wait for their end");
                        (pause * 2).min(LONGEST)
                    }
                };
            }
        });
    }

    async fn dispose(&self, retention: &Retention) -> Result<(), RetentionError> {
        let here = &self.config.repository_unique_id;
        let mut after = String::new();
        loop {
            let some = disposal::owed(&retention.database, &after).await?;
            let Some(last) = some.last() else { break };
            last.clone_into(&mut after);
            for id in some {
                let unique_id: UniqueId = id.parse().map_err(|_| {
                    PortError::Protocol("the id of a removed document is not right".to_owned())
                })?;
                withdraw(self.registry.as_ref(), here, unique_id).await?;
                disposal::settle(&retention.database, id).await?;
            }
        }
        let grace = jiff::SignedDuration::from_hours(24 * i64::from(self.config.grace_days));
        let before = retention.clock.now() - grace;
        let purged = retention.purge(before, "carerecord", &mut |_| {}).await?;
        if purged.destroyed > 0 {
            tracing::info!(purged.destroyed, "documents were destroyed after their grace");
        }
        Ok(())
    }
}

/// Has the registry take out its entries for a document of this node. None there is no error: then
/// it was told before.
async fn withdraw(
    registry: &dyn DocumentRegistry,
    here: &RepositoryUniqueId,
    unique_id: UniqueId,
) -> Result<(), PortError> {
    let ask = |by: EntryRef| Get {
        objects: by,
        content: carerecord_model::ContentFilter::default(),
        association_types: Vec::new(),
        scope: Scope { level: MetadataLevel::Two, association_status: Vec::new() },
        home_community_id: None,
    };
    let by_id = ask(EntryRef::UniqueIds(vec![unique_id]));
    let query = StoredQuery::GetDocumentsAndAssociations(Box::new(by_id));
    let found = registry.stored_query(&query).await?;
    let entries: Vec<EntryUuid> = found
        .document_entries
        .iter()
        .filter(|e| e.repository_unique_id.as_ref() == Some(here))
        .filter_map(|e| e.uuid())
        .collect();
    if entries.is_empty() {
        return Ok(());
    }
    let mut gone: HashSet<EntryUuid> = entries.iter().copied().collect();
    let related: Vec<EntryUuid> = relations(&found, &gone).collect();
    gone.extend(related);
    let query = StoredQuery::GetSubmissionSets(Box::new(ask(EntryRef::Uuids(entries))));
    let sets = registry.stored_query(&query).await?.submission_sets;
    for set in sets.iter().filter_map(|s| s.entry_uuid.uuid()) {
        let query = StoredQuery::GetAssociations(Box::new(ask(EntryRef::Uuids(vec![set]))));
        let of_set = registry.stored_query(&query).await?;
        if relations(&of_set, &HashSet::from([set])).all(|a| gone.contains(&a)) {
            gone.insert(set);
        }
    }
    registry.remove_metadata(gone.into_iter().collect()).await
}

/// Associations that begin or end at one of these.
fn relations<'f>(
    found: &'f FoundObjects,
    of: &'f HashSet<EntryUuid>,
) -> impl Iterator<Item = EntryUuid> + use<'f> {
    found
        .associations
        .iter()
        .filter(move |a| {
            [&a.source, &a.target].iter().any(|e| e.uuid().is_some_and(|u| of.contains(&u)))
        })
        .filter_map(|a| a.entry_uuid.uuid())
}

const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(600);
