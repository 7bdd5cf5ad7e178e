use std::future::ready;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection as _, Executor, PgPool, SqliteConnection, SqlitePool};

use crate::{Connection, StoreError};

/// Connections of one kind: all for reading, or the one for writing.
#[derive(Clone, Debug)]
pub(crate) enum Pools {
    Sqlite(SqlitePool),
    Postgres(PgPool),
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
            .busy_timeout(BUSY_TIMEOUT)
            .statement_cache_capacity(STATEMENTS)
            .row_buffer_size(ROWS);
        let writers = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .before_acquire(|connection, _| Box::pin(may_begin(connection)))
            .connect_with(options.clone())
            .await?;
        carerecord_migrations::SQLITE.run(&writers).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(BUSY_TIMEOUT)
            .test_before_acquire(false)
            .before_acquire(|connection, _| Box::pin(ready(Ok(!connection.is_in_transaction()))))
            .connect_with(options.read_only(true).create_if_missing(false))
            .await?;
        Ok((Self::Sqlite(readers), Self::Sqlite(writers)))
    }

    /// Readers and the writer of a PostgreSQL database.
    pub(crate) async fn postgres(url: &str) -> Result<(Self, Self), StoreError> {
        let options = PgConnectOptions::from_str(url)?
            .application_name("carerecord")
            .options(SETTINGS)
            .statement_cache_capacity(STATEMENTS);
        let writers = PgPoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .connect_with(options.clone())
            .await?;
        carerecord_migrations::POSTGRES.run(&writers).await?;
        let readers = PgPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(BUSY_TIMEOUT)
            .test_before_acquire(false)
            .connect_with(options)
            .await?;
        Ok((Self::Postgres(readers), Self::Postgres(writers)))
    }

    pub(crate) async fn acquire(&self) -> Result<Connection, StoreError> {
        Ok(match self {
            Self::Sqlite(pool) => pool.acquire().await?.into(),
            Self::Postgres(pool) => pool.acquire().await?.into(),
        })
    }

    pub(crate) async fn begin_read(&self) -> Result<Connection, StoreError> {
        Ok(match self {
            Self::Sqlite(pool) => pool.begin().await?.into(),
            Self::Postgres(pool) => {
                // A server that was restarted leaves dead connections: each shows at its next use.
                let mut begun = pool.begin_with(READ_ONLY).await;
                for _ in 0..READERS {
                    if !begun.as_ref().is_err_and(is_dead) {
                        break;
                    }
                    begun = pool.begin_with(READ_ONLY).await;
                }
                begun?.into()
            }
        })
    }

    /// Begins a transaction for writing; waits until nobody else writes.
    pub(crate) async fn begin_write(&self) -> Result<Connection, StoreError> {
        let mut connection: Connection = match self {
            Self::Sqlite(pool) => pool.begin_with("BEGIN IMMEDIATE").await?.into(),
            Self::Postgres(pool) => pool.begin().await?.into(),
        };
        if connection.is_postgres() {
            connection.control(ONE_WRITER).await?;
        }
        Ok(connection)
    }

    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

/// Whether a transaction can begin on this connection.
///
/// When there is no room SQLite may roll a transaction back by itself, and may keep one whose end
/// failed; the driver only counts. Where they differ nothing could be written until a restart, so
/// a connection on which the driver counts a transaction is closed, and one that it does not know
/// of is ended here.
async fn may_begin(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        tracing::warn!("a connection is closed, since its last transaction did not end");
        return Ok(false);
    }
    // As a rule there is none, which SQLite calls an error.
    if connection.execute(AssertSqlSafe("ROLLBACK")).await.is_ok() {
        tracing::warn!("a transaction that had been left behind was rolled back");
    }
    Ok(true)
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
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
const READ_ONLY: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Taken by every writing transaction of every process, released by its end. "CARE" in ASCII.
const ONE_WRITER: &str = "SELECT pg_advisory_xact_lock(1128354373)";

#[cfg(test)]
mod tests {
    use super::*;

    /// A COMMIT that failed may leave SQLite within a transaction that the driver knows nothing of.
    #[tokio::test]
    async fn a_transaction_that_was_left_behind_is_rolled_back() {
        let folder = tempfile::tempdir().unwrap();
        let (_, writers) = Pools::sqlite(&folder.path().join("test.db")).await.unwrap();
        let mut connection = writers.acquire().await.unwrap();
        connection.control("BEGIN IMMEDIATE").await.unwrap();
        connection.control("INSERT INTO web_session VALUES (x'01', 0, x'01')").await.unwrap();
        drop(connection);

        let mut next = writers.begin_write().await.unwrap();

        let rows = crate::sql("SELECT count(*) FROM web_session").number(&mut next).await.unwrap();
        assert_eq!(rows, 0);
        next.control("INSERT INTO web_session VALUES (x'02', 0, x'02')").await.unwrap();
        next.commit().await.unwrap();
    }

    /// Or roll back by itself, of which the driver knows nothing either.
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
