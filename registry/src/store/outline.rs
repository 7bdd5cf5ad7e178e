//! What there is to tell of a person without what is in their record, in one statement.

use std::cmp::Reverse;

use carerecord_access::{ConsentRecord, PatientFacts, Relationship};
use carerecord_model::{NhsNumber, Patient, PatientId};
use carerecord_storage::{On, StoreError, sql};

use super::patients::{self, Person};
use super::{changes, consent, relationships};

/// A person with whom nobody has been merged.
pub(crate) struct Outline {
    /// What the index has of them.
    pub described: Patient,
    /// What decisions rest on.
    pub facts: PatientFacts,
    /// What tells this state of their record from every other.
    pub state: String,
}

/// The outline of whoever has this number, all in one state. `None` where that takes more: of nobody, of
/// a merge, and of a number that leads to another identifier.
pub(crate) async fn outline(
    on: impl Into<On<'_>>,
    number: NhsNumber,
) -> Result<Option<Outline>, StoreError> {
    let id = PatientId::from_nhs_number(number);
    let asked = sql(OUTLINE).bind(id.authority().as_str()).bind(id.id()).bind(number.as_i64());
    let rows: Vec<Row> = asked.all(on).await?;
    let (mut own, mut consents, mut relationships) = (None, Vec::new(), Vec::new());
    for (part, record, first, second, third) in rows {
        let record = record.as_deref();
        match (part, record) {
            (PERSON, described) => {
                let described = described.map(patients::parse).transpose()?;
                own = Some((described, first, (second, third)));
            }
            (CONSENT, Some(record)) => {
                consents.push(ConsentRecord { patient: number, ..consent::parse(record)? });
            }
            (RELATIONSHIP, Some(record)) => {
                let relationship = relationships::parse(record)?;
                relationships.push(Relationship { patient: number, ..relationship });
            }
            _ => return Err(StoreError::Row("record", "part", "is not known".into())),
        }
    }
    let Some((described, no, last)) = own else { return Ok(None) };
    // As they are read elsewhere: those of one moment by their ids.
    consents.sort_by_key(|c| (Reverse(c.recorded_at.as_millisecond()), c.id));
    relationships.sort_by_key(|r| (Reverse(r.recorded_at.as_millisecond()), r.id));
    let person = Person { own_no: no, id, numbers: vec![no] };
    let state = changes::state(&person, &[last]);
    let described = described.unwrap_or_else(|| Patient::from_number(number));
    let postcode = described.postcode.clone().filter(|_| !described.restricted);
    let described = Patient { postcode, ..described };
    let facts = PatientFacts { patient: number, consents, relationships };
    Ok(Some(Outline { described, facts, state }))
}

/// Which part it is, its JSON; of the person the number and the last change, by its place and time.
type Row = (i64, Option<String>, i64, i64, i64);

const PERSON: i64 = 0;
const CONSENT: i64 = 1;
const RELATIONSHIP: i64 = 2;

const OUTLINE: &str = "
    SELECT CAST(0 AS BIGINT) AS part, p.demographics AS record, p.patient_no AS first,
        coalesce(l.seq, 0) AS second, coalesce(l.changed_at, 0) AS third
    FROM patient_identifier AS i
    JOIN patient AS p ON p.patient_no = i.patient_no
    LEFT JOIN change AS l ON l.patient_no = p.patient_no
        AND l.seq = (SELECT max(c.seq) FROM change AS c WHERE c.patient_no = p.patient_no)
    WHERE i.authority = $1 AND i.identifier = $2
      AND p.authority = $1 AND p.identifier = $2 AND p.merged_into IS NULL
      AND NOT EXISTS (SELECT 1 FROM patient AS s WHERE s.merged_into = p.patient_no)
    UNION ALL
    SELECT CAST(1 AS BIGINT), c.record, CAST(0 AS BIGINT), CAST(0 AS BIGINT), CAST(0 AS BIGINT)
    FROM consent_record AS c
    WHERE c.nhs_number = $3
      AND c.version = (SELECT max(version) FROM consent_record WHERE id = c.id)
    UNION ALL
    SELECT CAST(2 AS BIGINT), r.record, CAST(0 AS BIGINT), CAST(0 AS BIGINT), CAST(0 AS BIGINT)
    FROM relationship AS r
    WHERE r.nhs_number = $3
      AND r.version = (SELECT max(version) FROM relationship WHERE id = r.id)
    ORDER BY part";
