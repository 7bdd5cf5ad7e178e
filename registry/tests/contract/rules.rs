//! Rules of a submission that one message breaks by itself.

use carerecord_model::{AssociationType, ErrorCode, ObjectId, Submission};
use carerecord_testkit::submission::{Builder, OTHER_PATIENT};

use crate::support::World;

mod tests {
    crate::on_both_databases!(
        s3_an_id_is_there_once,
        s4_an_object_has_one_membership_of_the_set,
        s6_associations_come_from_the_kinds_that_they_need,
        s9_a_first_version_has_its_own_logical_id,
        v2_all_objects_are_of_the_sets_patient,
        v7_a_unique_id_is_on_one_object_of_a_message,
        v12_a_relationship_comes_from_a_document_of_the_message,
        v12_what_replaces_replaces_a_registered_document,
        v15_a_service_does_not_stop_before_it_starts,
        all_errors_are_told_at_once,
    );
}

/// Changes a good submission, which must then be refused with this code alone.
async fn refused(world: &World, code: ErrorCode, change: impl Fn(&mut Builder, &mut Submission)) {
    let mut b = Builder::default();
    let mut s = b.document();
    change(&mut b, &mut s);

    let errors = world.register(&s).await.unwrap_err();

    assert!(errors.iter().all(|e| *e == code), "{errors:?}, not {code:?}");
    assert_eq!(world.all().await, carerecord_model::FoundObjects::default());
}

/// S3.
pub async fn s3_an_id_is_there_once(world: &World) {
    refused(world, ErrorCode::XDSRegistryMetadataError, |b, s| {
        let mut second = b.association(
            AssociationType::HasMember,
            &s.submission_set.entry_uuid,
            &s.document_entries[0].entry_uuid,
        );
        second.entry_uuid = s.associations[0].entry_uuid.clone();
        second.submission_set_status = s.associations[0].submission_set_status;
        s.associations.push(second);
    })
    .await;
}

/// S4.
pub async fn s4_an_object_has_one_membership_of_the_set(world: &World) {
    let metadata = ErrorCode::XDSRegistryMetadataError;
    refused(world, metadata.clone(), |_, s| s.associations.clear()).await;
    refused(world, metadata.clone(), |b, s| s.folders.push(b.folder())).await;
    refused(world, metadata, |b, s| {
        let mut again = s.associations[0].clone();
        again.entry_uuid =
            b.association(AssociationType::Append, &again.source, &again.target).entry_uuid;
        s.associations.push(again);
    })
    .await;
}

/// S6.
pub async fn s6_associations_come_from_the_kinds_that_they_need(world: &World) {
    let metadata = ErrorCode::XDSRegistryMetadataError;
    refused(world, metadata.clone(), |b, s| {
        let (first, second) = (s.document_entries[0].entry_uuid.clone(), b.add_document(s));
        b.relate(s, AssociationType::HasMember, &first, &second);
    })
    .await;
    refused(world, metadata, |b, s| {
        let (document, folder) = (s.document_entries[0].entry_uuid.clone(), b.add_folder(s));
        b.relate(s, AssociationType::Append, &folder, &document);
    })
    .await;
}

/// S9.
pub async fn s9_a_first_version_has_its_own_logical_id(world: &World) {
    refused(world, ErrorCode::XDSRegistryMetadataError, |_, s| {
        s.document_entries[0].logical_id =
            Some("urn:uuid:aaaaaaaa-0000-4000-8000-0000000000ff".parse().unwrap());
    })
    .await;
}

/// V2.
pub async fn v2_all_objects_are_of_the_sets_patient(world: &World) {
    let code = ErrorCode::XDSPatientIdDoesNotMatch;
    refused(world, code.clone(), |_, s| {
        s.document_entries[0].patient_id = OTHER_PATIENT.parse().unwrap();
    })
    .await;
    refused(world, code, |b, s| {
        b.add_folder(s);
        s.folders[0].patient_id = OTHER_PATIENT.parse().unwrap();
    })
    .await;
}

/// V7.
pub async fn v7_a_unique_id_is_on_one_object_of_a_message(world: &World) {
    let code = ErrorCode::XDSRegistryDuplicateUniqueIdInMessage;
    refused(world, code.clone(), |b, s| {
        b.add_document(s);
        s.document_entries[1].unique_id = s.document_entries[0].unique_id.clone();
    })
    .await;
    refused(world, code, |_, s| {
        s.submission_set.unique_id = s.document_entries[0].unique_id.as_str().parse().unwrap();
    })
    .await;
}

/// V11, V12.
pub async fn v12_a_relationship_comes_from_a_document_of_the_message(world: &World) {
    let nowhere: ObjectId = "urn:uuid:aaaaaaaa-0000-4000-8000-0000000000ff".parse().unwrap();
    refused(world, ErrorCode::UnresolvedReferenceException, |b, s| {
        let id = s.document_entries[0].entry_uuid.clone();
        b.relate(s, AssociationType::Append, &nowhere, &id);
    })
    .await;
    refused(world, ErrorCode::UnresolvedReferenceException, |b, s| {
        let id = s.document_entries[0].entry_uuid.clone();
        b.relate(s, AssociationType::Append, &id, &ObjectId::Symbol("nowhere".into()));
    })
    .await;
}

/// V12.
pub async fn v12_what_replaces_replaces_a_registered_document(world: &World) {
    refused(world, ErrorCode::UnresolvedReferenceException, |b, s| {
        let (first, second) = (s.document_entries[0].entry_uuid.clone(), b.add_document(s));
        b.relate(s, AssociationType::Replace, &first, &second);
    })
    .await;
    // What is appended to may come in the same message.
    let mut b = Builder::default();
    let mut s = b.document();
    let (first, second) = (s.document_entries[0].entry_uuid.clone(), b.add_document(&mut s));
    b.relate(&mut s, AssociationType::Append, &first, &second);
    world.register(&s).await.unwrap();
}

/// V15: compared on what both have of precision.
pub async fn v15_a_service_does_not_stop_before_it_starts(world: &World) {
    refused(world, ErrorCode::XDSRegistryMetadataError, |_, s| {
        s.document_entries[0].service_start_time = Some("20240312".parse().unwrap());
        s.document_entries[0].service_stop_time = Some("20240311235959".parse().unwrap());
    })
    .await;
    let mut s = Builder::default().document();
    s.document_entries[0].service_start_time = Some("20240311120000".parse().unwrap());
    s.document_entries[0].service_stop_time = Some("20240311".parse().unwrap());
    world.register(&s).await.unwrap();
}

/// Section 7: not the first error alone.
pub async fn all_errors_are_told_at_once(world: &World) {
    let mut b = Builder::default();
    let mut s = b.document();
    s.document_entries[0].hash = None;
    s.document_entries[0].patient_id = OTHER_PATIENT.parse().unwrap();
    s.submission_set.unique_id = s.document_entries[0].unique_id.as_str().parse().unwrap();

    let errors = world.register(&s).await.unwrap_err();

    for code in [
        ErrorCode::XDSRegistryMetadataError,
        ErrorCode::XDSPatientIdDoesNotMatch,
        ErrorCode::XDSRegistryDuplicateUniqueIdInMessage,
    ] {
        assert!(errors.contains(&code), "{code:?} is missing in {errors:?}");
    }
}
