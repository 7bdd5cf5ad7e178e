//! The submission that a Bundle stands for. MHD 3.2, 3.3, 7.4.

mod documents;
mod relations;

use std::collections::{HashMap, HashSet};

use carerecord_model::{
    Association, EntryUuid, Folder, NhsNumber, ObjectId, PatientId, RegistryError, Submission,
    UniqueId,
};
use uuid::Uuid;

use super::at::{At, Problem, Problems};
use super::bundle::{Item, ProvideBundle, Slot, Target};
use super::entry::entry;
use super::list::{Identifiers, folder, submission_set};
use crate::Format;

/// The FHIR documents of a Bundle as they were sent.
pub struct FhirDocuments {
    /// In which form.
    pub format: Format,
    /// Their bytes, by the places of the entries.
    pub bytes: HashMap<usize, Vec<u8>>,
}

impl FhirDocuments {
    /// Of what has none.
    pub fn none() -> Self {
        Self { format: Format::Json, bytes: HashMap::new() }
    }
}

/// What has to be known beside the Bundle.
pub struct Known<'k> {
    /// The same UUID for the same name in the same submission, so that a repeat is a repeat.
    pub derived: &'k dyn Fn(&str) -> Uuid,
    /// Of the patient's documents that are named by uniqueId, those that are registered.
    pub documents: HashMap<UniqueId, EntryUuid>,
    /// Of the patient's folders that are added to, those that are registered.
    pub folders: HashMap<EntryUuid, KnownFolder>,
    /// The FHIR documents among its entries.
    pub fhir_documents: FhirDocuments,
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
    /// The same of a document that was sent alone: all that is wrong is wrong there.
    #[must_use]
    pub fn of_one_document(mut self) -> Self {
        self.paths.iter_mut().for_each(|(_, path)| "DocumentReference".clone_into(path));
        self
    }

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
        Slot::Binary | Slot::FhirDocument | Slot::Patient => Uuid::nil(),
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
            Slot::Binary | Slot::FhirDocument => {
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
                Slot::Binary | Slot::FhirDocument | Slot::Patient => {}
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
}
