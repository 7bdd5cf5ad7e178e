//! A role's SQL database, SQLite or PostgreSQL: opening, migrating, reading through a pool, and
//! writing through one writer that groups what waits into one commit.
//!
//! A commit syncs the disk, so a commit for each request caps the service at what the disk can
//! sync. The writer takes every job that is waiting, runs each in a savepoint of its own, commits
//! once, and only then answers: whoever got an answer is on disk, and a job that fails takes nobody
//! with it. Writers are one at a time, on PostgreSQL across processes by a lock, so that what is
//! numbered in a transaction (audit records, changes) is numbered in the order of commits.
//!
//! One schema, one set of statements: columns are whole numbers, text and bytes, and parameters are
//! `$1`, `$2`, …, which both databases read alike.

#![warn(missing_docs)]

mod conditions;
mod connection;
mod error;
mod kept;
mod many;
mod once;
mod pools;
mod sql;
mod together;
mod transfer;
mod writer;

use std::path::Path;

pub use conditions::{Condition, where_all};
pub use connection::Connection;
pub use error::{StoreError, Trouble};
pub use many::{insert_into_all, insert_many};
pub use sql::{On, Row, Statement, Value, insert, sql, with_keys, with_values_and_keys};
pub use together::{DoTogether, Together};
pub use transfer::{MovedTable, OnProgress, Progress, Stage, TransferError, transfer};
pub use writer::WriteFuture;

use pools::Pools;
use writer::Writer;

/// A role's database. Cheap to clone; the writer stops when the last clone is gone.
#[derive(Clone, Debug)]
pub struct Database {
    readers: Pools,
    writer: Writer,
}

