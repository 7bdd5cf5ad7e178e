//! Does what an update asks for, when it can be done.

use std::collections::HashMap;

use carerecord_audit::AuditLog;
use carerecord_model::{
    Association, AvailabilityStatus, DocumentEntry, Dtm, EntryUuid, Folder, IdSource, ObjectId,
    RegistryErrors, SubmissionIndex, SubmissionObjects,
};
use carerecord_storage::Connection;
use jiff::Timestamp;
use uuid::Uuid;

use super::check::is_carried_over;
use super::operation::{NewVersion, Operations};
use super::{Known, UpdateKind};
use crate::store::{
    Kind, ObjectState, StoredObject, Write, associations_of, count_unmapped, fetch,
};
use crate::submit::ids::{Given, give_ids};
use crate::submit::{Request, SubmitError};

pub(super) async fn update(
    c: &mut Connection,
    r: Request,
    kind: UpdateKind,
    operations: &Operations,
    known: &Known,
    digest: &[u8],
) -> Result<(), SubmitError> {
    let Some(patient_no) = known.patient.as_ref().map(|p| p.own_no) else {
        // The checks have refused this already.
        return Err(SubmitError::Refused(RegistryErrors::new()));
    };
    let mut s = r.submission;
    let given = give_ids(&mut s, r.ids.as_ref());
    let wanted = operations.statuses.iter();
    let statuses = wanted.filter_map(|t| Some((given.uuid(&t.target)?, t.to))).collect();
    let mut write = Write::new(c, r.now);
    write.submission_set(patient_no, &s.submission_set)?;
    let mut apply = Apply {
        write: &mut write,
        patient_no,
        known,
        statuses,
        folders: HashMap::new(),
        now: r.now,
        ids: r.ids.as_ref(),
    };
    let index = s.index();
    for version in &operations.versions {
        apply.version(&index, version, &given, kind).await?;
    }
    for index in operations.members.iter().chain(&operations.associations) {
        apply.association(&s.associations[*index]).await?;
    }
    for index in &operations.associations {
        apply.deprecate_replaced(&s.associations[*index]).await?;
    }
    apply.registered_statuses().await?;
    for folder in apply.folders.into_values() {
        write.touch_folder(&folder).await?;
    }
    write.submission(&s.submission_set, digest);
    write.flush().await?;
    count_unmapped(write.c, &s.submission_set.source_id, &r.codes.unmapped, r.now).await?;
    AuditLog::append_in(write.c, &Vec::from_iter(&r.audit)).await?;
    Ok(())
}

struct Apply<'a, 'c> {
    write: &'a mut Write<'c>,
    patient_no: i64,
    known: &'a Known,
    /// Changes of status that are asked for, by id.
    statuses: HashMap<Uuid, AvailabilityStatus>,
    /// Registered folders whose members change.
    folders: HashMap<Uuid, StoredObject>,
    now: Timestamp,
    ids: &'a dyn IdSource,
}

