//! Who has an object with a code. An entry of the index says that a person may have such an object;
//! the objects themselves are filtered, so that one entry too many does no harm.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};
use carerecord_model::{Code, DocumentEntry, DocumentFilter, Folder, FolderFilter};
use carerecord_storage::{Connection, StoreError, insert, sql};
use uuid::Uuid;

use super::Store;
use super::objects::{Kind, after};

/// Attributes of the index. The numbers are in the keys of rows: they never change.
#[derive(Clone, Copy)]
enum Indexed {
    Class = 1,
    Type = 2,
    Facility = 3,
    Practice = 4,
    Event = 5,
    Reference = 6,
    Folder = 7,
}

/// Keys of which a person must have at least one.
pub(crate) type Keys = Vec<i64>;

/// The keys of an entry.
pub(super) fn keys_of_entry(e: &DocumentEntry) -> impl Iterator<Item = i64> {
    let single = [
        (Indexed::Class, &e.class_code),
        (Indexed::Type, &e.type_code),
        (Indexed::Facility, &e.healthcare_facility_type_code),
        (Indexed::Practice, &e.practice_setting_code),
    ];
    let events = e.event_codes.iter().map(|c| (Indexed::Event, c));
    let codes = single.into_iter().chain(events).filter(|(_, c)| !c.is_absent());
    codes
        .map(|(attribute, c)| key(attribute, &c.code, &c.scheme))
        .chain(e.reference_ids.iter().map(|id| key(Indexed::Reference, id, "")))
}

/// The keys of a folder.
pub(super) fn keys_of_folder(f: &Folder) -> impl Iterator<Item = i64> {
    f.codes.iter().map(|c: &Code| key(Indexed::Folder, &c.code, &c.scheme))
}

/// What a filter asks for that is in the index: each group must be met.
pub(crate) fn keys_of_filter(f: &DocumentFilter) -> Vec<Keys> {
    let of = |attribute, groups: &[Vec<(String, String)>]| -> Vec<Keys> {
        let keys =
            |g: &Vec<(String, String)>| g.iter().map(|(c, s)| key(attribute, c, s)).collect();
        groups.iter().map(keys).collect()
    };
    let mut all = of(Indexed::Reference, &exact(&f.reference_ids));
    all.extend(of(Indexed::Type, &f.type_code.0));
    all.extend(of(Indexed::Event, &f.event_codes.0));
    all.extend(of(Indexed::Class, &f.class_code.0));
    all.extend(of(Indexed::Practice, &f.practice_setting_code.0));
    all.extend(of(Indexed::Facility, &f.healthcare_facility_type_code.0));
    all
}

/// The same of a filter of folders.
pub(crate) fn keys_of_folder_filter(f: &FolderFilter) -> Vec<Keys> {
    let keys = |g: &Vec<(String, String)>| -> Keys {
        g.iter().map(|(c, s)| key(Indexed::Folder, c, s)).collect()
    };
    f.codes.0.iter().map(keys).collect()
}

/// The groups of patterns without a wildcard.
fn exact(groups: &[Vec<String>]) -> Vec<Vec<(String, String)>> {
    let plain = |g: &&Vec<String>| g.iter().all(|p| !p.contains(['%', '_']));
    let pair = |p: &String| (p.clone(), String::new());
    groups.iter().filter(plain).map(|g| g.iter().map(pair).collect()).collect()
}

fn key(attribute: Indexed, code: &str, scheme: &str) -> i64 {
    let mut text = vec![attribute as u8];
    text.extend(code.bytes());
    text.push(0);
    text.extend(scheme.bytes());
    let hash = digest(&SHA256, &text);
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_ref()[..8]);
    i64::from_be_bytes(first)
}

