use std::sync::Arc;

use carerecord_model::{
    AssociationType, AvailabilityStatus, DocumentEntry, EntryRef, ErrorCode, Folder, GetDocuments,
    LogicalId, MetadataLevel, ObjectId, Slot, StoredQuery, Submission, SubmissionSetStatus,
};
use carerecord_testkit::submission::{Builder, OTHER_PATIENT};

use crate::support::{World, count};

mod tests {
    crate::on_both_databases!(
        an_entry_gets_a_new_version,
        only_the_newest_version_is_updated,
        what_identifies_a_document_does_not_change,
        a_first_version_is_not_an_update,
        associations_follow_unless_told_not_to,
        an_update_may_move_an_entry_to_another_patient,
        a_status_changes_both_ways,
        malformed_changes_of_status_are_refused,
        an_association_is_submitted,
        submitted_associations_keep_the_rules,
        a_folder_gets_a_new_version,
        one_object_is_updated_once,
        a_new_version_can_be_deprecated_at_once,
        a_restricted_update_changes_few_attributes,
        a_restricted_update_keeps_the_status,
        metadata_is_removed_as_a_whole,
        what_is_referred_to_is_not_removed,
        changes_are_told_in_order,
    );
}

const APPROVED: &str = "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved";
const DEPRECATED: &str = "urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated";

pub fn slot(name: &str, value: &str) -> Slot {
    Slot { name: name.into(), values: vec![value.into()] }
}

async fn registered(world: &World, b: &mut Builder) -> DocumentEntry {
    let s = b.document();
    world.register(&s).await.unwrap();
    let id = s.document_entries[0].unique_id.clone();
    let all = world.all().await.document_entries;
    DocumentEntry::clone(all.iter().find(|e| e.unique_id == id).unwrap())
}

/// An update of an entry: the same with another title.
pub fn new_version(b: &mut Builder, old: &DocumentEntry, previous: u32) -> Submission {
    let mut s = b.empty();
    let mut entry = old.clone();
    entry.entry_uuid = ObjectId::Symbol("new".into());
    entry.version = 0;
    entry.title = vec![carerecord_model::LocalizedString::new("Mended")];
    let set = s.submission_set.entry_uuid.clone();
    let mut member = b.association(AssociationType::HasMember, &set, &entry.entry_uuid);
    member.submission_set_status = Some(SubmissionSetStatus::Original);
    member.extra.slots.push(slot("PreviousVersion", &previous.to_string()));
    s.document_entries.push(entry);
    s.associations.push(member);
    s
}

/// An update of a folder.
pub fn new_folder_version(b: &mut Builder, old: &Folder) -> Submission {
    let mut s = b.empty();
    let set = s.submission_set.entry_uuid.clone();
    let mut folder = old.clone();
    folder.entry_uuid = ObjectId::Symbol("new".into());
    folder.version = 0;
    let mut member = b.association(AssociationType::HasMember, &set, &folder.entry_uuid);
    member.extra.slots.push(slot("PreviousVersion", &old.version.to_string()));
    s.folders.push(folder);
    s.associations.push(member);
    s
}

/// An update of a status.
pub fn new_status(b: &mut Builder, id: &ObjectId, from: &str, to: &str) -> Submission {
    let mut s = b.empty();
    add_status(b, &mut s, id, from, to);
    s
}

fn add_status(b: &mut Builder, s: &mut Submission, id: &ObjectId, from: &str, to: &str) {
    let set = s.submission_set.entry_uuid.clone();
    let mut a = b.association(AssociationType::UpdateAvailabilityStatus, &set, id);
    a.extra.slots.push(slot("OriginalStatus", from));
    a.extra.slots.push(slot("NewStatus", to));
    s.associations.push(a);
}

pub fn submit(
    b: &mut Builder,
    kind: AssociationType,
    source: &ObjectId,
    target: &ObjectId,
) -> Submission {
    let mut s = b.empty();
    let set = s.submission_set.entry_uuid.clone();
    let a = b.association(kind, source, target);
    let by = b.association(AssociationType::SubmitAssociation, &set, &a.entry_uuid);
    s.associations.extend([a, by]);
    s
}

/// The versions of an entry that a query of this level sees.
async fn versions(world: &World, lid: LogicalId, level: MetadataLevel) -> Vec<Arc<DocumentEntry>> {
    let mut query = GetDocuments::of(EntryRef::LogicalIds(vec![lid]));
    query.level = level;
    world.ask(StoredQuery::GetDocuments(query)).await.document_entries
}