impl Apply<'_, '_> {
    /// U1, U3: the new version is in force, the one before is not the newest any more.
    async fn version(
        &mut self,
        index: &SubmissionIndex<'_>,
        version: &NewVersion,
        given: &Given,
        kind: UpdateKind,
    ) -> Result<(), SubmitError> {
        let Some(old) = self.known.latest.get(&version.logical_id.uuid()) else { return Ok(()) };
        let Some(uuid) = given.uuid(&version.target) else { return Ok(()) };
        let id = ObjectId::Uuid(EntryUuid::new(uuid));
        let before = match kind {
            UpdateKind::Metadata => AvailabilityStatus::Approved,
            // A deprecated entry stays so.
            UpdateKind::Restricted => old.state.status,
        };
        let state = self.state(uuid, before);
        match index.object(&id) {
            Some(SubmissionObjects::DocumentEntry(entry)) => {
                self.entry(entry, version, old.version + 1, state)?;
            }
            Some(SubmissionObjects::Folder(folder)) => {
                self.folder(folder, version, old.version + 1, state)?;
            }
            Some(SubmissionObjects::SubmissionSet(_) | SubmissionObjects::Association(_))
            | None => {}
        }
        let superseded = ObjectState { status: AvailabilityStatus::Deprecated, latest: false };
        self.write.set_state(old, superseded).await?;
        if version.propagate {
            self.carry_over(old, &id).await?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        entry: &DocumentEntry,
        version: &NewVersion,
        number: u32,
        state: ObjectState,
    ) -> Result<(), SubmitError> {
        let mut entry = entry.clone();
        entry.logical_id = Some(version.logical_id);
        entry.version = number;
        entry.availability_status = state.status;
        entry.home_community_id = None;
        Ok(self.write.entry(self.patient_no, &entry, state)?)
    }

    fn folder(
        &mut self,
        folder: &Folder,
        version: &NewVersion,
        number: u32,
        state: ObjectState,
    ) -> Result<(), SubmitError> {
        let mut folder = folder.clone();
        folder.logical_id = Some(version.logical_id);
        folder.version = number;
        folder.availability_status = state.status;
        folder.home_community_id = None;
        folder.last_update_time = Some(Dtm::from_timestamp(self.now));
        Ok(self.write.folder(self.patient_no, &folder, state)?)
    }

    /// Copies memberships in folders and relationships in force to the new version.
    async fn carry_over(&mut self, old: &StoredObject, new: &ObjectId) -> Result<(), SubmitError> {
        let old_id = ObjectId::Uuid(EntryUuid::new(old.uuid));
        for object in associations_of(self.write.c, &[old.uuid]).await? {
            let mut copy = object.association()?;
            if !is_carried_over(&copy) || !self.between_documents(&copy).await? {
                continue;
            }
            for end in [&mut copy.source, &mut copy.target] {
                if *end == old_id {
                    end.clone_from(new);
                }
            }
            copy.entry_uuid = ObjectId::Uuid(EntryUuid::new(self.ids.ordered()));
            self.association(&copy).await?;
        }
        Ok(())
    }

    /// A membership of a SubmissionSet is not carried over, also where it has no status slot.
    async fn between_documents(&mut self, a: &Association) -> Result<bool, SubmitError> {
        let Some(source) = a.source.uuid().map(|u| u.uuid()) else { return Ok(false) };
        let found = fetch(self.write.c, &[source]).await?;
        Ok(found.get(&source).is_some_and(|o| matches!(o.kind, Kind::Entry | Kind::Folder)))
    }

    /// Adds an association; a folder that gets a member is renewed.
    async fn association(&mut self, a: &Association) -> Result<(), SubmitError> {
        let Some(uuid) = a.entry_uuid.uuid().map(|u| u.uuid()) else { return Ok(()) };
        let state = self.state(uuid, AvailabilityStatus::Approved);
        self.write.association(self.patient_no, a, state)?;
        let Some(source) = a.source.uuid().map(|u| u.uuid()) else { return Ok(()) };
        if let Some(folder) = fetch(self.write.c, &[source]).await?.remove(&source)
            && folder.kind == Kind::Folder
        {
            self.folders.insert(source, folder);
        }
        Ok(())
    }

    /// A submitted replacement has the effect of one that is registered.
    async fn deprecate_replaced(&mut self, a: &Association) -> Result<(), SubmitError> {
        let Some(target) = a.target.uuid().filter(|_| a.association_type.replaces()) else {
            return Ok(());
        };
        if let Some(object) = self.known.objects.get(&target.uuid()) {
            let status = AvailabilityStatus::Deprecated;
            self.write.set_state(object, ObjectState { status, ..object.state }).await?;
        }
        Ok(())
    }

    /// The state of something new, with the change of status that the request asks for on top.
    fn state(&mut self, uuid: Uuid, status: AvailabilityStatus) -> ObjectState {
        ObjectState { status: self.statuses.remove(&uuid).unwrap_or(status), latest: true }
    }

    /// U2, U4, U5 on what was registered before.
    async fn registered_statuses(&mut self) -> Result<(), SubmitError> {
        for (uuid, status) in std::mem::take(&mut self.statuses) {
            if let Some(object) = self.known.objects.get(&uuid) {
                let state = ObjectState { status, ..object.state };
                self.write.set_state(object, state).await?;
            }
        }
        Ok(())
    }
}
