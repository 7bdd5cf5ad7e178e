use std::collections::HashSet;

use carerecord_model::{EntryRef, EntryUuid, ObjectId, StoredQuery};
use carerecord_storage::{Connection, StoreError};
use uuid::Uuid;

use crate::store::{
    Kind, Person, associations_of, fetch, fetch_by_unique_id, owners, person_of_no, versions_of,
};

/// What a query by id names, and whose records are to be opened for it.
pub(crate) struct Named {
    pub ids: HashSet<ObjectId>,
    pub people: Vec<Person>,
}

/// Finds the objects that a query names, and the people whose they are; then those whose
/// submissions refer to them, and those whose objects they refer to.
pub(crate) async fn locate(
    c: &mut Connection,
    query: &StoredQuery,
    objects: &EntryRef,
) -> Result<Named, StoreError> {
    let uuids = named_uuids(c, objects, kind_named(query)).await?;
    let mut numbers: Vec<i64> = fetch(c, &uuids).await?.values().map(|o| o.patient_no).collect();
    numbers.sort_unstable();
    let around = associations_of(c, &uuids).await?;
    let mut ends = HashSet::new();
    for object in &around {
        let association = object.association()?;
        let both = [association.source.uuid(), association.target.uuid()];
        ends.extend(both.into_iter().flatten().map(|end| end.uuid()));
    }
    let mut others = owners(c, &ends.into_iter().collect::<Vec<_>>()).await?;
    others.extend(around.iter().map(|o| o.patient_no));
    others.sort_unstable();
    numbers.append(&mut others);
    numbers.dedup();
    let mut people: Vec<Person> = Vec::new();
    for no in numbers {
        if !people.iter().any(|p| p.numbers.contains(&no)) {
            people.push(person_of_no(c, no).await?);
        }
    }
    let ids = uuids.into_iter().map(|u| ObjectId::Uuid(EntryUuid::new(u))).collect();
    Ok(Named { ids, people })
}

/// The ids behind what a query names, in the order asked.
pub(crate) async fn named_uuids(
    c: &mut Connection,
    objects: &EntryRef,
    kind: Kind,
) -> Result<Vec<Uuid>, StoreError> {
    Ok(match objects {
        EntryRef::Uuids(ids) => ids.iter().map(EntryUuid::uuid).collect(),
        EntryRef::UniqueIds(ids) => {
            let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
            fetch_by_unique_id(c, &ids, kind).await?
        }
        EntryRef::LogicalIds(ids) => {
            let mut all = Vec::new();
            for id in ids {
                all.extend(versions_of(c, *id).await?);
            }
            all
        }
    })
}

/// What a query's uniqueIds are of.
fn kind_named(query: &StoredQuery) -> Kind {
    match query {
        StoredQuery::GetFolders(_)
        | StoredQuery::GetFolderAndContents(_)
        | StoredQuery::FindFolders(_)
        | StoredQuery::FindFoldersForMultiplePatients(_) => Kind::Folder,
        StoredQuery::GetSubmissionSetAndContents(_) | StoredQuery::FindSubmissionSets(_) => {
            Kind::SubmissionSet
        }
        StoredQuery::FindDocuments(_)
        | StoredQuery::FindDocumentsForMultiplePatients(_)
        | StoredQuery::GetAll(_)
        | StoredQuery::GetDocuments(_)
        | StoredQuery::GetAssociations(_)
        | StoredQuery::GetDocumentsAndAssociations(_)
        | StoredQuery::GetSubmissionSets(_)
        | StoredQuery::GetFoldersForDocument(_)
        | StoredQuery::GetRelatedDocuments(_) => Kind::Entry,
    }
}
