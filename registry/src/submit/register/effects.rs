use std::collections::{HashMap, HashSet};

use carerecord_model::{
    Association, AssociationType, AvailabilityStatus, EntryUuid, ExtraMetadata, IdSource, ObjectId,
    Submission,
};
use carerecord_storage::StoreError;
use uuid::Uuid;

use crate::store::{Kind, ObjectState, StoredObject, Write, associations_of, fetch};

/// What a submission does to objects that were registered before it.
pub(super) struct Effects<'a, 'c> {
    pub write: &'a mut Write<'c>,
    pub ids: &'a dyn IdSource,
    pub patient_no: i64,
    pub submission: &'a Submission,
}

impl Effects<'_, '_> {
    pub(super) async fn apply(mut self) -> Result<(), StoreError> {
        let mut folders: HashMap<Uuid, StoredObject> = HashMap::new();
        let s = self.submission;
        let index = s.index();
        let members: Vec<Uuid> = s
            .associations
            .iter()
            .filter(|a| a.association_type == AssociationType::HasMember)
            .filter(|a| index.object(&a.source).is_none())
            .filter_map(|a| a.source.uuid().map(|u| u.uuid()))
            .collect();
        folders.extend(fetch(self.write.c, &members).await?);
        for a in s.associations.iter().filter(|a| a.association_type.replaces()) {
            self.replace(a, &mut folders).await?;
        }
        for folder in folders.values() {
            self.write.touch_folder(folder).await?;
        }
        Ok(())
    }

    /// Deprecates what is replaced, with the appendices and transforms that hang on it, and puts
    /// the new document into the folders of the old one.
    async fn replace(
        &mut self,
        a: &Association,
        folders: &mut HashMap<Uuid, StoredObject>,
    ) -> Result<(), StoreError> {
        let Some(replaced) = a.target.uuid().map(|u| u.uuid()) else { return Ok(()) };
        let around = associations_of(self.write.c, &[replaced]).await?;
        self.join_folders(a, replaced, &around, folders).await?;
        let (mut waiting, mut seen) = (vec![replaced], HashSet::from([replaced]));
        while let Some(id) = waiting.pop() {
            let Some(object) = fetch(self.write.c, &[id]).await?.remove(&id) else { continue };
            if object.state.status == AvailabilityStatus::Approved {
                let state = ObjectState { status: AvailabilityStatus::Deprecated, ..object.state };
                self.write.set_state(&object, state).await?;
            }
            for dependent in associations_of(self.write.c, &[id]).await? {
                let d = dependent.association()?;
                let hangs = matches!(
                    d.association_type,
                    AssociationType::Transform | AssociationType::Append
                );
                let approved = d.availability_status == AvailabilityStatus::Approved;
                let on_this = d.target.uuid().is_some_and(|t| t.uuid() == id);
                if let (true, true, true, Some(source)) =
                    (hangs, approved, on_this, d.source.uuid())
                    && seen.insert(source.uuid())
                {
                    waiting.push(source.uuid());
                }
            }
        }
        Ok(())
    }

    async fn join_folders(
        &mut self,
        a: &Association,
        replaced: Uuid,
        around: &[StoredObject],
        folders: &mut HashMap<Uuid, StoredObject>,
    ) -> Result<(), StoreError> {
        let mut sources = Vec::new();
        for object in around {
            let member = object.association()?;
            let into = member.association_type == AssociationType::HasMember
                && member.availability_status == AvailabilityStatus::Approved
                && member.target.uuid().is_some_and(|t| t.uuid() == replaced);
            if into {
                sources.extend(member.source.uuid().map(|u| u.uuid()));
            }
        }
        for (uuid, object) in fetch(self.write.c, &sources).await? {
            if object.kind != Kind::Folder || object.state != ObjectState::APPROVED {
                continue;
            }
            let id = ObjectId::Uuid(EntryUuid::new(uuid));
            let membership = self.member(&id, &a.source)?;
            let set = &self.submission.submission_set.entry_uuid;
            self.member(set, &membership)?;
            folders.insert(uuid, object);
        }
        Ok(())
    }

    /// Adds a HasMember of the registry's own making.
    fn member(&mut self, source: &ObjectId, target: &ObjectId) -> Result<ObjectId, StoreError> {
        let association = has_member(self.ids, source, target);
        self.write.association(self.patient_no, &association, ObjectState::APPROVED)?;
        Ok(association.entry_uuid)
    }
}

fn has_member(ids: &dyn IdSource, source: &ObjectId, target: &ObjectId) -> Association {
    Association {
        entry_uuid: ObjectId::Uuid(EntryUuid::new(ids.ordered())),
        association_type: AssociationType::HasMember,
        source: source.clone(),
        target: target.clone(),
        availability_status: AvailabilityStatus::Approved,
        submission_set_status: None,
        documentation: None,
        extra: ExtraMetadata::default(),
    }
}
