use std::collections::HashMap;

use carerecord_model::{
    AvailabilityStatus, Dtm, EntryUuid, IdSource, LogicalId, ObjectId, Submission,
};
use jiff::Timestamp;
use uuid::Uuid;

/// The UUIDs that symbols were replaced by.
pub(super) struct Given(HashMap<ObjectId, ObjectId>);

impl Given {
    /// The UUID behind an id of the message.
    pub(super) fn uuid(&self, id: &ObjectId) -> Option<Uuid> {
        self.0.get(id).unwrap_or(id).uuid().map(|u| u.uuid())
    }
}

/// Replaces symbols by fresh UUIDs everywhere. ITI TF-3: 4.2.3.1.
pub(super) fn give_ids(s: &mut Submission, ids: &dyn IdSource) -> Given {
    let mut given: HashMap<ObjectId, ObjectId> = HashMap::new();
    let mut give = |id: &mut ObjectId| {
        if id.uuid().is_none() {
            let fresh = given
                .entry(id.clone())
                .or_insert_with(|| ObjectId::Uuid(EntryUuid::new(ids.ordered())));
            *id = fresh.clone();
        }
    };
    give(&mut s.submission_set.entry_uuid);
    s.document_entries.iter_mut().for_each(|e| give(&mut e.entry_uuid));
    s.folders.iter_mut().for_each(|f| give(&mut f.entry_uuid));
    for a in &mut s.associations {
        give(&mut a.entry_uuid);
        give(&mut a.source);
        give(&mut a.target);
    }
    Given(given)
}

/// Sets what the registry sets on first versions.
pub(super) fn as_registered(s: &mut Submission, now: Timestamp) {
    let lid = |id: &ObjectId| id.uuid().map(|u| LogicalId::new(u.uuid()));
    s.submission_set.availability_status = AvailabilityStatus::Approved;
    s.submission_set.home_community_id = None;
    for e in &mut s.document_entries {
        e.availability_status = AvailabilityStatus::Approved;
        e.logical_id = lid(&e.entry_uuid);
        e.version = 1;
        e.home_community_id = None;
    }
    for f in &mut s.folders {
        f.availability_status = AvailabilityStatus::Approved;
        f.logical_id = lid(&f.entry_uuid);
        f.version = 1;
        f.home_community_id = None;
        f.last_update_time = Some(Dtm::from_timestamp(now));
    }
    for a in &mut s.associations {
        a.availability_status = AvailabilityStatus::Approved;
    }
}
