//! What is kept of an update: its SubmissionSet with what belongs to it, and who asked for what.

use carerecord_audit::{AuditFilter, AuditOutcome};
use carerecord_model::{
    AssociationType, ContentFilter, EntryRef, FoundObjects, Get, MetadataLevel, ObjectId, Scope,
    StoredQuery, Submission,
};
use carerecord_testkit::submission::Builder;

use crate::lifecycle::{new_folder_version, new_status, new_version, slot, submit};
use crate::support::World;

mod tests {
    crate::on_both_databases!(
        a_set_that_updates_is_kept_with_its_membership,
        a_set_that_only_instructs_is_kept_alone,
        updates_are_audited_with_what_they_are_about,
    );
}

const APPROVED: &str = "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved";
const DEPRECATED: &str = "urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated";

fn get(objects: EntryRef) -> Box<Get> {
    Box::new(Get {
        objects,
        content: ContentFilter::default(),
        association_types: Vec::new(),
        scope: Scope { level: MetadataLevel::Two, association_status: Vec::new() },
        home_community_id: None,
    })
}

/// The set of an update, with all that is tied to it.
async fn kept(world: &World, s: &Submission) -> (FoundObjects, FoundObjects) {
    let set = EntryRef::UniqueIds(vec![s.submission_set.unique_id.clone()]);
    let contents = world.ask(StoredQuery::GetSubmissionSetAndContents(get(set))).await;
    let [set] = contents.submission_sets.as_slice() else { panic!("the set is not kept") };
    let id = EntryRef::Uuids(set.entry_uuid.uuid().into_iter().collect());
    let ties = world.ask(StoredQuery::GetAssociations(get(id))).await;
    (contents, ties)
}

async fn two_documents(world: &World, b: &mut Builder) -> (ObjectId, ObjectId) {
    let mut s = b.document();
    b.add_document(&mut s);
    b.add_folder(&mut s);
    world.register(&s).await.unwrap();
    let mut all = world.all().await.document_entries;
    (all.remove(0).entry_uuid.clone(), all.remove(0).entry_uuid.clone())
}

/// ITI-57 and ITI-92: the membership with its PreviousVersion, and nothing else, hangs on the set.
pub async fn a_set_that_updates_is_kept_with_its_membership(world: &World) {
    let mut b = Builder::default();
    two_documents(world, &mut b).await;
    let all = world.all().await;
    let updates = [
        new_version(&mut b, &all.document_entries[0], 1),
        new_folder_version(&mut b, &all.folders[0]),
        new_version(&mut b, &all.document_entries[1], 1),
    ];
    for (n, s) in updates.iter().enumerate() {
        match n {
            2 => world.restricted_update(s).await.unwrap(),
            _ => world.update(s).await.unwrap(),
        }

        let (contents, ties) = kept(world, s).await;
        assert_eq!(contents.document_entries.len() + contents.folders.len(), 1);
        assert_eq!(ties.associations, contents.associations);
        let [member] = ties.associations.as_slice() else { panic!("{:?}", ties.associations) };
        assert_eq!(member.association_type, AssociationType::HasMember);
        assert!(member.extra.slots.contains(&slot("PreviousVersion", "1")));
    }
}

/// Changes of status and submitted associations: the set is there, the instruction in no answer.
pub async fn a_set_that_only_instructs_is_kept_alone(world: &World) {
    let mut b = Builder::default();
    let (first, second) = two_documents(world, &mut b).await;
    for s in [
        submit(&mut b, AssociationType::Append, &second, &first),
        new_status(&mut b, &first, APPROVED, DEPRECATED),
    ] {
        world.update(&s).await.unwrap();

        let (contents, ties) = kept(world, &s).await;
        assert!(contents.document_entries.is_empty());
        assert!(contents.associations.is_empty() && ties.associations.is_empty());
    }
    let all = world.all().await.associations;
    assert!(all.iter().all(|a| !a.association_type.is_update()));
}

pub async fn updates_are_audited_with_what_they_are_about(world: &World) {
    let mut b = Builder::default();
    let (first, second) = two_documents(world, &mut b).await;
    let s = submit(&mut b, AssociationType::Append, &second, &first);
    world.update(&s).await.unwrap();
    world.update(&new_status(&mut b, &first, APPROVED, DEPRECATED)).await.unwrap();
    let old = world.all().await.document_entries.into_iter().find(|e| e.entry_uuid == second);
    world.update(&new_version(&mut b, &old.unwrap(), 1)).await.unwrap();

    let filter = AuditFilter { outcome: Some(AuditOutcome::Success), ..Default::default() };
    let events = world.audit().read(&filter).await.unwrap();
    let listed = |ids: &[&ObjectId]| {
        let mut ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        ids.sort();
        events.iter().any(|e| e.event.listed == ids && e.event.subject.is_some())
    };
    assert!(listed(&[&first, &second]), "the submitted association");
    assert!(listed(&[&first]), "the change of status");
    assert!(listed(&[&second]), "the new version");
}
