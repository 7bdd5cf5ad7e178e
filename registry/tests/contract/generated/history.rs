use std::collections::HashSet;

use carerecord_model::{
    AssociationType, AvailabilityStatus, DocumentEntryType, ErrorCode, FoundObjects, LogicalId,
    ObjectId, PatientId, Submission, SubmissionSetStatus,
};
use carerecord_testkit::submission::{Builder, OTHER_PATIENT, PATIENT};
use proptest::sample::Index;
use proptest::test_runner::TestCaseError;

use super::step::Step;
use crate::lifecycle::{new_folder_version, new_status, new_version, submit};
use crate::support::World;

/// Requests made of one registry, and what an observer must remember of them.
pub struct History<'w> {
    pub world: &'w World,
    /// Of the usual and of the other patient.
    builders: [Builder; 2],
    /// Objects whose status somebody set, or whose relations somebody removed: why they are
    /// deprecated is not told by their associations any more.
    pub touched: HashSet<ObjectId>,
    /// Entries of which a version was removed.
    pub cut: HashSet<LogicalId>,
    last: Option<Request>,
    pub taken: Taken,
}

/// How many requests of each kind were made, and were not refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    made: [usize; Step::KINDS],
    taken: [usize; Step::KINDS],
}

impl Taken {
    pub fn add(&mut self, more: &Self) {
        for kind in 0..Step::KINDS {
            self.made[kind] += more.made[kind];
            self.taken[kind] += more.taken[kind];
        }
    }

    /// A generator of which every request of a kind is refused tests nothing.
    pub fn assert_every_kind(&self) {
        assert!(
            self.taken.iter().all(|n| *n > 0),
            "a kind of request was always refused: {self:?}"
        );
        let refused = (0..Step::KINDS).filter(|kind| self.taken[*kind] < self.made[*kind]);
        assert!(refused.count() >= 5, "hardly anything was refused: {self:?}");
    }
}

#[derive(Clone)]
enum Request {
    Register(Submission, DocumentEntryType),
    Update(Submission),
    Restricted(Submission),
    Remove(Vec<ObjectId>),
}

impl<'w> History<'w> {
    pub fn new(world: &'w World) -> Self {
        Self {
            world,
            builders: [Builder::default(), Builder::of(OTHER_PATIENT)],
            touched: HashSet::new(),
            cut: HashSet::new(),
            last: None,
            taken: Taken::default(),
        }
    }

    /// Makes one request. Refused, it must have changed nothing.
    pub async fn play(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let all = both(self.world).await;
        let Some(request) = self.request(step, &all) else { return Ok(()) };
        let before = self.end_of_feed().await;
        let kind = step.kind();
        self.taken.made[kind] += 1;
        match self.send(&request).await {
            Ok(()) => {
                self.taken.taken[kind] += 1;
                self.remember(&request, &all);
                self.last = Some(request);
            }
            Err(codes) => {
                proptest::prop_assert!(!codes.is_empty(), "refused without a reason: {step:?}");
                proptest::prop_assert_eq!(both(self.world).await, all, "{:?}", step);
                proptest::prop_assert_eq!(self.end_of_feed().await, before, "{:?}", step);
            }
        }
        Ok(())
    }

    async fn send(&self, request: &Request) -> Result<(), Vec<ErrorCode>> {
        match request {
            Request::Register(s, entry_type) => self.world.register_as(s, *entry_type).await,
            Request::Update(s) => self.world.update(s).await,
            Request::Restricted(s) => self.world.restricted_update(s).await,
            Request::Remove(ids) => {
                self.world.remove(&ids.iter().collect::<Vec<&ObjectId>>()).await
            }
        }
    }

    async fn end_of_feed(&self) -> i64 {
        let page = self.world.registry.changes(&self.world.caller, 0, 10_000).await.unwrap();
        page.value().next
    }

