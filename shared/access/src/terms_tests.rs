use super::*;
use crate::{Contact, ContactKind};

#[test]
fn of_several_exceptions_the_one_with_most_limits_counts_and_of_equals_the_no() {
    let tag = |tag: &str| vec![Grain::Tag(tag.to_owned())];
    let yes = Term { permits: true, labels: tag("A"), ..Term::default() };
    let no = Term { labels: tag("B"), ..Term::default() };
    let narrow_yes = Term { recipients: vec!["ZEX02".parse().unwrap()], ..yes.clone() };
    let narrow_no = Term { authored: Some(always()), ..no.clone() };
    for (exceptions, says) in [
        (vec![yes.clone()], Says::Yes),
        (vec![yes.clone(), no.clone()], refused(Rule::ObjectionLabel)),
        (vec![no.clone(), yes.clone()], refused(Rule::ObjectionLabel)),
        (vec![no.clone(), narrow_yes.clone()], Says::Yes),
        (vec![narrow_no.clone(), narrow_yes], refused(Rule::ObjectionTerms)),
        (vec![narrow_no, yes], refused(Rule::ObjectionTerms)),
    ] {
        let terms = Terms { root: Term { permits: true, ..Term::default() }, exceptions };

        assert_eq!(terms.settle(true, false, |_| true), says, "{terms:?}");
    }
}

#[test]
fn an_exception_for_overrides_goes_before_every_no_once_somebody_has_overridden() {
    let for_overrides =
        |permits| Term { permits, purposes: vec![TermPurpose::BreakGlass], ..Term::default() };
    let no = Term {
        authored: Some(always()),
        labels: vec![Grain::Tag("A".to_owned())],
        ..Term::default()
    };
    let settled = |exceptions: &[&Term], overridden| {
        let exceptions = exceptions.iter().map(|term| (*term).clone()).collect();
        let terms = Terms { root: Term { permits: true, ..Term::default() }, exceptions };
        terms.settle(true, overridden, |part| {
            let Part::Exception(n) = part else { return true };
            overridden || !terms.exceptions[n].is_for_overrides()
        })
    };

    assert_eq!(settled(&[&no, &for_overrides(true)], false), refused(Rule::ObjectionTerms));
    assert_eq!(settled(&[&no, &for_overrides(true)], true), Says::Yes);
    assert_eq!(settled(&[&for_overrides(false), &for_overrides(true)], true), Says::Yes);
    let firm = Says::No { rule: Rule::ObjectionWholeRecord, firm: true };
    assert_eq!(settled(&[&for_overrides(false)], true), firm);
    assert_eq!(settled(&[&for_overrides(false)], false), Says::Yes);
}

/// No override opens what any no that applies denies to overrides, whichever of them counts: of each
/// row the root, the exceptions and whether an override can open it.
#[test]
fn a_no_is_firm_by_any_that_is_for_overrides() {
    let of = |permits, purposes: &[TermPurpose], labels: &[&str], narrow| Term {
        permits,
        purposes: purposes.to_vec(),
        labels: labels.iter().map(|tag| Grain::Tag((*tag).to_owned())).collect(),
        authored: narrow,
        ..Term::default()
    };
    let (care, broken) = (TermPurpose::DirectCare, TermPurpose::BreakGlass);
    let permit = of(true, &[], &[], None);
    let (deny, deny_both) = (of(false, &[], &[], None), of(false, &[care, broken], &[], None));
    let deny_overrides = of(false, &[broken], &[], None);
    let no = of(false, &[], &["PSY"], None);
    let narrow_no = of(false, &[], &["PSY"], Some(always()));
    let narrow_yes = of(true, &[care], &["PSY"], Some(always()));
    let (label, several) = (Rule::ObjectionLabel, Rule::ObjectionTerms);
    for (root, exceptions, rule, firm) in [
        (&permit, vec![&narrow_no], several, false),
        (&permit, vec![&deny_overrides, &narrow_no], several, true),
        (&permit, vec![&narrow_no, &deny_overrides], several, true),
        (&permit, vec![&no, &deny_overrides, &narrow_no], several, true),
        (&deny, vec![&no], label, false),
        (&deny_both, vec![&no], label, true),
        (&deny_both, vec![&narrow_no], several, true),
        (&deny_overrides, vec![&no, &narrow_no], several, true),
    ] {
        let exceptions = exceptions.into_iter().cloned().collect();
        let terms = Terms { root: root.clone(), exceptions };

        let said = terms.settle(true, true, |_| true);

        assert_eq!(said, Says::No { rule, firm }, "{terms:?}");
    }
    let terms = Terms { root: deny_both, exceptions: vec![narrow_yes] };
    assert_eq!(terms.settle(true, true, |_| true), Says::Yes, "it is no no");
    let elsewhere = Terms { root: permit, exceptions: vec![deny_overrides, narrow_no] };
    let applies = |part| part != Part::Exception(0);
    let open = Says::No { rule: several, firm: false };
    assert_eq!(elsewhere.settle(true, true, applies), open, "to others overrides are denied");
}

