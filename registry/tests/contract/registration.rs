use carerecord_model::{
    AssociationType, AvailabilityStatus, DocumentEntryType, ErrorCode, ObjectId,
    SubmissionSetStatus,
};
use carerecord_testkit::submission::{Builder, OTHER_PATIENT};

use crate::support::World;

mod tests {
    crate::on_both_databases!(
        a_document_is_registered_with_ids_and_version,
        a_repeat_gets_the_same_answer_and_changes_nothing,
        v1_an_unknown_patient_is_refused,
        v6_package_ids_are_used_once,
        v8_the_same_document_may_come_again_other_bytes_may_not,
        v10_an_entry_uuid_names_one_object,
        v11_references_must_resolve,
        a_replacement_deprecates_with_what_hangs_on_it,
        v13_what_is_deprecated_cannot_be_related_to,
        v4_other_patients_documents_cannot_be_related_to,
        v5_a_set_may_refer_to_any_document,
        s8_on_demand_entries_have_their_own_transaction,
        v16_snapshots_are_of_on_demand_entries,
        s6_update_instructions_are_refused,
        v19_extra_metadata_comes_back,
        long_metadata_comes_back,
        one_of_two_racing_replacements_wins,
        no_document_relates_to_itself,
        a_submission_has_its_limits,
    );
}

pub async fn a_document_is_registered_with_ids_and_version(world: &World) {
    let s = Builder::default().document();

    world.register(&s).await.unwrap();

    let all = world.all().await;
    let [entry] = all.document_entries.as_slice() else {
        panic!("{} entries", all.document_entries.len())
    };
    assert!(entry.entry_uuid.uuid().is_some());
    assert_eq!(entry.version, 1);
    assert_eq!(entry.logical_id.unwrap().uuid(), entry.uuid().unwrap().uuid());
    assert_eq!(all.submission_sets.len(), 1);
    assert_eq!(all.associations.len(), 1);
    assert_eq!(all.associations[0].submission_set_status, Some(SubmissionSetStatus::Original));
}

pub async fn a_repeat_gets_the_same_answer_and_changes_nothing(world: &World) {
    let s = Builder::default().document();

    world.register(&s).await.unwrap();
    world.register(&s).await.unwrap();

    assert_eq!(world.all().await.document_entries.len(), 1);
}

pub async fn v1_an_unknown_patient_is_refused(world: &World) {
    let s = Builder::of("9990001022^^^&2.16.840.1.113883.2.1.4.1&ISO").document();

    assert_eq!(world.register(&s).await, Err(vec![ErrorCode::XDSUnknownPatientId]));
}

pub async fn v6_package_ids_are_used_once(world: &World) {
    let mut b = Builder::default();
    let mut first = b.document();
    b.add_folder(&mut first);
    world.register(&first).await.unwrap();

    let mut second = b.document();
    second.submission_set.unique_id = first.submission_set.unique_id.clone();
    assert_eq!(world.register(&second).await, Err(vec![ErrorCode::XDSDuplicateUniqueIdInRegistry]));
    let mut third = b.document();
    b.add_folder(&mut third);
    third.folders[0].unique_id = first.document_entries[0].unique_id.clone();
    assert_eq!(world.register(&third).await, Err(vec![ErrorCode::XDSDuplicateUniqueIdInRegistry]));
}

pub async fn v8_the_same_document_may_come_again_other_bytes_may_not(world: &World) {
    let mut b = Builder::default();
    let first = b.document();
    world.register(&first).await.unwrap();
    let again = |b: &mut Builder| {
        let mut s = b.document();
        s.document_entries[0].unique_id = first.document_entries[0].unique_id.clone();
        s.document_entries[0].hash = first.document_entries[0].hash.clone();
        s
    };

    world.register(&again(&mut b)).await.unwrap();
    assert_eq!(world.all().await.document_entries.len(), 2);
    let mut other_hash = again(&mut b);
    other_hash.document_entries[0].hash = Some("f".repeat(40));
    assert_eq!(world.register(&other_hash).await, Err(vec![ErrorCode::XDSNonIdenticalHash]));
    let mut other_size = again(&mut b);
    other_size.document_entries[0].size = Some(1);
    assert_eq!(world.register(&other_size).await, Err(vec![ErrorCode::XDSNonIdenticalSize]));
    let mut upper = again(&mut b);
    upper.document_entries[0].hash =
        first.document_entries[0].hash.as_ref().map(|h| h.to_uppercase());
    world.register(&upper).await.unwrap();
}

