//! ITI-42 in one transaction: what needs the registry's content is checked, ids are given, objects,
//! change rows and the audit record are written. ITI TF-2: 3.42.4.1.3.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use carerecord_audit::{AuditEvent, AuditLog};
use carerecord_model::{
    Association, AssociationType, AvailabilityStatus, DocumentEntry, Dtm, EntryUuid, ErrorCode,
    IdSource, LogicalId, ObjectId, Registered, RegistryError, RegistryErrors, Submission,
};
use carerecord_storage::StoreError;
use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::patients::{ensure_patient, note_as_described, patient_no};
use super::{Kind, Store, pack};
use crate::validate::{metadata, unresolved};

/// A submission with what registration needs around it.
pub(crate) struct Registration {
    pub submission: Submission,
    pub now: Timestamp,
    pub ids: Arc<dyn IdSource>,
    pub accept_unknown: bool,
    pub audit: AuditEvent,
}

/// Why nothing was registered.
#[derive(Debug)]
pub(crate) enum RegisterError {
    Refused(RegistryErrors),
    Store(StoreError),
}

impl From<StoreError> for RegisterError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<sqlx::Error> for RegisterError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// Registers a submission, all or nothing; durable when this returns.
    pub(crate) async fn register(
        &self,
        registration: Registration,
    ) -> Result<Registered, RegisterError> {
        self.database
            .write(move |connection| {
                Box::pin(async move { register_in(connection, registration).await })
            })
            .await
    }
}

async fn register_in(
    c: &mut SqliteConnection,
    r: Registration,
) -> Result<Registered, RegisterError> {
    let digest = digest_of(&r.submission)?;
    match repeat_of(c, &r.submission, &digest).await? {
        Repeat::Same => {
            AuditLog::append_in(c, &r.audit).await?;
            return Ok(Registered { warnings: Vec::new(), repeated: true });
        }
        Repeat::New => {}
    }
    let errors = check(c, &r).await?;
    if !errors.is_empty() {
        return Err(RegisterError::Refused(errors));
    }
    let patient = ensure_patient(c, &r.submission.submission_set.patient_id).await?;
    let mut s = r.submission;
    give_ids(&mut s, r.ids.as_ref(), r.now);
    let mut write = Write { c, patient, now: r.now };
    write.objects(&s).await?;
    write.replacements(&s).await?;
    write.submission(&s, &digest).await?;
    if let Some(entry) = s.document_entries.first() {
        note_as_described(write.c, patient, entry).await?;
    }
    AuditLog::append_in(write.c, &r.audit).await?;
    Ok(Registered::default())
}

enum Repeat {
    Same,
    New,
}

/// A repeat of a submission gets the same answer. One that differs is met by the rule on
/// uniqueIds.
async fn repeat_of(
    c: &mut SqliteConnection,
    s: &Submission,
    digest: &[u8],
) -> Result<Repeat, RegisterError> {
    let stored: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT digest FROM submission WHERE unique_id = $1")
            .bind(s.submission_set.unique_id.as_str())
            .fetch_optional(c)
            .await?;
    Ok(if stored.as_deref() == Some(digest) { Repeat::Same } else { Repeat::New })
}

/// The rules that need the registry's content.
async fn check(
    c: &mut SqliteConnection,
    r: &Registration,
) -> Result<RegistryErrors, RegisterError> {
    let s = &r.submission;
    let mut errors = RegistryErrors::new();
    check_patient(c, s, r.accept_unknown, &mut errors).await?;
    check_package_ids(c, s, &mut errors).await?;
    for entry in &s.document_entries {
        check_document(c, entry, &mut errors).await?;
    }
    check_uuids(c, s, &mut errors).await?;
    for association in &s.associations {
        check_ends(c, s, association, &mut errors).await?;
    }
    Ok(errors)
}

async fn check_patient(
    c: &mut SqliteConnection,
    s: &Submission,
    accept_unknown: bool,
    errors: &mut RegistryErrors,
) -> Result<(), RegisterError> {
    let id = &s.submission_set.patient_id;
    if !accept_unknown && patient_no(c, id).await?.is_none() {
        errors.push(RegistryError::error(
            ErrorCode::XDSUnknownPatientId,
            format!("{} is not known to this registry", id.to_cx()),
        ));
    }
    Ok(())
}