/// Adds keys with their people.
pub(super) async fn add(c: &mut Connection, rows: Vec<(i64, i64)>) -> Result<(), StoreError> {
    let rows: Vec<(i64, i64)> = rows.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
    for some in rows.chunks(ROWS) {
        let values = some.iter().map(|(key, no)| vec![(*key).into(), (*no).into()]).collect();
        insert(INSERT, values, "ON CONFLICT DO NOTHING").run(&mut *c).await?;
    }
    Ok(())
}

/// The people who may have objects of a kind that meet every group: those of the group that the
/// fewest meet, of more than `MOST_PEOPLE` not all. `None` when the index cannot tell.
pub(crate) async fn candidates(
    c: &mut Connection,
    kind: Kind,
    groups: &[Keys],
) -> Result<Option<BTreeSet<i64>>, StoreError> {
    let gap = sql("SELECT COUNT(*) FROM code_index_gap WHERE kind = $1").bind(kind as i64);
    if gap.number(&mut *c).await? > 0 {
        return Ok(None);
    }
    let mut fewest: Option<BTreeSet<i64>> = None;
    for keys in groups {
        let mut found = BTreeSet::new();
        for key in keys {
            let rows: Vec<(i64,)> = sql(PEOPLE).bind(*key).all(&mut *c).await?;
            found.extend(rows.into_iter().map(|(no,)| no));
            if found.len() > MOST_PEOPLE {
                break;
            }
        }
        if fewest.as_ref().is_none_or(|f| found.len() < f.len()) {
            fewest = Some(found);
        }
    }
    Ok(fewest)
}

impl Store {
    /// Indexes what was registered before there was an index, some at a time between other writes.
    ///
    /// # Errors
    /// When the database fails; what is done is kept.
    pub async fn complete_code_index(&self) -> Result<(), StoreError> {
        while self.database().write(|c| Box::pin(index_some(c))).await? {}
        Ok(())
    }
}

/// Whether there is more to do.
async fn index_some(c: &mut Connection) -> Result<bool, StoreError> {
    let gap: Option<(i64, i64, i64, Vec<u8>)> = sql(GAP).first(&mut *c).await?;
    let Some((kind, patient_no, sort_key, uuid)) = gap else { return Ok(false) };
    let kind = if kind == Kind::Entry as i64 { Kind::Entry } else { Kind::Folder };
    let uuid = Uuid::from_slice(&uuid)
        .map_err(|e| StoreError::Row("code_index_gap", "entry_uuid", e.to_string()))?;
    let page = after(c, kind, Some((patient_no, sort_key, uuid))).await?;
    let Some(last) = page.last() else {
        sql("DELETE FROM code_index_gap WHERE kind = $1").bind(kind as i64).run(c).await?;
        return Ok(true);
    };
    let place = (last.patient_no, last.sort_key, last.uuid);
    let mut rows = Vec::new();
    for object in &page {
        let no = object.patient_no;
        match kind {
            Kind::Entry => rows.extend(keys_of_entry(&object.entry()?).map(|key| (key, no))),
            Kind::Folder => rows.extend(keys_of_folder(&object.folder()?).map(|key| (key, no))),
            Kind::SubmissionSet | Kind::Association => {}
        }
    }
    add(c, rows).await?;
    let moved = sql(MOVE_GAP).bind(place.0).bind(place.1).bind(place.2).bind(kind as i64);
    moved.run(c).await?;
    Ok(true)
}

/// More are not looked at for one query.
pub(crate) const MOST_PEOPLE: usize = 10_000;
const ROWS: usize = 64;

const INSERT: &str = "INSERT INTO code_index (code_key, patient_no) VALUES";
/// One more than `MOST_PEOPLE`.
const PEOPLE: &str =
    "SELECT patient_no FROM code_index WHERE code_key = $1 ORDER BY patient_no LIMIT 10001";
const GAP: &str = "SELECT kind, patient_no, sort_key, entry_uuid FROM code_index_gap ORDER BY kind";
const MOVE_GAP: &str = "
    UPDATE code_index_gap SET patient_no = $1, sort_key = $2, entry_uuid = $3 WHERE kind = $4";
