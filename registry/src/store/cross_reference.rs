//! Identifiers of one person. ITI-83.

use carerecord_model::{CrossReference, CrossReferenced, PatientId};
use carerecord_storage::{Connection, StoreError, sql};

use super::Store;
use super::patients::{Person, demographics, person};

impl Store {
    /// What the index knows of an identifier.
    pub(crate) async fn cross_reference(
        &self,
        id: &PatientId,
    ) -> Result<CrossReference, StoreError> {
        let mut c = self.snapshot().await?;
        let authorities = authorities(&mut c).await?;
        let Some(person) = person(&mut c, id).await? else {
            return Ok(CrossReference { authorities, person: None });
        };
        let identifiers = identifiers_of(&mut c, &person).await?;
        let mut restricted = false;
        for no in &person.numbers {
            restricted |= demographics(&mut c, *no).await?.is_some_and(|d| d.restricted);
        }
        let person = CrossReferenced { own: person.id, identifiers, restricted };
        Ok(CrossReference { authorities, person: Some(person) })
    }
}

/// Every identifier of a person, those that were merged among them.
pub(super) async fn identifiers_of(
    c: &mut Connection,
    person: &Person,
) -> Result<Vec<PatientId>, StoreError> {
    let mut identifiers = Vec::new();
    for no in &person.numbers {
        let rows: Vec<(String, String)> = sql(OF_PERSON).bind(*no).all(&mut *c).await?;
        for (authority, identifier) in rows {
            let id = format!("{identifier}^^^&{authority}&ISO").parse().map_err(|_| {
                StoreError::Row("patient_identifier", "identifier", "is not a CX".into())
            })?;
            identifiers.push(id);
        }
    }
    Ok(identifiers)
}

/// Few, among very many identifiers: each is found from the one before it.
async fn authorities(c: &mut Connection) -> Result<Vec<String>, StoreError> {
    let mut found: Vec<String> = Vec::new();
    loop {
        let after = found.last().map_or("", String::as_str);
        let row: Option<(String,)> = sql(NEXT_AUTHORITY).bind(after).first(&mut *c).await?;
        match row {
            Some((authority,)) => found.push(authority),
            None => return Ok(found),
        }
    }
}

const OF_PERSON: &str = "
    SELECT authority, identifier FROM patient_identifier WHERE patient_no = $1
    ORDER BY authority, identifier";

const NEXT_AUTHORITY: &str = "
    SELECT authority FROM patient_identifier WHERE authority > $1 ORDER BY authority LIMIT 1";