async fn check_package_ids(
    c: &mut SqliteConnection,
    s: &Submission,
    errors: &mut RegistryErrors,
) -> Result<(), RegisterError> {
    let packages = s
        .folders
        .iter()
        .map(|f| ("Folder", &f.unique_id))
        .chain([("SubmissionSet", &s.submission_set.unique_id)]);
    for (kind, id) in packages {
        let used: i64 =
            sqlx::query_scalar("SELECT count(*) FROM unique_id_directory WHERE unique_id = $1")
                .bind(id.as_str())
                .fetch_one(&mut *c)
                .await?;
        if used > 0 {
            errors.push(RegistryError::error(
                ErrorCode::XDSDuplicateUniqueIdInRegistry,
                format!("{kind} uniqueId {id} is in use"),
            ));
        }
    }
    Ok(())
}

/// The same document may be registered again; other bytes under its id may not.
async fn check_document(
    c: &mut SqliteConnection,
    entry: &DocumentEntry,
    errors: &mut RegistryErrors,
) -> Result<(), RegisterError> {
    let rows: Vec<(i64, Option<String>, Option<i64>)> =
        sqlx::query_as(SAME_UNIQUE_ID).bind(entry.unique_id.as_str()).fetch_all(c).await?;
    let id = entry.unique_id.as_str();
    for (kind, hash, size) in rows {
        if kind != Kind::Entry as i64 {
            let what = format!("the uniqueId {id} belongs to another kind of object");
            errors.push(RegistryError::error(ErrorCode::XDSDuplicateUniqueIdInRegistry, what));
        } else if hash != entry.hash.as_ref().map(|h| h.to_ascii_lowercase()) {
            errors.push(RegistryError::error(ErrorCode::XDSNonIdenticalHash, id));
        } else if size != entry.size.map(|s| s as i64) {
            errors.push(RegistryError::error(ErrorCode::XDSNonIdenticalSize, id));
        }
    }
    Ok(())
}

async fn check_uuids(
    c: &mut SqliteConnection,
    s: &Submission,
    errors: &mut RegistryErrors,
) -> Result<(), RegisterError> {
    let own = std::iter::once(&s.submission_set.entry_uuid)
        .chain(s.document_entries.iter().map(|e| &e.entry_uuid))
        .chain(s.folders.iter().map(|f| &f.entry_uuid))
        .chain(s.associations.iter().map(|a| &a.entry_uuid));
    for id in own.filter_map(ObjectId::uuid) {
        if object(c, id).await?.is_some() {
            errors.push(metadata(format!("{id} is registered already")));
        }
    }
    Ok(())
}

/// Ends that are not in the request must be in the registry: of the right kind, of the same
/// patient, and in force.
async fn check_ends(
    c: &mut SqliteConnection,
    s: &Submission,
    a: &Association,
    errors: &mut RegistryErrors,
) -> Result<(), RegisterError> {
    for (end, is_source) in [(&a.source, true), (&a.target, false)] {
        if s.object(end).is_some() {
            if !is_source && a.association_type.replaces() {
                errors.push(unresolved(end));
            }
            continue;
        }
        let Some(id) = end.uuid() else { continue };
        let Some((kind, of, patient)) = object(c, id).await? else {
            errors.push(unresolved(end));
            continue;
        };
        let member = a.association_type == AssociationType::HasMember;
        let expected = if member && is_source { Kind::Folder } else { Kind::Entry };
        if kind != expected {
            errors.push(metadata(format!("{end} is not of the kind that the association needs")));
            continue;
        }
        if of == AvailabilityStatus::Deprecated {
            let what = format!("{end} is deprecated");
            errors.push(RegistryError::error(ErrorCode::XDSRegistryDeprecatedDocumentError, what));
        }
        let by_reference = member && a.source == s.submission_set.entry_uuid;
        let ours = patient_no(&mut *c, &s.submission_set.patient_id).await?;
        if !by_reference && ours != Some(patient) {
            let what = format!("{end} belongs to another patient");
            errors.push(RegistryError::error(ErrorCode::XDSPatientIdDoesNotMatch, what));
        }
    }
    Ok(())
}

/// Kind, status and patient of a registered object.
async fn object(
    c: &mut SqliteConnection,
    id: EntryUuid,
) -> Result<Option<(Kind, AvailabilityStatus, i64)>, RegisterError> {
    let row: Option<(i64, i64, i64)> =
        sqlx::query_as(OBJECT).bind(id.uuid().as_bytes().to_vec()).fetch_optional(c).await?;
    let Some((kind, status, patient)) = row else { return Ok(None) };
    let kind = Kind::from_column(kind)
        .ok_or_else(|| StoreError::Row("object_directory", "kind", kind.to_string()))?;
    let status =
        if status == 0 { AvailabilityStatus::Approved } else { AvailabilityStatus::Deprecated };
    Ok(Some((kind, status, patient)))
}

