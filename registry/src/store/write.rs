//! Writing objects, within the transaction of one request.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use carerecord_model::{
    Association, DocumentEntry, Dtm, Folder, ObjectId, Submission, SubmissionSet,
};
use carerecord_storage::{Connection, StoreError, Value, insert_into_all, sql, with_keys};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::changes::Verb;
use super::code_index::{self, keys_of_entry, keys_of_folder};
use super::objects::{Kind, ObjectState, StoredObject, pack};

/// What one request writes: rows are gathered and written together by `flush`.
pub(crate) struct Write<'c> {
    pub c: &'c mut Connection,
    now: Timestamp,
    objects: Vec<Vec<Value>>,
    overflow: Vec<Vec<Value>>,
    directory: Vec<Vec<Value>>,
    unique_ids: Vec<Vec<Value>>,
    ends: Vec<Vec<Value>>,
    versions: Vec<Vec<Value>>,
    changes: Vec<Vec<Value>>,
    submissions: Vec<Vec<Value>>,
    /// Keys of codes with their people.
    codes: Vec<(i64, i64)>,
}

impl<'c> Write<'c> {
    pub(crate) fn new(c: &'c mut Connection, now: Timestamp) -> Self {
        Self {
            c,
            now,
            objects: Vec::new(),
            overflow: Vec::new(),
            directory: Vec::new(),
            unique_ids: Vec::new(),
            ends: Vec::new(),
            versions: Vec::new(),
            changes: Vec::new(),
            submissions: Vec::new(),
            codes: Vec::new(),
        }
    }

    /// Everything of a submission, as new objects.
    pub(crate) fn all(
        &mut self,
        patient_no: i64,
        s: &Submission,
        packed: &Packed,
    ) -> Result<(), StoreError> {
        let new = ObjectState::APPROVED;
        for (e, bytes) in s.document_entries.iter().zip(&packed.entries) {
            self.packed_entry(patient_no, e, new, bytes.clone())?;
        }
        self.packed_set(patient_no, &s.submission_set, packed.set.clone())?;
        for (f, bytes) in s.folders.iter().zip(&packed.folders) {
            self.packed_folder(patient_no, f, new, bytes.clone())?;
        }
        for (a, bytes) in s.associations.iter().zip(&packed.associations) {
            self.packed_association(patient_no, a, new, bytes.clone())?;
        }
        Ok(())
    }

    pub(crate) fn entry(
        &mut self,
        patient_no: i64,
        e: &DocumentEntry,
        state: ObjectState,
    ) -> Result<(), StoreError> {
        self.packed_entry(patient_no, e, state, pack(e)?)
    }

    fn packed_entry(
        &mut self,
        patient_no: i64,
        e: &DocumentEntry,
        state: ObjectState,
        packed: Vec<u8>,
    ) -> Result<(), StoreError> {
        let uuid = id(&e.entry_uuid)?;
        let key = sort_key(e.creation_time.as_ref());
        self.object(patient_no, Kind::Entry, key, uuid, state, e.version, packed);
        self.unique_ids.push(vec![
            e.unique_id.as_str().into(),
            uuid.into(),
            (Kind::Entry as i64).into(),
            e.hash.as_ref().map(|h| h.to_ascii_lowercase()).into(),
            e.size.map(|s| i64::try_from(s).unwrap_or(i64::MAX)).into(),
        ]);
        self.version(uuid, e.logical_id.map(|l| l.uuid()), e.version);
        self.codes.extend(keys_of_entry(e).map(|key| (key, patient_no)));
        Ok(())
    }

    pub(crate) fn submission_set(
        &mut self,
        patient_no: i64,
        s: &SubmissionSet,
    ) -> Result<(), StoreError> {
        self.packed_set(patient_no, s, pack(s)?)
    }

    fn packed_set(
        &mut self,
        patient_no: i64,
        s: &SubmissionSet,
        packed: Vec<u8>,
    ) -> Result<(), StoreError> {
        let uuid = id(&s.entry_uuid)?;
        let (key, new) = (sort_key(Some(&s.submission_time)), ObjectState::APPROVED);
        self.object(patient_no, Kind::SubmissionSet, key, uuid, new, 1, packed);
        self.package_id(s.unique_id.as_str(), uuid, Kind::SubmissionSet);
        Ok(())
    }

    pub(crate) fn folder(
        &mut self,
        patient_no: i64,
        f: &Folder,
        state: ObjectState,
    ) -> Result<(), StoreError> {
        self.packed_folder(patient_no, f, state, pack(f)?)
    }

