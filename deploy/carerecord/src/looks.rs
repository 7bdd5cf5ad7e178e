use async_trait::async_trait;
use carerecord_storage::{Database, StoreError, sql};
use carerecord_web::{LookRow, LookRows, LookRowsError};
use jiff::Timestamp;

/// What people have seen of lists, in the portal's database.
#[derive(Clone, Debug)]
pub struct SqlLookRows(pub Database);

#[async_trait]
impl LookRows for SqlLookRows {
    async fn save(&self, row: LookRow, now: Timestamp) -> Result<(), LookRowsError> {
        self.0
            .write(move |c| {
                Box::pin(async move {
                    sql(SWEEP).bind(now.as_millisecond()).run(&mut *c).await?;
                    sql(SAVE)
                        .bind(row.id_hash.to_vec())
                        .bind(row.expires_at.as_millisecond())
                        .bind(row.data)
                        .run(c)
                        .await?;
                    Ok::<(), StoreError>(())
                })
            })
            .await
            .map_err(failed)
    }

    async fn load(
        &self,
        id_hash: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, LookRowsError> {
        let row: Option<(Vec<u8>,)> = sql(LOAD)
            .bind(id_hash.to_vec())
            .bind(now.as_millisecond())
            .first(&self.0)
            .await
            .map_err(failed)?;
        Ok(row.map(|(data,)| data))
    }
}

fn failed(error: StoreError) -> LookRowsError {
    LookRowsError(Box::new(error))
}

const SWEEP: &str = "DELETE FROM web_look WHERE expires_at <= $1";
const SAVE: &str = "
    INSERT INTO web_look (id_hash, expires_at, data) VALUES ($1, $2, $3)
    ON CONFLICT (id_hash) DO UPDATE SET expires_at = excluded.expires_at, data = excluded.data";
const LOAD: &str = "SELECT data FROM web_look WHERE id_hash = $1 AND expires_at > $2";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_look_is_kept_until_it_expires_and_then_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(&folder.path().join("portal.db")).await.unwrap();
        let rows = SqlLookRows(database.clone());
        let at = |second| Timestamp::from_second(second).unwrap();
        let row = |n: u8, until| LookRow { id_hash: [n; 32], expires_at: at(until), data: vec![n] };

        rows.save(row(1, 100), at(0)).await.unwrap();
        rows.save(LookRow { data: vec![9], ..row(1, 100) }, at(0)).await.unwrap();

        assert_eq!(rows.load(&[1; 32], at(99)).await.unwrap(), Some(vec![9]));
        assert_eq!(rows.load(&[1; 32], at(100)).await.unwrap(), None);
        assert_eq!(rows.load(&[2; 32], at(0)).await.unwrap(), None);
        rows.save(row(2, 300), at(200)).await.unwrap();
        let left = sql("SELECT count(*) FROM web_look").number(&database).await.unwrap();
        assert_eq!(left, 1, "what has expired is gone");
    }
}
