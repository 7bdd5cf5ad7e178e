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
        (
            Grain::Class { code: "823751000000102".into(), scheme: None, schemes: Vec::new() },
            Some(Rule::ObjectionClass),
        ),
        (Grain::Class { code: "734163000".into(), scheme: None, schemes: Vec::new() }, None),
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
    let class = Grain::Class { code: "734163000".into(), scheme: None, schemes: Vec::new() };
    let view = view(clinician("ZEX01", "R8000"), &[objection(class)]).await.unwrap();
    let mut unknown = letter();
    unknown.class_code = Code::absent();

    assert!(view.release(letter()).is_ok());
    assert_eq!(view.release(unknown).unwrap_err().decision.rule, Rule::ObjectionClass);
}

/// An identifier whose authority is not said, or cannot be held against the one that is meant, may be
/// that one: enough for a no and too little for a yes. What names other kinds of contact alone does not
/// say of which plan it is. Of each row: what the document names, and whether it is shown to somebody
/// whom the patient denies the contact, or permits that alone.
#[tokio::test]
async fn a_contact_in_doubt_is_denied_and_not_permitted() {
    let encounter = |authority: &str| format!("E1^^^{authority}^{ENCOUNTER}");
    let accession = "E1^^^&2.999.5&ISO^urn:ihe:iti:xds:2013:accession".to_owned();
    let order = "O1^^^&2.999.5&ISO^urn:ihe:iti:xds:2013:order".to_owned();
    let other = |kind: &str| format!("E2^^^&2.999.5&ISO^{kind}");
    let (enc, plan) = (ContactKind::Encounter, ContactKind::CarePlan);
    let cases = [
        (enc, vec![encounter("&2.999.5&ISO")], false, true),
        (enc, vec![encounter("&2.999.55&ISO")], false, true),
        (enc, vec![encounter("&2.999.6&ISO")], true, false),
        (enc, vec![other(ENCOUNTER)], true, false),
        (enc, vec![encounter("")], false, false),
        (enc, vec![encounter("HOSP")], false, false),
        (enc, vec![encounter("&hosp.example.nhs.uk&DNS")], false, false),
        (enc, vec![encounter("HOSP"), other(ENCOUNTER)], false, false),
        (enc, vec!["E1^^^&2.999.5&ISO".to_owned(), other(ENCOUNTER)], false, false),
        (enc, vec![accession.clone(), other(ENCOUNTER)], true, false),
        (enc, vec![accession.clone()], false, false),
        (enc, vec![], false, false),
        (plan, vec!["E1^^^&2.999.5&ISO".to_owned()], false, true),
        (plan, vec!["E1".to_owned()], false, false),
        (plan, vec!["E1^^^HOSP^urn:local:plan".to_owned()], false, false),
        (plan, vec![other("urn:local:plan")], true, false),
        (plan, vec![other(ENCOUNTER)], false, false),
        (plan, vec![accession.clone(), order.clone()], false, false),
        (plan, vec![accession, order, other("")], true, false),
        (plan, vec![], false, false),
    ];
    for (kind, names, not_denied, permitted) in cases {
        let schemes = vec!["2.999.5".to_owned(), "2.999.55".to_owned()];
        let scheme = schemes.first().cloned();
        let contact = Grain::Related(Contact { kind, id: "E1".to_owned(), scheme, schemes });
        let yes = yes_to(|root| root.data.push(contact.clone()));
        let entry = DocumentEntry { reference_ids: names, ..letter() };
        let shown = |said: ConsentRecord| {
            let entry = entry.clone();
            async move {
                view(clinician("ZEX02", "R8001"), &[said]).await.unwrap().release(entry).is_ok()
            }
        };

        let both = (shown(objection(contact)).await, shown(yes).await);

        assert_eq!(both, (not_denied, permitted), "{kind:?} {:?}", entry.reference_ids);
    }
}

/// A no holds whichever way a source writes a code system, a yes is to those ways that mean it.
#[tokio::test]
async fn a_class_is_permitted_in_the_code_system_that_is_meant() {
    let schemes = vec!["2.999.4".to_owned(), "urn:classes".to_owned()];
    let code = letter().class_code.code;
    let class = |schemes| Grain::Class { code: code.clone(), scheme: None, schemes };
    let shown = |said: ConsentRecord, scheme: &str| {
        let class_code = Code::new(code.as_str(), scheme, "");
        let entry = DocumentEntry { class_code, ..letter() };
        async move { view(clinician("ZEX02", "R8001"), &[said]).await.unwrap().release(entry).is_ok() }
    };
    for (scheme, meant) in [("2.999.4", true), ("urn:classes", true), ("2.999.5", false)] {
        let yes = yes_to(|root| root.classes.push(class(schemes.clone())));
        let of_any = yes_to(|root| root.classes.push(class(Vec::new())));

        assert!(!shown(objection(class(schemes.clone())), scheme).await, "{scheme}");
        assert_eq!(shown(yes, scheme).await, meant, "{scheme}");
        assert!(shown(of_any, scheme).await, "{scheme}");
    }
}

fn yes_to(limit: impl FnOnce(&mut Term)) -> ConsentRecord {
    let mut root = Term { permits: true, ..Term::default() };
    limit(&mut root);
    let provision = Provision::Terms(Box::new(Terms { root, exceptions: Vec::new() }));
    ConsentRecord { provision, ..objection(Grain::WholeRecord) }
}

const ENCOUNTER: &str = "urn:ihe:iti:xds:2015:encounterId";

fn encounter() -> Contact {
    Contact { kind: ContactKind::Encounter, id: "E1".to_owned(), scheme: None, schemes: Vec::new() }
}
