//! The tables of the tree.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use carerecord_storage::{Connection, StoreError, insert_many, sql};
use uuid::Uuid;

use crate::tree::{Endorsement, KeyId, Node, PublicKey, SignedHead, TreeHead};

/// The name of the log; `None` before its first head.
pub(crate) async fn log_id(c: &mut Connection) -> Result<Option<Uuid>, StoreError> {
    let row: Option<(Vec<u8>,)> = sql("SELECT log_id FROM audit_log_identity").first(c).await?;
    row.map(|(id,)| Uuid::from_slice(&id).map_err(|e| wrong("audit_log_identity", "log_id", e)))
        .transpose()
}

pub(crate) async fn name_log(c: &mut Connection, id: Uuid) -> Result<(), StoreError> {
    let statement = sql("INSERT INTO audit_log_identity (only_row, log_id) VALUES (1, $1)");
    statement.bind(id).run(c).await.map(drop)
}

/// The number of the newest record; 0 when there is none.
pub(crate) async fn last_seq(c: &mut Connection) -> Result<i64, StoreError> {
    sql("SELECT CAST(COALESCE(max(seq), 0) AS BIGINT) FROM audit_event").number(c).await
}

type HeadRow = (i64, i64, Vec<u8>, String, Vec<u8>);

fn head(log: Uuid, row: HeadRow) -> Result<SignedHead, StoreError> {
    let (tree_size, timestamp, root, key, signature) = row;
    let tree_size = u64::try_from(tree_size).map_err(|e| wrong("audit_head", "tree_size", e))?;
    let root = root.as_slice().try_into().map_err(|e| wrong("audit_head", "root", e))?;
    let head = TreeHead { log, tree_size, timestamp, root };
    Ok(SignedHead { head, key: KeyId::stored(key), signature: BASE64.encode(signature) })
}

pub(crate) async fn last_head(c: &mut Connection) -> Result<Option<SignedHead>, StoreError> {
    one_head(c, i64::MAX, LAST_HEAD).await
}

pub(crate) async fn head_of_size(
    c: &mut Connection,
    size: u64,
) -> Result<Option<SignedHead>, StoreError> {
    one_head(c, i64::try_from(size).unwrap_or(-1), HEAD_OF_SIZE).await
}

async fn one_head(
    c: &mut Connection,
    bound: i64,
    statement: &'static str,
) -> Result<Option<SignedHead>, StoreError> {
    let Some(log) = log_id(c).await? else { return Ok(None) };
    let row: Option<HeadRow> = sql(statement).bind(bound).first(c).await?;
    row.map(|row| head(log, row)).transpose()
}

/// At most so many heads over more than `after` records, the oldest first.
pub(crate) async fn heads_after(
    c: &mut Connection,
    after: u64,
    limit: u32,
) -> Result<Vec<SignedHead>, StoreError> {
    let Some(log) = log_id(c).await? else { return Ok(Vec::new()) };
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let rows: Vec<HeadRow> = sql(HEADS_AFTER).bind(after).bind(limit).all(c).await?;
    rows.into_iter().map(|row| head(log, row)).collect()
}

/// At most so many sizes of heads below this one, the largest first.
pub(crate) async fn sizes_before(
    c: &mut Connection,
    size: u64,
    limit: u32,
) -> Result<Vec<u64>, StoreError> {
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    let rows: Vec<(i64,)> = sql(SIZES_BEFORE).bind(size).bind(limit).all(c).await?;
    Ok(rows.into_iter().filter_map(|(size,)| u64::try_from(size).ok()).collect())
}

pub(crate) async fn insert_head(c: &mut Connection, signed: &SignedHead) -> Result<(), StoreError> {
    let size = crate::tree::as_i64(signed.head.tree_size)?;
    sql(INSERT_HEAD)
        .bind(size)
        .bind(signed.head.timestamp)
        .bind(signed.head.root.0.as_slice())
        .bind(signed.key.as_str())
        .bind(signed.signature_bytes())
        .run(c)
        .await
        .map(drop)
}

pub(crate) async fn insert_nodes(c: &mut Connection, nodes: &[Node]) -> Result<(), StoreError> {
    let mut rows = Vec::with_capacity(nodes.len());
    for node in nodes {
        let number = crate::tree::as_i64(node.number)?;
        rows.push(vec![node.level.into(), number.into(), node.hash.0.as_slice().into()]);
    }
    insert_many(c, "audit_node (level, node_no, hash)", rows).await
}

