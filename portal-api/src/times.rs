//! When what is in a record came, and when it was last changed.

use std::collections::HashMap;

use carerecord_fhir::Times;
use carerecord_model::{
    AssociationType, Dtm, EntryUuid, FoundObjects, LastChange, NhsNumber, ObjectId,
    SubmissionSetStatus,
};
use jiff::Timestamp;

use crate::Portal;
use crate::error::FhirError;

/// The times of everything in a record.
pub(crate) struct RecordTimes<'f> {
    submitted: HashMap<&'f ObjectId, &'f Dtm>,
    changed: HashMap<EntryUuid, Timestamp>,
}

impl<'f> RecordTimes<'f> {
    /// Of what has been released; `changes` are empty where nobody asks for them.
    pub(crate) fn of(found: &'f FoundObjects, changes: &[LastChange]) -> Self {
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
        let changed = changes
            .iter()
            .filter_map(|c| Some((c.id, Timestamp::from_millisecond(c.changed_at).ok()?)))
            .collect();
        Self { submitted, changed }
    }

    /// Of one object.
    pub(crate) fn of_object(&self, id: &ObjectId) -> Times {
        Times {
            submitted: self.submitted.get(id).copied().cloned(),
            last_updated: id.uuid().and_then(|id| self.changed.get(&id).copied()),
        }
    }
}

impl Portal {
    /// When the registry last changed the objects of a person; nothing unless it is asked for.
    pub(crate) async fn changes(
        &self,
        number: NhsNumber,
        asked: bool,
    ) -> Result<Vec<LastChange>, FhirError> {
        if !asked {
            return Ok(Vec::new());
        }
        self.within(self.registry.last_changes(number)).await.map_err(FhirError::Registry)
    }
}
