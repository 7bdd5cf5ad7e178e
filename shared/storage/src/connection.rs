use sqlx::pool::PoolConnection;
use sqlx::{
    AssertSqlSafe, Executor, PgConnection, Postgres, Sqlite, SqliteConnection, Transaction,
};

use crate::{StoreError, Trouble};

/// A connection to either database, alone or within a transaction. A transaction that is not
/// committed is rolled back when it is dropped.
pub struct Connection {
    held: Held,
    writes: u64,
    /// The last that a statement met, where a caller can do something about it.
    trouble: Option<Trouble>,
}

enum Held {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
    SqliteTransaction(Transaction<'static, Sqlite>),
    PostgresTransaction(Transaction<'static, Postgres>),
}

/// The driver's own connection.
pub(crate) enum Inner<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl Connection {
    /// Whether this is a connection to PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        matches!(self.held, Held::Postgres(_) | Held::PostgresTransaction(_))
    }

    pub(crate) fn inner(&mut self) -> Inner<'_> {
        match &mut self.held {
            Held::Sqlite(c) => Inner::Sqlite(c),
            Held::Postgres(c) => Inner::Postgres(c),
            Held::SqliteTransaction(t) => Inner::Sqlite(t),
            Held::PostgresTransaction(t) => Inner::Postgres(t),
        }
    }

    /// Counts statements that may have changed something.
    pub(crate) fn note_write(&mut self) {
        self.writes += 1;
    }

    pub(crate) fn writes(&self) -> u64 {
        self.writes
    }

    /// Keeps what was wrong with a statement, for whoever ends the transaction.
    pub(crate) fn note<T>(&mut self, done: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        done.map_err(|error| {
            let error = StoreError::from(error);
            if error.trouble() != Trouble::Other {
                self.trouble = Some(error.trouble());
            }
            error
        })
    }

    /// What brought an end of the transaction about, where an earlier statement tells more.
    pub(crate) fn cause(&self, error: StoreError) -> StoreError {
        match self.trouble {
            Some(trouble) => StoreError::Commit(error.to_string(), trouble),
            None => error,
        }
    }

    /// Runs a statement of transaction control, outside the statement cache.
    pub(crate) async fn control(&mut self, text: &'static str) -> Result<(), StoreError> {
        match self.inner() {
            Inner::Sqlite(c) => c.execute(AssertSqlSafe(text)).await.map(drop)?,
            Inner::Postgres(c) => c.execute(AssertSqlSafe(text)).await.map(drop)?,
        }
        Ok(())
    }

    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        match self.held {
            Held::SqliteTransaction(t) => t.commit().await?,
            Held::PostgresTransaction(t) => t.commit().await?,
            Held::Sqlite(_) | Held::Postgres(_) => {}
        }
        Ok(())
    }
}

impl From<PoolConnection<Sqlite>> for Connection {
    fn from(c: PoolConnection<Sqlite>) -> Self {
        Self { held: Held::Sqlite(c), writes: 0, trouble: None }
    }
}

impl From<PoolConnection<Postgres>> for Connection {
    fn from(c: PoolConnection<Postgres>) -> Self {
        Self { held: Held::Postgres(c), writes: 0, trouble: None }
    }
}

impl From<Transaction<'static, Sqlite>> for Connection {
    fn from(t: Transaction<'static, Sqlite>) -> Self {
        Self { held: Held::SqliteTransaction(t), writes: 0, trouble: None }
    }
}

impl From<Transaction<'static, Postgres>> for Connection {
    fn from(t: Transaction<'static, Postgres>) -> Self {
        Self { held: Held::PostgresTransaction(t), writes: 0, trouble: None }
    }
}