    fn packed_folder(
        &mut self,
        patient_no: i64,
        f: &Folder,
        state: ObjectState,
        packed: Vec<u8>,
    ) -> Result<(), StoreError> {
        let uuid = id(&f.entry_uuid)?;
        self.object(patient_no, Kind::Folder, 0, uuid, state, f.version, packed);
        self.package_id(f.unique_id.as_str(), uuid, Kind::Folder);
        self.version(uuid, f.logical_id.map(|l| l.uuid()), f.version);
        self.codes.extend(keys_of_folder(f).map(|key| (key, patient_no)));
        Ok(())
    }

    pub(crate) fn association(
        &mut self,
        patient_no: i64,
        a: &Association,
        state: ObjectState,
    ) -> Result<(), StoreError> {
        self.packed_association(patient_no, a, state, pack(a)?)
    }

    fn packed_association(
        &mut self,
        patient_no: i64,
        a: &Association,
        state: ObjectState,
        packed: Vec<u8>,
    ) -> Result<(), StoreError> {
        let uuid = id(&a.entry_uuid)?;
        self.object(patient_no, Kind::Association, 0, uuid, state, 1, packed);
        let (source, target) = (id(&a.source)?, id(&a.target)?);
        self.ends.push(vec![source.into(), uuid.into()]);
        if target != source {
            self.ends.push(vec![target.into(), uuid.into()]);
        }
        Ok(())
    }

    /// Sets what changes of an object without a new version.
    pub(crate) async fn set_state(
        &mut self,
        o: &StoredObject,
        state: ObjectState,
    ) -> Result<(), StoreError> {
        let statement = sql(SET_STATE).bind(state.column());
        let done = at(statement, o).run(&mut *self.c).await?;
        expect_one(done)?;
        let verb = if state.status != o.state.status {
            match state.status {
                carerecord_model::AvailabilityStatus::Approved => Verb::Approved,
                carerecord_model::AvailabilityStatus::Deprecated => Verb::Deprecated,
            }
        } else {
            Verb::Updated
        };
        self.change(o.patient_no, o.kind, o.uuid, verb);
        Ok(())
    }

    /// Renews a registered folder's lastUpdateTime.
    pub(crate) async fn touch_folder(&mut self, o: &StoredObject) -> Result<(), StoreError> {
        let mut folder = o.folder()?;
        folder.last_update_time = Some(Dtm::from_timestamp(self.now));
        let metadata = pack(&folder)?;
        let long = metadata.len() > INLINE;
        sql("DELETE FROM registry_object_overflow WHERE entry_uuid = $1")
            .bind(o.uuid)
            .run(&mut *self.c)
            .await?;
        if long {
            self.overflow.push(vec![o.uuid.into(), metadata.clone().into()]);
        }
        let inline = if long { None } else { Some(metadata) };
        let done = at(sql(SET_METADATA).bind(inline), o).run(&mut *self.c).await?;
        expect_one(done)?;
        self.change(o.patient_no, Kind::Folder, o.uuid, Verb::Updated);
        Ok(())
    }

    /// Removes objects for good, with everything that leads to them.
    pub(crate) async fn remove(&mut self, objects: &[StoredObject]) -> Result<(), StoreError> {
        for o in objects {
            expect_one(at(sql(DELETE_OBJECT), o).run(&mut *self.c).await?)?;
            for statement in [DELETE_OVERFLOW, DELETE_PLACE] {
                sql(statement).bind(o.uuid).run(&mut *self.c).await?;
            }
            self.remove_traces(o).await?;
            self.change(o.patient_no, o.kind, o.uuid, Verb::Removed);
        }
        Ok(())
    }

    async fn remove_traces(&mut self, o: &StoredObject) -> Result<(), StoreError> {
        let (unique_id, logical) = match o.kind {
            Kind::Entry => {
                let entry = o.entry()?;
                (entry.unique_id, entry.logical_id)
            }
            Kind::Folder => {
                let folder = o.folder()?;
                (folder.unique_id, folder.logical_id)
            }
            Kind::SubmissionSet => {
                let set = o.submission_set()?;
                let forget = "DELETE FROM submission WHERE unique_id = $1";
                sql(forget).bind(set.unique_id.as_str()).run(&mut *self.c).await?;
                (set.unique_id, None)
            }
            Kind::Association => {
                let association = o.association()?;
                for end in [&association.source, &association.target] {
                    let statement = sql(DELETE_END).bind(id(end)?).bind(o.uuid);
                    statement.run(&mut *self.c).await?;
                }
                return Ok(());
            }
        };
        let statement = sql(DELETE_UNIQUE_ID).bind(unique_id.as_str()).bind(o.uuid);
        statement.run(&mut *self.c).await?;
        if let Some(logical) = logical {
            let statement = sql(DELETE_VERSION).bind(logical.uuid()).bind(o.uuid);
            statement.run(&mut *self.c).await?;
        }
        Ok(())
    }

    /// Notes a submission, so that a repeat of it is known.
    pub(crate) fn submission(&mut self, s: &SubmissionSet, digest: &[u8]) {
        let at = self.now.as_millisecond();
        self.submissions.push(vec![s.unique_id.as_str().into(), digest.into(), at.into()]);
    }

