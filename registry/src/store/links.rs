//! Local identifiers: whom they lead to, and what was merged or linked so that it can be undone.

use carerecord_model::PatientId;
use carerecord_storage::{Connection, StoreError, sql};
use jiff::Timestamp;

use super::patients::tie;

/// A local identifier that is merged into, or linked with, another identifier.
pub(super) struct Link<'a> {
    pub local: &'a PatientId,
    pub with: &'a PatientId,
    /// Whether the local identifier is given up.
    pub merged: bool,
}

impl Link<'_> {
    /// Lets the local identifier lead to a person, and keeps whom it led to.
    pub(super) async fn make(
        &self,
        c: &mut Connection,
        patient_no: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let former = owner(c, self.local).await?;
        if former == Some(patient_no) && !self.merged {
            return Ok(());
        }
        sql(INSERT)
            .bind(self.local.authority().as_str())
            .bind(self.local.id())
            .bind(self.with.authority().as_str())
            .bind(self.with.id())
            .bind(self.merged)
            .bind(former)
            .bind(patient_no)
            .bind(now.as_millisecond())
            .run(&mut *c)
            .await?;
        lead(c, self.local, Some(patient_no)).await
    }
}

/// Lets a local identifier lead to a person or to nobody, and everything that was merged into it.
async fn lead(c: &mut Connection, id: &PatientId, to: Option<i64>) -> Result<(), StoreError> {
    let mut all = vec![id.clone()];
    let mut next = 0;
    while let Some(id) = all.get(next).cloned() {
        match to {
            Some(no) => tie(c, &id, no).await?,
            None => forget(c, &id).await?,
        }
        let merged: Vec<(i64, String, String)> =
            sql(MERGED_INTO).bind(id.authority().as_str()).bind(id.id()).all(&mut *c).await?;
        for (link_no, authority, identifier) in merged {
            if let Some(no) = to {
                let moved = sql("UPDATE identifier_link SET patient_no = $1 WHERE link_no = $2");
                moved.bind(no).bind(link_no).run(&mut *c).await?;
            }
            let id = format!("{identifier}^^^&{authority}&ISO")
                .parse()
                .map_err(|_| StoreError::Row("identifier_link", "identifier", "no CX".into()))?;
            if !all.contains(&id) {
                all.push(id);
            }
        }
        next += 1;
    }
    Ok(())
}

/// The patient that a local identifier leads to, before any merge of patients.
pub(super) async fn owner(c: &mut Connection, id: &PatientId) -> Result<Option<i64>, StoreError> {
    let row: Option<(i64,)> =
        sql("SELECT patient_no FROM patient_identifier WHERE authority = $1 AND identifier = $2")
            .bind(id.authority().as_str())
            .bind(id.id())
            .first(c)
            .await?;
    Ok(row.map(|(no,)| no))
}

/// Lets a local identifier lead to a person because its source says whose it is. Links that led
/// elsewhere are history.
pub(super) async fn assign(
    c: &mut Connection,
    id: &PatientId,
    patient_no: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    if owner(c, id).await? == Some(patient_no) {
        return Ok(());
    }
    sql("UPDATE identifier_link SET undone_at = $1
         WHERE authority = $2 AND identifier = $3 AND undone_at IS NULL")
    .bind(now.as_millisecond())
    .bind(id.authority().as_str())
    .bind(id.id())
    .run(&mut *c)
    .await?;
    lead(c, id, Some(patient_no)).await
}

/// The identifier that a local one has been merged into, if it is given up.
pub(super) async fn merged_into(
    c: &mut Connection,
    id: &PatientId,
) -> Result<Option<(String, String)>, StoreError> {
    sql("SELECT with_authority, with_identifier FROM identifier_link
         WHERE authority = $1 AND identifier = $2 AND merged = 1 AND undone_at IS NULL
         ORDER BY link_no DESC LIMIT 1")
    .bind(id.authority().as_str())
    .bind(id.id())
    .first(c)
    .await
}

/// Takes back the link of two local identifiers; `false` when there is none.
pub(super) async fn undo(
    c: &mut Connection,
    local: &PatientId,
    with: &PatientId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let row: Option<(i64, Option<i64>, i64)> = sql(LATEST_WITH)
        .bind(local.authority().as_str())
        .bind(local.id())
        .bind(with.authority().as_str())
        .bind(with.id())
        .first(&mut *c)
        .await?;
    let Some((link_no, former, patient_no)) = row else { return Ok(false) };
    if owner(c, local).await? != Some(patient_no) {
        return Ok(false);
    }
    lead(c, local, former).await?;
    sql("UPDATE identifier_link SET undone_at = $1 WHERE link_no = $2")
        .bind(now.as_millisecond())
        .bind(link_no)
        .run(c)
        .await?;
    Ok(true)
}

/// Lets a local identifier go from a person, all of whose numbers are given: to whom it led before it
/// was merged or linked, otherwise to nobody.
pub(super) async fn release(
    c: &mut Connection,
    local: &PatientId,
    numbers: &[i64],
    now: Timestamp,
) -> Result<(), StoreError> {
    let at = owner(c, local).await?;
    let rows: Vec<(i64, Option<i64>, i64)> =
        sql(IN_FORCE).bind(local.authority().as_str()).bind(local.id()).all(&mut *c).await?;
    let of_person = rows.into_iter().filter(|(_, _, no)| Some(*no) == at);
    let elsewhere = of_person
        .map(|(_, former, _)| former)
        .find(|no| no.is_none_or(|no| !numbers.contains(&no)));
    lead(c, local, elsewhere.flatten()).await?;
    sql("UPDATE identifier_link SET undone_at = $1
         WHERE authority = $2 AND identifier = $3 AND patient_no = $4 AND undone_at IS NULL")
    .bind(now.as_millisecond())
    .bind(local.authority().as_str())
    .bind(local.id())
    .bind(at)
    .run(c)
    .await
    .map(drop)
}

async fn forget(c: &mut Connection, local: &PatientId) -> Result<(), StoreError> {
    sql("DELETE FROM patient_identifier WHERE authority = $1 AND identifier = $2")
        .bind(local.authority().as_str())
        .bind(local.id())
        .run(c)
        .await
        .map(drop)
}

const INSERT: &str = "
    INSERT INTO identifier_link (authority, identifier, with_authority, with_identifier, merged,
        former_no, patient_no, linked_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

const MERGED_INTO: &str = "
    SELECT link_no, authority, identifier FROM identifier_link
    WHERE with_authority = $1 AND with_identifier = $2 AND merged = 1 AND undone_at IS NULL";

const IN_FORCE: &str = "
    SELECT link_no, former_no, patient_no FROM identifier_link
    WHERE authority = $1 AND identifier = $2 AND undone_at IS NULL
    ORDER BY link_no DESC";

const LATEST_WITH: &str = "
    SELECT link_no, former_no, patient_no FROM identifier_link
    WHERE authority = $1 AND identifier = $2 AND with_authority = $3 AND with_identifier = $4
        AND undone_at IS NULL
    ORDER BY link_no DESC LIMIT 1";
