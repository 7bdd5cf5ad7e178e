//! Whether an update can be done, all problems together.

use std::collections::HashSet;

use carerecord_model::{
    Association, AssociationType, AvailabilityStatus, DocumentEntry, ErrorCode, Folder, ObjectId,
    RegistryErrors, Submission, SubmissionIndex, SubmissionObjects,
};
use carerecord_storage::Connection;
use uuid::Uuid;

use super::operation::{NewStatus, NewVersion, Operations};
use super::{Known, Seen, UpdateKind, error};
use crate::store::{Kind, associations_of, fetch, used_unique_ids};
use crate::submit::validate::{check_entry, deprecated, unresolved};
use crate::submit::{Request, SubmitError};

pub(super) async fn update(
    c: &mut Connection,
    r: &Request,
    kind: UpdateKind,
    operations: &Operations,
    known: &Known,
    errors: &mut RegistryErrors,
) -> Result<(), SubmitError> {
    let s = &r.submission;
    let lookup = Lookup::new(s, operations, known);
    check_patient(r, known, errors);
    check_set_id(c, s, errors).await?;
    for version in &operations.versions {
        check_version(&lookup, version, kind, known, errors)?;
        if version.propagate {
            check_propagation(c, &lookup, version, known, errors).await?;
        }
    }
    for index in &operations.associations {
        let a = &s.associations[*index];
        check_association(c, &lookup, a, known, errors).await?;
    }
    for status in &operations.statuses {
        check_status(&lookup, status, known, errors)?;
    }
    Ok(())
}

/// What is looked up for each part of a request, built once.
struct Lookup<'a> {
    index: SubmissionIndex<'a>,
    /// Associations that are submitted.
    submitted: HashSet<&'a ObjectId>,
    /// New versions that associations are carried over to.
    propagated: HashSet<&'a ObjectId>,
    /// Registered objects that get a new version.
    superseded: HashSet<Uuid>,
}

impl<'a> Lookup<'a> {
    fn new(s: &'a Submission, operations: &'a Operations, known: &Known) -> Self {
        let submitted = operations.associations.iter().map(|i| &s.associations[*i].entry_uuid);
        let propagated = operations.versions.iter().filter(|v| v.propagate).map(|v| &v.target);
        let latest = |v: &NewVersion| known.latest.get(&v.logical_id.uuid()).map(|o| o.uuid);
        Self {
            index: s.index(),
            submitted: submitted.collect(),
            propagated: propagated.collect(),
            superseded: operations.versions.iter().filter_map(latest).collect(),
        }
    }
}

fn check_patient(r: &Request, known: &Known, errors: &mut RegistryErrors) {
    let id = r.submission.submission_set.patient_id.to_cx();
    match &known.patient {
        Some(person) if !person.is_subsumed() => {}
        Some(_) | None => {
            let what = format!("{id} is not known to this registry");
            errors.push(error(ErrorCode::XDSUnknownPatientId, what));
        }
    }
}

async fn check_set_id(
    c: &mut Connection,
    s: &Submission,
    errors: &mut RegistryErrors,
) -> Result<(), SubmitError> {
    let id = s.submission_set.unique_id.as_str();
    if !used_unique_ids(c, &[id]).await?.is_empty() {
        let what = format!("SubmissionSet uniqueId {id} is in use");
        errors.push(error(ErrorCode::XDSDuplicateUniqueIdInRegistry, what));
    }
    Ok(())
}

/// U1, U3.
fn check_version(
    lookup: &Lookup<'_>,
    version: &NewVersion,
    kind: UpdateKind,
    known: &Known,
    errors: &mut RegistryErrors,
) -> Result<(), SubmitError> {
    let lid = version.logical_id;
    let Some(latest) = known.latest.get(&lid.uuid()) else {
        errors.push(error(ErrorCode::XDSMetadataVersionError, format!("{lid} is not registered")));
        return Ok(());
    };
    let wanted = if version.is_entry { Kind::Entry } else { Kind::Folder };
    if latest.kind != wanted {
        let what = format!("{lid} is an object of another kind");
        errors.push(error(ErrorCode::XDSMetadataUpdateError, what));
        return Ok(());
    }
    if latest.version != version.previous {
        let what = format!("{lid}: the newest version is {}", latest.version);
        errors.push(error(ErrorCode::XDSMetadataVersionError, what));
    }
    let current = latest.state.status == AvailabilityStatus::Approved;
    if !current && kind == UpdateKind::Metadata {
        let what = format!("{lid}: the newest version is deprecated");
        errors.push(error(ErrorCode::XDSMetadataUpdateError, what));
    }
    match lookup.index.object(&version.target) {
        Some(SubmissionObjects::DocumentEntry(new)) => {
            check_entry(new, errors);
            check_new_entry(new, &latest.entry()?, kind, errors);
        }
        Some(SubmissionObjects::Folder(new)) => check_new_folder(new, &latest.folder()?, errors),
        Some(SubmissionObjects::SubmissionSet(_) | SubmissionObjects::Association(_)) | None => {}
    }
    Ok(())
}

