use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::{Connection, Database, StoreError, WriteFuture};

/// Does all of these in one go, within one transaction: one result for each, in their order. On an
/// error nothing of it is kept.
pub type DoTogether<I, T, E> =
    for<'c> fn(&'c mut Connection, Vec<I>) -> WriteFuture<'c, Vec<Result<T, E>>, StoreError>;

/// Writes of one kind that are done together: while one group is made durable the next one gathers,
/// and then takes a handful of statements however many it is of.
pub struct Together<I, T, E> {
    database: Database,
    waiting: Arc<Mutex<Vec<Waiting<I, T, E>>>>,
    work: DoTogether<I, T, E>,
}

struct Waiting<I, T, E> {
    item: I,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<I, T, E> Together<I, T, E>
where
    I: Clone + Send + 'static,
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    /// Writes of one kind to this database.
    pub fn new(database: Database, work: DoTogether<I, T, E>) -> Self {
        Self { database, waiting: Arc::default(), work }
    }

    /// Writes this one, with what else waits; returns when it is durable.
    ///
    /// # Errors
    /// The item's own error, or `StoreError` when the commit fails. An error of the store that
    /// another item of the group brought about does not reach this one.
    pub async fn write(&self, item: I) -> Result<T, E> {
        let (reply, answer) = oneshot::channel();
        let first = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push(Waiting { item, reply });
            waiting.len() == 1
        };
        if first {
            self.begin_group();
        }
        answer.await.map_err(|_| E::from(StoreError::Stopped))?
    }

    /// Asks the writer to take what waits when its turn comes.
    #[expect(
        clippy::disallowed_methods,
        reason = "a group is no request's task: whoever began it may go away before the others"
    )]
    fn begin_group(&self) {
        let (database, waiting, work) = (self.database.clone(), self.waiting.clone(), self.work);
        tokio::spawn(async move {
            let taken = Arc::new(Mutex::new(Vec::new()));
            let (queue, group) = (waiting.clone(), taken.clone());
            let outcome = database
                .write(move |c| {
                    let all = take(&queue);
                    let items = all.iter().map(|w| w.item.clone()).collect();
                    *group.lock().unwrap_or_else(PoisonError::into_inner) = all;
                    work(c, items)
                })
                .await;
            let mut group = take(&taken);
            if group.is_empty() {
                // The writer did not come to it: whoever waits is told, and the next one asks anew.
                group = take(&waiting);
            }
            finish(&database, work, group, outcome).await;
        });
    }
}

fn take<W>(list: &Mutex<Vec<W>>) -> Vec<W> {
    std::mem::take(&mut *list.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Answers everybody. What failed as a group is tried one by one, so that nobody pays for another.
async fn finish<I, T, E>(
    database: &Database,
    work: DoTogether<I, T, E>,
    group: Vec<Waiting<I, T, E>>,
    outcome: Result<Vec<Result<T, E>>, StoreError>,
) where
    I: Clone + Send + 'static,
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let alone = group.len() == 1;
    match outcome {
        Ok(results) => {
            for (waiting, result) in group.into_iter().zip(results) {
                // A requester that has gone away does not undo a commit.
                let _ = waiting.reply.send(result);
            }
        }
        Err(error) if alone => {
            if let Some(waiting) = group.into_iter().next() {
                let _ = waiting.reply.send(Err(E::from(error)));
            }
        }
        // It is the database that failed, for everybody alike.
        Err(StoreError::Commit(text, trouble)) => {
            for waiting in group {
                let error = StoreError::Commit(text.clone(), trouble);
                let _ = waiting.reply.send(Err(E::from(error)));
            }
        }
        Err(StoreError::Stopped) => {
            for waiting in group {
                let _ = waiting.reply.send(Err(E::from(StoreError::Stopped)));
            }
        }
        Err(error) => {
            tracing::warn!(%error, items = group.len(), "a group failed and is tried one by one");
            for waiting in group {
                let item = waiting.item;
                let outcome = database.write(move |c| work(c, vec![item])).await;
                let result = outcome.map_err(E::from).and_then(|mut results| {
                    results.pop().unwrap_or_else(|| Err(E::from(StoreError::Stopped)))
                });
                let _ = waiting.reply.send(result);
            }
        }
    }
}

impl<I, T, E> Clone for Together<I, T, E> {
    fn clone(&self) -> Self {
        Self { database: self.database.clone(), waiting: self.waiting.clone(), work: self.work }
    }
}

impl<I, T, E> fmt::Debug for Together<I, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Together")
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;

    use super::*;
    use crate::{Value, insert_many, sql};

    /// Writes numbers; 7 is refused, 13 breaks the whole group.
    fn work(c: &mut Connection, numbers: Vec<i64>) -> WriteFuture<'_, Answers, StoreError> {
        Box::pin(async move {
            let refused = || StoreError::Row("web_session", "data", "refused".into());
            let taken = numbers.iter().filter(|n| **n != 7);
            let rows = taken.map(|n| {
                let id = n.to_be_bytes().to_vec();
                vec![Value::from(id.clone()), 0i64.into(), id.into()]
            });
            insert_many(c, "web_session (id_hash, expires_at, data)", rows.collect()).await?;
            if numbers.contains(&13) {
                return Err(refused());
            }
            Ok(numbers.iter().map(|n| if *n == 7 { Err(refused()) } else { Ok(*n) }).collect())
        })
    }

    type Answers = Vec<Result<i64, StoreError>>;

    #[tokio::test]
    async fn whoever_waits_is_told_that_there_is_no_database() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("test.db")).await.unwrap();
        let together: Together<i64, i64, StoreError> = Together::new(database.clone(), work);
        database.close().await;

        for _ in 0..3 {
            let results = join_all((0..10).map(|n| together.write(n))).await;
            assert!(results.iter().all(Result::is_err));
        }
    }

    #[tokio::test]
    async fn nobody_pays_for_another() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("test.db")).await.unwrap();
        let together: Together<i64, i64, StoreError> = Together::new(database.clone(), work);

        let results = join_all((0..100).map(|n| {
            let together = together.clone();
            async move { (n, together.write(n).await) }
        }))
        .await;

        for (n, result) in results {
            assert_eq!(result.ok(), (n != 7 && n != 13).then_some(n), "{n}");
        }
        let rows = sql("SELECT count(*) FROM web_session").number(&database).await.unwrap();
        assert_eq!(rows, 98);
        // As one group, then those again one by one.
        assert!(database.commits() < 110, "{} commits", database.commits());
        let more = join_all((1000..1200).map(|n| together.write(n))).await;
        assert!(more.iter().all(Result::is_ok));
        assert!(database.commits() < 150, "{} commits", database.commits());
    }
}
