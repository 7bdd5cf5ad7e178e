//! The change feed: every committed change, in the order of commits. Writers are one at a time, so
//! that a number that is visible is never followed by a smaller one.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use carerecord_model::{EntryUuid, LastChange, NhsNumber};
use carerecord_storage::{Connection, StoreError, sql};
use serde::Serialize;
use uuid::Uuid;

use super::{Person, Store, everybody_merged};

/// What became of an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// It is new.
    Registered,
    /// It is in force again.
    Approved,
    /// It is in force no more.
    Deprecated,
    /// Something else of it has changed, or there is a newer version.
    Updated,
    /// It is gone.
    Removed,
}

impl Verb {
    const ALL: [Self; 5] =
        [Self::Registered, Self::Approved, Self::Deprecated, Self::Updated, Self::Removed];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Approved => "approved",
            Self::Deprecated => "deprecated",
            Self::Updated => "updated",
            Self::Removed => "removed",
        }
    }
}

/// One committed change.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Its place: later changes have larger numbers; some numbers are never used.
    pub seq: i64,
    /// When it was committed, milliseconds since 1970, UTC.
    pub changed_at: i64,
    /// `document-entry`, `submission-set`, `folder` or `association`.
    pub kind: &'static str,
    /// What became of the object.
    pub verb: Verb,
    /// The object.
    pub id: String,
    /// The person, when known by an NHS Number.
    pub nhs_number: Option<NhsNumber>,
}

/// Changes after a place.
#[derive(Clone, Debug, Serialize)]
pub struct ChangePage {
    /// In order, oldest first.
    pub changes: Vec<Change>,
    /// Where to go on: give it back as `since`.
    pub next: i64,
}

impl Store {
    /// At most `limit` changes after `since`.
    pub(crate) async fn changes(&self, since: i64, limit: u32) -> Result<ChangePage, StoreError> {
        type Row = (i64, i64, i64, String, Vec<u8>, Option<i64>);
        let rows: Vec<Row> =
            sql(AFTER).bind(since).bind(i64::from(limit)).all(&self.database).await?;
        let wrong = |column, what: String| StoreError::Row("change", column, what);
        let mut changes = Vec::with_capacity(rows.len());
        for (seq, changed_at, kind, verb, uuid, number) in rows {
            let verb = Verb::ALL.into_iter().find(|v| v.as_str() == verb);
            let uuid = Uuid::from_slice(&uuid).map_err(|e| wrong("entry_uuid", e.to_string()))?;
            changes.push(Change {
                seq,
                changed_at,
                kind: kind_name(kind),
                verb: verb.ok_or_else(|| wrong("verb", "is not known".to_owned()))?,
                id: EntryUuid::new(uuid).to_string(),
                nhs_number: number.and_then(|n| format!("{n:010}").parse().ok()),
            });
        }
        let next = changes.last().map_or(since, |c| c.seq);
        Ok(ChangePage { changes, next })
    }

    /// The last change of each object of a person, after all merges.
    pub(crate) async fn last_changes(
        &self,
        number: NhsNumber,
    ) -> Result<Vec<LastChange>, StoreError> {
        let rows: Vec<(Vec<u8>, i64)> = sql(LAST).bind(number.as_i64()).all(&self.database).await?;
        let change = |(uuid, changed_at): (Vec<u8>, i64)| {
            let uuid = Uuid::from_slice(&uuid);
            let uuid = uuid.map_err(|e| StoreError::Row("change", "entry_uuid", e.to_string()))?;
            Ok(LastChange { id: EntryUuid::new(uuid), changed_at })
        };
        rows.into_iter().map(change).collect()
    }
}

/// What tells one state of a person's record from every other: all that changes an object of it has a
/// change of its own, and a merge changes whose objects there are. Names nobody.
pub(crate) async fn revision(c: &mut Connection, person: &Person) -> Result<String, StoreError> {
    let mut last = Vec::with_capacity(person.numbers.len());
    for no in &person.numbers {
        let of_number: Option<(i64, i64)> = sql(LATEST).bind(*no).first(&mut *c).await?;
        last.push(of_number.unwrap_or_default());
    }
    Ok(state(person, &last))
}

/// The same, by the last change under each of the person's numbers: its place and time, 0 without any.
pub(super) fn state(person: &Person, last: &[(i64, i64)]) -> String {
    // In a database that was put back from a copy numbers come again: the time tells.
    let mut state = format!("{REVISION} {}", person.id.to_cx());
    for (no, (seq, changed_at)) in person.numbers.iter().zip(last) {
        _ = write!(state, " {no} {seq} {changed_at}");
    }
    digest(&SHA256, state.as_bytes()).as_ref()[..20].iter().fold(String::new(), |mut hex, b| {
        _ = write!(hex, "{b:02x}");
        hex
    })
}

fn kind_name(kind: i64) -> &'static str {
    match kind {
        1 => "document-entry",
        2 => "submission-set",
        3 => "folder",
        _ => "association",
    }
}

const AFTER: &str = "
    SELECT c.seq, c.changed_at, c.kind, c.verb, c.entry_uuid, p.nhs_number
    FROM change AS c LEFT JOIN patient AS p ON p.patient_no = c.patient_no
    WHERE c.seq > $1 ORDER BY c.seq LIMIT $2";

const LATEST: &str = "
    SELECT seq, changed_at FROM change WHERE patient_no = $1 ORDER BY seq DESC LIMIT 1";

/// Another one where the same objects would be told otherwise.
const REVISION: u32 = 1;

const LAST: &str = concat!(
    everybody_merged!(),
    "SELECT c.entry_uuid, MAX(c.changed_at)
     FROM change AS c JOIN person AS p ON p.patient_no = c.patient_no
     WHERE c.kind <> 4 GROUP BY c.entry_uuid"
);
