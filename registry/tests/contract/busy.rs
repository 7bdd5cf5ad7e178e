//! What is said when the database cannot take more, and when an answer would be too long.

use carerecord_model::{
    AvailabilityStatus, CodeFilter, DocumentFilter, ErrorCode, FindDocuments,
    FindDocumentsForMultiplePatients, StoredQuery,
};
use carerecord_testkit::submission::{Builder, PATIENT};

use crate::support::World;

mod tests {
    crate::on_both_databases!(
        q9_who_waits_in_vain_is_told_that_the_registry_is_busy,
        q9_too_many_results_of_all_patients_are_refused,
    );
}

pub async fn q9_who_waits_in_vain_is_told_that_the_registry_is_busy(world: &World) {
    let query =
        StoredQuery::FindDocuments(Box::new(FindDocuments::approved(PATIENT.parse().unwrap())));
    let all = world.exhaust().await;

    let draft = world.draft();
    let found = world.registry.stored_query(&world.caller, &query, true, &draft).await;

    let told = found.err().unwrap().into_transaction_error().0;
    assert_eq!(told[0].code, ErrorCode::XDSRegistryBusy);
    drop(all);
    world.ask(query).await;
}

pub async fn q9_too_many_results_of_all_patients_are_refused(world: &World) {
    let mut b = Builder::default();
    for _ in 0..6 {
        let mut s = b.empty();
        (0..1_667).for_each(|_| {
            b.add_document(&mut s);
        });
        world.register(&s).await.unwrap();
    }
    let filter = DocumentFilter {
        status: vec![AvailabilityStatus::Approved],
        class_code: CodeFilter(vec![vec![("class".into(), "2.999.9".into())]]),
        ..Default::default()
    };
    let query = FindDocumentsForMultiplePatients { patient_ids: Vec::new(), filter };
    let query = StoredQuery::FindDocumentsForMultiplePatients(Box::new(query));

    assert_eq!(world.try_ask(query, true).await, Err(vec![ErrorCode::XDSTooManyResults]));
    // Of one patient, all are told.
    let own = FindDocuments::approved(PATIENT.parse().unwrap());
    let found = world.ask(StoredQuery::FindDocuments(Box::new(own))).await;
    assert_eq!(found.document_entries.len(), 10_002);
}
