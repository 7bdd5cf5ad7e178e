use carerecord_storage::{Connection, Database, StoreError, sql};
use ct_merkle::digest::Output;
use ct_merkle::{RootHash, indices_for_consistency_proof, indices_for_inclusion_proof};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use super::entry::{Columns, ENTRIES};
use super::reader::as_i64;
use super::{Endorsement, EntryRow, HeadError, KeyId, KeyRing, NodeReader, SignedHead, TreeHash};
use crate::store;

/// That a record lies under a head. RFC 9162, 2.1.3.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InclusionProof {
    /// The record's number, from 1.
    pub seq: u64,
    /// The record as it is a leaf.
    pub entry: String,
    /// The head.
    pub head: SignedHead,
    /// PATH(seq − 1, D[tree_size]).
    pub hashes: Vec<TreeHash>,
    /// The public keys of the log.
    pub keys: Vec<Endorsement>,
}

/// That one head's records begin with all of another's. RFC 9162, 2.1.4.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyProof {
    /// The smaller one.
    pub old: SignedHead,
    /// The larger one.
    pub new: SignedHead,
    /// PROOF(old.tree_size, D[new.tree_size]).
    pub hashes: Vec<TreeHash>,
    /// The public keys of the log.
    pub keys: Vec<Endorsement>,
}

impl InclusionProof {
    /// Checks the head's signature and the path.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub fn verify(&self, mut ring: KeyRing) -> Result<(), ProofError> {
        ring.learn(&self.keys);
        let root = root_of(&self.head, &ring)?;
        let index = self.seq.checked_sub(1).filter(|i| *i < LARGEST).ok_or(ProofError::Wrong)?;
        let proof = ct_merkle::InclusionProof::try_from_bytes(joined(&self.hashes));
        let proof = proof.map_err(|_| ProofError::Wrong)?;
        root.verify_inclusion(&self.entry, index, &proof).map_err(|_| ProofError::Wrong)
    }
}

impl ConsistencyProof {
    /// Checks both signatures and the proof.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub fn verify(&self, mut ring: KeyRing) -> Result<(), ProofError> {
        ring.learn(&self.keys);
        if self.old.head.log != self.new.head.log {
            return Err(ProofError::OtherLog);
        }
        let (old, new) = (root_of(&self.old, &ring)?, root_of(&self.new, &ring)?);
        let proof = ct_merkle::ConsistencyProof::try_from_bytes(joined(&self.hashes));
        let proof = proof.map_err(|_| ProofError::Wrong)?;
        new.verify_consistency(&old, &proof).map_err(|_| ProofError::Wrong)
    }
}

/// Proves that a record is in the log, under the newest head.
///
/// # Errors
/// When there is no such record, or no head is over it yet.
pub async fn prove_inclusion(database: &Database, seq: u64) -> Result<InclusionProof, ProofError> {
    let mut c = database.snapshot().await?;
    let number = as_i64(seq)?;
    let row: Option<Columns> = sql(ENTRIES).bind(number).bind(number).first(&mut c).await?;
    let row = EntryRow::from(row.ok_or(ProofError::NoRecord)?);
    let head = store::last_head(&mut c).await?.filter(|h| h.head.tree_size >= seq);
    let head = head.ok_or(ProofError::NotYet)?;
    let size = head.head.tree_size;
    let hashes = hashes(&mut c, size, indices_for_inclusion_proof(size, seq - 1)).await?;
    let entry = String::from_utf8(row.entry.to_bytes()?).map_err(|_| ProofError::Wrong)?;
    Ok(InclusionProof { seq, entry, head, hashes, keys: store::keys(&mut c).await? })
}

/// Proves that nothing changed between two heads, told by their sizes.
///
/// # Errors
/// When there is no head of such a size.
pub async fn prove_consistency(
    database: &Database,
    old: u64,
    new: u64,
) -> Result<ConsistencyProof, ProofError> {
    let mut c = database.snapshot().await?;
    let mut heads = Vec::new();
    for size in [old, new] {
        let head = store::head_of_size(&mut c, size).await?;
        heads.push(head.ok_or(ProofError::NoHead(size))?);
    }
    let (Some(new_head), Some(old_head)) = (heads.pop(), heads.pop()) else {
        return Err(ProofError::NoHead(old));
    };
    let more = new.checked_sub(old).filter(|_| old > 0).ok_or(ProofError::Order)?;
    let hashes = hashes(&mut c, new, indices_for_consistency_proof(old, more)).await?;
    let keys = store::keys(&mut c).await?;
    Ok(ConsistencyProof { old: old_head, new: new_head, hashes, keys })
}

