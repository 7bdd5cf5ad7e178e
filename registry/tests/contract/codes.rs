use std::collections::BTreeSet;
use std::sync::Arc;

use carerecord_model::{
    AffinityDomain, AssociationType, Code, CodeAttribute, CodeSet, ErrorCode, ListedAttribute,
    Submission, SubmissionSetStatus, Validity,
};
use carerecord_registry::{CodeRules, NothingToEnforce};
use carerecord_testkit::submission::Builder;

use crate::support::World;

mod tests {
    crate::on_both_databases!(
        v14_enforced_codes_are_refused_by_name,
        other_codes_are_taken_and_counted_for_each_source,
        what_is_refused_or_repeated_is_not_counted,
        updates_are_checked_too,
        a_repeat_is_answered_though_codes_have_changed,
        codes_longer_than_a_key_are_counted,
    );
}

const TYPE: ListedAttribute = ListedAttribute::Code(CodeAttribute::TypeCode);
const FOLDER: ListedAttribute = ListedAttribute::Code(CodeAttribute::FolderCodeList);
const SCHEME: &str = "2.999.9";

/// A domain that lists type codes, folder codes and MIME types.
fn domain() -> AffinityDomain {
    let mut domain = AffinityDomain::default();
    let sets = [
        (TYPE, Code::new("type", SCHEME, "")),
        (FOLDER, Code::new("folder", SCHEME, "")),
        (ListedAttribute::MimeType, Code::new("text/plain", "", "")),
    ];
    for (attribute, code) in sets {
        let set = CodeSet { attribute, codes: vec![code], whole_schemes: Vec::new() };
        domain.add(set, Validity::default());
    }
    domain
}

fn rules(enforced: &[ListedAttribute]) -> CodeRules {
    CodeRules::new(domain(), enforced.iter().copied().collect()).unwrap()
}

/// What the builder makes is in the domain; this is not.
fn strange(b: &mut Builder, code: &str) -> Submission {
    let mut s = b.document();
    s.document_entries[0].type_code = Code::new(code, SCHEME, "Type");
    s
}

pub async fn v14_enforced_codes_are_refused_by_name(world: &World) {
    let registry = world.registry.clone().with_codes(rules(&[TYPE, ListedAttribute::MimeType]));
    let world = world.with(registry);
    let mut b = Builder::default();
    world.register(&b.document()).await.unwrap();

    let mut s = strange(&mut b, "strange");
    s.document_entries[0].mime_type = "Text/Strange; charset=utf-8".parse().unwrap();
    let errors = world.refusal(&s).await;

    let all = [&errors[0], &errors[1]];
    assert!(errors.len() == 2 && all.iter().all(|e| e.code == ErrorCode::XDSRegistryMetadataError));
    for word in ["typeCode", "strange", SCHEME] {
        assert!(errors[0].context.contains(word), "{}", errors[0].context);
    }
    assert!(errors[1].context.contains("mimeType text/strange"), "{}", errors[1].context);
    assert!(errors[0].location.is_some());
    assert_eq!(world.all().await.document_entries.len(), 1);
    // Another scheme is another code; another name is not.
    let mut s = b.document();
    s.document_entries[0].type_code = Code::new("type", "2.999.8", "Type");
    assert_eq!(world.register(&s).await, Err(vec![ErrorCode::XDSRegistryMetadataError]));
    let mut s = b.document();
    s.document_entries[0].type_code = Code::new("type", SCHEME, "Another name");
    s.document_entries[0].mime_type = "TEXT/plain; charset=utf-8".parse().unwrap();
    world.register(&s).await.unwrap();
}

pub async fn other_codes_are_taken_and_counted_for_each_source(world: &World) {
    let world = world.with(world.registry.clone().with_codes(rules(&[])));
    let mut b = Builder::default();
    let mut two = strange(&mut b, "a");
    b.add_document(&mut two);
    two.document_entries[1].type_code = Code::new("a", SCHEME, "A");
    two.document_entries[1].mime_type = "text/strange".parse().unwrap();
    world.register(&two).await.unwrap();
    world.register(&strange(&mut b, "a")).await.unwrap();
    let mut other = strange(&mut b, "b");
    other.submission_set.source_id = "1.2.42.8".parse().unwrap();
    b.add_folder(&mut other);
    other.folders[0].codes.push(Code::new("c", SCHEME, "C"));
    world.register(&other).await.unwrap();

    let found = world.registry.store().unmapped_codes().await.unwrap();

    let found: Vec<_> = found
        .iter()
        .map(|u| (u.source_id.as_str(), u.attribute.as_str(), u.code.as_str(), u.uses))
        .collect();
    let expected = [
        ("1.2.42.7", "mimeType", "text/strange", 1),
        ("1.2.42.7", "typeCode", "a", 3),
        ("1.2.42.8", "codeList", "c", 1),
        ("1.2.42.8", "typeCode", "b", 1),
    ];
    assert_eq!(found, expected);
}

