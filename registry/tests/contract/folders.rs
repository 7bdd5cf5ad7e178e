use carerecord_model::{
    AssociationType, ErrorCode, FindFolders, Folder, FolderFilter, ObjectId, StoredQuery,
    Submission,
};
use carerecord_testkit::submission::{Builder, OTHER_PATIENT, PATIENT};

use crate::support::{World, count};

mod tests {
    crate::on_both_databases!(
        a_folder_is_registered_with_its_members,
        a_document_is_added_to_a_registered_folder,
        a_replacement_joins_the_folders_of_what_it_replaces,
        v3_other_patients_folders_are_closed,
        a_membership_needs_a_has_member_from_the_set,
    );
}

/// A submission with a document in a folder.
fn with_folder(b: &mut Builder) -> Submission {
    let mut s = b.document();
    let document = s.document_entries[0].entry_uuid.clone();
    let folder = b.add_folder(&mut s);
    b.add_to_folder(&mut s, &folder, &document);
    s
}

async fn folders(world: &World) -> Vec<Folder> {
    let query = FindFolders {
        patient_id: PATIENT.parse().unwrap(),
        filter: FolderFilter {
            status: vec![carerecord_model::AvailabilityStatus::Approved],
            ..FolderFilter::default()
        },
    };
    world.ask(StoredQuery::FindFolders(Box::new(query))).await.folders
}

pub async fn a_folder_is_registered_with_its_members(world: &World) {
    let mut b = Builder::default();
    let s = with_folder(&mut b);

    world.register(&s).await.unwrap();

    let all = world.all().await;
    assert_eq!((all.document_entries.len(), all.folders.len()), (1, 1));
    assert_eq!(count(&all, AssociationType::HasMember), 4);
    assert!(all.folders[0].last_update_time.is_some());
    assert_eq!(folders(world).await, all.folders);
}

pub async fn a_document_is_added_to_a_registered_folder(world: &World) {
    let mut b = Builder::default();
    world.register(&with_folder(&mut b)).await.unwrap();
    let before = folders(world).await.remove(0);

    let mut s = b.document();
    let document = s.document_entries[0].entry_uuid.clone();
    b.add_to_folder(&mut s, &before.entry_uuid, &document);
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    world.register(&s).await.unwrap();

    let after = folders(world).await.remove(0);
    assert!(after.last_update_time > before.last_update_time);
    assert_eq!(Folder { last_update_time: before.last_update_time.clone(), ..after }, before);
}

pub async fn a_replacement_joins_the_folders_of_what_it_replaces(world: &World) {
    let mut b = Builder::default();
    world.register(&with_folder(&mut b)).await.unwrap();
    let before = world.all().await;
    let mut s = b.document();
    let id = s.document_entries[0].entry_uuid.clone();
    b.relate(&mut s, AssociationType::Replace, &id, &before.document_entries[0].entry_uuid);

    world.register(&s).await.unwrap();

    let all = world.all().await;
    let folder = &all.folders[0].entry_uuid;
    let members: Vec<&ObjectId> =
        all.associations.iter().filter(|a| a.source == *folder).map(|a| &a.target).collect();
    assert_eq!(members.len(), 2, "the old and the new document");
    // The set's HasMember to the new membership.
    assert_eq!(count(&all, AssociationType::HasMember), 4 + 1 + 2);
}

pub async fn v3_other_patients_folders_are_closed(world: &World) {
    let mut b = Builder::default();
    world.register(&with_folder(&mut b)).await.unwrap();
    let folder = folders(world).await.remove(0).entry_uuid;
    let mut other = Builder::of(OTHER_PATIENT);
    let mut s = other.document();
    let document = s.document_entries[0].entry_uuid.clone();
    other.add_to_folder(&mut s, &folder, &document);

    assert_eq!(world.register(&s).await, Err(vec![ErrorCode::XDSPatientIdDoesNotMatch]));
}

pub async fn a_membership_needs_a_has_member_from_the_set(world: &World) {
    let mut b = Builder::default();
    let mut s = with_folder(&mut b);
    s.associations.pop();

    assert_eq!(world.register(&s).await, Err(vec![ErrorCode::XDSRegistryMetadataError]));
}