    /// What the associations of the end will not tell.
    fn remember(&mut self, request: &Request, before: &FoundObjects) {
        let (Request::Register(s, _) | Request::Update(s) | Request::Restricted(s)) = request
        else {
            let Request::Remove(ids) = request else { return };
            for a in before.associations.iter().filter(|a| ids.contains(&a.entry_uuid)) {
                self.touched.extend([a.source.clone(), a.target.clone()]);
            }
            let gone = before.document_entries.iter().filter(|e| ids.contains(&e.entry_uuid));
            self.cut.extend(gone.filter_map(|e| e.logical_id));
            return;
        };
        let status = AssociationType::UpdateAvailabilityStatus;
        let set = s.associations.iter().filter(|a| a.association_type == status);
        let set: Vec<ObjectId> = set.map(|a| a.target.clone()).collect();
        // An association that is in force no more does not tell of its ends either.
        for a in before.associations.iter().filter(|a| set.contains(&a.entry_uuid)) {
            self.touched.extend([a.source.clone(), a.target.clone()]);
        }
        self.touched.extend(set);
    }

    /// The request of a step; `None` when there is nothing yet that it could be about.
    fn request(&mut self, step: &Step, all: &FoundObjects) -> Option<Request> {
        Some(match step {
            Step::Register { other, documents, folder, on_demand } => {
                self.register(*other, *documents, *folder, *on_demand)
            }
            Step::Relate { kind, target, wrong_patient } => {
                let target = pick(&all.document_entries, target)?;
                let b = self.builder(&target.patient_id, *wrong_patient);
                let mut s = b.document();
                let id = s.document_entries[0].entry_uuid.clone();
                b.relate(&mut s, *kind, &id, &target.entry_uuid);
                Request::Register(s, DocumentEntryType::Stable)
            }
            Step::AddToFolder { folder, registered } => {
                let folder = pick(&all.folders, folder)?;
                let b = self.builder(&folder.patient_id, false);
                let (mut s, document) = match registered {
                    None => {
                        let s = b.document();
                        let id = s.document_entries[0].entry_uuid.clone();
                        (s, id)
                    }
                    Some(index) => {
                        (b.empty(), pick(&all.document_entries, index)?.entry_uuid.clone())
                    }
                };
                b.add_to_folder(&mut s, &folder.entry_uuid, &document);
                Request::Register(s, DocumentEntryType::Stable)
            }
            Step::Refer { target, other } => {
                let target = pick(&all.document_entries, target)?;
                let b = self.builder(&target.patient_id, *other);
                let mut s = b.empty();
                let set = s.submission_set.entry_uuid.clone();
                let mut a = b.association(AssociationType::HasMember, &set, &target.entry_uuid);
                a.submission_set_status = Some(SubmissionSetStatus::Reference);
                s.associations.push(a);
                Request::Register(s, DocumentEntryType::Stable)
            }
            Step::Version { of, restricted, propagate, moves } => {
                let old = pick(&all.document_entries, of)?;
                let b = self.builder(&old.patient_id, *moves);
                let mut s = new_version(b, old, old.version);
                s.document_entries[0].patient_id = s.submission_set.patient_id.clone();
                if !propagate {
                    let slots = &mut s.associations[0].extra.slots;
                    slots.push(crate::lifecycle::slot("AssociationPropagation", "no"));
                }
                if *restricted { Request::Restricted(s) } else { Request::Update(s) }
            }
            Step::FolderVersion { of } => {
                let old = pick(&all.folders, of)?;
                Request::Update(new_folder_version(self.builder(&old.patient_id, false), old))
            }
            Step::Status { of } => self.status(of, all)?,
            Step::Submit { kind, source, target } => {
                let member = *kind == AssociationType::HasMember;
                let source = if member {
                    let folder = pick(&all.folders, source)?;
                    (&folder.patient_id, &folder.entry_uuid)
                } else {
                    let entry = pick(&all.document_entries, source)?;
                    (&entry.patient_id, &entry.entry_uuid)
                };
                let target = pick(&all.document_entries, target)?;
                let b = self.builder(source.0, false);
                Request::Update(submit(b, *kind, source.1, &target.entry_uuid))
            }
            Step::Remove { of } => {
                let entry = pick(&all.document_entries, of)?;
                Request::Remove(with_all_that_hangs_on(&entry.entry_uuid, all))
            }
            Step::Repeat => self.last.clone()?,
        })
    }

