use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

/// Where sessions are kept. The binary gives an implementation.
///
/// Neither key nor data tells anything: the key is a hash of what is in the browser's cookie, and
/// the data is encrypted with a key that only the cookie gives. Launches on their way to the browser
/// are kept beside them, in the same way.
#[async_trait]
pub trait SessionRows: fmt::Debug + Send + Sync + 'static {
    /// Inserts or replaces a row.
    async fn save(&self, row: SessionRow) -> Result<(), SessionRowsError>;

    /// Inserts a row; `false` where there is one already, which stays.
    async fn insert(&self, row: SessionRow) -> Result<bool, SessionRowsError>;

    /// Gives a row and deletes it, so that nobody else gets it.
    async fn take(&self, id_hash: &[u8; 32]) -> Result<Option<SessionRow>, SessionRowsError>;

    /// Gives a row, also one that has expired but is not deleted yet.
    async fn load(&self, id_hash: &[u8; 32]) -> Result<Option<SessionRow>, SessionRowsError>;

    /// Deletes a row; one that is not there is no error.
    async fn delete(&self, id_hash: &[u8; 32]) -> Result<(), SessionRowsError>;

    /// Deletes all rows that expired before the time, and says how many.
    async fn delete_expired(&self, before: Timestamp) -> Result<u64, SessionRowsError>;
}

/// A session at rest.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SessionRow {
    /// SHA-256 over the id in the cookie.
    pub id_hash: [u8; 32],
    /// When it ends unless it is used before.
    pub expires_at: Timestamp,
    /// The encrypted content, at most 1 MiB.
    pub data: Vec<u8>,
}

/// The session store failed.
#[derive(Debug, thiserror::Error)]
#[error("session store failed: {0}")]
pub struct SessionRowsError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
