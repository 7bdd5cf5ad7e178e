//! Connections that stay open between uses.
//!
//! The driver's own pool asks a connection how it is whenever it comes back. On SQLite that is two
//! changes of threads, on PostgreSQL a round trip: as much as reading a row by its key takes. Here
//! a connection says by itself whether it came to the end of what it did, and only one that did not
//! is looked at.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Error, Executor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A number of connections of one kind, opened when they are first needed.
pub(crate) struct Kept<C: Connection> {
    shared: Arc<Shared<C>>,
}

struct Shared<C: Connection> {
    options: C::Options,
    lifetime: Option<Duration>,
    idle: Mutex<Vec<Idle<C>>>,
    at_most: u32,
    permits: Arc<Semaphore>,
}

struct Idle<C> {
    connection: C,
    since: Instant,
}

/// What a connection was in when it was given back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    /// At rest: the next one can take it as it is.
    AtRest,
    /// In a statement that failed, or was not waited for.
    InStatement,
    /// In a transaction that nobody ended.
    InTransaction,
}

impl<C> Kept<C>
where
    C: Connection + Send + 'static,
    C::Options: ConnectOptions<Connection = C>,
    for<'c> &'c mut C: Executor<'c>,
{
    /// At most so many at once; each is replaced after its lifetime.
    pub(crate) fn new(options: C::Options, at_most: u32, lifetime: Option<Duration>) -> Self {
        let permits = Arc::new(Semaphore::new(at_most as usize));
        let shared = Shared { options, lifetime, idle: Mutex::default(), at_most, permits };
        Self { shared: Arc::new(shared) }
    }

    /// The one that came back last, or a new one. Waits when all are out, and while a server
    /// starts.
    ///
    /// # Errors
    /// `PoolTimedOut` when none came back, `PoolClosed` after `close`, or why none can be opened.
    pub(crate) async fn take(&self) -> Result<Taken<C>, Error> {
        let permit = self.shared.permits.clone().acquire_owned();
        let permit = tokio::time::timeout(PATIENCE, permit).await;
        let permit = permit.map_err(|_| Error::PoolTimedOut)?.map_err(|_| Error::PoolClosed)?;
        let idle = self.shared.idle().pop();
        let idle = match idle {
            Some(idle) => idle,
            None => Idle { connection: self.open().await?, since: Instant::now() },
        };
        let held = Held { idle, permit };
        Ok(Taken { held: Some(held), state: State::AtRest, shared: self.shared.clone() })
    }

    async fn open(&self) -> Result<C, Error> {
        let begun = Instant::now();
        loop {
            match self.shared.options.connect().await {
                Err(error) if is_starting(&error) && begun.elapsed() < PATIENCE => {
                    tokio::time::sleep(PAUSE).await;
                }
                opened => return opened,
            }
        }
    }

    /// Waits for those that are out, and closes all.
    pub(crate) async fn close(&self) {
        let all = self.shared.permits.acquire_many(self.shared.at_most);
        let all = tokio::time::timeout(PATIENCE, all).await;
        self.shared.permits.close();
        drop(all);
        let idle = std::mem::take(&mut *self.shared.idle());
        for Idle { connection, .. } in idle {
            if let Err(error) = connection.close().await {
                tracing::debug!(%error, "a database connection did not close well");
            }
        }
    }
}

impl<C: Connection> Shared<C> {
    fn idle(&self) -> MutexGuard<'_, Vec<Idle<C>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, held: Held<C>) {
        let Held { idle, permit } = held;
        let old = self.lifetime.is_some_and(|lifetime| idle.since.elapsed() > lifetime);
        if !old && !self.permits.is_closed() {
            self.idle().push(idle);
        }
        // Only now: whoever waits for it finds the connection.
        drop(permit);
    }
}

impl<C: Connection> Clone for Kept<C> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<C: Connection> std::fmt::Debug for Kept<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Kept({})", self.shared.at_most)
    }
}

/// A connection in use. Given back when it is dropped; one that is not at rest is first looked at,
/// and closed when it is broken.
pub(crate) struct Taken<C: Connection + Send + 'static>
where
    for<'c> &'c mut C: Executor<'c>,
{
    /// There until it is dropped.
    held: Option<Held<C>>,
    pub(crate) state: State,
    shared: Arc<Shared<C>>,
}

