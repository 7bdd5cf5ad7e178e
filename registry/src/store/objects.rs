//! Reading objects: by patient, by id, by uniqueId, by version, and by what they are tied to.

use std::collections::HashMap;
use std::sync::Arc;

use carerecord_model::{
    Association, AvailabilityStatus, DocumentEntry, Dtm, DtmRange, Folder, FoundObjects, LogicalId,
    PatientId, SubmissionSet,
};
use carerecord_storage::{Connection, StoreError, Value, sql, with_keys};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// What an id names, as the store keeps it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Kind {
    Entry = 1,
    SubmissionSet = 2,
    Folder = 3,
    Association = 4,
}

impl Kind {
    fn from_column(n: i64) -> Result<Self, StoreError> {
        [Self::Entry, Self::SubmissionSet, Self::Folder, Self::Association]
            .into_iter()
            .find(|k| *k as i64 == n)
            .ok_or_else(|| StoreError::Row("registry_object", "kind", n.to_string()))
    }
}

/// The column `state`: what changes of an object without a new version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ObjectState {
    pub status: AvailabilityStatus,
    /// Whether no newer version is registered.
    pub latest: bool,
}

impl ObjectState {
    pub(crate) const APPROVED: Self = Self { status: AvailabilityStatus::Approved, latest: true };

    fn from_column(n: i64) -> Self {
        let status = match n & 1 {
            0 => AvailabilityStatus::Approved,
            _ => AvailabilityStatus::Deprecated,
        };
        Self { status, latest: n & 2 == 0 }
    }

    pub(crate) fn column(self) -> i64 {
        i64::from(self.status == AvailabilityStatus::Deprecated) + if self.latest { 0 } else { 2 }
    }
}

/// An object with whether it is the newest version.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored<T> {
    pub value: T,
    pub latest: bool,
}

/// An object of any kind with its place in the store.
#[derive(Clone, Debug)]
pub(crate) struct StoredObject {
    pub uuid: Uuid,
    pub kind: Kind,
    pub patient_no: i64,
    pub sort_key: i64,
    pub state: ObjectState,
    pub version: u32,
    metadata: Vec<u8>,
}

impl StoredObject {
    pub(crate) fn entry(&self) -> Result<DocumentEntry, StoreError> {
        let mut entry: DocumentEntry = unpack(&self.metadata)?;
        entry.availability_status = self.state.status;
        Ok(entry)
    }

    pub(crate) fn folder(&self) -> Result<Folder, StoreError> {
        let mut folder: Folder = unpack(&self.metadata)?;
        folder.availability_status = self.state.status;
        Ok(folder)
    }

    pub(crate) fn association(&self) -> Result<Association, StoreError> {
        let mut association: Association = unpack(&self.metadata)?;
        association.availability_status = self.state.status;
        Ok(association)
    }

    pub(crate) fn submission_set(&self) -> Result<SubmissionSet, StoreError> {
        unpack(&self.metadata)
    }
}

/// Everything asked for of one person, in the store's order: newest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct PatientRecord {
    pub entries: Vec<Stored<DocumentEntry>>,
    pub submission_sets: Vec<SubmissionSet>,
    pub folders: Vec<Stored<Folder>>,
    pub associations: Vec<Association>,
}

impl PatientRecord {
    /// Sorts objects by kind. Of a person with several numbers, all are shown under `shown_as`.
    pub(crate) fn of(
        objects: Vec<StoredObject>,
        shown_as: Option<&PatientId>,
    ) -> Result<Self, StoreError> {
        let mut record = Self::default();
        for object in objects {
            let latest = object.state.latest;
            match object.kind {
                Kind::Entry => {
                    let mut value = object.entry()?;
                    if let Some(id) = shown_as {
                        value.patient_id.clone_from(id);
                    }
                    record.entries.push(Stored { value, latest });
                }
                Kind::SubmissionSet => {
                    let mut value = object.submission_set()?;
                    if let Some(id) = shown_as {
                        value.patient_id.clone_from(id);
                    }
                    record.submission_sets.push(value);
                }
                Kind::Folder => {
                    let mut value = object.folder()?;
                    if let Some(id) = shown_as {
                        value.patient_id.clone_from(id);
                    }
                    record.folders.push(Stored { value, latest });
                }
                Kind::Association => record.associations.push(object.association()?),
            }
        }
        Ok(record)
    }
}

