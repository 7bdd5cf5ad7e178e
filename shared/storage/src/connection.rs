use sqlx::{AssertSqlSafe, Executor, PgConnection, SqliteConnection};

use crate::kept::{State, Taken};
use crate::{StoreError, Trouble};

/// A connection to either database, alone or within a transaction. A transaction that is not
/// committed is rolled back when it is dropped.
pub struct Connection {
    held: Held,
    /// Where it comes to rest after a statement.
    rest: State,
    writes: u64,
    /// The last that a statement met, where a caller can do something about it.
    trouble: Option<Trouble>,
}

enum Held {
    Sqlite(Taken<SqliteConnection>),
    Postgres(Taken<PgConnection>),
}

/// The driver's own connection.
pub(crate) enum Inner<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl Connection {
    /// Whether this is a connection to PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        matches!(self.held, Held::Postgres(_))
    }

    /// The connection for a statement. Whoever waits for its end says so by `note`.
    pub(crate) fn inner(&mut self) -> Inner<'_> {
        self.set_state(State::InStatement);
        match &mut self.held {
            Held::Sqlite(c) => Inner::Sqlite(c.connection()),
            Held::Postgres(c) => Inner::Postgres(c.connection()),
        }
    }

    /// Begins a transaction.
    pub(crate) async fn begin(&mut self, text: &'static str) -> Result<(), StoreError> {
        self.rest = State::InTransaction;
        self.control(text).await
    }

    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        self.control("COMMIT").await?;
        self.rest = State::AtRest;
        self.set_state(State::AtRest);
        Ok(())
    }

    /// Within a transaction it stays there until that has ended.
    fn set_state(&mut self, state: State) {
        let state = if self.rest == State::InTransaction { self.rest } else { state };
        match &mut self.held {
            Held::Sqlite(c) => c.state = state,
            Held::Postgres(c) => c.state = state,
        }
    }

    /// Counts statements that may have changed something.
    pub(crate) fn note_write(&mut self) {
        self.writes += 1;
    }

    pub(crate) fn writes(&self) -> u64 {
        self.writes
    }

    /// What a statement came to. Keeps what was wrong with it, for whoever ends the transaction.
    pub(crate) fn note<T, E: Into<StoreError>>(
        &mut self,
        done: Result<T, E>,
    ) -> Result<T, StoreError> {
        if done.is_ok() {
            self.set_state(State::AtRest);
        }
        done.map_err(|error| {
            let error: StoreError = error.into();
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
        let done = match self.inner() {
            Inner::Sqlite(c) => c.execute(AssertSqlSafe(text)).await.map(drop),
            Inner::Postgres(c) => c.execute(AssertSqlSafe(text)).await.map(drop),
        };
        self.note(done)
    }
}

impl From<Taken<SqliteConnection>> for Connection {
    fn from(c: Taken<SqliteConnection>) -> Self {
        Self { held: Held::Sqlite(c), rest: State::AtRest, writes: 0, trouble: None }
    }
}

impl From<Taken<PgConnection>> for Connection {
    fn from(c: Taken<PgConnection>) -> Self {
        Self { held: Held::Postgres(c), rest: State::AtRest, writes: 0, trouble: None }
    }
}
