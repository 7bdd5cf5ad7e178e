//! Limited metadata: objects that say that their source knows no more. ITI TF-3: 4.3.1.

use carerecord_codec::ebrim::{Classification, ObjectKind, RegistryObject};
use carerecord_model::{
    AvailabilityStatus, CodeFilter, DocumentFilter, ErrorCode, FindDocuments, FoundObjects,
    NumberPolicy, StoredQuery, Submission,
};
use carerecord_registry::{RegistryConfig, UnknownPatients};
use carerecord_testkit::submission::{Builder, PATIENT};

use crate::structure::{folder, of};
use crate::support::World;

mod tests {
    crate::on_both_databases!(
        limited_metadata_is_refused_where_it_is_not_taken,
        limited_metadata_is_kept_and_comes_back,
        without_the_label_nothing_may_be_missing,
        limited_metadata_has_what_identifies_it,
        what_is_absent_passes_no_filter,
    );
}

const DE: &str = "urn:uuid:ab9b591b-83ab-4d03-8f5d-f93b1fb92e85";
const SS: &str = "urn:uuid:5003a9db-8d8d-49e6-bf0c-990e34ac7707";
const FOLDER: &str = "urn:uuid:2c144a76-29a9-4b7c-af54-b25409fe7d03";

fn taking(world: &World) -> World {
    world.with(world.registry.clone().with_config(RegistryConfig {
        unknown_patients: UnknownPatients::Reject,
        number_policy: NumberPolicy::Any,
        limited_metadata: true,
    }))
}

fn submission() -> Submission {
    let mut b = Builder::default();
    let mut s = b.document();
    b.add_folder(&mut s);
    s
}

/// Leaves out whatever a source of limited metadata may not know.
fn reduce(objects: &mut [RegistryObject]) {
    let known = ["hash", "size", "repositoryUniqueId", "submissionTime", "SubmissionSetStatus"];
    for o in objects.iter_mut().filter(|o| o.kind != ObjectKind::Association) {
        o.slots.retain(|s| known.contains(&s.name.as_str()));
        o.classifications.retain(|c| c.node.is_some());
        o.name.clear();
    }
}

fn label(objects: &mut [RegistryObject]) {
    let label = |node: &str| Classification { node: Some(node.into()), ..Default::default() };
    of(objects, ObjectKind::ExtrinsicObject).classifications.push(label(DE));
    of(objects, ObjectKind::RegistryPackage).classifications.push(label(SS));
    folder(objects).classifications.push(label(FOLDER));
}

pub async fn limited_metadata_is_refused_where_it_is_not_taken(world: &World) {
    let s = submission();
    let told = world.register_objects(&s, |o| {
        reduce(o);
        label(o);
    });

    let told = told.await.unwrap_err();

    assert_eq!(told.len(), 3, "the set, the entry, the folder");
    for error in told {
        assert_eq!(error.code, ErrorCode::XDSRegistryMetadataError);
        assert!(error.context.contains("limitedMetadata"), "{}", error.context);
    }
    assert_eq!(world.all().await, FoundObjects::default());
}

pub async fn limited_metadata_is_kept_and_comes_back(world: &World) {
    let world = taking(world);
    let s = submission();
    for _ in 0..2 {
        world
            .register_objects(&s, |o| {
                reduce(o);
                label(o);
            })
            .await
            .unwrap();
    }

    let all = world.all().await;
    let [entry] = all.document_entries.as_slice() else { panic!("not registered once") };
    assert!(entry.extra.limited && all.submission_sets[0].extra.limited);
    assert!(all.folders[0].extra.limited && all.folders[0].codes.is_empty());
    assert!(entry.class_code.is_absent() && entry.confidentiality_codes.is_empty());
    assert!(entry.source_patient_id.is_none() && entry.creation_time.is_none());
    let answer = carerecord_codec::AdhocQueryResponse::found(Default::default(), &all);
    for node in [DE, SS, FOLDER] {
        let has = |o: &&RegistryObject| o.classifications.iter().any(|c| c.node_is(node));
        assert_eq!(answer.objects.iter().filter(has).count(), 1, "{node}");
    }
    assert_eq!(answer.into_found().unwrap(), all, "a peer reads it back");
}

trait Node {
    fn node_is(&self, node: &str) -> bool;
}

impl Node for Classification {
    fn node_is(&self, node: &str) -> bool {
        self.node.as_deref() == Some(node) && self.scheme.is_none()
    }
}

pub async fn without_the_label_nothing_may_be_missing(world: &World) {
    let world = taking(world);

    let told = world.register_objects(&submission(), |o| reduce(o)).await.unwrap_err();

    assert!(told.len() > 8, "each attribute is named");
    assert!(told.iter().all(|e| e.code == ErrorCode::XDSRegistryMetadataError));
}

/// The registry files everything under a patient, and finds documents by their id and bytes.
pub async fn limited_metadata_has_what_identifies_it(world: &World) {
    let world = taking(world);
    type Change = fn(&mut RegistryObject);
    let changes: [Change; 4] = [
        |o| o.external_identifiers.clear(),
        |o| o.mime_type = None,
        |o| o.slots.retain(|s| s.name != "hash"),
        |o| o.slots.retain(|s| s.name != "repositoryUniqueId"),
    ];
    let s = submission();
    for change in changes {
        let told = world.register_objects(&s, |o| {
            reduce(o);
            label(o);
            change(of(o, ObjectKind::ExtrinsicObject));
        });
        assert_eq!(told.await.unwrap_err()[0].code, ErrorCode::XDSRegistryMetadataError);
    }
}

pub async fn what_is_absent_passes_no_filter(world: &World) {
    let world = taking(world);
    let s = submission();
    let register = world.register_objects(&s, |o| {
        reduce(o);
        label(o);
    });
    register.await.unwrap();
    let found = async |class_code: CodeFilter| {
        let status = vec![AvailabilityStatus::Approved];
        let filter = DocumentFilter { status, class_code, ..Default::default() };
        let query = FindDocuments { patient_id: PATIENT.parse().unwrap(), filter };
        world.ask(StoredQuery::FindDocuments(Box::new(query))).await.document_entries.len()
    };

    assert_eq!(found(CodeFilter::default()).await, 1);
    assert_eq!(found(CodeFilter(vec![vec![("class".into(), "2.999.9".into())]])).await, 0);
}
