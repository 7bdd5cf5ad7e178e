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
    pub document_entries: Vec<DocumentEntry>,
    /// New folders.
    pub folders: Vec<Folder>,
    /// Relations between new objects, and from them to registered ones.
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
    /// The object of this submission that has this id.
    pub fn object(&self, id: &ObjectId) -> Option<SubmissionObjects<'_>> {
        if self.submission_set.entry_uuid == *id {
            return Some(SubmissionObjects::SubmissionSet(&self.submission_set));
        }
        let entry = self.document_entries.iter().find(|e| e.entry_uuid == *id);
        let folder = self.folders.iter().find(|f| f.entry_uuid == *id);
        let association = self.associations.iter().find(|a| a.entry_uuid == *id);
        entry
            .map(SubmissionObjects::DocumentEntry)
            .or_else(|| folder.map(SubmissionObjects::Folder))
            .or_else(|| association.map(SubmissionObjects::Association))
    }
}
