//! Rules of a submission that one message breaks by itself, and what the filters of a query mean.

use carerecord_model::{
    AssociationType, AvailabilityStatus, CodeFilter, DocumentEntryType, DocumentFilter, DtmRange,
    ErrorCode, FindDocuments, ObjectId, StoredQuery, Submission,
};
use carerecord_testkit::submission::{Builder, OTHER_PATIENT, PATIENT};

use crate::support::World;

mod tests {
    crate::on_both_databases!(
        an_id_is_there_once,
        an_object_has_one_membership_of_the_set,
        associations_come_from_the_kinds_that_they_need,
        a_first_version_has_its_own_logical_id,
        all_objects_are_of_the_sets_patient,
        a_unique_id_is_on_one_object_of_a_message,
        a_relationship_comes_from_a_document_of_the_message,
        what_replaces_replaces_a_registered_document,
        a_service_does_not_stop_before_it_starts,
        all_errors_are_told_at_once,
        ranges_of_times_are_half_open,
        only_stable_entries_unless_asked,
        a_missing_service_time_excludes_nothing,
        a_missing_code_excludes,
        an_author_is_matched_as_a_whole,
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
pub async fn an_id_is_there_once(world: &World) {
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
pub async fn an_object_has_one_membership_of_the_set(world: &World) {
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
pub async fn associations_come_from_the_kinds_that_they_need(world: &World) {
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
pub async fn a_first_version_has_its_own_logical_id(world: &World) {
    refused(world, ErrorCode::XDSRegistryMetadataError, |_, s| {
        s.document_entries[0].logical_id =
            Some("urn:uuid:aaaaaaaa-0000-4000-8000-0000000000ff".parse().unwrap());
    })
    .await;
}

/// V2.
pub async fn all_objects_are_of_the_sets_patient(world: &World) {
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
pub async fn a_unique_id_is_on_one_object_of_a_message(world: &World) {
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
pub async fn a_relationship_comes_from_a_document_of_the_message(world: &World) {
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
pub async fn what_replaces_replaces_a_registered_document(world: &World) {
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
pub async fn a_service_does_not_stop_before_it_starts(world: &World) {
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

/// How many entries pass.
async fn found(world: &World, filter: DocumentFilter) -> usize {
    let status = vec![AvailabilityStatus::Approved];
    let filter = DocumentFilter { status, ..filter };
    let query = FindDocuments { patient_id: PATIENT.parse().unwrap(), filter };
    world.ask(StoredQuery::FindDocuments(Box::new(query))).await.document_entries.len()
}

fn range(from: &str, to: &str) -> DtmRange {
    let bound = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
    DtmRange { from: bound(from), to: bound(to) }
}

pub async fn ranges_of_times_are_half_open(world: &World) {
    let mut s = Builder::default().document();
    s.document_entries[0].creation_time = Some("20041224".parse().unwrap());
    world.register(&s).await.unwrap();

    let cases = [
        (("20041224", "20050101"), 1),
        (("20041124", "20041224"), 0),
        (("20041224000001", ""), 0),
        (("2004", "2005"), 1),
        (("", ""), 1),
    ];
    for ((from, to), expected) in cases {
        let filter = DocumentFilter { creation_time: range(from, to), ..Default::default() };
        assert_eq!(found(world, filter).await, expected, "from {from} to {to}");
    }
}

/// Creation times do not exclude what has none because it is made on demand.
pub async fn only_stable_entries_unless_asked(world: &World) {
    let mut b = Builder::default();
    world.register(&b.document()).await.unwrap();
    let mut s = b.document();
    let e = &mut s.document_entries[0];
    e.entry_type = DocumentEntryType::OnDemand;
    (e.hash, e.size, e.creation_time) = (None, None, None);
    world.register_as(&s, DocumentEntryType::OnDemand).await.unwrap();
    let of = |types: &[DocumentEntryType]| DocumentFilter {
        entry_types: types.to_vec(),
        ..Default::default()
    };

    assert_eq!(found(world, of(&[])).await, 1);
    assert_eq!(found(world, of(&[DocumentEntryType::OnDemand])).await, 1);
    let both = of(&[DocumentEntryType::Stable, DocumentEntryType::OnDemand]);
    assert_eq!(found(world, both.clone()).await, 2);
    let long_ago = DocumentFilter { creation_time: range("1990", "1991"), ..both };
    assert_eq!(found(world, long_ago).await, 1);
}

pub async fn a_missing_service_time_excludes_nothing(world: &World) {
    let mut b = Builder::default();
    world.register(&b.document()).await.unwrap();
    let mut s = b.document();
    s.document_entries[0].service_start_time = Some("2004".parse().unwrap());
    s.document_entries[0].service_stop_time = Some("2005".parse().unwrap());
    world.register(&s).await.unwrap();

    let start = DocumentFilter { service_start_time: range("2010", ""), ..Default::default() };
    assert_eq!(found(world, start).await, 1);
    let stop = DocumentFilter { service_stop_time: range("2005", "2006"), ..Default::default() };
    assert_eq!(found(world, stop).await, 2);
}

/// Codes are compared with their scheme.
pub async fn a_missing_code_excludes(world: &World) {
    let mut b = Builder::default();
    world.register(&b.document()).await.unwrap();
    let mut s = b.document();
    s.document_entries[0].event_codes =
        ["A", "B"].map(|c| carerecord_model::Code::new(c, "1.2.3", c)).to_vec();
    world.register(&s).await.unwrap();
    let events = |groups: &[&[(&str, &str)]]| {
        let code = |(c, s): &(&str, &str)| ((*c).to_owned(), (*s).to_owned());
        let groups = groups.iter().map(|g| g.iter().map(code).collect()).collect();
        DocumentFilter { event_codes: CodeFilter(groups), ..Default::default() }
    };
    let (a, b, c) = (("A", "1.2.3"), ("B", "1.2.3"), ("C", "1.2.3"));

    assert_eq!(found(world, events(&[&[a, c]])).await, 1, "one or the other");
    assert_eq!(found(world, events(&[&[a], &[b]])).await, 1, "one and the other");
    assert_eq!(found(world, events(&[&[a], &[c]])).await, 0);
    assert_eq!(found(world, events(&[&[("A", "9.9.9")]])).await, 0, "another scheme");
}

/// `%` and `_` are always wildcards, a backslash has no meaning, case counts.
pub async fn an_author_is_matched_as_a_whole(world: &World) {
    world.register(&Builder::default().document()).await.unwrap();

    for (pattern, expected) in [
        ("%Okafor%", 1),
        ("77123^Okafor^Ngozi", 1),
        ("Okafor", 0),
        ("%okafor%", 0),
        ("_7123%", 1),
        ("%Okafor\\%", 0),
    ] {
        let author_person = vec![pattern.to_owned()];
        let filter = DocumentFilter { author_person, ..Default::default() };
        assert_eq!(found(world, filter).await, expected, "{pattern}");
    }
}
