//! The patient index: who is who, by every identifier, and who was merged into whom.

use std::collections::{HashMap, HashSet};

use carerecord_model::{
    DocumentEntry, Gender, NhsNumber, NumberStatus, Patient, PatientId, components, tidy_postcode,
    unescape,
};
use carerecord_storage::{Connection, StoreError, Value, sql, with_values_and_keys};

use super::Store;
use super::patient_index::index;

/// A person as an identifier led to them, after all merges.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// The number of the identifier asked for.
    pub own_no: i64,
    /// The identifier that everything of the person is shown under.
    pub id: PatientId,
    /// Every number whose objects are the person's, the surviving one first.
    pub numbers: Vec<i64>,
}

impl Person {
    /// Whether the identifier asked for has been merged into another one.
    pub(crate) fn is_subsumed(&self) -> bool {
        self.numbers.first() != Some(&self.own_no)
    }

    /// The identifier to show objects under, when they can stand under several.
    pub(crate) fn shown_as(&self) -> Option<&PatientId> {
        (self.numbers.len() > 1).then_some(&self.id)
    }
}

/// Whom an identifier names, `None` when nobody.
pub(crate) async fn person(
    c: &mut Connection,
    id: &PatientId,
) -> Result<Option<Person>, StoreError> {
    let found: Option<Row> =
        sql(BY_IDENTIFIER).bind(id.authority().as_str()).bind(id.id()).first(&mut *c).await?;
    match found {
        Some(row) => follow(c, row).await.map(Some),
        None => Ok(None),
    }
}

/// Whom these identifiers name; who is nobody is missing. And the numbers of those whom the index
/// knows more of than identifiers.
pub(crate) async fn people(
    c: &mut Connection,
    ids: &[&PatientId],
) -> Result<(HashMap<PatientId, Person>, HashSet<i64>), StoreError> {
    type Found = (String, i64, i64, Option<i64>, String, String, i64);
    let mut by_authority: HashMap<&str, Vec<&PatientId>> = HashMap::new();
    for id in ids {
        by_authority.entry(id.authority().as_str()).or_default().push(id);
    }
    let (mut people, mut described) = (HashMap::new(), HashSet::new());
    for (authority, ids) in by_authority {
        for some in ids.chunks(KEYS) {
            let keys = some.iter().map(|id| Value::from(id.id()));
            let rows: Vec<Found> =
                with_values_and_keys(BY_IDENTIFIERS, vec![authority.into()], keys, "")
                    .all(&mut *c)
                    .await?;
            for (asked, has_demographics, no, merged_into, authority, identifier, subsumed) in rows
            {
                if has_demographics != 0 {
                    described.insert(no);
                }
                let row = (no, merged_into, authority, identifier, subsumed);
                let person = follow(&mut *c, row).await?;
                let id = some.iter().find(|id| id.id() == asked);
                people.extend(id.map(|id| (PatientId::clone(id), person)));
            }
        }
    }
    Ok((people, described))
}

/// Whose number this is.
pub(crate) async fn person_of_no(c: &mut Connection, no: i64) -> Result<Person, StoreError> {
    let row: Option<Row> = sql(BY_NO).bind(no).first(&mut *c).await?;
    let row = row.ok_or_else(|| StoreError::Row("patient", "patient_no", "is nowhere".into()))?;
    follow(c, row).await
}

type Row = (i64, Option<i64>, String, String, i64);

/// Goes up to the survivor and down to everybody merged into it.
async fn follow(c: &mut Connection, row: Row) -> Result<Person, StoreError> {
    let own_no = row.0;
    let mut top = row;
    while let Some(into) = top.1 {
        let above: Option<Row> = sql(BY_NO).bind(into).first(&mut *c).await?;
        top =
            above.ok_or_else(|| StoreError::Row("patient", "merged_into", "is nowhere".into()))?;
    }
    let (no, _, authority, identifier, has_subsumed) = top;
    let mut numbers = vec![no];
    if has_subsumed != 0 {
        let mut next = 0;
        while let Some(no) = numbers.get(next).copied() {
            let below: Vec<(i64,)> =
                sql("SELECT patient_no FROM patient WHERE merged_into = $1 ORDER BY patient_no")
                    .bind(no)
                    .all(&mut *c)
                    .await?;
            numbers.extend(below.into_iter().map(|(n,)| n));
            next += 1;
        }
    }
    let id = format!("{identifier}^^^&{authority}&ISO")
        .parse()
        .map_err(|_| StoreError::Row("patient", "identifier", "is not a CX".into()))?;
    Ok(Person { own_no, id, numbers })
}

/// Makes an identifier known; returns its number in this store.
pub(crate) async fn ensure_patient(c: &mut Connection, id: &PatientId) -> Result<i64, StoreError> {
    if let Some(person) = person(c, id).await? {
        return Ok(person.own_no);
    }
    let row: Option<(i64,)> = sql(INSERT)
        .bind(id.authority().as_str())
        .bind(id.id())
        .bind(id.nhs_number().map(|n| n.as_i64()))
        .first(&mut *c)
        .await?;
    let (no,) = row.ok_or_else(|| StoreError::Row("patient", "patient_no", "is nowhere".into()))?;
    tie(c, id, no).await?;
    Ok(no)
}

/// Lets an identifier lead to a person.
pub(crate) async fn tie(c: &mut Connection, id: &PatientId, no: i64) -> Result<(), StoreError> {
    sql(TIE).bind(id.authority().as_str()).bind(id.id()).bind(no).run(c).await.map(drop)
}

