//! What a node holds: from uniqueId to object, with the entry as it was registered.

mod integrity;
mod row;

use carerecord_audit::{AuditEvent, AuditLog};
use carerecord_model::{DocumentEntry, MimeType, Submission, UniqueId};
use carerecord_storage::{Connection, Database, StoreError, sql};
use jiff::Timestamp;

use crate::objects::StoredObject;
use crate::retention::{self, Disposal};
use crate::submissions::{self, Step};
use row::{Row, insert};

/// A document that the node holds.
#[derive(Clone, Debug)]
pub(crate) struct Holding {
    pub unique_id: UniqueId,
    pub object: StoredObject,
    pub mime_type: MimeType,
    pub registered: bool,
    /// Found damaged: nobody is given it.
    pub quarantined: bool,
    pub entry: DocumentEntry,
}

/// The node's table.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    database: Database,
}

impl Index {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) async fn find(&self, id: &UniqueId) -> Result<Option<Holding>, StoreError> {
        let row: Option<Row> = sql(FIND).bind(id.as_str()).first(&self.database).await?;
        row.map(Row::into_holding).transpose()
    }

    /// Notes a submission and its documents, whose bytes are stored, before the registry is asked.
    pub(crate) async fn add_pending(
        &self,
        submission: Submission,
        sent_by: String,
        holdings: Vec<Holding>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.database
            .write(move |c| {
                Box::pin(async move {
                    submissions::begin(c, &submission, &sent_by, now).await?;
                    insert_all(c, &holdings, now, PENDING_ROW).await
                })
            })
            .await
    }

    /// Notes a submission that was refused before anything of it was kept.
    pub(crate) async fn refuse(
        &self,
        submission: Submission,
        sent_by: String,
        step: Step,
    ) -> Result<(), StoreError> {
        self.database
            .write(move |c| {
                Box::pin(async move {
                    submissions::begin(c, &submission, &sent_by, step.at).await?;
                    submissions::refuse(c, &step).await
                })
            })
            .await
    }

    /// Keeps a submission and its documents until the registry answers. `false`: its id is taken,
    /// and nothing was kept.
    pub(crate) async fn keep(
        &self,
        submission: Submission,
        holdings: Vec<Holding>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.database
            .write(move |c| {
                Box::pin(async move {
                    let kept = submissions::keep(c, &submission, now).await?;
                    if kept {
                        insert_all(c, &holdings, now, KEPT_ROW).await?;
                    }
                    Ok(kept)
                })
            })
            .await
    }

    /// Notes that the registry has taken these documents with these bytes, whatever has become of
    /// the notes about them meanwhile.
    pub(crate) async fn set_registered(
        &self,
        holdings: Vec<Holding>,
        now: Timestamp,
        step: Option<Step>,
    ) -> Result<(), StoreError> {
        self.database
            .write(move |c| {
                Box::pin(async move {
                    if let Some(step) = &step {
                        submissions::step(c, step).await?;
                    }
                    insert_all(c, &holdings, now, REGISTERED_ROW).await
                })
            })
            .await
    }

    /// Forgets documents that the registry has refused, unless a later submission has taken the
    /// note over.
    pub(crate) async fn forget_pending(
        &self,
        holdings: Vec<Holding>,
        step: Option<Step>,
    ) -> Result<(), StoreError> {
        self.database
            .write(move |c| {
                Box::pin(async move {
                    if let Some(step) = &step {
                        submissions::step(c, step).await?;
                    }
                    forget(c, &holdings).await
                })
            })
            .await
    }

    /// Keeps a submission that was refused and its documents, unless a later submission has taken the
    /// notes over.
    pub(crate) async fn keep_refused(
        &self,
        submission: Submission,
        holdings: Vec<Holding>,
        step: Step,
        request: String,
    ) -> Result<(), StoreError> {
        self.database
            .write(move |c| {
                Box::pin(async move {
                    submissions::step(c, &step).await?;
                    let kept = submissions::keep_refused(c, &submission, step.at, &request).await?;
                    if !kept {
                        return forget(c, &holdings).await;
                    }
                    for holding in &holdings {
                        sql(HOLD)
                            .bind(holding.unique_id.as_str())
                            .bind(&holding.object.key)
                            .bind(step.at.as_millisecond())
                            .run(&mut *c)
                            .await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// The documents of a submission that was refused and is kept; `None` when they are not all as they
    /// came with it.
    pub(crate) async fn refused(
        &self,
        submission: &Submission,
    ) -> Result<Option<Vec<Holding>>, StoreError> {
        let mut holdings = Vec::new();
        for entry in &submission.document_entries {
            let row: Option<Row> =
                sql(FIND_REFUSED).bind(entry.unique_id.as_str()).first(&self.database).await?;
            let holding = row.map(Row::into_holding).transpose()?;
            let hash = entry.hash.as_deref().unwrap_or_default();
            let same = |h: &Holding| hash.eq_ignore_ascii_case(&h.object.sha1);
            match holding.filter(same) {
                Some(holding) => holdings.push(Holding { entry: entry.clone(), ..holding }),
                None => return Ok(None),
            }
        }
        Ok(Some(holdings))
    }

    /// Notes that the registry has taken after all what was refused: of each document as it stands now,
    /// where its bytes are those that were kept.
    pub(crate) async fn set_taken(
        &self,
        holdings: Vec<Holding>,
        now: Timestamp,
        step: Step,
    ) -> Result<(), StoreError> {
        self.database
            .write(move |c| {
                Box::pin(async move {
                    submissions::step(c, &step).await?;
                    for holding in &holdings {
                        let taken = sql(TAKEN)
                            .bind(holding.unique_id.as_str())
                            .bind(&holding.object.sha256)
                            .bind(now.as_millisecond())
                            .run(&mut *c)
                            .await?;
                        if taken == 1 {
                            crate::search::queue::registered(c, &holding.unique_id, now).await?;
                        }
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Notes why a submission that is kept was refused again.
    pub(crate) async fn refused_again(&self, step: Step) -> Result<(), StoreError> {
        let note = self
            .database
            .write(move |c| Box::pin(async move { submissions::refused_again(c, &step).await }));
        note.await
    }

    /// Lets go of submissions that were refused before. Their documents are the sweeper's, who asks the
    /// registry first: another try may have ended where nobody saw it.
    pub(crate) async fn let_go_of_refused(
        &self,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let go = self.database.write(move |c| {
            Box::pin(async move {
                submissions::let_go_of_refused(c, before).await?;
                let let_go = sql(LET_GO).bind(before.as_millisecond()).bind(now.as_millisecond());
                let_go.run(c).await.map(drop)
            })
        });
        go.await
    }

    /// The documents of a submission that is kept.
    pub(crate) async fn kept(&self, submission: &Submission) -> Result<Vec<Holding>, StoreError> {
        let mut holdings = Vec::new();
        for entry in &submission.document_entries {
            let row: Option<Row> =
                sql(FIND_KEPT).bind(entry.unique_id.as_str()).first(&self.database).await?;
            let holding = row.map(Row::into_holding).transpose()?;
            holdings.extend(holding.map(|h| Holding { entry: entry.clone(), ..h }));
        }
        Ok(holdings)
    }

    /// Documents noted before `before` of which nobody knows whether they were registered.
    pub(crate) async fn pending(&self, before: Timestamp) -> Result<Vec<Holding>, StoreError> {
        let rows: Vec<Row> = sql(PENDING).bind(before.as_millisecond()).all(&self.database).await?;
        rows.into_iter().map(Row::into_holding).collect()
    }

    /// Marks documents as removed: nobody gets them any more.
    pub(crate) async fn remove(
        &self,
        disposals: Vec<Disposal>,
        now: Timestamp,
        audit: AuditEvent,
    ) -> Result<(), StoreError> {
        self.database
            .write(move |c| {
                Box::pin(async move {
                    for disposal in &disposals {
                        retention::remove_in(c, disposal, now).await?;
                    }
                    AuditLog::append_in(c, &[&audit]).await
                })
            })
            .await
    }

    /// Whether an object is named by a document, also by one that was removed and not destroyed.
    pub(crate) async fn has_object(&self, key: &str) -> Result<bool, StoreError> {
        Ok(sql(NAMES_OBJECT).bind(key).number(&self.database).await? > 0)
    }
}

async fn forget(c: &mut Connection, holdings: &[Holding]) -> Result<(), StoreError> {
    for holding in holdings {
        let (id, key) = (holding.unique_id.as_str(), &holding.object.key);
        sql(FORGET).bind(id).bind(key).run(&mut *c).await?;
    }
    Ok(())
}

async fn insert_all(
    c: &mut Connection,
    holdings: &[Holding],
    now: Timestamp,
    registered: i64,
) -> Result<(), StoreError> {
    for holding in holdings {
        insert(c, holding, now, registered).await?;
        if registered == REGISTERED_ROW {
            crate::search::queue::registered(c, &holding.unique_id, now).await?;
        }
    }
    Ok(())
}

const FIND: &str = "
    SELECT unique_id, object_key, mime_type, size_bytes, sha1, sha256, registered, metadata,
        quarantined_at, wrapping_key_id, wrapped_key
    FROM stored_document WHERE unique_id = $1 AND registered IN (0, 1, 5)";

const FIND_KEPT: &str = "
    SELECT unique_id, object_key, mime_type, size_bytes, sha1, sha256, registered, metadata,
        quarantined_at, wrapping_key_id, wrapped_key
    FROM stored_document WHERE unique_id = $1 AND registered = 3";

const PENDING: &str = "
    SELECT unique_id, object_key, mime_type, size_bytes, sha1, sha256, registered, metadata,
        quarantined_at, wrapping_key_id, wrapped_key
    FROM stored_document WHERE registered = 0 AND stored_at < $1";

const NAMES_OBJECT: &str = "SELECT count(*) FROM stored_document WHERE object_key = $1";

const FORGET: &str =
    "DELETE FROM stored_document WHERE unique_id = $1 AND object_key = $2 AND registered IN (0, 3)";

const HOLD: &str = "
    UPDATE stored_document SET registered = 5, stored_at = $3
    WHERE unique_id = $1 AND object_key = $2 AND registered = 0";

// What another submission brought and registered meanwhile counts, when it is the same.
const FIND_REFUSED: &str = "
    SELECT unique_id, object_key, mime_type, size_bytes, sha1, sha256, registered, metadata,
        quarantined_at, wrapping_key_id, wrapped_key
    FROM stored_document WHERE unique_id = $1 AND registered IN (1, 5)";

const TAKEN: &str = "
    UPDATE stored_document SET registered = 1, stored_at = $3
    WHERE unique_id = $1 AND sha256 = $2 AND registered IN (0, 5)";

const LET_GO: &str = "
    UPDATE stored_document SET registered = 0, stored_at = $2
    WHERE registered = 5 AND stored_at < $1";

const PENDING_ROW: i64 = 0;
const REGISTERED_ROW: i64 = 1;
/// 2 is what was removed, 4 what was destroyed, 5 what was refused and is kept for another try.
const KEPT_ROW: i64 = 3;
