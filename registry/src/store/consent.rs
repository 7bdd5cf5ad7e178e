use async_trait::async_trait;
use carerecord_access::{ConsentRecord, ConsentRecords, ConsentStoreError, FactsUnavailable};
use carerecord_model::NhsNumber;
use carerecord_storage::{On, StoreError, sql};
use uuid::Uuid;

use super::Store;

/// The newest version of each record of a patient, newest first. What was said under a number that
/// has been merged with this one counts too.
pub(crate) async fn consents_of(
    on: impl Into<On<'_>>,
    number: NhsNumber,
) -> Result<Vec<ConsentRecord>, StoreError> {
    read(OF_PATIENT, on, number).await
}

/// The same of somebody who is known to have this number alone: nobody has been merged with them.
pub(crate) async fn consents_of_one(
    on: impl Into<On<'_>>,
    number: NhsNumber,
) -> Result<Vec<ConsentRecord>, StoreError> {
    read(OF_ONE, on, number).await
}

async fn read(
    statement: &'static str,
    on: impl Into<On<'_>>,
    number: NhsNumber,
) -> Result<Vec<ConsentRecord>, StoreError> {
    let rows: Vec<(String,)> = sql(statement).bind(number.as_i64()).all(on).await?;
    // They are of the person asked about, and count for their documents.
    let own = |(record,): (String,)| Ok(ConsentRecord { patient: number, ..parse(&record)? });
    rows.into_iter().map(own).collect()
}

impl Store {
    pub(crate) async fn consent_by_id(
        &self,
        id: Uuid,
    ) -> Result<Option<ConsentRecord>, StoreError> {
        let row: Option<(String,)> = sql(BY_ID).bind(id).first(&self.database).await?;
        row.map(|(r,)| parse(&r)).transpose()
    }

    /// Stores a version, if it is the next one.
    pub(crate) async fn put_consent_record(
        &self,
        record: ConsentRecord,
    ) -> Result<(), ConsentStoreError> {
        self.database
            .write(move |connection| {
                Box::pin(async move {
                    let stored =
                        sql(LATEST_VERSION).bind(record.id).number(&mut *connection).await?;
                    if i64::from(record.version) != stored + 1 {
                        return Err(PutError::Conflict);
                    }
                    let json = serde_json::to_string(&record)
                        .map_err(|e| StoreError::Row("consent_record", "record", e.to_string()))?;
                    sql(INSERT)
                        .bind(record.id)
                        .bind(record.version)
                        .bind(record.patient.as_i64())
                        .bind(record.recorded_at.as_millisecond())
                        .bind(json)
                        .run(connection)
                        .await?;
                    Ok(())
                })
            })
            .await
            .map_err(|e: PutError| e.into())
    }
}

#[async_trait]
impl ConsentRecords for Store {
    async fn consent_records(
        &self,
        patient: NhsNumber,
    ) -> Result<Vec<ConsentRecord>, FactsUnavailable> {
        consents_of(&self.database, patient).await.map_err(|e| FactsUnavailable(e.to_string()))
    }
}

/// Why a version was not stored.
pub(super) enum PutError {
    Conflict,
    Store(StoreError),
}

impl From<PutError> for ConsentStoreError {
    fn from(error: PutError) -> Self {
        match error {
            PutError::Conflict => Self::Conflict,
            PutError::Store(e) => FactsUnavailable(e.to_string()).into(),
        }
    }
}

impl From<StoreError> for PutError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

pub(super) fn parse(json: &str) -> Result<ConsentRecord, StoreError> {
    serde_json::from_str(json)
        .map_err(|e| StoreError::Row("consent_record", "record", e.to_string()))
}

const OF_PATIENT: &str = concat!(
    super::everybody_merged!(),
    "SELECT record FROM consent_record AS c
    WHERE nhs_number IN (
        SELECT $1 UNION ALL
        SELECT p.nhs_number FROM person JOIN patient AS p ON p.patient_no = person.patient_no)
      AND version = (SELECT max(version) FROM consent_record WHERE id = c.id)
    ORDER BY recorded_at DESC, id"
);

const OF_ONE: &str = "
    SELECT record FROM consent_record AS c
    WHERE nhs_number = $1 AND version = (SELECT max(version) FROM consent_record WHERE id = c.id)
    ORDER BY recorded_at DESC, id";

const BY_ID: &str = "SELECT record FROM consent_record WHERE id = $1 ORDER BY version DESC LIMIT 1";

const LATEST_VERSION: &str = "SELECT coalesce(max(version), 0) FROM consent_record WHERE id = $1";

const INSERT: &str = "INSERT INTO consent_record VALUES ($1, $2, $3, $4, $5)";