pub async fn what_is_refused_or_repeated_is_not_counted(world: &World) {
    let world = world.with(world.registry.clone().with_codes(rules(&[FOLDER])));
    let mut b = Builder::default();
    let s = strange(&mut b, "a");
    world.register(&s).await.unwrap();
    world.register(&s).await.unwrap();
    let mut refused = strange(&mut b, "b");
    b.add_folder(&mut refused);
    refused.folders[0].codes.push(Code::new("strange", SCHEME, "Strange"));
    assert_eq!(world.register(&refused).await, Err(vec![ErrorCode::XDSRegistryMetadataError]));
    let mut elsewhere = strange(&mut b, "c");
    elsewhere.document_entries[0].unique_id = s.document_entries[0].unique_id.clone();
    assert_eq!(world.register(&elsewhere).await, Err(vec![ErrorCode::XDSNonIdenticalHash]));

    let found = world.registry.store().unmapped_codes().await.unwrap();

    let [only] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((only.code.as_str(), only.uses), ("a", 1));
}

pub async fn updates_are_checked_too(world: &World) {
    let mut b = Builder::default();
    world.register(&b.document()).await.unwrap();
    let mut entry = Arc::unwrap_or_clone(world.all().await.document_entries.remove(0));
    entry.type_code = Code::new("strange", SCHEME, "Strange");
    entry.entry_uuid = carerecord_model::ObjectId::Symbol("new".into());
    let mut s = b.empty();
    let set = s.submission_set.entry_uuid.clone();
    let mut member = b.association(AssociationType::HasMember, &set, &entry.entry_uuid);
    member.submission_set_status = Some(SubmissionSetStatus::Original);
    let slot = carerecord_model::Slot { name: "PreviousVersion".into(), values: vec!["1".into()] };
    member.extra.slots.push(slot);
    s.associations.push(member);
    s.document_entries.push(entry);

    let strict = world.with(world.registry.clone().with_codes(rules(&[TYPE])));
    assert_eq!(strict.update(&s).await, Err(vec![ErrorCode::XDSRegistryMetadataError]));
    let lenient = world.with(world.registry.clone().with_codes(rules(&[])));
    lenient.update(&s).await.unwrap();

    let found = world.registry.store().unmapped_codes().await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
}

pub async fn a_repeat_is_answered_though_codes_have_changed(world: &World) {
    let mut b = Builder::default();
    let s = strange(&mut b, "old");
    world.register(&s).await.unwrap();
    let world = world.with(world.registry.clone().with_codes(rules(&[TYPE])));

    world.register(&s).await.unwrap();

    // Its own time is long ago, which is no way around the rules of today.
    assert!(s.submission_set.submission_time < "20260201".parse().unwrap());
    let other = strange(&mut b, "old");
    assert_eq!(world.register(&other).await, Err(vec![ErrorCode::XDSRegistryMetadataError]));
}

pub async fn codes_longer_than_a_key_are_counted(world: &World) {
    let world = world.with(world.registry.clone().with_codes(rules(&[])));
    // Of different letters, so that it does not shrink.
    let long: String = (0u32..18_000).filter_map(|n| char::from_u32(0x4e00 + n % 20_000)).collect();

    world.register(&strange(&mut Builder::default(), &long)).await.unwrap();

    let found = world.registry.store().unmapped_codes().await.unwrap();
    assert!(long.starts_with(&found[0].code) && found[0].code.chars().count() == 200);
}

#[test]
fn an_empty_list_is_not_enforced() {
    let class = ListedAttribute::Code(CodeAttribute::ClassCode);

    let refused = CodeRules::new(domain(), BTreeSet::from([class]));

    assert_eq!(refused.unwrap_err(), NothingToEnforce(class));
}
