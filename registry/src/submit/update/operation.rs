use std::collections::{HashMap, HashSet};

use carerecord_model::{
    Association, AssociationType, AvailabilityStatus, ErrorCode, LogicalId, ObjectId,
    RegistryErrors, Submission, SubmissionIndex, SubmissionObjects, SubmissionSetStatus,
};

use super::{UpdateKind, error};
use crate::submit::validate::{PREVIOUS_VERSION, metadata};

/// What an update asks for, by index into the submission's lists.
#[derive(Debug, Default)]
pub(super) struct Operations {
    pub versions: Vec<NewVersion>,
    pub statuses: Vec<NewStatus>,
    /// Associations that are submitted.
    pub associations: Vec<usize>,
    /// HasMember from the set: they are kept.
    pub members: Vec<usize>,
}

/// U1, U3: a new version of an entry or folder.
#[derive(Debug)]
pub(super) struct NewVersion {
    pub target: ObjectId,
    pub logical_id: LogicalId,
    pub previous: u32,
    pub propagate: bool,
    pub is_entry: bool,
}

/// U2, U4, U5: a change of status.
#[derive(Debug)]
pub(super) struct NewStatus {
    pub target: ObjectId,
    pub from: AvailabilityStatus,
    pub to: AvailabilityStatus,
}

impl Operations {
    pub(super) fn read(s: &Submission, kind: UpdateKind, errors: &mut RegistryErrors) -> Self {
        let mut operations = Self::default();
        let set = &s.submission_set.entry_uuid;
        let objects = s.index();
        let by_id = places(s);
        for (index, a) in s.associations.iter().enumerate().filter(|(_, a)| a.source == *set) {
            if kind == UpdateKind::Restricted && a.association_type != AssociationType::HasMember {
                let what = format!("{}: a restricted update takes new versions only", a.entry_uuid);
                errors.push(error(ErrorCode::XDSInvalidRequestException, what));
                continue;
            }
            match a.association_type {
                AssociationType::HasMember => operations.member(&objects, index, a, kind, errors),
                AssociationType::UpdateAvailabilityStatus => {
                    operations.statuses.extend(new_status(a, errors));
                }
                AssociationType::SubmitAssociation => operations.submitted(s, &by_id, a, errors),
                AssociationType::Replace
                | AssociationType::Append
                | AssociationType::Transform
                | AssociationType::TransformAndReplace
                | AssociationType::Signs
                | AssociationType::IsSnapshotOf => {
                    let what = "a relationship cannot come from a SubmissionSet";
                    errors.push(metadata(format!("{}: {what}", a.entry_uuid)));
                }
            }
        }
        operations.check_complete(s, kind, errors);
        operations
    }

    fn member(
        &mut self,
        objects: &SubmissionIndex<'_>,
        index: usize,
        a: &Association,
        kind: UpdateKind,
        errors: &mut RegistryErrors,
    ) {
        let (lid, own, is_entry) = match objects.object(&a.target) {
            Some(SubmissionObjects::DocumentEntry(e)) => (e.logical_id, &e.entry_uuid, true),
            Some(SubmissionObjects::Folder(f)) if kind == UpdateKind::Metadata => {
                (f.logical_id, &f.entry_uuid, false)
            }
            Some(SubmissionObjects::Folder(_)) => {
                let what = format!("{}: only entries are updated here", a.target);
                errors.push(error(ErrorCode::XDSObjectTypeError, what));
                return;
            }
            Some(SubmissionObjects::Association(_)) => {
                self.members.push(index);
                return;
            }
            Some(SubmissionObjects::SubmissionSet(_)) | None => {
                errors.push(operation(a, "HasMember must lead to an object of the request"));
                return;
            }
        };
        let Some(logical_id) = lid.filter(|l| own.uuid().is_none_or(|o| o.uuid() != l.uuid()))
        else {
            // Deployed checkers name either code, so both are given.
            let what = format!("{own}: a first version is registered, not updated");
            errors.push(error(ErrorCode::XDSMetadataUpdateError, what.clone()));
            errors.push(error(ErrorCode::XDSMetadataUpdateOperationError, what.clone()));
            if kind == UpdateKind::Restricted {
                errors.push(error(ErrorCode::XDSInvalidRequestException, what));
            }
            return;
        };
        if let Some((previous, propagate)) = version_slots(a, is_entry, kind, errors) {
            let target = a.target.clone();
            self.members.push(index);
            self.versions.push(NewVersion { target, logical_id, previous, propagate, is_entry });
        }
    }

    fn submitted(
        &mut self,
        s: &Submission,
        by_id: &HashMap<&ObjectId, usize>,
        a: &Association,
        errors: &mut RegistryErrors,
    ) {
        match by_id.get(&a.target).copied() {
            Some(index) if s.associations[index].source != s.submission_set.entry_uuid => {
                self.associations.push(index);
            }
            Some(_) | None => {
                errors.push(operation(a, "must lead to an association of the request"));
            }
        }
    }

