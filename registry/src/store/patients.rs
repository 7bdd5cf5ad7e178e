use carerecord_model::{
    DocumentEntry, Gender, NhsNumber, NumberStatus, Patient, PatientId, components, unescape,
};
use carerecord_storage::StoreError;
use sqlx::SqliteConnection;

use super::Store;

impl Store {
    /// The person with this number, when the index has one.
    pub(crate) async fn patient(&self, number: NhsNumber) -> Result<Option<Patient>, StoreError> {
        let row: Option<Option<String>> =
            sqlx::query_scalar("SELECT demographics FROM patient WHERE nhs_number = $1")
                .bind(number.as_i64())
                .fetch_optional(self.database.readers())
                .await?;
        match row {
            None => Ok(None),
            Some(None) => Ok(Some(Patient::from_number(number))),
            Some(Some(json)) => serde_json::from_str(&json)
                .map(Some)
                .map_err(|e| StoreError::Row("patient", "demographics", e.to_string())),
        }
    }

    /// Puts a person into the index, or renews what it has.
    pub(crate) async fn put_patient(&self, person: Patient) -> Result<(), StoreError> {
        self.database
            .write(move |connection| {
                Box::pin(async move {
                    let id = PatientId::from_nhs_number(person.nhs_number);
                    let no = ensure_patient(connection, &id).await?;
                    write_demographics(connection, no, &person).await
                })
            })
            .await
    }
}

/// The patient's number in this store, `None` when unknown.
pub(super) async fn patient_no<'e, E>(
    executor: E,
    id: &PatientId,
) -> Result<Option<i64>, StoreError>
where
    E: sqlx::Executor<'e, Database = sqlx::Sqlite>,
{
    Ok(sqlx::query_scalar(NUMBER_OF)
        .bind(id.authority().as_str())
        .bind(id.id())
        .fetch_optional(executor)
        .await?)
}

/// The patient's number in this store, made when there is none.
pub(super) async fn ensure_patient(
    connection: &mut SqliteConnection,
    id: &PatientId,
) -> Result<i64, StoreError> {
    if let Some(no) = patient_no(&mut *connection, id).await? {
        return Ok(no);
    }
    let inserted = sqlx::query(INSERT)
        .bind(id.authority().as_str())
        .bind(id.id())
        .bind(id.nhs_number().map(|n| n.as_i64()))
        .execute(connection)
        .await?;
    Ok(inserted.last_insert_rowid())
}

/// Notes a person as a source describes them, where nobody has told better.
pub(super) async fn note_as_described(
    connection: &mut SqliteConnection,
    patient_no: i64,
    entry: &DocumentEntry,
) -> Result<(), StoreError> {
    let Some(number) = entry.patient_id.nhs_number() else { return Ok(()) };
    let known: Option<String> =
        sqlx::query_scalar("SELECT demographics FROM patient WHERE patient_no = $1")
            .bind(patient_no)
            .fetch_one(&mut *connection)
            .await?;
    match described(number, &entry.source_patient_info) {
        Some(person) if known.is_none() => {
            write_demographics(connection, patient_no, &person).await
        }
        Some(_) | None => Ok(()),
    }
}

/// A person out of `PID-n|…` lines; `None` when they hold no name.
fn described(number: NhsNumber, lines: &[String]) -> Option<Patient> {
    let field = |n: &str| lines.iter().find_map(|l| l.strip_prefix(n)?.strip_prefix('|'));
    let mut person = Patient::from_number(number);
    let name = components(field("PID-5")?, '^');
    let part = |n: usize| name.get(n).map(|p| unescape(p)).filter(|p| !p.is_empty());
    person.family_name = Some(part(0)?);
    person.given_names = [part(1), part(2)].into_iter().flatten().collect();
    person.prefix = part(4);
    person.birth_date =
        field("PID-7").and_then(|d| jiff::civil::Date::strptime("%Y%m%d", d.get(..8)?).ok());
    person.gender = match field("PID-8") {
        Some("F") => Gender::Female,
        Some("M") => Gender::Male,
        Some("O" | "A") => Gender::Other,
        _ => Gender::Unknown,
    };
    person.number_status = NumberStatus::Unverified;
    Some(person)
}

async fn write_demographics(
    connection: &mut SqliteConnection,
    patient_no: i64,
    person: &Patient,
) -> Result<(), StoreError> {
    let json = serde_json::to_string(person)
        .map_err(|e| StoreError::Row("patient", "demographics", e.to_string()))?;
    sqlx::query("UPDATE patient SET demographics = $1 WHERE patient_no = $2")
        .bind(json)
        .bind(patient_no)
        .execute(connection)
        .await?;
    Ok(())
}

const NUMBER_OF: &str = "SELECT patient_no FROM patient WHERE authority = $1 AND identifier = $2";

const INSERT: &str = "INSERT INTO patient (authority, identifier, nhs_number) VALUES ($1, $2, $3)";
