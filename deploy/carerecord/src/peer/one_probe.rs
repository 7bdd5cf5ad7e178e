//! One probe of a node for all searches that begin while it is under way. An answer that came before a
//! search began is never taken: the node may have stopped since.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use carerecord_model::PortError;
use tokio::sync::watch;

/// Clones share it.
#[derive(Clone, Default)]
pub(super) struct OneProbe(Arc<Mutex<Option<watch::Receiver<bool>>>>);

impl OneProbe {
    /// Waits for the probe that is under way, or makes this one. Only a yes is shared: whoever waits for
    /// one that fails, or that is given up, makes their own.
    pub(super) async fn wait_or(
        &self,
        probe: impl Future<Output = Result<(), PortError>>,
    ) -> Result<(), PortError> {
        let under_way = self.under_way().clone();
        if let Some(mut answered) = under_way
            && answered.wait_for(|yes| *yes).await.is_ok()
        {
            return Ok(());
        }
        let (yes, answered) = watch::channel(false);
        *self.under_way() = Some(answered);
        let answer = probe.await;
        // Nobody may join from here on.
        *self.under_way() = None;
        if answer.is_ok() {
            yes.send_replace(true);
        }
        answer
    }

    fn under_way(&self) -> MutexGuard<'_, Option<watch::Receiver<bool>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn who_asks_while_it_is_under_way_has_its_answer_and_who_asks_later_asks() {
        let probe = OneProbe::default();
        let (answer, answered) = oneshot::channel();
        let first = probe.wait_or(answered.map(|_| Ok(())));
        let second = async {
            tokio::task::yield_now().await;
            let joined = probe.wait_or(async { unreachable!("one is under way") });
            tokio::join!(joined, async { answer.send(()).unwrap() }).0
        };
        let (first, second) = tokio::join!(first, second);
        assert!(first.is_ok() && second.is_ok());

        assert!(probe.wait_or(ready(Err(PortError::Late))).await.is_err(), "it has stopped since");
    }

    #[tokio::test(start_paused = true)]
    async fn of_one_that_fails_or_is_given_up_nobody_else_has_the_answer() {
        let probe = OneProbe::default();
        let (answer, answered) = oneshot::channel();
        let fails = probe.wait_or(answered.map(|_| Err(PortError::Late)));
        let waits = async {
            tokio::task::yield_now().await;
            tokio::join!(probe.wait_or(ready(Ok(()))), async { answer.send(()).unwrap() }).0
        };
        let (fails, waits) = tokio::join!(fails, waits);
        assert!(fails.is_err() && waits.is_ok());

        let given_up = timeout(Duration::from_secs(1), probe.wait_or(pending()));
        let waits = async {
            tokio::task::yield_now().await;
            probe.wait_or(ready(Ok(()))).await
        };
        let (given_up, waits) = tokio::join!(given_up, waits);
        assert!(given_up.is_err() && waits.is_ok());
    }
}
