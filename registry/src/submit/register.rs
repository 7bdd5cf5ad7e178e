//! ITI-42 and ITI-61: what needs the registry's content is checked, ids are given, and objects,
//! changes and the audit record are written. ITI TF-2: 3.42.4.1.3.

use std::collections::{HashMap, HashSet};

use carerecord_audit::AuditLog;
use carerecord_model::{
    Association, AssociationType, AvailabilityStatus, DocumentEntry, DocumentEntryType, EntryUuid,
    ErrorCode, ExtraMetadata, IdSource, ObjectId, Registered, RegistryError, RegistryErrors,
    Submission, SubmissionIndex, SubmissionObjects,
};
use carerecord_storage::{Connection, StoreError};
use uuid::Uuid;

use super::ids::{as_registered, give_ids};
use super::validate::{self, deprecated, metadata, unresolved};
use super::{Request, SubmitError};
use crate::store::{
    Kind, ObjectState, Person, Store, StoredObject, Write, associations_of, count_unmapped,
    digest_of, fetch, note_as_described, person, submission_digest, used_unique_ids,
};

impl Store {
    /// Registers a submission, all or nothing; durable when this returns.
    pub(crate) async fn register(&self, request: Request) -> Result<Registered, SubmitError> {
        self.database().write(move |c| Box::pin(async move { register_in(c, request).await })).await
    }
}

/// What the registry knows that a submission touches.
struct Known {
    patient: Option<Person>,
    objects: HashMap<Uuid, StoredObject>,
}

async fn register_in(c: &mut Connection, r: Request) -> Result<Registered, SubmitError> {
    let (digest, length) = digest_of(&r.submission)?;
    if submission_digest(c, &r.submission).await?.as_ref() == Some(&digest) {
        // A repeat gets the same answer. One that differs is met by the rule on uniqueIds.
        AuditLog::append_in(c, &r.audit).await?;
        return Ok(Registered { warnings: Vec::new(), repeated: true });
    }
    let known = Known {
        patient: person(c, &r.submission.submission_set.patient_id).await?,
        objects: fetch(c, &validate::named(&r.submission)).await?,
    };
    let mut errors = r.codes.errors.clone();
    errors.extend(validate::lengths(&r.submission, length)?);
    check_patient(&r, &known, &mut errors);
    check_unique_ids(c, &r.submission, &mut errors).await?;
    check_own_ids(&r.submission, &known, &mut errors);
    let index = r.submission.index();
    for association in &r.submission.associations {
        check_ends(&r.submission, &index, association, &known, &mut errors)?;
    }
    if !errors.is_empty() {
        return Err(SubmitError::Refused(errors));
    }
    let mut s = r.submission;
    give_ids(&mut s, r.ids.as_ref());
    as_registered(&mut s, r.now);
    let patient_no = match known.patient {
        Some(person) => person.own_no,
        None => crate::store::ensure_patient(c, &s.submission_set.patient_id).await?,
    };
    let mut write = Write::new(c, r.now);
    add_objects(&mut write, patient_no, &s)?;
    Effects { write: &mut write, ids: r.ids.as_ref(), patient_no, submission: &s }.apply().await?;
    write.submission(&s.submission_set, &digest).await?;
    write.flush().await?;
    count_unmapped(write.c, &s.submission_set.source_id, &r.codes.unmapped, r.now).await?;
    if let Some(entry) = s.document_entries.first() {
        note_as_described(write.c, patient_no, entry).await?;
    }
    AuditLog::append_in(write.c, &r.audit).await?;
    Ok(Registered::default())
}

/// V1: the patient is known, and has not been merged into another one.
fn check_patient(r: &Request, known: &Known, errors: &mut RegistryErrors) {
    let id = &r.submission.submission_set.patient_id;
    let what = match &known.patient {
        Some(person) if person.is_subsumed() => "has been merged into another patient",
        None if !r.accept_unknown => "is not known to this registry",
        Some(_) | None => return,
    };
    let what = format!("{} {what}", id.to_cx());
    errors.push(RegistryError::error(ErrorCode::XDSUnknownPatientId, what));
}