impl Database {
    /// Opens a SQLite file, makes it when it is missing, and migrates it.
    ///
    /// # Errors
    /// When the file cannot be opened, or its schema is newer than this program.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let (readers, writers) = Pools::sqlite(path).await?;
        Ok(Self { readers, writer: Writer::start(writers) })
    }

    /// Connects to PostgreSQL 15 or newer by a `postgres://` URL, and migrates its schema.
    ///
    /// # Errors
    /// When it cannot be reached, or its schema is newer than this program.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        let (readers, writers) = Pools::postgres(url).await?;
        Ok(Self { readers, writer: Writer::start(writers) })
    }

    /// A connection for reading. What is committed is in the next statement.
    ///
    /// # Errors
    /// When none can be had.
    pub async fn reader(&self) -> Result<Connection, StoreError> {
        self.readers.acquire().await
    }

    /// A connection whose statements all see the same state of the database.
    ///
    /// # Errors
    /// When none can be had.
    pub async fn snapshot(&self) -> Result<Connection, StoreError> {
        self.readers.begin_read().await
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
        F: for<'c> FnOnce(&'c mut Connection) -> WriteFuture<'c, T, E> + Send + 'static,
    {
        self.writer.write(job).await
    }

    /// How many transactions have been made durable, each by one wait for the disk.
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }

    /// Whether the database answers, for readiness.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sql("SELECT CAST(1 AS BIGINT)").number(self).await.map(drop)
    }

    /// Finishes waiting jobs and closes all connections.
    pub async fn close(&self) {
        self.writer.stop().await;
        self.readers.close().await;
    }
}

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
        let rows: i64 = sql("SELECT count(*) FROM web_session").number(&again).await.unwrap();
        assert_eq!(rows, 180);
    }

    #[tokio::test]
    async fn audit_rows_cannot_be_changed() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("test.db")).await.unwrap();
        let run = |text: &'static str| {
            database.write(move |c| {
                Box::pin(async move {
                    sql(text).run(c).await?;
                    Ok::<(), StoreError>(())
                })
            })
        };

        run("INSERT INTO audit_event
            VALUES (1, 0, NULL, NULL, NULL, 'x', 'success', '{}', x'00', NULL)")
        .await
        .unwrap();

        assert!(run("UPDATE audit_event SET outcome = 'y'").await.is_err());
        assert!(run("DELETE FROM audit_event").await.is_err());
    }

    /// Alone and in company; SQLite ends the whole transaction when a page cannot be had.
    #[tokio::test]
    async fn a_database_without_room_is_told_of_and_goes_on_when_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("test.db")).await.unwrap();
        insert(&database, 1, false).await.unwrap();
        for company in [0, 1, 20] {
            let small = (0..company).map(|n| insert(&database, 1000 + n, false));
            let (long, _) = tokio::join!(fill(&database), join_all(small));
            let Err(error) = long else { panic!("there was room") };
            assert_eq!(error.trouble(), Trouble::Full, "{error} {company}");

            insert(&database, 2000 + company, false).await.unwrap();
        }
        let numbers = [1i64, 2000, 2001, 2020].map(|n| n.to_be_bytes().to_vec());
        let there = with_keys(
            "SELECT count(*) FROM web_session WHERE id_hash IN",
            numbers.map(Value::from),
            "",
        );
        assert_eq!(there.number(&database).await.unwrap(), 4);
    }

    /// Writes more than this connection may have pages for.
    async fn fill(database: &Database) -> Result<(), StoreError> {
        database
            .write(|c| {
                Box::pin(async move {
                    let pages = sql("PRAGMA page_count").number(&mut *c).await?;
                    // It holds for the connection, and takes no parameter.
                    crate::sql::composed(format!("PRAGMA max_page_count = {pages}"))
                        .run(&mut *c)
                        .await?;
                    sql("INSERT INTO web_session VALUES (x'ff', 0, $1)")
                        .bind(vec![0u8; 1 << 20])
                        .run(c)
                        .await
                        .map(drop)
                })
            })
            .await
    }

    /// What the first release stored is there after the schema has changed.
    #[tokio::test]
    async fn objects_of_the_first_schema_are_moved() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.db");
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path);
        let old = sqlx::SqlitePool::connect_with(options.create_if_missing(true)).await.unwrap();
        let first = carerecord_migrations::SQLITE.iter().filter(|m| m.version < 5).cloned();
        let first = sqlx::migrate::Migrator {
            migrations: first.collect::<Vec<_>>().into(),
            ..sqlx::migrate::Migrator::DEFAULT
        };
        first.run(&old).await.unwrap();
        for statement in [
            "INSERT INTO patient VALUES (1, '2.16.840.1.113883.2.1.4.1', '9990001006', 1, NULL)",
            "INSERT INTO document_entry VALUES (1, 20240311093000, x'01', 1, 1, x'ff')",
            "INSERT INTO submission_set VALUES (1, 20240311093005, x'02', x'ff')",
            "INSERT INTO folder VALUES (1, x'03', 0, 1, x'ff')",
            "INSERT INTO association VALUES (1, x'04', x'02', x'01', 0, 0, x'ff')",
            "INSERT INTO object_directory VALUES (x'01', 1, 1, 20240311093000)",
        ] {
            sqlx::query(statement).execute(&old).await.unwrap();
        }
        old.close().await;

        let database = Database::open(&path).await.unwrap();

        let rows: Vec<(i64, i64, i64)> = sql("
            SELECT o.kind, o.sort_key, o.state FROM registry_object AS o ORDER BY o.kind")
        .all(&database)
        .await
        .unwrap();
        let expected =
            [(1, -20_240_311_093_000, 1), (2, -20_240_311_093_005, 0), (3, 0, 0), (4, 0, 0)];
        assert_eq!(rows, expected);
        let found = sql("SELECT count(*) FROM object_directory AS d JOIN registry_object AS o
            ON o.entry_uuid = d.entry_uuid AND o.sort_key = d.sort_key");
        assert_eq!(found.number(&database).await.unwrap(), 1);
        let ends = sql("SELECT count(*) FROM association_end").number(&database).await.unwrap();
        assert_eq!(ends, 2);
        let known = sql("SELECT count(*) FROM patient_identifier").number(&database).await.unwrap();
        assert_eq!(known, 1);
    }

    async fn insert(database: &Database, n: i64, fail: bool) -> Result<(), StoreError> {
        database
            .write(move |c| {
                Box::pin(async move {
                    sql("INSERT INTO web_session VALUES ($1, 0, $1)")
                        .bind(n.to_be_bytes().to_vec())
                        .run(&mut *c)
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