/// The number of the record of this id. Ids of records are made in the order of time, so a search by
/// halves comes near it.
///
/// # Errors
/// When the database cannot be read.
pub async fn seq_of_id(database: &Database, id: Uuid) -> Result<Option<u64>, StoreError> {
    let mut c = database.snapshot().await?;
    let begun = match id.get_timestamp() {
        Some(time) => {
            let (seconds, nanos) = time.to_unix();
            i64::try_from(seconds).unwrap_or(i64::MAX / 2000).saturating_mul(1000)
                + i64::from(nanos / 1_000_000)
        }
        None => i64::MIN,
    };
    let pattern = format!("{{\"id\":\"{id}\"%");
    let last = store::last_seq(&mut c).await?;
    let near = first_since(&mut c, begun, last).await?;
    let far = first_since(&mut c, begun.saturating_sub(SLACK_MS), last).await?;
    // Nearly always it is among the first that are as new as the id.
    for (from, to) in [(near.saturating_sub(NEAR / 10), near + NEAR), (far, i64::MAX)] {
        let found = sql(BY_ID).bind(from).bind(to).bind(&pattern);
        let found: Option<(i64,)> = found.first(&mut c).await?;
        if let Some(seq) = found.and_then(|(seq,)| u64::try_from(seq).ok()) {
            return Ok(Some(seq));
        }
    }
    Ok(None)
}

/// Behind which record those begin that are as new as this, as far as records stand in the order of
/// time.
async fn first_since(c: &mut Connection, since: i64, last: i64) -> Result<i64, StoreError> {
    let (mut low, mut high) = (0, last);
    while low < high {
        let middle = low + (high - low) / 2;
        let at = sql("SELECT recorded_at FROM audit_event WHERE seq = $1").bind(middle + 1);
        let at: Option<(i64,)> = at.first(&mut *c).await?;
        if at.is_some_and(|(at,)| at < since) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// The hashes at these places of an array-based tree (RFC 9420, appendix C) of so many leaves.
async fn hashes(
    c: &mut Connection,
    size: u64,
    places: Vec<u64>,
) -> Result<Vec<TreeHash>, StoreError> {
    let mut reader = NodeReader::new(c);
    let mut hashes = Vec::with_capacity(places.len());
    for place in places {
        let level = place.trailing_ones();
        let number = place >> (level + 1);
        let (from, to) = (number << level, (number + 1) << level);
        hashes.push(reader.root(from, to.min(size)).await?);
    }
    Ok(hashes)
}

fn root_of(head: &SignedHead, ring: &KeyRing) -> Result<RootHash<Sha256>, ProofError> {
    let key = ring.get(&head.key).ok_or_else(|| ProofError::UnknownKey(head.key.clone()))?;
    head.verify(key)?;
    if head.head.tree_size > LARGEST {
        return Err(ProofError::Wrong);
    }
    Ok(RootHash::new(Output::<Sha256>::from(head.head.root.0), head.head.tree_size))
}

fn joined(hashes: &[TreeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// Why there is no proof, or it proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// No such record.
    #[error("there is no such record")]
    NoRecord,
    /// The record is newer than the newest head.
    #[error(
        "no signed head is over the record yet: one is made within seconds while the role runs"
    )]
    NotYet,
    /// No such head.
    #[error("there is no signed head over exactly {0} records")]
    NoHead(u64),
    /// The old one is to be the smaller one, of at least one record.
    #[error("the first head is to be the older one, over at least one record")]
    Order,
    /// Nobody trusted vouches for the key.
    #[error(
        "the head is signed by the key {0}, which is not one that was given and none vouches for"
    )]
    UnknownKey(KeyId),
    /// The head is not to be believed.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The heads are of different logs.
    #[error("the heads are of different logs")]
    OtherLog,
    /// The hashes do not lead to the root.
    #[error("the proof does not lead to the root that was signed")]
    Wrong,
    /// The database cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// More records than a database can number; far below what the arithmetic of trees can take.
