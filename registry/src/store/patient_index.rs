//! The keys that people are looked for by, kept beside their demographics.

use carerecord_model::{Gender, Patient, birth_date_number, name_key};
use carerecord_storage::{Connection, StoreError, insert, sql};

use super::Store;
use super::patients::parse;

/// Renews the keys of a person.
pub(super) async fn index(
    c: &mut Connection,
    patient_no: i64,
    person: &Patient,
) -> Result<(), StoreError> {
    let family = person.family_name.as_deref().map(storable);
    let postcode = person.postcode.as_deref().filter(|_| !person.restricted);
    sql(PUT)
        .bind(patient_no)
        .bind(family.as_deref().map(name_key))
        .bind(family)
        .bind(person.birth_date.map(birth_date_number))
        .bind(gender_number(person.gender))
        .bind(postcode.map(name_key))
        .run(&mut *c)
        .await?;
    sql("DELETE FROM patient_given_name WHERE patient_no = $1")
        .bind(patient_no)
        .run(&mut *c)
        .await?;
    let given = person.given_names.iter().take(MOST_GIVEN_NAMES);
    let rows: Vec<_> = given
        .map(|name| vec![name_key(name).into(), patient_no.into(), storable(name).into()])
        .collect();
    if !rows.is_empty() {
        insert(PUT_GIVEN, rows, "ON CONFLICT DO NOTHING").run(c).await?;
    }
    Ok(())
}

/// PostgreSQL cannot hold the zero character in a text.
fn storable(name: &str) -> String {
    name.replace('\0', "")
}

/// How a gender is stored.
pub(super) fn gender_number(gender: Gender) -> i64 {
    match gender {
        Gender::Unknown => 0,
        Gender::Female => 1,
        Gender::Male => 2,
        Gender::Other => 3,
    }
}

/// Whether some of the people known before there were keys have none yet.
pub(super) async fn is_incomplete(c: &mut Connection) -> Result<bool, StoreError> {
    let gap = sql("SELECT COUNT(*) FROM patient_search_gap").number(c).await?;
    Ok(gap > 0)
}

impl Store {
    /// Makes the keys of people who were known before there were any, some at a time between other
    /// writes.
    ///
    /// # Errors
    /// When the database fails; what is done is kept.
    pub async fn complete_patient_index(&self) -> Result<(), StoreError> {
        while self.database().write(|c| Box::pin(index_some(c))).await? {}
        Ok(())
    }
}

/// Whether there is more to do.
async fn index_some(c: &mut Connection) -> Result<bool, StoreError> {
    let gap: Option<(i64,)> =
        sql("SELECT patient_no FROM patient_search_gap").first(&mut *c).await?;
    let Some((after,)) = gap else { return Ok(false) };
    let rows: Vec<(i64, String)> = sql(NEXT).bind(after).all(&mut *c).await?;
    let Some((last, _)) = rows.last() else {
        sql("DELETE FROM patient_search_gap").run(c).await?;
        return Ok(true);
    };
    let last = *last;
    for (no, json) in &rows {
        index(&mut *c, *no, &parse(json)?).await?;
    }
    sql("UPDATE patient_search_gap SET patient_no = $1").bind(last).run(c).await?;
    Ok(true)
}

/// Nobody is looked for by more.
const MOST_GIVEN_NAMES: usize = 20;

const PUT: &str = "
    INSERT INTO patient_search (patient_no, family_key, family_name, birth_date, gender, postcode_key)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (patient_no) DO UPDATE SET family_key = excluded.family_key,
        family_name = excluded.family_name, birth_date = excluded.birth_date,
        gender = excluded.gender, postcode_key = excluded.postcode_key";
const PUT_GIVEN: &str = "INSERT INTO patient_given_name (given_key, patient_no, given_name) VALUES";
const NEXT: &str = "
    SELECT patient_no, demographics FROM patient
    WHERE patient_no > $1 AND demographics IS NOT NULL ORDER BY patient_no LIMIT 200";
