//! Documents of a node against the registry's entries.

use std::collections::HashMap;
use std::sync::Arc;

use carerecord_model::{
    DocumentEntry, DocumentRegistry, EntryRef, ErrorCode, GetDocuments, MetadataLevel, PatientId,
    PortError, StoredQuery, UniqueId,
};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::Scrub;
use crate::index::Holding;
use crate::integrity::Fault;

impl Scrub {
    /// What the registry's entries say otherwise.
    pub(super) async fn compare_with_registry<'h>(
        &self,
        holdings: &'h [Holding],
    ) -> Result<Vec<(&'h Holding, Fault)>, PortError> {
        let Some(registry) = &self.registry else { return Ok(Vec::new()) };
        // A look-up by ids has to be about one patient.
        let mut patients: HashMap<&PatientId, Vec<&'h Holding>> = HashMap::new();
        for holding in holdings {
            patients.entry(&holding.entry.patient_id).or_default().push(holding);
        }
        let asked = patients.into_values().map(|group| self.compare_group(registry, group));
        let found: Vec<Vec<_>> =
            stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(found.concat())
    }

    async fn compare_group<'h>(
        &self,
        registry: &Arc<dyn DocumentRegistry>,
        group: Vec<&'h Holding>,
    ) -> Result<Vec<(&'h Holding, Fault)>, PortError> {
        let entries = match entries(registry, group.iter().map(|h| h.unique_id.clone())).await {
            Err(PortError::Transaction(error))
                if error.0.iter().any(|e| e.code == ErrorCode::XDSResultNotSinglePatient) =>
            {
                // Some went over to another patient since.
                let mut all = Vec::new();
                for holding in &group {
                    all.extend(entries(registry, [holding.unique_id.clone()]).await?);
                }
                all
            }
            answer => answer?,
        };
        let compared = group.into_iter().filter_map(|holding| {
            let here = entries.iter().filter(|e| {
                e.unique_id == holding.unique_id
                    && e.repository_unique_id.as_ref() == Some(&self.node)
            });
            // The newest version is what people are given.
            let newest = here.max_by_key(|e| e.version);
            differs(holding, newest.map(Arc::as_ref)).map(|fault| (holding, fault))
        });
        Ok(compared.collect())
    }
}

async fn entries(
    registry: &Arc<dyn DocumentRegistry>,
    ids: impl IntoIterator<Item = UniqueId>,
) -> Result<Vec<Arc<DocumentEntry>>, PortError> {
    let query = StoredQuery::GetDocuments(GetDocuments {
        level: MetadataLevel::Two,
        ..GetDocuments::of(EntryRef::UniqueIds(ids.into_iter().collect()))
    });
    Ok(registry.stored_query(&query).await?.document_entries)
}

fn differs(holding: &Holding, entry: Option<&DocumentEntry>) -> Option<Fault> {
    let Some(entry) = entry else { return Some(Fault::NotRegistered) };
    let object = &holding.object;
    let same = entry.hash.as_ref().is_some_and(|h| h.eq_ignore_ascii_case(&object.sha1));
    if !same {
        return Some(Fault::RegisteredHash);
    }
    (entry.size != Some(object.size)).then_some(Fault::RegisteredSize)
}

/// Questions that wait for their answers together.
const AT_ONCE: usize = 8;
