//! The rules of submissions that need nothing but the submission. ITI TF-2: 3.42.4.1.3, 3.61.4.1.3.

use std::collections::{BTreeSet, HashMap, HashSet};

use uuid::Uuid;

use carerecord_storage::StoreError;

use crate::store::too_long;
use carerecord_model::{
    Association, AssociationType, DocumentEntry, DocumentEntryType, ErrorCode, LogicalId,
    NumberPolicy, ObjectId, RegistryError, RegistryErrors, Submission, SubmissionIndex,
    SubmissionObjects, SubmissionSetStatus,
};

/// Every problem of a registration; empty when there is none.
pub(crate) fn submission(
    s: &Submission,
    entry_type: DocumentEntryType,
    policy: NumberPolicy,
) -> RegistryErrors {
    let mut errors = RegistryErrors::new();
    if let Some(error) = too_many(s) {
        return vec![error];
    }
    if entry_type == DocumentEntryType::OnDemand && s.document_entries.is_empty() {
        errors.push(metadata("there is no on-demand entry".to_owned()));
    }
    for entry in &s.document_entries {
        check_kind(entry, entry_type, &mut errors);
        check_entry(entry, &mut errors);
        check_first_version(&entry.entry_uuid, entry.logical_id, &mut errors);
    }
    for folder in &s.folders {
        check_first_version(&folder.entry_uuid, folder.logical_id, &mut errors);
    }
    check_no_update(s, &mut errors);
    check_replaced_once(s, &mut errors);
    check_ids(s, &mut errors);
    check_patient(s, policy, &mut errors);
    check_unique_ids(s, &mut errors);
    check_membership(s, &mut errors);
    let index = s.index();
    for association in &s.associations {
        check_association(&index, association, &mut errors);
    }
    errors
}

/// Every problem of an update that shows without the registry; empty when there is none.
pub(crate) fn update(s: &Submission, policy: NumberPolicy) -> RegistryErrors {
    let mut errors = RegistryErrors::new();
    if let Some(error) = too_many(s) {
        return vec![error];
    }
    check_ids(s, &mut errors);
    check_patient(s, policy, &mut errors);
    check_unique_ids(s, &mut errors);
    errors
}

/// One submission is one transaction, which the others wait for.
fn too_many(s: &Submission) -> Option<RegistryError> {
    let n = s.document_entries.len() + s.folders.len() + s.associations.len();
    (n > MOST_OBJECTS).then(|| metadata(format!("{n} objects are more than {MOST_OBJECTS}")))
}

/// Every object of a submission that is too long; the submission is of `length` bytes.
pub(crate) fn lengths(s: &Submission, length: usize) -> Result<RegistryErrors, StoreError> {
    let long = too_long(s, length)?;
    Ok(long.iter().map(|id| metadata(format!("{id}: its metadata is too long"))).collect())
}

fn check_kind(e: &DocumentEntry, wanted: DocumentEntryType, errors: &mut RegistryErrors) {
    if e.entry_type != wanted {
        let what = match e.entry_type {
            DocumentEntryType::Stable => "stable",
            DocumentEntryType::OnDemand => "on-demand",
        };
        let id = e.entry_uuid.to_string();
        let what = format!("{id}: objectType is {what}, which this transaction does not register");
        errors.push(metadata(what).at(id));
    }
}