impl PatientRecord {
    /// The objects without their places.
    pub(crate) fn into_found(self) -> FoundObjects {
        FoundObjects {
            document_entries: self.entries.into_iter().map(|e| Arc::new(e.value)).collect(),
            submission_sets: self.submission_sets,
            folders: self.folders.into_iter().map(|f| f.value).collect(),
            associations: self.associations,
        }
    }
}

type Row = (i64, i64, i64, Vec<u8>, i64, i64, Option<Vec<u8>>);

/// All objects of a patient.
pub(crate) async fn patient_objects(
    c: &mut Connection,
    patient_no: i64,
) -> Result<Vec<StoredObject>, StoreError> {
    let rows: Vec<Row> = sql(OF_PATIENT).bind(patient_no).all(&mut *c).await?;
    from_rows(c, rows).await
}

/// The entries of a patient that lie in a range of creation times, newest first.
pub(crate) async fn patient_entries(
    c: &mut Connection,
    patient_no: i64,
    range: &DtmRange,
) -> Result<Vec<Stored<DocumentEntry>>, StoreError> {
    type Row = (i64, Option<Vec<u8>>, Option<Vec<u8>>);
    let (from, to) = sort_keys(range);
    let rows: Vec<Row> = sql(ENTRIES).bind(patient_no).bind(from).bind(to).all(&mut *c).await?;
    let mut entries = Vec::with_capacity(rows.len());
    for (state, metadata, long) in rows {
        let metadata = match (metadata, long) {
            (Some(metadata), _) => metadata,
            (None, Some(uuid)) => overflow(c, &uuid).await?,
            (None, None) => return Err(wrong("metadata", "is nowhere")),
        };
        let state = ObjectState::from_column(state);
        let mut value: DocumentEntry = unpack(&metadata)?;
        value.availability_status = state.status;
        entries.push(Stored { value, latest: state.latest });
    }
    Ok(entries)
}

/// The first sort key within a range of times, and the last.
fn sort_keys(range: &DtmRange) -> (i64, i64) {
    let key = |time: &Option<Dtm>| time.as_ref().and_then(|t| t.earliest().parse::<i64>().ok());
    (key(&range.to).map_or(i64::MIN, |to| 1 - to), key(&range.from).map_or(i64::MAX, |from| -from))
}

/// A page of the objects of a kind of all people, in the store's order, after a place.
pub(crate) async fn after(
    c: &mut Connection,
    kind: Kind,
    place: Option<(i64, i64, Uuid)>,
) -> Result<Vec<StoredObject>, StoreError> {
    let (patient_no, sort_key, uuid) = place.unwrap_or((i64::MIN, i64::MIN, Uuid::nil()));
    let rows: Vec<Row> = sql(AFTER)
        .bind(patient_no)
        .bind(kind as i64)
        .bind(sort_key)
        .bind(uuid)
        .all(&mut *c)
        .await?;
    from_rows(c, rows).await
}

