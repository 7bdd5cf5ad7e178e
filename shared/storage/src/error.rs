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
    Commit(String, Trouble),
}

/// What a caller can do about a failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trouble {
    /// Come back later: others were waited for in vain.
    Busy,
    /// Come back when there is space again.
    Full,
    /// Nothing.
    Other,
}

impl StoreError {
    /// What a caller can do about it.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Sql(sqlx::Error::PoolTimedOut) => Trouble::Busy,
            Self::Sql(sqlx::Error::Database(e)) => match e.code() {
                Some(code) if FULL.contains(&code.as_ref()) => Trouble::Full,
                Some(code) if BUSY.contains(&code.as_ref()) => Trouble::Busy,
                Some(_) | None => Trouble::Other,
            },
            Self::Commit(_, trouble) => *trouble,
            Self::Sql(_) | Self::Migrate(_) | Self::Row(..) | Self::Stopped => Trouble::Other,
        }
    }
}

/// SQLite's SQLITE_FULL and SQLITE_IOERR_SHMSIZE (no room for the index of its log); PostgreSQL's
/// disk_full, out_of_memory.
const FULL: [&str; 4] = ["13", "4874", "53100", "53200"];
/// SQLite's SQLITE_BUSY with its two extensions; PostgreSQL's too_many_connections,
/// lock_not_available, cannot_connect_now.
const BUSY: [&str; 6] = ["5", "261", "517", "53300", "55P03", "57P03"];
