//! When what is in a record came, and when it was last changed.

use std::collections::{HashMap, HashSet};

use carerecord_fhir::Times;
use carerecord_model::{
    AssociationType, Dtm, EntryUuid, Folder, FoundObjects, LastChange, NhsNumber, ObjectId,
    SubmissionSet, SubmissionSetStatus,
};
use jiff::Timestamp;

use crate::Portal;
use crate::error::FhirError;

/// When the registry last changed the objects of a person.
#[derive(Default)]
pub(crate) struct Changes {
    all: Vec<LastChange>,
    /// Whether they are told; else they only date folders.
    told: bool,
}

impl Changes {
    /// Of one object.
    pub(crate) fn of(&self, id: EntryUuid) -> Option<Timestamp> {
        let change = self.all.iter().find(|change| change.id == id)?;
        Timestamp::from_millisecond(change.changed_at).ok()
    }
}

/// The times of everything in a record.
pub(crate) struct RecordTimes<'f> {
    submitted: HashMap<&'f ObjectId, &'f Dtm>,
    changed: HashMap<EntryUuid, Timestamp>,
    told: bool,
    /// Folders shown without some of their members, with the time of what is shown.
    in_part: HashMap<&'f ObjectId, Option<Timestamp>>,
}

impl<'f> RecordTimes<'f> {
    /// Of what has been released, with those of its folders that are shown in part.
    pub(crate) fn of(
        found: &'f FoundObjects,
        in_part: &HashSet<ObjectId>,
        changes: &Changes,
    ) -> Self {
        let mut submitted: HashMap<&ObjectId, &Dtm> =
            found.submission_sets.iter().map(|s| (&s.entry_uuid, &s.submission_time)).collect();
        let sets = submitted.clone();
        for a in &found.associations {
            let brings = a.association_type == AssociationType::HasMember
                && a.submission_set_status != Some(SubmissionSetStatus::Reference);
            let Some(time) = sets.get(&a.source).filter(|_| brings) else { continue };
            let known = submitted.entry(&a.target).or_insert(time);
            if time < known {
                *known = time;
            }
        }
        let changed: HashMap<EntryUuid, Timestamp> = changes
            .all
            .iter()
            .filter_map(|c| Some((c.id, Timestamp::from_millisecond(c.changed_at).ok()?)))
            .collect();
        let registered = |set: &SubmissionSet| changed.get(&set.entry_uuid.uuid()?).copied();
        let folders = found.folders.iter().map(|folder| &folder.entry_uuid);
        let in_part = folders
            .filter(|id| in_part.contains(id))
            .map(|id| (id, found.sets_of_folder(id).filter_map(registered).max()))
            .collect();
        Self { submitted, changed, told: changes.told, in_part }
    }

    /// Of one object.
    pub(crate) fn of_object(&self, id: &ObjectId) -> Times {
        let changed = || id.uuid().and_then(|id| self.changed.get(&id).copied());
        let last_updated = self.in_part.get(id).copied().unwrap_or_else(changed);
        Times {
            submitted: self.submitted.get(id).copied().cloned(),
            last_updated: last_updated.filter(|_| self.told),
        }
    }

    /// A folder with the time of its last change. Of one in part that is the time of what is shown, by
    /// the registry's clock where it is known: another one would tell that there is more.
    pub(crate) fn of_folder(&self, folder: &Folder) -> Folder {
        let mut folder = folder.clone();
        if let Some(Some(shown)) = self.in_part.get(&folder.entry_uuid) {
            folder.last_update_time = Some(Dtm::from_timestamp(*shown));
        }
        folder
    }
}

impl Portal {
    /// When the registry last changed the objects of a person: nothing unless it is asked for, or
    /// folders are to be dated.
    pub(crate) async fn changes(
        &self,
        number: NhsNumber,
        told: bool,
        folders: bool,
    ) -> Result<Changes, FhirError> {
        if !told && !folders {
            return Ok(Changes::default());
        }
        let all = self.within(self.registry.last_changes(number)).await;
        Ok(Changes { all: all.map_err(FhirError::Registry)?, told })
    }
}