pub async fn v10_an_entry_uuid_names_one_object(world: &World) {
    let mut b = Builder::default();
    let mut s = b.document();
    let id: ObjectId = "urn:uuid:aaaaaaaa-0000-4000-8000-000000000001".parse().unwrap();
    s.document_entries[0].entry_uuid = id.clone();
    s.associations[0].target = id.clone();
    world.register(&s).await.unwrap();
    assert_eq!(world.all().await.document_entries[0].entry_uuid, id);

    let mut again = b.document();
    again.document_entries[0].entry_uuid = id.clone();
    again.associations[0].target = id;
    assert_eq!(world.register(&again).await, Err(vec![ErrorCode::XDSRegistryMetadataError]));
}

pub async fn v11_references_must_resolve(world: &World) {
    let mut b = Builder::default();
    let mut s = b.document();
    let id = s.document_entries[0].entry_uuid.clone();
    let nowhere: ObjectId = "urn:uuid:aaaaaaaa-0000-4000-8000-0000000000ff".parse().unwrap();
    b.relate(&mut s, AssociationType::Replace, &id, &nowhere);

    assert_eq!(world.register(&s).await, Err(vec![ErrorCode::UnresolvedReferenceException]));
    assert!(world.all().await.document_entries.is_empty());
}

/// Registers one document related to another; returns the id of the new one.
async fn related(
    world: &World,
    b: &mut Builder,
    kind: AssociationType,
    target: &ObjectId,
) -> ObjectId {
    let mut s = b.document();
    let symbol = s.document_entries[0].entry_uuid.clone();
    let unique_id = s.document_entries[0].unique_id.clone();
    b.relate(&mut s, kind, &symbol, target);
    world.register(&s).await.unwrap();
    id_of(world, unique_id.as_str()).await
}

async fn id_of(world: &World, unique_id: &str) -> ObjectId {
    let all = world.all().await.document_entries;
    all.into_iter().find(|e| e.unique_id.as_str() == unique_id).unwrap().entry_uuid.clone()
}

async fn register_one(world: &World, b: &mut Builder) -> ObjectId {
    let s = b.document();
    world.register(&s).await.unwrap();
    id_of(world, s.document_entries[0].unique_id.as_str()).await
}

pub async fn a_replacement_deprecates_with_what_hangs_on_it(world: &World) {
    let mut b = Builder::default();
    let original = register_one(world, &mut b).await;
    let transform = related(world, &mut b, AssociationType::Transform, &original).await;
    let appendix = related(world, &mut b, AssociationType::Append, &original).await;
    let deeper = related(world, &mut b, AssociationType::Append, &transform).await;
    let signature = related(world, &mut b, AssociationType::Signs, &original).await;
    let new = related(world, &mut b, AssociationType::Replace, &original).await;

    let all = world.all().await.document_entries;
    let status =
        |id: &ObjectId| all.iter().find(|e| e.entry_uuid == *id).unwrap().availability_status;
    for old in [&original, &transform, &appendix, &deeper] {
        assert_eq!(status(old), AvailabilityStatus::Deprecated);
    }
    for current in [&signature, &new] {
        assert_eq!(status(current), AvailabilityStatus::Approved);
    }
}

pub async fn v13_what_is_deprecated_cannot_be_related_to(world: &World) {
    let mut b = Builder::default();
    let original = register_one(world, &mut b).await;
    related(world, &mut b, AssociationType::Replace, &original).await;

    let mut s = b.document();
    let id = s.document_entries[0].entry_uuid.clone();
    b.relate(&mut s, AssociationType::Append, &id, &original);

    assert_eq!(world.register(&s).await, Err(vec![ErrorCode::XDSRegistryDeprecatedDocumentError]));
    let mut twice = b.document();
    let first = twice.document_entries[0].entry_uuid.clone();
    let second = b.add_document(&mut twice);
    let target = register_one(world, &mut b).await;
    b.relate(&mut twice, AssociationType::Replace, &first, &target);
    b.relate(&mut twice, AssociationType::Replace, &second, &target);
    assert_eq!(
        world.register(&twice).await,
        Err(vec![ErrorCode::XDSRegistryDeprecatedDocumentError])
    );
}

