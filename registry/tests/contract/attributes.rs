//! S7: the attributes of each object, one by one.

use carerecord_codec::ebrim::{ObjectKind, RegistryObject};
use carerecord_model::Slot;
use carerecord_testkit::submission::Builder;

use crate::structure::{folder, of, refused};
use crate::support::World;

mod tests {
    crate::on_both_databases!(
        s7_required_attributes_are_there,
        s7_attributes_have_their_form_and_number,
    );
}

pub async fn s7_required_attributes_are_there(world: &World) {
    for slot in ["creationTime", "hash", "size", "languageCode", "repositoryUniqueId"] {
        let entry = |o: &mut Vec<RegistryObject>| {
            of(o, ObjectKind::ExtrinsicObject).slots.retain(|s| s.name != slot);
        };
        refused(world, slot, entry).await;
    }
    refused(world, "sourcePatientId", |o| {
        of(o, ObjectKind::ExtrinsicObject).slots.retain(|s| s.name != "sourcePatientId");
    })
    .await;
    refused(world, "mimeType", |o| of(o, ObjectKind::ExtrinsicObject).mime_type = None).await;
    refused(world, "objectType", |o| of(o, ObjectKind::ExtrinsicObject).object_type = None).await;
    refused(world, "submissionTime", |o| of(o, ObjectKind::RegistryPackage).slots.clear()).await;
    refused(world, "title", |o| folder(o).name.clear()).await;
    // Every code, and every identifier, of each kind of object.
    let mut b = Builder::default();
    let mut s = b.document();
    b.add_folder(&mut s);
    let whole = carerecord_codec::SubmitObjectsRequest::new(&s).objects;
    for (at, object) in whole.iter().enumerate().filter(|(_, o)| o.node.is_none()) {
        for scheme in object.classifications.iter().filter_map(|c| c.scheme.clone()) {
            if scheme.starts_with("urn:uuid:93606bcf") {
                continue; // The author may be unknown.
            }
            let less = |o: &mut Vec<RegistryObject>| {
                o[at].classifications.retain(|c| c.scheme.as_ref() != Some(&scheme));
            };
            refused(world, &scheme, less).await;
        }
        for scheme in object.external_identifiers.iter().map(|i| i.scheme.clone()) {
            let less = |o: &mut Vec<RegistryObject>| {
                o[at].external_identifiers.retain(|i| i.scheme != scheme);
            };
            refused(world, &scheme, less).await;
        }
    }
}

pub async fn s7_attributes_have_their_form_and_number(world: &World) {
    let entry = |o: &mut [RegistryObject], name: &str, values: &[&str]| {
        let slots = &mut of(o, ObjectKind::ExtrinsicObject).slots;
        slots.retain(|s| s.name != name);
        let values = values.iter().map(|v| (*v).to_owned()).collect();
        slots.push(Slot { name: name.into(), values });
    };
    for (name, value) in [
        ("creationTime", "20240230"),
        ("hash", "abc"),
        ("size", "-1"),
        ("repositoryUniqueId", "urn:oid:1.2"),
        ("sourcePatientId", "MRN"),
        ("legalAuthenticator", "^^"),
    ] {
        refused(world, name, |o| entry(o, name, &[value])).await;
    }
    refused(world, "two values", |o| entry(o, "languageCode", &["en", "de"])).await;
    refused(world, "a slot twice", |o| {
        let slots = &mut of(o, ObjectKind::ExtrinsicObject).slots;
        slots.push(slots[0].clone());
    })
    .await;
    type Change = fn(&mut RegistryObject);
    let changes: [(&str, Change); 6] = [
        ("codingScheme", |o| o.classifications.last_mut().unwrap().slots.clear()),
        ("display name", |o| o.classifications.last_mut().unwrap().name.clear()),
        ("code", |o| o.classifications.last_mut().unwrap().code.clear()),
        ("two codes", |o| {
            let last = o.classifications.last().unwrap().clone();
            o.classifications.push(last);
        }),
        ("an author of nothing", |o| o.classifications[0].slots.clear()),
        ("two authors in one", |o| {
            let slot = &mut o.classifications[0].slots[0];
            slot.values.push(slot.values[0].clone());
        }),
    ];
    for (what, change) in changes {
        refused(world, what, |o| change(of(o, ObjectKind::ExtrinsicObject))).await;
    }
}
