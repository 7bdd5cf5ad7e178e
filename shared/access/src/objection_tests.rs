//! Objections of every grain: what each denies, and until when.

use super::*;

#[tokio::test]
async fn a_tag_is_objected_to_with_its_parts() {
    let view = |tag: &str| {
        let said = [objection(Grain::Tag(tag.to_owned()))];
        async move { view(clinician("ZEX02", "R8001"), &said).await.unwrap() }
    };
    let marked = || {
        let mut entry = letter();
        entry.confidentiality_codes.push(Code::new("ETHUD", "2.16.840.1.113883.5.4", ""));
        entry
    };

    for (tag, denied) in [("ETH", true), ("ETHUD", true), ("OPIOIDUD", false), ("PSY", false)] {
        assert_eq!(view(tag).await.release(marked()).is_err(), denied, "{tag}");
    }
}

#[tokio::test]
async fn each_grain_denies_what_it_names_and_says_who_set_it() {
    let other: EntryUuid = "urn:uuid:00000000-0000-4000-8000-00000000ffff".parse().unwrap();
    let cases = [
        (Grain::WholeRecord, Some(Rule::ObjectionWholeRecord)),
        (Grain::Source("ZEX01".parse().unwrap()), Some(Rule::ObjectionSource)),
        (Grain::Source("ZEX05".parse().unwrap()), None),
        (Grain::Document(letter().uuid().unwrap()), Some(Rule::ObjectionDocument)),
        (Grain::Document(other), None),
        (Grain::Class { code: "823751000000102".into(), scheme: None }, Some(Rule::ObjectionClass)),
        (Grain::Class { code: "734163000".into(), scheme: None }, None),
        (Grain::Recipient("ZEX02".parse().unwrap()), Some(Rule::ObjectionRecipient)),
        (Grain::Recipient("ZEX05".parse().unwrap()), None),
        (Grain::Label("N".into()), Some(Rule::ObjectionLabel)),
        (Grain::Label("L".into()), Some(Rule::ObjectionLabel)),
        (Grain::Label("R".into()), None),
        (Grain::Tag("PSY".into()), None),
        (Grain::Authored(Span { from: None, until: None }), Some(Rule::ObjectionPeriod)),
        (Grain::Related(encounter()), Some(Rule::ObjectionRelated)),
    ];
    for (grain, expected) in cases {
        let view = view(clinician("ZEX02", "R8001"), &[objection(grain.clone())]).await.unwrap();

        let refused = view.release(letter()).err();

        assert_eq!(refused.as_ref().map(|r| r.decision.rule), expected, "{grain:?}");
        if let Some(refused) = refused {
            let told = refused.decision.provenance().unwrap();
            assert_eq!(told, "Set by the patient on 1 November 2026.");
        }
    }
}

#[tokio::test]
async fn lifted_and_ended_objections_do_not_count() {
    let mut lifted = objection(Grain::WholeRecord);
    lifted.status = ConsentStatus::Inactive;
    let mut ended = objection(Grain::WholeRecord);
    ended.until = Some("2026-11-10T00:00:00Z".parse().unwrap());

    let view = view(clinician("ZEX02", "R8001"), &[lifted, ended]).await.unwrap();

    assert!(view.release(letter()).is_ok());
}

/// Of limited metadata: what is not known may be what is objected to.
#[tokio::test]
async fn an_objection_to_a_class_holds_for_what_has_no_class() {
    let class = Grain::Class { code: "734163000".into(), scheme: None };
    let view = view(clinician("ZEX01", "R8000"), &[objection(class)]).await.unwrap();
    let mut unknown = letter();
    unknown.class_code = Code::absent();

    assert!(view.release(letter()).is_ok());
    assert_eq!(view.release(unknown).unwrap_err().decision.rule, Rule::ObjectionClass);
}

fn encounter() -> Contact {
    Contact { kind: ContactKind::Encounter, id: "E1".to_owned(), scheme: None }
}
