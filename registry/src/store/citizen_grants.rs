use async_trait::async_trait;
use carerecord_access::{
    CitizenGrant, CitizenGrantKind, CitizenGrants, ConsentStoreError, FactsUnavailable,
};
use carerecord_model::NhsNumber;
use carerecord_storage::{On, StoreError, sql};
use uuid::Uuid;

use super::Store;
use super::consent::PutError;

/// The newest version of each grant about a patient's record, newest first. What is known under a
/// number that has been merged with this one counts too.
pub(crate) async fn citizen_grants_of(
    on: impl Into<On<'_>>,
    number: NhsNumber,
) -> Result<Vec<CitizenGrant>, StoreError> {
    let rows: Vec<(String,)> = sql(OF_PATIENT).bind(number.as_i64()).all(on).await?;
    let own = |(record,): (String,)| Ok(CitizenGrant { patient: number, ..parse(&record)? });
    rows.into_iter().map(own).collect()
}

/// The newest version of each grant that names somebody as a proxy, by any of their numbers, newest
/// first.
pub(crate) async fn citizen_grants_to(
    on: impl Into<On<'_>>,
    delegate: NhsNumber,
) -> Result<Vec<CitizenGrant>, StoreError> {
    let rows: Vec<(String,)> = sql(TO_DELEGATE).bind(delegate.as_i64()).all(on).await?;
    rows.into_iter().map(|(record,)| parse(&record)).collect()
}

impl Store {
    pub(crate) async fn citizen_grant_by_id(
        &self,
        id: Uuid,
    ) -> Result<Option<CitizenGrant>, StoreError> {
        let row: Option<(String,)> = sql(BY_ID).bind(id).first(self.database()).await?;
        row.map(|(record,)| parse(&record)).transpose()
    }

    /// Stores a version, if it is the next one.
    pub(crate) async fn put_citizen_grant_record(
        &self,
        grant: CitizenGrant,
    ) -> Result<(), ConsentStoreError> {
        let put = self.database().write(move |c| {
            Box::pin(async move {
                let stored = sql(LATEST_VERSION).bind(grant.id).number(&mut *c).await?;
                if i64::from(grant.version) != stored + 1 {
                    return Err(PutError::Conflict);
                }
                let json = serde_json::to_string(&grant)
                    .map_err(|e| StoreError::Row("citizen_grant", "record", e.to_string()))?;
                let delegate = match &grant.kind {
                    CitizenGrantKind::Proxy { delegate, .. } => Some(delegate.as_i64()),
                    CitizenGrantKind::Own | CitizenGrantKind::Barred => None,
                };
                sql("INSERT INTO citizen_grant VALUES ($1, $2, $3, $4, $5, $6)")
                    .bind(grant.id)
                    .bind(grant.version)
                    .bind(grant.patient.as_i64())
                    .bind(grant.recorded_at.as_millisecond())
                    .bind(json)
                    .bind(delegate)
                    .run(c)
                    .await?;
                Ok(())
            })
        });
        put.await.map_err(|e: PutError| e.into())
    }
}

#[async_trait]
impl CitizenGrants for Store {
    async fn citizen_grants(
        &self,
        patient: NhsNumber,
    ) -> Result<Vec<CitizenGrant>, FactsUnavailable> {
        let found = citizen_grants_of(self.database(), patient).await;
        found.map_err(|e| FactsUnavailable(e.to_string()))
    }
}

fn parse(json: &str) -> Result<CitizenGrant, StoreError> {
    serde_json::from_str(json)
        .map_err(|e| StoreError::Row("citizen_grant", "record", e.to_string()))
}

const OF_PATIENT: &str = concat!(
    super::everybody_merged!(),
    "SELECT record FROM citizen_grant AS g
    WHERE nhs_number IN (
        SELECT $1 UNION ALL
        SELECT p.nhs_number FROM person JOIN patient AS p ON p.patient_no = person.patient_no)
      AND version = (SELECT max(version) FROM citizen_grant WHERE id = g.id)
    ORDER BY recorded_at DESC, id"
);

const TO_DELEGATE: &str = concat!(
    super::everybody_merged!(),
    "SELECT record FROM citizen_grant AS g
    WHERE delegate IN (
        SELECT $1 UNION ALL
        SELECT p.nhs_number FROM person JOIN patient AS p ON p.patient_no = person.patient_no)
      AND version = (SELECT max(version) FROM citizen_grant WHERE id = g.id)
    ORDER BY recorded_at DESC, id"
);

const BY_ID: &str = "SELECT record FROM citizen_grant WHERE id = $1 ORDER BY version DESC LIMIT 1";

const LATEST_VERSION: &str = "SELECT coalesce(max(version), 0) FROM citizen_grant WHERE id = $1";