struct Held<C> {
    idle: Idle<C>,
    permit: OwnedSemaphorePermit,
}

impl<C: Connection + Send + 'static> Taken<C>
where
    for<'c> &'c mut C: Executor<'c>,
{
    /// The driver's own connection.
    pub(crate) fn connection(&mut self) -> &mut C {
        &mut self.held.as_mut().expect("it is there until the drop").idle.connection
    }
}

impl<C: Connection + Send + 'static> Drop for Taken<C>
where
    for<'c> &'c mut C: Executor<'c>,
{
    fn drop(&mut self) {
        let Some(held) = self.held.take() else { return };
        if self.state == State::AtRest {
            return self.shared.keep(held);
        }
        // Not by the task of the request, which may be gone; without a runtime it is closed.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(settle(held, self.state, self.shared.clone()));
        }
    }
}

/// Brings a connection to rest, or closes it.
async fn settle<C>(mut held: Held<C>, state: State, shared: Arc<Shared<C>>)
where
    C: Connection + Send + 'static,
    for<'c> &'c mut C: Executor<'c>,
{
    let connection = &mut held.idle.connection;
    let settled = match state {
        State::AtRest => Ok(()),
        State::InStatement => connection.ping().await,
        // An error says that there is no transaction any more, which nobody here has ended: it is
        // not known what became of it.
        State::InTransaction => connection.execute(AssertSqlSafe("ROLLBACK")).await.map(drop),
    };
    match settled {
        Ok(()) => shared.keep(held),
        Err(error) => tracing::debug!(%error, "a database connection was closed"),
    }
}

/// Whether a server is not there yet: it refuses connections, or says that it starts.
fn is_starting(error: &Error) -> bool {
    if let Error::Io(error) = error {
        return error.kind() == std::io::ErrorKind::ConnectionRefused;
    }
    let Some(error) = error.as_database_error() else { return false };
    error.code().is_some_and(|code| code == CANNOT_CONNECT_NOW)
}

const CANNOT_CONNECT_NOW: &str = "57P03";
/// How long one waits for a connection.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use sqlx::SqliteConnection;
    use sqlx::sqlite::SqliteConnectOptions;

    use super::*;

    #[tokio::test]
    async fn connections_are_used_again_and_are_no_more_than_allowed() {
        let (_folder, kept) = two();
        let first = kept.take().await.unwrap();
        let second = kept.take().await.unwrap();
        let waiting = tokio::time::timeout(Duration::from_millis(50), kept.take()).await;
        assert!(waiting.is_err(), "there are two");
        drop((first, second));

        let mut again = kept.take().await.unwrap();
        again.connection().execute("CREATE TEMP TABLE mine (n INTEGER)").await.unwrap();
        drop(again);
        let mut again = kept.take().await.unwrap();
        again.connection().execute("INSERT INTO mine VALUES (1)").await.unwrap();
    }

    #[tokio::test]
    async fn a_statement_that_nobody_waits_for_spoils_no_connection() {
        let (_folder, kept) = two();
        let mut taken = kept.take().await.unwrap();
        taken.state = State::InStatement;
        let slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) \
                    SELECT max(i) FROM n";
        let statement = taken.connection().execute(slow);
        assert!(tokio::time::timeout(Duration::from_millis(1), statement).await.is_err());
        drop(taken);

        for _ in 0..2 {
            let mut next = kept.take().await.unwrap();
            next.connection().execute("SELECT 1").await.unwrap();
        }
    }

    #[tokio::test]
    async fn closing_waits_for_what_is_out() {
        let (_folder, kept) = two();
        let taken = kept.take().await.unwrap();
        let closing = kept.clone();
        let closing = async move { closing.close().await };
        let given_back = async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            drop(taken);
        };
        let begun = Instant::now();
        tokio::join!(closing, given_back);
        assert!(begun.elapsed() >= Duration::from_millis(20));
        assert!(matches!(kept.take().await, Err(Error::PoolClosed)));
    }

    fn two() -> (tempfile::TempDir, Kept<SqliteConnection>) {
        let folder = tempfile::tempdir().unwrap();
        let options = SqliteConnectOptions::from_str("sqlite://").unwrap();
        let options = options.filename(folder.path().join("kept.db")).create_if_missing(true);
        (folder, Kept::new(options, 2, None))
    }
}
