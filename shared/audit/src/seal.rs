//! Signing heads: what was appended since the last one goes into the tree.

use std::sync::Arc;
use std::time::Duration;

use carerecord_model::{Clock, IdSource};
use carerecord_storage::{Database, StoreError};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::store;
use crate::tree::{
    Endorsement, Frontier, Node, NodeReader, SignedHead, SigningKey, TreeHead, as_i64, leaves,
};
use crate::witness::Witness;

/// The key that signs now, and how the keys before vouch for it, the oldest first.
#[derive(Debug)]
pub struct SigningKeys {
    /// The key.
    pub key: SigningKey,
    /// Every key up to this one.
    pub endorsements: Vec<Endorsement>,
}

/// Reads the keys anew for each head, so that a key can be changed while the process runs.
pub type KeySource = Arc<dyn Fn() -> std::io::Result<SigningKeys> + Send + Sync>;

/// When heads are signed.
#[derive(Clone, Copy, Debug)]
pub struct SealTimes {
    /// At the latest so long after a record.
    pub every: Duration,
    /// At the latest after so many records.
    pub records: u64,
}

/// Signs the heads of one log, and tells witnesses.
pub struct Sealer {
    database: Database,
    keys: KeySource,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    witnesses: Vec<Arc<dyn Witness>>,
    /// The right edge under the last head, where it is known.
    edge: Mutex<Option<Frontier>>,
}

impl Sealer {
    /// A sealer of the log in this database.
    pub fn new(
        database: Database,
        keys: KeySource,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        witnesses: Vec<Arc<dyn Witness>>,
    ) -> Self {
        Self { database, keys, clock, ids, witnesses, edge: Mutex::default() }
    }

    /// Signs heads and tells witnesses until `draining`. The last head is for `finish` to sign, when
    /// nobody appends any more.
    pub async fn run(&self, times: SealTimes, draining: CancellationToken) {
        let mut waiting = Duration::ZERO;
        loop {
            tokio::select! {
                () = draining.cancelled() => return,
                () = tokio::time::sleep(TICK) => waiting += TICK,
            }
            if waiting >= times.every || self.unsealed().await >= times.records {
                waiting = Duration::ZERO;
                self.seal_and_publish().await;
            }
        }
    }

    /// Signs the last head, and tells witnesses what they can be told at once.
    pub async fn finish(&self) {
        if tokio::time::timeout(FINISH, self.seal_and_publish()).await.is_err() {
            tracing::warn!("a witness of the audit log did not take the last heads in time");
        }
    }

    async fn seal_and_publish(&self) {
        loop {
            match self.seal().await {
                Ok(Some(_)) => {}
                Ok(None) => break,
                // Another process has just signed: the next round goes on from its head.
                Err(SealError::Raced) => break,
                Err(error) => {
                    tracing::error!(%error, "no head of the audit log could be signed");
                    break;
                }
            }
        }
        for witness in &self.witnesses {
            if let Err(error) = witness.publish(&self.database).await {
                let name = witness.name();
                tracing::warn!(%error, witness = name, "a witness of the audit log is behind");
            }
        }
    }

    async fn unsealed(&self) -> u64 {
        let sealed = self.edge.lock().await.as_ref().map_or(0, Frontier::size);
        let Ok(mut c) = self.database.reader().await else { return 0 };
        let last = store::last_seq(&mut c).await.unwrap_or_default();
        u64::try_from(last).unwrap_or_default().saturating_sub(sealed)
    }

    /// Signs a head over what has been appended since the last one, at most `CHUNK` records; `None`
    /// when there is nothing.
    ///
    /// # Errors
    /// When the log does not continue what was signed: then nothing is signed any more.
    pub async fn seal(&self) -> Result<Option<SignedHead>, SealError> {
        self.seal_to(u64::MAX).await
    }