/// Replaces symbols by fresh UUIDs everywhere, and sets what the registry sets.
fn give_ids(s: &mut Submission, ids: &dyn IdSource, now: Timestamp) {
    let mut given: HashMap<ObjectId, ObjectId> = HashMap::new();
    let mut give = |id: &mut ObjectId| {
        if id.uuid().is_none() {
            let fresh = given
                .entry(id.clone())
                .or_insert_with(|| ObjectId::Uuid(EntryUuid::new(ids.ordered())));
            *id = fresh.clone();
        }
    };
    give(&mut s.submission_set.entry_uuid);
    s.submission_set.availability_status = AvailabilityStatus::Approved;
    s.submission_set.home_community_id = None;
    for e in &mut s.document_entries {
        give(&mut e.entry_uuid);
        e.availability_status = AvailabilityStatus::Approved;
        e.logical_id = e.entry_uuid.uuid().map(|u| LogicalId::new(u.uuid()));
        e.version = 1;
        e.home_community_id = None;
    }
    for f in &mut s.folders {
        give(&mut f.entry_uuid);
        f.availability_status = AvailabilityStatus::Approved;
        f.logical_id = f.entry_uuid.uuid().map(|u| LogicalId::new(u.uuid()));
        f.version = 1;
        f.home_community_id = None;
        f.last_update_time = Some(Dtm::from_timestamp(now));
    }
    for a in &mut s.associations {
        give(&mut a.entry_uuid);
        give(&mut a.source);
        give(&mut a.target);
        a.availability_status = AvailabilityStatus::Approved;
    }
}

/// Writes the objects of one submission.
struct Write<'c> {
    c: &'c mut SqliteConnection,
    patient: i64,
    now: Timestamp,
}

impl Write<'_> {
    async fn objects(&mut self, s: &Submission) -> Result<(), RegisterError> {
        for entry in &s.document_entries {
            self.entry(entry).await?;
        }
        let set = &s.submission_set;
        let time = sort_key(Some(&set.submission_time));
        let uuid = bytes(&set.entry_uuid);
        sqlx::query("INSERT INTO submission_set VALUES ($1, $2, $3, $4)")
            .bind(self.patient)
            .bind(time)
            .bind(&uuid)
            .bind(pack("submission_set", set)?)
            .execute(&mut *self.c)
            .await?;
        self.directory(&uuid, Kind::SubmissionSet, time).await?;
        self.unique_id(set.unique_id.as_str(), &uuid, Kind::SubmissionSet, None, None).await?;
        for folder in &s.folders {
            let uuid = bytes(&folder.entry_uuid);
            sqlx::query("INSERT INTO folder VALUES ($1, $2, 0, $3, $4)")
                .bind(self.patient)
                .bind(&uuid)
                .bind(i64::from(folder.version))
                .bind(pack("folder", folder)?)
                .execute(&mut *self.c)
                .await?;
            self.directory(&uuid, Kind::Folder, 0).await?;
            self.unique_id(folder.unique_id.as_str(), &uuid, Kind::Folder, None, None).await?;
        }
        for association in &s.associations {
            self.association(association).await?;
        }
        Ok(())
    }

    async fn entry(&mut self, e: &DocumentEntry) -> Result<(), RegisterError> {
        let uuid = bytes(&e.entry_uuid);
        let time = sort_key(e.creation_time.as_ref());
        sqlx::query("INSERT INTO document_entry VALUES ($1, $2, $3, 0, $4, $5)")
            .bind(self.patient)
            .bind(time)
            .bind(&uuid)
            .bind(i64::from(e.version))
            .bind(pack("document_entry", e)?)
            .execute(&mut *self.c)
            .await?;
        self.directory(&uuid, Kind::Entry, time).await?;
        let hash = e.hash.as_ref().map(|h| h.to_ascii_lowercase());
        self.unique_id(e.unique_id.as_str(), &uuid, Kind::Entry, hash, e.size).await
    }

    async fn association(&mut self, a: &Association) -> Result<(), RegisterError> {
        let uuid = bytes(&a.entry_uuid);
        sqlx::query("INSERT INTO association VALUES ($1, $2, $3, $4, $5, 0, $6)")
            .bind(self.patient)
            .bind(&uuid)
            .bind(bytes(&a.source))
            .bind(bytes(&a.target))
            .bind(a.association_type as i64)
            .bind(pack("association", a)?)
            .execute(&mut *self.c)
            .await?;
        self.directory(&uuid, Kind::Association, 0).await
    }

    /// Deprecates what is replaced, with the appendices and transforms that hang on it.
    async fn replacements(&mut self, s: &Submission) -> Result<(), RegisterError> {
        let mut waiting: Vec<Vec<u8>> = s
            .associations
            .iter()
            .filter(|a| a.association_type.replaces())
            .map(|a| bytes(&a.target))
            .collect();
        while let Some(target) = waiting.pop() {
            let changed = sqlx::query(DEPRECATE)
                .bind(&target)
                .bind(self.patient)
                .execute(&mut *self.c)
                .await?
                .rows_affected();
            if changed == 0 {
                continue;
            }
            self.change(&target, Kind::Entry, "deprecated").await?;
            let dependents: Vec<Vec<u8>> = sqlx::query_scalar(DEPENDENTS)
                .bind(self.patient)
                .bind(&target)
                .bind(AssociationType::Transform as i64)
                .bind(AssociationType::Append as i64)
                .fetch_all(&mut *self.c)
                .await?;
            // A document of this very submission is not deprecated by it.
            let new = |id: &Vec<u8>| s.document_entries.iter().any(|e| bytes(&e.entry_uuid) == *id);
            waiting.extend(dependents.into_iter().filter(|d| !new(d)));
        }
        Ok(())
    }

    async fn submission(&mut self, s: &Submission, digest: &[u8]) -> Result<(), RegisterError> {
        sqlx::query("INSERT INTO submission VALUES ($1, $2, $3)")
            .bind(s.submission_set.unique_id.as_str())
            .bind(digest)
            .bind(self.now.as_millisecond())
            .execute(&mut *self.c)
            .await?;
        Ok(())
    }

    async fn directory(
        &mut self,
        uuid: &[u8],
        kind: Kind,
        sort_key: i64,
    ) -> Result<(), RegisterError> {
        sqlx::query("INSERT INTO object_directory VALUES ($1, $2, $3, $4)")
            .bind(uuid)
            .bind(kind as i64)
            .bind(self.patient)
            .bind(sort_key)
            .execute(&mut *self.c)
            .await?;
        self.change(uuid, kind, "registered").await
    }

    async fn unique_id(
        &mut self,
        unique_id: &str,
        uuid: &[u8],
        kind: Kind,
        hash: Option<String>,
        size: Option<u64>,
    ) -> Result<(), RegisterError> {
        sqlx::query("INSERT INTO unique_id_directory VALUES ($1, $2, $3, $4, $5)")
            .bind(unique_id)
            .bind(uuid)
            .bind(kind as i64)
            .bind(hash)
            .bind(size.map(|s| s as i64))
            .execute(&mut *self.c)
            .await?;
        Ok(())
    }

    async fn change(&mut self, uuid: &[u8], kind: Kind, verb: &str) -> Result<(), RegisterError> {
        sqlx::query(CHANGE)
            .bind(self.now.as_millisecond())
            .bind(kind as i64)
            .bind(verb)
            .bind(uuid)
            .bind(self.patient)
            .execute(&mut *self.c)
            .await?;
        Ok(())
    }
}

