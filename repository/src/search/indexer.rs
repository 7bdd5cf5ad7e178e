//! What keeps the index up with the documents.

use std::sync::Arc;
use std::time::{Duration, Instant};

use carerecord_model::Clock;
use carerecord_service::Lifecycle;
use carerecord_storage::{Database, StoreError};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::Search;
use super::extract::{Deadline, Extracted, MAX_BYTES, Unreadable, extract};
use super::index::{Change, IndexError};
use super::queue::{self, Outcome, RebuildProgress, Task};
use crate::Repository;
use crate::content::whole;
use crate::elements::{self, Taken};
use crate::index::{Holding, Index};
use crate::integrity::Fault;
use crate::objects::{ObjectError, Objects};

/// Why the index could not be brought up to date. The queue still has what was to be done.
#[derive(Debug, thiserror::Error)]
pub enum IndexingError {
    /// The node's database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The work was broken off.
    #[error("indexing broke off")]
    Broken(#[from] tokio::task::JoinError),
}

/// Keeps the index of a node up to date.
#[derive(Clone)]
pub struct Indexer {
    index: Index,
    objects: Objects,
    search: Search,
    clock: Arc<dyn Clock>,
}

impl Repository {
    /// Keeps the index up to date: what is registered or removed is so in the index within a
    /// second, while the node keeps up.
    pub fn start_indexer(&self, lifecycle: &Lifecycle) {
        let indexer = Indexer {
            index: self.index.clone(),
            objects: self.objects.clone(),
            search: self.search.clone(),
            clock: self.clock.clone(),
        };
        lifecycle.spawn_essential("search indexer", indexer.run(lifecycle.draining()));
    }
}

impl Indexer {
    /// An indexer out of its parts, where no node runs.
    pub fn new(
        database: Database,
        objects: Objects,
        search: Search,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { index: Index::new(database), objects, search, clock }
    }

    async fn run(self, draining: CancellationToken) {
        let (mut begun, mut renewed) = (!self.search.index.fresh, false);
        loop {
            let work = async {
                if !renewed {
                    // What was taken out by other rules is taken out again.
                    elements::rows::renew(self.database(), self.clock.now()).await?;
                    renewed = true;
                }
                if !begun {
                    // Nothing says that the files were there before: all is indexed.
                    Self::request_rebuild(self.database(), self.clock.now()).await?;
                    begun = true;
                }
                self.index_some().await
            };
            let pause = match work.await {
                Ok(0) => IDLE,
                Ok(_) => Duration::ZERO,
                Err(error) => {
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%error, source, "indexing failed; trying again");
                    AFTER_FAILURE
                }
            };
            tokio::select! {
                biased;
                () = draining.cancelled() => return,
                () = self.search.work.notified(), if pause == IDLE => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn database(&self) -> &Database {
        self.index.database()
    }

    /// Asks for every document of a node to be indexed again. What is searchable stays so
    /// meanwhile.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn request_rebuild(database: &Database, now: Timestamp) -> Result<(), StoreError> {
        queue::rebuild(database, now).await
    }

    /// The rebuild of a node that is under way, when there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rebuild_progress(
        database: &Database,
    ) -> Result<Option<RebuildProgress>, StoreError> {
        queue::rebuilding(database).await
    }

    /// Does a part of what is due, durably; returns how many documents that was. None: nothing is
    /// due.
    ///
    /// # Errors
    /// When database or index fail; what was to be done still is.
    pub async fn index_some(&self) -> Result<usize, IndexingError> {
        let tasks = queue::due(self.database(), self.clock.now()).await?;
        let begun = Instant::now();
        let (mut changes, mut outcomes) = (Vec::new(), Vec::new());
        for task in tasks {
            let (change, outcome, taken) = self.take(&task).await?;
            changes.extend(change);
            outcomes.push((task, outcome, taken));
            if begun.elapsed() >= COMMIT_AFTER {
                break;
            }
        }
        let count = outcomes.len();
        if count > 0 {
            let index = self.search.index.clone();
            tokio::task::spawn_blocking(move || index.apply(changes)).await??;
            queue::done(self.database(), outcomes, self.clock.now()).await?;
        }
        if let Some(RebuildProgress { left: 0, .. }) = queue::rebuilding(self.database()).await? {
            queue::rebuilt(self.database(), self.clock.now()).await?;
        }
        Ok(count)
    }

    async fn take(
        &self,
        task: &Task,
    ) -> Result<(Option<Change>, Outcome, Option<Taken>), IndexingError> {
        let delete = Some(Change::Delete(task.unique_id.clone()));
        if task.is_removal() {
            return Ok((delete, Outcome::Removed, None));
        }
        let holding = self.index.find(&task.unique_id).await?;
        let Some(holding) = holding.filter(|holding| holding.registered) else {
            return Ok((delete, Outcome::Removed, None));
        };
        let (words, taken) = match self.read(&holding).await {
            Ok(read) => read,
            Err(error) => {
                tracing::warn!(%error, "a document could not be read for the index; trying again");
                return Ok((None, Outcome::Later, None));
            }
        };
        match words {
            Ok(extracted) => {
                let patient = task.patient.or_else(|| holding.entry.patient_id.nhs_number());
                let unique_id = task.unique_id.clone();
                let put = Change::Put { unique_id, patient, extracted };
                Ok((Some(put), Outcome::Searchable(patient), Some(taken)))
            }
            Err(why) => Ok((delete, Outcome::Unreadable(why.to_string()), Some(taken))),
        }
    }

    /// The words of a document, and what it says in coded entries.
    async fn read(
        &self,
        holding: &Holding,
    ) -> Result<(Result<Extracted, Unreadable>, Taken), ObjectError> {
        let patient = holding.entry.patient_id.nhs_number();
        let without = |why: Unreadable| (Err(why), elements::unreadable(patient));
        if holding.object.size > MAX_BYTES {
            return Ok(without(Unreadable::TooLong(MAX_BYTES)));
        }
        let read = async {
            let bytes = self.objects.checked(&holding.object).await?;
            whole(bytes, holding.object.size).await
        };
        let bytes = match read.await {
            Ok(bytes) => bytes,
            Err(error) => {
                return match error.fault() {
                    Some(Fault::Missing) => Ok(without(Unreadable::Missing)),
                    Some(_) => Ok(without(Unreadable::Damaged)),
                    None => Err(error),
                };
            }
        };
        // Threads of their own: what panics or takes long there stops nothing here, and what one
        // cannot read the other may.
        let words = bytes.clone();
        let words = move || extract(&words, Deadline::after(READING));
        let words = tokio::task::spawn_blocking(words);
        let taking = tokio::task::spawn_blocking(move || elements::take(&bytes, patient));
        let most = READING + GRACE;
        let (words, taken) =
            tokio::join!(tokio::time::timeout(most, words), tokio::time::timeout(most, taking));
        let words = match words {
            Ok(Ok(read)) => read,
            Ok(Err(_)) => Err(Unreadable::Failed),
            Err(_) => Err(Unreadable::TooSlow),
        };
        let taken = match taken {
            Ok(Ok(taken)) => taken,
            Ok(Err(_)) | Err(_) => elements::unreadable(patient),
        };
        Ok((words, taken))
    }
}

/// Also how long a document that could not be read waits beyond its time.
const IDLE: Duration = Duration::from_secs(5);
const AFTER_FAILURE: Duration = Duration::from_secs(2);
/// What is ready is made searchable after this, whatever else waits.
const COMMIT_AFTER: Duration = Duration::from_millis(300);
/// How long one document may take.
const READING: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(2);
