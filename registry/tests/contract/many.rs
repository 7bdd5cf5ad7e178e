//! Queries over all patients begin at the index of codes, and find the same without it.

use carerecord_model::{
    AvailabilityStatus, Code, CodeFilter, DocumentFilter, FindDocumentsForMultiplePatients,
    FindFoldersForMultiplePatients, FolderFilter, FoundObjects, StoredQuery,
};
use carerecord_testkit::submission::{Builder, OTHER_PATIENT};

use crate::lifecycle::new_version;
use crate::support::World;

mod tests {
    crate::on_both_databases!(
        q11_the_index_leads_to_whoever_has_such_objects,
        q11_what_was_registered_before_the_index_is_found_at_any_time,
        q11_new_versions_and_removals_are_followed,
    );
}

fn codes(code: &str) -> CodeFilter {
    CodeFilter(vec![vec![(code.into(), "2.999.9".into())]])
}

fn filter() -> DocumentFilter {
    DocumentFilter { status: vec![AvailabilityStatus::Approved], ..Default::default() }
}

async fn documents(world: &World, filter: DocumentFilter) -> usize {
    let query = FindDocumentsForMultiplePatients { patient_ids: Vec::new(), filter };
    let query = StoredQuery::FindDocumentsForMultiplePatients(Box::new(query));
    world.ask(query).await.document_entries.len()
}

async fn folders(world: &World, code: &str) -> usize {
    let status = vec![AvailabilityStatus::Approved];
    let filter = FolderFilter { status, codes: codes(code), ..Default::default() };
    let query = FindFoldersForMultiplePatients { patient_ids: Vec::new(), filter };
    world.ask(StoredQuery::FindFoldersForMultiplePatients(Box::new(query))).await.folders.len()
}

/// One document and folder of each patient; the other's has an event and a reference.
async fn fixture(world: &World) {
    let mut b = Builder::default();
    let mut s = b.document();
    b.add_folder(&mut s);
    world.register(&s).await.unwrap();
    let mut b = Builder::of(OTHER_PATIENT);
    let mut s = b.document();
    b.add_folder(&mut s);
    s.document_entries[0].event_codes = vec![Code::new("event", "2.999.9", "Event")];
    s.document_entries[0].reference_ids = vec!["55^^^&1.2.3&ISO^urn:x".into()];
    s.folders[0].codes = vec![Code::new("other", "2.999.9", "Other")];
    world.register(&s).await.unwrap();
}

async fn check(world: &World) {
    let class = || DocumentFilter { class_code: codes("class"), ..filter() };
    assert_eq!(documents(world, class()).await, 2);
    let both = DocumentFilter { event_codes: codes("event"), ..class() };
    assert_eq!(documents(world, both).await, 1);
    let none = DocumentFilter { event_codes: codes("event"), class_code: codes("x"), ..filter() };
    assert_eq!(documents(world, none).await, 0);
    let facility = DocumentFilter { healthcare_facility_type_code: codes("facility"), ..filter() };
    assert_eq!(documents(world, facility).await, 2);
    for pattern in ["55^^^&1.2.3&ISO^urn:x", "55^^^%"] {
        let reference = DocumentFilter { reference_ids: vec![vec![pattern.into()]], ..filter() };
        assert_eq!(documents(world, reference).await, 1, "{pattern}");
    }
    assert_eq!((folders(world, "folder").await, folders(world, "other").await), (1, 1));
    assert_eq!(folders(world, "x").await, 0);
}

pub async fn q11_the_index_leads_to_whoever_has_such_objects(world: &World) {
    fixture(world).await;

    check(world).await;
    // It is the index that leads there.
    world.run("DELETE FROM code_index").await;
    assert_eq!(
        documents(world, DocumentFilter { class_code: codes("class"), ..filter() }).await,
        0
    );
}

pub async fn q11_what_was_registered_before_the_index_is_found_at_any_time(world: &World) {
    fixture(world).await;
    world.run("DELETE FROM code_index").await;
    let gap = "INSERT INTO code_index_gap
               SELECT DISTINCT d.kind, -9223372036854775807, 0, d.entry_uuid
               FROM object_directory AS d WHERE d.kind IN (1, 3)
               AND d.entry_uuid = (SELECT e.entry_uuid FROM object_directory AS e
                                   WHERE e.kind = d.kind ORDER BY e.entry_uuid LIMIT 1)";
    world.run(gap).await;

    check(world).await;
    world.registry.store().complete_code_index().await.unwrap();
    assert_eq!(world.number("SELECT COUNT(*) FROM code_index_gap").await, 0);
    check(world).await;
}

pub async fn q11_new_versions_and_removals_are_followed(world: &World) {
    let mut b = Builder::default();
    world.register(&b.document()).await.unwrap();
    let old = world.all().await.document_entries.remove(0);
    let mut s = new_version(&mut b, &old, 1);
    s.document_entries[0].class_code = Code::new("new", "2.999.9", "New");
    world.update(&s).await.unwrap();

    let of = |code: &str| documents(world, DocumentFilter { class_code: codes(code), ..filter() });
    assert_eq!((of("class").await, of("new").await), (0, 1));
    let all: FoundObjects = world.all().await;
    let sets = all.submission_sets.iter().map(|s| &s.entry_uuid);
    let ids = all.document_entries.iter().map(|e| &e.entry_uuid).chain(sets);
    let ids: Vec<_> = ids.chain(all.associations.iter().map(|a| &a.entry_uuid)).collect();
    world.remove(&ids).await.unwrap();
    assert_eq!(of("new").await, 0);
}