/// What makes two submissions the same: everything that the sender sent.
fn digest_of(s: &Submission) -> Result<Vec<u8>, StoreError> {
    Ok(digest(&SHA256, &pack("submission", s)?).as_ref().to_vec())
}

fn bytes(id: &ObjectId) -> Vec<u8> {
    // After `give_ids` every id is a UUID; a symbol would find nothing.
    id.uuid().map(|u| u.uuid().as_bytes().to_vec()).unwrap_or_default()
}

fn sort_key(time: Option<&Dtm>) -> i64 {
    time.and_then(|t| t.earliest().parse().ok()).unwrap_or(0)
}

const SAME_UNIQUE_ID: &str =
    "SELECT kind, hash, size_bytes FROM unique_id_directory WHERE unique_id = $1";

const OBJECT: &str = "
    SELECT d.kind, coalesce(e.availability_status, f.availability_status, 0), d.patient_no
    FROM object_directory AS d
    LEFT JOIN document_entry AS e
      ON d.kind = 1 AND e.patient_no = d.patient_no
     AND e.creation_time = d.sort_key AND e.entry_uuid = d.entry_uuid
    LEFT JOIN folder AS f
      ON d.kind = 3 AND f.patient_no = d.patient_no AND f.entry_uuid = d.entry_uuid
    WHERE d.entry_uuid = $1";

const DEPRECATE: &str = "
    UPDATE document_entry SET availability_status = 1
    WHERE entry_uuid = $1 AND patient_no = $2 AND availability_status = 0
      AND creation_time = (SELECT sort_key FROM object_directory WHERE entry_uuid = $1)";

const DEPENDENTS: &str = "
    SELECT source_uuid FROM association
    WHERE patient_no = $1 AND target_uuid = $2 AND availability_status = 0
      AND association_type IN ($3, $4)";

const CHANGE: &str = "
    INSERT INTO change (changed_at, kind, verb, entry_uuid, patient_no)
    VALUES ($1, $2, $3, $4, $5)";
