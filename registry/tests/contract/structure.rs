//! Rules of a message's form: its wire form is changed, as no builder would make it.

use carerecord_codec::ebrim::{ObjectKind, RegistryObject};
use carerecord_model::{
    AssociationType, Code, DocumentEntryType, ErrorCode, FoundObjects, ObjectId, Severity, Slot,
    Submission, SubmissionSetStatus,
};
use carerecord_testkit::submission::Builder;

use crate::support::World;

mod tests {
    crate::on_both_databases!(
        s1_there_is_exactly_one_submission_set,
        s2_a_package_is_a_set_or_a_folder,
        s5_a_membership_says_whether_its_document_is_new,
        s6_associations_lead_to_the_kinds_that_they_need,
        s10_only_one_relationship_code_on_relationships,
        s11_other_elements_are_refused,
        v9_a_unique_id_of_a_package_is_not_a_documents,
        v13_a_set_does_not_refer_to_what_is_deprecated,
        v17_a_stable_entry_does_not_replace_an_on_demand_one,
        v18_one_document_is_replaced_once,
        v19_slots_with_other_names_are_left_out_with_a_warning,
    );
}

/// A change of the wire form that must be refused as wrong metadata and nothing else.
pub async fn refused(world: &World, what: &str, change: impl FnOnce(&mut Vec<RegistryObject>)) {
    let mut b = Builder::default();
    let mut s = b.document();
    b.add_folder(&mut s);

    let told = world.register_objects(&s, change).await.expect_err(what);

    let other = told.iter().find(|e| e.code != ErrorCode::XDSRegistryMetadataError);
    assert!(other.is_none(), "{what}: {other:?}");
    assert_eq!(world.all().await, FoundObjects::default(), "{what}");
}

pub fn of(objects: &mut [RegistryObject], kind: ObjectKind) -> &mut RegistryObject {
    objects.iter_mut().find(|o| o.kind == kind).unwrap()
}

/// The builder's folder comes behind the set.
pub fn folder(objects: &mut [RegistryObject]) -> &mut RegistryObject {
    objects.iter_mut().rfind(|o| o.kind == ObjectKind::RegistryPackage).unwrap()
}

pub async fn s1_there_is_exactly_one_submission_set(world: &World) {
    refused(world, "none", |o| o.retain(|o| o.kind != ObjectKind::RegistryPackage)).await;
    refused(world, "two", |o| {
        let mut second = of(o, ObjectKind::RegistryPackage).clone();
        second.id = "second".into();
        o.push(second);
    })
    .await;
}

pub async fn s2_a_package_is_a_set_or_a_folder(world: &World) {
    refused(world, "neither", |o| folder(o).classifications.retain(|c| c.node.is_none())).await;
    refused(world, "both", |o| {
        let label = of(o, ObjectKind::RegistryPackage).classifications[0].clone();
        folder(o).classifications.push(label);
    })
    .await;
    // The label may stand beside the package.
    let mut b = Builder::default();
    let s = b.document();
    let beside = world.register_objects(&s, |objects| {
        let set = of(objects, ObjectKind::RegistryPackage);
        let node = set.classifications.remove(0).node;
        let (id, kind) = (set.id.clone(), ObjectKind::Classification);
        let label = RegistryObject::new(kind, "label");
        objects.insert(0, RegistryObject { classified: Some(id), node, ..label });
    });
    beside.await.unwrap();
}

pub async fn s5_a_membership_says_whether_its_document_is_new(world: &World) {
    for status in [None, Some("Reference"), Some("Perhaps")] {
        refused(world, "of a new document", |o| {
            let slot = &mut of(o, ObjectKind::Association).slots;
            slot.clear();
            slot.extend(
                status.map(|s| Slot { name: "SubmissionSetStatus".into(), values: vec![s.into()] }),
            );
        })
        .await;
    }
    let (mut b, old) = with_one(world).await;
    for status in [None, Some(SubmissionSetStatus::Original)] {
        let mut s = b.document();
        refer(&mut b, &mut s, &old, status);
        assert_eq!(world.register(&s).await, Err(vec![ErrorCode::XDSRegistryMetadataError]));
    }
    let mut s = b.document();
    refer(&mut b, &mut s, &old, Some(SubmissionSetStatus::Reference));
    world.register(&s).await.unwrap();
}

/// A builder, and the id of a document that it has registered.
async fn with_one(world: &World) -> (Builder, ObjectId) {
    let mut b = Builder::default();
    world.register(&b.document()).await.unwrap();
    let id = world.all().await.document_entries.remove(0).entry_uuid.clone();
    (b, id)
}

fn refer(b: &mut Builder, s: &mut Submission, id: &ObjectId, status: Option<SubmissionSetStatus>) {
    let mut member = b.association(AssociationType::HasMember, &s.submission_set.entry_uuid, id);
    member.submission_set_status = status;
    s.associations.push(member);
}

