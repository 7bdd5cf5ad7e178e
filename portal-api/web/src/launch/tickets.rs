use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use jiff::{SignedDuration, Timestamp};

use super::LaunchContext;
use crate::session::{SessionRow, SessionRows, SessionRowsError, open, seal};

/// Launches that have been taken and not been opened yet, beside the sessions: each under a ticket,
/// without which it cannot be read; and the ids of those that were taken.
pub(crate) struct Tickets(Arc<dyn SessionRows>);

impl Tickets {
    pub(crate) fn new(rows: Arc<dyn SessionRows>) -> Self {
        Self(rows)
    }

    /// Notes that a launch is taken; `false` when it has been before.
    pub(super) async fn note(
        &self,
        launcher: &str,
        id: &str,
        until: Timestamp,
    ) -> Result<bool, SessionRowsError> {
        let id_hash = derive(USED, &[launcher, id]);
        self.0.insert(SessionRow { id_hash, expires_at: until, data: Vec::new() }).await
    }

    /// Keeps a launch for who has the ticket.
    pub(super) async fn keep(
        &self,
        ticket: &str,
        context: &LaunchContext,
        now: Timestamp,
    ) -> Result<(), SessionRowsError> {
        let text = serde_json::to_vec(context).map_err(failed)?;
        let data = seal(&derive(KEY, &[ticket]), text).ok_or_else(unsealed)?;
        let expires_at = now + SignedDuration::from_secs(SECONDS);
        self.0.save(SessionRow { id_hash: derive(ROW, &[ticket]), expires_at, data }).await
    }

    /// The launch of a ticket, once.
    pub(super) async fn take(
        &self,
        ticket: &str,
        now: Timestamp,
    ) -> Result<Option<LaunchContext>, SessionRowsError> {
        if ticket.len() > MAX_TICKET {
            return Ok(None);
        }
        let row = self.0.take(&derive(ROW, &[ticket])).await?;
        let Some(row) = row.filter(|row| row.expires_at > now) else { return Ok(None) };
        let text = open(&derive(KEY, &[ticket]), row.data).ok_or_else(unsealed)?;
        serde_json::from_slice(&text).map(Some).map_err(failed)
    }
}

fn unsealed() -> SessionRowsError {
    SessionRowsError("a launch cannot be encrypted, or decrypted".into())
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> SessionRowsError {
    SessionRowsError(Box::new(error))
}

/// A ticket has 244 random bits, so a plain hash under a label is enough to derive from it.
fn derive(label: &str, parts: &[&str]) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    hash.update(label.as_bytes());
    for part in parts {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let mut out = [0; 32];
    out.copy_from_slice(hash.finish().as_ref());
    out
}

/// How long a ticket holds.
pub(super) const SECONDS: i64 = 60;
const USED: &str = "carerecord launch used\0";
const ROW: &str = "carerecord launch row\0";
const KEY: &str = "carerecord launch key\0";
const MAX_TICKET: usize = 128;
