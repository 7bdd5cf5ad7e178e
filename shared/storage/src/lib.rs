//! A role's SQL database: opening, migrating, reading through a pool, and writing through one
//! writer that groups what waits into one commit.
//!
//! SQLite syncs the disk once for each commit, so a commit for each request caps the service at
//! what the disk can sync. The writer takes every job that is waiting, runs each in a savepoint of
//! its own, commits once, and only then answers: whoever got an answer is on disk, and a job that
//! fails takes nobody with it.

#![warn(missing_docs)]

mod error;
mod writer;

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

pub use error::StoreError;
pub use writer::WriteFuture;

use writer::Writer;

/// A role's database. Cheap to clone; the writer stops when the last clone is gone.
#[derive(Clone, Debug)]
pub struct Database {
    readers: SqlitePool,
    writer: Writer,
}

impl Database {
    /// Opens a SQLite file, makes it when it is missing, and migrates it.
    ///
    /// # Errors
    /// When the file cannot be opened, or its schema is newer than this program.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::from_str("sqlite://")?
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let writers = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone())
            .await?;
        carerecord_migrations::SQLITE.run(&writers).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await?;
        Ok(Self { readers, writer: Writer::start(writers) })
    }

    /// The pool for reading. What is committed is in the next read.
    pub fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// Runs a job in a transaction, and returns when it is durable. A job that returns an error
    /// leaves nothing behind.
    ///
    /// # Errors
    /// The job's own error, or `StoreError` when the commit fails.
    pub async fn write<T, E, F>(&self, job: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'c> FnOnce(&'c mut sqlx::SqliteConnection) -> WriteFuture<'c, T, E> + Send + 'static,
    {
        self.writer.write(job).await
    }

    /// Whether the database answers, for readiness.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.readers).await?;
        Ok(())
    }

    /// Finishes waiting jobs and closes all connections.
    pub async fn close(&self) {
        self.writer.stop().await;
        self.readers.close().await;
    }
}

const READERS: u32 = 8;
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn many_writers_are_all_durable_and_failures_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("test.db")).await.unwrap();

        let jobs = (0..200i64).map(|n| {
            let database = database.clone();
            async move { insert(&database, n, n % 10 == 7).await }
        });
        let results = join_all(jobs).await;

        let failed = results.iter().filter(|r| r.is_err()).count();
        assert_eq!(failed, 20);
        database.close().await;
        let again = Database::open(&folder.path().join("test.db")).await.unwrap();
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM web_session")
            .fetch_one(again.readers())
            .await
            .unwrap();
        assert_eq!(rows, 180);
    }

    #[tokio::test]
    async fn audit_rows_cannot_be_changed() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("test.db")).await.unwrap();
        let run = |sql: &'static str| {
            database.write(move |c| {
                Box::pin(async move {
                    sqlx::query(sql).execute(c).await?;
                    Ok::<(), StoreError>(())
                })
            })
        };

        run("INSERT INTO audit_event VALUES (1, 0, NULL, NULL, NULL, 'x', 'success', '{}', x'00')")
            .await
            .unwrap();

        assert!(run("UPDATE audit_event SET outcome = 'y'").await.is_err());
        assert!(run("DELETE FROM audit_event").await.is_err());
    }

    async fn insert(database: &Database, n: i64, fail: bool) -> Result<(), StoreError> {
        database
            .write(move |c| {
                Box::pin(async move {
                    sqlx::query("INSERT INTO web_session VALUES ($1, 0, x'00')")
                        .bind(n.to_be_bytes().to_vec())
                        .execute(&mut *c)
                        .await?;
                    if fail {
                        return Err(StoreError::Row("web_session", "data", "on purpose".into()));
                    }
                    Ok(())
                })
            })
            .await
    }
}