pub async fn s6_associations_lead_to_the_kinds_that_they_need(world: &World) {
    type Change = fn(&mut Builder, &mut Submission, &ObjectId, &ObjectId);
    let changes: [Change; 5] = [
        |b, s, document, folder| b.relate(s, AssociationType::Append, document, folder),
        |b, s, _, folder| {
            let other = b.add_folder(s);
            b.add_to_folder(s, folder, &other);
        },
        |b, s, document, _| {
            let set = s.submission_set.entry_uuid.clone();
            b.relate(s, AssociationType::Append, document, &set);
        },
        // A set brings memberships in folders, not relationships.
        |b, s, document, _| {
            let second = b.add_document(s);
            b.relate(s, AssociationType::Append, document, &second);
            let tie = s.associations.last().unwrap().entry_uuid.clone();
            let set = s.submission_set.entry_uuid.clone();
            b.relate(s, AssociationType::HasMember, &set, &tie);
        },
        |b, s, _, _| {
            let set = s.submission_set.entry_uuid.clone();
            b.relate(s, AssociationType::HasMember, &set, &set);
        },
    ];
    for change in changes {
        let mut b = Builder::default();
        let mut s = b.document();
        let (document, folder) = (s.document_entries[0].entry_uuid.clone(), b.add_folder(&mut s));
        change(&mut b, &mut s, &document, &folder);

        let errors = world.register(&s).await.unwrap_err();

        assert!(errors.iter().all(|e| *e == ErrorCode::XDSRegistryMetadataError), "{errors:?}");
    }
    assert_eq!(world.all().await, FoundObjects::default());
}

pub async fn s10_only_one_relationship_code_on_relationships(world: &World) {
    let (mut b, old) = with_one(world).await;
    let why = Code::new("why", "2.999.9", "Why");
    let mut on_member = b.document();
    on_member.associations[0].documentation = Some(why.clone());
    assert_eq!(world.register(&on_member).await, Err(vec![ErrorCode::XDSRegistryMetadataError]));

    let mut s = b.document();
    let id = s.document_entries[0].entry_uuid.clone();
    b.relate(&mut s, AssociationType::Append, &id, &old);
    s.associations.last_mut().unwrap().documentation = Some(why.clone());
    let twice = world.register_objects(&s, |objects| {
        let codes = &mut objects.last_mut().unwrap().classifications;
        codes.push(codes[0].clone());
    });
    assert_eq!(twice.await.unwrap_err()[0].code, ErrorCode::XDSRegistryMetadataError);
    world.register(&s).await.unwrap();
    let all = world.all().await.associations;
    let kept: Vec<_> = all.into_iter().filter_map(|a| a.documentation).collect();
    assert_eq!(kept, [why]);
}

pub async fn s11_other_elements_are_refused(world: &World) {
    refused(world, "a Service", |o| o.push(RegistryObject::new(ObjectKind::Other, "x"))).await;
}

/// V9, the other half of which is with the on-demand entries.
pub async fn v9_a_unique_id_of_a_package_is_not_a_documents(world: &World) {
    let (mut b, _) = with_one(world).await;
    let set = world.all().await.submission_sets.remove(0);
    let mut s = b.document();
    s.document_entries[0].unique_id = set.unique_id;

    assert_eq!(world.register(&s).await, Err(vec![ErrorCode::XDSDuplicateUniqueIdInRegistry]));
}

pub async fn v13_a_set_does_not_refer_to_what_is_deprecated(world: &World) {
    let (mut b, old) = with_one(world).await;
    let mut s = b.document();
    let id = s.document_entries[0].entry_uuid.clone();
    b.relate(&mut s, AssociationType::Replace, &id, &old);
    world.register(&s).await.unwrap();

    let mut s = b.document();
    refer(&mut b, &mut s, &old, Some(SubmissionSetStatus::Reference));
    assert_eq!(world.register(&s).await, Err(vec![ErrorCode::XDSRegistryDeprecatedDocumentError]));
}

pub async fn v17_a_stable_entry_does_not_replace_an_on_demand_one(world: &World) {
    let mut b = Builder::default();
    let mut on_demand = b.document();
    let e = &mut on_demand.document_entries[0];
    e.entry_type = DocumentEntryType::OnDemand;
    (e.hash, e.size, e.creation_time) = (None, None, None);
    world.register_as(&on_demand, DocumentEntryType::OnDemand).await.unwrap();
    let old = world.all().await.document_entries.remove(0).entry_uuid.clone();

    let mut s = b.document();
    let id = s.document_entries[0].entry_uuid.clone();
    b.relate(&mut s, AssociationType::Replace, &id, &old);
    assert_eq!(world.register(&s).await, Err(vec![ErrorCode::XDSRegistryMetadataError]));
}

pub async fn v18_one_document_is_replaced_once(world: &World) {
    let (mut b, old) = with_one(world).await;
    let mut s = b.document();
    let (first, second) = (s.document_entries[0].entry_uuid.clone(), b.add_document(&mut s));
    b.relate(&mut s, AssociationType::Replace, &first, &old);
    b.relate(&mut s, AssociationType::TransformAndReplace, &second, &old);

    assert_eq!(world.register(&s).await, Err(vec![ErrorCode::XDSRegistryDeprecatedDocumentError]));
}

pub async fn v19_slots_with_other_names_are_left_out_with_a_warning(world: &World) {
    let mut s = Builder::default().document();
    let slot = |name: &str| Slot { name: name.into(), values: vec!["7".into()] };
    let own = slot("urn:example:ward");
    s.document_entries[0].extra.slots = vec![slot("ward"), own.clone(), slot("urn:ihe:ward")];

    for _ in 0..2 {
        // A repeat gets the same warnings.
        let warnings = world.register_objects(&s, |_| {}).await.unwrap();
        assert_eq!(warnings.len(), 2);
        for warning in warnings {
            assert_eq!(warning.code, ErrorCode::XDSExtraMetadataNotSaved);
            assert_eq!(warning.severity, Severity::Warning);
        }
    }
    assert_eq!(world.all().await.document_entries[0].extra.slots, [own]);
}
