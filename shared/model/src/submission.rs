use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{Association, DocumentEntry, Folder, ObjectId, SubmissionSet};

/// One submission request: exactly one SubmissionSet with its objects. ITI TF-3: 4.2.1.4.
///
/// Ids can still be symbols. Objects keep the order of the message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    /// What binds the submission together.
    pub submission_set: SubmissionSet,
    /// New entries.
    #[serde(default)]
    pub document_entries: Vec<DocumentEntry>,
    /// New folders.
    #[serde(default)]
    pub folders: Vec<Folder>,
    /// Relations between new objects, and from them to registered ones.
    #[serde(default)]
    pub associations: Vec<Association>,
}

/// What an id of a submission names, by kind.
#[derive(Clone, Copy, Debug)]
pub enum SubmissionObjects<'a> {
    /// The SubmissionSet.
    SubmissionSet(&'a SubmissionSet),
    /// A new entry.
    DocumentEntry(&'a DocumentEntry),
    /// A new folder.
    Folder(&'a Folder),
    /// A new association.
    Association(&'a Association),
}

impl Submission {
    /// The objects by id, built in one pass: a message may hold very many.
    pub fn index(&self) -> SubmissionIndex<'_> {
        let mut index = SubmissionIndex::default();
        index.add(
            &self.submission_set.entry_uuid,
            SubmissionObjects::SubmissionSet(&self.submission_set),
        );
        for e in &self.document_entries {
            index.add(&e.entry_uuid, SubmissionObjects::DocumentEntry(e));
        }
        for f in &self.folders {
            index.add(&f.entry_uuid, SubmissionObjects::Folder(f));
        }
        for a in &self.associations {
            index.add(&a.entry_uuid, SubmissionObjects::Association(a));
        }
        index
    }
}

/// The objects of one submission, by id.
#[derive(Clone, Debug, Default)]
pub struct SubmissionIndex<'a>(HashMap<&'a ObjectId, SubmissionObjects<'a>>);

impl<'a> SubmissionIndex<'a> {
    /// The object of the submission that has this id; of several, which is an error, the first.
    pub fn object(&self, id: &ObjectId) -> Option<SubmissionObjects<'a>> {
        self.0.get(id).copied()
    }

    fn add(&mut self, id: &'a ObjectId, object: SubmissionObjects<'a>) {
        self.0.entry(id).or_insert(object);
    }
}