pub async fn v4_other_patients_documents_cannot_be_related_to(world: &World) {
    let mut b = Builder::default();
    let original = register_one(world, &mut b).await;
    let mut other = Builder::of(OTHER_PATIENT);
    let mut s = other.document();
    let id = s.document_entries[0].entry_uuid.clone();
    other.relate(&mut s, AssociationType::Append, &id, &original);

    assert_eq!(world.register(&s).await, Err(vec![ErrorCode::XDSPatientIdDoesNotMatch]));
}

pub async fn v5_a_set_may_refer_to_any_document(world: &World) {
    let mut b = Builder::default();
    let original = register_one(world, &mut b).await;
    let mut other = Builder::of(OTHER_PATIENT);
    let mut s = other.document();
    let set = s.submission_set.entry_uuid.clone();
    let mut member = other.association(AssociationType::HasMember, &set, &original);
    member.submission_set_status = Some(SubmissionSetStatus::Reference);
    s.associations.push(member.clone());
    world.register(&s).await.unwrap();

    let mut wrong = other.document();
    member.submission_set_status = Some(SubmissionSetStatus::Original);
    wrong.associations.push(member);
    assert_eq!(world.register(&wrong).await, Err(vec![ErrorCode::XDSRegistryMetadataError]));
}

pub async fn s8_on_demand_entries_have_their_own_transaction(world: &World) {
    let mut b = Builder::default();
    let mut s = b.document();
    let entry = &mut s.document_entries[0];
    entry.entry_type = DocumentEntryType::OnDemand;
    (entry.hash, entry.size, entry.creation_time) = (None, None, None);

    assert_eq!(world.register(&s).await, Err(vec![ErrorCode::XDSRegistryMetadataError]));
    world.register_as(&s, DocumentEntryType::OnDemand).await.unwrap();
    let stable = b.document();
    assert_eq!(
        world.register_as(&stable, DocumentEntryType::OnDemand).await,
        Err(vec![ErrorCode::XDSRegistryMetadataError])
    );
    let mut with_bytes = b.document();
    with_bytes.document_entries[0].entry_type = DocumentEntryType::OnDemand;
    assert_eq!(
        world.register_as(&with_bytes, DocumentEntryType::OnDemand).await.unwrap_err().len(),
        3
    );
    // Again under the same id: as on-demand yes, as stable no.
    let mut again = b.document();
    again.document_entries[0] = s.document_entries[0].clone();
    again.associations[0].target = again.document_entries[0].entry_uuid.clone();
    world.register_as(&again, DocumentEntryType::OnDemand).await.unwrap();
    let mut stable = b.document();
    stable.document_entries[0].unique_id = s.document_entries[0].unique_id.clone();
    assert_eq!(world.register(&stable).await, Err(vec![ErrorCode::XDSRegistryMetadataError]));
}

pub async fn v16_snapshots_are_of_on_demand_entries(world: &World) {
    let mut b = Builder::default();
    let stable = register_one(world, &mut b).await;
    let mut s = b.document();
    let entry = &mut s.document_entries[0];
    entry.entry_type = DocumentEntryType::OnDemand;
    (entry.hash, entry.size, entry.creation_time) = (None, None, None);
    world.register_as(&s, DocumentEntryType::OnDemand).await.unwrap();
    let on_demand = id_of(world, s.document_entries[0].unique_id.as_str()).await;

    related(world, &mut b, AssociationType::IsSnapshotOf, &on_demand).await;
    let mut wrong = b.document();
    let id = wrong.document_entries[0].entry_uuid.clone();
    b.relate(&mut wrong, AssociationType::IsSnapshotOf, &id, &stable);
    assert_eq!(world.register(&wrong).await, Err(vec![ErrorCode::XDSRegistryMetadataError]));
    let mut replaced = b.document();
    let id = replaced.document_entries[0].entry_uuid.clone();
    b.relate(&mut replaced, AssociationType::Replace, &id, &on_demand);
    assert_eq!(world.register(&replaced).await, Err(vec![ErrorCode::XDSRegistryMetadataError]));
}

