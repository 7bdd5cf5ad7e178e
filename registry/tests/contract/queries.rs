use carerecord_model::{
    AssociationType, AvailabilityStatus, CodeFilter, ContentFilter, DocumentFilter, EntryRef,
    ErrorCode, FindDocuments, FindDocumentsForMultiplePatients, FindFoldersForMultiplePatients,
    FindSubmissionSets, FolderFilter, FoundObjects, Get, GetDocuments, ObjectId, Scope,
    StoredQuery,
};
use carerecord_testkit::submission::{Builder, OTHER_PATIENT, PATIENT};

use crate::support::{World, count};

mod tests {
    crate::on_both_databases!(
        q5_find_documents_filters,
        q5_find_submission_sets_filters,
        q5_get_folders_finds_by_either_id,
        q5_get_associations_finds_every_tie,
        q5_get_documents_and_associations_leaves_the_sets_out,
        q5_get_submission_sets_finds_what_brought_them,
        q5_get_submission_set_and_contents_filters_what_it_brought,
        q5_get_folder_and_contents_leaves_the_sets_out,
        q5_get_folders_for_document_finds_folders_only,
        q5_get_related_documents_goes_one_step,
        q7_whole_objects_are_of_one_patient,
        q11_many_patients_are_asked_at_once,
    );
}

fn get(objects: EntryRef) -> Get {
    Get {
        objects,
        content: ContentFilter::default(),
        association_types: Vec::new(),
        scope: Scope::default(),
        home_community_id: None,
    }
}

fn uuids(ids: &[&ObjectId]) -> EntryRef {
    EntryRef::Uuids(ids.iter().filter_map(|id| id.uuid()).collect())
}

/// A set that brings two documents and a folder with the first of them; then an appendix to the
/// first document.
async fn fixture(world: &World) -> FoundObjects {
    let mut b = Builder::default();
    let mut s = b.document();
    let first = s.document_entries[0].entry_uuid.clone();
    b.add_document(&mut s);
    s.document_entries[1].confidentiality_codes =
        vec![carerecord_model::Code::new("R", "2.16.840.1.113883.5.25", "restricted")];
    let folder = b.add_folder(&mut s);
    b.add_to_folder(&mut s, &folder, &first);
    s.document_entries[0].title = vec![carerecord_model::LocalizedString::new("first")];
    s.document_entries[0].reference_ids = vec!["55^^^&1.2.3&ISO^urn:ihe:iti:xds:2013:order".into()];
    world.register(&s).await.unwrap();
    let first = world
        .all()
        .await
        .document_entries
        .into_iter()
        .find(|e| e.display_title() == Some("first"))
        .unwrap();
    let mut appendix = b.document();
    let id = appendix.document_entries[0].entry_uuid.clone();
    b.relate(&mut appendix, AssociationType::Append, &id, &first.entry_uuid);
    world.register(&appendix).await.unwrap();
    world.all().await
}

fn first(all: &FoundObjects) -> &carerecord_model::DocumentEntry {
    all.document_entries.iter().find(|e| e.display_title() == Some("first")).unwrap()
}

/// The set that brought the first document.
fn its_set(all: &FoundObjects) -> &ObjectId {
    let first = &first(all).entry_uuid;
    let member =
        all.associations.iter().find(|a| a.target == *first && a.submission_set_status.is_some());
    &member.unwrap().source
}

pub async fn q5_find_documents_filters(world: &World) {
    let all = fixture(world).await;
    let find = |filter: DocumentFilter| {
        let patient_id = PATIENT.parse().unwrap();
        let status = vec![AvailabilityStatus::Approved];
        let filter = DocumentFilter { status, ..filter };
        world.ask(StoredQuery::FindDocuments(Box::new(FindDocuments { patient_id, filter })))
    };
    let code =
        |c: &str| CodeFilter(vec![vec![(c.to_owned(), "2.16.840.1.113883.5.25".to_owned())]]);

    assert_eq!(find(DocumentFilter::default()).await.document_entries.len(), 3);
    let restricted = DocumentFilter { confidentiality_codes: code("R"), ..Default::default() };
    assert_eq!(find(restricted).await.document_entries.len(), 1);
    let by_reference =
        DocumentFilter { reference_ids: vec![vec!["55^^^%".into()]], ..Default::default() };
    assert_eq!(find(by_reference).await.document_entries, [first(&all).clone().into()]);
    let nobody = DocumentFilter { author_person: vec!["%Nobody%".into()], ..Default::default() };
    assert!(find(nobody).await.document_entries.is_empty());
    let unknown =
        FindDocuments::approved("9990001022^^^&2.16.840.1.113883.2.1.4.1&ISO".parse().unwrap());
    assert_eq!(
        world.ask(StoredQuery::FindDocuments(Box::new(unknown))).await,
        FoundObjects::default()
    );
}