const LARGEST: u64 = 1 << 62;
/// Clocks of several processes, and records that waited for each other.
const SLACK_MS: i64 = 60_000;
const NEAR: i64 = 2000;

const BY_ID: &str = "
    SELECT seq FROM audit_event WHERE seq > $1 AND seq <= $2 AND record LIKE $3
    ORDER BY seq LIMIT 1";

#[cfg(test)]
mod tests {
    use ct_merkle::mem_backed_tree::MemoryBackedTree;

    use super::*;
    use crate::testing::{Log, RING};

    /// On each database the proofs are those of a tree in memory, and verify.
    #[tokio::test]
    async fn proofs_are_those_of_the_whole_tree() {
        for log in Log::on_each().await {
            let mut tree: MemoryBackedTree<Sha256, String> = MemoryBackedTree::new();
            log.append(1, 700).await;
            for size in [1u64, 2, 3, 255, 256, 257, 512, 699, 700] {
                log.seal_at(size).await;
            }
            for entry in log.entries().await {
                tree.push(entry);
            }
            assert_eq!(tree.root().as_bytes().as_slice(), log.root().await.0);

            for seq in [1, 2, 255, 256, 257, 300, 512, 513, 699, 700] {
                let proof = prove_inclusion(&log.database, seq).await.unwrap();
                let expected = tree.prove_inclusion(usize::try_from(seq - 1).unwrap());
                assert_eq!(joined(&proof.hashes), expected.as_bytes(), "{seq}");
                proof.verify(RING()).unwrap();
            }
            for (old, new) in
                [(1, 2), (2, 3), (3, 700), (255, 256), (256, 512), (257, 700), (700, 700)]
            {
                let proof = prove_consistency(&log.database, old, new).await.unwrap();
                proof.verify(RING()).unwrap();
            }
            let expected = tree.prove_consistency(700 - 257);
            let proof = prove_consistency(&log.database, 257, 700).await.unwrap();
            assert_eq!(joined(&proof.hashes), expected.as_bytes());
            assert!(matches!(prove_inclusion(&log.database, 701).await, Err(ProofError::NoRecord)));
            assert!(matches!(
                prove_consistency(&log.database, 4, 700).await,
                Err(ProofError::NoHead(4))
            ));
        }
    }

    #[tokio::test]
    async fn a_proof_of_something_else_proves_nothing() {
        let log = Log::sqlite().await;
        log.append(1, 300).await;
        log.seal_at(100).await;
        log.seal_at(300).await;
        let proof = prove_inclusion(&log.database, 17).await.unwrap();
        let changes: [fn(&mut InclusionProof); 7] = [
            |p| p.entry = p.entry.replace("success", "refused"),
            |p| p.seq = 18,
            |p| p.seq = 0,
            |p| p.seq = u64::MAX,
            |p| p.hashes.truncate(3),
            |p| p.hashes[2].0[0] ^= 1,
            |p| p.head.head.tree_size = 1 << 63,
        ];
        for change in changes {
            let mut changed = proof.clone();
            change(&mut changed);
            assert!(changed.verify(RING()).is_err());
        }
        assert!(matches!(proof.verify(KeyRing::default()), Err(ProofError::UnknownKey(_))));

        let proof = prove_consistency(&log.database, 100, 300).await.unwrap();
        let mut swapped = proof.clone();
        std::mem::swap(&mut swapped.old, &mut swapped.new);
        assert!(swapped.verify(RING()).is_err());
        let mut other = proof;
        other.hashes[0].0[1] ^= 1;
        assert!(other.verify(RING()).is_err());
    }

    #[tokio::test]
    async fn a_record_is_found_by_its_id() {
        for log in Log::on_each().await {
            log.append(1, 40).await;

            assert_eq!(seq_of_id(&log.database, Log::id(33)).await.unwrap(), Some(33));
            assert_eq!(seq_of_id(&log.database, Uuid::nil()).await.unwrap(), None);
        }
    }
}
