use std::collections::HashSet;
use std::sync::Arc;

use carerecord_model::{
    Association, AssociationType, AvailabilityStatus, ContentFilter, DocumentEntry,
    FindSubmissionSets, Folder, FolderFilter, FoundObjects, Get, GetAll, MetadataLevel, ObjectId,
    Scope, SubmissionSet,
};

/// What may be seen of one or more records, with the ties between the objects.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    objects: FoundObjects,
    /// Versions of entries and folders that are not the newest.
    superseded: HashSet<ObjectId>,
}

type Ids = HashSet<ObjectId>;

impl Graph {
    pub(crate) fn new(objects: FoundObjects, superseded: HashSet<ObjectId>) -> Self {
        Self { objects, superseded }
    }

    /// FindSubmissionSets. ITI TF-2: 3.18.4.1.2.3.7.2.
    pub(crate) fn find_submission_sets(self, q: &FindSubmissionSets) -> FoundObjects {
        let mut submission_sets = self.objects.submission_sets;
        submission_sets.retain(|s| q.matches(s));
        FoundObjects { submission_sets, ..FoundObjects::default() }
    }

    /// FindFolders. ITI TF-2: 3.18.4.1.2.3.7.3.
    pub(crate) fn find_folders(self, filter: &FolderFilter) -> FoundObjects {
        let folders = self.folders(filter.level, |f| filter.matches(f));
        FoundObjects { folders, ..FoundObjects::default() }
    }

    /// GetAll: objects that pass, and associations that touch one. ITI TF-2: 3.18.4.1.2.3.7.4.
    pub(crate) fn get_all(self, q: &GetAll) -> FoundObjects {
        let level = q.scope.level;
        let document_entries = self.entries(level, |e| q.matches_entry(e));
        let folders = self.folders(level, |f| q.folder_status.contains(&f.availability_status));
        let submission_sets =
            self.submission_sets(|s| q.submission_set_status.contains(&s.availability_status));
        let ends: Ids = document_entries
            .iter()
            .map(|e| e.entry_uuid.clone())
            .chain(submission_sets.iter().map(|s| s.entry_uuid.clone()))
            .chain(folders.iter().map(|f| f.entry_uuid.clone()))
            .collect();
        let associations = self.touching(&q.scope, &ends);
        FoundObjects { document_entries, submission_sets, folders, associations }
    }

    /// GetFolders. ITI TF-2: 3.18.4.1.2.3.7.6.
    pub(crate) fn get_folders(self, q: &Get, named: &Ids) -> FoundObjects {
        let folders = self.folders(q.scope.level, |f| named.contains(&f.entry_uuid));
        FoundObjects { folders, ..FoundObjects::default() }
    }

    /// GetAssociations. ITI TF-2: 3.18.4.1.2.3.7.7.
    pub(crate) fn get_associations(self, q: &Get, named: &Ids) -> FoundObjects {
        FoundObjects { associations: self.touching(&q.scope, named), ..FoundObjects::default() }
    }

    /// GetDocumentsAndAssociations. ITI TF-2: 3.18.4.1.2.3.7.8.
    pub(crate) fn get_documents_and_associations(self, q: &Get, named: &Ids) -> FoundObjects {
        let document_entries = self.entries(q.scope.level, |e| named.contains(&e.entry_uuid));
        let ends = document_entries.iter().map(|e| e.entry_uuid.clone()).collect();
        let associations = self.touching(&q.scope, &ends);
        FoundObjects { document_entries, associations, ..FoundObjects::default() }
    }

    /// GetSubmissionSets: the sets that brought the objects, and how. ITI TF-2: 3.18.4.1.2.3.7.9.
    pub(crate) fn get_submission_sets(self, q: &Get, named: &Ids) -> FoundObjects {
        let sets: Ids = self.set_ids();
        let associations =
            self.members(&q.scope, |a| sets.contains(&a.source) && named.contains(&a.target));
        let sources: Ids = associations.iter().map(|a| a.source.clone()).collect();
        let submission_sets = self.submission_sets(|s| sources.contains(&s.entry_uuid));
        FoundObjects { submission_sets, associations, ..FoundObjects::default() }
    }

    /// GetSubmissionSetAndContents. ITI TF-2: 3.18.4.1.2.3.7.10.
    pub(crate) fn get_submission_set_and_contents(self, q: &Get, named: &Ids) -> FoundObjects {
        let submission_sets = self.submission_sets(|s| named.contains(&s.entry_uuid));
        let sets: Ids = submission_sets.iter().map(|s| s.entry_uuid.clone()).collect();
        let from_sets = self.members(&q.scope, |a| sets.contains(&a.source));
        let targets: Ids = from_sets.iter().map(|a| a.target.clone()).collect();
        let document_entries = self.content(&q.content, q.scope.level, &targets);
        let folders = self.folders(q.scope.level, |f| targets.contains(&f.entry_uuid));
        let mut shown: Ids = document_entries
            .iter()
            .map(|e| e.entry_uuid.clone())
            .chain(folders.iter().map(|f| f.entry_uuid.clone()))
            .collect();
        // Memberships in folders that the set brought, when both ends are shown.
        let ties = self.associations(&q.scope, |a| {
            targets.contains(&a.entry_uuid)
                && shown.contains(&a.source)
                && shown.contains(&a.target)
        });
        shown.extend(ties.iter().map(|a| a.entry_uuid.clone()));
        let mut associations: Vec<Association> =
            from_sets.into_iter().filter(|a| shown.contains(&a.target)).collect();
        associations.extend(ties);
        FoundObjects { document_entries, submission_sets, folders, associations }
    }

