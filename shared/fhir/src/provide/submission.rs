//! The submission that a Bundle stands for. MHD 3.2, 3.3, 7.4.

use std::collections::{HashMap, HashSet};

use carerecord_model::{
    Association, AssociationType, AvailabilityStatus, EntryUuid, ExtraMetadata, Folder, NhsNumber,
    ObjectId, PatientId, RegistryError, Submission, SubmissionSetStatus, UniqueId,
};
use uuid::Uuid;

use super::at::{At, Problem, Problems};
use super::bundle::{Item, ProvideBundle, Slot, Target};
use super::entry::entry;
use super::list::{Identifiers, folder, submission_set};
use super::values::bytes;

/// What has to be known beside the Bundle.
pub struct Known<'k> {
    /// The same UUID for the same name in the same submission, so that a repeat is a repeat.
    pub derived: &'k dyn Fn(&str) -> Uuid,
    /// Of the patient's documents that are named by uniqueId, those that are registered.
    pub documents: HashMap<UniqueId, EntryUuid>,
    /// Of the patient's folders that are added to, those that are registered.
    pub folders: HashMap<EntryUuid, KnownFolder>,
}

/// A folder that is registered.
pub struct KnownFolder {
    /// The folder.
    pub folder: Folder,
    /// What is in it.
    pub members: HashSet<EntryUuid>,
}

/// A Bundle as a submission with its documents.
pub struct Provided {
    /// The submission. SubmissionSet, entries and folders have their UUIDs.
    pub submission: Submission,
    /// The bytes of each entry: a place in `contents`.
    pub documents: Vec<ProvidedDocument>,
    /// The documents, decoded.
    pub contents: Vec<Vec<u8>>,
    /// What each entry of the Bundle became, in their order.
    pub places: Vec<Place>,
    /// Where each object stands in the Bundle.
    paths: Vec<(ObjectId, String)>,
}

/// A document that goes with an entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProvidedDocument {
    /// The entry.
    pub entry: ObjectId,
    /// The place of its bytes.
    pub content: usize,
}