/// What every version of an entry must have.
pub(crate) fn check_entry(e: &DocumentEntry, errors: &mut RegistryErrors) {
    let id = e.entry_uuid.to_string();
    let mut bad = |attribute: &str, what: &str| {
        errors.push(metadata(format!("{id}: {attribute} {what}")).at(id.clone()));
    };
    let limited = e.extra.limited;
    let of_bytes = [
        ("creationTime", e.creation_time.is_some()),
        ("hash", e.hash.is_some()),
        ("size", e.size.is_some()),
    ];
    for (attribute, there) in of_bytes {
        match e.entry_type {
            DocumentEntryType::Stable if limited && attribute == "creationTime" => {}
            DocumentEntryType::Stable if !there => bad(attribute, "is missing"),
            DocumentEntryType::OnDemand if there => {
                bad(attribute, "is not for an on-demand entry, which has no bytes yet");
            }
            DocumentEntryType::Stable | DocumentEntryType::OnDemand => {}
        }
    }
    if e.repository_unique_id.is_none() {
        bad("repositoryUniqueId", "is missing");
    }
    match &e.source_patient_id {
        None if limited => {}
        None => bad("sourcePatientId", "is missing"),
        Some(id) if carerecord_model::Cx::parse(id).is_err() => {
            bad("sourcePatientId", "is not of the form ID^^^&OID&ISO");
        }
        Some(_) => {}
    }
    if let (Some(start), Some(stop)) = (&e.service_start_time, &e.service_stop_time) {
        let common = start.as_str().len().min(stop.as_str().len());
        if start.as_str()[..common] > stop.as_str()[..common] {
            bad("serviceStopTime", "is before serviceStartTime");
        }
    }
}

fn check_first_version(id: &ObjectId, lid: Option<LogicalId>, errors: &mut RegistryErrors) {
    if lid.is_some_and(|lid| id.uuid().is_none_or(|u| u.uuid() != lid.uuid())) {
        let what = format!("{id}: lid of a first version must be the object's own id");
        errors.push(metadata(what).at(id.to_string()));
    }
}

/// Instructions of the Metadata Update transactions have no meaning here.
fn check_no_update(s: &Submission, errors: &mut RegistryErrors) {
    for a in &s.associations {
        let id = &a.entry_uuid;
        if a.association_type.is_update() {
            errors.push(metadata(format!("{id}: associationType is for updates only")));
        }
        if a.extra.slots.iter().any(|slot| slot.name == PREVIOUS_VERSION) {
            errors.push(metadata(format!("{id}: {PREVIOUS_VERSION} is for updates only")));
        }
    }
}

fn check_replaced_once(s: &Submission, errors: &mut RegistryErrors) {
    let mut replaced = HashSet::new();
    for a in s.associations.iter().filter(|a| a.association_type.replaces()) {
        if !replaced.insert(&a.target) {
            errors.push(deprecated(&a.target));
        }
    }
}

fn check_ids(s: &Submission, errors: &mut RegistryErrors) {
    let mut seen = HashSet::new();
    for id in ids(s) {
        if !seen.insert(id) {
            errors.push(metadata(format!("{id}: id is there twice")));
        }
    }
}

fn check_patient(s: &Submission, policy: NumberPolicy, errors: &mut RegistryErrors) {
    let set = &s.submission_set.patient_id;
    let others = s
        .document_entries
        .iter()
        .map(|e| (&e.entry_uuid, &e.patient_id))
        .chain(s.folders.iter().map(|f| (&f.entry_uuid, &f.patient_id)));
    for (id, patient) in others.filter(|(_, p)| *p != set) {
        errors.push(RegistryError::error(
            ErrorCode::XDSPatientIdDoesNotMatch,
            format!("{id}: {} is not the SubmissionSet's {}", patient.to_cx(), set.to_cx()),
        ));
    }
    let valid = set.nhs_number().is_some_and(|n| n.permitted(policy).is_ok());
    if !valid {
        errors.push(RegistryError::error(
            ErrorCode::XDSUnknownPatientId,
            format!("{} is not an NHS Number that this registry takes", set.to_cx()),
        ));
    }
}

fn check_unique_ids(s: &Submission, errors: &mut RegistryErrors) {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let all = s
        .document_entries
        .iter()
        .map(|e| e.unique_id.as_str())
        .chain(s.folders.iter().map(|f| f.unique_id.as_str()))
        .chain([s.submission_set.unique_id.as_str()]);
    for id in all {
        *seen.entry(id).or_default() += 1;
    }
    for (id, _) in seen.into_iter().filter(|(_, n)| *n > 1) {
        errors.push(RegistryError::error(
            ErrorCode::XDSRegistryDuplicateUniqueIdInMessage,
            format!("the uniqueId {id} is on more than one object"),
        ));
    }
}