/// One recipient or several, what is said of a purpose is said of that alone.
#[test]
fn a_purpose_limits_however_many_are_named_with_it() {
    let organisations: Vec<OrganisationCode> =
        ["ZEX02", "ZEX05"].map(|code| code.parse().unwrap()).to_vec();
    for recipients in [&organisations[..0], &organisations[..1], &organisations[..]] {
        for permits in [true, false] {
            let purposes = vec![TermPurpose::DirectCare];
            let root =
                Term { permits, recipients: recipients.to_vec(), purposes, ..Term::default() };
            let provision = Provision::from(Terms { root, exceptions: Vec::new() });

            let Provision::Terms(terms) = &provision else { panic!("{provision:?}") };
            let said = |purpose| {
                terms.says(&TermQuestion {
                    organisation: &organisations[0],
                    purpose,
                    overridden: false,
                    now: Timestamp::UNIX_EPOCH,
                    document: None,
                })
            };
            assert_ne!(said(Purpose::DirectCare), Says::Nothing, "{provision:?}");
            for other in [Purpose::Legal, Purpose::SubjectAccess, Purpose::Audit] {
                assert_eq!(said(other), Says::Nothing, "{provision:?}");
            }
        }
    }
}

#[test]
fn of_a_record_a_yes_to_some_of_it_leaves_it_open() {
    let yes = Term { permits: true, authored: Some(always()), ..Term::default() };
    let no = Terms { root: Term::default(), exceptions: Vec::new() };
    let some = Terms { root: Term::default(), exceptions: vec![yes, Term::default()] };

    assert_eq!(no.settle(false, false, |_| true), refused(Rule::ObjectionWholeRecord));
    assert_eq!(some.settle(false, false, |_| true), Says::Yes);
    assert_eq!(some.settle(true, false, |_| true), Says::Yes, "it has more limits");
}

#[test]
fn the_rule_is_that_of_what_is_objected_to() {
    let contact =
        Contact { kind: ContactKind::CarePlan, id: "1".into(), scheme: None, schemes: Vec::new() };
    let related = vec![Grain::Related(contact)];
    let label = vec![Grain::Label("R".into()), Grain::Tag("PSY".into())];
    let cases = [
        (Term::default(), Rule::ObjectionWholeRecord),
        (
            Term { recipients: vec!["ZEX02".parse().unwrap()], ..Term::default() },
            Rule::ObjectionRecipient,
        ),
        (Term { authored: Some(always()), ..Term::default() }, Rule::ObjectionPeriod),
        (Term { data: related.clone(), ..Term::default() }, Rule::ObjectionRelated),
        (Term { labels: label.clone(), ..Term::default() }, Rule::ObjectionLabel),
        (Term { labels: label, data: related, ..Term::default() }, Rule::ObjectionTerms),
    ];
    for (term, rule) in cases {
        assert_eq!(term.rule(), rule, "{term:?}");
    }
}

/// What versions before this one have stored, and what this one stores.
#[test]
fn statements_are_stored_as_they_are() {
    let term = Term { permits: true, authored: Some(always()), ..Term::default() };
    let terms = Terms { root: term, exceptions: vec![Term::default()] };
    let terms = Provision::Terms(Box::new(terms));
    let stored = serde_json::to_string(&terms).unwrap();

    assert_eq!(
        stored,
        r#"{"terms":{"root":{"permits":true,"authored":{"from":null,"until":null}},"exceptions":[{"permits":false}]}}"#
    );
    assert_eq!(serde_json::from_str::<Provision>(&stored).unwrap(), terms);
    for before in [
        r#"{"objection":{"class":{"code":"1","scheme":null}}}"#,
        r#"{"objection":{"related":{"kind":"encounter","id":"1","scheme":"2.999.5"}}}"#,
    ] {
        let read = serde_json::from_str::<Provision>(before).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), before);
    }
}

fn always() -> Span {
    Span { from: None, until: None }
}

fn refused(rule: Rule) -> Says {
    Says::No { rule, firm: false }
}