    /// GetFolderAndContents. ITI TF-2: 3.18.4.1.2.3.7.11.
    pub(crate) fn get_folder_and_contents(self, q: &Get, named: &Ids) -> FoundObjects {
        let folders = self.folders(q.scope.level, |f| named.contains(&f.entry_uuid));
        let sources: Ids = folders.iter().map(|f| f.entry_uuid.clone()).collect();
        let members = self.members(&q.scope, |a| sources.contains(&a.source));
        let targets: Ids = members.iter().map(|a| a.target.clone()).collect();
        let document_entries = self.content(&q.content, q.scope.level, &targets);
        let shown: Ids = document_entries.iter().map(|e| e.entry_uuid.clone()).collect();
        let associations = members.into_iter().filter(|a| shown.contains(&a.target)).collect();
        FoundObjects { document_entries, folders, associations, ..FoundObjects::default() }
    }

    /// GetFoldersForDocument. ITI TF-2: 3.18.4.1.2.3.7.12.
    pub(crate) fn get_folders_for_document(self, q: &Get, named: &Ids) -> FoundObjects {
        let entries = self.entries(q.scope.level, |e| named.contains(&e.entry_uuid));
        let entries: Ids = entries.iter().map(|e| e.entry_uuid.clone()).collect();
        let members = self.members(&q.scope, |a| entries.contains(&a.target));
        let sources: Ids = members.into_iter().map(|a| a.source).collect();
        let folders = self.folders(q.scope.level, |f| sources.contains(&f.entry_uuid));
        FoundObjects { folders, ..FoundObjects::default() }
    }

    /// GetRelatedDocuments: one step, in both directions. ITI TF-2: 3.18.4.1.2.3.7.13.
    pub(crate) fn get_related_documents(self, q: &Get, named: &Ids) -> FoundObjects {
        let level = q.scope.level;
        let own = self.entries(level, |e| named.contains(&e.entry_uuid));
        let own: Ids = own.iter().map(|e| e.entry_uuid.clone()).collect();
        let ends = self.entries(level, |e| own.contains(&e.entry_uuid) || q.content.matches(e));
        let ends: Ids = ends.iter().map(|e| e.entry_uuid.clone()).collect();
        let associations = self.associations(&q.scope, |a| {
            q.association_types.contains(&a.association_type)
                && (own.contains(&a.source) || own.contains(&a.target))
                && ends.contains(&a.source)
                && ends.contains(&a.target)
        });
        let related: Ids =
            associations.iter().flat_map(|a| [a.source.clone(), a.target.clone()]).collect();
        let document_entries = self.entries(level, |e| related.contains(&e.entry_uuid));
        FoundObjects { document_entries, associations, ..FoundObjects::default() }
    }

    fn content(
        &self,
        content: &ContentFilter,
        level: MetadataLevel,
        ids: &Ids,
    ) -> Vec<Arc<DocumentEntry>> {
        self.entries(level, |e| ids.contains(&e.entry_uuid) && content.matches(e))
    }

    /// Level 1 hides what is not the newest version, and what is offline.
    fn entries(
        &self,
        level: MetadataLevel,
        wanted: impl Fn(&DocumentEntry) -> bool,
    ) -> Vec<Arc<DocumentEntry>> {
        let seen =
            |e: &&Arc<DocumentEntry>| is_seen(level, e, self.superseded.contains(&e.entry_uuid));
        let all = self.objects.document_entries.iter();
        all.filter(|e| wanted(e)).filter(seen).cloned().collect()
    }

    /// Level 1 hides what is not the newest version, and what is deprecated.
    fn folders(&self, level: MetadataLevel, wanted: impl Fn(&Folder) -> bool) -> Vec<Folder> {
        let seen = |f: &&Folder| {
            let approved = f.availability_status == AvailabilityStatus::Approved;
            level == MetadataLevel::Two || (approved && !self.superseded.contains(&f.entry_uuid))
        };
        let all = self.objects.folders.iter();
        all.filter(|f| wanted(f)).filter(seen).cloned().collect()
    }

    fn submission_sets(&self, wanted: impl Fn(&SubmissionSet) -> bool) -> Vec<SubmissionSet> {
        self.objects.submission_sets.iter().filter(|s| wanted(s)).cloned().collect()
    }

    fn set_ids(&self) -> Ids {
        self.objects.submission_sets.iter().map(|s| s.entry_uuid.clone()).collect()
    }

    fn associations(
        &self,
        scope: &Scope,
        wanted: impl Fn(&Association) -> bool,
    ) -> Vec<Association> {
        let all = self.objects.associations.iter().filter(|a| wanted(a));
        all.filter(|a| scope.returns_association(a.availability_status)).cloned().collect()
    }

    fn members(&self, scope: &Scope, wanted: impl Fn(&Association) -> bool) -> Vec<Association> {
        self.associations(scope, |a| a.association_type == AssociationType::HasMember && wanted(a))
    }

    fn touching(&self, scope: &Scope, ends: &Ids) -> Vec<Association> {
        self.associations(scope, |a| ends.contains(&a.source) || ends.contains(&a.target))
    }
}

/// Whether a query of this level sees an entry. ITI TF-2: 3.18.4.1.2.3.5 (Metadata Update).
pub(crate) fn is_seen(level: MetadataLevel, e: &DocumentEntry, superseded: bool) -> bool {
    level == MetadataLevel::Two || (e.online && !superseded)
}