/// Notes a person as a source describes them, where nobody has told better.
pub(crate) async fn note_as_described(
    c: &mut Connection,
    patient_no: i64,
    entry: &DocumentEntry,
) -> Result<(), StoreError> {
    let Some(number) = entry.patient_id.nhs_number() else { return Ok(()) };
    let Some(person) = described(number, &entry.source_patient_info) else { return Ok(()) };
    let statement = sql("
        UPDATE patient SET demographics = $1 WHERE patient_no = $2 AND demographics IS NULL");
    if statement.bind(json(&person)?).bind(patient_no).run(&mut *c).await? == 0 {
        return Ok(());
    }
    index(c, patient_no, &person).await
}

pub(crate) async fn demographics(
    c: &mut Connection,
    patient_no: i64,
) -> Result<Option<Patient>, StoreError> {
    let row: Option<(Option<String>,)> =
        sql("SELECT demographics FROM patient WHERE patient_no = $1")
            .bind(patient_no)
            .first(c)
            .await?;
    row.and_then(|(json,)| json).map(|json| parse(&json)).transpose()
}

pub(crate) async fn write_demographics(
    c: &mut Connection,
    patient_no: i64,
    person: &Patient,
) -> Result<(), StoreError> {
    // Where a restricted person lives is not even kept.
    let postcode = person.postcode.clone().filter(|_| !person.restricted);
    let person = &Patient { postcode, ..person.clone() };
    sql("UPDATE patient SET demographics = $1 WHERE patient_no = $2")
        .bind(json(person)?)
        .bind(patient_no)
        .run(&mut *c)
        .await?;
    index(c, patient_no, person).await
}

/// What the index has of a person, who was asked for by this number.
pub(crate) async fn in_index(
    c: &mut Connection,
    person: &Person,
    number: NhsNumber,
) -> Result<Patient, StoreError> {
    let survivor = person.id.nhs_number().unwrap_or(number);
    let mut found = Patient::from_number(survivor);
    let mut restricted = false;
    for (n, no) in person.numbers.iter().enumerate() {
        let Some(known) = demographics(&mut *c, *no).await? else { continue };
        restricted |= known.restricted;
        if n == 0 {
            found = known;
        }
    }
    found.postcode = found.postcode.filter(|_| !restricted);
    Ok(Patient { restricted, ..found })
}

impl Store {
    /// The person with this number, when the index has one; after a merge the surviving one, who is
    /// restricted when any of those merged is.
    pub(crate) async fn patient(&self, number: NhsNumber) -> Result<Option<Patient>, StoreError> {
        let mut c = self.snapshot().await?;
        let id = PatientId::from_nhs_number(number);
        let Some(person) = person(&mut c, &id).await? else { return Ok(None) };
        in_index(&mut c, &person, number).await.map(Some)
    }

    /// Puts a person into the index, or renews what it has.
    pub(crate) async fn put_patient(&self, person: Patient) -> Result<(), StoreError> {
        self.database
            .write(move |c| {
                Box::pin(async move {
                    let id = PatientId::from_nhs_number(person.nhs_number);
                    let no = ensure_patient(c, &id).await?;
                    write_demographics(c, no, &person).await
                })
            })
            .await
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
    let code = field("PID-11").and_then(|f| components(f, '^').get(4).map(|p| unescape(p)));
    person.postcode = code.as_deref().and_then(tidy_postcode);
    person.number_status = NumberStatus::Unverified;
    Some(person)
}

fn json(person: &Patient) -> Result<String, StoreError> {
    serde_json::to_string(person)
        .map_err(|e| StoreError::Row("patient", "demographics", e.to_string()))
}

pub(super) fn parse(json: &str) -> Result<Patient, StoreError> {
    serde_json::from_str(json)
        .map_err(|e| StoreError::Row("patient", "demographics", e.to_string()))
}

const BY_IDENTIFIER: &str = "
    SELECT p.patient_no, p.merged_into, p.authority, p.identifier,
        CAST(CASE WHEN EXISTS (SELECT 1 FROM patient AS s WHERE s.merged_into = p.patient_no)
             THEN 1 ELSE 0 END AS BIGINT)
    FROM patient_identifier AS i JOIN patient AS p ON p.patient_no = i.patient_no
    WHERE i.authority = $1 AND i.identifier = $2";

const BY_IDENTIFIERS: &str = "
    SELECT i.identifier,
        CAST(CASE WHEN p.demographics IS NULL THEN 0 ELSE 1 END AS BIGINT),
        p.patient_no, p.merged_into, p.authority, p.identifier,
        CAST(CASE WHEN EXISTS (SELECT 1 FROM patient AS s WHERE s.merged_into = p.patient_no)
             THEN 1 ELSE 0 END AS BIGINT)
    FROM patient_identifier AS i JOIN patient AS p ON p.patient_no = i.patient_no
    WHERE i.authority = $1 AND i.identifier IN";

/// Keys in one statement.
const KEYS: usize = 64;

const BY_NO: &str = "
    SELECT p.patient_no, p.merged_into, p.authority, p.identifier,
        CAST(CASE WHEN EXISTS (SELECT 1 FROM patient AS s WHERE s.merged_into = p.patient_no)
             THEN 1 ELSE 0 END AS BIGINT)
    FROM patient AS p WHERE p.patient_no = $1";

const INSERT: &str = "
    INSERT INTO patient (authority, identifier, nhs_number) VALUES ($1, $2, $3)
    RETURNING patient_no";

const TIE: &str = "
    INSERT INTO patient_identifier (authority, identifier, patient_no) VALUES ($1, $2, $3)
    ON CONFLICT (authority, identifier) DO UPDATE SET patient_no = excluded.patient_no";