    /// Something is asked for, no object twice, and nothing of the request is left over.
    fn check_complete(&self, s: &Submission, kind: UpdateKind, errors: &mut RegistryErrors) {
        let general = match kind {
            UpdateKind::Metadata => ErrorCode::XDSMetadataUpdateOperationError,
            UpdateKind::Restricted => ErrorCode::XDSInvalidRequestException,
        };
        if !errors.is_empty() {
            return;
        }
        if self.versions.is_empty() && self.statuses.is_empty() && self.associations.is_empty() {
            errors.push(error(general.clone(), "the request asks for no update"));
        }
        let mut seen = HashSet::new();
        for version in &self.versions {
            if !seen.insert(version.logical_id) {
                let what = format!("{} is updated twice", version.logical_id);
                errors.push(error(general.clone(), what));
            }
        }
        let used: HashSet<&ObjectId> = self.versions.iter().map(|v| &v.target).collect();
        let objects = s.document_entries.iter().map(|e| &e.entry_uuid);
        for id in
            objects.chain(s.folders.iter().map(|f| &f.entry_uuid)).filter(|id| !used.contains(id))
        {
            errors.push(error(general.clone(), format!("{id} has no HasMember from the set")));
        }
        let set = &s.submission_set.entry_uuid;
        let submitted: HashSet<usize> = self.associations.iter().copied().collect();
        let has_member = AssociationType::HasMember;
        let of_set = s.associations.iter().filter(|m| m.source == *set);
        let members: HashSet<&ObjectId> =
            of_set.filter(|m| m.association_type == has_member).map(|m| &m.target).collect();
        for (index, a) in s.associations.iter().enumerate().filter(|(_, a)| a.source != *set) {
            if !submitted.contains(&index) && !members.contains(&a.entry_uuid) {
                errors.push(operation(a, "is not submitted by a SubmitAssociation"));
            }
        }
    }
}

/// Where each association stands in the submission's list.
fn places(s: &Submission) -> HashMap<&ObjectId, usize> {
    s.associations.iter().enumerate().map(|(index, a)| (&a.entry_uuid, index)).collect()
}

/// The slots of a HasMember that brings a new version: the version it follows, and whether
/// associations are carried over.
fn version_slots(
    a: &Association,
    is_entry: bool,
    kind: UpdateKind,
    errors: &mut RegistryErrors,
) -> Option<(u32, bool)> {
    let mut fine = true;
    let mut wrong = |what: &str| {
        errors.push(operation(a, what));
        fine = false;
    };
    if is_entry && a.submission_set_status != Some(SubmissionSetStatus::Original) {
        wrong("SubmissionSetStatus must be Original");
    }
    if values(a, ORIGINAL_STATUS).is_some() || values(a, NEW_STATUS).is_some() {
        wrong("the slots of a change of status are not for a new version");
    }
    let previous = match values(a, PREVIOUS_VERSION) {
        Some([one]) => one.trim().parse::<u32>().ok().filter(|n| *n > 0),
        Some(_) | None => None,
    };
    if previous.is_none() {
        wrong("PreviousVersion must be one positive whole number");
    }
    let propagate = match values(a, PROPAGATION) {
        None => Some(true),
        Some([one]) if one == "yes" => Some(true),
        Some([one]) if one == "no" => Some(false),
        Some(_) => None,
    };
    match propagate {
        None => wrong("AssociationPropagation must be yes or no"),
        Some(false) if kind == UpdateKind::Restricted => {
            let what = format!("{}: AssociationPropagation must be yes", a.entry_uuid);
            errors.push(error(ErrorCode::XDSMetadataAnnotationError, what));
            return None;
        }
        Some(_) => {}
    }
    if fine { previous.zip(propagate) } else { None }
}

fn new_status(a: &Association, errors: &mut RegistryErrors) -> Option<NewStatus> {
    let status = |name: &str| match values(a, name) {
        Some([one]) => AvailabilityStatus::from_urn(one.trim()),
        Some(_) | None => None,
    };
    let strange = a.submission_set_status.is_some()
        || [PREVIOUS_VERSION, PROPAGATION].iter().any(|n| values(a, n).is_some());
    match (status(ORIGINAL_STATUS), status(NEW_STATUS)) {
        (Some(from), Some(to)) if from != to && !strange => {
            Some(NewStatus { target: a.target.clone(), from, to })
        }
        _ => {
            let what = "needs OriginalStatus and NewStatus, each one status, that differ, alone";
            errors.push(operation(a, what));
            None
        }
    }
}

fn values<'a>(a: &'a Association, name: &str) -> Option<&'a [String]> {
    a.extra.slots.iter().find(|s| s.name == name).map(|s| s.values.as_slice())
}

fn operation(a: &Association, what: &str) -> carerecord_model::RegistryError {
    error(ErrorCode::XDSMetadataUpdateOperationError, format!("{}: {what}", a.entry_uuid))
}

const ORIGINAL_STATUS: &str = "OriginalStatus";
const NEW_STATUS: &str = "NewStatus";
const PROPAGATION: &str = "AssociationPropagation";
