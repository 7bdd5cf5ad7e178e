//! Loading many submissions at once keeps the rules of ITI-42.

use carerecord_audit::AuditEvent;
use carerecord_codec::SubmitObjectsRequest;
use carerecord_model::{
    AssociationType, AvailabilityStatus, Clock, EntryUuid, IdSource, ObjectId, RandomIds,
    Submission, SystemClock,
};
use carerecord_registry::{LoadLine, LoadPlace};
use carerecord_testkit::submission::Builder;

use crate::support::{World, count};

pub async fn lines_are_registered_or_told_of(world: &World) {
    let mut b = Builder::default();
    let (first, second) = (b.document(), b.document());
    let mut stranger = Builder::of("9990009990^^^&2.16.840.1.113883.2.1.4.1&ISO").document();
    stranger.submission_set.title = Vec::new();
    let xml = carerecord_xml::encode(&SubmitObjectsRequest::new(&second)).unwrap();
    let lines = [
        json(&first),
        String::from_utf8(xml).unwrap(),
        "{\"submission_set\": 1}".to_owned(),
        json(&stranger),
        // The same again, and another one under its ids.
        json(&first),
        json(&renamed(&first)),
    ];

    let place = load(world, &lines, LoadPlace::default()).await;

    assert_eq!((place.entries, place.refused), (2, 3));
    let all = world.all().await;
    assert_eq!((all.document_entries.len(), all.submission_sets.len()), (2, 2));
    let refused = world.registry.load_refusals(&world.caller, &place.source, 0).await.unwrap();
    let told: Vec<(u64, &str)> =
        refused.iter().map(|(n, what)| (*n, what.split(':').next().unwrap())).collect();
    let expected = [
        (3, "XDSRegistryMetadataError"),
        (4, "XDSUnknownPatientId"),
        (6, "XDSDuplicateUniqueIdInRegistry"),
    ];
    assert_eq!(told, expected);
    assert_eq!(world.registry.load_place(&world.caller, &place.source).await.unwrap(), Some(place));
}

/// What comes later in a part may refer to what came before it.
pub async fn history_is_replayed_in_order(world: &World) {
    let mut b = Builder::default();
    let mut original = b.document();
    let uuid: EntryUuid = "urn:uuid:0d3d1f7a-55b1-4d29-9b53-000000000001".parse().unwrap();
    let old = original.document_entries[0].entry_uuid.clone();
    original.document_entries[0].entry_uuid = uuid.into();
    original.associations[0].target = uuid.into();
    let mut newer = b.document();
    let source = newer.document_entries[0].entry_uuid.clone();
    b.relate(&mut newer, AssociationType::Replace, &source, &ObjectId::Uuid(uuid));
    assert_ne!(old, ObjectId::Uuid(uuid));

    let place = load(world, &[json(&original), json(&newer)], LoadPlace::default()).await;

    assert_eq!((place.entries, place.refused), (2, 0));
    let all = world.all().await;
    let status = |deprecated| {
        let wanted =
            if deprecated { AvailabilityStatus::Deprecated } else { AvailabilityStatus::Approved };
        all.document_entries.iter().filter(|e| e.availability_status == wanted).count()
    };
    assert_eq!((status(true), status(false)), (1, 1));
    assert_eq!(count(&all, AssociationType::Replace), 1);
}

/// More at once than are sent as values of one statement.
pub async fn hundreds_are_loaded_and_loaded_again(world: &World) {
    let mut b = Builder::default();
    let lines: Vec<String> = (0..700).map(|_| json(&b.document())).collect();

    let first = load(world, &lines, LoadPlace::default()).await;
    let again = load(world, &lines, LoadPlace::default()).await;

    assert_eq!((first.entries, first.refused), (700, 0));
    assert_eq!((again.entries, again.refused), (0, 0));
    assert_eq!(world.all().await.document_entries.len(), 700);
    assert_eq!(world.number("SELECT count(*) FROM change").await, 2100);
    assert_eq!(world.audit().verify().await.unwrap(), 2);
}

fn json(s: &Submission) -> String {
    serde_json::to_string(s).unwrap()
}

fn renamed(s: &Submission) -> Submission {
    let mut other = s.clone();
    other.document_entries[0].language_code = "cy".into();
    other
}

async fn load(world: &World, lines: &[String], mut place: LoadPlace) -> LoadPlace {
    let lines: Vec<LoadLine> = lines
        .iter()
        .zip(1..)
        .map(|(text, number)| LoadLine { number, text: text.clone() })
        .collect();
    let checked = world.registry.check_lines(&lines).unwrap();
    place.source = b"a file".to_vec();
    place.lines += lines.len() as u64;
    let audit = AuditEvent::incoming(RandomIds.ordered(), SystemClock.now(), "test", "file");
    world.registry.load(&world.caller, checked, place, audit).await.unwrap()
}

#[cfg(test)]
mod tests {
    crate::on_both_databases!(
        lines_are_registered_or_told_of,
        history_is_replayed_in_order,
        hundreds_are_loaded_and_loaded_again,
    );
}