pub async fn an_entry_gets_a_new_version(world: &World) {
    let mut b = Builder::default();
    let old = registered(world, &mut b).await;

    world.update(&new_version(&mut b, &old, 1)).await.unwrap();

    let lid = old.logical_id.unwrap();
    let current = versions(world, lid, MetadataLevel::One).await;
    assert_eq!(current.len(), 1);
    assert_eq!((current[0].version, current[0].display_title()), (2, Some("Mended")));
    assert_eq!(current[0].logical_id, Some(lid));
    let all = versions(world, lid, MetadataLevel::Two).await;
    let status: Vec<_> = all.iter().map(|e| (e.version, e.availability_status)).collect();
    assert_eq!(status, [(1, AvailabilityStatus::Deprecated), (2, AvailabilityStatus::Approved)]);
}

pub async fn only_the_newest_version_is_updated(world: &World) {
    let mut b = Builder::default();
    let old = registered(world, &mut b).await;
    world.update(&new_version(&mut b, &old, 1)).await.unwrap();

    let again = new_version(&mut b, &old, 1);
    assert_eq!(world.update(&again).await, Err(vec![ErrorCode::XDSMetadataVersionError]));
    let mut unknown = new_version(&mut b, &old, 1);
    unknown.document_entries[0].logical_id =
        Some("urn:uuid:aaaaaaaa-0000-4000-8000-0000000000ff".parse().unwrap());
    assert_eq!(world.update(&unknown).await, Err(vec![ErrorCode::XDSMetadataVersionError]));
    world.update(&new_version(&mut b, &old, 2)).await.unwrap();
}

pub async fn what_identifies_a_document_does_not_change(world: &World) {
    let mut b = Builder::default();
    let old = registered(world, &mut b).await;
    let mut s = new_version(&mut b, &old, 1);
    s.document_entries[0].unique_id = "1.2.3.4".parse().unwrap();

    assert_eq!(world.update(&s).await, Err(vec![ErrorCode::XDSMetadataUpdateError]));
}

pub async fn a_first_version_is_not_an_update(world: &World) {
    let mut b = Builder::default();

    let errors = world.update(&b.document()).await.unwrap_err();

    assert!(errors.contains(&ErrorCode::XDSMetadataUpdateError));
    assert!(errors.contains(&ErrorCode::XDSMetadataUpdateOperationError));
}

pub async fn associations_follow_unless_told_not_to(world: &World) {
    let mut b = Builder::default();
    let mut s = b.document();
    let document = s.document_entries[0].entry_uuid.clone();
    let folder = b.add_folder(&mut s);
    b.add_to_folder(&mut s, &folder, &document);
    world.register(&s).await.unwrap();
    let all = world.all().await;
    let (entry, folder) = (all.document_entries[0].clone(), all.folders[0].entry_uuid.clone());
    let members = |found: &carerecord_model::FoundObjects| {
        found.associations.iter().filter(|a| a.source == folder).count()
    };

    world.update(&new_version(&mut b, &entry, 1)).await.unwrap();
    assert_eq!(members(&world.all().await), 2, "the old membership and its copy");
    let mut alone = new_version(&mut b, &entry, 2);
    alone.associations[0].extra.slots.push(slot("AssociationPropagation", "no"));
    world.update(&alone).await.unwrap();
    assert_eq!(members(&world.all().await), 2);
}

pub async fn an_update_may_move_an_entry_to_another_patient(world: &World) {
    let mut b = Builder::default();
    let old = registered(world, &mut b).await;
    let mut s = new_version(&mut b, &old, 1);
    s.document_entries[0].patient_id = OTHER_PATIENT.parse().unwrap();
    s.submission_set.patient_id = OTHER_PATIENT.parse().unwrap();

    world.update(&s).await.unwrap();

    assert_eq!(world.all_of(OTHER_PATIENT).await.document_entries.len(), 1);
    let query = GetDocuments {
        level: MetadataLevel::Two,
        ..GetDocuments::of(EntryRef::LogicalIds(vec![old.logical_id.unwrap()]))
    };
    let whole = world.try_ask(StoredQuery::GetDocuments(query.clone()), true).await;
    assert_eq!(whole, Err(vec![ErrorCode::XDSResultNotSinglePatient]));
    let refs = world.try_ask(StoredQuery::GetDocuments(query), false).await.unwrap();
    assert_eq!(refs.document_entries.len(), 2);

    // Not when it would stay tied to the first patient's documents.
    let tied = registered(world, &mut b).await;
    let mut appendix = b.document();
    let id = appendix.document_entries[0].entry_uuid.clone();
    b.relate(&mut appendix, AssociationType::Append, &id, &tied.entry_uuid);
    world.register(&appendix).await.unwrap();
    let mut s = new_version(&mut b, &tied, 1);
    s.document_entries[0].patient_id = OTHER_PATIENT.parse().unwrap();
    s.submission_set.patient_id = OTHER_PATIENT.parse().unwrap();
    assert_eq!(world.update(&s).await, Err(vec![ErrorCode::XDSPatientIDReconciliationError]));
}

