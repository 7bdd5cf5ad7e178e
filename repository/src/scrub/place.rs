//! How far a scrub has come, in the node's database.

use carerecord_model::UniqueId;
use carerecord_storage::{StoreError, sql};

use super::Scrub;
use crate::integrity::Fault;

/// Where a scrub goes on.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// The last uniqueId that was checked.
    pub after: String,
    pub documents: u64,
    pub bytes: u64,
}

impl Scrub {
    /// Where the last scrub stopped; one that had ended, or that is not wanted, is begun anew.
    pub(super) async fn begin(&self, restart: bool) -> Result<Place, StoreError> {
        let node = self.node.to_string();
        let ended = sql(UNFINISHED).bind(&node).number(self.index.database()).await? == 0;
        if !ended && !restart {
            return self.place().await;
        }
        let now = self.clock.now().as_millisecond();
        self.index
            .database()
            .write(move |c| {
                Box::pin(async move {
                    sql(FORGET_FINDINGS).bind(&node).run(&mut *c).await?;
                    sql(BEGIN).bind(&node).bind(now).run(&mut *c).await?;
                    Ok::<(), StoreError>(())
                })
            })
            .await?;
        Ok(Place::default())
    }

    /// Where the scrub is.
    pub(super) async fn place(&self) -> Result<Place, StoreError> {
        let node = self.node.to_string();
        let found: Option<(String, i64, i64)> =
            sql(PLACE).bind(&node).first(self.index.database()).await?;
        Ok(found.map_or_else(Place::default, |(after, documents, bytes)| Place {
            after,
            documents: documents.unsigned_abs(),
            bytes: bytes.unsigned_abs(),
        }))
    }

    pub(super) async fn keep_place(
        &self,
        place: &Place,
        findings: Vec<(UniqueId, Fault)>,
    ) -> Result<(), StoreError> {
        let node = self.node.to_string();
        let place = place.clone();
        self.index
            .database()
            .write(move |c| {
                Box::pin(async move {
                    for (id, fault) in &findings {
                        let found = sql(FOUND).bind(&node).bind(id.as_str()).bind(fault.as_str());
                        found.run(&mut *c).await?;
                    }
                    sql(KEEP)
                        .bind(&node)
                        .bind(place.after)
                        .bind(place.documents as i64)
                        .bind(place.bytes as i64)
                        .run(&mut *c)
                        .await?;
                    Ok(())
                })
            })
            .await
    }

    pub(super) async fn finish(&self) -> Result<(), StoreError> {
        let node = self.node.to_string();
        let now = self.clock.now().as_millisecond();
        self.index
            .database()
            .write(move |c| {
                Box::pin(async move {
                    sql(FINISH).bind(&node).bind(now).run(c).await?;
                    Ok(())
                })
            })
            .await
    }

    /// What the scrub that runs, or the last one, has found.
    pub(super) async fn findings(&self) -> Result<Vec<(UniqueId, Fault)>, StoreError> {
        let node = self.node.to_string();
        let rows: Vec<(String, String)> =
            sql(FINDINGS).bind(&node).all(self.index.database()).await?;
        let wrong = |column| StoreError::Row("scrub_finding", column, "not a value".to_owned());
        rows.into_iter()
            .map(|(id, fault)| {
                let id = id.parse().map_err(|_| wrong("unique_id"))?;
                Ok((id, Fault::from_word(&fault).ok_or_else(|| wrong("fault"))?))
            })
            .collect()
    }
}

const UNFINISHED: &str = "SELECT count(*) FROM scrub WHERE repository = $1 AND finished_at IS NULL";

const PLACE: &str = "SELECT after_id, documents, size_bytes FROM scrub WHERE repository = $1";

const BEGIN: &str = "
    INSERT INTO scrub (repository, started_at, finished_at, after_id, documents, size_bytes)
    VALUES ($1, $2, NULL, '', 0, 0)
    ON CONFLICT (repository) DO UPDATE SET started_at = excluded.started_at, finished_at = NULL,
        after_id = '', documents = 0, size_bytes = 0";

const KEEP: &str = "
    UPDATE scrub SET after_id = $2, documents = $3, size_bytes = $4 WHERE repository = $1";

const FINISH: &str = "UPDATE scrub SET finished_at = $2 WHERE repository = $1";

const FORGET_FINDINGS: &str = "DELETE FROM scrub_finding WHERE repository = $1";

const FOUND: &str = "
    INSERT INTO scrub_finding (repository, unique_id, fault) VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING";

const FINDINGS: &str = "
    SELECT unique_id, fault FROM scrub_finding WHERE repository = $1 ORDER BY unique_id, fault";
