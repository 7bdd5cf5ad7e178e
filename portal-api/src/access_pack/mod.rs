//! Subject access packs: what the record holds of one person, who looked, who tried to, and why. NHS:
//! 5.8. A privacy officer, or the person, asks for one; it is put together behind the answer, and kept
//! for a while to be fetched. FHIR R4, Asynchronous Request Pattern.

pub mod contents;
mod documents;
mod gather;
pub mod manifest;
mod sealed;
mod state;
mod still;
mod store;
#[cfg(test)]
mod tests;
mod zip;

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use carerecord_access::{Caller, Purpose};
use carerecord_audit::{AuditEvent, AuditLog, SigningKey};
use carerecord_model::{Clock, NhsNumber};
use carerecord_sealing::{ByteStream, KeyWrapper};
use carerecord_service::RequestId;
use carerecord_storage::StoreError;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tokio::io;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use crate::Portal;
pub(crate) use state::{Given, Made, Owner, Pack, Stage};
use store::PackStore;

/// The `[portal.access_packs]` section.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccessPackConfig {
    /// How long a pack is kept after it was made.
    pub keep_seconds: u32,
    /// How many are made at one time; others wait.
    pub at_once: usize,
    /// How many one person has at most, made or being made.
    pub of_one_person: usize,
    /// The longest that one becomes, with all that is in it; what it has no room for is named in it.
    pub max_mib: u64,
    /// What all together take at most, but for the one document that each is adding, which is on disk twice
    /// meanwhile.
    pub max_total_mib: u64,
}

impl Default for AccessPackConfig {
    fn default() -> Self {
        Self {
            keep_seconds: 3 * 24 * 3_600,
            at_once: 2,
            of_one_person: 5,
            max_mib: 2_048,
            max_total_mib: 8_192,
        }
    }
}

/// The key that packs are signed with, as it is now.
pub type PackKey = Arc<dyn Fn() -> Result<SigningKey, String> + Send + Sync>;

/// The packs of a portal. Clones share them.
#[derive(Clone)]
pub struct AccessPacks(Arc<Inner>);

struct Inner {
    config: AccessPackConfig,
    store: PackStore,
    key: PackKey,
    log: AuditLog,
    clock: Arc<dyn Clock>,
    queue: mpsc::UnboundedSender<Job>,
    /// Taken by the one who makes them.
    jobs: Mutex<Option<mpsc::UnboundedReceiver<Job>>>,
    /// Those that wait or are being made.
    making: Mutex<HashMap<Uuid, Arc<Progress>>>,
    /// The room in bytes of those that are being made.
    reserved: Mutex<HashMap<Uuid, u64>>,
    /// Held while it is counted how many somebody has or how much room there is, and while one is
    /// withdrawn.
    asking: tokio::sync::Mutex<()>,
}

/// A pack to be made.
struct Job {
    pack: Pack,
    caller: Caller,
    purpose: Purpose,
    progress: Arc<Progress>,
    request_id: Option<String>,
}

impl Job {
    /// The request that has asked for it.
    fn request(&self) -> Option<RequestId> {
        let id = self.request_id.as_ref()?;
        Uuid::try_parse(id).ok().map(RequestId)
    }
}

/// The room of a pack that is being made.
struct Room {
    packs: AccessPacks,
    id: Uuid,
    /// In bytes.
    most: u64,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.packs.reserved(|reserved| reserved.remove(&self.id));
    }
}

/// How far the making of a pack is.
#[derive(Debug)]
pub(crate) struct Progress {
    words: Mutex<String>,
    stop: CancellationToken,
}