pub async fn s6_update_instructions_are_refused(world: &World) {
    let mut b = Builder::default();
    let mut s = b.document();
    let slot = carerecord_model::Slot { name: "PreviousVersion".into(), values: vec!["1".into()] };
    s.associations[0].extra.slots.push(slot);

    assert_eq!(world.register(&s).await, Err(vec![ErrorCode::XDSRegistryMetadataError]));
    let mut s = b.document();
    let (set, id) = (s.submission_set.entry_uuid.clone(), s.document_entries[0].entry_uuid.clone());
    b.relate(&mut s, AssociationType::UpdateAvailabilityStatus, &set, &id);
    assert_eq!(world.register(&s).await, Err(vec![ErrorCode::XDSRegistryMetadataError]));
}

pub async fn v19_extra_metadata_comes_back(world: &World) {
    let mut s = Builder::default().document();
    let slot = carerecord_model::Slot { name: "urn:example:ward".into(), values: vec!["7".into()] };
    s.document_entries[0].extra.slots.push(slot.clone());

    world.register(&s).await.unwrap();

    assert_eq!(world.all().await.document_entries[0].extra.slots, [slot]);
}

pub async fn long_metadata_comes_back(world: &World) {
    let mut s = Builder::default().document();
    s.document_entries[0].reference_ids = (0..500).map(|n| format!("id{n}^^^&1.2.3&ISO")).collect();
    let expected = s.document_entries[0].reference_ids.clone();

    world.register(&s).await.unwrap();

    assert_eq!(world.all().await.document_entries[0].reference_ids, expected);
}

pub async fn one_of_two_racing_replacements_wins(world: &World) {
    let mut b = Builder::default();
    let original = register_one(world, &mut b).await;
    let mut replacements = Vec::new();
    for _ in 0..4 {
        let mut s = b.document();
        let id = s.document_entries[0].entry_uuid.clone();
        b.relate(&mut s, AssociationType::Replace, &id, &original);
        replacements.push(s);
    }

    let all = replacements.iter().map(|s| world.register(s));
    let outcomes = futures_util::future::join_all(all).await;

    let won = outcomes.iter().filter(|o| o.is_ok()).count();
    assert_eq!(won, 1);
    for lost in outcomes.into_iter().filter_map(Result::err) {
        assert_eq!(lost, [ErrorCode::XDSRegistryDeprecatedDocumentError]);
    }
}

pub async fn no_document_relates_to_itself(world: &World) {
    let mut b = Builder::default();
    let mut s = b.document();
    let id = s.document_entries[0].entry_uuid.clone();
    b.relate(&mut s, AssociationType::Append, &id, &id);
    assert_eq!(world.register(&s).await, Err(vec![ErrorCode::XDSRegistryMetadataError]));

    let id = register_one(world, &mut b).await;
    let s = crate::lifecycle::submit(&mut b, AssociationType::Replace, &id, &id);
    assert_eq!(world.update(&s).await, Err(vec![ErrorCode::XDSMetadataUpdateError]));
}

pub async fn a_submission_has_its_limits(world: &World) {
    let mut b = Builder::default();
    let mut long = b.document();
    long.document_entries[0].reference_ids =
        (0..20_000).map(|n| format!("id{n}^^^&1.2.3&ISO")).collect();
    assert_eq!(world.register(&long).await, Err(vec![ErrorCode::XDSRegistryMetadataError]));

    let mut many = b.document();
    let id = many.document_entries[0].entry_uuid.clone();
    (0..20_000).for_each(|_| b.relate(&mut many, AssociationType::Append, &id, &id));
    assert_eq!(world.register(&many).await, Err(vec![ErrorCode::XDSRegistryMetadataError]));
    assert!(world.all().await.document_entries.is_empty());
}
