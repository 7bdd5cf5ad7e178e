//! Witnesses: places outside the database that are told each signed head, so that whoever owns the
//! database cannot go back on one.
//!
//! What a witness has not been given yet is read from the table of heads: a witness that was away
//! gets all that it missed.

mod file;
mod syslog;

pub use file::FileWitness;
pub use syslog::SyslogWitness;

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use carerecord_storage::{Database, StoreError};
use serde::Serialize;

use crate::store;
use crate::tree::{Endorsement, SignedHead, as_i64, leaves};

/// A place that is told of heads.
#[async_trait]
pub trait Witness: Send + Sync {
    /// Its name in messages, and under which it is kept how far it has been told.
    fn name(&self) -> &str;

    /// Gives it the heads that it has not got yet.
    ///
    /// # Errors
    /// Why it did not take them all; the next call goes on.
    async fn publish(&self, database: &Database) -> Result<(), WitnessError>;
}

/// Why a witness did not take a head.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// It cannot be reached or written to.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// Its certificate or its name cannot be used.
    #[error("tls: {0}")]
    Tls(String),
    /// The heads cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The process is stopping.
    #[error("the process is stopping")]
    Stopping,
}

/// A line for a witness: a key, or a head with where each of its records is.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Line<'a> {
    Key(&'a Endorsement),
    Head(&'a SignedHead),
}

/// A head with the first 8 bytes of the leaf of each record since the head before.
struct Told {
    head: SignedHead,
    from: u64,
    prints: Vec<u8>,
}

/// The next heads for a witness, and the keys of the log.
async fn next(
    database: &Database,
    name: &str,
    with_prints: bool,
) -> Result<(Vec<Told>, Vec<Endorsement>), StoreError> {
    let mut c = database.snapshot().await?;
    let mut from = store::witnessed(&mut c, name).await?;
    let mut told = Vec::new();
    for head in store::heads_after(&mut c, from, BATCH).await? {
        let to = head.head.tree_size;
        let mut prints = Vec::new();
        let mut at = from;
        while with_prints && at < to {
            let end = to.min(at + PAGE);
            let page = leaves(&mut c, as_i64(at + 1)?, as_i64(end)?).await?;
            prints.extend(page.iter().flat_map(|leaf| leaf.print().to_be_bytes()));
            at = end;
        }
        told.push(Told { head, from, prints });
        from = to;
        if told.iter().map(|t| t.prints.len()).sum::<usize>() > MAX_PRINTS {
            break;
        }
    }
    Ok((told, store::keys(&mut c).await?))
}

pub(crate) async fn note(database: &Database, name: &str, size: u64) -> Result<(), StoreError> {
    let name = name.to_owned();
    database
        .write(move |c| Box::pin(async move { store::set_witnessed(c, &name, size).await }))
        .await
}

/// Runs what blocks with the witness's own state.
pub(crate) async fn blocking<S, T, F>(state: &Arc<Mutex<S>>, work: F) -> Result<T, WitnessError>
where
    S: Send + 'static,
    T: Send + 'static,
    F: FnOnce(&mut S) -> Result<T, WitnessError> + Send + 'static,
{
    let state = state.clone();
    let done = tokio::task::spawn_blocking(move || {
        work(&mut state.lock().unwrap_or_else(PoisonError::into_inner))
    });
    done.await.map_err(|_| WitnessError::Stopping)?
}

const BATCH: u32 = 200;
const PAGE: u64 = 1024;
/// Bytes of prints in one batch, about.
const MAX_PRINTS: usize = 4 << 20;