type KeyRow = (Vec<u8>, i64, Vec<u8>, Vec<u8>);

/// The public keys of the log, the oldest first.
pub(crate) async fn keys(c: &mut Connection) -> Result<Vec<Endorsement>, StoreError> {
    let rows: Vec<KeyRow> = sql(KEYS).all(c).await?;
    let key = |bytes: &[u8]| {
        PublicKey::from_bytes(bytes).map_err(|e| wrong("audit_key", "public_key", e))
    };
    rows.into_iter()
        .map(|(public, made_at, by, signature)| {
            let signature = BASE64.encode(signature);
            Ok(Endorsement { key: key(&public)?, made_at, by: key(&by)?, signature })
        })
        .collect()
}

/// Adds those that are not there yet.
pub(crate) async fn insert_keys(
    c: &mut Connection,
    endorsements: &[Endorsement],
) -> Result<(), StoreError> {
    let known = keys(c).await?;
    for e in endorsements.iter().filter(|e| known.iter().all(|k| k.key != e.key)) {
        sql(INSERT_KEY)
            .bind(e.key.as_bytes().as_slice())
            .bind(e.made_at)
            .bind(e.by.as_bytes().as_slice())
            .bind(e.signature_bytes())
            .run(c)
            .await?;
    }
    Ok(())
}

/// Up to which record somebody has been told; `None` who has never been.
pub(crate) async fn told(c: &mut Connection, name: &str) -> Result<Option<u64>, StoreError> {
    let row: Option<(i64,)> =
        sql("SELECT tree_size FROM audit_witness WHERE name = $1").bind(name).first(c).await?;
    Ok(row.and_then(|(size,)| u64::try_from(size).ok()))
}

/// Over how many records the last head was that this witness was given.
pub(crate) async fn witnessed(c: &mut Connection, name: &str) -> Result<u64, StoreError> {
    Ok(told(c, name).await?.unwrap_or(0))
}

/// At most so many records behind this number, as JSON.
pub(crate) async fn records_after(
    c: &mut Connection,
    after: u64,
    limit: u32,
) -> Result<Vec<(i64, String)>, StoreError> {
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    sql(RECORDS_AFTER).bind(after).bind(limit).all(c).await
}

pub(crate) async fn set_witnessed(
    c: &mut Connection,
    name: &str,
    size: u64,
) -> Result<(), StoreError> {
    sql(SET_WITNESSED).bind(name).bind(crate::tree::as_i64(size)?).run(c).await.map(drop)
}

/// Says where somebody begins who has never been told; who has been goes on.
pub(crate) async fn begin(c: &mut Connection, name: &str, size: u64) -> Result<(), StoreError> {
    sql(BEGIN).bind(name).bind(crate::tree::as_i64(size)?).run(c).await.map(drop)
}

fn wrong(table: &'static str, column: &'static str, error: impl ToString) -> StoreError {
    StoreError::Row(table, column, error.to_string())
}

const LAST_HEAD: &str = "
    SELECT tree_size, made_at, root, key_id, signature FROM audit_head
    WHERE tree_size <= $1 ORDER BY tree_size DESC LIMIT 1";

const HEAD_OF_SIZE: &str = "
    SELECT tree_size, made_at, root, key_id, signature FROM audit_head WHERE tree_size = $1";

const HEADS_AFTER: &str = "
    SELECT tree_size, made_at, root, key_id, signature FROM audit_head
    WHERE tree_size > $1 ORDER BY tree_size LIMIT $2";

const SIZES_BEFORE: &str = "
    SELECT tree_size FROM audit_head WHERE tree_size < $1 ORDER BY tree_size DESC LIMIT $2";

const INSERT_HEAD: &str = "
    INSERT INTO audit_head (tree_size, made_at, root, key_id, signature) VALUES ($1, $2, $3, $4, $5)";

const KEYS: &str = "
    SELECT public_key, made_at, signed_by, signature FROM audit_key ORDER BY made_at, public_key";

const INSERT_KEY: &str = "
    INSERT INTO audit_key (public_key, made_at, signed_by, signature) VALUES ($1, $2, $3, $4)";

const RECORDS_AFTER: &str =
    "SELECT seq, record FROM audit_event WHERE seq > $1 ORDER BY seq LIMIT $2";

const BEGIN: &str = "
    INSERT INTO audit_witness (name, tree_size) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";

const SET_WITNESSED: &str = "
    INSERT INTO audit_witness (name, tree_size) VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET tree_size = excluded.tree_size";