fn check_new_entry(
    new: &DocumentEntry,
    old: &DocumentEntry,
    kind: UpdateKind,
    errors: &mut RegistryErrors,
) {
    let id = &new.entry_uuid;
    let (identifier, fixed) = match kind {
        UpdateKind::Metadata => {
            (ErrorCode::XDSMetadataUpdateError, ErrorCode::XDSMetadataUpdateError)
        }
        UpdateKind::Restricted => {
            (ErrorCode::XDSMetadataIdentifierError, ErrorCode::UnmodifiableMetadataError)
        }
    };
    if new.unique_id != old.unique_id {
        errors.push(error(identifier, format!("{id}: uniqueId may not change")));
    }
    let mut same = |attribute: &str, is_same: bool| {
        if !is_same {
            errors.push(error(fixed.clone(), format!("{id}: {attribute} may not change")));
        }
    };
    same("objectType", new.entry_type == old.entry_type);
    if kind == UpdateKind::Restricted {
        same("repositoryUniqueId", new.repository_unique_id == old.repository_unique_id);
        same("sourcePatientId", new.source_patient_id == old.source_patient_id);
        same("documentAvailability", new.online == old.online);
        if new.patient_id != old.patient_id {
            let what = format!("{id}: patientId may not change");
            errors.push(error(ErrorCode::XDSPatientIDReconciliationError, what));
        }
    }
}

fn check_new_folder(new: &Folder, old: &Folder, errors: &mut RegistryErrors) {
    if new.unique_id != old.unique_id {
        let what = format!("{}: uniqueId may not change", new.entry_uuid);
        errors.push(error(ErrorCode::XDSMetadataUpdateError, what));
    }
}

/// What is carried over may not tie objects of different patients.
async fn check_propagation(
    c: &mut Connection,
    lookup: &Lookup<'_>,
    version: &NewVersion,
    known: &Known,
    errors: &mut RegistryErrors,
) -> Result<(), SubmitError> {
    let Some(old) = known.latest.get(&version.logical_id.uuid()) else { return Ok(()) };
    let own = known.patient.as_ref().map(|p| p.numbers.clone()).unwrap_or_default();
    if own.contains(&old.patient_no) {
        return Ok(());
    }
    for object in associations_of(c, &[old.uuid]).await? {
        let a = object.association()?;
        if !is_carried_over(&a) {
            continue;
        }
        let (source, target) = (end(&a.source), end(&a.target));
        let other = if source == Some(old.uuid) { target } else { source };
        let Some(other) = other else { continue };
        let Some(found) = fetch(c, &[other]).await?.remove(&other) else { continue };
        let moves_too = lookup.superseded.contains(&other);
        if found.kind != Kind::SubmissionSet && !moves_too && !own.contains(&found.patient_no) {
            let id = lookup.index.object(&version.target).map(|_| version.target.to_string());
            let id = id.unwrap_or_default();
            let what = format!("{id}: would be tied to an object of another patient");
            errors.push(error(ErrorCode::XDSPatientIDReconciliationError, what));
        }
    }
    Ok(())
}

/// Memberships in folders and relationships in force follow a new version; what belongs to
/// SubmissionSets does not.
pub(super) fn is_carried_over(a: &Association) -> bool {
    a.availability_status == AvailabilityStatus::Approved
        && (a.association_type.is_relationship()
            || (a.association_type == AssociationType::HasMember
                && a.submission_set_status.is_none()))
}

pub(super) fn end(id: &ObjectId) -> Option<Uuid> {
    id.uuid().map(|u| u.uuid())
}

