//! What entries lack that people look for: for those who look after the quality of what sources send.

use std::collections::BTreeMap;

use carerecord_audit::MissingAttribute;
use carerecord_model::DocumentEntry;
use carerecord_storage::{StoreError, sql};
use uuid::Uuid;

use super::{Store, fetch};

impl Store {
    /// Counts, for each node, what is missing in the entries that were registered last. None of it is
    /// about a patient.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn missing_attributes(&self) -> Result<Vec<MissingAttribute>, StoreError> {
        let mut c = self.snapshot().await?;
        let rows: Vec<(Vec<u8>,)> = sql(LAST).all(&mut c).await?;
        let wrong = |_| StoreError::Row("change", "entry_uuid", "is no UUID".to_owned());
        let ids: Vec<Uuid> = rows
            .iter()
            .map(|(id,)| Uuid::from_slice(id).map_err(wrong))
            .collect::<Result<_, _>>()?;
        let mut nodes: BTreeMap<String, (u64, [u64; CHECKS.len()])> = BTreeMap::new();
        for object in fetch(&mut c, &ids).await?.into_values() {
            let entry = object.entry()?;
            let node = entry.repository_unique_id.as_ref().map(ToString::to_string);
            let (of, missing) = nodes.entry(node.unwrap_or_default()).or_default();
            *of += 1;
            for ((_, lacks), missing) in CHECKS.iter().zip(missing.iter_mut()) {
                *missing += u64::from(lacks(&entry));
            }
        }
        let all = nodes.into_iter().flat_map(|(repository, (of, missing))| {
            let attribute = move |((name, _), missing): (&Check, u64)| MissingAttribute {
                repository: repository.clone(),
                attribute: (*name).to_owned(),
                missing,
                of,
            };
            CHECKS.iter().zip(missing).map(attribute).collect::<Vec<_>>()
        });
        Ok(all.collect())
    }
}

type Check = (&'static str, fn(&DocumentEntry) -> bool);

/// By the names of the standard.
const CHECKS: [Check; 5] = [
    ("title", |entry| entry.title.iter().all(|title| title.value.trim().is_empty())),
    ("authorPerson", |entry| entry.authors.iter().all(|author| author.person.is_none())),
    ("authorInstitution", |entry| entry.authors.iter().all(|a| a.institutions.is_empty())),
    ("serviceStartTime", |entry| entry.service_start_time.is_none()),
    ("hash", |entry| entry.hash.is_none()),
];

const LAST: &str = "
    SELECT entry_uuid FROM change WHERE kind = 1 AND verb = 'registered'
    ORDER BY seq DESC LIMIT 1000";