    /// Writes what was gathered.
    pub(crate) async fn flush(&mut self) -> Result<(), StoreError> {
        let tables = vec![
            (OBJECT, std::mem::take(&mut self.objects)),
            (OVERFLOW, std::mem::take(&mut self.overflow)),
            (DIRECTORY, std::mem::take(&mut self.directory)),
            (UNIQUE_ID, std::mem::take(&mut self.unique_ids)),
            (END, std::mem::take(&mut self.ends)),
            (VERSION, std::mem::take(&mut self.versions)),
            (CHANGE, std::mem::take(&mut self.changes)),
            (SUBMISSION, std::mem::take(&mut self.submissions)),
        ];
        insert_into_all(&mut *self.c, tables).await?;
        code_index::add(&mut *self.c, std::mem::take(&mut self.codes)).await
    }

    #[expect(clippy::too_many_arguments, reason = "they are the columns of one row")]
    fn object(
        &mut self,
        patient_no: i64,
        kind: Kind,
        sort_key: i64,
        uuid: Uuid,
        state: ObjectState,
        version: u32,
        metadata: Vec<u8>,
    ) {
        let inline = if metadata.len() > INLINE {
            self.overflow.push(vec![uuid.into(), metadata.into()]);
            None
        } else {
            Some(metadata)
        };
        self.objects.push(vec![
            patient_no.into(),
            (kind as i64).into(),
            sort_key.into(),
            uuid.into(),
            state.column().into(),
            version.into(),
            inline.into(),
        ]);
        let place = vec![uuid.into(), (kind as i64).into(), patient_no.into(), sort_key.into()];
        self.directory.push(place);
        self.change(patient_no, kind, uuid, Verb::Registered);
    }

    fn package_id(&mut self, unique_id: &str, uuid: Uuid, kind: Kind) {
        let none = Value::Text(None);
        let row = vec![unique_id.into(), uuid.into(), (kind as i64).into(), none, Value::Int(None)];
        self.unique_ids.push(row);
    }

    fn version(&mut self, uuid: Uuid, logical: Option<Uuid>, version: u32) {
        if let Some(logical) = logical.filter(|l| *l != uuid) {
            self.versions.push(vec![logical.into(), version.into(), uuid.into()]);
        }
    }

    fn change(&mut self, patient_no: i64, kind: Kind, uuid: Uuid, verb: Verb) {
        self.changes.push(vec![
            self.now.as_millisecond().into(),
            (kind as i64).into(),
            verb.as_str().into(),
            uuid.into(),
            patient_no.into(),
        ]);
    }
}

/// The objects of a submission as they will be stored.
pub(crate) struct Packed {
    set: Vec<u8>,
    entries: Vec<Vec<u8>>,
    folders: Vec<Vec<u8>>,
    associations: Vec<Vec<u8>>,
}

impl Packed {
    pub(crate) fn of(s: &Submission) -> Result<Self, StoreError> {
        Ok(Self {
            set: pack(&s.submission_set)?,
            entries: s.document_entries.iter().map(pack).collect::<Result<_, _>>()?,
            folders: s.folders.iter().map(pack).collect::<Result<_, _>>()?,
            associations: s.associations.iter().map(pack).collect::<Result<_, _>>()?,
        })
    }
}

/// What makes two submissions the same: everything that the sender sent; and how long that is, in
/// bytes.
pub(crate) fn digest_of<T: Serialize>(submission: &T) -> Result<(Vec<u8>, usize), StoreError> {
    // With names, as the first releases wrote it: a repeat is known over an upgrade too.
    let bytes = rmp_serde::to_vec_named(submission)
        .map_err(|e| StoreError::Row("submission", "digest", e.to_string()))?;
    Ok((digest(&SHA256, &bytes).as_ref().to_vec(), bytes.len()))
}

/// The objects that are longer than an object may be: all queries about a patient read them. Each
/// is measured only where the whole submission, of `length` bytes, is longer.
pub(crate) fn too_long(s: &Submission, length: usize) -> Result<Vec<&ObjectId>, StoreError> {
    let mut long = Vec::new();
    if length <= MOST_BYTES {
        return Ok(long);
    }
    let mut measure = |id, packed: Vec<u8>| {
        if packed.len() > MOST_BYTES {
            long.push(id);
        }
    };
    measure(&s.submission_set.entry_uuid, pack(&s.submission_set)?);
    for e in &s.document_entries {
        measure(&e.entry_uuid, pack(e)?);
    }
    for f in &s.folders {
        measure(&f.entry_uuid, pack(f)?);
    }
    for a in &s.associations {
        measure(&a.entry_uuid, pack(a)?);
    }
    Ok(long)
}