/// What an entry of a Bundle became.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// A resource that is new: its type and id.
    Created(&'static str, Uuid),
    /// A resource that has been changed.
    Updated(&'static str, Uuid),
    /// The patient, who was there already.
    Patient,
}

impl Provided {
    /// Where in the Bundle an error is.
    pub fn expression(&self, error: &RegistryError) -> Option<&str> {
        let named = |(id, _): &&(ObjectId, String)| {
            let id = id.to_string();
            error.location.as_ref().is_some_and(|at| *at == id) || error.context.contains(&id)
        };
        self.paths.iter().find(named).map(|(_, path)| path.as_str())
    }
}

impl ProvideBundle<'_> {
    /// The submission for this patient, who is the one that `patient` has found.
    ///
    /// # Errors
    /// Everything that is missing or wrong.
    pub fn submission(
        &self,
        patient: NhsNumber,
        known: &Known<'_>,
    ) -> Result<Provided, Vec<Problem>> {
        let mut problems = Problems::default();
        let patient = PatientId::from_nhs_number(patient);
        let ids: Vec<ObjectId> =
            self.items.iter().enumerate().map(|(n, item)| id_of(n, item, known)).collect();
        let mut made = Making {
            bundle: self,
            known,
            ids: &ids,
            problems: &mut problems,
            associations: Vec::new(),
        };
        let (documents, contents) = made.documents();
        let submission = made.objects(&patient);
        made.members();
        made.relations();
        let associations = made.associations;
        let submission = submission.map(|mut submission| {
            submission.associations = associations;
            submission
        });
        let places = places(self, &ids, &documents);
        let path =
            |(item, id): (&Item<'_>, &ObjectId)| (id.clone(), item.resource.path().to_owned());
        let paths = self.items.iter().zip(&ids).map(path).collect();
        problems.or(submission.map(|submission| Provided {
            submission,
            documents: documents.into_iter().map(|(_, document)| document).collect(),
            contents,
            places,
            paths,
        }))
    }
}

/// The id that the object of an entry gets: its own, or one that is always the same for it.
fn id_of(n: usize, item: &Item<'_>, known: &Known<'_>) -> ObjectId {
    let uuid = match item.slot {
        Slot::Patch(id) | Slot::FolderUpdate(id) => id,
        Slot::SubmissionSet | Slot::Document | Slot::Folder => {
            let own = Identifiers::read(&item.resource).entry;
            own.unwrap_or_else(|| (known.derived)(&name_of(n, item)))
        }
        Slot::Binary | Slot::Patient => Uuid::nil(),
    };
    ObjectId::Uuid(EntryUuid::new(uuid))
}

fn name_of(n: usize, item: &Item<'_>) -> String {
    item.url.map_or_else(|| format!("entry {n}"), |url| format!("object {url}"))
}

fn places(
    bundle: &ProvideBundle<'_>,
    ids: &[ObjectId],
    documents: &[(usize, ProvidedDocument)],
) -> Vec<Place> {
    let uuid = |id: &ObjectId| id.uuid().map(|u| u.uuid()).unwrap_or_default();
    let place = |(n, item): (usize, &Item<'_>)| {
        let own = ids.get(n).map(uuid).unwrap_or_default();
        match item.slot {
            Slot::SubmissionSet | Slot::Folder => Place::Created("List", own),
            Slot::Document => Place::Created("DocumentReference", own),
            Slot::Patch(id) => Place::Updated("DocumentReference", id),
            Slot::FolderUpdate(id) => Place::Updated("List", id),
            Slot::Binary => {
                let entry = documents.iter().find(|(binary, _)| *binary == n);
                Place::Created("Binary", entry.map(|(_, d)| uuid(&d.entry)).unwrap_or_default())
            }
            Slot::Patient => Place::Patient,
        }
    };
    bundle.items.iter().enumerate().map(place).collect()
}

/// A submission in the making.
struct Making<'m, 'a> {
    bundle: &'m ProvideBundle<'a>,
    known: &'m Known<'m>,
    /// Of each entry of the Bundle.
    ids: &'m [ObjectId],
    problems: &'m mut Problems,
    associations: Vec<Association>,
}

impl<'a> Making<'_, 'a> {
    fn items(&self, slot: Slot) -> Vec<(&ObjectId, At<'a>)> {
        let of_slot = self.bundle.items.iter().zip(self.ids).filter(|(item, _)| item.slot == slot);
        of_slot.map(|(item, id)| (id, item.resource.clone())).collect()
    }

    /// The bytes that go with entries; with each, the entry of the Bundle that holds them.
    fn documents(&mut self) -> (Vec<(usize, ProvidedDocument)>, Vec<Vec<u8>>) {
        let (mut documents, mut contents) = (Vec::new(), Vec::new());
        let mut decoded: HashMap<usize, usize> = HashMap::new();
        let all: Vec<(ObjectId, At<'a>)> =
            self.items(Slot::Document).into_iter().map(|(id, at)| (id.clone(), at)).collect();
        for (id, resource) in all {
            let Some(content) = resource.first("content") else { continue };
            let attachment = content.get("attachment");
            self.problems.forbid(&attachment, &["data"]);
            let url = attachment.text("url").and_then(|url| self.bundle.at_url(url));
            let binary = url.and_then(|n| Some((n, self.bundle.items.get(n)?)));
            let Some((n, binary)) = binary.filter(|(_, item)| item.slot == Slot::Binary) else {
                let what = "It must be the fullUrl of a Binary of the Bundle.";
                self.problems.add("not-found", &attachment.get("url"), what);
                continue;
            };
            let kinds = [&binary.resource, &attachment].map(|at| at.text("contentType"));
            if kinds[0] != kinds[1] {
                let what = "It must be the attachment's.";
                self.problems.add("invalid", &binary.resource.get("contentType"), what);
            }
            let content = match decoded.get(&n) {
                Some(content) => *content,
                None => {
                    contents.push(self.content(&binary.resource));
                    decoded.insert(n, contents.len() - 1);
                    contents.len() - 1
                }
            };
            documents.push((n, ProvidedDocument { entry: id, content }));
        }
        for (n, item) in self.bundle.items.iter().enumerate() {
            if item.slot == Slot::Binary && !decoded.contains_key(&n) {
                let what = "No DocumentReference is of this document.";
                self.problems.add("business-rule", &item.entry, what);
            }
        }
        (documents, contents)
    }

    fn content(&mut self, binary: &At<'_>) -> Vec<u8> {
        let data = binary.get("data");
        let Some(text) = binary.text("data") else {
            self.problems.missing(&data);
            return Vec::new();
        };
        let content = bytes(text);
        if content.is_none() {
            self.problems.add("invalid", &data, "It is not base64.");
        }
        content.unwrap_or_default()
    }

    /// The objects, without what relates them.
    fn objects(&mut self, patient: &PatientId) -> Option<Submission> {
        let (profile, derived) = (self.bundle.profile, self.known.derived);
        let (mut entries, mut folders, mut set) = (Vec::new(), Vec::new(), None);
        for (n, (item, id)) in self.bundle.items.iter().zip(self.ids).enumerate() {
            let (at, id, problems) = (&item.resource, id.clone(), &mut *self.problems);
            let unique = derived(&format!("uniqueId of {}", name_of(n, item)));
            match item.slot {
                Slot::SubmissionSet => {
                    set = submission_set(at, id, unique, patient, profile, problems);
                }
                Slot::Document => entries.extend(entry(at, id, patient, profile, problems)),
                Slot::Folder => {
                    folders.extend(folder(at, id, unique, patient, profile, problems));
                }
                Slot::FolderUpdate(id) => self.check_update(EntryUuid::new(id), item),
                Slot::Patch(id) => self.check_patch(EntryUuid::new(id), item),
                Slot::Binary | Slot::Patient => {}
            }
        }
        Some(Submission {
            submission_set: set?,
            document_entries: entries,
            folders,
            associations: Vec::new(),
        })
    }

    /// Only entries are added; all else must be as it is.
    fn check_update(&mut self, id: EntryUuid, item: &Item<'_>) {
        let at = &item.resource;
        let Some(known) = self.known.folders.get(&id) else {
            let what = "There is no such folder of this patient.";
            return self.problems.add("not-found", &item.entry.get("request"), what);
        };
        let own = known.folder.title.first().map(|title| title.value.as_str());
        if at.text("title").is_some_and(|title| Some(title) != own) {
            let what = "Of a folder that is there only the entries can be added to.";
            self.problems.add("not-supported", &at.get("title"), what);
        }
    }

    /// It must say what a replacement says, and nothing else.
    fn check_patch(&mut self, id: EntryUuid, item: &Item<'_>) {
        let parameters = item.resource.each("parameter");
        let says = |operation: &At<'_>| {
            let part = |name: &str, key: &str| {
                let parts = operation.each("part");
                parts.iter().find(|p| p.text("name") == Some(name)).and_then(|p| p.text(key))
            };
            operation.text("name") == Some("operation")
                && part("type", "valueCode") == Some("replace")
                && part("path", "valueString") == Some("DocumentReference.status")
                && part("value", "valueCode") == Some("superseded")
        };
        if parameters.len() != 1 || !parameters.iter().all(says) {
            let what = "A patch can only replace DocumentReference.status by superseded.";
            self.problems.add("not-supported", &item.resource, what);
        }
        let replaced = |at: &At<'a>| {
            at.text("code") == Some("replaces")
                && self.document(&at.get("target")).is_some_and(|target| target.uuid() == Some(id))
        };
        let documents = self.items(Slot::Document);
        let is_replaced = documents.iter().any(|(_, at)| at.each("relatesTo").iter().any(replaced));
        if !is_replaced {
            let what = "No document of the Bundle replaces this one.";
            self.problems.add("business-rule", &item.entry.get("request"), what);
        }
    }

    /// Membership in the set and in folders.
    fn members(&mut self) {
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
                    Some(Slot::SubmissionSet | Slot::Patch(_) | Slot::Binary | Slot::Patient)
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
    fn relations(&mut self) {
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

    /// The document that a reference leads to.
    fn document(&self, reference: &At<'a>) -> Option<ObjectId> {
        match self.bundle.target(reference, "DocumentReference") {
            Target::Item(n) => {
                let is_document = self.bundle.items.get(n)?.slot == Slot::Document;
                self.ids.get(n).filter(|_| is_document).cloned()
            }
            Target::Registered(id) => Some(ObjectId::Uuid(id)),
            Target::Named(id) => self.known.documents.get(&id).copied().map(ObjectId::Uuid),
            Target::Nothing => None,
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
