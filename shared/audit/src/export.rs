//! The log as a file that proves itself: JSON lines.
//!
//! First what the export is of, then the public keys, the signed heads, the records by number, and
//! the end. The bytes of `entry` are those of the leaf: `printf '\0'` and they, through `sha256sum`,
//! give its hash.

use std::io;

use carerecord_storage::{Connection, Database, StoreError, sql};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::store;
use crate::tree::{Columns, ENTRIES, Endorsement, EntryRow, SignedHead};

/// The first line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportHeader {
    /// The version of the form: 1.
    pub carerecord_audit_export: u32,
    /// Which log; none before its first head.
    pub log: Option<Uuid>,
    /// When it was read: milliseconds since 1970, UTC.
    pub exported_at: i64,
    /// How many records follow.
    pub records: u64,
}

/// The lines between the header and the records, and the last one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum ExportLine {
    Key(Endorsement),
    Head(SignedHead),
    End { records: u64 },
}

/// Why a log was not exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The database cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody takes the lines.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Gives the lines of a log, without line ends, as they all were at one instant. Returns how many
/// records there were.
///
/// # Errors
/// When the database cannot be read, or `line` fails.
pub async fn export(
    database: &Database,
    now: Timestamp,
    line: &mut (dyn FnMut(&[u8]) -> io::Result<()> + Send),
) -> Result<u64, ExportError> {
    let mut c = database.snapshot().await?;
    let header = ExportHeader {
        carerecord_audit_export: 1,
        log: store::log_id(&mut c).await?,
        exported_at: now.as_millisecond(),
        records: count(&mut c).await?,
    };
    line(&json(&header)?)?;
    for key in store::keys(&mut c).await? {
        line(&json(&ExportLine::Key(key))?)?;
    }
    let mut after = 0;
    loop {
        let heads = store::heads_after(&mut c, after, HEADS).await?;
        let Some(last) = heads.last() else { break };
        after = last.head.tree_size;
        for head in heads {
            line(&json(&ExportLine::Head(head))?)?;
        }
    }
    let records = records(&mut c, line).await?;
    line(&json(&ExportLine::End { records })?)?;
    Ok(records)
}

async fn records(
    c: &mut Connection,
    line: &mut (dyn FnMut(&[u8]) -> io::Result<()> + Send),
) -> Result<u64, ExportError> {
    let (mut after, last) = (first_seq(c).await? - 1, store::last_seq(c).await?);
    let (mut count, mut buffer) = (0, Vec::new());
    while after < last {
        let rows: Vec<Columns> =
            sql(ENTRIES).bind(after + 1).bind(after + PAGE).all(&mut *c).await?;
        for row in rows.into_iter().map(EntryRow::from) {
            buffer.clear();
            write_record(&mut buffer, &row)?;
            line(&buffer)?;
            count += 1;
        }
        after += PAGE;
    }
    Ok(count)
}

/// A record's line. Its form is fixed to the byte, so that reading it back is cheap.
pub(crate) fn write_record(buffer: &mut Vec<u8>, row: &EntryRow) -> Result<(), ExportError> {
    use io::Write as _;
    write!(buffer, "{{\"seq\":{},\"hash\":\"", row.seq)?;
    for byte in &row.chain {
        write!(buffer, "{byte:02x}")?;
    }
    buffer.extend(b"\",\"entry\":");
    buffer.extend(row.entry.to_bytes()?);
    buffer.push(b'}');
    Ok(())
}

async fn count(c: &mut Connection) -> Result<u64, StoreError> {
    let count = sql("SELECT CAST(count(*) AS BIGINT) FROM audit_event").number(c).await?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// 1, unless somebody was here.
async fn first_seq(c: &mut Connection) -> Result<i64, StoreError> {
    sql("SELECT CAST(COALESCE(min(seq), 1) AS BIGINT) FROM audit_event").number(c).await
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, io::Error> {
    serde_json::to_vec(value).map_err(io::Error::from)
}

const PAGE: i64 = 1000;
const HEADS: u32 = 1000;
