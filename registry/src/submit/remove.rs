//! ITI-62 Remove Metadata: everything named goes, or nothing.

use std::collections::{HashMap, HashSet};

use carerecord_audit::{AuditEvent, AuditLog};
use carerecord_model::{EntryUuid, ErrorCode, RegistryError, RegistryErrors};
use carerecord_storage::Connection;
use jiff::Timestamp;
use uuid::Uuid;

use super::SubmitError;
use super::validate::unresolved;
use crate::store::{Kind, Store, StoredObject, Write, associations_of, fetch};

impl Store {
    /// Removes objects for good, all or none; durable when this returns.
    pub(crate) async fn remove(
        &self,
        ids: Vec<EntryUuid>,
        now: Timestamp,
        audit: AuditEvent,
    ) -> Result<(), SubmitError> {
        self.database()
            .write(move |c| Box::pin(async move { remove_in(c, &ids, now, &audit).await }))
            .await
    }
}

async fn remove_in(
    c: &mut Connection,
    ids: &[EntryUuid],
    now: Timestamp,
    audit: &AuditEvent,
) -> Result<(), SubmitError> {
    let wanted: HashSet<Uuid> = ids.iter().map(EntryUuid::uuid).collect();
    let list: Vec<Uuid> = wanted.iter().copied().collect();
    let objects = fetch(c, &list).await?;
    let mut errors: RegistryErrors = ids
        .iter()
        .filter(|id| !objects.contains_key(&id.uuid()))
        .map(|id| unresolved(&(*id).into()))
        .collect();
    check_references(c, &list, &wanted, &mut errors).await?;
    check_left_behind(c, &objects, &wanted, &mut errors).await?;
    if !errors.is_empty() {
        return Err(SubmitError::Refused(errors));
    }
    let gone: Vec<StoredObject> = objects.into_values().collect();
    let mut write = Write::new(c, now);
    write.remove(&gone).await?;
    write.flush().await?;
    AuditLog::append_in(write.c, &[audit]).await?;
    Ok(())
}

/// No association may be left that refers to what goes.
async fn check_references(
    c: &mut Connection,
    list: &[Uuid],
    wanted: &HashSet<Uuid>,
    errors: &mut RegistryErrors,
) -> Result<(), SubmitError> {
    for association in associations_of(c, list).await? {
        if !wanted.contains(&association.uuid) {
            let id = EntryUuid::new(association.uuid);
            let what = format!("{id} refers to an object that would be removed");
            errors.push(RegistryError::error(ErrorCode::ReferencesExistException, what));
        }
    }
    Ok(())
}

/// What the associations that go referred to must still be referred to by others.
async fn check_left_behind(
    c: &mut Connection,
    objects: &HashMap<Uuid, StoredObject>,
    wanted: &HashSet<Uuid>,
    errors: &mut RegistryErrors,
) -> Result<(), SubmitError> {
    let mut ends = HashSet::new();
    for object in objects.values().filter(|o| o.kind == Kind::Association) {
        let association = object.association()?;
        let both = [association.source.uuid(), association.target.uuid()];
        ends.extend(both.into_iter().flatten().map(|u| u.uuid()).filter(|u| !wanted.contains(u)));
    }
    for end in ends {
        let around = associations_of(c, &[end]).await?;
        if around.iter().all(|a| wanted.contains(&a.uuid)) {
            let id = EntryUuid::new(end);
            let what = format!("{id} would be left without any association");
            errors.push(RegistryError::error(ErrorCode::XDSUnreferencedObjectException, what));
        }
    }
    Ok(())
}
