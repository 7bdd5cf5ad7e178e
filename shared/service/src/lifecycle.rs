use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How a process stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stopped {
    /// Every task ended by itself.
    Drained,
    /// Tasks were dropped: a second signal came, or the time to drain ran out.
    Aborted {
        /// How many tasks had not ended.
        unfinished: usize,
    },
    /// Something that the process cannot work without ended by itself; the rest was drained.
    EssentialTaskEnded,
}

/// Starts the tasks of a process and stops them in order. Clones are handles to the same one.
///
/// Stopping has two steps. *Draining* asks: listeners accept no more, loops end at a good place,
/// requests finish. *Aborting* drops what is left.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    tasks: TaskTracker,
    drain: CancellationToken,
    abort: CancellationToken,
    essential_ended: Arc<AtomicBool>,
    drain_limit: Duration,
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self::new()
    }
}

impl Lifecycle {
    /// A lifecycle that gives tasks 60 s to drain.
    pub fn new() -> Self {
        Self::with_drain_limit(Duration::from_secs(60))
    }

    /// A lifecycle that gives tasks this long to drain.
    pub fn with_drain_limit(drain_limit: Duration) -> Self {
        Self {
            tasks: TaskTracker::new(),
            drain: CancellationToken::new(),
            abort: CancellationToken::new(),
            essential_ended: Arc::default(),
            drain_limit,
        }
    }

    /// Starts a task. A panic in it is logged under its name and harms nothing else.
    ///
    /// A task that loops must watch [`Lifecycle::draining`] and end when that is cancelled.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.start(name, task, || ());
    }

    /// Starts a task that the process cannot work without: should it end before draining was asked
    /// for, by a panic or by itself, the whole process drains and [`Lifecycle::run`] says so.
    pub fn spawn_essential<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let lifecycle = self.clone();
        self.start(name, task, move || {
            if !lifecycle.is_draining() {
                tracing::error!(task = name, "an essential task has ended; stopping");
                lifecycle.essential_ended.store(true, Ordering::SeqCst);
                lifecycle.shutdown();
            }
        });
    }

    /// A token that is cancelled when draining begins.
    pub fn draining(&self) -> CancellationToken {
        self.drain.clone()
    }

    /// Whether draining has begun.
    pub fn is_draining(&self) -> bool {
        self.drain.is_cancelled()
    }

    /// Begins to drain, as the first signal does.
    pub fn shutdown(&self) {
        self.drain.cancel();
    }

    /// Waits for SIGINT, SIGTERM or [`Lifecycle::shutdown`], then drains; returns when every task has
    /// ended. A second signal, or the end of the drain limit, aborts what is left.
    ///
    /// # Errors
    /// When the signals cannot be listened to.
    pub async fn run(&self) -> std::io::Result<Stopped> {
        let (sender, signals) = mpsc::channel(2);
        let interrupt = signals_of_the_process(sender)?;
        tokio::select! {
            biased;
            stopped = self.run_until(signals) => Ok(stopped),
            () = interrupt => Ok(Stopped::Aborted { unfinished: self.tasks.len() }),
        }
    }

    /// Drains without waiting for a signal; for tests and one-off jobs.
    pub async fn stop(&self) -> Stopped {
        self.shutdown();
        let (_sender, signals) = mpsc::channel(1);
        self.run_until(signals).await
    }

    async fn run_until(&self, mut signals: mpsc::Receiver<()>) -> Stopped {
        tokio::select! {
            () = self.drain.cancelled() => (),
            Some(()) = signals.recv() => (),
        }
        self.shutdown();
        self.tasks.close();
        tracing::info!(tasks = self.tasks.len(), "stopping: no new requests, the rest finish");
        tokio::select! {
            biased;
            () = self.tasks.wait() => {}
            Some(()) = signals.recv() => return self.abort("a second signal came").await,
            () = tokio::time::sleep(self.drain_limit) => {
                return self.abort("the time to drain ran out").await;
            }
        }
        if self.essential_ended.load(Ordering::SeqCst) {
            return Stopped::EssentialTaskEnded;
        }
        Stopped::Drained
    }

    async fn abort(&self, why: &'static str) -> Stopped {
        let unfinished = self.tasks.len();
        tracing::warn!(why, unfinished, "aborting the tasks that are left");
        self.abort.cancel();
        // Tasks end at their next await; one that never awaits must not keep the process.
        let _ = tokio::time::timeout(ABORT_GRACE, self.tasks.wait()).await;
        Stopped::Aborted { unfinished }
    }

    fn start<F, E>(&self, name: &'static str, task: F, at_end: E)
    where
        F: Future<Output = ()> + Send + 'static,
        E: FnOnce() + Send + 'static,
    {
        let abort = self.abort.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = abort.cancelled() => {}
                ended = AssertUnwindSafe(task).catch_unwind() => {
                    if ended.is_err() {
                        tracing::error!(task = name, "a task panicked");
                    }
                    at_end();
                }
            }
        });
    }
}

/// Passes each SIGINT and SIGTERM on. Never ends.
fn signals_of_the_process(sender: mpsc::Sender<()>) -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => (),
                _ = terminate.recv() => (),
            }
            // A full channel means that two are waiting already: a third adds nothing.
            let _ = sender.try_send(());
        }
    })
}

const ABORT_GRACE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn draining_waits_for_the_tasks() {
        let lifecycle = Lifecycle::new();
        let done = Arc::new(AtomicBool::new(false));
        let (flag, draining) = (done.clone(), lifecycle.draining());
        lifecycle.spawn("test", async move {
            draining.cancelled().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            flag.store(true, Ordering::SeqCst);
        });

        assert!(!lifecycle.is_draining());
        let stopped = lifecycle.stop().await;

        assert_eq!(stopped, Stopped::Drained);
        assert!(done.load(Ordering::SeqCst));
    }

    #[tokio::test]
    async fn a_second_signal_aborts() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("stuck", std::future::pending());
        let (sender, signals) = mpsc::channel(2);
        sender.send(()).await.unwrap();
        sender.send(()).await.unwrap();

        let stopped = lifecycle.run_until(signals).await;

        assert_eq!(stopped, Stopped::Aborted { unfinished: 1 });
        assert!(lifecycle.tasks.is_empty());
    }

    #[tokio::test]
    async fn the_end_of_the_drain_limit_aborts() {
        let lifecycle = Lifecycle::with_drain_limit(Duration::from_millis(10));
        lifecycle.spawn("stuck", std::future::pending());

        assert_eq!(lifecycle.stop().await, Stopped::Aborted { unfinished: 1 });
    }

    #[tokio::test]
    async fn a_panic_ends_only_its_task() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn("broken", async { panic!("on purpose") });
        tokio::task::yield_now().await;

        assert!(!lifecycle.is_draining());
        assert_eq!(lifecycle.stop().await, Stopped::Drained);
    }

    #[tokio::test]
    async fn the_end_of_an_essential_task_stops_the_process() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn_essential("broken", async { panic!("on purpose") });

        let (_sender, signals) = mpsc::channel(1);
        let stopped = lifecycle.run_until(signals).await;

        assert_eq!(stopped, Stopped::EssentialTaskEnded);
    }
}
