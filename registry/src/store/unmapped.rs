//! Codes that sources use and the affinity domain has not.

use carerecord_model::SourceId;
use carerecord_storage::{Connection, StoreError, insert, sql};
use jiff::Timestamp;

use super::Store;
use crate::codes::UnmappedCodes;

/// A code that the affinity domain has not, with who uses it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnmappedCode {
    /// The sourceId of the submissions.
    pub source_id: String,
    /// The attribute's name in the standard.
    pub attribute: String,
    /// At most its first 200 characters.
    pub code: String,
    /// At most its first 200 characters; empty for a MIME type.
    pub scheme: String,
    /// How often it stood in submissions that were taken.
    pub uses: u64,
    /// When the last of them was taken.
    pub last_used: Timestamp,
}

impl Store {
    /// Every unmapped code, by source, then by attribute, the most used first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn unmapped_codes(&self) -> Result<Vec<UnmappedCode>, StoreError> {
        type Row = (String, String, String, String, i64, i64);
        let rows: Vec<Row> = sql(ALL).all(self.database()).await?;
        let code = |(source_id, attribute, code, scheme, uses, last_used): Row| {
            let bad = |what: String| StoreError::Row("unmapped_code", "last_used", what);
            Ok(UnmappedCode {
                source_id,
                attribute,
                code,
                scheme,
                uses: uses.unsigned_abs(),
                last_used: Timestamp::from_millisecond(last_used)
                    .map_err(|e| bad(e.to_string()))?,
            })
        };
        rows.into_iter().map(code).collect()
    }
}

/// Counts what a submission uses, within its transaction.
pub(crate) async fn count_unmapped(
    c: &mut Connection,
    source: &SourceId,
    codes: &UnmappedCodes,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    for ((attribute, code, scheme), uses) in codes {
        rows.push(vec![
            source.as_str().into(),
            (*attribute).into(),
            code.into(),
            scheme.into(),
            (*uses).into(),
            now.as_millisecond().into(),
        ]);
    }
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let some = rows.by_ref().take(ROWS).collect();
        insert(INSERT, some, ADD).run(&mut *c).await?;
    }
    Ok(())
}

const ROWS: usize = 64;

const INSERT: &str = "
    INSERT INTO unmapped_code (source_id, attribute, code, scheme, uses, last_used) VALUES";

const ADD: &str = "
    ON CONFLICT (source_id, attribute, code, scheme) DO UPDATE
    SET uses = unmapped_code.uses + excluded.uses, last_used = excluded.last_used";

const ALL: &str = "
    SELECT source_id, attribute, code, scheme, uses, last_used FROM unmapped_code
    ORDER BY source_id, attribute, uses DESC, code, scheme";