    /// As `seal`, up to record `most`.
    pub(crate) async fn seal_to(&self, most: u64) -> Result<Option<SignedHead>, SealError> {
        let mut edge = self.edge.lock().await;
        let last = {
            let mut c = self.database.reader().await?;
            store::last_head(&mut c).await?
        };
        let sealed = last.as_ref().map_or(0, |h| h.head.tree_size);
        if let Some(known) = edge.as_ref().map(Frontier::size).filter(|known| *known > sealed) {
            return Err(SealError::Back(known));
        }
        if edge.as_ref().is_none_or(|e| e.size() != sealed) {
            *edge = Some(self.restore(last.as_ref()).await?);
        }
        let Some(mut frontier) = edge.clone() else { return Ok(None) };
        let mut nodes = Vec::new();
        self.integrate(&mut frontier, &mut nodes, most.min(sealed.saturating_add(CHUNK))).await?;
        if frontier.size() == sealed {
            return Ok(None);
        }
        let after = last.map_or(i64::MIN, |h| h.head.timestamp);
        let signed = self.sign(&frontier, nodes, sealed, after).await?;
        *edge = Some(frontier);
        Ok(Some(signed))
    }

    /// The right edge under the last head, if the records are those that were signed.
    async fn restore(&self, last: Option<&SignedHead>) -> Result<Frontier, SealError> {
        let Some(last) = last else { return Ok(Frontier::default()) };
        let mut c = self.database.snapshot().await?;
        let size = last.head.tree_size;
        let frontier = NodeReader::new(&mut c).frontier(size).await?;
        if frontier.root() == last.head.root { Ok(frontier) } else { Err(SealError::Broken(size)) }
    }

    async fn integrate(
        &self,
        frontier: &mut Frontier,
        nodes: &mut Vec<Node>,
        most: u64,
    ) -> Result<(), SealError> {
        let mut c = self.database.snapshot().await?;
        while frontier.size() < most {
            let from = frontier.size();
            let to = most.min(from + PAGE);
            let page = leaves(&mut c, as_i64(from + 1)?, as_i64(to)?).await?;
            let count = page.len() as u64;
            for leaf in page {
                frontier.push(leaf, &mut |node| nodes.push(node));
            }
            if count < to - from {
                let last = u64::try_from(store::last_seq(&mut c).await?).unwrap_or_default();
                return if last <= from + count {
                    Ok(())
                } else {
                    Err(SealError::Gap(from + count + 1))
                };
            }
        }
        Ok(())
    }

    async fn sign(
        &self,
        frontier: &Frontier,
        nodes: Vec<Node>,
        before: u64,
        after: i64,
    ) -> Result<SignedHead, SealError> {
        let keys = (self.keys)().map_err(SealError::Key)?;
        let timestamp = self.clock.now().as_millisecond().max(after);
        let (tree_size, root) = (frontier.size(), frontier.root());
        let name = self.ids.random();
        self.database
            .write(move |c| {
                Box::pin(async move {
                    let last = store::last_head(&mut *c).await?;
                    if last.map_or(0, |h| h.head.tree_size) != before {
                        return Err(SealError::Raced);
                    }
                    let log = match store::log_id(&mut *c).await? {
                        Some(log) => log,
                        None => {
                            store::name_log(&mut *c, name).await?;
                            name
                        }
                    };
                    let signed = TreeHead { log, tree_size, timestamp, root }.sign(&keys.key);
                    store::insert_keys(&mut *c, &keys.endorsements).await?;
                    store::insert_nodes(&mut *c, &nodes).await?;
                    store::insert_head(&mut *c, &signed).await?;
                    Ok(signed)
                })
            })
            .await
    }
}

/// Why no head was signed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The records under the last head are not those that were signed.
    #[error("the records up to {0} are not those that were signed: run `carerecord audit verify`")]
    Broken(u64),
    /// A head that was signed is gone.
    #[error("the head over {0} records is gone: run `carerecord audit verify`")]
    Back(u64),
    /// A record is missing.
    #[error("record {0} is missing: run `carerecord audit verify`")]
    Gap(u64),
    /// Another process signed a head just now.
    #[error("another process signed a head")]
    Raced,
    /// The key cannot be had.
    #[error("the key cannot be used")]
    Key(#[source] std::io::Error),
    /// The database refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const TICK: Duration = Duration::from_secs(1);
/// How long the witnesses may take at the end of the process.
const FINISH: Duration = Duration::from_secs(5);
/// Records under one head at most. A log that is older than the tree gets many heads at first.
const CHUNK: u64 = 100_000;
const PAGE: u64 = 1024;