/// The digests of the submissions that had these ids.
pub(crate) async fn submission_digests(
    c: &mut Connection,
    ids: &[&str],
) -> Result<HashMap<String, Vec<u8>>, StoreError> {
    let mut digests = HashMap::new();
    for some in ids.chunks(KEYS) {
        let keys = some.iter().map(|id| Value::from(*id));
        let rows: Vec<(String, Vec<u8>)> = with_keys(DIGESTS, keys, "").all(&mut *c).await?;
        digests.extend(rows);
    }
    Ok(digests)
}

/// An object that has a uniqueId.
pub(crate) struct UsedId {
    pub unique_id: String,
    pub is_entry: bool,
    pub hash: Option<String>,
    pub size: Option<i64>,
}

/// Which of these uniqueIds are in use, by whom.
pub(crate) async fn used_unique_ids(
    c: &mut Connection,
    ids: &[&str],
) -> Result<Vec<UsedId>, StoreError> {
    type Row = (String, i64, Option<String>, Option<i64>);
    let mut used = Vec::new();
    for some in ids.chunks(KEYS) {
        let keys = some.iter().map(|id| Value::from(*id));
        let rows: Vec<Row> = with_keys(USED, keys, "").all(&mut *c).await?;
        for (unique_id, kind, hash, size) in rows {
            used.push(UsedId { unique_id, is_entry: kind == Kind::Entry as i64, hash, size });
        }
    }
    Ok(used)
}

fn at(statement: carerecord_storage::Statement, o: &StoredObject) -> carerecord_storage::Statement {
    // `$1` is the new value where there is one; the key follows it or stands alone.
    statement.bind(o.patient_no).bind(o.kind as i64).bind(o.sort_key).bind(o.uuid)
}

fn expect_one(rows: u64) -> Result<(), StoreError> {
    if rows == 1 {
        return Ok(());
    }
    Err(StoreError::Row("registry_object", "entry_uuid", format!("{rows} rows, not one")))
}

fn id(id: &ObjectId) -> Result<Uuid, StoreError> {
    let uuid = id.uuid().map(|u| u.uuid());
    uuid.ok_or_else(|| StoreError::Row("registry_object", "entry_uuid", "is a symbol".into()))
}

/// Ascending order is newest first.
fn sort_key(time: Option<&Dtm>) -> i64 {
    -time.and_then(|t| t.earliest().parse::<i64>().ok()).unwrap_or(0)
}

/// Longer metadata would not fit into an index entry of PostgreSQL.
const INLINE: usize = 2000;
/// Of one object, as it is stored.
const MOST_BYTES: usize = 256 << 10;
const KEYS: usize = 1024;

const OBJECT: &str =
    "registry_object (patient_no, kind, sort_key, entry_uuid, state, version, metadata)";
const OVERFLOW: &str = "registry_object_overflow (entry_uuid, metadata)";
const DIRECTORY: &str = "object_directory (entry_uuid, kind, patient_no, sort_key)";
const UNIQUE_ID: &str = "unique_id_directory (unique_id, entry_uuid, kind, hash, size_bytes)";
const END: &str = "association_end (object_uuid, association_uuid)";
const VERSION: &str = "object_version (logical_id, version, entry_uuid)";
const SUBMISSION: &str = "submission (unique_id, digest, registered_at)";
const CHANGE: &str = "change (changed_at, kind, verb, entry_uuid, patient_no)";

const DIGESTS: &str = "SELECT unique_id, digest FROM submission WHERE unique_id IN";

const SET_STATE: &str = "
    UPDATE registry_object SET state = $1
    WHERE patient_no = $2 AND kind = $3 AND sort_key = $4 AND entry_uuid = $5";

const SET_METADATA: &str = "
    UPDATE registry_object SET metadata = $1
    WHERE patient_no = $2 AND kind = $3 AND sort_key = $4 AND entry_uuid = $5";

const DELETE_OBJECT: &str = "
    DELETE FROM registry_object
    WHERE patient_no = $1 AND kind = $2 AND sort_key = $3 AND entry_uuid = $4";

const DELETE_OVERFLOW: &str = "DELETE FROM registry_object_overflow WHERE entry_uuid = $1";
const DELETE_PLACE: &str = "DELETE FROM object_directory WHERE entry_uuid = $1";
const DELETE_UNIQUE_ID: &str =
    "DELETE FROM unique_id_directory WHERE unique_id = $1 AND entry_uuid = $2";
const DELETE_VERSION: &str = "DELETE FROM object_version WHERE logical_id = $1 AND entry_uuid = $2";
const DELETE_END: &str =
    "DELETE FROM association_end WHERE object_uuid = $1 AND association_uuid = $2";

const USED: &str = "
    SELECT unique_id, kind, hash, size_bytes
    FROM unique_id_directory WHERE unique_id IN";
