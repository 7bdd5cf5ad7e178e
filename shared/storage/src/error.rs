/// Why the database did not do what was asked. Texts name tables and columns, never values.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database refused or could not be reached.
    #[error("database error")]
    Sql(#[from] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the database could not be migrated")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A stored row does not have the form it should have.
    #[error("row of {0}: column {1}: {2}")]
    Row(&'static str, &'static str, String),
    /// The writer has stopped: the process is shutting down.
    #[error("the database writer has stopped")]
    Stopped,
    /// The commit failed; nothing of the job is kept.
    #[error("commit failed: {0}")]
    Commit(String),
}

impl StoreError {
    /// Whether the disk is full, so that a caller can be told to come back later.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Sql(sqlx::Error::Database(e)) => {
                e.code().is_some_and(|c| FULL.contains(&c.as_ref()))
            }
            Self::Commit(text) => text.contains("full"),
            Self::Sql(_) | Self::Migrate(_) | Self::Row(..) | Self::Stopped => false,
        }
    }
}

/// SQLite's SQLITE_FULL; PostgreSQL's disk_full, out_of_memory.
const FULL: [&str; 3] = ["13", "53100", "53200"];