/// Every new object belongs to the set by exactly one HasMember.
fn check_membership(s: &Submission, errors: &mut RegistryErrors) {
    let set = &s.submission_set.entry_uuid;
    let mut members: HashMap<&ObjectId, usize> = HashMap::new();
    for a in s.associations.iter().filter(|a| is_member(a) && a.source == *set) {
        *members.entry(&a.target).or_default() += 1;
    }
    let from_set = |target: &ObjectId| members.get(target).copied().unwrap_or_default();
    if members.is_empty() {
        errors.push(metadata(format!("{set}: the SubmissionSet has no member")));
    }
    let objects = s
        .document_entries
        .iter()
        .map(|e| &e.entry_uuid)
        .chain(s.folders.iter().map(|f| &f.entry_uuid));
    for id in objects {
        let n = from_set(id);
        if n != 1 {
            errors.push(
                metadata(format!("{id}: has {n} HasMember from the SubmissionSet, not one"))
                    .at(id.to_string()),
            );
        }
    }
    for a in s.associations.iter().filter(|a| is_member(a) && a.source != *set) {
        if from_set(&a.entry_uuid) != 1 {
            let id = &a.entry_uuid;
            errors.push(metadata(format!(
                "{id}: a document's membership in a folder needs one HasMember from the set"
            )));
        }
    }
}

fn check_association(index: &SubmissionIndex<'_>, a: &Association, errors: &mut RegistryErrors) {
    let id = &a.entry_uuid;
    for end in [&a.source, &a.target] {
        if index.object(end).is_none() && end.uuid().is_none() {
            errors.push(unresolved(end));
        }
    }
    if a.source == a.target && a.association_type != AssociationType::HasMember {
        errors.push(metadata(format!("{id}: relates an object to itself")));
    }
    if a.association_type != AssociationType::HasMember
        && index.object(&a.target).is_some_and(|t| !is_document(t))
    {
        errors.push(metadata(format!("{id}: a relationship must lead to a document")));
    }
    let source = index.object(&a.source);
    match (a.association_type, source) {
        (AssociationType::HasMember, Some(SubmissionObjects::SubmissionSet(_))) => {
            check_set_member(index, a, errors);
        }
        (AssociationType::HasMember, Some(SubmissionObjects::Folder(_)) | None) => {
            if index.object(&a.target).is_some_and(|t| !is_document(t)) {
                errors.push(metadata(format!("{id}: a folder holds documents only")));
            }
        }
        (AssociationType::HasMember, Some(_)) => {
            errors.push(metadata(format!("{id}: HasMember from a document or association")));
        }
        // Refused above.
        (AssociationType::UpdateAvailabilityStatus | AssociationType::SubmitAssociation, _) => {}
        (AssociationType::IsSnapshotOf, Some(SubmissionObjects::DocumentEntry(e)))
            if e.entry_type == DocumentEntryType::OnDemand =>
        {
            errors.push(metadata(format!("{id}: a snapshot must be a stable entry")));
        }
        (_, Some(SubmissionObjects::DocumentEntry(_))) => {}
        (_, None) => errors.push(unresolved(&a.source)),
        (_, Some(_)) => {
            errors.push(metadata(format!("{id}: a relationship must come from a document")));
        }
    }
}

