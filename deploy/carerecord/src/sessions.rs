use async_trait::async_trait;
use carerecord_storage::{Database, StoreError, sql};
use carerecord_web::{SessionRow, SessionRows, SessionRowsError};
use jiff::Timestamp;

/// Web sessions in the portal's database.
#[derive(Clone, Debug)]
pub struct SqlSessionRows(pub Database);

#[async_trait]
impl SessionRows for SqlSessionRows {
    async fn save(&self, row: SessionRow) -> Result<(), SessionRowsError> {
        self.0
            .write(move |c| {
                Box::pin(async move {
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

    async fn insert(&self, row: SessionRow) -> Result<bool, SessionRowsError> {
        self.0
            .write(move |c| {
                Box::pin(async move {
                    let inserted = sql(INSERT)
                        .bind(row.id_hash.to_vec())
                        .bind(row.expires_at.as_millisecond())
                        .bind(row.data)
                        .run(c)
                        .await?;
                    Ok::<bool, StoreError>(inserted == 1)
                })
            })
            .await
            .map_err(failed)
    }

    async fn take(&self, id_hash: &[u8; 32]) -> Result<Option<SessionRow>, SessionRowsError> {
        let key = id_hash.to_vec();
        let found = self.load(id_hash).await?;
        let deleted = self.0.write(move |c| {
            Box::pin(async move {
                let text = "DELETE FROM web_session WHERE id_hash = $1";
                sql(text).bind(key).run(c).await
            })
        });
        // Of several who read it one has deleted it.
        let mine = deleted.await.map_err(failed)? == 1;
        Ok(found.filter(|_| mine))
    }

    async fn load(&self, id_hash: &[u8; 32]) -> Result<Option<SessionRow>, SessionRowsError> {
        let row: Option<(i64, Vec<u8>)> =
            sql("SELECT expires_at, data FROM web_session WHERE id_hash = $1")
                .bind(id_hash.to_vec())
                .first(&self.0)
                .await
                .map_err(failed)?;
        let Some((expires_at, data)) = row else { return Ok(None) };
        let expires_at = Timestamp::from_millisecond(expires_at)
            .map_err(|e| failed(StoreError::Row("web_session", "expires_at", e.to_string())))?;
        Ok(Some(SessionRow { id_hash: *id_hash, expires_at, data }))
    }

    async fn delete(&self, id_hash: &[u8; 32]) -> Result<(), SessionRowsError> {
        let key = id_hash.to_vec();
        self.0
            .write(move |c| {
                Box::pin(async move {
                    let text = "DELETE FROM web_session WHERE id_hash = $1";
                    sql(text).bind(key).run(c).await?;
                    Ok::<(), StoreError>(())
                })
            })
            .await
            .map_err(failed)
    }

    async fn delete_expired(&self, before: Timestamp) -> Result<u64, SessionRowsError> {
        self.0
            .write(move |c| {
                Box::pin(async move {
                    let text = "DELETE FROM web_session WHERE expires_at < $1";
                    let gone = sql(text).bind(before.as_millisecond()).run(c).await?;
                    Ok::<u64, StoreError>(gone)
                })
            })
            .await
            .map_err(failed)
    }
}

fn failed(error: StoreError) -> SessionRowsError {
    SessionRowsError(Box::new(error))
}

const INSERT: &str = "
    INSERT INTO web_session (id_hash, expires_at, data) VALUES ($1, $2, $3)
    ON CONFLICT (id_hash) DO NOTHING";
const SAVE: &str = "
    INSERT INTO web_session (id_hash, expires_at, data) VALUES ($1, $2, $3)
    ON CONFLICT (id_hash) DO UPDATE SET expires_at = excluded.expires_at, data = excluded.data";
