//! Sets that refer to another patient's document: a mother's letter in her child's set. What is
//! told of it is what the caller may see of both records, and no more.

use carerecord_access::Caller;
use carerecord_model::{
    AssociationType, ContentFilter, EntryRef, ErrorCode, FoundObjects, Get, ObjectId, Scope,
    StoredQuery, Submission, SubmissionSetStatus,
};
use carerecord_testkit::submission::{Builder, OTHER_PATIENT, PATIENT};

use crate::support::World;

mod tests {
    crate::on_both_databases!(
        q7_a_set_that_refers_to_another_patient_is_not_one_patients,
        q7_whose_document_is_referred_to_is_not_one_patients_either,
        q7_what_is_withheld_of_another_patient_is_not_told,
    );
}

/// Two documents of two patients; the second one's set refers to the first.
struct Fixture {
    mother: ObjectId,
    child: ObjectId,
    set: ObjectId,
}

async fn fixture(world: &World) -> Fixture {
    let mut b = Builder::default();
    world.register(&seen_by_its_author(b.document())).await.unwrap();
    let mother = world.all().await.document_entries.remove(0).entry_uuid.clone();
    let mut other = Builder::of(OTHER_PATIENT);
    let mut s = seen_by_its_author(other.document());
    let set = s.submission_set.entry_uuid.clone();
    let mut member = other.association(AssociationType::HasMember, &set, &mother);
    member.submission_set_status = Some(SubmissionSetStatus::Reference);
    s.associations.push(member);
    world.register(&s).await.unwrap();
    let mut theirs = world.all_of(OTHER_PATIENT).await;
    Fixture {
        mother,
        child: theirs.document_entries.remove(0).entry_uuid.clone(),
        set: theirs.submission_sets.remove(0).entry_uuid,
    }
}

/// For the organisation that `without_delegation` asks for.
fn seen_by_its_author(mut s: Submission) -> Submission {
    s.document_entries[0].authors[0].institutions =
        vec!["Royal Example Hospital^^^^^&2.999.1&ISO^^^^ZEX01".parse().unwrap()];
    s
}

fn get(id: &ObjectId) -> Box<Get> {
    Box::new(Get {
        objects: EntryRef::Uuids(id.uuid().into_iter().collect()),
        content: ContentFilter::default(),
        association_types: Vec::new(),
        scope: Scope::default(),
        home_community_id: None,
    })
}

async fn ask_as(
    world: &World,
    caller: &Caller,
    query: &StoredQuery,
    whole: bool,
) -> Result<FoundObjects, ErrorCode> {
    let found = world.registry.stored_query(caller, query, whole, &world.draft()).await;
    found
        .map(carerecord_access::Released::into_value)
        .map_err(|e| e.into_transaction_error().0.remove(0).code)
}

pub async fn q7_a_set_that_refers_to_another_patient_is_not_one_patients(world: &World) {
    let f = fixture(world).await;
    let query = StoredQuery::GetSubmissionSetAndContents(get(&f.set));

    for caller in [world.caller.clone(), world.without_delegation()] {
        let whole = ask_as(world, &caller, &query, true).await;
        assert_eq!(whole, Err(ErrorCode::XDSResultNotSinglePatient));
        let refs = ask_as(world, &caller, &query, false).await.unwrap();
        assert_eq!((refs.document_entries.len(), refs.associations.len()), (2, 2));
    }
    // What is about the child's document alone is answered whole.
    let alone = world.ask(StoredQuery::GetDocumentsAndAssociations(get(&f.child))).await;
    assert_eq!((alone.document_entries.len(), alone.associations.len()), (1, 1));
}

pub async fn q7_whose_document_is_referred_to_is_not_one_patients_either(world: &World) {
    let f = fixture(world).await;

    let sets = StoredQuery::GetSubmissionSets(get(&f.mother));
    let whole = world.try_ask(sets.clone(), true).await;
    assert_eq!(whole, Err(vec![ErrorCode::XDSResultNotSinglePatient]));
    let refs = world.try_ask(sets, false).await.unwrap();
    assert_eq!((refs.submission_sets.len(), refs.associations.len()), (2, 2));
    // Associations have no patient.
    let ties = world.ask(StoredQuery::GetAssociations(get(&f.mother))).await;
    assert_eq!(ties.associations.len(), 2);
    // Everything of one patient is of one patient.
    assert_eq!(world.all().await.associations.len(), 1);
}

pub async fn q7_what_is_withheld_of_another_patient_is_not_told(world: &World) {
    let f = fixture(world).await;
    let query = StoredQuery::GetSubmissionSetAndContents(get(&f.set));
    world.object(PATIENT).await;

    for whole in [true, false] {
        let found = ask_as(world, &world.without_delegation(), &query, whole).await.unwrap();
        assert_eq!(found.document_entries.len(), 1, "the child's own");
        assert_eq!(found.document_entries[0].entry_uuid, f.child);
        assert!(found.associations.iter().all(|a| a.target != f.mother));
    }
    let sets = StoredQuery::GetSubmissionSets(get(&f.mother));
    let found = ask_as(world, &world.without_delegation(), &sets, true).await;
    assert_eq!(found, Ok(FoundObjects::default()), "as of a document that is not there");
}
