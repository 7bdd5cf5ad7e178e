//! Submissions that the registry has refused, kept for another try where the configuration says for how
//! many days: their reason may be mended by whoever runs the programme, while the sender has long gone on.
//! Nobody can retrieve, find or search inside what is kept.

use carerecord_audit::{AuditOutcome, DocumentRef};
use carerecord_model::{DocumentEntry, KeptRefusal, PortError, Submission, TriedAgain};
use carerecord_service::{AuditDraft, RequestId};
use carerecord_storage::StoreError;
use jiff::SignedDuration;

use crate::Repository;
use crate::index::Holding;
use crate::submissions::{self, State, Step};

impl Repository {
    /// Keeps a submission that was refused, if that is wanted and there is room; else forgets it. `true`:
    /// its bytes stay, too.
    pub(crate) async fn keep_refused(
        &self,
        submission: Submission,
        holdings: Vec<Holding>,
        step: Step,
    ) -> Result<bool, StoreError> {
        let request = RequestId::current().filter(|_| self.config.keep_refused_days > 0);
        if let Some(request) = request {
            let size: u64 = holdings.iter().map(|holding| holding.object.size).sum();
            let (count, bytes) = submissions::refused_kept(self.database()).await?;
            if count < MOST && bytes.saturating_add(size) <= MOST_BYTES {
                let request = request.0.to_string();
                self.index.keep_refused(submission, holdings, step, request).await?;
                return Ok(true);
            }
            tracing::warn!("a refused submission is not kept: too much is kept already");
        }
        self.index.forget_pending(holdings, Some(step)).await?;
        Ok(false)
    }

    /// What is kept, for a role of the deployment.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) async fn kept_refusals(&self) -> Result<Vec<KeptRefusal>, StoreError> {
        let kept = submissions::refused(self.database(), MOST_TOLD).await?;
        let until = |(request, at): (String, jiff::Timestamp)| KeptRefusal {
            request,
            until: at.checked_add(self.keeps_refused()).unwrap_or(at),
        };
        Ok(kept.into_iter().map(until).collect())
    }

    /// Asks the registry once more to register what a request brought. Its bytes are as they came.
    ///
    /// # Errors
    /// When the registry or the database cannot be asked.
    pub(crate) async fn try_again(
        &self,
        request: &str,
        draft: &AuditDraft,
    ) -> Result<TriedAgain, PortError> {
        let failed = |e: StoreError| PortError::Unavailable(e.to_string());
        let kept = submissions::refused_by(self.database(), request).await.map_err(failed)?;
        let Some(waiting) = kept else { return Ok(TriedAgain::Gone) };
        let ids = waiting.document_entries.iter().map(|e| &e.unique_id);
        let turn = self.turns.take(ids).await;
        // It may have come again by itself while others had their turn.
        let kept = submissions::refused_by(self.database(), request).await.map_err(failed)?;
        let Some(submission) = kept else { return Ok(TriedAgain::Gone) };
        let Some(holdings) = self.index.refused(&submission).await.map_err(failed)? else {
            return Ok(TriedAgain::Gone);
        };
        draft.fill(|event| {
            event.subject = submission.submission_set.patient_id.nhs_number();
            let documents = submission.document_entries.iter();
            let document = |e: &DocumentEntry| DocumentRef {
                id: e.unique_id.to_string(),
                hash: e.hash.clone(),
            };
            event.documents = documents.map(document).collect();
        });
        let id = submission.submission_set.unique_id.clone();
        let done = match self.registry.register_document_set(submission).await {
            Ok(registered) => {
                let step = self.step(id, State::Registered, registered.warnings);
                let now = self.clock.now();
                self.index.set_registered(holdings, now, Some(step)).await.map_err(failed)?;
                self.search.wake();
                TriedAgain::Registered
            }
            Err(PortError::Transaction(error)) => {
                let codes: Vec<&str> = error.0.iter().map(|e| e.code.as_str()).collect();
                let reason = codes.join(" ");
                draft.outcome(AuditOutcome::Rejected);
                draft.fill(|event| event.error = Some(reason.clone()));
                let step = self.step(id, State::Refused, error.0);
                self.index.refused_again(step).await.map_err(failed)?;
                TriedAgain::Refused { reason }
            }
            Err(error) => return Err(error),
        };
        drop(turn);
        Ok(done)
    }

    /// Lets go of what has been kept long enough.
    pub(crate) async fn let_go_of_refused(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let before = now.checked_sub(self.keeps_refused()).unwrap_or(now);
        self.index.let_go_of_refused(before).await
    }

    fn keeps_refused(&self) -> SignedDuration {
        SignedDuration::from_hours(24 * i64::from(self.config.keep_refused_days))
    }
}

/// Submissions that are kept at most, and the bytes of their documents.
const MOST: i64 = 10_000;
const MOST_BYTES: u64 = 4 << 30;
/// The newest of them are told of.
const MOST_TOLD: i64 = 1_000;
