use std::sync::Arc;

use carerecord_model::{
    DocumentEntry, DocumentEntryType, DocumentFilter, Dtm, DtmRange, EntryUuid, Folder,
    FolderFilter, MetadataLevel,
};
use carerecord_storage::{Connection, StoreError};

use super::graph::is_seen;
use crate::store::{Kind, Person, Stored, after, patient_entries};

/// The entries of a person that pass a filter, newest first.
pub(crate) async fn matching_documents(
    c: &mut Connection,
    person: &Person,
    filter: &DocumentFilter,
) -> Result<Vec<Arc<DocumentEntry>>, StoreError> {
    // What is made on demand may have no time, and is found all the same.
    let all = DtmRange::default();
    let on_demand = filter.entry_types.contains(&DocumentEntryType::OnDemand);
    let times = if on_demand { &all } else { &filter.creation_time };
    let mut entries = Vec::new();
    for no in &person.numbers {
        entries.extend(patient_entries(c, *no, times).await?);
    }
    if let Some(id) = person.shown_as() {
        entries.iter_mut().for_each(|e| e.value.patient_id.clone_from(id));
        let newest = |e: &Stored<DocumentEntry>| {
            let time = e.value.creation_time.as_ref().map(Dtm::earliest);
            (std::cmp::Reverse(time), e.value.entry_uuid.uuid().map(|u| u.uuid()))
        };
        entries.sort_by_cached_key(newest);
    }
    Ok(entries.into_iter().filter_map(|e| passes(filter, e).map(Arc::new)).collect())
}

fn passes(filter: &DocumentFilter, entry: Stored<DocumentEntry>) -> Option<DocumentEntry> {
    let seen = is_seen(filter.level, &entry.value, !entry.latest);
    (seen && filter.matches(&entry.value)).then_some(entry.value)
}

/// Goes through the entries of all people; gives each that passes to `take` with the number of its
/// person, which says whether to go on.
pub(crate) async fn documents_everywhere(
    c: &mut Connection,
    filter: &DocumentFilter,
    mut take: impl FnMut(i64, DocumentEntry) -> bool,
) -> Result<(), StoreError> {
    let mut place = None;
    loop {
        let page = after(c, Kind::Entry, place).await?;
        let Some(last) = page.last() else { return Ok(()) };
        place = Some((last.patient_no, last.sort_key, last.uuid));
        for object in page {
            let stored = Stored { value: object.entry()?, latest: object.state.latest };
            if let Some(entry) = passes(filter, stored)
                && !take(object.patient_no, entry)
            {
                return Ok(());
            }
        }
    }
}

/// The same for folders.
pub(crate) async fn folders_everywhere(
    c: &mut Connection,
    filter: &FolderFilter,
    mut take: impl FnMut(i64, EntryUuid, &Folder) -> bool,
) -> Result<(), StoreError> {
    let mut place = None;
    loop {
        let page = after(c, Kind::Folder, place).await?;
        let Some(last) = page.last() else { return Ok(()) };
        place = Some((last.patient_no, last.sort_key, last.uuid));
        for object in page {
            let folder = object.folder()?;
            let seen = filter.level == MetadataLevel::Two || object.state.latest;
            if seen
                && filter.matches(&folder)
                && !take(object.patient_no, EntryUuid::new(object.uuid), &folder)
            {
                return Ok(());
            }
        }
    }
}