pub async fn q5_find_submission_sets_filters(world: &World) {
    fixture(world).await;
    let find = |source: &str| {
        world.ask(StoredQuery::FindSubmissionSets(Box::new(FindSubmissionSets {
            patient_id: PATIENT.parse().unwrap(),
            status: vec![AvailabilityStatus::Approved],
            source_ids: vec![source.to_owned()],
            submission_time: Default::default(),
            author_person: Vec::new(),
            content_type_code: CodeFilter::default(),
        })))
    };

    let found = find("1.2.42.7").await;
    assert_eq!((found.submission_sets.len(), found.associations.len()), (2, 0));
    assert!(find("1.2.42.8").await.submission_sets.is_empty());
}

pub async fn q5_get_folders_finds_by_either_id(world: &World) {
    let all = fixture(world).await;
    let folder = &all.folders[0];
    let by_uuid = get(uuids(&[&folder.entry_uuid, &first(&all).entry_uuid]));
    let by_id = get(EntryRef::UniqueIds(vec![folder.unique_id.clone()]));

    for query in [by_uuid, by_id] {
        let found = world.ask(StoredQuery::GetFolders(Box::new(query))).await;
        assert_eq!(found, FoundObjects { folders: vec![folder.clone()], ..Default::default() });
    }
}

pub async fn q5_get_associations_finds_every_tie(world: &World) {
    let all = fixture(world).await;
    let query = get(uuids(&[&first(&all).entry_uuid]));

    let found = world.ask(StoredQuery::GetAssociations(Box::new(query))).await;

    // From its set, from the folder, from the appendix.
    assert_eq!(found.associations.len(), 3);
    assert_eq!(count(&found, AssociationType::Append), 1);
    assert!(found.document_entries.is_empty());
}

pub async fn q5_get_documents_and_associations_leaves_the_sets_out(world: &World) {
    let all = fixture(world).await;
    let query = get(EntryRef::UniqueIds(vec![first(&all).unique_id.clone()]));

    let found = world.ask(StoredQuery::GetDocumentsAndAssociations(Box::new(query))).await;

    assert_eq!(found.document_entries, [first(&all).clone().into()]);
    assert_eq!(found.associations.len(), 3);
    assert!(found.submission_sets.is_empty());
}

pub async fn q5_get_submission_sets_finds_what_brought_them(world: &World) {
    let all = fixture(world).await;
    let ids = uuids(&[&first(&all).entry_uuid, &all.folders[0].entry_uuid]);

    let found = world.ask(StoredQuery::GetSubmissionSets(Box::new(get(ids)))).await;

    assert_eq!(found.submission_sets.len(), 1);
    assert_eq!(found.submission_sets[0].entry_uuid, *its_set(&all));
    assert_eq!(found.associations.len(), 2);
}

pub async fn q5_get_submission_set_and_contents_filters_what_it_brought(world: &World) {
    let all = fixture(world).await;
    let set = its_set(&all);

    let query = get(uuids(&[set]));
    let found = world.ask(StoredQuery::GetSubmissionSetAndContents(Box::new(query))).await;
    assert_eq!((found.document_entries.len(), found.folders.len()), (2, 1));
    // Two documents, the folder, the membership, and the set's tie to the membership.
    assert_eq!(found.associations.len(), 5);

    let mut query = get(uuids(&[set]));
    query.content.confidentiality_codes =
        CodeFilter(vec![vec![("R".into(), "2.16.840.1.113883.5.25".into())]]);
    let found = world.ask(StoredQuery::GetSubmissionSetAndContents(Box::new(query))).await;
    assert_eq!((found.document_entries.len(), found.folders.len()), (1, 1));
    assert_eq!(found.associations.len(), 2, "the first document's ties are gone with it");
}