/// U6.
async fn check_association(
    c: &mut Connection,
    lookup: &Lookup<'_>,
    a: &Association,
    known: &Known,
    errors: &mut RegistryErrors,
) -> Result<(), SubmitError> {
    let id = &a.entry_uuid;
    let mut ends = Vec::new();
    for end in [&a.source, &a.target] {
        match seen(lookup, end, known)? {
            None => errors.push(unresolved(end)),
            Some(object) => {
                if object.status == AvailabilityStatus::Deprecated || !object.latest {
                    errors.push(deprecated(end));
                }
                ends.push(object);
            }
        }
    }
    let [source, target] = ends.as_slice() else { return Ok(()) };
    let fits = match a.association_type {
        AssociationType::HasMember => (source.kind, target.kind) == (Kind::Folder, Kind::Entry),
        AssociationType::UpdateAvailabilityStatus | AssociationType::SubmitAssociation => false,
        AssociationType::Replace
        | AssociationType::Append
        | AssociationType::Transform
        | AssociationType::TransformAndReplace
        | AssociationType::Signs
        | AssociationType::IsSnapshotOf => (source.kind, target.kind) == (Kind::Entry, Kind::Entry),
    };
    if !fits {
        let what = format!("{id}: its ends are not of the kinds that the type needs");
        errors.push(error(ErrorCode::XDSMetadataUpdateError, what));
    }
    if a.source == a.target {
        let what = format!("{id}: relates an object to itself");
        errors.push(error(ErrorCode::XDSMetadataUpdateError, what));
    }
    if source.patient != target.patient {
        let what = format!("{id}: its ends are of different patients");
        errors.push(error(ErrorCode::XDSPatientIDReconciliationError, what));
    }
    if [&a.source, &a.target].into_iter().any(|end| lookup.propagated.contains(end)) {
        let what = format!("{id}: AssociationPropagation must be no when associations are given");
        errors.push(error(ErrorCode::XDSMetadataUpdateOperationError, what));
    }
    if already(c, a).await? {
        let what = format!("{id}: there is such an association already");
        errors.push(error(ErrorCode::XDSMetadataUpdateError, what));
    }
    Ok(())
}

async fn already(c: &mut Connection, a: &Association) -> Result<bool, SubmitError> {
    let Some(source) = end(&a.source) else { return Ok(false) };
    for object in associations_of(c, &[source]).await? {
        let b = object.association()?;
        let same = b.source == a.source
            && b.target == a.target
            && b.association_type == a.association_type;
        if same && b.availability_status == AvailabilityStatus::Approved {
            return Ok(true);
        }
    }
    Ok(false)
}

/// U2, U4, U5.
fn check_status(
    lookup: &Lookup<'_>,
    status: &NewStatus,
    known: &Known,
    errors: &mut RegistryErrors,
) -> Result<(), SubmitError> {
    let id = &status.target;
    let Some(object) = seen(lookup, id, known)? else {
        errors.push(unresolved(id));
        return Ok(());
    };
    let update = |what: &str| error(ErrorCode::XDSMetadataUpdateError, format!("{id}: {what}"));
    if object.kind == Kind::SubmissionSet {
        errors.push(update("the status of a SubmissionSet does not change"));
    }
    if let Some(stored) = id.uuid().and_then(|u| known.objects.get(&u.uuid()))
        && stored.kind == Kind::Association
        && stored.association()?.submission_set_status.is_some()
    {
        errors.push(update("the status of what a SubmissionSet brought does not change"));
    }
    if !object.latest {
        errors.push(update("is not the newest version"));
    }
    if end(id).is_some_and(|uuid| lookup.superseded.contains(&uuid)) {
        errors.push(update("gets a new version in the same request; name that one"));
    }
    if object.status != status.from {
        errors.push(update("does not have the OriginalStatus"));
    }
    Ok(())
}

/// What an id of the request names. What is new is approved when the changes of status come.
fn seen(lookup: &Lookup<'_>, id: &ObjectId, known: &Known) -> Result<Option<Seen>, SubmitError> {
    let survivor = known.patient.as_ref().and_then(|p| p.numbers.first().copied());
    let new =
        |kind| Seen { kind, status: AvailabilityStatus::Approved, latest: true, patient: survivor };
    Ok(match lookup.index.object(id) {
        Some(SubmissionObjects::DocumentEntry(_)) => Some(new(Kind::Entry)),
        Some(SubmissionObjects::Folder(_)) => Some(new(Kind::Folder)),
        Some(SubmissionObjects::SubmissionSet(_)) => Some(new(Kind::SubmissionSet)),
        Some(SubmissionObjects::Association(_)) => {
            lookup.submitted.contains(id).then(|| new(Kind::Association))
        }
        None => id.uuid().and_then(|u| known.objects.get(&u.uuid())).map(|o| Seen {
            kind: o.kind,
            status: o.state.status,
            latest: o.state.latest,
            patient: Some(known.survivor(o.patient_no)),
        }),
    })
}