pub async fn a_status_changes_both_ways(world: &World) {
    let mut b = Builder::default();
    let entry = registered(world, &mut b).await;
    let id = &entry.entry_uuid;
    let status =
        |found: carerecord_model::FoundObjects| found.document_entries[0].availability_status;

    world.update(&new_status(&mut b, id, APPROVED, DEPRECATED)).await.unwrap();
    assert_eq!(status(world.all().await), AvailabilityStatus::Deprecated);
    let again = new_status(&mut b, id, APPROVED, DEPRECATED);
    assert_eq!(world.update(&again).await, Err(vec![ErrorCode::XDSMetadataUpdateError]));
    world.update(&new_status(&mut b, id, DEPRECATED, APPROVED)).await.unwrap();
    assert_eq!(status(world.all().await), AvailabilityStatus::Approved);

    let set = world.all().await.submission_sets[0].entry_uuid.clone();
    let of_set = new_status(&mut b, &set, APPROVED, DEPRECATED);
    assert_eq!(world.update(&of_set).await, Err(vec![ErrorCode::XDSMetadataUpdateError]));
}

pub async fn malformed_changes_of_status_are_refused(world: &World) {
    let mut b = Builder::default();
    let entry = registered(world, &mut b).await;
    let id = &entry.entry_uuid;
    let wrong = Err(vec![ErrorCode::XDSMetadataUpdateOperationError]);

    let mut same = new_status(&mut b, id, APPROVED, APPROVED);
    assert_eq!(world.update(&same).await, wrong);
    same.associations[0].extra.slots.pop();
    assert_eq!(world.update(&same).await, wrong);
    let strange = new_status(&mut b, id, APPROVED, "urn:x");
    assert_eq!(world.update(&strange).await, wrong);
    let mut with_version = new_status(&mut b, id, APPROVED, DEPRECATED);
    with_version.associations[0].extra.slots.push(slot("PreviousVersion", "1"));
    assert_eq!(world.update(&with_version).await, wrong);
    assert_eq!(world.update(&b.empty()).await, wrong);
}

pub async fn an_association_is_submitted(world: &World) {
    let mut b = Builder::default();
    let first = registered(world, &mut b).await.entry_uuid;
    let second = registered(world, &mut b).await.entry_uuid;
    let s = submit(&mut b, AssociationType::Append, &second, &first);

    world.update(&s).await.unwrap();

    let all = world.all().await;
    assert_eq!(count(&all, AssociationType::Append), 1);
    let again = submit(&mut b, AssociationType::Append, &second, &first);
    assert_eq!(world.update(&again).await, Err(vec![ErrorCode::XDSMetadataUpdateError]));
}

pub async fn submitted_associations_keep_the_rules(world: &World) {
    let mut b = Builder::default();
    let first = registered(world, &mut b).await.entry_uuid;
    let second = registered(world, &mut b).await.entry_uuid;
    let mut other = Builder::of(OTHER_PATIENT);
    world.register(&other.document()).await.unwrap();
    let theirs = world.all_of(OTHER_PATIENT).await.document_entries[0].entry_uuid.clone();
    let set = world.all().await.submission_sets[0].entry_uuid.clone();

    let across = submit(&mut b, AssociationType::Append, &first, &theirs);
    assert_eq!(world.update(&across).await, Err(vec![ErrorCode::XDSPatientIDReconciliationError]));
    let from_set = submit(&mut b, AssociationType::HasMember, &set, &first);
    let errors = world.update(&from_set).await.unwrap_err();
    assert!(errors.iter().all(|e| *e == ErrorCode::XDSMetadataUpdateError), "{errors:?}");
    world.update(&new_status(&mut b, &second, APPROVED, DEPRECATED)).await.unwrap();
    let deprecated = submit(&mut b, AssociationType::Append, &first, &second);
    assert_eq!(
        world.update(&deprecated).await,
        Err(vec![ErrorCode::XDSRegistryDeprecatedDocumentError])
    );
}