    fn register(
        &mut self,
        other: bool,
        documents: usize,
        folder: bool,
        on_demand: bool,
    ) -> Request {
        let b = &mut self.builders[usize::from(other)];
        let mut s = b.empty();
        let ids: Vec<ObjectId> = (0..documents).map(|_| b.add_document(&mut s)).collect();
        if folder {
            let folder = b.add_folder(&mut s);
            ids.iter().for_each(|id| b.add_to_folder(&mut s, &folder, id));
        }
        if !on_demand {
            return Request::Register(s, DocumentEntryType::Stable);
        }
        for e in &mut s.document_entries {
            e.entry_type = DocumentEntryType::OnDemand;
            (e.hash, e.size, e.creation_time) = (None, None, None);
        }
        Request::Register(s, DocumentEntryType::OnDemand)
    }

    fn status(&mut self, of: &Index, all: &FoundObjects) -> Option<Request> {
        let entries = all.document_entries.iter();
        let entries = entries.map(|e| (&e.entry_uuid, e.availability_status));
        let folders = all.folders.iter().map(|f| (&f.entry_uuid, f.availability_status));
        let ties = all.associations.iter().map(|a| (&a.entry_uuid, a.availability_status));
        let targets: Vec<_> = entries.chain(folders).chain(ties).collect();
        let (id, status) = pick(&targets, of)?;
        let to = match status {
            AvailabilityStatus::Approved => AvailabilityStatus::Deprecated,
            AvailabilityStatus::Deprecated => AvailabilityStatus::Approved,
        };
        Some(Request::Update(new_status(&mut self.builders[0], id, status.urn(), to.urn())))
    }

    /// Who writes for a patient; or, wrongly, for the other one.
    fn builder(&mut self, patient: &PatientId, wrong: bool) -> &mut Builder {
        let other = *patient != PATIENT.parse().unwrap();
        &mut self.builders[usize::from(other != wrong)]
    }
}

/// Everything of both patients.
pub async fn both(world: &World) -> FoundObjects {
    let mut all = world.all_of(PATIENT).await;
    let more = world.all_of(OTHER_PATIENT).await;
    all.document_entries.extend(more.document_entries);
    all.submission_sets.extend(more.submission_sets);
    all.folders.extend(more.folders);
    all.associations.extend(more.associations);
    all
}

fn pick<'a, T>(all: &'a [T], index: &Index) -> Option<&'a T> {
    (!all.is_empty()).then(|| index.get(all))
}

/// An object, the associations that touch it or another that goes, and what would be left alone.
fn with_all_that_hangs_on(id: &ObjectId, all: &FoundObjects) -> Vec<ObjectId> {
    let mut gone = vec![id.clone()];
    loop {
        let before = gone.len();
        for a in &all.associations {
            let ends = [&a.source, &a.target];
            if !gone.contains(&a.entry_uuid) && ends.iter().any(|end| gone.contains(end)) {
                gone.push(a.entry_uuid.clone());
            }
        }
        let sets = all.submission_sets.iter().map(|s| &s.entry_uuid);
        for package in sets.chain(all.folders.iter().map(|f| &f.entry_uuid)) {
            let touching =
                |a: &&carerecord_model::Association| a.source == *package || a.target == *package;
            let mut around = all.associations.iter().filter(touching).peekable();
            let alone = around.peek().is_some() && around.all(|a| gone.contains(&a.entry_uuid));
            if alone && !gone.contains(package) {
                gone.push(package.clone());
            }
        }
        if gone.len() == before {
            return gone;
        }
    }
}
