//! What has been released of a record, as resources.

use std::collections::{HashMap, HashSet};

use carerecord_access::WITHHELD_ORGANISATION;
use carerecord_fhir::{
    Entry, Holder, Include, Related, Times, Tree, add_times, document_reference, folder_list,
    only_elements, submission_set_list,
};
use carerecord_model::{
    Association, AssociationType, DocumentEntry, EntryUuid, Folder, FoundObjects, ObjectId,
    SubmissionSet,
};
use serde_json::Value;

use crate::Portal;
use crate::times::RecordTimes;

/// Makes resources of what has been released of one record.
pub(super) struct Resources<'r> {
    portal: &'r Portal,
    found: &'r FoundObjects,
    /// Whether nothing may tell where the person is cared for.
    masked: bool,
    times: &'r RecordTimes<'r>,
    documents: HashMap<&'r ObjectId, &'r DocumentEntry>,
    by_source: HashMap<&'r ObjectId, Vec<&'r Association>>,
    by_target: HashMap<&'r ObjectId, Vec<&'r Association>>,
}

impl<'r> Resources<'r> {
    pub(super) fn of(
        portal: &'r Portal,
        found: &'r FoundObjects,
        masked: bool,
        times: &'r RecordTimes<'r>,
    ) -> Self {
        let mut by_source: HashMap<_, Vec<_>> = HashMap::new();
        let mut by_target: HashMap<_, Vec<_>> = HashMap::new();
        for association in &found.associations {
            by_source.entry(&association.source).or_default().push(association);
            by_target.entry(&association.target).or_default().push(association);
        }
        let documents = found.document_entries.iter().map(|e| (&e.entry_uuid, &**e)).collect();
        Self { portal, found, masked, times, documents, by_source, by_target }
    }

    /// A DocumentReference.
    pub(super) fn document(&self, entry: &'r DocumentEntry) -> Tree<'r> {
        let relations: Vec<Related> = self
            .relations(&self.by_source, &entry.entry_uuid)
            .filter_map(|a| {
                let target = a.target.uuid()?;
                Some(Related { association_type: a.association_type, target })
            })
            .collect();
        let times = self.times.of_object(&entry.entry_uuid);
        document(self.portal, entry, self.masked, &relations, &times)
    }

    /// The List that a SubmissionSet is.
    pub(super) fn set(&self, set: &SubmissionSet) -> Value {
        let mut resource = submission_set_list(set, &self.members(&set.entry_uuid));
        add_times(&mut resource, &self.times.of_object(&set.entry_uuid));
        resource
    }

    /// The List that a folder is.
    pub(super) fn folder(&self, folder: &Folder) -> Value {
        let members = self.members(&folder.entry_uuid);
        let mut resource = folder_list(&self.times.of_folder(folder), &members);
        add_times(&mut resource, &self.times.of_object(&folder.entry_uuid));
        resource
    }

    /// With those of its elements that are asked for.
    pub(super) fn part<'t>(resource: impl Into<Tree<'t>>, elements: Option<&[String]>) -> Tree<'t> {
        let resource = resource.into();
        match elements {
            Some(elements) => only_elements(resource.into(), elements).into(),
            None => resource,
        }
    }

    /// The address of a document or list.
    pub(super) fn url(&self, kind: &str, id: &ObjectId) -> String {
        url(self.portal, kind, id)
    }

    /// What is asked for beside what matches; nothing that matches, and nothing twice.
    pub(super) fn included(
        &self,
        includes: &[Include],
        matching: &[&'r ObjectId],
    ) -> Vec<(&'r ObjectId, Entry<'r>)> {
        let mut seen: HashSet<&ObjectId> = matching.iter().copied().collect();
        let mut entries = Vec::new();
        for include in includes {
            for id in matching.iter().flat_map(|id| self.beside(*include, id)) {
                if !seen.insert(id) {
                    continue;
                }
                let resource = match include {
                    Include::ItemsOfLists
                    | Include::RelatedDocuments
                    | Include::RelatingDocuments => {
                        self.documents.get(id).map(|entry| self.document(entry))
                    }
                    Include::ListsOfDocuments => self.list(id).map(Tree::from),
                };
                let url = || self.url(include.resource_type(), id);
                entries.extend(resource.map(|resource| (id, Entry::Include(url(), resource))));
            }
        }
        entries
    }

    /// What stands beside one object.
    fn beside(&self, include: Include, id: &ObjectId) -> Vec<&'r ObjectId> {
        match include {
            Include::ItemsOfLists => {
                self.memberships(&self.by_source, id).map(|a| &a.target).collect()
            }
            Include::ListsOfDocuments => {
                self.memberships(&self.by_target, id).map(|a| &a.source).collect()
            }
            Include::RelatedDocuments => {
                self.relations(&self.by_source, id).map(|a| &a.target).collect()
            }
            Include::RelatingDocuments => {
                self.relations(&self.by_target, id).map(|a| &a.source).collect()
            }
        }
    }

    fn list(&self, id: &ObjectId) -> Option<Value> {
        let set = self.found.submission_sets.iter().find(|set| set.entry_uuid == *id);
        let folder = || self.found.folders.iter().find(|folder| folder.entry_uuid == *id);
        set.map(|set| self.set(set)).or_else(|| folder().map(|folder| self.folder(folder)))
    }

    /// The documents of a set or folder that are shown.
    fn members(&self, of: &ObjectId) -> Vec<EntryUuid> {
        let members = self.memberships(&self.by_source, of);
        let shown = members.filter(|a| self.documents.contains_key(&a.target));
        shown.filter_map(|a| a.target.uuid()).collect()
    }

    fn memberships<'m>(
        &self,
        by_end: &'m HashMap<&'r ObjectId, Vec<&'r Association>>,
        id: &ObjectId,
    ) -> impl Iterator<Item = &'r Association> + use<'m, 'r> {
        let all = by_end.get(id).map(Vec::as_slice).unwrap_or_default();
        all.iter().copied().filter(|a| a.association_type == AssociationType::HasMember)
    }

    fn relations<'m>(
        &self,
        by_end: &'m HashMap<&'r ObjectId, Vec<&'r Association>>,
        id: &ObjectId,
    ) -> impl Iterator<Item = &'r Association> + use<'m, 'r> {
        let all = by_end.get(id).map(Vec::as_slice).unwrap_or_default();
        all.iter().copied().filter(|a| a.association_type != AssociationType::HasMember)
    }
}

/// The resource of an entry; `masked` is whether places must not be told.
pub(super) fn document<'r>(
    portal: &'r Portal,
    entry: &'r DocumentEntry,
    masked: bool,
    relations: &[Related],
    times: &Times,
) -> Tree<'r> {
    let id = entry.uuid().map(|u| u.uuid()).unwrap_or_default();
    let attachment = format!("{}/Binary/{id}", portal.config.base_url);
    let holder = if masked {
        Holder { organisation: Some((WITHHELD_ORGANISATION, "")), repository: None }
    } else {
        let policy = portal.access.policy();
        let repository = entry.repository_unique_id.as_ref();
        let code = repository.and_then(|id| policy.node_organisation(id));
        let organisation = code.map(|code| (policy.organisation_name(code), code.as_str()));
        Holder { organisation, repository }
    };
    document_reference(entry, attachment, holder, relations, times)
}

/// The address of a document or list.
pub(super) fn url(portal: &Portal, kind: &str, id: &ObjectId) -> String {
    let id = id.uuid().map(|u| u.uuid()).unwrap_or_default();
    format!("{}/{kind}/{id}", portal.config.base_url)
}
