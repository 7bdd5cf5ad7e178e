//! What a crash left behind: documents of which nobody knows whether they were registered, and
//! objects that no document names.

use std::time::Duration;

use carerecord_service::Lifecycle;
use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};

use crate::Repository;
use crate::objects::ObjectError;

impl Repository {
    /// Settles what was left behind at the last stop, then keeps doing so.
    pub fn start_sweeper(&self, lifecycle: &Lifecycle) {
        let (node, draining) = (self.clone(), lifecycle.draining());
        // What is there now is of an earlier process; what comes from now on is under way and must
        // not be disturbed.
        let mut settled = self.clock.now();
        let mut turn = 0u32;
        lifecycle.spawn("sweeper", async move {
            loop {
                let old = node.clock.now() - GRACE;
                let orphans = !node.objects.is_remote() || turn.is_multiple_of(REMOTE_TURNS);
                node.sweep(settled.max(old), orphans.then_some(old)).await;
                turn = turn.wrapping_add(1);
                settled = Timestamp::MIN;
                tokio::select! {
                    () = draining.cancelled() => return,
                    () = tokio::time::sleep(PAUSE) => {}
                }
            }
        });
    }

    /// Settles documents noted before `noted`, and removes unnamed objects stored before `stored`.
    async fn sweep(&self, noted: Timestamp, stored: Option<Timestamp>) {
        if let Err(error) = self.let_go_of_refused().await {
            tracing::warn!(%error, "what was refused could not be let go of; trying again later");
        }
        if let Err(error) = self.settle_pending(noted).await {
            tracing::warn!(%error, "pending documents could not be settled; trying again later");
            return;
        }
        let Some(stored) = stored else { return };
        if let Err(error) = self.remove_orphans(stored).await {
            tracing::warn!(%error, "orphaned objects could not be removed; trying again later");
        }
    }

    async fn settle_pending(&self, before: Timestamp) -> Result<(), String> {
        let pending = self.index.pending(before).await.map_err(|e| e.to_string())?;
        for holding in pending {
            // A registry that cannot be asked leaves the question open.
            if self.registration(&holding).await.map_err(|e| e.to_string())? {
                let now = self.clock.now();
                self.index
                    .set_registered(vec![holding], now, None)
                    .await
                    .map_err(|e| e.to_string())?;
                tracing::info!("a document was found to be registered");
            } else {
                self.index.forget_pending(vec![holding], None).await.map_err(|e| e.to_string())?;
                tracing::info!("a document that was never registered was dropped");
            }
        }
        Ok(())
    }

    async fn remove_orphans(&self, before: Timestamp) -> Result<(), ObjectError> {
        let abandoned = self.objects.remove_abandoned(before.into()).await?;
        if abandoned > 0 {
            tracing::info!(abandoned, "uploads that were broken off were removed");
        }
        let mut objects = Box::pin(self.objects.list());
        while let Some(object) = objects.next().await {
            let object = object?;
            let key = object.location.to_string();
            let old = object.last_modified.timestamp() < before.as_second();
            if old && matches!(self.index.has_object(&key).await, Ok(false)) {
                self.objects.delete(&key).await?;
                tracing::info!("an object that no document names was removed");
            }
        }
        Ok(())
    }
}

/// Longer than any submission takes.
const GRACE: SignedDuration = SignedDuration::from_hours(1);
const PAUSE: Duration = Duration::from_secs(600);
/// A store elsewhere is listed every six hours: it is slow, and some ask money for it.
const REMOTE_TURNS: u32 = 36;