fn check_set_member(index: &SubmissionIndex<'_>, a: &Association, errors: &mut RegistryErrors) {
    let id = &a.entry_uuid;
    let expected = match index.object(&a.target) {
        Some(SubmissionObjects::DocumentEntry(_)) => SubmissionSetStatus::Original,
        // A document registered before, by reference; the store looks whether it is one.
        None if a.target.uuid().is_some() => SubmissionSetStatus::Reference,
        Some(SubmissionObjects::SubmissionSet(_)) => {
            errors.push(metadata(format!("{id}: a SubmissionSet cannot contain itself")));
            return;
        }
        Some(SubmissionObjects::Association(member)) => {
            if !is_member(member) || member.source == a.source {
                errors.push(metadata(format!("{id}: must lead to a membership in a folder")));
            }
            return;
        }
        Some(SubmissionObjects::Folder(_)) | None => return,
    };
    if a.submission_set_status != Some(expected) {
        errors.push(metadata(format!("{id}: SubmissionSetStatus must be {}", expected.as_str())));
    }
}

fn is_document(o: SubmissionObjects<'_>) -> bool {
    matches!(o, SubmissionObjects::DocumentEntry(_))
}

fn is_member(a: &Association) -> bool {
    a.association_type == AssociationType::HasMember
}

pub(crate) fn ids(s: &Submission) -> impl Iterator<Item = &ObjectId> {
    std::iter::once(&s.submission_set.entry_uuid)
        .chain(s.document_entries.iter().map(|e| &e.entry_uuid))
        .chain(s.folders.iter().map(|f| &f.entry_uuid))
        .chain(s.associations.iter().map(|a| &a.entry_uuid))
}

/// Every UUID that the submission names, its own and those it refers to.
pub(crate) fn named(s: &Submission) -> Vec<Uuid> {
    let ends = s.associations.iter().flat_map(|a| [&a.source, &a.target]);
    let all: HashSet<Uuid> =
        ids(s).chain(ends).filter_map(ObjectId::uuid).map(|u| u.uuid()).collect();
    all.into_iter().collect()
}

/// Objects of limited metadata, where they are not taken.
pub(crate) fn limited(s: &Submission) -> RegistryErrors {
    let set = (&s.submission_set.entry_uuid, &s.submission_set.extra);
    let entries = s.document_entries.iter().map(|e| (&e.entry_uuid, &e.extra));
    let folders = s.folders.iter().map(|f| (&f.entry_uuid, &f.extra));
    let all = std::iter::once(set).chain(entries).chain(folders).filter(|(_, e)| e.limited);
    let refuse = |id: &ObjectId| {
        metadata(format!("{id}: limitedMetadata is not taken here")).at(id.to_string())
    };
    all.map(|(id, _)| refuse(id)).collect()
}

/// The registered objects that an update is about, for the audit: it keeps what was asked of them.
pub(crate) fn registered(s: &Submission) -> Vec<String> {
    let ends = s.associations.iter().flat_map(|a| [&a.source, &a.target]);
    let ends = ends.filter_map(ObjectId::uuid).map(|u| u.to_string());
    let entries = s.document_entries.iter().filter_map(|e| e.logical_id);
    let folders = s.folders.iter().filter_map(|f| f.logical_id);
    let all: BTreeSet<String> =
        ends.chain(entries.chain(folders).map(|lid| lid.to_string())).collect();
    all.into_iter().collect()
}

pub(crate) fn metadata(context: String) -> RegistryError {
    RegistryError::error(ErrorCode::XDSRegistryMetadataError, context)
}

pub(crate) fn deprecated(id: &ObjectId) -> RegistryError {
    let what = format!("{id} is deprecated");
    RegistryError::error(ErrorCode::XDSRegistryDeprecatedDocumentError, what)
}

/// The most objects that one submission may hold: about what fits into the longest message when
/// each is an entry with its associations.
pub(crate) const MOST_OBJECTS: usize = 20_000;

/// The slot by which an update says which version it follows.
pub(crate) const PREVIOUS_VERSION: &str = "PreviousVersion";

pub(crate) fn unresolved(id: &ObjectId) -> RegistryError {
    let what = format!("{id} is neither in the request nor in the registry");
    RegistryError::error(ErrorCode::UnresolvedReferenceException, what)
}
