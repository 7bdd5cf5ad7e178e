use async_trait::async_trait;
use carerecord_access::{ConsentRecord, ConsentRecords, ConsentStoreError, FactsUnavailable};
use carerecord_model::NhsNumber;
use carerecord_storage::StoreError;
use uuid::Uuid;

use super::Store;

impl Store {
    /// The newest version of each record of a patient, newest first.
    pub(crate) async fn consents_of(
        &self,
        number: NhsNumber,
    ) -> Result<Vec<ConsentRecord>, StoreError> {
        let rows: Vec<String> = sqlx::query_scalar(OF_PATIENT)
            .bind(number.as_i64())
            .fetch_all(self.database.readers())
            .await?;
        rows.iter().map(|r| parse(r)).collect()
    }

    pub(crate) async fn consent_by_id(
        &self,
        id: Uuid,
    ) -> Result<Option<ConsentRecord>, StoreError> {
        let row: Option<String> = sqlx::query_scalar(BY_ID)
            .bind(id.as_bytes().to_vec())
            .fetch_optional(self.database.readers())
            .await?;
        row.map(|r| parse(&r)).transpose()
    }

    /// Stores a version, if it is the next one.
    pub(crate) async fn put_consent_record(
        &self,
        record: ConsentRecord,
    ) -> Result<(), ConsentStoreError> {
        self.database
            .write(move |connection| {
                Box::pin(async move {
                    let stored: i64 = sqlx::query_scalar(LATEST_VERSION)
                        .bind(record.id.as_bytes().to_vec())
                        .fetch_one(&mut *connection)
                        .await
                        .map_err(StoreError::from)?;
                    if i64::from(record.version) != stored + 1 {
                        return Err(PutError::Conflict);
                    }
                    let json = serde_json::to_string(&record)
                        .map_err(|e| StoreError::Row("consent_record", "record", e.to_string()))?;
                    sqlx::query(INSERT)
                        .bind(record.id.as_bytes().to_vec())
                        .bind(i64::from(record.version))
                        .bind(record.patient.as_i64())
                        .bind(record.recorded_at.as_millisecond())
                        .bind(json)
                        .execute(connection)
                        .await
                        .map_err(StoreError::from)?;
                    Ok(())
                })
            })
            .await
            .map_err(|e: PutError| match e {
                PutError::Conflict => ConsentStoreError::Conflict,
                PutError::Store(e) => FactsUnavailable(e.to_string()).into(),
            })
    }
}

#[async_trait]
impl ConsentRecords for Store {
    async fn consent_records(
        &self,
        patient: NhsNumber,
    ) -> Result<Vec<ConsentRecord>, FactsUnavailable> {
        self.consents_of(patient).await.map_err(|e| FactsUnavailable(e.to_string()))
    }
}

enum PutError {
    Conflict,
    Store(StoreError),
}

impl From<StoreError> for PutError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn parse(json: &str) -> Result<ConsentRecord, StoreError> {
    serde_json::from_str(json)
        .map_err(|e| StoreError::Row("consent_record", "record", e.to_string()))
}

const OF_PATIENT: &str = "
    SELECT record FROM consent_record AS c
    WHERE nhs_number = $1
      AND version = (SELECT max(version) FROM consent_record WHERE id = c.id)
    ORDER BY recorded_at DESC";

const BY_ID: &str = "SELECT record FROM consent_record WHERE id = $1 ORDER BY version DESC LIMIT 1";

const LATEST_VERSION: &str = "SELECT coalesce(max(version), 0) FROM consent_record WHERE id = $1";

const INSERT: &str = "INSERT INTO consent_record VALUES ($1, $2, $3, $4, $5)";
