//! Rotation: the keys of objects go over into the wrapping of the current key. No object is read or
//! written.

use std::collections::BTreeMap;
use std::sync::Arc;

use carerecord_sealing::{KeyError, KeyWrapper, WrappedKey};
use carerecord_storage::{Database, StoreError, sql};

/// How far it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RewrapProgress {
    /// Documents that have been looked at.
    pub done: u64,
    /// Documents whose key was in another wrapping at the start.
    pub of: u64,
}

/// What has been done.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RewrapReport {
    /// Documents whose key is now in the current key's wrapping.
    pub rewrapped: u64,
    /// Documents whose key could not be unwrapped, by what is wrong.
    pub failed: BTreeMap<String, u64>,
}

/// Why it could not go on. What is done is kept; the next one goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum RewrapError {
    /// The node's database failed.
    #[error("the node's database failed")]
    Store(#[from] StoreError),
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
}

/// The names of the keys that documents of a node are encrypted with, in order.
///
/// # Errors
/// When the database fails.
pub async fn keys_in_use(database: &Database) -> Result<Vec<String>, StoreError> {
    let mut keys: Vec<String> = Vec::new();
    loop {
        // One step of the index for each key, however many documents there are.
        let after = keys.last().cloned().unwrap_or_default();
        let next: Option<(Option<String>,)> = sql(NEXT_KEY).bind(after).first(database).await?;
        match next.and_then(|(key,)| key) {
            Some(key) => keys.push(key),
            None => return Ok(keys),
        }
    }
}

/// Wraps the keys of a node's objects by the current key, while the node serves or without it.
///
/// # Errors
/// When there is no current key, or it or the database cannot be used. A key that cannot be
/// unwrapped is in the report.
pub async fn rewrap(
    database: &Database,
    keys: &Arc<dyn KeyWrapper>,
    on_progress: &mut (dyn FnMut(RewrapProgress) + Send),
) -> Result<RewrapReport, RewrapError> {
    let current = keys.current().ok_or(KeyError::NoCurrent)?.to_owned();
    let of = sql(COUNT).bind(&current).number(database).await?.unsigned_abs();
    let mut report = RewrapReport::default();
    let mut done = 0;
    for key in keys_in_use(database).await?.into_iter().filter(|key| *key != current) {
        let mut after = String::new();
        loop {
            on_progress(RewrapProgress { done, of });
            let page: Vec<(String, String, Vec<u8>)> =
                sql(PAGE).bind(&key).bind(&after).bind(PAGE_ROWS).all(database).await?;
            let Some((last, _, _)) = page.last() else { break };
            after.clone_from(last);
            let mut changes = Vec::new();
            for (id, object, bytes) in page {
                done += 1;
                let old = WrappedKey { key_id: key.clone(), bytes };
                match keys.open(&old, &object).await {
                    Ok(data) => changes.push((id, keys.wrap(&data, &object).await?, old)),
                    Err(error @ (KeyError::Unknown(_) | KeyError::Wrong(_))) => {
                        *report.failed.entry(error.to_string()).or_default() += 1;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            report.rewrapped += write(database, changes).await?;
        }
    }
    on_progress(RewrapProgress { done, of });
    Ok(report)
}

/// Writes what is still as it was read; returns how many those are.
async fn write(
    database: &Database,
    changes: Vec<(String, WrappedKey, WrappedKey)>,
) -> Result<u64, StoreError> {
    if changes.is_empty() {
        return Ok(0);
    }
    database
        .write(move |c| {
            Box::pin(async move {
                let mut written = 0;
                for (id, new, old) in &changes {
                    let update = sql(UPDATE).bind(&new.key_id).bind(new.bytes.clone()).bind(id);
                    written += update.bind(old.bytes.clone()).run(&mut *c).await?;
                }
                Ok(written)
            })
        })
        .await
}

const NEXT_KEY: &str =
    "SELECT min(wrapping_key_id) FROM stored_document WHERE wrapping_key_id > $1";

const COUNT: &str = "
    SELECT count(*) FROM stored_document
    WHERE wrapping_key_id IS NOT NULL AND wrapping_key_id <> $1";

const PAGE: &str = "
    SELECT unique_id, object_key, wrapped_key FROM stored_document
    WHERE wrapping_key_id = $1 AND unique_id > $2 ORDER BY unique_id LIMIT $3";

const UPDATE: &str = "
    UPDATE stored_document SET wrapping_key_id = $1, wrapped_key = $2
    WHERE unique_id = $3 AND wrapped_key = $4";

/// Keys that are written together.
const PAGE_ROWS: i64 = 200;