pub async fn a_folder_gets_a_new_version(world: &World) {
    let mut b = Builder::default();
    let mut s = b.document();
    let document = s.document_entries[0].entry_uuid.clone();
    let id = b.add_folder(&mut s);
    b.add_to_folder(&mut s, &id, &document);
    world.register(&s).await.unwrap();
    let old: Folder = world.all().await.folders.remove(0);

    world.update(&new_folder_version(&mut b, &old)).await.unwrap();

    let all = world.all().await;
    let mut versions: Vec<_> =
        all.folders.iter().map(|f| (f.version, f.availability_status)).collect();
    versions.sort();
    assert_eq!(versions, [(1, AvailabilityStatus::Deprecated), (2, AvailabilityStatus::Approved)]);
    let newest = all.folders.iter().find(|f| f.version == 2).unwrap();
    let members = all.associations.iter().filter(|a| a.source == newest.entry_uuid).count();
    assert_eq!(members, 1, "the member was carried over");
}

pub async fn one_object_is_updated_once(world: &World) {
    let mut b = Builder::default();
    let old = registered(world, &mut b).await;
    let mut s = new_version(&mut b, &old, 1);
    let mut second = new_version(&mut b, &old, 1);
    let mut entry = second.document_entries.remove(0);
    entry.entry_uuid = ObjectId::Symbol("other".into());
    entry.unique_id = "1.2.3.4.5".parse().unwrap();
    let mut member = second.associations.remove(0);
    member.target = entry.entry_uuid.clone();
    s.document_entries.push(entry);
    s.associations.push(member);

    let errors = world.update(&s).await.unwrap_err();

    assert!(errors.contains(&ErrorCode::XDSMetadataUpdateOperationError), "{errors:?}");
}

pub async fn a_new_version_can_be_deprecated_at_once(world: &World) {
    let mut b = Builder::default();
    let old = registered(world, &mut b).await;
    let mut s = new_version(&mut b, &old, 1);
    let id = s.document_entries[0].entry_uuid.clone();
    add_status(&mut b, &mut s, &id, APPROVED, DEPRECATED);

    world.update(&s).await.unwrap();

    let all = versions(world, old.logical_id.unwrap(), MetadataLevel::Two).await;
    assert!(all.iter().all(|e| e.availability_status == AvailabilityStatus::Deprecated));
    assert_eq!(all.len(), 2);
}

pub async fn a_restricted_update_changes_few_attributes(world: &World) {
    let mut b = Builder::default();
    let old = registered(world, &mut b).await;
    let changed = |b: &mut Builder, change: fn(&mut DocumentEntry)| {
        let mut s = new_version(b, &old, 1);
        change(&mut s.document_entries[0]);
        s
    };

    let s = changed(&mut b, |e| e.repository_unique_id = Some("1.2.3".parse().unwrap()));
    assert_eq!(world.restricted_update(&s).await, Err(vec![ErrorCode::UnmodifiableMetadataError]));
    let s = changed(&mut b, |e| e.online = false);
    assert_eq!(world.restricted_update(&s).await, Err(vec![ErrorCode::UnmodifiableMetadataError]));
    let s = changed(&mut b, |e| e.unique_id = "1.2.3".parse().unwrap());
    assert_eq!(world.restricted_update(&s).await, Err(vec![ErrorCode::XDSMetadataIdentifierError]));
    let mut s = changed(&mut b, |e| e.patient_id = OTHER_PATIENT.parse().unwrap());
    s.submission_set.patient_id = OTHER_PATIENT.parse().unwrap();
    assert_eq!(
        world.restricted_update(&s).await,
        Err(vec![ErrorCode::XDSPatientIDReconciliationError])
    );
    let mut s = changed(&mut b, |_| {});
    s.associations[0].extra.slots.push(slot("AssociationPropagation", "no"));
    assert_eq!(world.restricted_update(&s).await, Err(vec![ErrorCode::XDSMetadataAnnotationError]));
    let s = new_status(&mut b, &old.entry_uuid, APPROVED, DEPRECATED);
    let errors = world.restricted_update(&s).await.unwrap_err();
    assert_eq!(errors[0], ErrorCode::XDSInvalidRequestException);
    let s = changed(&mut b, |e| {
        e.confidentiality_codes = vec![carerecord_model::Code::new("R", "x", "restricted")];
    });
    world.restricted_update(&s).await.unwrap();
}

