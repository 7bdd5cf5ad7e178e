//! Submissions that arrive while the registry cannot be reached, where the configuration says so:
//! they are kept, and registered later in the order of their arrival.

use std::collections::HashMap;
use std::time::Duration;

use carerecord_model::{
    ErrorCode, PortError, Registered, RegistryError, RegistryErrors, Submission, TransactionError,
    UniqueId,
};
use carerecord_service::Lifecycle;
use carerecord_storage::StoreError;

use crate::Repository;
use crate::config::WhenAway;
use crate::index::Holding;
use crate::service::index_failure;
use crate::submissions::{self, State, Step};

impl Repository {
    /// Registers what is kept as soon as the registry can be reached again.
    pub fn start_registering_kept(&self, lifecycle: &Lifecycle) {
        let (node, draining) = (self.clone(), lifecycle.draining());
        lifecycle.spawn("kept submissions", async move {
            let mut pause = SHORTEST;
            loop {
                tokio::select! {
                    () = draining.cancelled() => return,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = match node.register_kept().await {
                    Ok(()) => SHORTEST,
                    Err(error) => {
                        tracing::warn!(error, "kept submissions wait on");
                        (pause * 2).min(LONGEST)
                    }
                };
            }
        });
    }

    /// Whether others wait already: then nobody goes before them, since it may follow one of them.
    pub(crate) async fn must_wait_its_turn(&self) -> Result<bool, TransactionError> {
        if self.config.when_registry_is_away == WhenAway::Refuse {
            return Ok(false);
        }
        let kept = submissions::count_kept(self.database()).await;
        Ok(kept.map_err(|e| index_failure(&e))? > 0)
    }

    /// The answer to a submission that is kept already; `None` when this is another one.
    pub(crate) async fn repeat_of_kept(
        &self,
        submission: &Submission,
    ) -> Result<Option<Result<Registered, TransactionError>>, TransactionError> {
        let id = &submission.submission_set.unique_id;
        let kept = submissions::kept(self.database(), id).await.map_err(|e| index_failure(&e))?;
        Ok(kept.map(|kept| {
            if kept == *submission {
                return Ok(kept_answer());
            }
            let code = ErrorCode::XDSDuplicateUniqueIdInRegistry;
            Err(TransactionError::one(code, format!("SubmissionSet uniqueId {id} is in use")))
        }))
    }

    /// Keeps a submission; it is durable when this returns.
    pub(crate) async fn keep(
        &self,
        submission: Submission,
        holdings: Vec<Holding>,
    ) -> Result<Registered, TransactionError> {
        let waiting = submissions::count_kept(self.database()).await;
        if waiting.map_err(|e| index_failure(&e))? >= MOST {
            return Err(TransactionError::one(
                ErrorCode::XDSRegistryNotAvailable,
                "the registry cannot be reached, and too many submissions wait for it already",
            ));
        }
        let kept = self.index.keep(submission, holdings, self.clock.now()).await;
        if kept.map_err(|e| index_failure(&e))? {
            return Ok(kept_answer());
        }
        // Only the registry knows whether this is a repeat or another one under the same id.
        Err(TransactionError::one(
            ErrorCode::XDSRegistryNotAvailable,
            "the registry cannot be reached; send the submission again later",
        ))
    }

    pub(crate) fn step(&self, unique_id: UniqueId, state: State, errors: RegistryErrors) -> Step {
        Step { unique_id, state, errors, at: self.clock.now() }
    }

    /// Registers what is kept, the oldest first, until nothing is left.
    ///
    /// # Errors
    /// When the registry or the database cannot be reached.
    async fn register_kept(&self) -> Result<(), String> {
        let told = |e: StoreError| e.to_string();
        while let Some(submission) = submissions::first_kept(self.database()).await.map_err(told)? {
            let ids = submission.document_entries.iter().map(|e| &e.unique_id);
            let turn = self.turns.take(ids).await;
            let holdings = self.index.kept(&submission).await.map_err(told)?;
            let id = submission.submission_set.unique_id.clone();
            match self.registry.register_document_set(submission).await {
                Ok(registered) => {
                    let step = self.step(id, State::Registered, registered.warnings);
                    let now = self.clock.now();
                    self.index.set_registered(holdings, now, Some(step)).await.map_err(told)?;
                    tracing::info!("a kept submission was registered");
                }
                Err(PortError::Transaction(error)) => {
                    let step = self.step(id, State::Refused, error.0);
                    let objects: HashMap<String, _> = holdings
                        .iter()
                        .map(|h| (h.unique_id.to_string(), h.object.clone()))
                        .collect();
                    self.index.forget_pending(holdings, Some(step)).await.map_err(told)?;
                    self.discard_unless_known(objects).await;
                    tracing::warn!("a kept submission was refused by the registry");
                }
                Err(error) => return Err(error.to_string()),
            }
            drop(turn);
        }
        Ok(())
    }
}

fn kept_answer() -> Registered {
    let what = "the registry cannot be reached; the submission is kept and will be registered";
    let warning = RegistryError::warning(ErrorCode::XDSRegistryNotAvailable, what);
    Registered { warnings: vec![warning], repeated: false }
}

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// Submissions that wait at most.
const MOST: i64 = 100_000;
