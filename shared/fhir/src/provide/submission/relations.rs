//! What relates the objects of a submission: memberships, and what documents are to others.

use std::collections::HashSet;

use carerecord_model::{
    Association, AssociationType, AvailabilityStatus, EntryUuid, ExtraMetadata, ObjectId,
    SubmissionSetStatus,
};

use super::Making;
use crate::provide::at::At;
use crate::provide::bundle::{Item, Slot, Target};

impl<'a> Making<'_, 'a> {
    /// Membership in the set and in folders.
    pub(super) fn members(&mut self) {
        let Some((set, list)) = self.items(Slot::SubmissionSet).pop() else { return };
        let set = set.clone();
        let mut new: HashSet<ObjectId> = HashSet::new();
        for at in list.each("entry") {
            self.member_of_set(&set, &at.get("item"), &mut new);
        }
        for (item, id) in self.bundle.items.iter().zip(self.ids) {
            let is_new = matches!(item.slot, Slot::Document | Slot::Folder);
            if is_new && !new.contains(id) {
                let what = "The SubmissionSet does not name it among its entries.";
                self.problems.add("business-rule", &item.entry, what);
            }
            match item.slot {
                Slot::Folder => self.members_of_folder(&set, id, item, &HashSet::new()),
                Slot::FolderUpdate(uuid) => {
                    let known = self.known.folders.get(&EntryUuid::new(uuid));
                    let there = known.map(|k| k.members.clone()).unwrap_or_default();
                    self.members_of_folder(&set, id, item, &there);
                }
                Slot::SubmissionSet
                | Slot::Document
                | Slot::Patch(_)
                | Slot::Binary
                | Slot::FhirDocument
                | Slot::Patient => {}
            }
        }
    }

    fn member_of_set(&mut self, set: &ObjectId, at: &At<'a>, new: &mut HashSet<ObjectId>) {
        match self.bundle.target(at, "List") {
            Target::Item(n) => {
                let slot = self.bundle.items.get(n).map(|item| item.slot);
                let Some(id) = self.ids.get(n).cloned() else { return };
                let status = match slot {
                    Some(Slot::Document) => Some(SubmissionSetStatus::Original),
                    Some(Slot::Folder) => None,
                    // What is new in it is named by the memberships themselves.
                    Some(Slot::FolderUpdate(_)) => return,
                    Some(
                        Slot::SubmissionSet
                        | Slot::Patch(_)
                        | Slot::Binary
                        | Slot::FhirDocument
                        | Slot::Patient,
                    )
                    | None => {
                        let what = "It must lead to a document or a folder.";
                        return self.problems.add("invalid", at, what);
                    }
                };
                if new.insert(id.clone()) {
                    self.associate(AssociationType::HasMember, set.clone(), id, status);
                } else {
                    self.problems.add("duplicate", at, "It is there twice.");
                }
            }
            // A folder that is there already, and that this submission does not add to.
            Target::Registered(_) => {
                self.problems.add("not-supported", at, "A folder is sent as an entry of its own.");
            }
            Target::Named(_) | Target::Nothing => {
                let Some(target) = self.document(at) else {
                    let what =
                        "It leads to nothing in the Bundle, nor to a document that is there.";
                    return self.problems.add("not-found", at, what);
                };
                let status = Some(SubmissionSetStatus::Reference);
                self.associate(AssociationType::HasMember, set.clone(), target, status);
            }
        }
    }

    fn members_of_folder(
        &mut self,
        set: &ObjectId,
        folder: &ObjectId,
        item: &Item<'a>,
        there: &HashSet<EntryUuid>,
    ) {
        let mut seen = HashSet::new();
        for at in item.resource.each("entry") {
            let at = at.get("item");
            let Some(document) = self.document(&at) else {
                let what = "It leads to no document.";
                self.problems.add("not-found", &at, what);
                continue;
            };
            if document.uuid().is_some_and(|id| there.contains(&id)) {
                continue;
            }
            if !seen.insert(document.clone()) {
                self.problems.add("duplicate", &at, "It is there twice.");
                continue;
            }
            let kind = AssociationType::HasMember;
            let membership = self.associate(kind, folder.clone(), document, None);
            self.associate(kind, set.clone(), membership, None);
        }
    }

    /// What documents of the Bundle are to other documents.
    pub(super) fn relations(&mut self) {
        let all: Vec<(ObjectId, At<'a>)> =
            self.items(Slot::Document).into_iter().map(|(id, at)| (id.clone(), at)).collect();
        for (source, resource) in all {
            let mut kinds: Vec<(ObjectId, AssociationType)> = Vec::new();
            for at in resource.each("relatesTo") {
                let kind = match at.text("code") {
                    Some("replaces") => AssociationType::Replace,
                    Some("transforms") => AssociationType::Transform,
                    Some("appends") => AssociationType::Append,
                    Some("signs") => AssociationType::Signs,
                    _ => {
                        self.problems.add("invalid", &at.get("code"), "There is no such relation.");
                        continue;
                    }
                };
                let Some(target) = self.document(&at.get("target")) else {
                    let what = "It leads to no document that is there.";
                    self.problems.add("not-found", &at.get("target"), what);
                    continue;
                };
                add_relation(&mut kinds, target, kind);
            }
            for (target, kind) in kinds {
                self.associate(kind, source.clone(), target, None);
            }
        }
    }

    /// Gives the association's own id.
    fn associate(
        &mut self,
        association_type: AssociationType,
        source: ObjectId,
        target: ObjectId,
        submission_set_status: Option<SubmissionSetStatus>,
    ) -> ObjectId {
        let id = ObjectId::Symbol(format!("association-{}", self.associations.len() + 1));
        self.associations.push(Association {
            entry_uuid: id.clone(),
            association_type,
            source,
            target,
            availability_status: AvailabilityStatus::Approved,
            submission_set_status,
            documentation: None,
            extra: ExtraMetadata::default(),
        });
        id
    }
}

/// What replaces and transforms the same document does both at once. MHD 7.4.
fn add_relation(
    kinds: &mut Vec<(ObjectId, AssociationType)>,
    target: ObjectId,
    kind: AssociationType,
) {
    let both = [AssociationType::Replace, AssociationType::Transform];
    let same = kinds.iter_mut().find(|(other, of)| *other == target && both.contains(of));
    match same {
        Some((_, of)) if both.contains(&kind) && *of != kind => {
            *of = AssociationType::TransformAndReplace;
        }
        Some(_) | None => kinds.push((target, kind)),
    }
}