pub async fn a_restricted_update_keeps_the_status(world: &World) {
    let mut b = Builder::default();
    let old = registered(world, &mut b).await;
    world.update(&new_status(&mut b, &old.entry_uuid, APPROVED, DEPRECATED)).await.unwrap();

    assert_eq!(
        world.update(&new_version(&mut b, &old, 1)).await,
        Err(vec![ErrorCode::XDSMetadataUpdateError])
    );
    world.restricted_update(&new_version(&mut b, &old, 1)).await.unwrap();

    let current = versions(world, old.logical_id.unwrap(), MetadataLevel::One).await;
    assert_eq!(current[0].version, 2);
    assert_eq!(current[0].availability_status, AvailabilityStatus::Deprecated);
}

pub async fn metadata_is_removed_as_a_whole(world: &World) {
    let mut b = Builder::default();
    let s = b.document();
    world.register(&s).await.unwrap();
    let all = world.all().await;
    let (entry, set, member) = (
        &all.document_entries[0].entry_uuid,
        &all.submission_sets[0].entry_uuid,
        &all.associations[0].entry_uuid,
    );

    world.remove(&[entry, set, member]).await.unwrap();

    assert_eq!(world.all().await, carerecord_model::FoundObjects::default());
    // Gone for good: the same submission can be registered again.
    world.register(&s).await.unwrap();
    assert_eq!(world.all().await.document_entries.len(), 1);
}

pub async fn what_is_referred_to_is_not_removed(world: &World) {
    let mut b = Builder::default();
    world.register(&b.document()).await.unwrap();
    let all = world.all().await;
    let (entry, set, member) = (
        &all.document_entries[0].entry_uuid,
        &all.submission_sets[0].entry_uuid,
        &all.associations[0].entry_uuid,
    );

    assert_eq!(world.remove(&[set]).await, Err(vec![ErrorCode::ReferencesExistException]));
    assert_eq!(
        world.remove(&[entry, member]).await,
        Err(vec![ErrorCode::XDSUnreferencedObjectException])
    );
    let nowhere: ObjectId = "urn:uuid:aaaaaaaa-0000-4000-8000-0000000000ff".parse().unwrap();
    assert_eq!(world.remove(&[&nowhere]).await, Err(vec![ErrorCode::UnresolvedReferenceException]));
    assert_eq!(world.all().await, all);
}

pub async fn changes_are_told_in_order(world: &World) {
    let mut b = Builder::default();
    let first = registered(world, &mut b).await;
    let start = world.registry.changes(&world.caller, 0, 100).await.unwrap().into_value();
    let kinds: Vec<_> = start.changes.iter().map(|c| c.kind).collect();
    assert_eq!(kinds, ["document-entry", "submission-set", "association"]);

    world.update(&new_status(&mut b, &first.entry_uuid, APPROVED, DEPRECATED)).await.unwrap();

    let page = world.registry.changes(&world.caller, start.next, 1).await.unwrap().into_value();
    assert_eq!(page.changes.len(), 1);
    let rest = world.registry.changes(&world.caller, page.next, 100).await.unwrap().into_value();
    let told: Vec<_> = page.changes.iter().chain(&rest.changes).map(|c| (c.verb, c.kind)).collect();
    assert_eq!(told.len(), 2, "the entry, and the set that asked");
    assert!(told.contains(&(carerecord_registry::Verb::Deprecated, "document-entry")));
    let end = world.registry.changes(&world.caller, rest.next, 100).await.unwrap().into_value();
    assert_eq!((end.changes.len(), end.next), (0, rest.next));

    let number = first.patient_id.nhs_number().unwrap();
    let last = world.registry.last_changes(&world.caller, number).await.unwrap().into_value();
    let changed = |id: &ObjectId| last.iter().find(|c| Some(c.id) == id.uuid()).unwrap().changed_at;
    let deprecated = page.changes.iter().chain(&rest.changes).find(|c| c.kind == "document-entry");
    assert_eq!(changed(&first.entry_uuid), deprecated.unwrap().changed_at);
    assert_eq!(last.len(), 3, "two sets and the entry; relations are nobody's to read");
}