/// V6, V8, V9: ids of packages are used once; the same document may be registered again, other
/// bytes under its id may not.
async fn check_unique_ids(
    c: &mut Connection,
    s: &Submission,
    errors: &mut RegistryErrors,
) -> Result<(), SubmitError> {
    let entries: HashMap<&str, &DocumentEntry> =
        s.document_entries.iter().map(|e| (e.unique_id.as_str(), e)).collect();
    let mut ids: Vec<&str> = entries.keys().copied().collect();
    ids.push(s.submission_set.unique_id.as_str());
    ids.extend(s.folders.iter().map(|f| f.unique_id.as_str()));
    let mut told = HashSet::new();
    for used in used_unique_ids(c, &ids).await? {
        let id = used.unique_id.as_str();
        let error = match entries.get(id) {
            None => {
                let set = s.submission_set.unique_id.as_str() == id;
                let kind = if set { "SubmissionSet" } else { "Folder" };
                let what = format!("{kind} uniqueId {id} is in use");
                RegistryError::error(ErrorCode::XDSDuplicateUniqueIdInRegistry, what)
            }
            Some(_) if !used.is_entry => {
                let what = format!("the uniqueId {id} belongs to another kind of object");
                RegistryError::error(ErrorCode::XDSDuplicateUniqueIdInRegistry, what)
            }
            Some(entry) => match same_document(entry, used.hash.as_deref(), used.size) {
                Some(error) => error,
                None => continue,
            },
        };
        if told.insert((id.to_owned(), error.code.clone())) {
            errors.push(error);
        }
    }
    Ok(())
}

/// Whether an entry can be of the same document as a registered one with this hash and size.
fn same_document(
    e: &DocumentEntry,
    hash: Option<&str>,
    size: Option<i64>,
) -> Option<RegistryError> {
    let id = e.unique_id.as_str();
    let on_demand = e.entry_type == DocumentEntryType::OnDemand;
    if on_demand != hash.is_none() {
        let what = format!("the uniqueId {id} is of an entry of the other type");
        return Some(metadata(what));
    }
    if hash.map(str::to_owned) != e.hash.as_ref().map(|h| h.to_ascii_lowercase()) {
        return Some(RegistryError::error(ErrorCode::XDSNonIdenticalHash, id));
    }
    let own = e.size.map(|s| i64::try_from(s).unwrap_or(i64::MAX));
    (size != own).then(|| RegistryError::error(ErrorCode::XDSNonIdenticalSize, id))
}

/// V10: an entryUUID names one object for ever.
fn check_own_ids(s: &Submission, known: &Known, errors: &mut RegistryErrors) {
    for id in validate::ids(s).filter_map(ObjectId::uuid) {
        if known.objects.contains_key(&id.uuid()) {
            errors.push(metadata(format!("{id} is registered already")));
        }
    }
}

/// V3, V4, V11 to V13, V16, V17: ends that are not in the request must be in the registry, of the
/// right kind, of the same patient, and in force.
fn check_ends(
    s: &Submission,
    index: &SubmissionIndex<'_>,
    a: &Association,
    known: &Known,
    errors: &mut RegistryErrors,
) -> Result<(), SubmitError> {
    for (end, is_source) in [(&a.source, true), (&a.target, false)] {
        if index.object(end).is_some() {
            let in_registry = a.association_type.replaces()
                || a.association_type == AssociationType::IsSnapshotOf;
            if !is_source && in_registry {
                errors.push(unresolved(end));
            }
            continue;
        }
        let Some(id) = end.uuid() else { continue };
        let Some(object) = known.objects.get(&id.uuid()) else {
            errors.push(unresolved(end));
            continue;
        };
        let member = a.association_type == AssociationType::HasMember;
        let expected = if member && is_source { Kind::Folder } else { Kind::Entry };
        if object.kind != expected {
            errors.push(metadata(format!("{end} is not of the kind that the association needs")));
            continue;
        }
        // V5: a SubmissionSet may refer to any document.
        if member && a.source == s.submission_set.entry_uuid {
            continue;
        }
        if object.state.status == AvailabilityStatus::Deprecated || !object.state.latest {
            errors.push(deprecated(end));
        }
        let ours = known.patient.as_ref().is_some_and(|p| p.numbers.contains(&object.patient_no));
        if !ours {
            let theirs = object.patient_id()?.map(|id| id.to_cx()).unwrap_or_default();
            let own = s.submission_set.patient_id.to_cx();
            let what = format!("{end} is of {theirs}, not of {own}");
            errors.push(RegistryError::error(ErrorCode::XDSPatientIdDoesNotMatch, what));
        }
        if expected == Kind::Entry {
            check_types(index, a, &object.entry()?, errors);
        }
    }
    Ok(())
}

/// V16, V17: which types of entry may stand in a relationship to a registered one.
fn check_types(
    index: &SubmissionIndex<'_>,
    a: &Association,
    target: &DocumentEntry,
    errors: &mut RegistryErrors,
) {
    let Some(SubmissionObjects::DocumentEntry(source)) = index.object(&a.source) else { return };
    let id = &a.entry_uuid;
    let on_demand = target.entry_type == DocumentEntryType::OnDemand;
    if a.association_type == AssociationType::IsSnapshotOf && !on_demand {
        errors.push(metadata(format!("{id}: a snapshot must be of an on-demand entry")));
    }
    let stable = source.entry_type == DocumentEntryType::Stable;
    if a.association_type.replaces() && on_demand && stable {
        errors.push(metadata(format!("{id}: a stable entry cannot replace an on-demand one")));
    }
}