/// Objects by id; ids that name nothing are missing from the answer.
pub(crate) async fn fetch(
    c: &mut Connection,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, StoredObject>, StoreError> {
    let mut found = HashMap::with_capacity(ids.len());
    for some in ids.chunks(KEYS) {
        let keys = some.iter().map(|id| Value::from(*id));
        let rows: Vec<Row> = with_keys(BY_UUID, keys, "").all(&mut *c).await?;
        for object in from_rows(c, rows).await? {
            found.insert(object.uuid, object);
        }
    }
    Ok(found)
}

/// Which of these ids name objects.
pub(crate) async fn registered(c: &mut Connection, ids: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
    let mut found = Vec::new();
    for some in ids.chunks(MANY_KEYS) {
        let keys = some.iter().map(|id| Value::from(*id));
        let rows: Vec<(Vec<u8>,)> = with_keys(IN_DIRECTORY, keys, "").all(&mut *c).await?;
        for (id,) in rows {
            found.push(uuid_of(&id)?);
        }
    }
    Ok(found)
}

/// The numbers of the people whose these objects are.
pub(crate) async fn owners(c: &mut Connection, ids: &[Uuid]) -> Result<Vec<i64>, StoreError> {
    let mut numbers = Vec::new();
    for some in ids.chunks(KEYS) {
        let keys = some.iter().map(|id| Value::from(*id));
        let rows: Vec<(i64,)> = with_keys(OWNERS, keys, "").all(&mut *c).await?;
        numbers.extend(rows.into_iter().map(|(no,)| no));
    }
    Ok(numbers)
}

/// The ids of objects of a kind that have one of these uniqueIds.
pub(crate) async fn fetch_by_unique_id(
    c: &mut Connection,
    ids: &[String],
    kind: Kind,
) -> Result<Vec<Uuid>, StoreError> {
    let mut found = Vec::new();
    for some in ids.chunks(KEYS) {
        let keys = some.iter().map(Value::from);
        let rows: Vec<(Vec<u8>, i64)> = with_keys(BY_UNIQUE_ID, keys, "").all(&mut *c).await?;
        for (uuid, of) in rows {
            if of == kind as i64 {
                found.push(uuid_of(&uuid)?);
            }
        }
    }
    Ok(found)
}

/// The ids of all versions of an object, oldest first; its own id is the first version's.
pub(crate) async fn versions_of(
    c: &mut Connection,
    logical_id: LogicalId,
) -> Result<Vec<Uuid>, StoreError> {
    let later: Vec<(Vec<u8>,)> = sql(VERSIONS).bind(logical_id.uuid()).all(c).await?;
    std::iter::once(Ok(logical_id.uuid())).chain(later.iter().map(|(id,)| uuid_of(id))).collect()
}

/// The newest version of an object.
pub(crate) async fn latest_version(
    c: &mut Connection,
    logical_id: LogicalId,
) -> Result<Option<StoredObject>, StoreError> {
    let ids = versions_of(c, logical_id).await?;
    let found = fetch(c, &ids).await?;
    Ok(found.into_values().max_by_key(|o| o.version))
}

/// The associations that one of these objects is an end of.
pub(crate) async fn associations_of(
    c: &mut Connection,
    ids: &[Uuid],
) -> Result<Vec<StoredObject>, StoreError> {
    let mut wanted: Vec<Uuid> = Vec::new();
    for some in ids.chunks(KEYS) {
        let keys = some.iter().map(|id| Value::from(*id));
        let rows: Vec<(Vec<u8>,)> = with_keys(ENDS, keys, "").all(&mut *c).await?;
        for (id,) in rows {
            wanted.push(uuid_of(&id)?);
        }
    }
    wanted.sort_unstable();
    wanted.dedup();
    let mut found: Vec<StoredObject> = fetch(c, &wanted).await?.into_values().collect();
    found.sort_unstable_by_key(|o| o.uuid);
    Ok(found)
}

async fn from_rows(c: &mut Connection, rows: Vec<Row>) -> Result<Vec<StoredObject>, StoreError> {
    let mut objects = Vec::with_capacity(rows.len());
    for (patient_no, kind, sort_key, uuid, state, version, metadata) in rows {
        let metadata = match metadata {
            Some(metadata) => metadata,
            None => overflow(c, &uuid).await?,
        };
        objects.push(StoredObject {
            uuid: uuid_of(&uuid)?,
            kind: Kind::from_column(kind)?,
            patient_no,
            sort_key,
            state: ObjectState::from_column(state),
            version: u32::try_from(version).unwrap_or_default(),
            metadata,
        });
    }
    Ok(objects)
}

async fn overflow(c: &mut Connection, uuid: &[u8]) -> Result<Vec<u8>, StoreError> {
    let row: Option<(Vec<u8>,)> = sql(OVERFLOW).bind(uuid).first(c).await?;
    row.map(|(metadata,)| metadata).ok_or_else(|| wrong("metadata", "is nowhere"))
}

/// Metadata as it lies in the table: MessagePack, attributes in the order of the type. An attribute
/// can be added at the end of a type with `#[serde(default)]`, and older rows are still read.
pub(super) fn pack<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    rmp_serde::to_vec(value).map_err(|e| wrong("metadata", &e.to_string()))
}

fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    rmp_serde::from_slice(bytes).map_err(|e| wrong("metadata", &e.to_string()))
}

fn uuid_of(bytes: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(bytes).map_err(|e| wrong("entry_uuid", &e.to_string()))
}

fn wrong(column: &'static str, what: &str) -> StoreError {
    StoreError::Row("registry_object", column, what.to_owned())
}

/// Keys in one statement: few shapes of statement, so that all stay prepared.
const KEYS: usize = 64;
/// The same where little is expected to be found.
const MANY_KEYS: usize = 1024;

/// As few columns as it can be: each costs as much as a hundred bytes.
const ENTRIES: &str = "
    SELECT state, metadata, CASE WHEN metadata IS NULL THEN entry_uuid END
    FROM registry_object
    WHERE patient_no = $1 AND kind = 1 AND sort_key BETWEEN $2 AND $3
    ORDER BY sort_key, entry_uuid";

const OF_PATIENT: &str = "
    SELECT patient_no, kind, sort_key, entry_uuid, state, version, metadata
    FROM registry_object WHERE patient_no = $1
    ORDER BY kind, sort_key, entry_uuid";

const BY_UUID: &str = "
    SELECT o.patient_no, o.kind, o.sort_key, o.entry_uuid, o.state, o.version, o.metadata
    FROM object_directory AS d
    JOIN registry_object AS o
      ON o.patient_no = d.patient_no AND o.kind = d.kind
     AND o.sort_key = d.sort_key AND o.entry_uuid = d.entry_uuid
    WHERE d.entry_uuid IN";

const IN_DIRECTORY: &str = "SELECT entry_uuid FROM object_directory WHERE entry_uuid IN";

const OWNERS: &str = "SELECT DISTINCT patient_no FROM object_directory WHERE entry_uuid IN";

const BY_UNIQUE_ID: &str = "SELECT entry_uuid, kind FROM unique_id_directory WHERE unique_id IN";

const VERSIONS: &str =
    "SELECT entry_uuid FROM object_version WHERE logical_id = $1 ORDER BY version";

const ENDS: &str = "SELECT association_uuid FROM association_end WHERE object_uuid IN";

const AFTER: &str = "
    SELECT patient_no, kind, sort_key, entry_uuid, state, version, metadata
    FROM registry_object
    WHERE (patient_no, kind, sort_key, entry_uuid) > ($1, $2, $3, $4) AND kind = $2
    ORDER BY patient_no, kind, sort_key, entry_uuid LIMIT 1000";

const OVERFLOW: &str = "SELECT metadata FROM registry_object_overflow WHERE entry_uuid = $1";

#[cfg(test)]
mod tests {
    use carerecord_testkit::submission::Builder;

    use super::*;

    /// The first release stored metadata with the names of attributes.
    #[test]
    fn metadata_of_the_first_release_is_read() {
        let entry = Builder::default().entry();
        let named = rmp_serde::to_vec_named(&entry).unwrap();

        assert_eq!(unpack::<DocumentEntry>(&named).unwrap(), entry);
        let packed = pack(&entry).unwrap();
        assert_eq!(unpack::<DocumentEntry>(&packed).unwrap(), entry);
        assert!(packed.len() < named.len() * 2 / 3, "{} of {}", packed.len(), named.len());
    }
}