pub async fn q5_get_folder_and_contents_leaves_the_sets_out(world: &World) {
    let all = fixture(world).await;
    let query = get(EntryRef::UniqueIds(vec![all.folders[0].unique_id.clone()]));

    let found = world.ask(StoredQuery::GetFolderAndContents(Box::new(query))).await;

    assert_eq!(found.document_entries, [first(&all).clone().into()]);
    assert_eq!((found.folders.len(), found.associations.len()), (1, 1));
}

pub async fn q5_get_folders_for_document_finds_folders_only(world: &World) {
    let all = fixture(world).await;
    let query = get(uuids(&[&first(&all).entry_uuid]));

    let found = world.ask(StoredQuery::GetFoldersForDocument(Box::new(query))).await;

    assert_eq!(found, FoundObjects { folders: all.folders.clone(), ..Default::default() });
}

pub async fn q5_get_related_documents_goes_one_step(world: &World) {
    let all = fixture(world).await;
    let related = |types: &[AssociationType]| {
        let mut query = get(uuids(&[&first(&all).entry_uuid]));
        query.association_types = types.to_vec();
        world.ask(StoredQuery::GetRelatedDocuments(Box::new(query)))
    };

    let found = related(&[AssociationType::Append, AssociationType::HasMember]).await;
    assert_eq!((found.document_entries.len(), found.associations.len()), (2, 1));
    assert_eq!(related(&[AssociationType::Replace]).await, FoundObjects::default());
}

pub async fn q7_whole_objects_are_of_one_patient(world: &World) {
    let all = fixture(world).await;
    world.register(&Builder::of(OTHER_PATIENT).document()).await.unwrap();
    let theirs = world.all_of(OTHER_PATIENT).await.document_entries.remove(0);
    let ids = uuids(&[&first(&all).entry_uuid, &theirs.entry_uuid]);
    let documents = StoredQuery::GetDocuments(GetDocuments::of(ids.clone()));
    let sets = StoredQuery::GetSubmissionSets(Box::new(get(ids)));

    for query in [documents, sets] {
        let whole = world.try_ask(query.clone(), true).await;
        assert_eq!(whole, Err(vec![ErrorCode::XDSResultNotSinglePatient]));
        world.try_ask(query, false).await.unwrap();
    }
}

pub async fn q11_many_patients_are_asked_at_once(world: &World) {
    fixture(world).await;
    world.register(&Builder::of(OTHER_PATIENT).document()).await.unwrap();
    let status = vec![AvailabilityStatus::Approved];
    let class_code = CodeFilter(vec![vec![("class".into(), "2.999.9".into())]]);
    let find = |patient_ids: Vec<carerecord_model::PatientId>| {
        let filter = DocumentFilter {
            status: status.clone(),
            class_code: class_code.clone(),
            ..Default::default()
        };
        let query = FindDocumentsForMultiplePatients { patient_ids, filter };
        world.ask(StoredQuery::FindDocumentsForMultiplePatients(Box::new(query)))
    };

    assert_eq!(find(Vec::new()).await.document_entries.len(), 4);
    assert_eq!(find(vec![OTHER_PATIENT.parse().unwrap()]).await.document_entries.len(), 1);
    let both = vec![PATIENT.parse().unwrap(), OTHER_PATIENT.parse().unwrap()];
    assert_eq!(find(both).await.document_entries.len(), 4);
    let query = FindFoldersForMultiplePatients {
        patient_ids: Vec::new(),
        filter: FolderFilter {
            status,
            codes: CodeFilter(vec![vec![("folder".into(), "2.999.9".into())]]),
            ..Default::default()
        },
    };
    let folders = world.ask(StoredQuery::FindFoldersForMultiplePatients(Box::new(query))).await;
    assert_eq!(folders.folders.len(), 1);
}
