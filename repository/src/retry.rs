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
    /// Keeps a submission that was refused, if that is wanted and there is room; else forgets it.
    pub(crate) async fn keep_refused(
        &self,
        submission: Submission,
        holdings: Vec<Holding>,
        step: Step,
    ) -> Result<(), StoreError> {
        let request = RequestId::current().filter(|_| self.config.keep_refused_days > 0);
        if let Some(request) = request {
            let size: u64 = holdings.iter().map(|holding| holding.object.size).sum();
            let (count, bytes) = submissions::refused_kept(self.database()).await?;
            if count < MOST && bytes.saturating_add(size) <= MOST_BYTES {
                let request = request.0.to_string();
                return self.index.keep_refused(submission, holdings, step, request).await;
            }
            tracing::warn!("a refused submission is not kept: too much is kept already");
        }
        self.index.forget_pending(holdings, Some(step)).await
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
        for holding in &holdings {
            let whole = self.objects.has(&holding.object).await;
            if !whole.map_err(|e| PortError::Unavailable(e.to_string()))? {
                return Ok(TriedAgain::Gone);
            }
        }
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
                self.index.set_taken(holdings, now, step).await.map_err(failed)?;
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
        self.index.let_go_of_refused(before, now).await
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

#[cfg(test)]
mod tests {
    use carerecord_model::{Clock as _, ErrorCode, RegistryError, SystemClock};
    use carerecord_storage::Database;
    use carerecord_testkit::submission::Builder;
    use jiff::Timestamp;

    use super::*;
    use crate::index::Index;
    use crate::iti41::holding;
    use crate::objects::StoredObject;

    /// A node's table with one submission that was refused and is kept.
    struct World {
        index: Index,
        submission: Submission,
        holdings: Vec<Holding>,
        refused_at: Timestamp,
        _folder: tempfile::TempDir,
    }

    impl World {
        async fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let database = Database::open(&folder.path().join("node.db")).await.unwrap();
            let index = Index::new(database);
            let submission = submission();
            let holdings = vec![holding(&submission.document_entries[0], &object("first"))];
            let refused_at = SystemClock.now();
            let sent = (submission.clone(), holdings.clone());
            index
                .add_pending(sent.0.clone(), "lab".into(), sent.1.clone(), refused_at)
                .await
                .unwrap();
            let request = "r-1".to_owned();
            index
                .keep_refused(sent.0, sent.1, refused(&submission, refused_at), request)
                .await
                .unwrap();
            Self { index, submission, holdings, refused_at, _folder: folder }
        }

        async fn kept(&self) -> Option<Submission> {
            submissions::refused_by(self.index.database(), "r-1").await.unwrap()
        }

        async fn holds(&self, key: &str) -> bool {
            self.index.has_object(key).await.unwrap()
        }
    }

    fn submission() -> Submission {
        let mut submission = Builder::default().document();
        submission.document_entries[0].hash = Some("a".repeat(40));
        submission
    }

    fn object(key: &str) -> StoredObject {
        StoredObject {
            key: key.to_owned(),
            size: 7,
            sha1: "a".repeat(40),
            sha256: "b".repeat(64),
            wrapped: None,
        }
    }

    fn refused(submission: &Submission, at: Timestamp) -> Step {
        let error = RegistryError::error(ErrorCode::XDSUnknownPatientId, "nobody");
        let unique_id = submission.submission_set.unique_id.clone();
        Step { unique_id, state: State::Refused, errors: vec![error], at }
    }

    #[tokio::test]
    async fn what_is_kept_is_whole_and_given_to_nobody() {
        let world = World::new().await;

        assert_eq!(world.kept().await.as_ref(), Some(&world.submission));
        let whole = world.index.refused(&world.submission).await.unwrap().unwrap();
        assert_eq!(whole[0].object.key, "first");
        let id = &world.holdings[0].unique_id;
        let found = world.index.find(id).await.unwrap().unwrap();
        assert!(!found.registered, "nobody is given it, unless the registry says that it has it");
        let pending = world.index.pending(Timestamp::MAX).await.unwrap();
        assert!(pending.is_empty(), "nor does the sweeper settle it");
        let count = submissions::refused_kept(world.index.database()).await.unwrap();
        assert_eq!(count, (1, 7));
        let told = submissions::refused(world.index.database(), 10).await.unwrap();
        assert_eq!(told[0].0, "r-1");
    }

    #[tokio::test]
    async fn it_is_let_go_of_when_its_days_are_over_also_after_another_try() {
        let world = World::new().await;
        let later = world.refused_at + SignedDuration::from_hours(2);
        world.index.refused_again(refused(&world.submission, later)).await.unwrap();

        world.index.let_go_of_refused(world.refused_at, later).await.unwrap();
        assert!(world.kept().await.is_some() && world.holds("first").await);

        let over = world.refused_at + SignedDuration::from_hours(1);
        world.index.let_go_of_refused(over, later).await.unwrap();
        assert!(world.kept().await.is_none());
        let pending = world.index.pending(Timestamp::MAX).await.unwrap();
        assert_eq!(pending.len(), 1, "the sweeper asks the registry, and drops it");
        let id = world.submission.submission_set.unique_id.to_string();
        let state = submissions::find(world.index.database(), &id, "lab").await.unwrap();
        assert_eq!(
            state.unwrap().state,
            State::Refused,
            "its sender still learns what became of it"
        );
    }

    #[tokio::test]
    async fn what_is_sent_again_takes_its_place() {
        let world = World::new().await;
        let again = vec![holding(&world.submission.document_entries[0], &object("second"))];
        let now = SystemClock.now();
        let sent = world.submission.clone();
        world.index.add_pending(sent, "lab".into(), again.clone(), now).await.unwrap();

        assert!(world.kept().await.is_none(), "nobody can try the old one again");
        assert!(!world.holds("first").await && world.holds("second").await);
        world.index.set_registered(again, now, None).await.unwrap();
        assert!(world.index.find(&world.holdings[0].unique_id).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_document_that_has_become_another_is_not_tried() {
        let world = World::new().await;
        let other = StoredObject { sha1: "c".repeat(40), ..object("other") };
        let other = vec![holding(&world.submission.document_entries[0], &other)];
        world.index.set_registered(other, SystemClock.now(), None).await.unwrap();

        assert!(world.index.refused(&world.submission).await.unwrap().is_none());
    }
}
