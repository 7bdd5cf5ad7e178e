//! The scrub: walks through everything that a node holds, reads it, and compares it with what was
//! stored and with the registry.

mod pace;
mod place;
mod registered;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use carerecord_model::{
    Clock, DocumentRegistry, IdSource, PortError, RepositoryUniqueId, UniqueId,
};
use carerecord_storage::{Database, StoreError};
use futures_util::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::index::{Holding, Index};
use crate::integrity::{Alarm, Fault};
use crate::objects::Check;
use crate::objects::{ObjectError, Objects};
use pace::Pace;

/// Checks what a node holds, while it serves or without it.
pub struct Scrub {
    node: RepositoryUniqueId,
    index: Index,
    objects: Objects,
    registry: Option<Arc<dyn DocumentRegistry>>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

/// What a scrub is made of.
pub struct ScrubParts {
    /// The node's id.
    pub node: RepositoryUniqueId,
    /// Its database.
    pub database: Database,
    /// Its bytes.
    pub objects: Objects,
    /// The registry; without it only bytes are checked.
    pub registry: Option<Arc<dyn DocumentRegistry>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ids of audit records.
    pub ids: Arc<dyn IdSource>,
}

/// How a scrub goes.
#[derive(Clone, Debug, Default)]
pub struct ScrubOptions {
    /// Bytes that are read in a second at most.
    pub bytes_per_second: Option<u64>,
    /// Begins anew where an earlier scrub was stopped.
    pub restart: bool,
    /// Ends the scrub; the next one goes on from there.
    pub stop: CancellationToken,
}

/// How far a scrub has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ScrubProgress {
    /// Documents that have been checked, also by earlier runs that were stopped.
    pub documents: u64,
    /// Documents that the node holds.
    pub of: u64,
}

/// What a scrub has found, with what earlier runs of it that were stopped have.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ScrubReport {
    /// Documents that have been checked.
    pub documents: u64,
    /// Bytes that have been read.
    pub bytes: u64,
    /// What is wrong, by uniqueId.
    pub findings: Vec<(UniqueId, Fault)>,
    /// Documents that had been taken out of use and are whole again, in this run.
    pub released: u64,
    /// Whether it ended before it had seen everything.
    pub stopped: bool,
}

/// Why a scrub could not go on. What it has done is kept: the next one goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum ScrubError {
    /// The node's database failed.
    #[error("the node's database failed")]
    Index(#[from] StoreError),
    /// The registry could not be asked.
    #[error("the registry could not be asked")]
    Registry(#[from] PortError),
    /// One object after the other could not be read.
    #[error("the object store cannot be read: {0}")]
    Objects(String),
}

impl Scrub {
    /// A scrub out of its parts.
    pub fn new(parts: ScrubParts) -> Self {
        Self {
            node: parts.node,
            index: Index::new(parts.database),
            objects: parts.objects,
            registry: parts.registry,
            clock: parts.clock,
            ids: parts.ids,
        }
    }

    /// Checks every document that the registry has taken, or goes on with a scrub that was stopped.
    /// What differs is taken out of use, and is back in use when it is found whole.
    ///
    /// # Errors
    /// When database, registry or object store as a whole fail.
    pub async fn run(
        &self,
        options: &ScrubOptions,
        on_progress: &mut (dyn FnMut(ScrubProgress) + Send),
    ) -> Result<ScrubReport, ScrubError> {
        let of = self.index.count().await?;
        let mut place = self.begin(options.restart).await?;
        let mut reader = Reader { pace: Pace::new(options.bytes_per_second), unread: 0 };
        let mut report = ScrubReport::default();
        loop {
            on_progress(ScrubProgress { documents: place.documents, of });
            let page = self.index.page(&place.after, PAGE).await?;
            let Some(last) = page.last() else { break };
            place.after = last.unique_id.to_string();
            let mut found = Vec::new();
            for (n, holding) in page.iter().enumerate() {
                if options.stop.is_cancelled() {
                    break;
                }
                let fault = self.read_through(holding, &mut reader).await?;
                found.extend(fault.map(|fault| (holding, fault)));
                on_progress(ScrubProgress { documents: place.documents + n as u64 + 1, of });
            }
            // The page is begun again by the next run.
            report.stopped = options.stop.is_cancelled();
            if report.stopped {
                break;
            }
            found.extend(self.compare_with_registry(&page).await?);
            report.released += self.release_whole(&page, &found).await?;
            let certain = self.raise(found).await?;
            place.documents += page.len() as u64;
            place.bytes += reader.pace.taken();
            self.keep_place(&place, certain).await?;
        }
        if !report.stopped {
            self.finish().await?;
        }
        let place = self.place().await?;
        (report.documents, report.bytes) = (place.documents, place.bytes);
        report.findings = self.findings().await?;
        Ok(report)
    }

    async fn read_through(
        &self,
        holding: &Holding,
        reader: &mut Reader,
    ) -> Result<Option<Fault>, ScrubError> {
        let read = async {
            let mut bytes = self.objects.read(&holding.object, None).await?;
            let mut check = Check::new(&holding.object);
            while let Some(chunk) = bytes.next().await {
                let chunk = chunk?;
                check.add(&chunk)?;
                reader.pace.took(chunk.len() as u64).await;
            }
            check.end()
        };
        let read: Result<(), ObjectError> = read.await;
        let Err(error) = read else {
            reader.unread = 0;
            return Ok(None);
        };
        if let Some(fault) = error.fault() {
            reader.unread = 0;
            return Ok(Some(fault));
        }
        tracing::warn!(%error, object = holding.object.key, "an object could not be read");
        reader.unread += 1;
        if reader.unread == MOST_UNREAD {
            return Err(ScrubError::Objects(error.to_string()));
        }
        Ok(Some(Fault::Unreadable))
    }

    /// Tells of what is wrong; returns what still is so.
    async fn raise(
        &self,
        found: Vec<(&Holding, Fault)>,
    ) -> Result<Vec<(UniqueId, Fault)>, StoreError> {
        let mut certain = Vec::new();
        for (holding, fault) in found {
            // What was replaced or removed meanwhile is another matter.
            if self.index.holds(holding).await? {
                let (clock, ids) = (self.clock.clone(), self.ids.clone());
                let alarm = Alarm::new(&self.node, self.index.clone(), holding, clock, ids);
                alarm.raise(fault, "scrub").await;
                certain.push((holding.unique_id.clone(), fault));
            }
        }
        Ok(certain)
    }

    /// Gives those documents back in which nothing is wrong any more; returns how many.
    async fn release_whole(
        &self,
        page: &[Holding],
        found: &[(&Holding, Fault)],
    ) -> Result<u64, StoreError> {
        let mut count = 0;
        for holding in page.iter().filter(|h| h.quarantined) {
            let wrong = found.iter().any(|(other, _)| other.unique_id == holding.unique_id);
            if !wrong && self.index.release(holding, self.clock.now()).await? {
                count += 1;
                let object = holding.object.key.as_str();
                tracing::warn!(object, "a damaged document was found whole, and is given again");
            }
        }
        Ok(count)
    }
}

struct Reader {
    pace: Pace,
    /// Objects in a row that could not be read.
    unread: u32,
}

/// Documents whose progress is kept together.
const PAGE: i64 = 50;
/// As many unread objects in a row count as a store that has failed.
const MOST_UNREAD: u32 = 5;
