use carerecord_storage::StoreError;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

use super::TreeHash;

/// A record as it is a leaf of the tree: the JSON of this, with its keys in this order and no white
/// space. The columns are in it, so that none can be changed to hide a record from a search; the
/// number is not: it is the place of the leaf.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry<'a> {
    pub recorded_at: i64,
    pub nhs_number: Option<i64>,
    #[serde(borrow)]
    pub actor: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub organisation: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub interaction: Cow<'a, str>,
    #[serde(borrow)]
    pub outcome: Cow<'a, str>,
    #[serde(borrow)]
    pub record: Cow<'a, str>,
}

impl Entry<'_> {
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::with_capacity(self.record.len() + self.record.len() / 4 + 200);
        serde_json::to_writer(&mut bytes, self)
            .map_err(|e| StoreError::Row("audit_event", "record", e.to_string()))?;
        Ok(bytes)
    }

    pub(crate) fn leaf(&self) -> Result<TreeHash, StoreError> {
        Ok(TreeHash::leaf(&self.to_bytes()?))
    }
}

/// A row of `audit_event`, in the order of `EntryRow::COLUMNS`.
pub(crate) type Columns =
    (i64, i64, Option<i64>, Option<String>, Option<String>, String, String, String, Vec<u8>);

/// A stored record with its number and its hash in the chain.
pub(crate) struct EntryRow {
    pub seq: i64,
    pub entry: Entry<'static>,
    pub chain: Vec<u8>,
}

impl From<Columns> for EntryRow {
    fn from(columns: Columns) -> Self {
        let (
            seq,
            recorded_at,
            nhs_number,
            actor,
            organisation,
            interaction,
            outcome,
            record,
            chain,
        ) = columns;
        let entry = Entry {
            recorded_at,
            nhs_number,
            actor: actor.map(Cow::Owned),
            organisation: organisation.map(Cow::Owned),
            interaction: Cow::Owned(interaction),
            outcome: Cow::Owned(outcome),
            record: Cow::Owned(record),
        };
        Self { seq, entry, chain }
    }
}

/// Rows from one number to another, both included, by number.
pub(crate) const ENTRIES: &str = "
    SELECT seq, recorded_at, nhs_number, actor, organisation, interaction, outcome, record, hash
    FROM audit_event WHERE seq BETWEEN $1 AND $2 ORDER BY seq";