impl Progress {
    /// In words that tell nothing of anybody.
    pub(crate) fn words(&self) -> String {
        self.words.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn say(&self, words: impl Into<String>) {
        *self.words.lock().unwrap_or_else(PoisonError::into_inner) = words.into();
    }
}

/// What somebody asks for.
pub(crate) struct Wanted {
    pub id: Uuid,
    pub caller: Caller,
    pub purpose: Purpose,
    pub patient: NhsNumber,
    pub reason: Option<String>,
    pub reference: Option<String>,
    /// The record of the asking, which is durable before anything is done.
    pub audit: AuditEvent,
}

/// Why a pack is not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTaken {
    #[error("the person has as many packs as they may have")]
    TooMany,
    #[error("too many packs wait")]
    Busy,
    #[error("all packs together take as much room as they may")]
    Full,
    #[error("the folder of packs failed: {0}")]
    Folder(#[from] io::Error),
    #[error("the record of it could not be stored: {0}")]
    NotRecorded(#[from] StoreError),
}

impl AccessPacks {
    /// Packs in a folder of their own, which is made where it is not there; `sealing` encrypts the keys of
    /// its files.
    ///
    /// # Errors
    /// When the configuration does not make sense, or the folder cannot be made.
    pub fn open(
        config: AccessPackConfig,
        folder: &Path,
        sealing: Arc<dyn KeyWrapper>,
        key: PackKey,
        log: AuditLog,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let none =
            [config.at_once as u64, config.of_one_person as u64, config.max_mib].contains(&0);
        if none || config.keep_seconds == 0 {
            return Err(io::Error::other("access_packs: every number is at least 1"));
        }
        if config.max_total_mib < config.max_mib.saturating_mul(config.at_once as u64) {
            let words = "access_packs: max_total_mib is at least max_mib times at_once";
            return Err(io::Error::other(words));
        }
        let (queue, jobs) = mpsc::unbounded_channel();
        Ok(Self(Arc::new(Inner {
            store: PackStore::open(folder, sealing)?,
            config,
            key,
            log,
            clock,
            queue,
            jobs: Mutex::new(Some(jobs)),
            making: Mutex::default(),
            reserved: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        })))
    }

    /// Notes a pack, and puts it behind those that wait: to the end, also for somebody who does not wait
    /// for the answer.
    pub(crate) async fn ask(&self, wanted: Wanted) -> Result<Pack, NotTaken> {
        let packs = self.clone();
        let taking = async move { packs.take(wanted).await };
        #[expect(clippy::disallowed_methods, reason = "it is awaited, and short")]
        let taken = tokio::spawn(taking.in_current_span());
        taken.await.map_err(io::Error::other)?
    }

    async fn take(&self, wanted: Wanted) -> Result<Pack, NotTaken> {
        let _one_by_one = self.0.asking.lock().await;
        let owner = Owner::from(&wanted.caller);
        if self.of(&owner).await?.len() >= self.0.config.of_one_person {
            return Err(NotTaken::TooMany);
        }
        if self.making(|making| making.len()) >= MOST_WAITING + self.0.config.at_once {
            return Err(NotTaken::Busy);
        }
        if self.free(|_| false).await? < LEAST_ROOM {
            return Err(NotTaken::Full);
        }
        let request_id = wanted.audit.request_id.clone();
        self.0.log.append(wanted.audit).await?;
        let now = self.0.clock.now();
        let words = Mutex::new("Waiting".to_owned());
        let progress = Arc::new(Progress { words, stop: CancellationToken::new() });
        let pack = Pack {
            id: wanted.id,
            owner,
            patient: wanted.patient,
            reason: wanted.reason,
            reference: wanted.reference,
            asked_at: now,
            expires_at: self.expiry(now),
            stage: Stage::Making,
            progress: Some(progress.clone()),
        };
        // First: what nobody makes is swept away.
        self.making(|making| making.insert(pack.id, progress.clone()));
        if let Err(error) = self.0.store.keep(&pack).await {
            self.making(|making| making.remove(&pack.id));
            return Err(error.into());
        }
        let job = Job {
            pack: pack.clone(),
            caller: wanted.caller,
            purpose: wanted.purpose,
            progress,
            request_id,
        };
        if self.0.queue.send(job).is_err() {
            // The process ends: the pack is told to be broken off.
            self.making(|making| making.remove(&pack.id));
        }
        Ok(pack)
    }

    /// A pack whose time is not over; `None` of one that is not there, or is somebody else's.
    pub(crate) async fn pack(&self, id: Uuid, owner: &Owner) -> io::Result<Option<Pack>> {
        let now = self.0.clock.now();
        // First: what is not being made any more has its end in the store.
        let progress = self.making(|making| making.get(&id).cloned());
        let pack = self.0.store.pack(id).await?.map(|pack| Pack { progress, ..pack });
        Ok(pack.filter(|pack| pack.owner == *owner && pack.is_kept(now)))
    }

    /// Whose a pack is, where it is somebody else's.
    pub(crate) async fn is_of_another(&self, id: Uuid, owner: &Owner) -> io::Result<bool> {
        Ok(self.0.store.pack(id).await?.is_some_and(|pack| pack.owner != *owner))
    }

    /// The packs of somebody, the newest first.
    pub(crate) async fn of(&self, owner: &Owner) -> io::Result<Vec<Pack>> {
        let now = self.0.clock.now();
        let mut making = self.making(|making| making.clone());
        let mut packs = self.0.store.all().await?;
        for pack in &mut packs {
            pack.progress = making.remove(&pack.id);
        }
        packs.retain(|pack| pack.owner == *owner && pack.is_kept(now));
        Ok(packs)
    }

    /// The bytes of one that was made, so many.
    ///
    /// # Errors
    /// `InvalidData` when they were altered since.
    pub(crate) async fn bytes(&self, id: Uuid, size: u64) -> io::Result<ByteStream<io::Error>> {
        self.0.store.bytes(id, size).await
    }

    /// Stops the making of a pack, and removes it.
    pub(crate) async fn remove(&self, id: Uuid) -> io::Result<()> {
        if let Some(progress) = self.making(|making| making.remove(&id)) {
            progress.stop.cancel();
        }
        self.0.store.remove(id).await
    }

    /// Removes the bytes of a pack that may not be given out any more, and says so from then on.
    pub(crate) async fn withdraw(&self, pack: &Pack) -> io::Result<()> {
        let _one_by_one = self.0.asking.lock().await;
        self.0.store.remove_bytes(pack.id).await?;
        self.0.store.keep(&Pack { stage: Stage::Withdrawn, ..pack.clone() }).await
    }

    /// Room for a pack that is to be made; none where all together have no more.
    async fn reserve(&self, id: Uuid) -> io::Result<Option<Room>> {
        let _one_by_one = self.0.asking.lock().await;
        let reserved = self.reserved(|reserved| reserved.clone());
        let free = self.free(|id| reserved.contains_key(&id)).await?;
        let free = free.saturating_sub(reserved.values().sum());
        let most = free.min(mib(self.0.config.max_mib));
        if most < LEAST_ROOM {
            return Ok(None);
        }
        self.reserved(|reserved| reserved.insert(id, most));
        Ok(Some(Room { packs: self.clone(), id, most }))
    }

    /// The bytes that all together may take more, but for those of packs that are counted otherwise.
    async fn free(&self, is_counted: impl Fn(Uuid) -> bool) -> io::Result<u64> {
        let taken = self.0.store.taken(is_counted).await?;
        Ok(mib(self.0.config.max_total_mib).saturating_sub(taken))
    }

    fn reserved<T>(&self, with: impl FnOnce(&mut HashMap<Uuid, u64>) -> T) -> T {
        with(&mut self.0.reserved.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn expiry(&self, now: Timestamp) -> Timestamp {
        let keep = SignedDuration::from_secs(i64::from(self.0.config.keep_seconds));
        now.checked_add(keep).unwrap_or(Timestamp::MAX)
    }

    fn making<T>(&self, with: impl FnOnce(&mut HashMap<Uuid, Arc<Progress>>) -> T) -> T {
        with(&mut self.0.making.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn sweep(&self) {
        let is_making = |id| self.making(|making| making.contains_key(&id));
        if let Err(error) = self.0.store.sweep(self.0.clock.now(), is_making).await {
            tracing::warn!(%error, "access packs whose time is over could not be removed");
        }
    }
}

impl Portal {
    /// Makes the packs that are asked for, some at a time, and removes those whose time is over, until
    /// `draining`. What is being made then is broken off, and said to be.
    pub async fn keep_making_packs(self, draining: CancellationToken) {
        let Some(packs) = self.access_packs.clone() else { return };
        let jobs = packs.0.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut jobs) = jobs else { return };
        let (mut waiting, mut made) = (VecDeque::<Job>::new(), FuturesUnordered::new());
        packs.sweep().await;
        loop {
            // One that was removed meanwhile keeps no place.
            waiting.retain(|job| !job.progress.stop.is_cancelled());
            while made.len() < packs.0.config.at_once
                && let Some(job) = waiting.pop_front()
            {
                made.push(self.make_in_peace(&packs, job, &draining));
            }
            tokio::select! {
                () = draining.cancelled() => break,
                Some(job) = jobs.recv() => waiting.push_back(job),
                Some(()) = made.next(), if !made.is_empty() => {}
                () = tokio::time::sleep(SWEEP) => packs.sweep().await,
            }
        }
        // What they have sent is recorded.
        while made.next().await.is_some() {}
    }

    /// What goes wrong with one pack does no harm to others.
    async fn make_in_peace(&self, packs: &AccessPacks, job: Job, draining: &CancellationToken) {
        let id = job.pack.id;
        let making = self.make_pack(packs, job, draining);
        if AssertUnwindSafe(making).catch_unwind().await.is_err() {
            tracing::error!(pack = %id, "the making of an access pack panicked");
            packs.making(|making| making.remove(&id));
        }
    }
}

fn mib(n: u64) -> u64 {
    n.saturating_mul(1 << 20)
}

/// Packs that wait, of all people.
const MOST_WAITING: usize = 32;
/// With less, a pack is not begun.
const LEAST_ROOM: u64 = 1 << 20;
/// Between two looks for packs whose time is over. They are not given out meanwhile.
const SWEEP: std::time::Duration = std::time::Duration::from_secs(30);
