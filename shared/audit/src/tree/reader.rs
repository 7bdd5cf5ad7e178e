use std::collections::HashMap;

use carerecord_storage::{Connection, StoreError, sql};

use super::entry::{Columns, ENTRIES};
use super::{EntryRow, Frontier, LEVELS_APART, TreeHash};

/// Reads the tree of a database, 256 hashes at a time.
pub(crate) struct NodeReader<'c> {
    connection: &'c mut Connection,
    /// By level in steps of `LEVELS_APART`, and number of the tile.
    tiles: HashMap<(u32, u64), Vec<TreeHash>>,
}

impl<'c> NodeReader<'c> {
    pub(crate) fn new(connection: &'c mut Connection) -> Self {
        Self { connection, tiles: HashMap::new() }
    }

    /// The right edge of the tree of the first so many records, all of them under a head.
    pub(crate) async fn frontier(&mut self, size: u64) -> Result<Frontier, StoreError> {
        self.over(0, size).await
    }

    /// MTH(D[from:to]) of RFC 9162, 2.1.1, where `from` is a multiple of the power of two at or above
    /// their difference, and everything up to `to` is under a head.
    pub(crate) async fn root(&mut self, from: u64, to: u64) -> Result<TreeHash, StoreError> {
        Ok(self.over(from, to).await?.root())
    }

    async fn over(&mut self, from: u64, to: u64) -> Result<Frontier, StoreError> {
        let mut frontier = Frontier::default();
        let mut at = from;
        while at < to {
            let mut step = 0;
            while fits(step + 1, at, to) {
                step += 1;
            }
            let hash = self.kept(step, at >> (step * LEVELS_APART)).await?;
            frontier.push_subtree(step * LEVELS_APART, hash, &mut |_| ());
            at += 1 << (step * LEVELS_APART);
        }
        Ok(frontier)
    }

    async fn kept(&mut self, step: u32, number: u64) -> Result<TreeHash, StoreError> {
        let tile = number / TILE;
        if !self.tiles.contains_key(&(step, tile)) {
            let first = as_i64(tile * TILE)?;
            let hashes = if step == 0 {
                leaves(self.connection, first + 1, first + TILE as i64).await?
            } else {
                nodes(self.connection, step, first).await?
            };
            self.tiles.insert((step, tile), hashes);
        }
        let within = usize::try_from(number % TILE).unwrap_or(usize::MAX);
        let hash = self.tiles.get(&(step, tile)).and_then(|tile| tile.get(within));
        hash.copied().ok_or_else(|| {
            let what = format!("node {number} of level {step} of the tree is missing");
            StoreError::Row("audit_node", "hash", what)
        })
    }
}

/// Whether a kept node of this level begins here and ends in time.
fn fits(step: u32, at: u64, to: u64) -> bool {
    let leaves = 1u64.checked_shl(step * LEVELS_APART);
    leaves.is_some_and(|n| at.is_multiple_of(n) && to - at >= n)
}

async fn nodes(c: &mut Connection, step: u32, first: i64) -> Result<Vec<TreeHash>, StoreError> {
    let last = first + TILE as i64 - 1;
    let rows: Vec<(i64, Vec<u8>)> =
        sql(NODES).bind(step).bind(first).bind(last).all(&mut *c).await?;
    in_order(rows, first, "audit_node")
}

/// The leaves of records from one number to another, both included, or as far as there are records.
/// Those of records older than the tree are made from the row.
pub(crate) async fn leaves(
    c: &mut Connection,
    first: i64,
    last: i64,
) -> Result<Vec<TreeHash>, StoreError> {
    let rows: Vec<(i64, Option<Vec<u8>>)> = sql(LEAVES).bind(first).bind(last).all(&mut *c).await?;
    if rows.iter().all(|(_, leaf)| leaf.is_some()) {
        let rows = rows.into_iter().filter_map(|(seq, leaf)| Some((seq, leaf?))).collect();
        return in_order(rows, first, "audit_event");
    }
    let rows: Vec<Columns> = sql(ENTRIES).bind(first).bind(last).all(&mut *c).await?;
    let rows =
        rows.into_iter().map(EntryRow::from).map(|row| Ok((row.seq, row.entry.leaf()?.0.to_vec())));
    in_order(rows.collect::<Result<_, StoreError>>()?, first, "audit_event")
}

fn in_order(
    rows: Vec<(i64, Vec<u8>)>,
    first: i64,
    table: &'static str,
) -> Result<Vec<TreeHash>, StoreError> {
    let mut hashes = Vec::with_capacity(rows.len());
    for ((number, hash), expected) in rows.into_iter().zip(first..) {
        if number != expected {
            return Err(StoreError::Row(table, "number", format!("{expected} is missing")));
        }
        let hash = hash.as_slice().try_into();
        hashes.push(hash.map_err(|_| StoreError::Row(table, "hash", "not a hash".into()))?);
    }
    Ok(hashes)
}

pub(crate) fn as_i64(n: u64) -> Result<i64, StoreError> {
    i64::try_from(n).map_err(|_| StoreError::Row("audit_event", "seq", "too large".into()))
}

const TILE: u64 = 1 << LEVELS_APART;

const NODES: &str = "
    SELECT node_no, hash FROM audit_node WHERE level = $1 AND node_no BETWEEN $2 AND $3
    ORDER BY node_no";

const LEAVES: &str = "SELECT seq, leaf FROM audit_event WHERE seq BETWEEN $1 AND $2 ORDER BY seq";
