//! What needs the registry's content to be checked. ITI TF-2: 3.42.4.1.3.

use std::collections::{HashMap, HashSet};

use carerecord_model::{
    Association, AssociationType, AvailabilityStatus, DocumentEntry, DocumentEntryType, ErrorCode,
    ObjectId, RegistryError, RegistryErrors, Submission, SubmissionIndex, SubmissionObjects,
};
use carerecord_storage::StoreError;

use super::{Known, Prepared};
use crate::store::{Kind, Person};
use crate::submit::validate::{self, deprecated, metadata, unresolved};

/// Everything that is wrong with a submission that is no repeat.
pub(super) fn with_registry(p: &Prepared, known: &Known) -> Result<RegistryErrors, StoreError> {
    let s = &p.request.submission;
    let person = known.person(p);
    let mut errors = p.errors.clone();
    check_patient(p, person, &mut errors);
    check_unique_ids(s, known, &mut errors);
    check_own_ids(s, known, &mut errors);
    let index = s.index();
    for association in &s.associations {
        Ends { s, index: &index, known, person }.check(association, &mut errors)?;
    }
    Ok(errors)
}

/// V1: the patient is known, and has not been merged into another one.
fn check_patient(p: &Prepared, person: Option<&Person>, errors: &mut RegistryErrors) {
    let id = p.patient_id();
    let what = match person {
        Some(person) if person.is_subsumed() => "has been merged into another patient",
        None if !p.request.accept_unknown => "is not known to this registry",
        Some(_) | None => return,
    };
    let what = format!("{} {what}", id.to_cx());
    errors.push(RegistryError::error(ErrorCode::XDSUnknownPatientId, what));
}

/// V6, V8, V9: ids of packages are used once; the same document may be registered again, other
/// bytes under its id may not.
fn check_unique_ids(s: &Submission, known: &Known, errors: &mut RegistryErrors) {
    let entries: HashMap<&str, &DocumentEntry> =
        s.document_entries.iter().map(|e| (e.unique_id.as_str(), e)).collect();
    let mut ids: Vec<&str> = entries.keys().copied().collect();
    ids.push(s.submission_set.unique_id.as_str());
    ids.extend(s.folders.iter().map(|f| f.unique_id.as_str()));
    let mut told = HashSet::new();
    for used in ids.into_iter().flat_map(|id| known.used(id)) {
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

/// What the ends of a submission's associations are looked for in.
struct Ends<'a> {
    s: &'a Submission,
    index: &'a SubmissionIndex<'a>,
    known: &'a Known,
    person: Option<&'a Person>,
}

impl Ends<'_> {
    /// V3, V4, V11 to V13, V16, V17: ends that are not in the request must be in the registry, of the
    /// right kind, of the same patient, and in force.
    fn check(&self, a: &Association, errors: &mut RegistryErrors) -> Result<(), StoreError> {
        for (end, is_source) in [(&a.source, true), (&a.target, false)] {
            if self.index.object(end).is_some() {
                let in_registry = a.association_type.replaces()
                    || a.association_type == AssociationType::IsSnapshotOf;
                if !is_source && in_registry {
                    errors.push(unresolved(end));
                }
                continue;
            }
            let Some(id) = end.uuid() else { continue };
            let Some(object) = self.known.objects.get(&id.uuid()) else {
                errors.push(unresolved(end));
                continue;
            };
            let member = a.association_type == AssociationType::HasMember;
            let expected = if member && is_source { Kind::Folder } else { Kind::Entry };
            if object.kind != expected {
                errors
                    .push(metadata(format!("{end} is not of the kind that the association needs")));
                continue;
            }
            if object.state.status == AvailabilityStatus::Deprecated || !object.state.latest {
                errors.push(deprecated(end));
            }
            // V5: a SubmissionSet may refer to any patient's document.
            if member && a.source == self.s.submission_set.entry_uuid {
                continue;
            }
            let ours = self.person.is_some_and(|p| p.numbers.contains(&object.patient_no));
            if !ours {
                // Whose it is stays here: the sender may be told of their own patient only.
                let what = format!("{end} is of another patient");
                errors.push(RegistryError::error(ErrorCode::XDSPatientIdDoesNotMatch, what));
            }
            if expected == Kind::Entry {
                check_types(self.index, a, &object.entry()?, errors);
            }
        }
        Ok(())
    }
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
