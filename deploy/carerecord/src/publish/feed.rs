use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Acknowledged, KeyMaker, Row, Rows};

/// A row that is new to this run, with its key.
pub struct NewRow {
    pub row: Row,
    pub key: u128,
}

/// Passes on the rows that no earlier run has done. Whether it came to their end.
///
/// # Errors
/// When they cannot be read on.
pub fn feed(
    rows: Rows,
    keys: &KeyMaker,
    done: &Acknowledged,
    except: Option<&Path>,
    send: &mpsc::Sender<NewRow>,
    skipped: &AtomicU64,
    stop: &CancellationToken,
) -> anyhow::Result<bool> {
    for row in rows {
        let row = row?;
        if stop.is_cancelled() {
            return Ok(false);
        }
        let own = |path: &Path| {
            row.path.file_name() == path.file_name()
                && row.path.canonicalize().is_ok_and(|p| p == path)
        };
        // The outcomes themselves may lie in a folder that is published.
        if row.line.is_none() && except.is_some_and(own) {
            continue;
        }
        let key = keys.key(&row);
        if done.has(key) {
            skipped.fetch_add(1, Ordering::Relaxed);
        } else if send.blocking_send(NewRow { row, key }).is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}