fn add_objects(write: &mut Write<'_>, patient_no: i64, s: &Submission) -> Result<(), StoreError> {
    let approved = ObjectState::APPROVED;
    s.document_entries.iter().try_for_each(|e| write.entry(patient_no, e, approved))?;
    write.submission_set(patient_no, &s.submission_set)?;
    s.folders.iter().try_for_each(|f| write.folder(patient_no, f, approved))?;
    s.associations.iter().try_for_each(|a| write.association(patient_no, a, approved))
}

/// What a submission does to objects that were registered before it.
struct Effects<'a, 'c> {
    write: &'a mut Write<'c>,
    ids: &'a dyn IdSource,
    patient_no: i64,
    submission: &'a Submission,
}

impl Effects<'_, '_> {
    async fn apply(mut self) -> Result<(), SubmitError> {
        let mut folders: HashMap<Uuid, StoredObject> = HashMap::new();
        let s = self.submission;
        let index = s.index();
        let members: Vec<Uuid> = s
            .associations
            .iter()
            .filter(|a| a.association_type == AssociationType::HasMember)
            .filter(|a| index.object(&a.source).is_none())
            .filter_map(|a| a.source.uuid().map(|u| u.uuid()))
            .collect();
        folders.extend(fetch(self.write.c, &members).await?);
        for a in s.associations.iter().filter(|a| a.association_type.replaces()) {
            self.replace(a, &mut folders).await?;
        }
        for folder in folders.values() {
            self.write.touch_folder(folder).await?;
        }
        Ok(())
    }

    /// Deprecates what is replaced, with the appendices and transforms that hang on it, and puts
    /// the new document into the folders of the old one.
    async fn replace(
        &mut self,
        a: &Association,
        folders: &mut HashMap<Uuid, StoredObject>,
    ) -> Result<(), SubmitError> {
        let Some(replaced) = a.target.uuid().map(|u| u.uuid()) else { return Ok(()) };
        let around = associations_of(self.write.c, &[replaced]).await?;
        self.join_folders(a, replaced, &around, folders).await?;
        let (mut waiting, mut seen) = (vec![replaced], HashSet::from([replaced]));
        while let Some(id) = waiting.pop() {
            let Some(object) = fetch(self.write.c, &[id]).await?.remove(&id) else { continue };
            if object.state.status == AvailabilityStatus::Approved {
                let state = ObjectState { status: AvailabilityStatus::Deprecated, ..object.state };
                self.write.set_state(&object, state).await?;
            }
            for dependent in associations_of(self.write.c, &[id]).await? {
                let d = dependent.association()?;
                let hangs = matches!(
                    d.association_type,
                    AssociationType::Transform | AssociationType::Append
                );
                let approved = d.availability_status == AvailabilityStatus::Approved;
                let on_this = d.target.uuid().is_some_and(|t| t.uuid() == id);
                if let (true, true, true, Some(source)) =
                    (hangs, approved, on_this, d.source.uuid())
                    && seen.insert(source.uuid())
                {
                    waiting.push(source.uuid());
                }
            }
        }
        Ok(())
    }

    async fn join_folders(
        &mut self,
        a: &Association,
        replaced: Uuid,
        around: &[StoredObject],
        folders: &mut HashMap<Uuid, StoredObject>,
    ) -> Result<(), SubmitError> {
        let mut sources = Vec::new();
        for object in around {
            let member = object.association()?;
            let into = member.association_type == AssociationType::HasMember
                && member.availability_status == AvailabilityStatus::Approved
                && member.target.uuid().is_some_and(|t| t.uuid() == replaced);
            if into {
                sources.extend(member.source.uuid().map(|u| u.uuid()));
            }
        }
        for (uuid, object) in fetch(self.write.c, &sources).await? {
            if object.kind != Kind::Folder || object.state != ObjectState::APPROVED {
                continue;
            }
            let id = ObjectId::Uuid(EntryUuid::new(uuid));
            let membership = self.member(&id, &a.source)?;
            let set = &self.submission.submission_set.entry_uuid;
            self.member(set, &membership)?;
            folders.insert(uuid, object);
        }
        Ok(())
    }

    /// Adds a HasMember of the registry's own making.
    fn member(&mut self, source: &ObjectId, target: &ObjectId) -> Result<ObjectId, StoreError> {
        let association = has_member(self.ids, source, target);
        self.write.association(self.patient_no, &association, ObjectState::APPROVED)?;
        Ok(association.entry_uuid)
    }
}

pub(super) fn has_member(ids: &dyn IdSource, source: &ObjectId, target: &ObjectId) -> Association {
    Association {
        entry_uuid: ObjectId::Uuid(EntryUuid::new(ids.ordered())),
        association_type: AssociationType::HasMember,
        source: source.clone(),
        target: target.clone(),
        availability_status: AvailabilityStatus::Approved,
        submission_set_status: None,
        documentation: None,
        extra: ExtraMetadata::default(),
    }
}
