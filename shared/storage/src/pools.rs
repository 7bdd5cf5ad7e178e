use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{PgConnection, SqliteConnection};

use crate::kept::{Kept, PATIENCE};
use crate::{Connection, StoreError};

/// Connections of one kind: all for reading, or the one for writing.
#[derive(Clone, Debug)]
pub(crate) enum Pools {
    Sqlite(Kept<SqliteConnection>),
    Postgres(Kept<PgConnection>),
}

impl Pools {
    /// Readers and the writer of a SQLite file.
    pub(crate) async fn sqlite(path: &Path) -> Result<(Self, Self), StoreError> {
        let options = SqliteConnectOptions::from_str("sqlite://")?
            .filename(path)
            .create_if_missing(true)
            .page_size(PAGE)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE)
            .statement_cache_capacity(STATEMENTS)
            .row_buffer_size(ROWS);
        let writers = Kept::new(options.clone(), 1, None);
        carerecord_migrations::SQLITE.run(writers.take().await?.connection()).await?;
        let options = options.read_only(true).create_if_missing(false);
        let readers = Kept::new(options, READERS, None);
        readers.take().await?;
        Ok((Self::Sqlite(readers), Self::Sqlite(writers)))
    }

    /// Readers and the writer of a PostgreSQL database.
    pub(crate) async fn postgres(url: &str) -> Result<(Self, Self), StoreError> {
        let options = PgConnectOptions::from_str(url)?
            .application_name("carerecord")
            .options(SETTINGS)
            .statement_cache_capacity(STATEMENTS);
        let writers = Kept::new(options.clone(), 1, Some(LIFETIME));
        carerecord_migrations::POSTGRES.run(writers.take().await?.connection()).await?;
        let readers = Kept::new(options, READERS, Some(LIFETIME));
        readers.take().await?;
        Ok((Self::Postgres(readers), Self::Postgres(writers)))
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    pub(crate) async fn acquire(&self) -> Result<Connection, StoreError> {
        Ok(match self {
            Self::Sqlite(kept) => kept.take().await?.into(),
            Self::Postgres(kept) => kept.take().await?.into(),
        })
    }

    pub(crate) async fn begin_read(&self) -> Result<Connection, StoreError> {
        match self {
            Self::Sqlite(_) => self.begin("BEGIN").await,
            Self::Postgres(_) => self.begin(READ_ONLY).await,
        }
    }

    /// Begins a transaction for writing; waits until nobody else writes.
    pub(crate) async fn begin_write(&self) -> Result<Connection, StoreError> {
        match self {
            Self::Sqlite(_) => self.begin("BEGIN IMMEDIATE").await,
            Self::Postgres(_) => self.begin(ONE_WRITER).await,
        }
    }

    /// A server that was restarted leaves dead connections: each shows at its next use.
    async fn begin(&self, text: &'static str) -> Result<Connection, StoreError> {
        let mut tries = 0;
        loop {
            let mut connection = self.acquire().await?;
            match connection.begin(text).await {
                Err(StoreError::Sql(error)) if is_dead(&error) && tries < READERS => tries += 1,
                begun => return begun.map(|()| connection),
            }
        }
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(kept) => kept.close().await,
            Self::Postgres(kept) => kept.close().await,
        }
    }
}

/// Whether a connection is of a server that is gone.
fn is_dead(error: &sqlx::Error) -> bool {
    if let sqlx::Error::Database(e) = error {
        // admin_shutdown, crash_shutdown
        return e.code().is_some_and(|c| c == "57P01" || c == "57P02");
    }
    matches!(error, sqlx::Error::Io(_) | sqlx::Error::Protocol(_))
}

const READERS: u32 = 8;
/// Prepared on a connection at most: more than the product has shapes of.
const STATEMENTS: usize = 500;
/// Rows of SQLite that wait for their reader at most: each wait is a change of threads.
const ROWS: usize = 512;
/// Bytes of a new SQLite file's page: in smaller ones an entry's metadata would lie apart.
const PAGE: u32 = 8192;
/// Each statement has its index. Plans are kept, and one that was made while a table was small must
/// not read all of it when it has grown.
const SETTINGS: [(&str, &str); 2] = [("enable_seqscan", "off"), ("jit", "off")];
/// A server's connection grows with what it has planned.
const LIFETIME: Duration = Duration::from_secs(30 * 60);
const READ_ONLY: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The lock is taken by every writing transaction of every process, and released by its end. "CARE"
/// in ASCII.
const ONE_WRITER: &str = "BEGIN; SELECT pg_advisory_xact_lock(1128354373)";

#[cfg(test)]
mod tests {
    use super::*;

    /// As after a COMMIT that failed, or when nobody waits for the job any more.
    #[tokio::test]
    async fn a_transaction_that_was_left_behind_is_rolled_back() {
        let folder = tempfile::tempdir().unwrap();
        let (_, writers) = Pools::sqlite(&folder.path().join("test.db")).await.unwrap();
        let mut connection = writers.begin_write().await.unwrap();
        connection.control("INSERT INTO web_session VALUES (x'01', 0, x'01')").await.unwrap();
        drop(connection);

        let mut next = writers.begin_write().await.unwrap();

        let rows = crate::sql("SELECT count(*) FROM web_session").number(&mut next).await.unwrap();
        assert_eq!(rows, 0);
        next.control("INSERT INTO web_session VALUES (x'02', 0, x'02')").await.unwrap();
        next.commit().await.unwrap();
    }

    /// SQLite may roll back by itself when there is no room.
    #[tokio::test]
    async fn a_transaction_that_ended_by_itself_closes_its_connection() {
        let folder = tempfile::tempdir().unwrap();
        let (_, writers) = Pools::sqlite(&folder.path().join("test.db")).await.unwrap();
        let mut begun = writers.begin_write().await.unwrap();
        begun.control("ROLLBACK").await.unwrap();
        assert!(begun.commit().await.is_err());

        let next = writers.begin_write().await.unwrap();

        next.commit().await.unwrap();
    }
}
