use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot};

use crate::pools::Pools;
use crate::{Connection, StoreError, Trouble};

/// What a write job returns.
pub type WriteFuture<'c, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'c>>;

/// The one writer of a database.
#[derive(Clone)]
pub(crate) struct Writer {
    jobs: mpsc::Sender<Message>,
    commits: Arc<AtomicU64>,
}

enum Message {
    Job(Box<dyn Job>),
    Stop(oneshot::Sender<()>),
}

impl Writer {
    #[expect(
        clippy::disallowed_methods,
        reason = "the writer is no request's task: it ends with the last handle of its database"
    )]
    pub(crate) fn start(pool: Pools) -> Self {
        let (jobs, waiting) = mpsc::channel(QUEUE);
        let commits = Arc::new(AtomicU64::new(0));
        tokio::spawn(run(pool, waiting, commits.clone()));
        Self { jobs, commits }
    }

    pub(crate) async fn write<T, E, F>(&self, job: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: for<'c> FnOnce(&'c mut Connection) -> WriteFuture<'c, T, E> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Pending { job: Some(job), result: None, reply };
        let stopped = || E::from(StoreError::Stopped);
        self.jobs.send(Message::Job(Box::new(job))).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    pub(crate) async fn stop(&self) {
        let (reply, stopped) = oneshot::channel();
        if self.jobs.send(Message::Stop(reply)).await.is_ok() {
            // An error means that the writer is gone already, which is what was asked for.
            let _ = stopped.await;
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

async fn run(pool: Pools, mut waiting: mpsc::Receiver<Message>, commits: Arc<AtomicU64>) {
    while let Some(first) = waiting.recv().await {
        let mut batch = Vec::new();
        let mut stop = None;
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Job(job) => batch.push(job),
                Message::Stop(reply) => {
                    stop = Some(reply);
                    break;
                }
            }
            next = if batch.len() < MAX_BATCH { waiting.try_recv().ok() } else { None };
        }
        commit(&pool, batch).await;
        commits.fetch_add(1, Ordering::Relaxed);
        if let Some(reply) = stop {
            pool.close().await;
            // The asker may have gone; the writer stops all the same.
            let _ = reply.send(());
            return;
        }
    }
}

/// Runs a batch in one transaction and answers each job when the commit is durable.
async fn commit(pool: &Pools, mut batch: Vec<Box<dyn Job>>) {
    if batch.is_empty() {
        return;
    }
    let outcome = transact(pool, &mut batch).await.map_err(|e| (e.to_string(), e.trouble()));
    if let Err((error, _)) = &outcome {
        tracing::error!(error, jobs = batch.len(), "a group of writes was not committed");
    }
    for job in batch {
        job.answer(outcome.clone());
    }
}

async fn transact(pool: &Pools, batch: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
    let mut connection = pool.begin_write().await?;
    match run_all(&mut connection, batch).await {
        Ok(true) => connection.commit().await,
        // Dropped without a commit, it is rolled back.
        Ok(false) => Ok(()),
        // When there is no room SQLite ends the transaction, and then there is no savepoint.
        Err(error) => Err(connection.cause(error)),
    }
}

/// Runs each job of a batch; whether there is something to commit.
async fn run_all(
    connection: &mut Connection,
    batch: &mut [Box<dyn Job>],
) -> Result<bool, StoreError> {
    let alone = batch.len() == 1;
    for job in batch {
        if !alone {
            connection.control("SAVEPOINT job").await?;
        }
        let before = connection.writes();
        let keep = job.run(connection).await;
        match (keep, alone) {
            (true, true) => {}
            (false, true) => return Ok(false),
            (true, false) => connection.control("RELEASE SAVEPOINT job").await?,
            (false, false) if connection.writes() == before && !connection.is_postgres() => {
                connection.control("RELEASE SAVEPOINT job").await?;
            }
            (false, false) => {
                connection.control("ROLLBACK TO SAVEPOINT job; RELEASE SAVEPOINT job").await?;
            }
        }
    }
    Ok(true)
}

/// What became of a batch, for each of its jobs.
type Committed = Result<(), (String, Trouble)>;

/// A job whatever its types: run once, answered once.
trait Job: Send {
    /// Returns whether to keep what the job wrote.
    fn run<'c>(
        &'c mut self,
        connection: &'c mut Connection,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'c>>;

    fn answer(self: Box<Self>, commit: Committed);
}

struct Pending<T, E, F> {
    job: Option<F>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Job for Pending<T, E, F>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
    F: for<'c> FnOnce(&'c mut Connection) -> WriteFuture<'c, T, E> + Send + 'static,
{
    fn run<'c>(
        &'c mut self,
        connection: &'c mut Connection,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'c>> {
        Box::pin(async move {
            let Some(job) = self.job.take() else { return false };
            let result = job(connection).await;
            let keep = result.is_ok();
            self.result = Some(result);
            keep
        })
    }

    fn answer(self: Box<Self>, commit: Committed) {
        let result = match (self.result, commit) {
            (Some(Err(own)), _) => Err(own),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (Some(Ok(_)) | None, Err((error, trouble))) => {
                Err(StoreError::Commit(error, trouble).into())
            }
            (None, Ok(())) => Err(StoreError::Stopped.into()),
        };
        // A requester that has gone away does not undo a commit.
        let _ = self.reply.send(result);
    }
}

const QUEUE: usize = 1024;
const MAX_BATCH: usize = 128;
